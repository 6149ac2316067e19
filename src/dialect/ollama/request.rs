//! Chat and generate requests: a client's read as Ollama reads it, and one for an Ollama server written.
//!
//! The checks come in Ollama's order, with its texts and its statuses (measured on 0.33). What needs knowledge of the
//! model (does it think, does it take tools) is not checked here.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::go_json::{SyntaxError, first_value, quoted};
use super::go_types::{CHAT_REQUEST, GENERATE_REQUEST, Type, check, duration_seconds};
use super::options::{check_options, read_options};
use crate::chat::{
    Class, Effort, Extra, Failure, Fault, Format, Loss, Media, Message, Part, Prompt, Reasoning, Request, Role,
    Settings, Source, Tool, opaque,
};
use crate::dialect::{Dialect, call_ids};
use crate::json::{Json, Kind, Style, Text, Value, Writer};

pub use super::upstream::{write_chat, write_generate};

/// A request that asks nothing of the model but to be there, or to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Bring it into memory.
    Load,
    /// Take it out of memory.
    Unload,
}

/// Is this an empty request, which Ollama answers by loading or unloading the model?
pub fn load_of(request: &Request) -> Option<Load> {
    let asks_nothing = match &request.prompt {
        None => request.messages.is_empty(),
        Some(prompt) => is_blank(&prompt.text) && is_blank(&prompt.suffix),
    };
    let unloads = keep_alive(&request.extras) == Some(Duration::ZERO);
    asks_nothing.then_some(if unloads { Load::Unload } else { Load::Load })
}

/// Asks a server to unload a model.
pub fn write_unload(model: &str) -> Vec<u8> {
    let mut out = Writer::new(Style::Plain);
    out.object(|out| {
        out.key("model").str(model);
        out.key("keep_alive").int(0);
    });
    out.into_bytes()
}

fn is_blank(text: &Option<Text>) -> bool {
    text.as_ref().is_none_or(Text::is_empty)
}

/// Does it come from this dialect?
pub(super) fn is_own(extra: &Extra) -> bool {
    extra.dialect == Dialect::Ollama.name()
}

/// How long the model shall stay after this request, where the client says.
pub fn keep_alive(extras: &[Extra]) -> Option<Duration> {
    kept_for(extras.iter().find(|extra| is_own(extra) && extra.name == "keep_alive")?.value.value())
}

/// A number of seconds or one of Go's durations. A negative one is for ever, which to Go are some 292 years: nanoseconds in 63
/// bits.
pub(super) fn kept_for(value: Value<'_>) -> Option<Duration> {
    const EVER: Duration = Duration::from_nanos(i64::MAX.unsigned_abs());
    let seconds = match value.kind() {
        Kind::Number => value.float()?,
        Kind::String => duration_seconds(&value.string()?).ok()?,
        _ => return None,
    };
    let kept = if seconds < 0.0 { EVER } else { Duration::try_from_secs_f64(seconds).unwrap_or(EVER) };
    Some(kept.min(EVER))
}

/// Reads the body of `POST /api/chat`.
pub fn read_chat(body: &Bytes) -> Result<Request, Failure> {
    let json = read_document(body, &CHAT_REQUEST)?;
    let object = Object::of(json.value());
    check_top_logprobs(&object)?;
    let model = object.string("model");
    if model.trim().is_empty() {
        return Err(Failure::bad_request("model is required").with_param("model"));
    }
    let mut request = read_common(&object, &model)?;
    request.messages = object.get("messages").map(|list| list.items().map(read_message).collect()).unwrap_or_default();
    settle_strays(&mut request.messages);
    request.tools = object.get("tools").map(|list| list.items().filter_map(read_tool).collect()).unwrap_or_default();
    check_use(&object, &request)?;
    Ok(request)
}

/// Reads the body of `POST /api/generate`.
pub fn read_generate(body: &Bytes) -> Result<Request, Failure> {
    let json = read_document(body, &GENERATE_REQUEST)?;
    let object = Object::of(json.value());
    check_top_logprobs(&object)?;
    let model = object.string("model");
    if model.trim().is_empty() {
        return Err(Failure::new(Class::UnknownModel, format!("model '{model}' not found")));
    }
    let mut request = read_common(&object, &model)?;
    let text = object.text("prompt").filter(|text| !text.is_empty());
    let suffix = object.text("suffix").filter(|text| !text.is_empty());
    let raw = object.get("raw").and_then(Value::bool) == Some(true);
    request.messages = prompt_messages(&object, text.as_ref());
    request.prompt = Some(Prompt { text, suffix, raw, echo: false });
    if raw && load_of(&request) != Some(Load::Unload) {
        check_raw(&object)?;
    }
    check_use(&object, &request)?;
    Ok(request)
}

/// The first value of the body, of the type that Ollama decodes it into.
pub(super) fn read_document(body: &Bytes, wanted: &Type) -> Result<Json, Failure> {
    let json = first_value(body).map_err(|error| match error {
        SyntaxError::Empty => Failure::bad_request("missing request body"),
        SyntaxError::Text(text) => Failure::bad_request(text),
    })?;
    check(json.value(), wanted).map_err(Failure::bad_request)?;
    Ok(json)
}

/// The members of an object, found as Go finds them: ignoring case, the last of equal ones.
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Object<'a> {
    pub(super) fn of(value: Value<'a>) -> Object<'a> {
        Object(value.members().filter(|(_, member)| !member.is_null()).collect())
    }

    pub(super) fn get(&self, key: &str) -> Option<Value<'a>> {
        self.0.iter().rev().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| *value)
    }

    pub(super) fn string(&self, key: &str) -> Cow<'a, str> {
        self.get(key).and_then(Value::string).unwrap_or_default()
    }

    fn text(&self, key: &str) -> Option<Text> {
        self.get(key).and_then(Value::text)
    }
}

fn check_top_logprobs(object: &Object<'_>) -> Result<(), Failure> {
    let count = object.get("top_logprobs").and_then(Value::int).unwrap_or(0);
    if (0..=20).contains(&count) {
        return Ok(());
    }
    Err(Failure::bad_request("top_logprobs must be between 0 and 20").with_param("top_logprobs"))
}

/// Ollama's own rules for names are not ours: `prefix:vendor/model:free` breaks them, and what stands behind a prefix is the
/// provider's own id, in which there may be blanks, too.
pub(super) fn check_name(model: &str) -> Result<(), Failure> {
    let first = model.trim().split(':').next().unwrap_or_default();
    if first.contains(char::is_whitespace) || model.trim().contains(char::is_control) {
        return Err(Failure::bad_request("invalid model name").with_param("model"));
    }
    Ok(())
}

fn check_raw(object: &Object<'_>) -> Result<(), Failure> {
    let has_context = object.get("context").is_some_and(|list| list.items().next().is_some());
    if has_context || !object.string("template").is_empty() || !object.string("system").is_empty() {
        return Err(Failure::bad_request("raw mode does not support template, system, or context"));
    }
    Ok(())
}

/// What Ollama looks at when the model is at hand: not before it unloads one, and the format only when it answers.
fn check_use(object: &Object<'_>, request: &Request) -> Result<(), Failure> {
    let load = load_of(request);
    if load != Some(Load::Unload) {
        object.get("options").map_or(Ok(()), check_options)?;
    }
    if load.is_none() {
        object.get("format").map_or(Ok(()), check_format)?;
    }
    Ok(())
}

fn check_format(format: Value<'_>) -> Result<(), Failure> {
    let is_known = match format.kind() {
        Kind::Object => true,
        Kind::String => matches!(format.string().as_deref(), Some("" | "json")),
        _ => false,
    };
    if is_known {
        return Ok(());
    }
    let shown = quoted(format.as_str());
    let message = format!("invalid format: {shown}; expected \"json\" or a valid JSON Schema object");
    // Ollama's runner says so, not the check of the request: clients see it in the form of the answer's headers.
    let failure = Failure::bad_request(message).with_status(500).with_param("format");
    Err(Failure { fault: Fault::Provider, ..failure })
}

/// What chat and generate share.
fn read_common(object: &Object<'_>, model: &str) -> Result<Request, Failure> {
    check_name(model)?;
    let mut extras = Vec::new();
    let mut settings = Settings::default();
    if let Some(options) = object.get("options") {
        read_options(options, &mut settings, &mut extras);
    }
    settings.logprobs = object.get("logprobs").and_then(Value::bool);
    settings.top_logprobs = object.get("top_logprobs").and_then(Value::int).filter(|count| *count > 0);
    extras.extend(TOP_EXTRAS.iter().filter_map(|name| {
        let value = object.get(name).filter(|value| says_something(*value))?;
        Some(extra(name, value))
    }));
    Ok(Request {
        model: model.to_owned(),
        settings,
        format: object.get("format").and_then(read_format),
        reasoning: object.get("think").and_then(read_think),
        stream: object.get("stream").and_then(Value::bool).unwrap_or(true),
        extras,
        ..Request::default()
    })
}

/// Top-level members without a neutral counterpart.
const TOP_EXTRAS: [&str; 6] = ["keep_alive", "truncate", "shift", "template", "context", "_debug_render_only"];

/// Go's zero values are the same as absence, but for the booleans whose default is true.
fn says_something(value: Value<'_>) -> bool {
    !matches!(value.as_str(), "\"\"" | "[]")
}

pub(super) fn extra(name: &str, value: Value<'_>) -> Extra {
    let loss = match name {
        // Kept by the gateway itself; and no cloud cuts a prompt or shifts its window without a word.
        "keep_alive" | "truncate" | "shift" | "options" => Loss::Nothing,
        // What was said before, in the tokens of the model that said it.
        "context" => Loss::Content,
        _ => Loss::Parameter,
    };
    Extra { loss, ..Extra::new(Dialect::Ollama.name(), name, value.to_json()) }
}

fn read_format(format: Value<'_>) -> Option<Format> {
    match format.kind() {
        Kind::String if format.string()? == "json" => Some(Format::Json),
        // A schema that asks nothing: any JSON.
        Kind::Object if format.members().next().is_none() => Some(Format::Json),
        Kind::Object => Some(Format::Schema { name: None, description: None, schema: format.to_json(), strict: None }),
        _ => None,
    }
}

fn read_think(think: Value<'_>) -> Option<Reasoning> {
    match think.bool() {
        Some(true) => Some(Reasoning::On),
        Some(false) => Some(Reasoning::Off),
        None => Effort::from_name(&think.string()?).map(Reasoning::Effort),
    }
}

fn read_message(value: Value<'_>) -> Message {
    let object = Object::of(value);
    let role = read_role(&object.string("role").to_lowercase());
    let images = object.get("images").into_iter().flat_map(|list| list.items().filter_map(read_image));
    let content = object.text("content").filter(|text| !text.is_empty());
    let body = content.map(Part::text).into_iter().chain(images.map(Part::Media));
    if role == Role::Tool {
        return Message::new(Role::Tool, vec![read_result(&object, body.collect())]);
    }
    let thinking = object.text("thinking").filter(|text| !text.is_empty());
    let mut parts: Vec<Part> = thinking.map(|text| Part::Thinking { text, signature: None }).into_iter().collect();
    parts.extend(body);
    parts.extend(object.get("tool_calls").into_iter().flat_map(|calls| calls.items().filter_map(read_call)));
    if parts.is_empty() {
        parts.push(Part::text(Text::empty()));
    }
    Message::new(role, parts)
}

/// A message without a role is a user's: Ollama's templates pass over it, other providers would refuse it.
fn read_role(name: &str) -> Role {
    match name {
        "system" => Role::System,
        "developer" => Role::Developer,
        "user" | "" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        other => Role::Other(other.to_owned()),
    }
}

fn read_result(object: &Object<'_>, content: Vec<Part>) -> Part {
    let id = object.text("tool_call_id").filter(|id| !id.is_empty()).map(|id| opaque::split_text(id).0);
    let name = object.text("tool_name").filter(|name| !name.is_empty());
    Part::ToolResult { id, name, content, is_error: false }
}

/// Ollama takes a result without its call, and clients that forget the oldest messages leave such. Other providers would
/// refuse the whole conversation, so it becomes something that the user says.
fn settle_strays(messages: &mut [Message]) {
    for at in call_ids::strays(messages) {
        let Some(message) = messages.get_mut(at) else { continue };
        let parts = std::mem::take(&mut message.parts);
        *message = Message::new(Role::User, parts.into_iter().flat_map(as_said).collect());
    }
}

/// The text in one part, with the tool's name, and what else there is behind it.
fn as_said(part: Part) -> Vec<Part> {
    let Part::ToolResult { name, content, .. } = part else { return vec![part] };
    let mut said = name.map_or_else(|| "Result of a tool: ".to_owned(), |name| format!("Result of the tool {name}: "));
    let mut others = Vec::new();
    for part in content {
        match part {
            Part::Text { text, .. } => said.push_str(&text.as_str()),
            other => others.push(other),
        }
    }
    std::iter::once(Part::text(said)).chain(others).collect()
}

fn read_call(value: Value<'_>) -> Option<Part> {
    let call = Object::of(value);
    let function = Object::of(call.get("function")?);
    let id = call.text("id").filter(|id| !id.is_empty()).map(opaque::split_text);
    let (id, signature) = id.map_or((None, None), |(id, signature)| (Some(id), signature));
    let name = function.text("name").unwrap_or_else(Text::empty);
    let arguments = function.get("arguments").map_or_else(|| Json::known("{}"), Value::to_json);
    Some(Part::ToolCall { id: id.filter(|id| !id.is_empty()), name, arguments, signature })
}

fn read_tool(value: Value<'_>) -> Option<Tool> {
    let tool = Object::of(value);
    let function = Object::of(tool.get("function")?);
    Some(Tool {
        name: function.text("name")?,
        description: function.text("description").filter(|text| !text.is_empty()),
        parameters: function.get("parameters").map(Value::to_json),
        strict: None,
        cache: None,
    })
}

fn prompt_messages(object: &Object<'_>, prompt: Option<&Text>) -> Vec<Message> {
    let system = object.text("system").filter(|text| !text.is_empty());
    let images = object.get("images").into_iter().flat_map(|list| list.items().filter_map(read_image));
    let asked: Vec<Part> = prompt.cloned().map(Part::text).into_iter().chain(images.map(Part::Media)).collect();
    let mut messages: Vec<Message> =
        system.map(|text| Message::new(Role::System, vec![Part::text(text)])).into_iter().collect();
    if !asked.is_empty() {
        messages.push(Message::new(Role::User, asked));
    }
    messages
}

fn read_image(value: Value<'_>) -> Option<Media> {
    let mut data = value.text()?;
    let mime = mime_of(&data).to_owned();
    // Line ends are good base64 for Go, and for few others.
    if data.as_str().contains(['\n', '\r']) {
        data = Text::from(data.as_str().replace(['\n', '\r'], ""));
    }
    Some(Media { mime, source: Source::Base64(data), detail: None, filename: None })
}

/// The kind of a picture or, since Ollama takes sound in the same place, of that, by its first bytes; JPEG when they say nothing.
pub(super) fn mime_of(data: &Text) -> &'static str {
    let data = data.as_str();
    let head: Vec<u8> = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).take(16).collect();
    let whole_quanta = head.get(..head.len() / 4 * 4).unwrap_or_default();
    let bytes = STANDARD.decode(whole_quanta).unwrap_or_default();
    match bytes.as_slice() {
        [0x89, b'P', b'N', b'G', ..] => "image/png",
        [b'G', b'I', b'F', b'8', ..] => "image/gif",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => "image/webp",
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => "audio/wav",
        [b'I', b'D', b'3', ..] | [0xFF, 0xFB | 0xF3 | 0xF2, ..] => "audio/mpeg",
        [b'O', b'g', b'g', b'S', ..] => "audio/ogg",
        [b'f', b'L', b'a', b'C', ..] => "audio/flac",
        [b'I', b'I', 0x2A, 0, ..] | [b'M', b'M', 0, 0x2A, ..] => "image/tiff",
        [b'B', b'M', ..] => "image/bmp",
        [b'%', b'P', b'D', b'F', ..] => "application/pdf",
        [_, _, _, _, b'f', b't', b'y', b'p', b'a', b'v', b'i', ..] => "image/avif",
        [_, _, _, _, b'f', b't', b'y', b'p', b'h' | b'm', ..] => "image/heic",
        _ => "image/jpeg",
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
