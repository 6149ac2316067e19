//! Streams, read.
//!
//! Every record is a whole `GenerateContentResponse` with the parts that are new, and all counts so far. There is no last record:
//! the stream just ends, and only a `finishReason` tells that it ended well. Some servers put one into every record, so it
//! counts when the stream is over.

use super::error;
use super::logprobs;
use super::parts::Blocks;
use crate::chat::{Class, Event, Failure, Finish, Usage};
use crate::dialect::Record;
use crate::json::{Json, Kind, Value};

/// No model makes more alternatives; one beyond it is passed over.
const CHOICES_MAX: u32 = 16;

/// Reads a stream's records into events.
#[derive(Debug, Default)]
pub struct Decoder {
    has_started: bool,
    has_failed: bool,
    choices: Vec<Choice>,
    usage: Option<Usage>,
    /// Why the prompt was blocked.
    blocked: Option<String>,
}

#[derive(Debug)]
struct Choice {
    blocks: Blocks,
    finish: Option<Ending>,
}

/// What a `finishReason` means.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ending {
    Good(Finish),
    /// The model wanted a call and got it wrong.
    Malformed(String),
}

impl crate::dialect::Decoder for Decoder {
    fn record(&mut self, record: &Record, events: &mut Vec<Event>) {
        if record.data.trim_ascii().is_empty() || record.data.as_ref() == b"[DONE]" {
            return;
        }
        match Json::parse(record.data.clone()) {
            Ok(json) if json.value().kind() == Kind::Array => {
                json.value().items().for_each(|item| self.response(item, events));
            }
            Ok(json) => self.response(json.value(), events),
            Err(wrong) => {
                let message = format!("the provider sent a record that is not JSON: {wrong}");
                self.fail(Failure::new(Class::BadAnswer, message), events);
            }
        }
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        let is_complete = !self.choices.is_empty() && self.choices.iter().all(|choice| choice.finish.is_some());
        if !is_complete && self.blocked.is_none() {
            let message = "the provider's answer ended before it was finished";
            self.fail(Failure::new(Class::CutAnswer, message), events);
        }
        self.finish(events);
    }
}

impl Decoder {
    /// Takes one `GenerateContentResponse` in.
    pub(super) fn response(&mut self, response: Value<'_>, events: &mut Vec<Event>) {
        if self.has_failed {
            return;
        }
        if response.get("error").is_some() {
            return self.fail(error::in_answer(response.to_json().bytes()), events);
        }
        self.start(response, events);
        for candidate in response.get("candidates").into_iter().flat_map(Value::items) {
            self.candidate(candidate, events);
        }
        self.count(response, events);
        if let Some(feedback) = response.get("promptFeedback") {
            self.feedback(feedback, events);
        }
    }

    /// The end of an answer that came in one piece: it can't have been cut, so a missing reason is none.
    pub(super) fn end_whole(&mut self, events: &mut Vec<Event>) {
        if self.choices.is_empty() && self.blocked.is_none() {
            self.fail(Failure::new(Class::BadAnswer, "the provider's answer holds no candidates"), events);
        }
        self.finish(events);
    }

    fn start(&mut self, response: Value<'_>, events: &mut Vec<Event>) {
        let text = |key| response.get(key).and_then(Value::text).filter(|text| !text.is_empty());
        if !self.has_started {
            self.has_started = true;
            events.push(Event::Start { id: text("responseId"), model: text("modelVersion") });
        }
    }

    fn candidate(&mut self, candidate: Value<'_>, events: &mut Vec<Event>) {
        let index = candidate.get("index").and_then(Value::int).and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let Some(choice) = self.choice(index) else { return };
        let reason = candidate.get("finishReason").and_then(Value::string);
        let ending = reason.map(|reason| ending(&reason, candidate));
        let is_malformed = matches!(ending, Some(Ending::Malformed(_)));
        for part in candidate.path(&["content", "parts"]).into_iter().flat_map(Value::items) {
            // A call that comes with such an end is not one to run.
            if !(is_malformed && part.get("functionCall").is_some()) {
                choice.blocks.part(part, events);
            }
        }
        choice.finish = ending.or(choice.finish.take());
        if let Some(content) = candidate.get("logprobsResult").and_then(logprobs::read) {
            events.push(Event::Logprobs { choice: index, content });
        }
    }

    fn choice(&mut self, index: u32) -> Option<&mut Choice> {
        if index >= CHOICES_MAX {
            return None;
        }
        while self.choices.len() <= index as usize {
            let number = self.choices.len() as u32;
            self.choices.push(Choice { blocks: Blocks::new(number), finish: None });
        }
        self.choices.get_mut(index as usize)
    }

    /// Counts come with every record; only new ones are told.
    fn count(&mut self, response: Value<'_>, events: &mut Vec<Event>) {
        let Some(usage) = response.get("usageMetadata").map(usage) else { return };
        if self.usage != Some(usage) {
            self.usage = Some(usage);
            events.push(Event::Usage(usage));
        }
    }

    /// A prompt that is blocked before anything was said is a failure that names the reason; afterwards it only ends the answer.
    fn feedback(&mut self, feedback: Value<'_>, events: &mut Vec<Event>) {
        let Some(reason) = feedback.get("blockReason").and_then(Value::string) else { return };
        let message = feedback.get("blockReasonMessage").and_then(Value::string);
        let said = message.map_or_else(String::new, |message| format!(" ({message})"));
        self.blocked = Some(reason.clone().into_owned());
        if self.choices.is_empty() {
            let message = format!("the provider blocked the prompt: {reason}{said}");
            self.fail(Failure::new(Class::Blocked, message).with_code("content_filter"), events);
        }
    }

    /// Closes what is open and tells why each choice ended.
    fn finish(&mut self, events: &mut Vec<Event>) {
        if self.has_failed {
            return;
        }
        self.choices.iter_mut().for_each(|choice| choice.blocks.close(None, events));
        if let Some(failure) = self.choices.iter().find_map(Choice::failure) {
            return self.fail(failure, events);
        }
        let is_blocked = self.blocked.is_some();
        for (number, choice) in (0u32..).zip(&self.choices) {
            let reason = if is_blocked { Finish::ContentFilter } else { choice.reason() };
            events.push(Event::Finish { choice: number, reason });
        }
    }

    fn fail(&mut self, failure: Failure, events: &mut Vec<Event>) {
        if !self.has_failed {
            self.has_failed = true;
            events.push(Event::Failure(failure));
        }
    }
}

impl Choice {
    /// There is no reason of its own for calls.
    fn reason(&self) -> Finish {
        match &self.finish {
            Some(Ending::Good(Finish::Stop)) | None if self.blocks.has_call => Finish::ToolCalls,
            Some(Ending::Good(reason)) => reason.clone(),
            Some(Ending::Malformed(_)) | None => Finish::Stop,
        }
    }

    /// A wrong call after which there is nothing to show, or after calls that were handed on and must not be run; a call that
    /// began and did not end, though no limit cut it.
    fn failure(&self) -> Option<Failure> {
        match &self.finish {
            Some(Ending::Good(Finish::Stop)) | None if self.blocks.has_half_a_call() => {
                Some(Failure::new(Class::BadAnswer, "the model's answer can't be used: a call has no end"))
            }
            Some(Ending::Malformed(why)) if self.blocks.has_call || !self.blocks.has_content => {
                Some(Failure::new(Class::BadAnswer, format!("the model's answer can't be used: {why}")))
            }
            _ => None,
        }
    }
}

/// Google's reasons (API description and SDK types, 2026-08); an unknown one is an end like others.
fn ending(reason: &str, candidate: Value<'_>) -> Ending {
    match reason {
        "MAX_TOKENS" => Ending::Good(Finish::Length),
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "LANGUAGE"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Ending::Good(Finish::ContentFilter),
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE"
        | "MALFORMED_RESPONSE" => {
            let message = candidate.get("finishMessage").and_then(Value::string);
            Ending::Malformed(message.map_or_else(|| reason.to_owned(), |message| format!("{reason}: {message}")))
        }
        _ => Ending::Good(Finish::Stop),
    }
}

/// Google counts thoughts and the tokens of its own tools apart. A count of nothing is left out on its wire.
fn usage(metadata: Value<'_>) -> Usage {
    let count = |key| metadata.get(key).and_then(Value::int).and_then(|n| u64::try_from(n).ok());
    let sum = |a: Option<u64>, b: Option<u64>| a.unwrap_or(0).saturating_add(b.unwrap_or(0));
    let prompt = count("promptTokenCount");
    let thoughts = count("thoughtsTokenCount");
    let said = count("candidatesTokenCount");
    let is_told = prompt.is_some() || thoughts.is_some() || said.is_some();
    Usage {
        prompt: prompt.map(|_| sum(prompt, count("toolUsePromptTokenCount"))),
        tool: count("toolUsePromptTokenCount"),
        cached: count("cachedContentTokenCount"),
        cache_written: None,
        completion: is_told.then(|| sum(said, thoughts)),
        reasoning: thoughts,
        timings: None,
    }
}

#[cfg(test)]
mod tests;
