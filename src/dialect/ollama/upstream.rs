//! Requests for an Ollama server, written from the neutral form.
//!
//! Ollama's own `/v1` layer sends `temperature` and `top_p` as 1.0 when a client names none. That is not copied: the native
//! API then takes the values that the model's maker set, which is what the model is at its best with.

use std::collections::HashMap;

use super::request::is_own;
use crate::chat::{
    Effort, Extra, Failure, Format, Media, Message, Part, Reasoning, Request, Role, Settings, Source, Tool, ToolChoice,
};
use crate::dialect::dropped::Dropped;
use crate::dialect::{Quirks, Written};
use crate::json::{Json, Kind, Style, Text, Writer};

/// The body of `POST /api/chat`.
///
/// Fails where content has no place there: pictures by address, documents, a suffix; and where several answers are asked for.
pub fn write_chat(request: &Request, _quirks: &Quirks) -> Result<Written, Failure> {
    if request.prompt.as_ref().is_some_and(|prompt| prompt.suffix.as_ref().is_some_and(|text| !text.is_empty())) {
        return Err(Failure::cannot_insert(&request.model));
    }
    check_choices(request)?;
    let names = CallNames::of(&request.messages);
    let mut turns = Vec::new();
    for message in &request.messages {
        read_turns(message, &names, &mut turns)?;
    }
    let mut writer = Writer::new(Style::Plain);
    writer.object(|w| {
        w.key("model").str(&request.model);
        w.key("messages").array(|w| turns.iter().for_each(|turn| turn.write(w)));
        write_tools(w, request);
        write_common(w, request, &CHAT_EXTRAS);
    });
    let mut dropped = dropped(request, &CHAT_EXTRAS)?;
    dropped.note(request.prompt.as_ref().is_some_and(|prompt| prompt.raw), "raw");
    Ok(Written { body: writer.into_bytes(), dropped: dropped.into_names() })
}

/// The body of `POST /api/generate`.
///
/// Fails where content has no place there: pictures by address, documents; and where several answers are asked for.
pub fn write_generate(request: &Request, _quirks: &Quirks) -> Result<Written, Failure> {
    check_choices(request)?;
    let prompt = request.prompt.clone().unwrap_or_default();
    let asked = Spoken::of(&request.messages, |role| !is_instruction(role))?;
    let system = Spoken::of(&request.messages, is_instruction)?;
    let mut writer = Writer::new(Style::Plain);
    writer.object(|w| {
        w.key("model").str(&request.model);
        match &prompt.text {
            Some(text) => w.key("prompt").text(text),
            None => w.key("prompt").texts(asked.texts.iter()),
        }
        let suffix = prompt.suffix.as_ref().filter(|text| !text.is_empty());
        suffix.into_iter().for_each(|text| w.key("suffix").text(text));
        if !system.texts.is_empty() {
            w.key("system").texts(system.texts.iter());
        }
        if prompt.raw {
            w.key("raw").bool(true);
        }
        write_images(w, &asked.images);
        write_common(w, request, &GENERATE_EXTRAS);
    });
    let mut dropped = dropped(request, &GENERATE_EXTRAS)?;
    dropped.note(!request.tools.is_empty(), "tools");
    Ok(Written { body: writer.into_bytes(), dropped: dropped.into_names() })
}

/// Ollama gives one answer to a request; fewer than were asked for would be a loss that nobody sees.
fn check_choices(request: &Request) -> Result<(), Failure> {
    if request.settings.choices.is_none_or(|count| count <= 1) {
        return Ok(());
    }
    let message = "n must be 1: an Ollama server gives one answer to a request; send the request again for another";
    Err(Failure::bad_request(message).with_param("n"))
}

/// Members of Ollama's own that go back where they came from.
const CHAT_EXTRAS: [&str; 4] = ["keep_alive", "truncate", "shift", "_debug_render_only"];
const GENERATE_EXTRAS: [&str; 6] = ["keep_alive", "truncate", "shift", "template", "context", "_debug_render_only"];

fn is_instruction(role: &Role) -> bool {
    matches!(role, Role::System | Role::Developer)
}

/// What stands behind messages or prompt, the same in both wires.
fn write_common(w: &mut Writer, request: &Request, extras: &[&str]) {
    match &request.format {
        Some(Format::Json) => w.key("format").str("json"),
        Some(Format::Schema { schema, .. }) => w.key("format").json(schema),
        None => {}
    }
    write_options(w, request);
    w.key("stream").bool(request.stream);
    write_think(w, request.reasoning.as_ref());
    if request.settings.logprobs == Some(true) {
        w.key("logprobs").bool(true);
    }
    request.settings.top_logprobs.into_iter().for_each(|count| w.key("top_logprobs").int(count));
    for extra in own_extras(request).filter(|extra| extras.contains(&extra.name.as_str())) {
        w.key(&extra.name).json(&extra.value);
    }
}

fn own_extras(request: &Request) -> impl Iterator<Item = &Extra> {
    request.extras.iter().filter(|extra| is_own(extra))
}

fn write_options(w: &mut Writer, request: &Request) {
    let settings = &request.settings;
    let others: Vec<(&str, &Json)> =
        own_extras(request).filter_map(|extra| Some((extra.name.strip_prefix("options.")?, &extra.value))).collect();
    let numbers = numbers(settings);
    let is_empty = numbers.iter().all(|(_, value)| value.is_none())
        && settings.max_tokens.is_none()
        && settings.context_length.is_none()
        && settings.stop.is_empty()
        && others.is_empty();
    if is_empty {
        return;
    }
    w.key("options").object(|w| {
        settings.context_length.into_iter().for_each(|tokens| w.key("num_ctx").int(tokens));
        settings.max_tokens.into_iter().for_each(|count| w.key("num_predict").int(count));
        for (name, value) in numbers {
            value.into_iter().for_each(|value| w.key(name).json(value));
        }
        if !settings.stop.is_empty() {
            w.key("stop").array(|w| settings.stop.iter().for_each(|text| w.text(text)));
        }
        others.iter().for_each(|(name, value)| w.key(name).json(value));
    });
}

fn numbers(settings: &Settings) -> [(&'static str, Option<&Json>); 8] {
    [
        ("temperature", settings.temperature.as_ref()),
        ("top_p", settings.top_p.as_ref()),
        ("top_k", settings.top_k.as_ref()),
        ("min_p", settings.min_p.as_ref()),
        ("seed", settings.seed.as_ref()),
        ("presence_penalty", settings.presence_penalty.as_ref()),
        ("frequency_penalty", settings.frequency_penalty.as_ref()),
        ("repeat_penalty", settings.repeat_penalty.as_ref()),
    ]
}

fn write_think(w: &mut Writer, reasoning: Option<&Reasoning>) {
    match reasoning {
        None => {}
        Some(Reasoning::Off | Reasoning::Budget(0)) => w.key("think").bool(false),
        Some(Reasoning::On) => w.key("think").bool(true),
        Some(Reasoning::Effort(effort)) => w.key("think").str(level(*effort)),
        // A negative budget leaves it to the model (Gemini's -1).
        Some(Reasoning::Budget(tokens)) if *tokens < 0 => w.key("think").bool(true),
        Some(Reasoning::Budget(tokens)) => w.key("think").str(level(Effort::of_budget(*tokens))),
    }
}

/// Ollama has four levels.
fn level(effort: Effort) -> &'static str {
    match effort {
        Effort::Minimal | Effort::Low => "low",
        Effort::Medium => "medium",
        Effort::High => "high",
        Effort::XHigh | Effort::Max => "max",
    }
}

/// The tools that the choice leaves. Schemas go whole; Ollama itself takes part of them.
fn write_tools(w: &mut Writer, request: &Request) {
    let tools: Vec<&Tool> = match &request.tool_choice {
        Some(ToolChoice::None) => Vec::new(),
        Some(ToolChoice::Function(name)) => request.tools.iter().filter(|tool| tool.name == *name).collect(),
        Some(ToolChoice::Auto | ToolChoice::Required) | None => request.tools.iter().collect(),
    };
    if tools.is_empty() {
        return;
    }
    w.key("tools").array(|w| {
        for tool in tools {
            w.object(|w| {
                w.key("type").str("function");
                w.key("function").object(|w| {
                    w.key("name").text(&tool.name);
                    tool.description.iter().for_each(|text| w.key("description").text(text));
                    match &tool.parameters {
                        Some(schema) => w.key("parameters").json(schema),
                        None => w.key("parameters").raw(r#"{"type":"object","properties":{}}"#),
                    }
                });
            });
        }
    });
}

/// Parameters without a place in Ollama's requests. `extras`: the members of its own that have one.
fn dropped(request: &Request, extras: &[&str]) -> Result<Dropped, Failure> {
    let mut dropped = Dropped::default();
    let is_forced = matches!(request.tool_choice, Some(ToolChoice::Required | ToolChoice::Function(_)));
    dropped.note(is_forced, "tool_choice");
    dropped.note(request.parallel_tool_calls == Some(false), "parallel_tool_calls");
    dropped.note(request.messages.iter().any(|message| message.name.is_some()), "name");
    let is_placed =
        |extra: &Extra| is_own(extra) && (extra.name.starts_with("options.") || extras.contains(&extra.name.as_str()));
    let of_messages = request.messages.iter().flat_map(|message| &message.extras);
    dropped.leave(request.extras.iter().filter(|extra| !is_placed(extra)).chain(of_messages))?;
    Ok(dropped)
}

/// A message in Ollama's form.
struct Turn<'a> {
    role: &'a str,
    spoken: Spoken,
    thinking: Vec<&'a Text>,
    calls: Vec<(Option<&'a Text>, &'a Text, &'a Json)>,
    /// The function and the id of the call that this answers.
    result: Option<(Option<&'a Text>, Option<&'a Text>)>,
}

/// Text and pictures.
#[derive(Default)]
struct Spoken {
    texts: Vec<Text>,
    /// Bare base64.
    images: Vec<Text>,
}

/// The functions of the calls in a conversation, by id: Ollama's templates show the name, other dialects tell the id.
struct CallNames<'a>(HashMap<String, &'a Text>);

impl<'a> CallNames<'a> {
    fn of(messages: &'a [Message]) -> CallNames<'a> {
        let parts = messages.iter().flat_map(|message| &message.parts);
        let named = parts.filter_map(|part| match part {
            Part::ToolCall { id: Some(id), name, .. } => Some((id.as_str().into_owned(), name)),
            _ => None,
        });
        CallNames(named.collect())
    }

    fn get(&self, id: Option<&Text>) -> Option<&'a Text> {
        self.0.get(id?.as_str().as_ref()).copied()
    }
}

/// A message becomes one turn, but each tool result one of its own.
fn read_turns<'a>(message: &'a Message, names: &CallNames<'a>, turns: &mut Vec<Turn<'a>>) -> Result<(), Failure> {
    let mut turn = Turn::new(role_name(&message.role));
    let mut results = Vec::new();
    for part in &message.parts {
        match part {
            Part::Thinking { text, .. } => turn.thinking.push(text),
            Part::ToolCall { id, name, arguments, .. } => turn.calls.push((id.as_ref(), name, arguments)),
            Part::ToolResult { id, name, content, is_error } => {
                let mut result = Turn::new("tool");
                // There is no other place to say that a call failed.
                result.spoken.texts.extend(is_error.then(|| Text::from("Error:")));
                content.iter().try_for_each(|part| result.spoken.push(part, "\n"))?;
                let name = name.as_ref().or_else(|| names.get(id.as_ref()));
                result.result = Some((name, id.as_ref()));
                results.push(result);
            }
            // The pieces of an answer are one text; what a client sends in pieces is several.
            part if message.role == Role::Assistant => turn.spoken.push(part, "")?,
            part => turn.spoken.push(part, "\n")?,
        }
    }
    let has_results = !results.is_empty();
    turns.append(&mut results);
    if !has_results || !turn.is_empty() {
        turns.push(turn);
    }
    Ok(())
}

fn role_name(role: &Role) -> &str {
    match role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
        Role::Other(name) => name,
    }
}

impl<'a> Turn<'a> {
    fn new(role: &'a str) -> Turn<'a> {
        Turn { role, spoken: Spoken::default(), thinking: Vec::new(), calls: Vec::new(), result: None }
    }

    fn is_empty(&self) -> bool {
        self.spoken.texts.is_empty()
            && self.spoken.images.is_empty()
            && self.thinking.is_empty()
            && self.calls.is_empty()
    }

    fn write(&self, w: &mut Writer) {
        w.object(|w| {
            w.key("role").str(self.role);
            w.key("content").texts(self.spoken.texts.iter());
            if !self.thinking.is_empty() {
                w.key("thinking").texts(self.thinking.iter().copied());
            }
            write_images(w, &self.spoken.images);
            self.write_calls(w);
            let (name, id) = self.result.unwrap_or_default();
            name.into_iter().for_each(|name| w.key("tool_name").text(name));
            id.into_iter().for_each(|id| w.key("tool_call_id").text(id));
        });
    }

    fn write_calls(&self, w: &mut Writer) {
        if self.calls.is_empty() {
            return;
        }
        w.key("tool_calls").array(|w| {
            for (id, name, arguments) in &self.calls {
                w.object(|w| {
                    id.iter().for_each(|id| w.key("id").text(id));
                    w.key("function").object(|w| {
                        w.key("name").text(name);
                        match arguments.value().kind() {
                            Kind::Null => w.key("arguments").raw("{}"),
                            _ => w.key("arguments").json(arguments),
                        }
                    });
                });
            }
        });
    }
}

fn write_images(w: &mut Writer, images: &[Text]) {
    if !images.is_empty() {
        w.key("images").array(|w| images.iter().for_each(|image| w.text(image)));
    }
}

impl Spoken {
    /// What messages of certain roles say, one line after the other.
    fn of(messages: &[Message], wanted: impl Fn(&Role) -> bool) -> Result<Spoken, Failure> {
        let mut spoken = Spoken::default();
        let parts = messages.iter().filter(|message| wanted(&message.role)).flat_map(|message| &message.parts);
        parts.into_iter().try_for_each(|part| spoken.push(part, "\n"))?;
        Ok(spoken)
    }

    fn push(&mut self, part: &Part, between: &str) -> Result<(), Failure> {
        match part {
            Part::Text { text, .. } | Part::Refusal(text) if !text.is_empty() => {
                // A text may bring its gap along.
                let has_gap = text.as_str().starts_with("\n\n");
                if !self.texts.is_empty() && !between.is_empty() && !has_gap {
                    self.texts.push(Text::from(between));
                }
                self.texts.push(text.clone());
            }
            Part::Media(media) => self.images.push(image_data(media)?),
            Part::ToolResult { content, .. } => content.iter().try_for_each(|part| self.push(part, between))?,
            Part::Text { .. }
            | Part::Refusal(_)
            | Part::Thinking { .. }
            | Part::Redacted(_)
            | Part::CacheMark(_)
            | Part::ToolCall { .. } => {}
        }
        Ok(())
    }
}

fn image_data(media: &Media) -> Result<Text, Failure> {
    let refuse = |message: &str| Err(Failure::bad_request(message));
    // Sound goes where pictures do: models that hear find it there.
    if !media.mime.is_empty() && !media.mime.starts_with("image/") && !media.mime.starts_with("audio/") {
        return refuse(&format!("{} input can't be sent to Ollama, which takes images and sound alone", media.mime));
    }
    match &media.source {
        Source::Base64(data) => Ok(data.clone()),
        Source::Url(url) => match data_url_payload(&url.as_str()) {
            Some(data) => Ok(Text::from(data)),
            None => refuse(NO_IMAGE_URLS),
        },
        Source::FileId(_) => refuse(NO_IMAGE_URLS),
    }
}

/// Ollama's own words on its `/v1` face.
const NO_IMAGE_URLS: &str = "image URLs are not currently supported, please use base64 encoded data instead";

fn data_url_payload(url: &str) -> Option<&str> {
    url.strip_prefix("data:")?.split_once(";base64,").map(|(_, data)| data)
}

#[cfg(test)]
#[path = "upstream_tests.rs"]
mod tests;
