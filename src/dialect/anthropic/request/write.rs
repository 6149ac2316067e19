//! The neutral request → a provider's body.

use super::schema;
use super::thinking::Depth;
use super::tools;
use super::turns::{Conversation, Instruction, write_mark};
use crate::chat::{Extra, Failure, Format, Request, Settings};
use crate::dialect::anthropic::NAME;
use crate::dialect::anthropic::family::Family;
use crate::dialect::dropped::Dropped;
use crate::dialect::{Quirks, Written};
use crate::json::{Json, Style, Text, Writer};

/// More marks of a cache are refused.
const MARKS_MAX: usize = 4;

/// Writes a body for `/messages`.
///
/// Fails where content has no form here: sound, a file of another provider, a tool result without a call, a gap to fill.
pub fn write(request: &Request, _quirks: &Quirks) -> Result<Written, Failure> {
    let family = Family::of(&request.model);
    let mut dropped = Dropped::default();
    check_prompt(request, &mut dropped)?;
    check_choices(&request.settings)?;
    let mut conversation = Conversation::of(&request.messages)?;
    let marks_left = MARKS_MAX - conversation.keep_marks(MARKS_MAX);
    let depth = Depth::of(request, family, conversation.lacks_thought());
    dropped.note(depth.is_dropped, "thinking");
    let own = own_members(&request.extras, &mut dropped)?;
    let mut writer = Writer::new(Style::Plain);
    writer.object(|w| {
        w.key("model").str(&request.model);
        w.key("max_tokens").int(depth.limit);
        write_system(w, &conversation.system, said_format(request.format.as_ref(), family));
        w.key("messages").array(|w| conversation.write(w));
        tools::write(w, request, family, marks_left);
        if request.stream {
            w.key("stream").bool(true);
        }
        write_sampling(w, &request.settings, depth, family, &mut dropped);
        depth.write(w);
        write_output(w, request.format.as_ref(), depth, family);
        own.iter().for_each(|(name, value)| w.key(name).json(value));
    });
    note_settings(&request.settings, &mut dropped);
    dropped.note(request.messages.iter().any(|message| message.name.is_some()), "name");
    dropped.leave(request.messages.iter().flat_map(|message| &message.extras))?;
    Ok(Written { body: writer.into_bytes(), dropped: dropped.into_names() })
}

fn check_prompt(request: &Request, dropped: &mut Dropped) -> Result<(), Failure> {
    let Some(prompt) = &request.prompt else { return Ok(()) };
    if prompt.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
        return Err(Failure::cannot_insert(&request.model));
    }
    dropped.note(prompt.raw, "raw");
    Ok(())
}

/// This dialect has one answer to a request; fewer than were asked for would be a loss that nobody sees.
fn check_choices(settings: &Settings) -> Result<(), Failure> {
    if settings.choices.is_none_or(|count| count <= 1) {
        return Ok(());
    }
    let message = "n must be 1: this model gives one answer to a request; send the request again for another";
    Err(Failure::bad_request(message).with_param("n"))
}

fn write_system(w: &mut Writer, said: &[Instruction<'_>], instruction: Option<String>) {
    let instruction = instruction.map(|text| Instruction { text: text.into(), mark: None });
    let all: Vec<&Instruction<'_>> = said.iter().chain(&instruction).collect();
    match all.as_slice() {
        [] => {}
        [Instruction { text, mark: None }] => w.key("system").text(text),
        many => w.key("system").array(|w| {
            for Instruction { text, mark } in many {
                w.object(|w| {
                    w.key("type").str("text");
                    w.key("text").text(text);
                    write_mark(w, *mark);
                });
            }
        }),
    }
}

/// What to say to a model that can't be held to a form.
fn said_format(format: Option<&Format>, family: Family) -> Option<String> {
    match format? {
        Format::Schema { .. } if family.has_schemas() => None,
        Format::Schema { schema, .. } => {
            Some(format!("Answer with JSON only. It must fit this JSON Schema:\n{}", schema.as_str()))
        }
        Format::Json => Some("Answer with one JSON object and nothing else.".to_owned()),
    }
}

fn write_output(w: &mut Writer, format: Option<&Format>, depth: Depth, family: Family) {
    let schema = match format {
        Some(Format::Schema { schema, .. }) if family.has_schemas() => Some(schema::of_answer(schema)),
        _ => None,
    };
    if schema.is_none() && depth.effort().is_none() {
        return;
    }
    w.key("output_config").object(|w| {
        depth.effort().iter().for_each(|effort| w.key("effort").str(effort));
        if let Some(schema) = schema {
            w.key("format").object(|w| {
                w.key("type").str("json_schema");
                w.key("schema").json(&schema);
            });
        }
    });
}

/// The least `top_p` that goes with thinking.
const TOP_P_THINKING: f64 = 0.95;

fn write_sampling(w: &mut Writer, settings: &Settings, depth: Depth, family: Family, dropped: &mut Dropped) {
    let number = |value: &Option<Json>| value.as_ref().and_then(|json| json.value().float());
    let refuses = family.samples_by_itself();
    let temperature = number(&settings.temperature);
    let takes_temperature = !refuses && (!depth.is_on() || temperature.is_some_and(|it| it >= 1.0));
    if let Some(json) = settings.temperature.as_ref().filter(|_| takes_temperature) {
        // From 0 to 1 here, to 2 elsewhere.
        match temperature {
            Some(high) if high > 1.0 => w.key("temperature").int(1),
            _ => w.key("temperature").json(json),
        }
    }
    dropped.note(temperature.is_some() && !takes_temperature, "temperature");
    let is_second = takes_temperature && temperature.is_some() && family.samples_one_way();
    let is_low = depth.is_on() && number(&settings.top_p).is_some_and(|it| it < TOP_P_THINKING);
    let top_p = (&settings.top_p, "top_p", !refuses && !is_second && !is_low);
    let top_k = (&settings.top_k, "top_k", !refuses && !depth.is_on());
    for (value, name, is_taken) in [top_p, top_k] {
        value.iter().filter(|_| is_taken).for_each(|value| w.key(name).json(value));
        dropped.note(value.is_some() && !is_taken, name);
    }
    write_stops(w, &settings.stop, dropped);
}

/// A blank one is refused.
fn write_stops(w: &mut Writer, stop: &[Text], dropped: &mut Dropped) {
    let taken: Vec<&Text> = stop.iter().filter(|text| !text.as_str().trim().is_empty()).collect();
    dropped.note(taken.len() < stop.iter().filter(|text| !text.is_empty()).count(), "stop");
    if !taken.is_empty() {
        w.key("stop_sequences").array(|w| taken.iter().for_each(|text| w.text(text)));
    }
}

fn note_settings(settings: &Settings, dropped: &mut Dropped) {
    let is_other_than = |value: &Option<Json>, nothing: f64| {
        value.as_ref().is_some_and(|json| json.value().float().is_none_or(|number| number != nothing))
    };
    let rows = [
        ("min_p", is_other_than(&settings.min_p, 0.0)),
        ("seed", settings.seed.is_some()),
        ("presence_penalty", is_other_than(&settings.presence_penalty, 0.0)),
        ("frequency_penalty", is_other_than(&settings.frequency_penalty, 0.0)),
        ("repeat_penalty", is_other_than(&settings.repeat_penalty, 1.0)),
        ("logprobs", settings.logprobs == Some(true)),
    ];
    rows.into_iter().for_each(|(name, is_there)| dropped.note(is_there, name));
}

/// The members at the top level that only this dialect has; a user's name by OpenAI's member is metadata here. Its extras with a
/// dot in their names are wishes inside other members, which are written anew.
fn own_members<'a>(extras: &'a [Extra], dropped: &mut Dropped) -> Result<Vec<(&'a str, Json)>, Failure> {
    let is_own = |extra: &Extra| extra.dialect == NAME && !extra.name.contains('.');
    let mut has_metadata = extras.iter().any(|extra| is_own(extra) && extra.name == "metadata");
    let mut own = Vec::new();
    for extra in extras {
        match extra.name.as_str() {
            "tools" if is_own(extra) => {}
            name if is_own(extra) => own.push((name, extra.value.clone())),
            "user" if !has_metadata && extra.value.value().string().is_some() => {
                has_metadata = true;
                own.push(("metadata", user_metadata(&extra.value)));
            }
            _ => dropped.leave([extra])?,
        }
    }
    Ok(own)
}

fn user_metadata(user: &Json) -> Json {
    let mut writer = Writer::new(Style::Plain);
    writer.object(|w| w.key("user_id").json(user));
    Json::known(writer.into_bytes())
}
