//! Parameter rules: what a provider wants otherwise at the top level of a request's body.

use bytes::Bytes;
use regex_lite::Regex;
use serde::Deserialize;

use super::Ruled;
use crate::json::splice::{self, Edit, Member};

/// One rule. In TOML a table with exactly one of `rename`, `drop`, `omit`, `drop_empty`, `clamp`, `map` and `set`, and what
/// belongs to it:
///
/// ```toml
/// rules = [
///     { rename = "seed", to = "random_seed", must = true },
///     { drop = ["user", "store"] },
///     { omit = ["reasoning_effort"], when = { member = "reasoning_effort", is = "none" } },
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
    not_models: Option<Regex>,
    when: Option<When>,
    must: bool,
}

#[derive(Debug, Clone)]
enum Action {
    /// The new name is taken only where no member has it; else the old member goes.
    Rename(String, String),
    Drop(Vec<String>),
    /// Goes like a dropped one, but isn't counted: it says what the provider does anyway.
    Omit(Vec<String>),
    /// `null`, `[]`, `{}` and `""` go. `*` in the place of a name: `null` goes from every member.
    DropEmpty(Vec<String>),
    Clamp(String, Option<f64>, Option<f64>),
    /// Values as JSON text.
    Map(String, String, String),
    /// Where the member is absent or `null`.
    Set(String, String),
}

/// A look at another member; values are JSON text.
#[derive(Debug, Clone)]
struct When {
    member: String,
    /// It has this value.
    is: Option<String>,
    /// It has another value than this, or is absent.
    not: Option<String>,
    /// It is there and not `null`, or it is not.
    present: Option<bool>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct WhenRow {
    member: String,
    is: Option<toml::Value>,
    not: Option<toml::Value>,
    present: Option<bool>,
}

impl From<WhenRow> for When {
    fn from(row: WhenRow) -> When {
        When {
            member: row.member,
            is: row.is.as_ref().map(text),
            not: row.not.as_ref().map(text),
            present: row.present,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    rename: Option<String>,
    drop: Option<Vec<String>>,
    omit: Option<Vec<String>>,
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
    not_models: Option<String>,
    when: Option<WhenRow>,
    #[serde(default)]
    must: bool,
}

impl TryFrom<Row> for ParameterRule {
    type Error = String;

    fn try_from(row: Row) -> Result<ParameterRule, String> {
        let regex = |text: &Option<String>| text.as_deref().map(Regex::new).transpose().map_err(|e| e.to_string());
        let (models, not_models) = (regex(&row.models)?, regex(&row.not_models)?);
        let (when, must) = (row.when.clone().map(When::from), row.must);
        Ok(ParameterRule { action: row.action()?, models, not_models, when, must })
    }
}

impl Row {
    fn action(self) -> Result<Action, String> {
        match self {
            Row { rename: Some(old), to: Some(toml::Value::String(new)), .. } => Ok(Action::Rename(old, new)),
            Row { drop: Some(names), .. } => Ok(Action::Drop(names)),
            Row { omit: Some(names), .. } => Ok(Action::Omit(names)),
            Row { drop_empty: Some(names), .. } => Ok(Action::DropEmpty(names)),
            Row { clamp: Some(name), min, max, .. } if min.is_some() || max.is_some() => {
                Ok(Action::Clamp(name, min, max))
            }
            Row { map: Some(name), from: Some(from), to: Some(to), .. } => {
                Ok(Action::Map(name, text(&from), text(&to)))
            }
            Row { set: Some(name), value: Some(value), .. } => Ok(Action::Set(name, text(&value))),
            _ => {
                Err("a rule is one of rename + to, drop, omit, drop_empty, clamp + min or max, map + from + to, set + value"
                    .to_owned())
            }
        }
    }
}

/// A TOML value as JSON text.
fn text(value: &toml::Value) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

/// The body after the rules, in their order. A body that is no object stays as it is.
pub(super) fn apply<'r>(
    rules: impl Iterator<Item = &'r ParameterRule>,
    body: Bytes,
    model: &str,
    only_must: bool,
) -> Ruled {
    let mut ruled = Ruled { body, dropped: Vec::new() };
    let mut fitting = rules.filter(|rule| rule.fits(model, only_must)).peekable();
    if fitting.peek().is_none() {
        return ruled;
    }
    let Some(mut members) = splice::members(&ruled.body) else {
        return ruled;
    };
    for rule in fitting {
        let body = Body { bytes: &ruled.body, members: &members };
        let edits = rule.edits(&body, &mut ruled.dropped);
        if !edits.is_empty() {
            let edited = splice::apply(&ruled.body, &members, &edits);
            members = splice::members(&edited).unwrap_or_default();
            ruled.body = edited;
        }
    }
    ruled
}

/// A body and where its members stand.
struct Body<'a> {
    bytes: &'a Bytes,
    members: &'a [Member],
}

impl Body<'_> {
    /// All members of that name: JSON allows it twice.
    fn named(&self, name: &str) -> impl Iterator<Item = (usize, &str)> {
        self.members
            .iter()
            .enumerate()
            .filter(move |(_, member)| member.key == name)
            .map(|(index, member)| (index, self.value(member)))
    }

    fn value(&self, member: &Member) -> &str {
        let bytes = self.bytes.get(member.value.clone()).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or("null")
    }

    /// The value that counts, unless it is `null`.
    fn get(&self, name: &str) -> Option<&str> {
        self.named(name).last().map(|(_, value)| value).filter(|value| *value != "null")
    }
}

impl ParameterRule {
    fn fits(&self, model: &str, only_must: bool) -> bool {
        (self.must || !only_must)
            && self.models.as_ref().is_none_or(|models| models.is_match(model))
            && !self.not_models.as_ref().is_some_and(|models| models.is_match(model))
    }

    fn edits(&self, body: &Body<'_>, dropped: &mut Vec<String>) -> Vec<Edit> {
        if self.when.as_ref().is_some_and(|when| !when.holds(body)) {
            return Vec::new();
        }
        match &self.action {
            Action::Rename(old, new) => rename(body, old, new),
            Action::Drop(names) => drop_all(body, names, dropped),
            Action::Omit(names) => drop_all(body, names, &mut Vec::new()),
            Action::DropEmpty(names) => drop_empty(body, names),
            Action::Clamp(name, min, max) => clamp(body, name, *min, *max),
            Action::Map(name, from, to) => {
                let hits = body.named(name).filter(|(_, value)| value == from);
                hits.map(|(index, _)| Edit::Value(index, to.clone())).collect()
            }
            Action::Set(name, value) => set(body, name, value),
        }
    }
}

impl When {
    fn holds(&self, body: &Body<'_>) -> bool {
        let value = body.get(&self.member);
        self.is.as_deref().is_none_or(|is| value == Some(is))
            && self.not.as_deref().is_none_or(|not| value != Some(not))
            && self.present.is_none_or(|present| value.is_some() == present)
    }
}

fn rename(body: &Body<'_>, old: &str, new: &str) -> Vec<Edit> {
    let has_new = body.get(new).is_some();
    let null_news = body.named(new).filter(|_| !has_new).map(|(index, _)| Edit::Remove(index));
    let mut edits: Vec<Edit> = body
        .named(old)
        .map(|(index, _)| if has_new { Edit::Remove(index) } else { Edit::Name(index, new.to_owned()) })
        .collect();
    if !edits.is_empty() {
        edits.extend(null_news);
    }
    edits
}

fn drop_all(body: &Body<'_>, names: &[String], dropped: &mut Vec<String>) -> Vec<Edit> {
    let mut edits = Vec::new();
    for name in names {
        if body.get(name).is_some() {
            dropped.push(name.clone());
        }
        edits.extend(body.named(name).map(|(index, _)| Edit::Remove(index)));
    }
    edits
}

fn drop_empty(body: &Body<'_>, names: &[String]) -> Vec<Edit> {
    let is_empty = |member: &Member| {
        let value = body.value(member);
        let inside = value.get(1..value.len().saturating_sub(1)).unwrap_or_default();
        match value.as_bytes().first() {
            Some(b'n') => names.iter().any(|name| name == "*" || *name == member.key),
            Some(b'[' | b'{' | b'"') => inside.trim().is_empty() && names.contains(&member.key),
            _ => false,
        }
    };
    let hits = body.members.iter().enumerate().filter(|(_, member)| is_empty(member));
    hits.map(|(index, _)| Edit::Remove(index)).collect()
}

/// Values that are no numbers stay: the provider reports them.
fn clamp(body: &Body<'_>, name: &str, min: Option<f64>, max: Option<f64>) -> Vec<Edit> {
    let bound = |value: &str| {
        let number: f64 = value.parse().ok()?;
        min.filter(|min| number < *min).or(max.filter(|max| number > *max))
    };
    body.named(name).filter_map(|(index, value)| Some(Edit::Value(index, bound(value)?.to_string()))).collect()
}

fn set(body: &Body<'_>, name: &str, value: &str) -> Vec<Edit> {
    if body.get(name).is_some() {
        return Vec::new();
    }
    let nulls = body.named(name).map(|(index, _)| Edit::Remove(index));
    nulls.chain([Edit::Insert(name.to_owned(), value.to_owned())]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ruled(rules: &str, body: &str, model: &str, only_must: bool) -> (String, Vec<String>) {
        #[derive(Deserialize)]
        struct File {
            rules: Vec<ParameterRule>,
        }
        let file: File = toml::from_str(&format!("rules = [{rules}]")).unwrap();
        let ruled = apply(file.rules.iter(), Bytes::copy_from_slice(body.as_bytes()), model, only_must);
        (String::from_utf8(ruled.body.to_vec()).unwrap(), ruled.dropped)
    }

    fn after(rules: &str, body: &str) -> String {
        ruled(rules, body, "m", false).0
    }

    #[test]
    fn a_name_changes_and_nothing_else() {
        let rule = r#"{ rename = "seed", to = "random_seed" }"#;
        assert_eq!(after(rule, r#"{ "seed" : 7, "x":1.50 }"#), r#"{ "random_seed" : 7, "x":1.50 }"#);
        assert_eq!(after(rule, r#"{"seed":7,"random_seed":8}"#), r#"{"random_seed":8}"#);
        assert_eq!(after(rule, r#"{"seed":7,"random_seed":null}"#), r#"{"random_seed":7}"#);
        assert_eq!(after(rule, r#"{"random_seed":null}"#), r#"{"random_seed":null}"#);
    }

    #[test]
    fn what_is_dropped_is_told_unless_it_was_null() {
        let rule = r#"{ drop = ["user", "store", "n"] }"#;
        let (body, dropped) = ruled(rule, r#"{"user":"u","a":1,"store":null}"#, "m", false);
        assert_eq!(body, r#"{"a":1}"#);
        assert_eq!(dropped, ["user"]);
    }

    #[test]
    fn what_is_omitted_is_not_counted() {
        let rule = r#"{ omit = ["e"], when = { member = "e", is = "none" } }"#;
        assert_eq!(ruled(rule, r#"{"a":1,"e":"none"}"#, "m", false), (r#"{"a":1}"#.to_owned(), Vec::new()));
        assert_eq!(after(rule, r#"{"e":"low"}"#), r#"{"e":"low"}"#);
    }

    #[test]
    fn empty_members_go() {
        let rule = r#"{ drop_empty = ["*", "tools", "stop"] }"#;
        let body = r#"{"tools":[ ],"stop":"","a":[],"b":null,"c":{}}"#;
        assert_eq!(after(rule, body), r#"{"a":[],"c":{}}"#);
    }

    #[test]
    fn numbers_are_clamped_only_when_outside() {
        let rule = r#"{ clamp = "temperature", min = 0, max = 1 }"#;
        assert_eq!(after(rule, r#"{"temperature":1.7}"#), r#"{"temperature":1}"#);
        assert_eq!(after(rule, r#"{"temperature":-0.5}"#), r#"{"temperature":0}"#);
        assert_eq!(after(rule, r#"{"temperature":0.70}"#), r#"{"temperature":0.70}"#);
        assert_eq!(after(rule, r#"{"temperature":"hot"}"#), r#"{"temperature":"hot"}"#);
    }

    #[test]
    fn values_are_mapped_and_set() {
        let map = r#"{ map = "tool_choice", from = "required", to = "any" }"#;
        assert_eq!(after(map, r#"{"tool_choice":"required"}"#), r#"{"tool_choice":"any"}"#);
        assert_eq!(after(map, r#"{"tool_choice":"auto"}"#), r#"{"tool_choice":"auto"}"#);
        let set = r#"{ set = "max_tokens", value = 8192 }"#;
        assert_eq!(after(set, r#"{"a":1}"#), r#"{"a":1,"max_tokens":8192}"#);
        assert_eq!(after(set, r#"{"max_tokens":5}"#), r#"{"max_tokens":5}"#);
        assert_eq!(after(set, r#"{"max_tokens":null}"#), r#"{"max_tokens":8192}"#);
    }

    #[test]
    fn conditions_decide() {
        let rule =
            r#"{ drop = ["t"], models = "^gpt-5", not_models = "-chat", when = { member = "e", not = "none" } }"#;
        let kept = |model: &str, body: &str| ruled(rule, body, model, false).0.contains("\"t\"");
        assert!(!kept("gpt-5-mini", r#"{"t":1}"#));
        assert!(kept("gpt-5-mini", r#"{"t":1,"e":"none"}"#));
        assert!(kept("gpt-5-chat-latest", r#"{"t":1}"#));
        assert!(kept("gpt-4o", r#"{"t":1}"#));
        let present = r#"{ set = "p", value = false, when = { member = "tools", present = true } }"#;
        assert_eq!(after(present, r#"{"tools":null}"#), r#"{"tools":null}"#);
        assert_eq!(after(present, r#"{"tools":[1]}"#), r#"{"tools":[1],"p":false}"#);
    }

    #[test]
    fn a_body_that_passes_sees_only_what_must_be() {
        let rules = r#"{ rename = "seed", to = "random_seed", must = true }, { drop = ["user"] }"#;
        let body = r#"{"seed":1, "user":"u"}"#;
        assert_eq!(ruled(rules, body, "m", true).0, r#"{"random_seed":1, "user":"u"}"#);
        assert_eq!(ruled(rules, "[1]", "m", false).0, "[1]");
    }

    #[test]
    fn a_rule_that_says_nothing_is_refused() {
        for row in
            ["{ rename = 'a' }", "{ clamp = 'a' }", "{ to = 'a' }", "{ drop = ['a'], models = '(' }", "{ dorp = [] }"]
        {
            let text = format!("rule = {row}");
            let read: Result<std::collections::BTreeMap<String, ParameterRule>, _> = toml::from_str(&text);
            assert!(read.is_err(), "{row}");
        }
    }
}
