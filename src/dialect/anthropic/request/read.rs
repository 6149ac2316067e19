//! A client's body → the neutral request.

use bytes::Bytes;

use super::content::{messages, system};
use crate::chat::{CacheMark, Effort, Extra, Failure, Format, Message, Part, Reasoning, Request, Tool, ToolChoice};
use crate::dialect::anthropic::NAME;
use crate::json::{Json, Kind, Text, Value};

/// Reads the body of `/v1/messages`. The words for a member that is missing are Ollama's, which its clients know (measured on
/// Ollama 0.33).
pub fn read(body: &Bytes) -> Result<Request, Failure> {
    let (request, has_messages) = read_members(body)?;
    if request.model.is_empty() {
        return Err(wrong("model", "model is required"));
    }
    if request.settings.max_tokens.is_none_or(|limit| limit <= 0) {
        return Err(wrong("max_tokens", "max_tokens is required and must be positive"));
    }
    if !has_messages {
        return Err(wrong("messages", "messages is required"));
    }
    Ok(request)
}

/// Reads the body of `/v1/messages/count_tokens`: the same without a limit.
pub fn read_to_count(body: &Bytes) -> Result<Request, Failure> {
    match read_members(body)? {
        (request, _) if request.model.is_empty() => Err(wrong("model", "model is required")),
        (_, false) => Err(wrong("messages", "messages is required")),
        (request, true) => Ok(request),
    }
}

/// A failure whose message is all that is said.
fn wrong(param: &str, message: &str) -> Failure {
    Failure::bad_request(message).with_param(param)
}

/// A value that must be something else. `param` names it as Anthropic does: `messages.2.content.0.text`.
pub(super) fn expected(param: &str, what: &str) -> Failure {
    Failure::bad_request(format!("{param}: must be {what}")).with_param(param)
}

/// A member that must be there.
pub(super) fn member<'a>(param: &str, value: Value<'a>, key: &str) -> Result<Value<'a>, Failure> {
    let param = format!("{param}.{key}");
    value.get(key).ok_or_else(|| Failure::bad_request(format!("{param}: is missing")).with_param(&*param))
}

/// A member that must be a string.
pub(super) fn text(param: &str, value: Value<'_>, key: &str) -> Result<Text, Failure> {
    member(param, value, key)?.text().ok_or_else(|| expected(&format!("{param}.{key}"), "a string"))
}

/// The items of an array.
pub(super) fn items<'a>(param: &str, value: Value<'a>) -> Result<impl Iterator<Item = (String, Value<'a>)>, Failure> {
    if value.kind() != Kind::Array {
        return Err(expected(param, "an array"));
    }
    let param = param.to_owned();
    Ok(value.items().enumerate().map(move |(at, item)| (format!("{param}.{at}"), item)))
}

/// What only this dialect has, for the way back and to be counted elsewhere.
pub(super) fn extra(name: impl Into<String>, value: Value<'_>) -> Extra {
    Extra::new(NAME, name, value.to_json())
}

/// So many are told apart; a body of ever new names shall not cost its square.
const EXTRAS_MAX: usize = 64;

/// The mark that a `cache_control` is.
pub(super) fn cache_mark(value: Value<'_>) -> Option<CacheMark> {
    (value.kind() == Kind::Object).then(|| CacheMark { ttl: value.get("ttl").and_then(Value::text) })
}

/// Notes an extra of which one says as much as many.
pub(super) fn note(extras: &mut Vec<Extra>, extra: Extra) {
    if extras.len() < EXTRAS_MAX && !extras.iter().any(|known| known.name == extra.name) {
        extras.push(extra);
    }
}

fn read_members(body: &Bytes) -> Result<(Request, bool), Failure> {
    let json = Json::parse(body.clone())
        .map_err(|error| Failure::bad_request(format!("the body of the request is not JSON: {error}")))?;
    if json.value().kind() != Kind::Object {
        return Err(Failure::bad_request("the body of the request must be a JSON object"));
    }
    let mut request = Request::default();
    let mut conversation = Conversation::default();
    let mut depth = Depth::default();
    for (key, value) in json.value().members().filter(|(_, value)| !value.is_null()) {
        match key.as_ref() {
            "messages" => conversation.messages = messages(value)?,
            "system" => conversation.system = system(value)?,
            "thinking" => depth.thinking = Some(thinking(value, &mut request)?),
            "thread" => return Err(unheld(value)),
            "cache_control" => conversation.mark = cache_mark(value),
            "output_config" => output_config(value, &mut depth, &mut request)?,
            // Its earlier name.
            "output_format" => request.format = format(&key, value)?,
            "tools" => tools(value, &mut request)?,
            "tool_choice" => tool_choice(value, &mut request)?,
            key if setting(key, value, &mut request)? => {}
            key => request.extras.push(extra(key, value)),
        }
    }
    request.reasoning = depth.settled();
    let has_messages = !conversation.messages.is_empty();
    request.messages = conversation.whole();
    Ok((request, has_messages))
}

/// A conversation that the server shall hold, so that later requests bring only what is new. Nobody holds it here; clients that hear
/// of it by these codes send all of it instead (Anthropic's Python SDK 2.12).
fn unheld(thread: Value<'_>) -> Failure {
    let is_held = thread.get("type").and_then(Value::string).as_deref() == Some("continue");
    let code = if is_held { "thread_not_found" } else { "thread_unsupported_request" };
    wrong("thread", "thread: this model's provider holds no conversations, send all messages").with_code(code)
}

/// The instructions go first, wherever they stand in the body.
#[derive(Default)]
struct Conversation {
    system: Option<Message>,
    messages: Vec<Message>,
    /// At the top level it stands for one on the last block.
    mark: Option<CacheMark>,
}

impl Conversation {
    fn whole(mut self) -> Vec<Message> {
        if let Some((last, mark)) = self.messages.last_mut().zip(self.mark) {
            match last.parts.last_mut() {
                Some(Part::ToolResult { content, .. }) => content.push(Part::CacheMark(mark)),
                Some(_) | None => last.parts.push(Part::CacheMark(mark)),
            }
        }
        self.system.into_iter().chain(self.messages).collect()
    }
}

/// Plain members. `false`: it is none of them.
fn setting(key: &str, value: Value<'_>, request: &mut Request) -> Result<bool, Failure> {
    let number = || (value.kind() == Kind::Number).then(|| value.to_json()).ok_or_else(|| expected(key, "a number"));
    let settings = &mut request.settings;
    match key {
        "model" => request.model = value.string().ok_or_else(|| expected(key, "a string"))?.into_owned(),
        "max_tokens" => settings.max_tokens = Some(value.int().ok_or_else(|| expected(key, "a number"))?),
        "stream" => request.stream = value.bool().ok_or_else(|| expected(key, "true or false"))?,
        "temperature" => settings.temperature = Some(number()?),
        "top_p" => settings.top_p = Some(number()?),
        "top_k" => settings.top_k = Some(number()?),
        "stop_sequences" => settings.stop = stops(key, value)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn stops(key: &str, value: Value<'_>) -> Result<Vec<Text>, Failure> {
    items(key, value)?.map(|(param, item)| item.text().ok_or_else(|| expected(&param, "a string"))).collect()
}

/// How deep to think, as it is said in two places.
#[derive(Default)]
struct Depth {
    thinking: Option<Reasoning>,
    effort: Option<Effort>,
}

impl Depth {
    /// An effort refines thinking that the model sizes by itself; a budget is exact, and off is off.
    fn settled(self) -> Option<Reasoning> {
        match (self.thinking, self.effort) {
            (None | Some(Reasoning::On), Some(effort)) => Some(Reasoning::Effort(effort)),
            (thinking, _) => thinking,
        }
    }
}

fn thinking(value: Value<'_>, request: &mut Request) -> Result<Reasoning, Failure> {
    // Thoughts are shown in any case: what is hidden costs the same.
    if let Some(display) = value.get("display").filter(|how| how.string().as_deref() == Some("omitted")) {
        request.extras.push(extra("thinking.display", display));
    }
    match value.get("type").and_then(Value::string).as_deref() {
        Some("disabled") => Ok(Reasoning::Off),
        Some("adaptive") => Ok(Reasoning::On),
        Some("enabled") => Ok(value.get("budget_tokens").and_then(Value::int).map_or(Reasoning::On, Reasoning::Budget)),
        _ => Err(expected("thinking.type", "'enabled', 'adaptive' or 'disabled'")),
    }
}

fn output_config(value: Value<'_>, depth: &mut Depth, request: &mut Request) -> Result<(), Failure> {
    for (key, value) in value.members().filter(|(_, value)| !value.is_null()) {
        let param = format!("output_config.{key}");
        match key.as_ref() {
            "effort" => {
                let named = value.string().and_then(|name| Effort::from_name(&name));
                depth.effort = Some(named.ok_or_else(|| expected(&param, "an effort from 'low' to 'max'"))?);
            }
            "format" => request.format = format(&param, value)?,
            _ => request.extras.push(extra(param, value)),
        }
    }
    Ok(())
}

fn format(param: &str, value: Value<'_>) -> Result<Option<Format>, Failure> {
    match value.get("type").and_then(Value::string).as_deref() {
        Some("json_schema") => {
            let schema = member(param, value, "schema")?.to_json();
            // Anthropic holds the model to it.
            Ok(Some(Format::Schema { name: None, description: None, schema, strict: Some(true) }))
        }
        Some("text") => Ok(None),
        _ => Err(expected(&format!("{param}.type"), "'json_schema'")),
    }
}

/// The client's own functions. Tools that Anthropic runs by itself have a dated type; they wait among the extras.
fn tools(value: Value<'_>, request: &mut Request) -> Result<(), Failure> {
    let mut others = Vec::new();
    for (param, item) in items("tools", value)? {
        match item.get("type").and_then(Value::string).as_deref() {
            None | Some("custom") => request.tools.push(tool(&param, item, &mut request.extras)?),
            Some(_) => others.push(item.as_str()),
        }
    }
    if !others.is_empty() {
        let value = Json::known(format!("[{}]", others.join(",")));
        request.extras.push(Extra::new(NAME, "tools", value));
    }
    Ok(())
}

fn tool(param: &str, item: Value<'_>, extras: &mut Vec<Extra>) -> Result<Tool, Failure> {
    let mut read =
        Tool { name: text(param, item, "name")?, description: None, parameters: None, strict: None, cache: None };
    for (key, value) in item.members().filter(|(_, value)| !value.is_null()) {
        match key.as_ref() {
            "type" | "name" => {}
            "description" => read.description = value.text(),
            "input_schema" => read.parameters = Some(value.to_json()),
            "strict" => read.strict = value.bool(),
            "cache_control" => read.cache = cache_mark(value),
            key => note(extras, extra(format!("tools.{key}"), value)),
        }
    }
    Ok(read)
}

fn tool_choice(value: Value<'_>, request: &mut Request) -> Result<(), Failure> {
    request.tool_choice = Some(match value.get("type").and_then(Value::string).as_deref() {
        Some("auto") => ToolChoice::Auto,
        Some("any") => ToolChoice::Required,
        Some("none") => ToolChoice::None,
        Some("tool") => ToolChoice::Function(text("tool_choice", value, "name")?),
        _ => return Err(expected("tool_choice.type", "'auto', 'any', 'tool' or 'none'")),
    });
    if let Some(is_disabled) = value.get("disable_parallel_tool_use").and_then(Value::bool) {
        request.parallel_tool_calls = Some(!is_disabled);
    }
    Ok(())
}
