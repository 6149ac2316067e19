//! Error bodies, read and written.

use bytes::Bytes;

use super::Accent;
use crate::chat::{Class, Failure, Told};
use crate::dialect::{ProviderError, error_body};
use crate::json::{Json, Kind, Value, Writer};

/// What a provider's error body says; see [`error_body::read`].
pub fn read(status: u16, body: &Bytes) -> ProviderError {
    let mut error = error_body::read(status, body);
    error.has_own_form = Json::parse(body.clone()).is_ok_and(|json| has_own_form(json.value()));
    error
}

/// `{"error": {"message": "…"}}` at the least.
fn has_own_form(value: Value<'_>) -> bool {
    value.path(&["error", "message"]).is_some_and(|message| message.kind() == Kind::String)
}

/// The failure that an answer with status 200 holds instead of an answer.
///
/// Its class is a guess by the body's own code; rules that know the provider may judge it better.
pub(super) fn inside_answer(body: &Bytes) -> Failure {
    let error = read(200, body);
    let status = error.code.as_deref().and_then(|code| code.parse().ok()).filter(|code| (400..600).contains(code));
    Failure {
        code: error.code,
        kind: error.kind,
        param: error.param,
        retry_after: error.retry_after,
        told: None,
        ..Failure::new(Class::ProviderDown, error.message).with_status(status.unwrap_or(502))
    }
}

/// The body for a client: `{"error": {message, type, param, code}}`, absent ones `null`.
pub fn write(failure: &Failure, accent: Accent) -> Vec<u8> {
    match accent {
        Accent::OpenAi => {
            let code = failure.code.as_deref().or(code(failure.class));
            written(accent, &failure.message, kind(failure), failure.param.as_deref(), code)
        }
        Accent::Ollama => {
            // What an Ollama server would say as well, it says without a code; the rest has its own.
            let is_its_own = matches!(failure.class, Class::BadRequest | Class::UnknownModel);
            let code = if is_its_own { None } else { failure.code.as_deref().or(code(failure.class)) };
            written(accent, &failure.message, kind_by_status(failure.status), None, code)
        }
    }
}

/// What Ollama's face says of a request that it does not hand on: a type with a charset, and no line end.
pub(super) fn refused(message: impl Into<String>) -> Failure {
    let failure = Failure::bad_request(message);
    let mut body = write(&failure, Accent::Ollama);
    body.truncate(body.trim_ascii_end().len());
    let content_type = Some("application/json; charset=utf-8".to_owned());
    Failure { told: Some(Told { status: failure.status, content_type, body: body.into() }), ..failure }
}

/// An Ollama server's own error, `{"error":"TEXT"}`, as its `/v1` face tells it; `None` where it has another form.
pub fn retold(status: u16, body: &Bytes) -> Option<Told> {
    let json = Json::parse(body.clone()).ok()?;
    let text = json.value().get("error")?.string()?;
    let body = written(Accent::Ollama, &text, kind_by_status(status), None, None);
    Some(Told { status, content_type: Some("application/json".to_owned()), body: body.into() })
}

fn written(accent: Accent, message: &str, kind: &str, param: Option<&str>, code: Option<&str>) -> Vec<u8> {
    let mut writer = accent.writer();
    writer.object(|w| {
        w.key("error").object(|w| {
            w.key("message").str(message);
            w.key("type").str(kind);
            optional(w.key("param"), param);
            optional(w.key("code"), code);
        });
    });
    accent.body(writer)
}

/// Ollama's word for a status.
fn kind_by_status(status: u16) -> &'static str {
    match status {
        400 => "invalid_request_error",
        404 => "not_found_error",
        _ => "api_error",
    }
}

fn optional(w: &mut Writer, text: Option<&str>) {
    match text {
        Some(text) => w.str(text),
        None => w.null(),
    }
}

/// The provider's own type where it is a word of this dialect, else what OpenAI says in this case.
fn kind(failure: &Failure) -> &str {
    let is_word = |kind: &&str| !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    match failure.kind.as_deref().filter(is_word) {
        Some(kind) => kind,
        None => usual_kind(failure.class, failure.status),
    }
}

fn usual_kind(class: Class, status: u16) -> &'static str {
    match class {
        Class::NoMoney | Class::QuotaSpent => "insufficient_quota",
        Class::RateLimited => "requests",
        Class::Unsupported => "invalid_request_error",
        _ if status == 429 => "requests",
        _ if status >= 500 => "server_error",
        _ => "invalid_request_error",
    }
}

/// OpenAI's code for a class, where it has one.
fn code(class: Class) -> Option<&'static str> {
    match class {
        Class::UnknownModel => Some("model_not_found"),
        Class::Unauthorized => Some("invalid_api_key"),
        Class::ContextTooLong => Some("context_length_exceeded"),
        Class::UnsupportedParameter => Some("unsupported_parameter"),
        Class::Blocked => Some("content_policy_violation"),
        Class::NoMoney | Class::QuotaSpent => Some("insufficient_quota"),
        Class::RateLimited => Some("rate_limit_exceeded"),
        Class::Overloaded => Some("server_overloaded"),
        Class::BadRequest
        | Class::TooLarge
        | Class::NoRoute
        | Class::Forbidden
        | Class::NoKey
        | Class::KeyDead
        | Class::KeyRefused
        | Class::ModelRefused
        | Class::ProviderDown
        | Class::Timeout
        | Class::BadAnswer
        | Class::CutAnswer
        | Class::Loop
        | Class::Unsupported
        | Class::Internal => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(failure: &Failure) -> String {
        String::from_utf8(write(failure, Accent::OpenAi)).unwrap()
    }

    #[test]
    fn a_failure_is_written_as_openai_would() {
        assert_eq!(
            written(&Failure::new(Class::UnknownModel, "no \"x\"")),
            r#"{"error":{"message":"no \"x\"","type":"invalid_request_error","param":null,"code":"model_not_found"}}"#
        );
        assert_eq!(
            written(&Failure { kind: Some("RESOURCE_EXHAUSTED".into()), ..Failure::new(Class::RateLimited, "wait") }),
            r#"{"error":{"message":"wait","type":"requests","param":null,"code":"rate_limit_exceeded"}}"#
        );
        assert_eq!(
            written(&Failure {
                kind: Some("tokens".into()),
                ..Failure::new(Class::ProviderDown, "m").with_code("429")
            }),
            r#"{"error":{"message":"m","type":"tokens","param":null,"code":"429"}}"#
        );
        assert_eq!(
            written(&Failure::new(Class::Timeout, "m").with_param("p")),
            r#"{"error":{"message":"m","type":"server_error","param":"p","code":null}}"#
        );
    }

    #[test]
    fn ollamas_accent_has_types_by_status_and_no_codes_but_ours() {
        let written = |failure: &Failure| String::from_utf8(write(failure, Accent::Ollama)).unwrap();
        assert_eq!(
            written(&Failure::new(Class::UnknownModel, "no <x>").with_code("model_not_found").with_param("model")),
            "{\"error\":{\"message\":\"no \\u003cx\\u003e\",\"type\":\"not_found_error\",\"param\":null,\"code\":null}}\n"
        );
        assert_eq!(
            written(&Failure::new(Class::ContextTooLong, "m")),
            "{\"error\":{\"message\":\"m\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"context_length_exceeded\"}}\n"
        );
        assert!(written(&Failure::new(Class::ProviderDown, "m")).contains("\"type\":\"api_error\""));
        let told = refused("EOF").told.unwrap();
        assert_eq!(told.content_type.as_deref(), Some("application/json; charset=utf-8"));
        assert!(told.body.ends_with(b"}}"));
    }

    #[test]
    fn an_ollama_servers_text_is_kept_whatever_it_holds() {
        let told = retold(503, &Bytes::from_static(br#"{"error":"{\"error\":\"busy\"}"}"#)).unwrap();
        let want = "{\"error\":{\"message\":\"{\\\"error\\\":\\\"busy\\\"}\",\"type\":\"api_error\",\"param\":null,\"code\":null}}\n";
        assert_eq!((told.status, String::from_utf8(told.body.to_vec()).unwrap().as_str()), (503, want));
        for other in [r#"{"error":{"message":"m"}}"#, "busy", "{}"] {
            assert!(retold(500, &Bytes::from_static(other.as_bytes())).is_none(), "{other}");
        }
    }

    #[test]
    fn only_the_own_form_may_be_handed_on() {
        let has = |body: &'static str| read(400, &Bytes::from_static(body.as_bytes())).has_own_form;
        assert!(has(r#"{"error":{"message":"m"}}"#));
        assert!(!has(r#"[{"error":{"message":"m"}}]"#));
        assert!(!has(r#"{"error":"m"}"#));
        assert!(!has(r#"{"error":{"message":{"detail":"m"}}}"#));
        assert!(!has("down"));
    }
}
