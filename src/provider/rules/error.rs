//! Error rules: what a provider's error means.

use std::sync::LazyLock;
use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use regex_lite::{Regex, RegexBuilder};
use serde::Deserialize;

use super::wait::{self, Until};
use crate::chat::{Class, Failure, Scope};
use crate::dialect::ProviderError;

/// One rule: all conditions that it names must hold. In TOML:
///
/// ```toml
/// errors = [
///     { status = [429], marks = ["1113"], class = "no_money" },
///     { status = [429], pattern = "per ?day", class = "quota_spent", until = "utc-midnight" },
/// ]
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Row")]
pub struct ErrorRule {
    /// None: any.
    status: Vec<Statuses>,
    /// Codes, types and reasons, compared whole and regardless of case; one is enough.
    marks: Vec<String>,
    /// Tried on the message and on every mark, regardless of case.
    pattern: Option<Regex>,
    class: Class,
    scope: Option<Scope>,
    /// How long to rest when the provider doesn't tell.
    wait: Option<Duration>,
    /// Until when to rest; goes before `wait`.
    until: Option<Until>,
    /// What the provider tells is not to be believed here.
    ignore_told: bool,
    /// The status for the client, when the provider's own would mislead.
    show: Option<u16>,
}

/// One status, or a hundred of them.
#[derive(Debug, Clone, Copy)]
enum Statuses {
    One(u16),
    Hundred(u16),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    #[serde(default)]
    status: Vec<toml::Value>,
    #[serde(default)]
    marks: Vec<String>,
    pattern: Option<String>,
    class: String,
    scope: Option<String>,
    wait: Option<String>,
    until: Option<Until>,
    #[serde(default)]
    ignore_told: bool,
    show: Option<u16>,
}

impl TryFrom<Row> for ErrorRule {
    type Error = String;

    fn try_from(row: Row) -> Result<ErrorRule, String> {
        Ok(ErrorRule {
            status: row.status.iter().map(Statuses::read).collect::<Result<_, _>>()?,
            marks: row.marks,
            pattern: row.pattern.as_deref().map(pattern).transpose()?,
            class: class(&row.class).ok_or_else(|| format!("'{}' is no class", row.class))?,
            scope: row
                .scope
                .as_deref()
                .map(|name| scope(name).ok_or_else(|| format!("'{name}' is no scope")))
                .transpose()?,
            wait: row.wait.as_deref().map(duration).transpose()?,
            until: row.until,
            ignore_told: row.ignore_told,
            show: row.show,
        })
    }
}

impl Statuses {
    /// `429`, or `"5xx"` for a hundred.
    fn read(value: &toml::Value) -> Result<Statuses, String> {
        let hundred = value.as_str().and_then(|text| text.strip_suffix("xx")).and_then(|digit| digit.parse().ok());
        let one = value.as_integer().and_then(|number| u16::try_from(number).ok());
        one.map(Statuses::One)
            .or_else(|| hundred.map(|digit: u16| Statuses::Hundred(digit)))
            .ok_or_else(|| format!("{value} is no status"))
    }

    fn has(self, status: u16) -> bool {
        match self {
            Statuses::One(one) => one == status,
            Statuses::Hundred(digit) => digit == status / 100,
        }
    }
}

fn pattern(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text).case_insensitive(true).build().map_err(|error| error.to_string())
}

fn duration(text: &str) -> Result<Duration, String> {
    let signed: jiff::SignedDuration =
        text.parse().map_err(|_| format!("'{text}' is no time such as '90s' or '6h'"))?;
    Duration::try_from(signed).map_err(|_| format!("'{text}' is less than nothing"))
}

fn class(name: &str) -> Option<Class> {
    Some(match name {
        "bad_request" => Class::BadRequest,
        "too_large" => Class::TooLarge,
        "no_route" => Class::NoRoute,
        "unknown_model" => Class::UnknownModel,
        "key_dead" => Class::KeyDead,
        "key_refused" => Class::KeyRefused,
        "no_money" => Class::NoMoney,
        "quota_spent" => Class::QuotaSpent,
        "rate_limited" => Class::RateLimited,
        "model_refused" => Class::ModelRefused,
        "context_too_long" => Class::ContextTooLong,
        "blocked" => Class::Blocked,
        "unsupported_parameter" => Class::UnsupportedParameter,
        "overloaded" => Class::Overloaded,
        "provider_down" => Class::ProviderDown,
        "timeout" => Class::Timeout,
        "bad_answer" => Class::BadAnswer,
        "unsupported" => Class::Unsupported,
        _ => return None,
    })
}

fn scope(name: &str) -> Option<Scope> {
    Some(match name {
        "request" => Scope::Request,
        "credential" => Scope::Credential,
        "credential_model" => Scope::CredentialModel,
        "model" => Scope::Model,
        "provider" => Scope::Provider,
        _ => return None,
    })
}

/// Judges an error by a provider's own rules, then by those for all.
pub(super) fn classify(
    _own: &[ErrorRule],
    status: u16,
    _headers: &HeaderMap,
    error: ProviderError,
    _model: &str,
    _now: Timestamp,
) -> Failure {
    Failure::new(Class::ProviderDown, error.message).with_status(status)
}
