//! Answers that the gateway writes itself, and failures in the client's dialect.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};

use crate::chat::{Class, Failure, Fault, Told};
use crate::dialect::{Accent, Dialect, Framing, Wire};
use crate::relay::{Body, full};

/// Ollama's content type for JSON.
pub(super) const JSON_UTF8: &str = "application/json; charset=utf-8";

/// OpenAI's.
pub(super) const JSON: &str = "application/json";

/// A body with its content type.
pub(super) fn content(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(full(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Set on counts that no provider made.
const ESTIMATED: HeaderName = HeaderName::from_static("x-polyllama-estimated");

/// A body that tells an estimate, and a header that says so.
pub(super) fn estimated(content_type: &'static str, body: impl Into<Bytes>) -> Response<Body> {
    let mut response = content(200, content_type, body);
    response.headers_mut().insert(ESTIMATED, HeaderValue::from_static("true"));
    response
}

/// A status and nothing else.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = status;
    response
}

/// A failure, in the client's dialect.
pub(super) fn failure(dialect: Dialect, told: &Failure) -> Response<Body> {
    failure_in(Accent::default(), dialect, told)
}

/// The same in an accent.
pub(super) fn failure_in(accent: Accent, dialect: Dialect, failure: &Failure) -> Response<Body> {
    let content_type = if dialect == Dialect::Ollama { JSON_UTF8 } else { JSON };
    let failure = &dialect.identified(failure.clone());
    let status = dialect.status(failure);
    let mut response = match &failure.told {
        Some(told) if status == failure.status => as_told(told, content_type),
        _ => content(status, content_type, dialect.write_error_in(accent, failure)),
    };
    for (name, value) in &failure.notes {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    if let Some(wait) = failure.retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if failure.class == Class::Unauthorized {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// A provider's error as it came.
fn as_told(told: &Told, usual: &'static str) -> Response<Body> {
    let mut response = content(told.status, usual, told.body.clone());
    let own = told.content_type.as_deref().and_then(|own| HeaderValue::from_str(own).ok());
    if let Some(own) = own {
        response.headers_mut().insert(header::CONTENT_TYPE, own);
    }
    response
}

/// Where the answer would have been a list, the error is one, too.
fn in_list(wire: Wire, failure: &Failure) -> Bytes {
    match &failure.told {
        Some(told) if told.body.trim_ascii_start().starts_with(b"[") => told.body.clone(),
        Some(told) => Bytes::from([b"[", told.body.as_ref(), b"]"].concat()),
        None => Bytes::from([b"[", wire.dialect().write_error(failure).as_slice(), b"]"].concat()),
    }
}

/// A failure of a request that a model should have answered. Ollama leaves the charset out where a stream was asked for and
/// its runner failed.
pub(super) fn completion_failure(wire: Wire, accent: Accent, is_stream: bool, told: &Failure) -> Response<Body> {
    let mut response = failure_in(accent, wire.dialect(), told);
    if wire.framing() == Framing::Array {
        *response.body_mut() = full(in_list(wire, told));
    }
    let by_class = matches!(told.class, Class::BadRequest | Class::UnknownModel | Class::TooLarge);
    let is_checked = by_class && told.fault == Fault::Client;
    if wire.framing() == Framing::Ndjson && is_stream && !is_checked && told.told.is_none() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    }
    response
}
