//! Reading messages.

use bytes::Bytes;

use super::parts::{cache_mark, content, image, items, missing, object, text, wrong_type};
use crate::chat::{Extra, Failure, Message, Part, Role, opaque};
use crate::dialect::openai::Accent;
use crate::dialect::openai::reader::{filled, google_signature};
use crate::json::{Json, Kind, Text, Value};

/// The conversation.
pub(super) fn messages(value: Value<'_>, accent: Accent) -> Result<Vec<Message>, Failure> {
    let read: Vec<Message> = items("messages", value)?
        .enumerate()
        .map(|(at, value)| message(&format!("messages[{at}]"), value, accent))
        .collect::<Result<_, _>>()?;
    if read.is_empty() {
        let message = "Invalid 'messages': empty array. Expected an array with at least one message.";
        return Err(Failure::bad_request(message).with_param("messages").with_code("empty_array"));
    }
    Ok(read)
}

fn message(param: &str, value: Value<'_>, accent: Accent) -> Result<Message, Failure> {
    let role_param = format!("{param}.role");
    let role = match object(param, value)?.get("role") {
        Some(role) => role.string().ok_or_else(|| wrong_type(&role_param, "a string", role))?,
        // Ollama takes it, and its templates pass over what it says.
        None if accent.is_ollama() => "user".into(),
        None => return Err(missing(&role_param)),
    };
    let mut read = match value.get("content") {
        Some(value) => content(&format!("{param}.content"), value)?,
        None => Vec::new(),
    };
    read.extend(cache_mark(value).filter(|_| !read.is_empty()).map(Part::CacheMark));
    let name = value.get("name").and_then(Value::text);
    match role.as_ref() {
        "tool" | "function" => Ok(result(value, name, read)),
        "assistant" => assistant(param, value, name, read),
        other => {
            let role = match other {
                "system" => Role::System,
                "developer" => Role::Developer,
                "user" => Role::User,
                _ => Role::Other(other.to_owned()),
            };
            Ok(Message {
                role,
                parts: read,
                name,
                extras: extras(value, &["role", "content", "name", "cache_control"]),
            })
        }
    }
}

fn result(value: Value<'_>, name: Option<Text>, content: Vec<Part>) -> Message {
    let id = value.get("tool_call_id").and_then(filled).map(|id| opaque::split_text(id).0);
    let part = Part::ToolResult { id, name: name.filter(|name| !name.is_empty()), content, is_error: false };
    let extras = extras(value, &["role", "content", "name", "tool_call_id", "cache_control"]);
    Message { role: Role::Tool, parts: vec![part], name: None, extras }
}

/// Members of an assistant's message that are read into parts.
const ASSISTANT: [&str; 11] = [
    "role",
    "content",
    "name",
    "reasoning_content",
    "reasoning",
    "refusal",
    "tool_calls",
    "function_call",
    "images",
    "extra_content",
    "cache_control",
];

fn assistant(param: &str, value: Value<'_>, name: Option<Text>, content: Vec<Part>) -> Result<Message, Failure> {
    let mut parts = Vec::new();
    let thought = ["reasoning_content", "reasoning"].iter().find_map(|key| value.get(key).and_then(filled));
    parts.extend(thought.map(|text| Part::Thinking { text, signature: None }));
    parts.extend(content);
    if let Some(signed) = google_signature(value) {
        sign_last_text(&mut parts, signed);
    }
    parts.extend(value.get("refusal").and_then(filled).map(Part::Refusal));
    for (at, picture) in value.get("images").map(Value::items).into_iter().flatten().enumerate() {
        let url = picture.get("image_url").unwrap_or(picture);
        parts.push(image(&format!("{param}.images[{at}]"), url, None)?);
    }
    if let Some(calls) = value.get("tool_calls") {
        let param = format!("{param}.tool_calls");
        for (at, call) in items(&param, calls)?.enumerate() {
            parts.push(tool_call(&format!("{param}[{at}]"), call)?);
        }
    }
    if let Some(call) = value.get("function_call") {
        parts.push(function(&format!("{param}.function_call"), call, None, None)?);
    }
    Ok(Message { role: Role::Assistant, parts, name, extras: extras(value, &ASSISTANT) })
}

fn sign_last_text(parts: &mut [Part], signed: Text) {
    let last = parts.iter_mut().rev().find_map(|part| match part {
        Part::Text { signature, .. } => Some(signature),
        _ => None,
    });
    if let Some(signature) = last {
        *signature = Some(signed);
    }
}

fn tool_call(param: &str, call: Value<'_>) -> Result<Part, Failure> {
    let id = object(param, call)?.get("id").and_then(filled);
    let (id, in_id) = id.map(opaque::split_text).map_or((None, None), |(id, signature)| (Some(id), signature));
    let id = id.filter(|id| !id.is_empty());
    let signature = in_id.or_else(|| google_signature(call));
    if let Some(custom) = call.get("custom") {
        return custom_call(&format!("{param}.custom"), custom, id);
    }
    let param = format!("{param}.function");
    let called = call.get("function").ok_or_else(|| missing(&param))?;
    function(&param, called, id, signature)
}

fn function(param: &str, called: Value<'_>, id: Option<Text>, signature: Option<Text>) -> Result<Part, Failure> {
    let name_param = format!("{param}.name");
    let name = object(param, called)?.get("name").ok_or_else(|| missing(&name_param))?;
    let arguments = match called.get("arguments") {
        Some(value) => arguments(&format!("{param}.arguments"), value)?,
        None => Json::known("{}"),
    };
    Ok(Part::ToolCall { id, name: text(&name_param, name)?, arguments, signature })
}

/// A call of a custom tool brings free text; as a function it has one argument.
fn custom_call(param: &str, custom: Value<'_>, id: Option<Text>) -> Result<Part, Failure> {
    let name_param = format!("{param}.name");
    let name = text(&name_param, custom.get("name").ok_or_else(|| missing(&name_param))?)?;
    let input = custom.get("input").map_or("\"\"", Value::as_str);
    Ok(Part::ToolCall { id, name, arguments: Json::known(format!("{{\"input\":{input}}}")), signature: None })
}

/// An object in a string; nothing at all is an empty one. A model writes broken ones at times, and its client sends them back with
/// every further request, so that to refuse them would end the conversation: they are kept under `_raw`, as in answers to
/// clients whose arguments are objects.
fn arguments(param: &str, value: Value<'_>) -> Result<Json, Failure> {
    if value.kind() == Kind::Object {
        return Ok(value.to_json());
    }
    let said = value.string().ok_or_else(|| wrong_type(param, "a string with a JSON object", value))?;
    if said.trim().is_empty() {
        return Ok(Json::known("{}"));
    }
    let json = Json::parse(Bytes::from(said.into_owned())).ok();
    Ok(match json.as_ref().map(|json| json.value().kind()) {
        Some(Kind::Null) => Json::known("{}"),
        Some(Kind::Object) => json.unwrap_or_else(|| Json::known("{}")),
        _ => Json::known(format!("{{\"_raw\":{}}}", value.as_str())),
    })
}

fn extras(value: Value<'_>, known: &[&str]) -> Vec<Extra> {
    let unknown = value.members().filter(|(key, value)| !known.contains(&key.as_ref()) && !value.is_null());
    unknown.map(|(key, value)| Extra::new("openai", key, value.to_json())).collect()
}
