//! Reading the body of any provider's error: what it says, whatever shape it has.
//!
//! Shapes met (public API descriptions and recordings, 2024–2026): OpenAI's `{error: {message, type, param, code}}`, the same in an
//! array (Google), `error` as a string (xAI, Ollama, TGI), `message` alone, as an object or list (Cohere, Mistral), `detail`
//! as a string or a list of faults (FastAPI servers), `errors[]`, `title`, `base_resp` (MiniMax), JSON inside the message of
//! JSON, pages of HTML, plain text.

use std::time::Duration;

use bytes::Bytes;

use super::ProviderError;
use crate::json::{Json, Kind, Value};

/// A message that is JSON itself is opened so many times (proxies wrap each other's errors).
const WRAPS_MAX: usize = 5;
/// Deeper members of a body are not looked at.
const DEPTH_MAX: usize = 12;
/// So much is shown of a body without a message, in characters.
const TEXT_CHARS_MAX: usize = 500;
/// So many marks are kept.
const MARKS_MAX: usize = 64;

/// What an error body says. `has_own_form` is left false: only the dialect knows.
///
/// Never without a message: a body that says nothing gives one that names the status.
pub fn read(status: u16, body: &Bytes) -> ProviderError {
    let mut error = ProviderError::default();
    match Json::parse(body.clone()) {
        Ok(json) => error.message = read_document(&json, &mut error, 0).unwrap_or_else(|| fallback(json.as_str())),
        Err(_) => error.message = text_message(&String::from_utf8_lossy(body)),
    }
    if error.message.is_empty() {
        error.message = format!("the provider answered with status {status} and said nothing more");
    }
    error.retry_after = error.retry_after.or_else(|| wait_in_words(&error.message));
    error
}

/// What is shown of JSON without a message.
fn fallback(json: &str) -> String {
    if matches!(json, "null" | "{}" | "[]" | "\"\"") { String::new() } else { clip(json) }
}

fn read_document(json: &Json, error: &mut ProviderError, wraps: usize) -> Option<String> {
    let message = message_of(json.value(), error, wraps, 0);
    collect_marks(json.value(), error, 0);
    message
}

/// The message in a value; codes are filled in on the way back, so that the innermost win.
fn message_of(value: Value<'_>, error: &mut ProviderError, wraps: usize, depth: usize) -> Option<String> {
    if depth > DEPTH_MAX {
        return None;
    }
    match value.kind() {
        Kind::String => open_text(&value.string()?, error, wraps),
        Kind::Array => {
            let found: Vec<String> =
                value.items().take(5).filter_map(|item| message_of(item, error, wraps, depth + 1)).collect();
            (!found.is_empty()).then(|| found.join("; "))
        }
        Kind::Object => {
            let found = MESSAGE_KEYS.iter().find_map(|path| {
                let inner = value.path(path)?;
                message_of(inner, error, wraps, depth + 1)
            });
            fill_codes(value, error);
            found.map(|message| with_cause(message, value, wraps))
        }
        _ => None,
    }
}

/// Where a message stands, best first.
const MESSAGE_KEYS: [&[&str]; 9] = [
    &["error"],
    &["errors"],
    &["message"],
    &["detail"],
    &["msg"],
    &["title"],
    &["Message"],
    &["base_resp", "status_msg"],
    &["error_description"],
];

/// A message that may be JSON, or a page.
fn open_text(text: &str, error: &mut ProviderError, wraps: usize) -> Option<String> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return None;
    }
    let is_json = trimmed.starts_with(['{', '[']) && wraps < WRAPS_MAX;
    let inner = if is_json { Json::parse(Bytes::from(trimmed.to_owned())).ok() } else { None };
    let opened = inner.and_then(|json| read_document(&json, error, wraps + 1));
    Some(opened.unwrap_or_else(|| if trimmed.starts_with('<') { text_message(trimmed) } else { trimmed.to_owned() }))
}

/// OpenRouter says "Provider returned error" and puts the cause into `metadata.raw`. Its codes are not taken over: they are about the
/// other provider's account, not ours.
fn with_cause(message: String, value: Value<'_>, wraps: usize) -> String {
    let raw = value.path(&["metadata", "raw"]).and_then(Value::string);
    let cause = raw.and_then(|raw| open_text(&raw, &mut ProviderError::default(), wraps));
    match cause {
        Some(cause) if message == "Provider returned error" => format!("{message}: {}", clip(&cause)),
        _ => message,
    }
}

fn fill_codes(value: Value<'_>, error: &mut ProviderError) {
    let first = |paths: &[&[&str]]| paths.iter().find_map(|path| value.path(path).and_then(scalar));
    if error.code.is_none() {
        error.code = first(&[&["code"], &["base_resp", "status_code"]]);
    }
    if error.kind.is_none() {
        let status = value.get("status").filter(|status| status.kind() == Kind::String);
        let kind = first(&[&["type"]]).or_else(|| status.and_then(scalar));
        error.kind = kind.or_else(|| first(&[&["metadata", "error_type"], &["error_type"]]));
    }
    if error.param.is_none() {
        error.param = first(&[&["param"]]).or_else(|| value.get("loc").and_then(location)).or_else(|| violation(value));
    }
}

/// FastAPI's `loc`: `["body", "messages", 0]` is `messages.0`.
fn location(loc: Value<'_>) -> Option<String> {
    let steps: Vec<String> = loc.items().filter_map(scalar).skip_while(|step| step == "body").collect();
    (!steps.is_empty()).then(|| steps.join("."))
}

/// Google's `details[].fieldViolations[].field`.
fn violation(value: Value<'_>) -> Option<String> {
    let details = value.get("details")?;
    details.items().find_map(|detail| detail.get("fieldViolations")?.items().next()?.get("field").and_then(scalar))
}

/// A string with something in it, or a number in its text form.
fn scalar(value: Value<'_>) -> Option<String> {
    match value.kind() {
        Kind::String => value.string().map(|text| text.into_owned()).filter(|text| !text.is_empty()),
        Kind::Number => Some(value.as_str().to_owned()),
        _ => None,
    }
}

/// Members whose values tell what sort of error it is.
const MARK_KEYS: [&str; 14] = [
    "code",
    "type",
    "status",
    "reason",
    "reasons",
    "error_type",
    "provider_code",
    "limit_source",
    "quotaId",
    "quotaMetric",
    "status_code",
    "subcode",
    "error_code",
    "quota_limit",
];

fn collect_marks(value: Value<'_>, error: &mut ProviderError, depth: usize) {
    if depth > DEPTH_MAX {
        return;
    }
    for (key, member) in value.members() {
        if MARK_KEYS.contains(&key.as_ref()) {
            scalar(member).into_iter().for_each(|mark| push_mark(mark, error));
            member.items().filter_map(scalar).for_each(|mark| push_mark(mark, error));
        }
        if error.retry_after.is_none() {
            error.retry_after = wait_in_member(&key, member);
        }
        collect_marks(member, error, depth + 1);
    }
    value.items().for_each(|item| collect_marks(item, error, depth + 1));
}

fn push_mark(mark: String, error: &mut ProviderError) {
    if error.marks.len() < MARKS_MAX && mark.len() <= 200 && !error.marks.contains(&mark) {
        error.marks.push(mark);
    }
}

/// Google's `retryDelay: "34.07s"`, others' `retry_after` in seconds.
fn wait_in_member(key: &str, value: Value<'_>) -> Option<Duration> {
    let text = scalar(value)?;
    match key {
        "retryDelay" | "retry_after" | "retry_after_seconds" => duration(&text),
        "retry_after_ms" => duration(&format!("{text}ms")),
        _ => None,
    }
}

/// "try again in 7m12.5s", "retry in 20.04s", "retry after 30 seconds".
fn wait_in_words(message: &str) -> Option<Duration> {
    let lower = message.to_ascii_lowercase();
    ["try again in ", "retry in ", "retry after ", "try again after "].iter().find_map(|phrase| {
        let at = lower.find(phrase)? + phrase.len();
        duration(lower.get(at..)?)
    })
}

/// The time that a text begins with: `7m12.5s`, `900ms`, `30 seconds`, `1 hour 5 minutes`; a bare number is seconds.
pub fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim_start();
    let mut seconds = 0.0;
    let mut is_any = false;
    while let Some((number, behind)) = leading_number(rest) {
        let unit_start = behind.trim_start();
        let unit_len = unit_start.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, behind_unit) = unit_start.split_at(unit_len);
        let Some(factor) = unit_seconds(unit) else {
            if !is_any {
                seconds = number;
                is_any = true;
            }
            break;
        };
        seconds += number * factor;
        is_any = true;
        rest = behind_unit.trim_start();
    }
    if is_any { Duration::try_from_secs_f64(seconds).ok() } else { None }
}

fn leading_number(text: &str) -> Option<(f64, &str)> {
    let len = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let (digits, rest) = text.split_at(len);
    digits.trim_end_matches('.').parse().ok().map(|number| (number, rest))
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" | "millisecond" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86400.0,
        _ => return None,
    })
}

/// Plain text, or what a page shows: its title, else its words.
fn text_message(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").and_then(|open| {
        let start = open + "<title>".len();
        let end = start + lower.get(start..)?.find("</title>")?;
        text.get(start..end)
    });
    let title = title.map(clip).filter(|title| !title.is_empty());
    let is_page = text.trim_start().starts_with('<');
    title.unwrap_or_else(|| if is_page { clip(&without_tags(text)) } else { clip(text) })
}

fn without_tags(page: &str) -> String {
    let mut words = String::with_capacity(page.len());
    for piece in page.split('<') {
        words.push(' ');
        words.push_str(piece.split_once('>').map_or(piece, |(_, behind)| behind));
    }
    words
}

/// The first characters, runs of blanks as one.
fn clip(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(TEXT_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(body: &str) -> ProviderError {
        read(400, &Bytes::from(body.to_owned()))
    }

    /// Body, message, code, kind, param.
    type Row<'a> = (&'a str, &'a str, Option<&'a str>, Option<&'a str>, Option<&'a str>);

    #[test]
    fn every_known_shape_is_read() {
        let rows: [Row<'_>; 17] = [
            (
                r#"{"error":{"message":"no","type":"invalid_request_error","param":"model","code":null}}"#,
                "no",
                None,
                Some("invalid_request_error"),
                Some("model"),
            ),
            (
                r#"[{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}]"#,
                "m",
                Some("429"),
                Some("RESOURCE_EXHAUSTED"),
                None,
            ),
            (
                r#"{"code":"invalid-argument","error":"Incorrect API key"}"#,
                "Incorrect API key",
                Some("invalid-argument"),
                None,
                None,
            ),
            (r#"{"error":"model 'x' not found"}"#, "model 'x' not found", None, None, None),
            (r#"{"id":"1","message":"invalid"}"#, "invalid", None, None, None),
            (r#"{"detail":"Invalid API Key"}"#, "Invalid API Key", None, None, None),
            (
                r#"{"detail":[{"loc":["body","messages",0],"msg":"Field required","type":"missing"},{"msg":"b"}]}"#,
                "Field required; b",
                None,
                Some("missing"),
                Some("messages.0"),
            ),
            (
                r#"{"object":"error","message":{"detail":[{"msg":"Extra","type":"extra_forbidden","loc":["body","n"]}]},"type":"t","code":"3051"}"#,
                "Extra",
                Some("3051"),
                Some("extra_forbidden"),
                Some("n"),
            ),
            (r#"{"errors":[{"message":"a","code":7003}]}"#, "a", Some("7003"), None, None),
            (r#"{"base_resp":{"status_code":1008,"status_msg":"balance"}}"#, "balance", Some("1008"), None, None),
            (r#"{"title":"Bad","status":400}"#, "Bad", None, None, None),
            ("<html><head><title>502 Bad\nGateway</title></head></html>", "502 Bad Gateway", None, None, None),
            ("<p>sorry,  <b>busy</b></p>", "sorry, busy", None, None, None),
            ("upstream down", "upstream down", None, None, None),
            (r#"{"x":1}"#, r#"{"x":1}"#, None, None, None),
            ("", "the provider answered with status 400 and said nothing more", None, None, None),
            (
                r#"{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"{\"error\":{\"message\":\"busy\",\"code\":\"insufficient_quota\"}}"}}}"#,
                "Provider returned error: busy",
                Some("429"),
                None,
                None,
            ),
        ];
        for (body, message, code, kind, param) in rows {
            let error = read_text(body);
            let found = (&*error.message, error.code.as_deref(), error.kind.as_deref(), error.param.as_deref());
            assert_eq!(found, (message, code, kind, param), "{body}");
        }
    }

    #[test]
    fn a_message_that_is_json_is_opened_but_not_for_ever() {
        let mut body = r#"{"error":{"message":"deep","code":"c"}}"#.to_owned();
        for _ in 0..5 {
            body = format!(r#"{{"error":{{"message":{},"code":500}}}}"#, serde_json::to_string(&body).unwrap());
        }
        let error = read_text(&body);
        assert_eq!((&*error.message, error.code.as_deref()), ("deep", Some("c")));
        let again = format!(r#"{{"error":{}}}"#, serde_json::to_string(&body).unwrap());
        assert!(read_text(&again).message.starts_with('{'));
    }

    #[test]
    fn marks_tell_every_code_and_quota() {
        let error = read_text(
            r#"[{"error":{"code":429,"message":"Please retry in 20.04s.","status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"q","violations":[{"quotaMetric":"m","quotaId":"RequestsPerDay"}]},
            {"reason":"RATE_LIMIT","metadata":{"limit_source":"account"}},{"retryDelay":"34.5s"}]}}]"#,
        );
        assert_eq!(error.marks, ["429", "RESOURCE_EXHAUSTED", "m", "RequestsPerDay", "RATE_LIMIT", "account"]);
        assert_eq!(error.retry_after, Some(Duration::from_millis(34_500)));
        let guarded = read_text(r#"{"error":{"message":"m","metadata":{"reasons":["violence"],"error_type":"e"}}}"#);
        assert_eq!((guarded.marks, guarded.kind.as_deref()), (vec!["violence".to_owned(), "e".to_owned()], Some("e")));
    }

    #[test]
    fn waits_are_read_from_words_and_members() {
        let rows = [
            (r#"{"error":{"message":"Please try again in 7m12.5s. Visit"}}"#, 432_500),
            (r#"{"error":{"message":"Please retry in 20.04s."}}"#, 20_040),
            (r#"{"message":"Retry after 30 seconds"}"#, 30_000),
            (r#"{"error":"try again in 900ms"}"#, 900),
            (r#"{"error":{"message":"x","availability":{"retry_after":12}}}"#, 12_000),
            (r#"{"error":{"message":"x","metadata":{"retry_after":"1.5"}}}"#, 1_500),
        ];
        for (body, millis) in rows {
            assert_eq!(read_text(body).retry_after, Some(Duration::from_millis(millis)), "{body}");
        }
        assert_eq!(read_text(r#"{"error":"try again in a while"}"#).retry_after, None);
        assert_eq!(duration("99999999999999999999999999 days"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_body_makes_it_panic(text: String, cut in 0usize..80) {
            proptest::prop_assert!(!read_text(&text).message.is_empty());
            let body = r#"{"error":{"message":"{\"a\":[{\"msg\":\"retry in 3x\"}]}","details":[]}}"#;
            proptest::prop_assert!(!read_text(&body[..cut.min(body.len())]).message.is_empty());
        }
    }
}
