//! Error rules: what a provider's error means.

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
            class: Class::named(&row.class).ok_or_else(|| format!("'{}' is no class", row.class))?,
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
pub(super) fn classify<'r>(
    rules: impl Iterator<Item = &'r ErrorRule>,
    status: u16,
    headers: &HeaderMap,
    error: ProviderError,
    now: Timestamp,
) -> Failure {
    let effective = if status >= 400 { status } else { inner_status(&error) };
    let mut rules = rules;
    let rule = rules.find(|rule| rule.fits(effective, &error));
    let class = rule.map_or(Class::ProviderDown, |rule| rule.class);
    let mut failure = Failure::new(class, "");
    if let Some(scope) = rule.and_then(|rule| rule.scope) {
        failure.scope = scope;
    }
    failure.status = rule.and_then(|rule| rule.show).unwrap_or_else(|| shown(class, effective, failure.status));
    failure.retry_after = wait_for(class, rule, headers, &error, now);
    if class == Class::RateLimited && failure.retry_after.is_some_and(|wait| wait > SPENT) {
        failure.class = Class::QuotaSpent;
    }
    failure.message = if error.message.is_empty() { said_nothing(effective) } else { error.message };
    failure.code = error.code;
    failure.kind = error.kind;
    failure.param = error.param;
    failure
}

/// Who is told to wait longer than this has spent more than a minute's quota.
const SPENT: Duration = Duration::from_secs(300);

/// The longest rest on one hint that comes without a word of a day or of money.
const LONGEST_HINT: Duration = Duration::from_secs(3600);

impl ErrorRule {
    fn fits(&self, status: u16, error: &ProviderError) -> bool {
        let has_mark = |mark: &String| error.marks.iter().any(|found| found.eq_ignore_ascii_case(mark));
        (self.status.is_empty() || self.status.iter().any(|statuses| statuses.has(status)))
            && (self.marks.is_empty() || self.marks.iter().any(has_mark))
            && self.pattern.as_ref().is_none_or(|pattern| {
                pattern.is_match(&error.message) || error.marks.iter().any(|mark| pattern.is_match(mark))
            })
    }
}

/// The status that an error inside an answer with status 200 stands for: its code where that is one, or what its type means;
/// 0 when nothing tells (OpenRouter, OpenAI and Ollama report so; recorded).
fn inner_status(error: &ProviderError) -> u16 {
    let own = [&error.code, &error.kind].into_iter().flatten().chain(&error.marks);
    let number = own.clone().find_map(|mark| mark.parse().ok().filter(|status| (400..600).contains(status)));
    let by_name = |mark: &String| {
        let mark = mark.to_ascii_lowercase();
        INNER.iter().find(|(name, _)| *name == mark).map(|(_, status)| *status)
    };
    number.or_else(|| own.clone().find_map(by_name)).unwrap_or(0)
}

/// Error types and the status that providers send with them.
const INNER: [(&str, u16); 24] = [
    ("insufficient_quota", 429),
    ("rate_limit_exceeded", 429),
    ("rate_limit_error", 429),
    ("rate_limit_reached_error", 429),
    ("resource_exhausted", 429),
    ("tokens", 429),
    ("requests", 429),
    ("invalid_api_key", 401),
    ("authentication_error", 401),
    ("authentication", 401),
    ("unauthenticated", 401),
    ("permission_denied", 403),
    ("payment_required", 402),
    ("not_found", 404),
    ("model_not_found", 404),
    ("invalid_request_error", 400),
    ("invalid_argument", 400),
    ("context_length_exceeded", 400),
    ("content_policy_violation", 400),
    ("timeout", 504),
    ("deadline_exceeded", 504),
    ("server_error", 500),
    ("overloaded_error", 503),
    ("unavailable", 503),
];

/// The provider's own status, unless clients don't know it or it would mislead them.
fn shown(class: Class, status: u16, usual: u16) -> u16 {
    match (class, status) {
        (Class::ContextTooLong, _) => usual,
        (_, 498 | 499 | 520..=524) => usual,
        (_, 400..600) => status,
        _ => usual,
    }
}

fn said_nothing(status: u16) -> String {
    match status {
        0 => "the provider answered with an error and no word about it".to_owned(),
        status => format!("the provider answered with status {status} and no word about it"),
    }
}

/// How long to rest: what the provider tells, else what the rule says.
fn wait_for(
    class: Class,
    rule: Option<&ErrorRule>,
    headers: &HeaderMap,
    error: &ProviderError,
    now: Timestamp,
) -> Option<Duration> {
    let is_limit = matches!(class, Class::RateLimited | Class::QuotaSpent);
    let rests = is_limit
        || matches!(
            class,
            Class::KeyRefused
                | Class::NoMoney
                | Class::ModelRefused
                | Class::Overloaded
                | Class::ProviderDown
                | Class::Timeout
        );
    if !rests {
        return None;
    }
    let ignores = rule.is_some_and(|rule| rule.ignore_told);
    let longest = if class == Class::QuotaSpent || class == Class::NoMoney { wait::LONGEST } else { LONGEST_HINT };
    let told = if ignores { None } else { wait::told(headers, error, is_limit, now) };
    let by_rule = || {
        let rule = rule?;
        rule.until.and_then(|until| until.from(now)).or(rule.wait)
    };
    told.map(|told| told.min(longest)).or_else(by_rule).map(|wait| wait.min(wait::LONGEST))
}
