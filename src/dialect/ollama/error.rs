//! Error bodies, read and written.

use bytes::Bytes;

use crate::chat::Failure;
use crate::dialect::{ProviderError, error_body};
use crate::json::{Json, Kind, Style, Value, Writer};

/// What an error body says. Errors of Ollama's runner stand as JSON inside the string: they are opened.
pub fn read(status: u16, body: &Bytes) -> ProviderError {
    let mut error = error_body::read(status, body);
    let json = Json::parse(body.clone()).ok();
    let told = json.as_ref().and_then(|json| json.value().get("error"));
    error.has_own_form = told.is_some_and(|told| told.kind() == Kind::String);
    error
}

/// The message of an `error` member, whatever its form.
pub(super) fn message(error: Value<'_>) -> Option<String> {
    let found = error_body::read(0, error.to_json().bytes()).message;
    (!found.is_empty()).then_some(found)
}

/// `{"error":"TEXT"}`, which is all that Ollama says.
pub fn write(failure: &Failure) -> Vec<u8> {
    let mut writer = Writer::new(Style::Go);
    writer.object(|w| w.key("error").str(&failure.message));
    writer.into_bytes()
}

/// Is the request refused because the model can't think? Ollama's words (0.33).
pub fn refuses_thinking(failure: &Failure) -> bool {
    failure.status == 400 && failure.message.contains("does not support thinking")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_one_string() {
        let failure = Failure::bad_request("model 'x<y>' not found");
        assert_eq!(write(&failure), br#"{"error":"model 'x\u003cy\u003e' not found"}"#);
    }

    #[test]
    fn the_runner_s_json_is_opened() {
        let body =
            r#"{"error":"{\"error\":{\"code\":400,\"message\":\"too long\",\"type\":\"exceed_context_size_error\"}}"}"#;
        let error = read(400, &Bytes::from_static(body.as_bytes()));
        assert_eq!(error.message, "too long");
        assert!(error.marks.iter().any(|mark| mark == "exceed_context_size_error"), "{:?}", error.marks);
        assert!(error.has_own_form);
        assert!(!read(400, &Bytes::from_static(br#"{"error":{"message":"x"}}"#)).has_own_form);
        assert!(!read(502, &Bytes::from_static(b"Bad Gateway")).has_own_form);
    }
}
