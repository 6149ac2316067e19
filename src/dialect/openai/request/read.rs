//! A client's body → the neutral request.

use bytes::Bytes;

use super::face;
use super::messages::messages;
use super::parts::{cache_mark, items, missing, object, text, wrong_type, wrong_value};
use crate::chat::{Effort, Extra, Failure, Format, Message, Part, Prompt, Reasoning, Request, Role, Tool, ToolChoice};
use crate::dialect::openai::Accent;
use crate::json::{Json, Kind, Text, Value};

/// Reads the body of `/v1/chat/completions`.
pub fn read_chat(body: &Bytes, accent: Accent) -> Result<Request, Failure> {
    let json = match accent {
        Accent::OpenAi => document(body)?,
        Accent::Ollama => face::read_chat(body)?,
    };
    let mut request = Request::default();
    let mut wishes = Wishes::default();
    let mut has_messages = false;
    for (key, value) in json.value().members().filter(|(_, value)| !value.is_null()) {
        match accent.key(key).as_ref() {
            "messages" => {
                request.messages = messages(value, accent)?;
                has_messages = true;
            }
            "logprobs" => request.settings.logprobs = Some(boolean("logprobs", value)?),
            "stop" if accent.is_ollama() => face::stops(value, &mut request),
            "top_logprobs" => request.settings.top_logprobs = Some(integer("top_logprobs", value)?),
            key if tool_member(key, value, &mut request, &mut wishes)? => {}
            key if member(key, value, &mut request, &mut wishes)? => {}
            key => extra(key, value, &mut request),
        }
    }
    wishes.grant(&mut request)?;
    if !has_messages {
        return Err(missing("messages"));
    }
    if accent.is_ollama() {
        request.messages = face::apart(request.messages);
    }
    Ok(request)
}

/// Reads the body of `/v1/completions`.
pub fn read_completions(body: &Bytes, accent: Accent) -> Result<Request, Failure> {
    let json = match accent {
        Accent::OpenAi => document(body)?,
        Accent::Ollama => face::read_completions(body)?,
    };
    let mut request = Request::default();
    let mut prompt = Prompt::default();
    let mut wishes = Wishes::default();
    for (key, value) in json.value().members().filter(|(_, value)| !value.is_null()) {
        match accent.key(key).as_ref() {
            "prompt" => prompt.text = Some(prompt_text(value)?),
            "suffix" => prompt.suffix = Some(text("suffix", value)?).filter(|text| !text.is_empty()),
            "echo" => prompt.echo = boolean("echo", value)?,
            "logprobs" => legacy_logprobs(value, &mut request)?,
            key if member(key, value, &mut request, &mut wishes)? => {}
            key => extra(key, value, &mut request),
        }
    }
    wishes.grant(&mut request)?;
    if accent.is_ollama() {
        // No prompt at all asks for the model to be loaded.
        prompt.text.get_or_insert_with(Text::empty);
    }
    let said = prompt.text.clone().ok_or_else(|| missing("prompt"))?;
    request.messages = vec![Message::new(Role::User, vec![Part::text(said)])];
    request.prompt = Some(prompt);
    Ok(request)
}

pub(in crate::dialect::openai) fn document(body: &Bytes) -> Result<Json, Failure> {
    let json = Json::parse(body.clone())
        .map_err(|error| Failure::bad_request(format!("The body of the request is not JSON: {error}.")))?;
    if json.value().kind() != Kind::Object {
        return Err(Failure::bad_request("The body of the request must be a JSON object."));
    }
    Ok(json)
}

/// One prompt: a string, or a list with one.
fn prompt_text(value: Value<'_>) -> Result<Text, Failure> {
    if value.kind() != Kind::Array {
        return text("prompt", value);
    }
    let mut prompts = value.items();
    match (prompts.next(), prompts.next()) {
        (Some(only), None) if only.kind() == Kind::String => text("prompt[0]", only),
        (Some(first), _) if first.kind() != Kind::String => {
            Err(wrong_value("prompt", "prompts made of tokens are not supported, send text"))
        }
        (None, _) => Err(wrong_value("prompt", "the list is empty")),
        _ => Err(wrong_value("prompt", "several prompts in one request are not supported, send one at a time")),
    }
}

/// Legacy: the number of alternatives a token. Some clients send a boolean.
fn legacy_logprobs(value: Value<'_>, request: &mut Request) -> Result<(), Failure> {
    match value.bool() {
        Some(wanted) => request.settings.logprobs = Some(wanted),
        None => {
            request.settings.logprobs = Some(true);
            request.settings.top_logprobs = Some(integer("logprobs", value)?);
        }
    }
    Ok(())
}

/// Kept for a provider of this dialect. An empty list says nothing, and some providers refuse it.
pub(super) fn extra(name: &str, value: Value<'_>, request: &mut Request) {
    if value.kind() == Kind::Array && value.items().next().is_none() {
        return;
    }
    request.extras.push(Extra::new("openai", name, value.to_json()));
}

/// What is said in several places, settled when all was read.
#[derive(Default)]
struct Wishes {
    max_tokens: Option<i64>,
    max_completion_tokens: Option<i64>,
    /// By rank: `reasoning`, `reasoning_effort`, `thinking`, `thinking_budget`, `enable_thinking`.
    reasoning: [Option<Reasoning>; 5],
    /// Names of `allowed_tools`.
    allowed: Option<Vec<Text>>,
}

impl Wishes {
    fn grant(self, request: &mut Request) -> Result<(), Failure> {
        // Clients of local servers say -1 for no limit.
        request.settings.max_tokens = self.max_completion_tokens.or(self.max_tokens).filter(|limit| *limit >= 0);
        request.reasoning = self.reasoning.into_iter().flatten().next();
        // Leaving out what may not be called says the same to every provider.
        if let Some(allowed) = self.allowed {
            request.tools.retain(|tool| allowed.contains(&tool.name));
        }
        if request.model.is_empty() {
            let message = "you must provide a model parameter";
            return Err(Failure { message: message.to_owned(), ..missing("model") });
        }
        Ok(())
    }
}

/// The members that chats and completions share. `false`: it is none of them.
fn member(key: &str, value: Value<'_>, request: &mut Request, wishes: &mut Wishes) -> Result<bool, Failure> {
    let settings = &mut request.settings;
    match key {
        "model" => request.model = text(key, value)?.as_str().into_owned(),
        "stream" => request.stream = boolean(key, value)?,
        "stream_options" => {
            request.stream_usage = object(key, value)?.get("include_usage").and_then(Value::bool).unwrap_or(false);
        }
        "max_tokens" => wishes.max_tokens = Some(integer(key, value)?),
        "max_completion_tokens" => wishes.max_completion_tokens = Some(integer(key, value)?),
        "temperature" => settings.temperature = Some(number(key, value)?),
        "top_p" => settings.top_p = Some(number(key, value)?),
        "top_k" => settings.top_k = Some(number(key, value)?),
        "min_p" => settings.min_p = Some(number(key, value)?),
        "seed" => settings.seed = Some(number(key, value)?),
        "presence_penalty" => settings.presence_penalty = Some(number(key, value)?),
        "frequency_penalty" => settings.frequency_penalty = Some(number(key, value)?),
        "repetition_penalty" => settings.repeat_penalty = Some(number(key, value)?),
        "n" => settings.choices = Some(integer(key, value)?),
        "stop" => settings.stop = stop(value)?,
        _ => return reasoning_member(key, value, wishes),
    }
    Ok(true)
}

fn reasoning_member(key: &str, value: Value<'_>, wishes: &mut Wishes) -> Result<bool, Failure> {
    let [object_wish, effort_wish, thinking_wish, budget_wish, switch_wish] = &mut wishes.reasoning;
    match key {
        "reasoning" => *object_wish = reasoning_object(object(key, value)?),
        "reasoning_effort" => {
            let name = value.string().ok_or_else(|| wrong_type(key, "a string", value))?;
            *effort_wish = effort(&name);
            // A name of the provider's own goes back to it as it came.
            return Ok(effort_wish.is_some());
        }
        "thinking" => match value.get("type").and_then(Value::string).as_deref() {
            Some("disabled") => *thinking_wish = Some(Reasoning::Off),
            Some("enabled" | "adaptive") => {
                let budget = value.get("budget_tokens").and_then(Value::int);
                *thinking_wish = Some(budget.map_or(Reasoning::On, Reasoning::Budget));
            }
            _ => return Ok(false),
        },
        "thinking_budget" => *budget_wish = Some(Reasoning::Budget(integer(key, value)?)),
        "enable_thinking" => {
            let is_on = boolean(key, value)?;
            *switch_wish = Some(if is_on { Reasoning::On } else { Reasoning::Off });
            if !is_on {
                *budget_wish = Some(Reasoning::Off);
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn effort(name: &str) -> Option<Reasoning> {
    if name == "none" { Some(Reasoning::Off) } else { Effort::from_name(name).map(Reasoning::Effort) }
}

/// OpenRouter's `{effort, enabled, max_tokens}`.
fn reasoning_object(value: Value<'_>) -> Option<Reasoning> {
    let enabled = value.get("enabled").and_then(Value::bool);
    if enabled == Some(false) {
        return Some(Reasoning::Off);
    }
    let named = value.get("effort").and_then(Value::string).and_then(|name| effort(&name));
    let budget = value.get("max_tokens").and_then(Value::int).map(Reasoning::Budget);
    named.or(budget).or(enabled.map(|_| Reasoning::On))
}

fn boolean(param: &str, value: Value<'_>) -> Result<bool, Failure> {
    value.bool().ok_or_else(|| wrong_type(param, "a boolean", value))
}

pub(in crate::dialect::openai) fn integer(param: &str, value: Value<'_>) -> Result<i64, Failure> {
    value.int().ok_or_else(|| wrong_type(param, "an integer", value))
}

fn number(param: &str, value: Value<'_>) -> Result<Json, Failure> {
    if value.kind() == Kind::Number { Ok(value.to_json()) } else { Err(wrong_type(param, "a number", value)) }
}

fn stop(value: Value<'_>) -> Result<Vec<Text>, Failure> {
    match value.kind() {
        Kind::String => Ok(value.text().into_iter().filter(|text| !text.is_empty()).collect()),
        Kind::Array => value.items().enumerate().map(|(at, item)| text(&format!("stop[{at}]"), item)).collect(),
        _ => Err(wrong_type("stop", "a string or an array of strings", value)),
    }
}

/// Tools, the choice among them, and the form of the answer: chats only.
fn tool_member(key: &str, value: Value<'_>, request: &mut Request, wishes: &mut Wishes) -> Result<bool, Failure> {
    match key {
        "tools" => tools(value, request)?,
        "functions" => {
            let read = items(key, value)?.enumerate().map(|(at, item)| tool(&format!("functions[{at}]"), item));
            request.tools = read.collect::<Result<_, _>>()?;
        }
        "tool_choice" | "function_call" => tool_choice(key, value, request, wishes)?,
        "parallel_tool_calls" => request.parallel_tool_calls = Some(boolean(key, value)?),
        "response_format" => request.format = format(object(key, value)?)?,
        _ => return Ok(false),
    }
    Ok(true)
}

/// Functions; tools of other kinds (a provider's own search, say) wait among the extras for a provider of this dialect.
fn tools(value: Value<'_>, request: &mut Request) -> Result<(), Failure> {
    let mut others: Vec<&str> = Vec::new();
    request.tools.clear();
    for (at, item) in items("tools", value)?.enumerate() {
        let param = format!("tools[{at}]");
        let kind = object(&param, item)?.get("type").and_then(Value::string);
        match (kind.as_deref(), item.get("function")) {
            (_, Some(function)) => {
                let read = tool(&format!("{param}.function"), function)?;
                request.tools.push(Tool { cache: cache_mark(item).or(read.cache), ..read });
            }
            (Some("function") | None, None) => request.tools.push(tool(&param, item)?),
            (Some(_), None) => others.push(item.as_str()),
        }
    }
    if !others.is_empty() {
        let value = Json::known(format!("[{}]", others.join(",")));
        request.extras.push(Extra::new("openai", "tools", value));
    }
    Ok(())
}

fn tool(param: &str, value: Value<'_>) -> Result<Tool, Failure> {
    let name_param = format!("{param}.name");
    let name = object(param, value)?.get("name").ok_or_else(|| missing(&name_param))?;
    let parameters =
        value.get("parameters").map(|schema| object(&format!("{param}.parameters"), schema)).transpose()?;
    Ok(Tool {
        name: text(&name_param, name)?,
        description: value.get("description").and_then(Value::text),
        parameters: parameters.map(Value::to_json),
        strict: value.get("strict").and_then(Value::bool),
        cache: cache_mark(value),
    })
}

fn tool_choice(key: &str, value: Value<'_>, request: &mut Request, wishes: &mut Wishes) -> Result<(), Failure> {
    if let Some(word) = value.string() {
        request.tool_choice = Some(match word.as_ref() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" | "any" => ToolChoice::Required,
            other => return Err(wrong_value(key, format!("'{other}'; 'none', 'auto' and 'required' are known"))),
        });
        return Ok(());
    }
    let allowed = object(key, value)?.get("allowed_tools");
    if let Some(allowed) = allowed {
        let names = allowed.get("tools").map(Value::items).into_iter().flatten();
        let name = |tool: Value<'_>| tool.path(&["function", "name"]).or(tool.get("name")).and_then(Value::text);
        wishes.allowed = Some(names.filter_map(name).collect());
        let is_required = allowed.get("mode").and_then(Value::string).as_deref() == Some("required");
        request.tool_choice = Some(if is_required { ToolChoice::Required } else { ToolChoice::Auto });
        return Ok(());
    }
    match value.path(&["function", "name"]).or(value.get("name")) {
        Some(name) => request.tool_choice = Some(ToolChoice::Function(text(&format!("{key}.function.name"), name)?)),
        None => extra(key, value, request),
    }
    Ok(())
}

fn format(value: Value<'_>) -> Result<Option<Format>, Failure> {
    let kind = value.get("type").and_then(Value::string).map(|kind| kind.trim().to_ascii_lowercase());
    match kind.as_deref() {
        Some("text") | None => Ok(None),
        Some("json_object") => Ok(Some(Format::Json)),
        Some("json_schema") => {
            let param = "response_format.json_schema";
            let described = object(param, value.get("json_schema").ok_or_else(|| missing(param))?)?;
            Ok(Some(Format::Schema {
                name: described.get("name").and_then(Value::text),
                description: described.get("description").and_then(Value::text),
                schema: described.get("schema").map_or_else(|| Json::known("{}"), Value::to_json),
                strict: described.get("strict").and_then(Value::bool),
            }))
        }
        Some(other) => {
            let known = "'text', 'json_object' and 'json_schema' are known";
            Err(wrong_value("response_format.type", format_args!("'{other}'; {known}")))
        }
    }
}
