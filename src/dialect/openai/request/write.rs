//! The neutral request → a provider's body, in the order of OpenAI's own examples.

use super::write_messages::{Messages, schema};
use crate::chat::{Effort, Extra, Failure, Format, Part, Reasoning, Request, Role, Settings, Tool, ToolChoice};
use crate::dialect::dropped::Dropped;
use crate::dialect::quirks::ReasoningStyle;
use crate::dialect::{Quirks, Written, call_ids};
use crate::json::{Json, Style, Text, Writer};

/// OpenAI takes no more.
const STOPS_MAX: usize = 4;

/// Writes a body for `/chat/completions`.
pub fn write_chat(request: &Request, quirks: &Quirks) -> Result<Written, Failure> {
    let mut dropped = Dropped::default();
    if let Some(prompt) = &request.prompt {
        if prompt.suffix.is_some() {
            return Err(Failure::cannot_insert(&request.model));
        }
        dropped.note(prompt.raw, "raw");
    }
    let ids = call_ids::assign(&request.messages, quirks.tool_ids)?;
    let instruction = said_format(request, quirks);
    let mut result = Ok(());
    let mut writer = Writer::new(Style::Plain);
    writer.object(|w| {
        w.key("model").str(&request.model);
        w.key("messages").array(|w| {
            result = Messages::new(quirks, ids).write(w, &request.messages, instruction.as_deref());
        });
        write_tools(w, request, quirks);
        write_format(w, request, quirks);
        write_stream(w, request, quirks);
        write_settings(w, &request.settings, quirks, &mut dropped);
        write_chat_logprobs(w, &request.settings, &mut dropped);
        write_reasoning(w, request, quirks, &mut dropped);
        write_extras(w, &request.extras);
    });
    result?;
    let of_messages = request.messages.iter().flat_map(|message| &message.extras);
    dropped.leave(request.extras.iter().chain(of_messages).filter(is_foreign))?;
    Ok(Written { body: writer.into_bytes(), dropped: dropped.into_names() })
}

/// Writes a body for `/completions`. `echo` is left out: the answer's writer repeats the prompt.
pub fn write_completions(request: &Request, quirks: &Quirks) -> Result<Written, Failure> {
    let mut dropped = Dropped::default();
    let prompt = request.prompt.as_ref();
    let texts = prompt_texts(request)?;
    dropped.note(!request.tools.is_empty(), "tools");
    dropped.note(request.format.is_some(), "response_format");
    dropped.note(request.reasoning.is_some(), "reasoning_effort");
    let mut writer = Writer::new(Style::Plain);
    writer.object(|w| {
        w.key("model").str(&request.model);
        w.key("prompt").texts(&texts);
        if let Some(suffix) = prompt.and_then(|prompt| prompt.suffix.as_ref()) {
            w.key("suffix").text(suffix);
        }
        write_stream(w, request, quirks);
        write_settings(w, &request.settings, quirks, &mut dropped);
        if request.settings.logprobs == Some(true) {
            w.key("logprobs").int(request.settings.top_logprobs.unwrap_or(0));
        }
        write_extras(w, &request.extras);
    });
    dropped.leave(request.extras.iter().filter(is_foreign))?;
    Ok(Written { body: writer.into_bytes(), dropped: dropped.into_names() })
}

fn is_foreign(extra: &&Extra) -> bool {
    extra.dialect != "openai"
}

/// The prompt; instructions of an Ollama client stand before it.
fn prompt_texts(request: &Request) -> Result<Vec<Text>, Failure> {
    let mut texts = Vec::new();
    let is_raw = request.prompt.as_ref().is_some_and(|prompt| prompt.raw);
    for message in request.messages.iter().filter(|message| !(is_raw && message.role == Role::System)) {
        for part in &message.parts {
            match part {
                Part::Text { text, .. } => {
                    if !texts.is_empty() {
                        texts.push(Text::from("\n\n"));
                    }
                    texts.push(text.clone());
                }
                Part::CacheMark(_) => {}
                _ => {
                    let message = "only text can be completed: this provider takes no pictures or tool results here";
                    return Err(Failure::bad_request(message).with_param("prompt"));
                }
            }
        }
    }
    Ok(texts)
}

fn write_tools(w: &mut Writer, request: &Request, quirks: &Quirks) {
    let others = request.extras.iter().filter(|extra| extra.dialect == "openai" && extra.name == "tools");
    let others: Vec<&Extra> = others.collect();
    if !request.tools.is_empty() || !others.is_empty() {
        w.key("tools").array(|w| {
            request.tools.iter().for_each(|tool| write_tool(w, tool, quirks));
            others.iter().flat_map(|extra| extra.value.value().items()).for_each(|tool| w.raw(tool.as_str()));
        });
    }
    match &request.tool_choice {
        // A choice without tools is refused.
        Some(_) if request.tools.is_empty() && others.is_empty() => {}
        Some(ToolChoice::Auto) => w.key("tool_choice").str("auto"),
        Some(ToolChoice::None) => w.key("tool_choice").str("none"),
        Some(ToolChoice::Required) => w.key("tool_choice").str("required"),
        Some(ToolChoice::Function(name)) => w.key("tool_choice").object(|w| {
            w.key("type").str("function");
            w.key("function").object(|w| w.key("name").text(name));
        }),
        None => {}
    }
    if let Some(parallel) = request.parallel_tool_calls.filter(|_| !request.tools.is_empty()) {
        w.key("parallel_tool_calls").bool(parallel);
    }
}

fn write_tool(w: &mut Writer, tool: &Tool, quirks: &Quirks) {
    w.object(|w| {
        w.key("type").str("function");
        w.key("function").object(|w| {
            w.key("name").text(&tool.name);
            if let Some(description) = &tool.description {
                w.key("description").text(description);
            }
            if let Some(parameters) = &tool.parameters {
                schema(w.key("parameters"), parameters, &quirks.schema_drop);
            }
            if let Some(strict) = tool.strict {
                w.key("strict").bool(strict);
            }
        });
    });
}

/// What to say about the form of the answer: the schema, where the provider has none for answers; that it is JSON, where it has
/// no such mode, or nobody has said so. JSON mode without that word in the messages is a 400 at OpenAI and several others.
fn said_format(request: &Request, quirks: &Quirks) -> Option<String> {
    match request.format.as_ref()? {
        Format::Schema { schema, .. } if !(quirks.json_schema && quirks.json_mode) => {
            Some(format!("Answer with JSON only. It must fit this JSON Schema:\n{}", schema.as_str()))
        }
        Format::Json if !quirks.json_mode || !says_json(request) => Some("Answer with a JSON object only.".to_owned()),
        Format::Schema { .. } | Format::Json => None,
    }
}

fn says_json(request: &Request) -> bool {
    let has_word = |part: &Part| match part {
        Part::Text { text, .. } => text.as_str().to_ascii_lowercase().contains("json"),
        _ => false,
    };
    request.messages.iter().flat_map(|message| &message.parts).any(has_word)
}

fn write_format(w: &mut Writer, request: &Request, quirks: &Quirks) {
    let Some(format) = request.format.as_ref().filter(|_| quirks.json_mode) else {
        return;
    };
    w.key("response_format").object(|w| match format {
        Format::Schema { name, description, schema: json, strict } if quirks.json_schema => {
            w.key("type").str("json_schema");
            w.key("json_schema").object(|w| {
                w.key("name").text(name.as_ref().unwrap_or(&"response".into()));
                if let Some(description) = description {
                    w.key("description").text(description);
                }
                schema(w.key("schema"), json, &quirks.schema_drop);
                if let Some(strict) = strict {
                    w.key("strict").bool(*strict);
                }
            });
        }
        Format::Schema { .. } | Format::Json => w.key("type").str("json_object"),
    });
}

fn write_stream(w: &mut Writer, request: &Request, quirks: &Quirks) {
    if !request.stream && !streams_for_thinking(request, quirks) {
        return;
    }
    w.key("stream").bool(true);
    if quirks.stream_usage {
        w.key("stream_options").object(|w| w.key("include_usage").bool(true));
    }
}

/// Is the answer streamed to us alone, since it can't be had whole with its thoughts?
fn streams_for_thinking(request: &Request, quirks: &Quirks) -> bool {
    let is_wanted =
        request.reasoning.as_ref().is_some_and(|wish| !matches!(wish, Reasoning::Off | Reasoning::Budget(0)));
    quirks.whole_needs_thinking_off && is_wanted && request.format.is_none()
}

fn write_settings(w: &mut Writer, settings: &Settings, quirks: &Quirks, dropped: &mut Dropped) {
    let number = |w: &mut Writer, key: &str, value: Option<&Json>| {
        if let Some(value) = value {
            w.key(key).json(value);
        }
    };
    if let Some(limit) = settings.max_tokens {
        w.key("max_tokens").int(limit);
    }
    number(w, "temperature", settings.temperature.as_ref());
    number(w, "top_p", settings.top_p.as_ref());
    if let Some(choices) = settings.choices.filter(|choices| *choices != 1) {
        w.key("n").int(choices);
    }
    write_stop(w, &settings.stop, dropped);
    number(w, "presence_penalty", unless(0.0, &settings.presence_penalty));
    number(w, "frequency_penalty", unless(0.0, &settings.frequency_penalty));
    number(w, "seed", settings.seed.as_ref());
    let beyond = [
        ("top_k", settings.top_k.as_ref()),
        ("min_p", unless(0.0, &settings.min_p)),
        ("repetition_penalty", unless(1.0, &settings.repeat_penalty)),
    ];
    for (key, value) in beyond {
        match quirks.sampling_extras.iter().any(|known| known == key) {
            true => number(w, key, value),
            false => dropped.note(value.is_some(), key),
        }
    }
}

/// A setting, unless it stands where it does nothing: several models refuse one all the same.
fn unless(rest: f64, value: &Option<Json>) -> Option<&Json> {
    value.as_ref().filter(|json| json.value().float() != Some(rest))
}

fn write_stop(w: &mut Writer, stop: &[Text], dropped: &mut Dropped) {
    let stops: Vec<&Text> = stop.iter().filter(|text| !text.is_empty()).collect();
    if !stops.is_empty() {
        w.key("stop").array(|w| stops.iter().take(STOPS_MAX).for_each(|text| w.text(text)));
    }
    dropped.note(stops.len() > STOPS_MAX, "stop");
}

/// `false` is what a provider does anyway; alternatives without probabilities are refused.
fn write_chat_logprobs(w: &mut Writer, settings: &Settings, dropped: &mut Dropped) {
    let is_wanted = settings.logprobs == Some(true);
    if is_wanted {
        w.key("logprobs").bool(true);
    }
    match settings.top_logprobs {
        Some(top) if is_wanted => w.key("top_logprobs").int(top),
        Some(top) => dropped.note(top > 0, "top_logprobs"),
        None => {}
    }
}

fn write_reasoning(w: &mut Writer, request: &Request, quirks: &Quirks, dropped: &mut Dropped) {
    let must_be_off = quirks.whole_needs_thinking_off && !request.stream && !streams_for_thinking(request, quirks);
    let wish = if must_be_off { Some(&Reasoning::Off) } else { request.reasoning.as_ref() };
    dropped.note(
        must_be_off && request.reasoning.as_ref().is_some_and(|wish| *wish != Reasoning::Off),
        "reasoning_effort",
    );
    let Some(wish) = wish else {
        return;
    };
    let is_on = !matches!(wish, Reasoning::Off | Reasoning::Budget(0));
    match quirks.reasoning {
        ReasoningStyle::Effort => match effort_name(wish, &quirks.efforts) {
            Some(name) => w.key("reasoning_effort").str(&name),
            None => dropped.note(true, "reasoning_effort"),
        },
        ReasoningStyle::Object => w.key("reasoning").object(|w| match wish {
            Reasoning::Off | Reasoning::On | Reasoning::Budget(..=0) => w.key("enabled").bool(is_on),
            Reasoning::Budget(tokens) => w.key("max_tokens").int(*tokens),
            Reasoning::Effort(effort) => match nearest(*effort, &quirks.efforts) {
                Some(name) => w.key("effort").str(&name),
                None => w.key("enabled").bool(true),
            },
        }),
        ReasoningStyle::EnableThinking => {
            w.key("enable_thinking").bool(is_on);
            if let Some(tokens) = budget(wish) {
                w.key("thinking_budget").int(tokens);
            }
        }
        ReasoningStyle::ThinkingType => {
            let word = if is_on { "enabled" } else { "disabled" };
            w.key("thinking").object(|w| w.key("type").str(word));
            let is_deep = matches!(wish, Reasoning::Effort(_) | Reasoning::Budget(1..));
            match effort_name(wish, &quirks.efforts).filter(|_| is_deep && !quirks.efforts.is_empty()) {
                Some(name) => w.key("reasoning_effort").str(&name),
                None => dropped.note(is_deep, "reasoning_effort"),
            }
        }
        ReasoningStyle::ChatTemplate => {
            w.key("chat_template_kwargs").object(|w| w.key("enable_thinking").bool(is_on));
            let is_deep = matches!(wish, Reasoning::Effort(_) | Reasoning::Budget(1..));
            let name = effort_name(wish, &quirks.efforts).filter(|_| is_deep);
            name.into_iter().for_each(|name| w.key("reasoning_effort").str(&name));
        }
        ReasoningStyle::Unsupported => dropped.note(true, "reasoning_effort"),
    }
}

/// The word for a wish; none where the provider has no word for it, which off may meet.
fn effort_name(wish: &Reasoning, known: &[String]) -> Option<String> {
    let effort = match wish {
        Reasoning::Off => {
            return known.iter().any(|name| name == "none").then(|| "none".to_owned());
        }
        Reasoning::On | Reasoning::Budget(..0) => Effort::Medium,
        Reasoning::Effort(effort) => *effort,
        // Who says no word says none that a provider may not know.
        Reasoning::Budget(tokens) if known.is_empty() => Effort::of_budget(*tokens).min(Effort::High),
        Reasoning::Budget(tokens) => Effort::of_budget(*tokens),
    };
    nearest(effort, known)
}

/// In tokens; none where the model shall take what it needs.
fn budget(wish: &Reasoning) -> Option<i64> {
    match wish {
        Reasoning::Budget(tokens) => Some(*tokens).filter(|tokens| *tokens > 0),
        Reasoning::Effort(effort) => effort.tokens(),
        Reasoning::On | Reasoning::Off => None,
    }
}

/// The effort itself where it is known, else the nearest below, else the least above.
fn nearest(effort: Effort, known: &[String]) -> Option<String> {
    if known.is_empty() {
        return Some(effort.name().to_owned());
    }
    let mut ranks: Vec<Effort> = known.iter().filter_map(|name| Effort::from_name(name)).collect();
    ranks.sort_unstable();
    let below = ranks.iter().rev().find(|rank| **rank <= effort);
    below.or(ranks.first()).map(|rank| rank.name().to_owned())
}

/// What only this dialect has goes back.
fn write_extras(w: &mut Writer, extras: &[Extra]) {
    for extra in extras {
        match extra.dialect {
            "openai" if extra.name == "tools" => {}
            "openai" => w.key(&extra.name).json(&extra.value),
            _ => {}
        }
    }
}
