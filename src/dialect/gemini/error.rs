//! Error bodies, read and written.

use bytes::Bytes;

use crate::chat::{Class, Failure};
use crate::dialect::{ProviderError, error_body};
use crate::json::{Json, Style, Value, Writer};

/// Reads the body of an error. It is this dialect's own when it is `{error: {code, message, status}}`.
pub fn read(status: u16, body: &Bytes) -> ProviderError {
    let mut error = error_body::read(status, body);
    error.has_own_form = Json::parse(body.clone()).is_ok_and(|json| has_own_form(json.value()));
    error
}

fn has_own_form(body: Value<'_>) -> bool {
    let Some(error) = body.get("error") else { return false };
    let has_text = |key| error.get(key).is_some_and(|value| value.string().is_some());
    error.get("code").and_then(Value::int).is_some() && has_text("message") && has_text("status")
}

/// Writes Google's error body. `status` is the provider's own where it gave one.
pub fn write(failure: &Failure) -> Vec<u8> {
    let own = failure.kind.as_deref().filter(|kind| is_status_name(kind));
    let mut w = Writer::new(Style::Plain);
    w.object(|w| {
        w.key("error").object(|w| {
            w.key("code").int(failure.status);
            w.key("message").str(&failure.message);
            w.key("status").str(own.unwrap_or_else(|| status_name(failure.status)));
            if failure.param.is_some() || failure.retry_after.is_some() {
                w.key("details").array(|w| write_details(w, failure));
            }
        });
    });
    w.into_bytes()
}

/// Which field is at fault, and when to try again: where Google's SDKs and tools look for it.
fn write_details(w: &mut Writer, failure: &Failure) {
    if let Some(field) = &failure.param {
        w.object(|w| {
            w.key("@type").str("type.googleapis.com/google.rpc.BadRequest");
            w.key("fieldViolations").array(|w| {
                w.object(|w| {
                    w.key("field").str(field);
                    w.key("description").str(&failure.message);
                });
            });
        });
    }
    if let Some(wait) = failure.retry_after {
        w.object(|w| {
            w.key("@type").str("type.googleapis.com/google.rpc.RetryInfo");
            w.key("retryDelay").str(&format!("{}s", wait.as_secs() + u64::from(wait.subsec_nanos() > 0)));
        });
    }
}

/// An error that came inside an answer with status 200: what it is can be told by its code alone.
pub(super) fn in_answer(body: &Bytes) -> Failure {
    let told = Json::parse(body.clone()).ok().and_then(|json| json.value().path(&["error", "code"])?.int());
    let status = told.and_then(|code| u16::try_from(code).ok()).filter(|code| (400..600).contains(code)).unwrap_or(502);
    let error = read(status, body);
    let mut failure = Failure::new(class_of(status), error.message).with_status(status);
    failure.code = error.code;
    failure.kind = error.kind;
    failure.param = error.param;
    failure.retry_after = error.retry_after;
    failure
}

fn class_of(status: u16) -> Class {
    match status {
        401 | 403 => Class::KeyRefused,
        404 => Class::UnknownModel,
        408 | 504 => Class::Timeout,
        413 => Class::TooLarge,
        429 => Class::RateLimited,
        503 => Class::Overloaded,
        500.. => Class::ProviderDown,
        _ => Class::BadRequest,
    }
}

fn is_status_name(kind: &str) -> bool {
    !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
}

/// The names of `google.rpc.Code` that go with HTTP's numbers (its published mapping).
fn status_name(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        402 | 412 => "FAILED_PRECONDITION",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        408 | 504 => "DEADLINE_EXCEEDED",
        409 => "ABORTED",
        429 => "RESOURCE_EXHAUSTED",
        499 => "CANCELLED",
        501 => "UNIMPLEMENTED",
        // 529 is how a provider of another dialect says that it has too much to do.
        502 | 503 | 529 => "UNAVAILABLE",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn googles_body_is_read() {
        let body = br#"{"error":{"code":429,"message":"Quota exceeded.","status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"PerDay-FreeTier"}]},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}"#;
        let error = read(429, &Bytes::from_static(body));
        assert_eq!((error.message.as_str(), error.kind.as_deref()), ("Quota exceeded.", Some("RESOURCE_EXHAUSTED")));
        assert_eq!(error.retry_after, Some(Duration::from_millis(34_500)));
        assert!(error.marks.iter().any(|mark| mark == "PerDay-FreeTier"));
        assert!(error.has_own_form);
        assert!(
            !read(400, &Bytes::from_static(br#"[{"error":{"code":400,"message":"m","status":"S"}}]"#)).has_own_form
        );
    }

    #[test]
    fn our_failures_have_googles_form() {
        let failure = Failure::new(Class::UnknownModel, "no \"such\" model");
        let want = r#"{"error":{"code":404,"message":"no \"such\" model","status":"NOT_FOUND"}}"#;
        assert_eq!(String::from_utf8(write(&failure)).unwrap(), want);
        let mut failure = Failure::bad_request("m");
        failure.kind = Some("FAILED_PRECONDITION".to_owned());
        assert_eq!(
            String::from_utf8(write(&failure)).unwrap(),
            r#"{"error":{"code":400,"message":"m","status":"FAILED_PRECONDITION"}}"#
        );
        let mut late = Failure::new(Class::RateLimited, "slow down");
        late.retry_after = Some(Duration::from_millis(1500));
        assert_eq!(
            String::from_utf8(write(&late)).unwrap(),
            concat!(
                r#"{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED","details":["#,
                r#"{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"2s"}]}}"#
            )
        );
        assert_eq!(
            String::from_utf8(write(&Failure::bad_request("m").with_param("contents"))).unwrap(),
            concat!(
                r#"{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT","details":["#,
                r#"{"@type":"type.googleapis.com/google.rpc.BadRequest","#,
                r#""fieldViolations":[{"field":"contents","description":"m"}]}]}}"#
            )
        );
        failure.kind = Some("invalid_request_error".to_owned());
        assert!(String::from_utf8(write(&failure)).unwrap().contains("INVALID_ARGUMENT"));
    }
}
