//! Requests, written.

use super::DIALECT;
use super::contents::Conversation;
use super::family::Family;
use super::schema::{self, Form};
use super::thinking;
use super::tools;
use crate::chat::{Extra, Failure, Format, Request, Settings};
use crate::dialect::dropped::Dropped;
use crate::dialect::{Quirks, Written};
use crate::json::{Json, Style, Writer};

/// So many texts may end an answer.
const STOPS_MAX: usize = 5;

/// Writes a request for `generateContent` or `streamGenerateContent`.
///
/// Fails where content has no form here: a file of another provider, a tool with a name that Google refuses, a tool result
/// without a call, a gap to fill. Sampling that the model refuses is left out and named in [`Written::dropped`].
pub fn write(request: &Request, quirks: &Quirks) -> Result<Written, Failure> {
    let family = Family::of(&request.model);
    let mut dropped = Dropped::default();
    check_prompt(request, &mut dropped)?;
    tools::check(&request.tools)?;
    let conversation = Conversation::of(&request.messages, family, &mut dropped)?;
    let config = generation_config(request, quirks, family, &mut dropped);
    let own = own_members(&request.extras, &mut dropped)?;
    if request.parallel_tool_calls == Some(false) && !request.tools.is_empty() {
        dropped.push("parallel_tool_calls");
    }

    let mut w = Writer::new(Style::Plain);
    w.object(|w| {
        conversation.write(w);
        tools::write(w, request, quirks, family);
        own.into_iter().for_each(|(name, value)| w.key(name).json(value));
        if config.value().members().next().is_some() {
            w.key("generationConfig").json(&config);
        }
    });
    Ok(Written { body: w.into_bytes(), dropped: dropped.into_names() })
}

/// A prompt stands in the messages too; what can't be asked here is a gap, and a prompt without a template.
fn check_prompt(request: &Request, dropped: &mut Dropped) -> Result<(), Failure> {
    let Some(prompt) = &request.prompt else { return Ok(()) };
    if prompt.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
        return Err(Failure::cannot_insert(&request.model));
    }
    if prompt.raw {
        dropped.push("raw");
    }
    Ok(())
}

/// The top-level members that only this dialect has: those of its own clients, and safety settings, by the names that other
/// gateways take from OpenAI's. Other dialects' extras have no place here.
fn own_members<'a>(extras: &'a [Extra], dropped: &mut Dropped) -> Result<Vec<(&'a str, &'a Json)>, Failure> {
    let mut own = Vec::new();
    for extra in extras {
        match (extra.dialect, extra.name.as_str()) {
            ("openai", "safety_settings" | "safetySettings") => own.push(("safetySettings", &extra.value)),
            (DIALECT, name) if !name.contains('.') => own.push((name, &extra.value)),
            (DIALECT, _) => {}
            _ => dropped.leave([extra])?,
        }
    }
    Ok(own)
}

/// The members of `parent` that only this dialect has: an extra's name is a path.
pub(super) fn own_inside<'a>(request: &'a Request, parent: &str) -> impl Iterator<Item = (&'a str, &'a Json)> {
    let own = request.extras.iter().filter(|extra| extra.dialect == DIALECT);
    own.filter_map(move |extra| Some((extra.name.strip_prefix(parent)?.strip_prefix('.')?, &extra.value)))
}

fn generation_config(request: &Request, quirks: &Quirks, family: Family, dropped: &mut Dropped) -> Json {
    let mut w = Writer::new(Style::Plain);
    w.object(|w| {
        write_sampling(w, &request.settings, family, dropped);
        write_limits(w, &request.settings, dropped);
        write_logprobs(w, &request.settings);
        write_format(w, request.format.as_ref(), quirks, family);
        own_inside(request, "generationConfig").for_each(|(name, value)| w.key(name).json(value));
        let wanted = request.reasoning.as_ref().map(|reasoning| thinking::config(family, reasoning));
        match wanted {
            Some(Ok(Some(config))) => config.write(w.key("thinkingConfig")),
            Some(Err(thinking::CannotThink)) => dropped.push("reasoning"),
            Some(Ok(None)) | None => {}
        }
    });
    Json::known(w.into_bytes())
}

fn write_sampling(w: &mut Writer, settings: &Settings, family: Family, dropped: &mut Dropped) {
    let s = settings;
    let rows =
        [("temperature", "temperature", &s.temperature), ("top_p", "topP", &s.top_p), ("top_k", "topK", &s.top_k)];
    for (ours, theirs, value) in rows {
        match value {
            Some(_) if family.samples_by_itself() => dropped.push(ours),
            Some(value) => w.key(theirs).json(value),
            None => {}
        }
    }
    let number = |value: &Option<Json>| value.as_ref().and_then(|json| json.value().float());
    for (theirs, value) in [("presencePenalty", &s.presence_penalty), ("frequencyPenalty", &s.frequency_penalty)] {
        // Several models refuse a penalty, even one that does nothing.
        if let Some(json) = value.as_ref().filter(|json| json.value().float() != Some(0.0)) {
            w.key(theirs).json(json);
        }
    }
    if number(&s.repeat_penalty).is_some_and(|penalty| penalty != 1.0) {
        dropped.push("repeat_penalty");
    }
    if number(&s.min_p).is_some_and(|least| least != 0.0) {
        dropped.push("min_p");
    }
}

fn write_limits(w: &mut Writer, settings: &Settings, dropped: &mut Dropped) {
    if let Some(most) = settings.max_tokens {
        w.key("maxOutputTokens").int(most.clamp(0, i64::from(i32::MAX)));
    }
    if let Some(seed) = settings.seed.as_ref().and_then(|json| json.value().int()) {
        w.key("seed").int(small_seed(seed));
    }
    if let Some(choices) = settings.choices.filter(|choices| *choices > 1) {
        w.key("candidateCount").int(choices);
    }
    let stops: Vec<_> = settings.stop.iter().filter(|stop| !stop.is_empty()).collect();
    if stops.len() > STOPS_MAX {
        dropped.push("stop");
    }
    if !stops.is_empty() {
        w.key("stopSequences").array(|w| stops.iter().take(STOPS_MAX).for_each(|stop| w.text(stop)));
    }
}

/// Google's seed has 32 bits. A larger one is folded: the same seed still gives the same answer.
fn small_seed(seed: i64) -> i64 {
    i32::try_from(seed).map_or(seed & i64::from(i32::MAX), i64::from)
}

fn write_logprobs(w: &mut Writer, settings: &Settings) {
    if settings.logprobs != Some(true) {
        return;
    }
    w.key("responseLogprobs").bool(true);
    if let Some(alternatives) = settings.top_logprobs.filter(|n| *n > 0) {
        w.key("logprobs").int(alternatives);
    }
}

fn write_format(w: &mut Writer, format: Option<&Format>, quirks: &Quirks, family: Family) {
    let Some(format) = format else { return };
    w.key("responseMimeType").str("application/json");
    let Format::Schema { schema, .. } = format else { return };
    if family.takes_json_schema() {
        w.key("responseJsonSchema").json(&schema::of_answer(schema, Form::Json, &quirks.schema_drop));
    } else {
        w.key("responseSchema").json(&schema::of_answer(schema, Form::OpenApi, &quirks.schema_drop));
    }
}

#[cfg(test)]
mod tests;
