//! What the `/v1` face of an Ollama server finds wrong with a request, in its order and its words (measured on Ollama 0.33,
//! 2026-08). What it passes over although a client asks for it (`max_completion_tokens`, `tool_choice`) is read all the same.

use std::borrow::Cow;

use bytes::Bytes;

use super::read::extra;
use crate::chat::{Class, Failure, Message, Part, Request, Role};
use crate::dialect::go::json::{SyntaxError, base64_error, first_value, quoted};
use crate::dialect::go::tool::TOOL;
use crate::dialect::go::types::{Struct, Type, check};
use crate::dialect::openai::embed::wrong_encoding;
use crate::dialect::openai::error::refused;
use crate::json::{Json, Kind, Value};

/// Looks at the body of `/v1/chat/completions`.
pub(super) fn read_chat(body: &Bytes) -> Result<Json, Failure> {
    let json = document(body, &CHAT)?;
    let value = json.value();
    let messages = member(value, "messages");
    if messages.is_none_or(|list| list.items().next().is_none()) {
        return Err(refused("[] is too short - 'messages'"));
    }
    messages.into_iter().flat_map(Value::items).try_for_each(check_message).map_err(refused)?;
    check_effort(value)?;
    if model(value).trim().is_empty() {
        return Err(Failure::bad_request("model is required"));
    }
    Ok(json)
}

/// Looks at the body of `/v1/completions`.
pub(super) fn read_completions(body: &Bytes) -> Result<Json, Failure> {
    let json = document(body, &COMPLETION)?;
    let stops = member(json.value(), "stop").into_iter().flat_map(Value::items);
    if let Some(wrong) = stops.map(go_type).find(|name| *name != "string") {
        return Err(refused(format!("invalid type for 'stop' field: {wrong}")));
    }
    has_model(json.value())?;
    Ok(json)
}

/// Looks at the body of `/v1/embeddings`.
pub(in crate::dialect::openai) fn read_embed(body: &Bytes) -> Result<Json, Failure> {
    let json = document(body, &EMBED)?;
    let value = json.value();
    if let Some(encoding) = member(value, "encoding_format") {
        let is_known =
            |name: Cow<'_, str>| ["", "float", "base64"].iter().any(|known| known.eq_ignore_ascii_case(&name));
        if !encoding.string().is_some_and(is_known) {
            return Err(refused(wrong_encoding(encoding)));
        }
    }
    let is_empty = |input: &Value<'_>| input.kind() == Kind::Array && input.items().next().is_none();
    let Some(input) = member(value, "input").filter(|input| !is_empty(input)) else {
        return Err(refused("invalid input"));
    };
    let is_text = |value: Value<'_>| value.kind() == Kind::String;
    if !is_text(input) && (input.kind() != Kind::Array || !input.items().all(is_text)) {
        return Err(Failure::bad_request("invalid input type"));
    }
    has_model(value)?;
    Ok(json)
}

/// Each piece of what a person or an operator says is a message of its own there, and so it is asked for. What a model or a
/// tool said stays together.
pub(super) fn apart(messages: Vec<Message>) -> Vec<Message> {
    let pieces = |message: Message| -> Vec<Message> {
        let is_asked = matches!(message.role, Role::System | Role::Developer | Role::User);
        if !is_asked || message.parts.len() < 2 {
            return vec![message];
        }
        let Message { role, parts, name, extras } = message;
        let piece =
            |part: Part| Message { role: role.clone(), parts: vec![part], name: name.clone(), extras: extras.clone() };
        parts.into_iter().map(piece).collect()
    };
    messages.into_iter().flat_map(pieces).collect()
}

/// Texts that end a chat's answer. What is no text is passed over there; here it counts as dropped.
pub(super) fn stops(value: Value<'_>, request: &mut Request) {
    let texts = value.text().into_iter().chain(value.items().filter_map(Value::text));
    request.settings.stop = texts.filter(|text| !text.is_empty()).collect();
    if value.kind() != Kind::String && (value.kind() != Kind::Array || value.items().any(|item| item.text().is_none()))
    {
        extra("stop", value, request);
    }
}

fn document(body: &Bytes, wanted: &Type) -> Result<Json, Failure> {
    let json = first_value(body).map_err(|error| match error {
        SyntaxError::Empty => refused("EOF"),
        SyntaxError::Text(text) => refused(text),
    })?;
    check(json.value(), wanted).map_err(refused)?;
    Ok(json)
}

/// A member as Go finds it: ignoring case, the last of equal ones.
fn member<'a>(value: Value<'a>, key: &str) -> Option<Value<'a>> {
    let named = value.members().filter(|(name, member)| name.eq_ignore_ascii_case(key) && !member.is_null());
    named.last().map(|(_, member)| member)
}

fn model(value: Value<'_>) -> Cow<'_, str> {
    member(value, "model").and_then(Value::string).unwrap_or_default()
}

fn has_model(value: Value<'_>) -> Result<(), Failure> {
    let model = model(value);
    if !model.trim().is_empty() {
        return Ok(());
    }
    Err(Failure::new(Class::UnknownModel, format!("model '{model}' not found")))
}

fn check_message(message: Value<'_>) -> Result<(), String> {
    let content = member(message, "content");
    let calls = member(message, "tool_calls");
    match content {
        Some(content) if content.kind() == Kind::String => {}
        Some(content) if content.kind() == Kind::Array => content.items().try_for_each(check_part)?,
        // What only OpenAI knows beside a call may stand alone, too.
        _ if calls.is_some() || ["function_call", "refusal"].iter().any(|key| member(message, key).is_some()) => {}
        _ => {
            let found = content.map_or("<nil>", go_type);
            return Err(format!("invalid message content type: {found}"));
        }
    }
    calls.into_iter().flat_map(Value::items).try_for_each(check_call)
}

/// What Go makes of a value of any type.
fn go_type(value: Value<'_>) -> &'static str {
    match value.kind() {
        Kind::Null => "<nil>",
        Kind::Bool => "bool",
        Kind::Number => "float64",
        Kind::String => "string",
        Kind::Array => "[]interface {}",
        Kind::Object => "map[string]interface {}",
    }
}

fn check_part(part: Value<'_>) -> Result<(), String> {
    let wrong = || "invalid message format".to_owned();
    let kind = part.get("type").and_then(Value::string).ok_or_else(wrong)?;
    match kind.as_ref() {
        "text" => part.get("text").and_then(Value::string).map(drop).ok_or_else(wrong),
        "image_url" => {
            let image = part.get("image_url").ok_or_else(wrong)?;
            let url = if image.kind() == Kind::Object { image.get("url").ok_or_else(wrong)? } else { image };
            check_image(&url.string().ok_or_else(wrong)?)
        }
        "input_audio" => check_audio(part.get("input_audio")),
        // Of the history that another model left.
        "refusal" | "thinking" => Ok(()),
        _ => Err(wrong()),
    }
}

/// The beginnings of the data URLs that are taken. Without a type the bytes tell what it is.
const IMAGES: [&str; 5] = [
    "data:;base64,",
    "data:image/jpeg;base64,",
    "data:image/jpg;base64,",
    "data:image/png;base64,",
    "data:image/webp;base64,",
];

fn check_image(url: &str) -> Result<(), String> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Err("image URLs are not currently supported, please use base64 encoded data instead".to_owned());
    }
    let data = IMAGES.iter().find_map(|start| url.strip_prefix(start));
    match data.map(|data| base64_error(data.as_bytes())) {
        Some(None) => Ok(()),
        Some(Some(_)) | None => Err("invalid image input".to_owned()),
    }
}

fn check_audio(audio: Option<Value<'_>>) -> Result<(), String> {
    let audio = audio.filter(|audio| audio.kind() == Kind::Object);
    let audio = audio.ok_or_else(|| "invalid input_audio format".to_owned())?;
    let data = audio.get("data").and_then(Value::string);
    let data = data.ok_or_else(|| "invalid input_audio format: missing data".to_owned())?;
    match base64_error(data.as_bytes()) {
        None => Ok(()),
        Some(at) => Err(format!("invalid input_audio base64 data: illegal base64 data at input byte {at}")),
    }
}

/// Clients that translate from other languages send nothing at all for no arguments.
fn check_call(call: Value<'_>) -> Result<(), String> {
    let arguments = call.path(&["function", "arguments"]).and_then(Value::string).unwrap_or_default();
    let is_object = |json: Json| matches!(json.value().kind(), Kind::Object | Kind::Null);
    let is_good = arguments.trim().is_empty() || Json::parse(Bytes::from(arguments.into_owned())).is_ok_and(is_object);
    if is_good { Ok(()) } else { Err("invalid tool call arguments".to_owned()) }
}

/// The words that are known, in the order in which Ollama names them.
const EFFORTS: [&str; 8] = ["minimal", "low", "medium", "high", "xhigh", "ultra", "max", "none"];

/// `reasoning.effort` goes before `reasoning_effort`, also when it says nothing.
fn check_effort(value: Value<'_>) -> Result<(), Failure> {
    let effort = match member(value, "reasoning") {
        Some(reasoning) => reasoning.get("effort"),
        None => member(value, "reasoning_effort"),
    };
    let effort = effort.and_then(Value::string).unwrap_or_default();
    if effort.is_empty() || EFFORTS.contains(&effort.as_ref()) {
        return Ok(());
    }
    let (last, others) =
        EFFORTS.map(quoted).split_last().map(|(last, others)| (last.clone(), others.join(", "))).unwrap_or_default();
    Err(refused(format!("invalid reasoning value: {} (must be {others}, or {last})", quoted(&effort))))
}

static CHAT: Type = Type::Struct(&Struct {
    name: "ChatCompletionRequest",
    full_name: "openai.ChatCompletionRequest",
    fields: &[
        ("model", Type::Str),
        ("messages", Type::Slice("[]openai.Message", &MESSAGE)),
        ("stream", Type::Bool),
        ("stream_options", STREAM_OPTIONS),
        ("max_tokens", Type::Int),
        ("seed", Type::Int),
        ("temperature", Type::Float("float64")),
        ("frequency_penalty", Type::Float("float64")),
        ("presence_penalty", Type::Float("float64")),
        ("top_p", Type::Float("float64")),
        (
            "response_format",
            Type::Struct(&Struct {
                name: "ResponseFormat",
                full_name: "openai.ResponseFormat",
                fields: &[
                    ("type", Type::Str),
                    (
                        "json_schema",
                        Type::Struct(&Struct {
                            name: "JsonSchema",
                            full_name: "openai.JsonSchema",
                            fields: &[("schema", Type::Any)],
                        }),
                    ),
                ],
            }),
        ),
        (
            "reasoning",
            Type::Struct(&Struct {
                name: "Reasoning",
                full_name: "openai.Reasoning",
                fields: &[("effort", Type::Str)],
            }),
        ),
        ("reasoning_effort", Type::Str),
        ("tools", Type::Slice("[]api.Tool", &TOOL)),
        ("logprobs", Type::Bool),
        ("top_logprobs", Type::Int),
    ],
});

const STREAM_OPTIONS: Type = Type::Struct(&Struct {
    name: "StreamOptions",
    full_name: "openai.StreamOptions",
    fields: &[("include_usage", Type::Bool)],
});

static MESSAGE: Type = Type::Struct(&Struct {
    name: "Message",
    full_name: "openai.Message",
    fields: &[
        ("role", Type::Str),
        ("content", Type::Any),
        ("reasoning", Type::Str),
        ("tool_calls", Type::Slice("[]openai.ToolCall", &TOOL_CALL)),
        ("name", Type::Str),
        ("tool_call_id", Type::Str),
    ],
});

/// The function's type has no name there.
static TOOL_CALL: Type = Type::Struct(&Struct {
    name: "ToolCall",
    full_name: "openai.ToolCall",
    fields: &[
        ("id", Type::Str),
        ("index", Type::Int),
        ("type", Type::Str),
        (
            "function",
            Type::Struct(&Struct {
                name: "",
                full_name: r#"struct { Name string "json:\"name\""; Arguments string "json:\"arguments\"" }"#,
                fields: &[("name", Type::Str), ("arguments", Type::Str)],
            }),
        ),
    ],
});

static COMPLETION: Type = Type::Struct(&Struct {
    name: "CompletionRequest",
    full_name: "openai.CompletionRequest",
    fields: &[
        ("model", Type::Str),
        ("prompt", Type::Str),
        ("frequency_penalty", Type::Float("float32")),
        ("max_tokens", Type::Int),
        ("presence_penalty", Type::Float("float32")),
        ("seed", Type::Int),
        ("stream", Type::Bool),
        ("stream_options", STREAM_OPTIONS),
        ("temperature", Type::Float("float32")),
        ("top_p", Type::Float("float32")),
        ("suffix", Type::Str),
        ("logprobs", Type::Int),
    ],
});

static EMBED: Type = Type::Struct(&Struct {
    name: "EmbedRequest",
    full_name: "openai.EmbedRequest",
    fields: &[("input", Type::Any), ("model", Type::Str), ("dimensions", Type::Int), ("encoding_format", Type::Str)],
});
