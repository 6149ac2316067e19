//! Error bodies, read and written.

use bytes::Bytes;

use super::ids;
use crate::chat::{Class, Failure, Fault};
use crate::dialect::{ProviderError, error_body};
use crate::json::{Json, Style, Value, Writer};

/// The header in which the request's id stands.
pub const REQUEST_ID: &str = "request-id";

/// Clients begin to compact a conversation when a message holds these words (Claude Code, 2026-08).
const TOO_LONG: &str = "prompt is too long";

/// Reads the body of an error. It is this dialect's own when it is `{type: "error", error: {type, message}}`.
pub fn read(status: u16, body: &Bytes) -> ProviderError {
    let mut error = error_body::read(status, body);
    error.has_own_form = Json::parse(body.clone()).is_ok_and(|json| has_own_form(json.value()));
    error
}

fn has_own_form(body: Value<'_>) -> bool {
    let is_error = body.get("type").and_then(Value::string).as_deref() == Some("error");
    let has_text = |key| body.path(&["error", key]).is_some_and(|value| value.string().is_some());
    is_error && has_text("type") && has_text("message")
}

/// The failure in an `error` event, or in a body with status 200. Its type tells what it is.
pub(super) fn in_answer(body: &Bytes) -> Failure {
    let error = read(200, body);
    let class = class_of(error.kind.as_deref().unwrap_or_default());
    Failure {
        code: error.code,
        kind: error.kind,
        retry_after: error.retry_after,
        ..Failure::new(class, error.message).with_status(status_of(class))
    }
}

fn class_of(kind: &str) -> Class {
    match kind {
        "invalid_request_error" => Class::BadRequest,
        "authentication_error" | "permission_error" => Class::KeyRefused,
        "billing_error" => Class::NoMoney,
        "not_found_error" => Class::UnknownModel,
        "request_too_large" => Class::TooLarge,
        "rate_limit_error" => Class::RateLimited,
        "timeout_error" => Class::Timeout,
        "overloaded_error" => Class::Overloaded,
        _ => Class::ProviderDown,
    }
}

/// Anthropic has a status of its own for an overload.
fn status_of(class: Class) -> u16 {
    if class == Class::Overloaded { 529 } else { class.usual().0 }
}

/// The failure with a request's id among its notes.
pub fn identified(mut failure: Failure) -> Failure {
    if told_id(&failure).is_none() {
        failure.notes.push((REQUEST_ID.to_owned(), ids::new("req_")));
    }
    failure
}

/// The status for a client. 401 and 403 are for a key of its own: clients ask their user to log in (Claude Code, 2026-08), who can do
/// nothing about a key or a place of the gateway's.
pub fn status(failure: &Failure) -> u16 {
    let is_not_theirs = failure.fault != Fault::Client && matches!(failure.status, 401 | 403);
    if is_not_theirs { 502 } else { failure.status }
}

fn told_id(failure: &Failure) -> Option<&str> {
    failure.notes.iter().find(|(name, _)| name == REQUEST_ID).map(|(_, id)| id.as_str())
}

/// `{"type": "error", "error": {type, message}, "request_id"}`. The id is among the failure's notes; in the midst of a stream,
/// whose headers are out, it may be none.
pub fn write(failure: &Failure) -> Vec<u8> {
    let mut writer = Writer::new(Style::Plain);
    writer.object(|w| {
        w.key("type").str("error");
        w.key("error").object(|w| {
            w.key("type").str(kind(failure.class, status(failure)));
            w.key("message").str(&message(failure));
            if let Some(code) = failure.code.as_deref().filter(|code| code.starts_with("thread_")) {
                w.key("details").object(|w| {
                    w.key("error_code").str(code);
                    w.key("unsupported").array(|_| {});
                });
            }
        });
        if let Some(id) = told_id(failure) {
            w.key("request_id").str(id);
        }
    });
    writer.into_bytes()
}

fn message(failure: &Failure) -> String {
    let message = &failure.message;
    match failure.class {
        Class::ContextTooLong if !message.contains(TOO_LONG) => format!("{TOO_LONG}: {message}"),
        _ => message.clone(),
    }
}

/// The type that goes with a status (Anthropic's API description, 2026-08).
fn kind(class: Class, status: u16) -> &'static str {
    match (class, status) {
        (Class::Overloaded, _) | (_, 503 | 529) => "overloaded_error",
        (_, 401) => "authentication_error",
        (_, 402) => "billing_error",
        (_, 403) => "permission_error",
        (_, 404) => "not_found_error",
        (_, 413) => "request_too_large",
        (_, 429) => "rate_limit_error",
        (_, 504) => "timeout_error",
        (_, 500..) => "api_error",
        _ => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(failure: Failure) -> String {
        let notes = vec![(REQUEST_ID.to_owned(), "req_1".to_owned())];
        String::from_utf8(write(&Failure { notes, ..failure })).unwrap()
    }

    #[test]
    fn a_failure_is_written_as_anthropic_would() {
        let body = |kind: &str, message: &str| {
            format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}},"request_id":"req_1"}}"#)
        };
        assert_eq!(written(Failure::bad_request("no")), body("invalid_request_error", "no"));
        assert_eq!(written(Failure::new(Class::UnknownModel, "no")), body("not_found_error", "no"));
        assert_eq!(written(Failure::new(Class::RateLimited, "wait")), body("rate_limit_error", "wait"));
        assert_eq!(written(Failure::new(Class::Overloaded, "wait").with_status(529)), body("overloaded_error", "wait"));
        assert_eq!(written(Failure::new(Class::BadAnswer, "odd")), body("api_error", "odd"));
        assert_eq!(written(Failure::new(Class::Timeout, "late")), body("timeout_error", "late"));
        assert_eq!(written(Failure::new(Class::NoMoney, "pay")), body("billing_error", "pay"));
        assert_eq!(written(Failure::new(Class::KeyDead, "bad key")), body("api_error", "bad key"));
        assert_eq!(written(Failure::new(Class::Unauthorized, "no")), body("authentication_error", "no"));
        assert_eq!(
            written(Failure::new(Class::ContextTooLong, "9 > 8")),
            body("invalid_request_error", "prompt is too long: 9 > 8")
        );
        assert_eq!(
            written(Failure::new(Class::ContextTooLong, "prompt is too long: 9 > 8")),
            body("invalid_request_error", "prompt is too long: 9 > 8")
        );
    }

    #[test]
    fn only_the_own_form_may_be_handed_on() {
        let has = |body: &'static str| read(400, &Bytes::from_static(body.as_bytes())).has_own_form;
        assert!(has(r#"{"type":"error","error":{"type":"invalid_request_error","message":"m"}}"#));
        assert!(!has(r#"{"error":{"type":"invalid_request_error","message":"m"}}"#));
        assert!(!has(r#"{"type":"error","error":"m"}"#));
        assert!(!has("down"));
    }

    #[test]
    fn an_error_inside_an_answer_is_told_by_its_type() {
        let body = br#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;
        let failure = in_answer(&Bytes::from_static(body));
        assert_eq!((failure.class, failure.status), (Class::Overloaded, 529));
        assert_eq!(failure.message, "Overloaded");
    }
}
