//! Parameter rules: what a provider wants otherwise at the top level of a request's body.

use bytes::Bytes;
use regex_lite::Regex;
use serde::Deserialize;

use super::Ruled;
use crate::json::splice::{self, Edit, Member};
use crate::json::{Json, Kind};

/// One rule. In TOML a table with exactly one of `rename`, `drop`, `drop_empty`, `clamp`, `map` and `set`, and what
/// belongs to it:
///
/// ```toml
/// rules = [
///     { rename = "seed", to = "random_seed", must = true },
///     { drop = ["user", "store"] },
///     { drop_empty = ["tools"] },
///     { clamp = "temperature", min = 0, max = 1 },
///     { map = "tool_choice", from = "required", to = "any" },
///     { set = "max_tokens", value = 8192, models = "^@cf/" },
///     { drop = ["temperature"], when = { member = "reasoning_effort", not = "none" } },
/// ]
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Row")]
pub struct ParameterRule {
    action: Action,
    models: Option<Regex>,
    when: Option<When>,
    must: bool,
}

#[derive(Debug, Clone)]
enum Action {
    /// The new name is taken only where no member has it; else the old member goes.
    Rename(String, String),
    Drop(Vec<String>),
    /// `null`, `[]`, `{}` and `""` go. `*` in the place of a name: `null` goes from every member.
    DropEmpty(Vec<String>),
    Clamp(String, Option<f64>, Option<f64>),
    /// Values as JSON text.
    Map(String, String, String),
    /// Where the member is absent or `null`.
    Set(String, String),
}

/// A look at another member.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    member: String,
    /// It has this value.
    is: Option<toml::Value>,
    /// It has another value than this, or is absent.
    not: Option<toml::Value>,
    /// It is there and not `null`, or it is not.
    present: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    rename: Option<String>,
    drop: Option<Vec<String>>,
    drop_empty: Option<Vec<String>>,
    clamp: Option<String>,
    map: Option<String>,
    set: Option<String>,
    to: Option<toml::Value>,
    from: Option<toml::Value>,
    value: Option<toml::Value>,
    min: Option<f64>,
    max: Option<f64>,
    models: Option<String>,
    when: Option<When>,
    #[serde(default)]
    must: bool,
}

impl TryFrom<Row> for ParameterRule {
    type Error = String;

    fn try_from(row: Row) -> Result<ParameterRule, String> {
        let models = row.models.as_deref().map(Regex::new).transpose().map_err(|error| error.to_string())?;
        let (when, must) = (row.when.clone(), row.must);
        Ok(ParameterRule { action: row.action()?, models, when, must })
    }
}

impl Row {
    fn action(self) -> Result<Action, String> {
        match self {
            Row { rename: Some(old), to: Some(toml::Value::String(new)), .. } => Ok(Action::Rename(old, new)),
            Row { drop: Some(names), .. } => Ok(Action::Drop(names)),
            Row { drop_empty: Some(names), .. } => Ok(Action::DropEmpty(names)),
            Row { clamp: Some(name), min, max, .. } if min.is_some() || max.is_some() => {
                Ok(Action::Clamp(name, min, max))
            }
            Row { map: Some(name), from: Some(from), to: Some(to), .. } => {
                Ok(Action::Map(name, text(&from), text(&to)))
            }
            Row { set: Some(name), value: Some(value), .. } => Ok(Action::Set(name, text(&value))),
            _ => {
                Err("a rule is one of rename + to, drop, drop_empty, clamp + min or max, map + from + to, set + value"
                    .to_owned())
            }
        }
    }
}

/// A TOML value as JSON text.
fn text(value: &toml::Value) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// The body after the rules, in their order.
pub(super) fn apply(_rules: &[ParameterRule], body: Bytes, _model: &str, _only_must: bool) -> Ruled {
    Ruled { body, dropped: Vec::new() }
}
