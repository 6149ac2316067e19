//! Whole answers, read and written.

use jiff::Timestamp;

use super::line::{Call, End, Line, Metrics, Seen, media_markdown, reason_name, shown_id};
use super::request::Load;
use super::stream::Decoder;
use crate::chat::{Answer, Block, BlockKind, Choice, Event, Finish};
use crate::dialect::{Decoder as _, Reply, Wire, call_arguments};
use crate::json::{Json, Text};

/// Reads a whole answer of chat or generate: it has the form of a stream's lines.
///
/// An `error` is a failure, and so is an answer that was never finished: Ollama gives one with status 200 and
/// `"done":false` when its runner stops in the middle.
pub fn read(body: &Json, events: &mut Vec<Event>) {
    let mut decoder = Decoder::default();
    decoder.value(body.value(), events);
    decoder.end(events);
}

/// A whole answer of `/api/chat`. Ollama knows one alternative, the first.
pub fn write_chat(answer: &Answer, reply: &Reply, now: Timestamp) -> Vec<u8> {
    write(Wire::OllamaChat, answer, reply, now)
}

/// A whole answer of `/api/generate`, without `context`: only the server that ran the model could make one.
pub fn write_generate(answer: &Answer, reply: &Reply, now: Timestamp) -> Vec<u8> {
    write(Wire::OllamaGenerate, answer, reply, now)
}

/// What Ollama answers when it was asked to load or unload a model: one object, streamed or not.
pub fn write_load(wire: Wire, model: &str, load: Load, now: Timestamp) -> Vec<u8> {
    let reason = match load {
        Load::Load => reason_name(&Finish::Load),
        Load::Unload => reason_name(&Finish::Unload),
    };
    let end = Some(End { reason, metrics: Metrics::default() });
    Line { wire, model, now, content: &[], thinking: &[], calls: &[], logprobs: &[], end }.write(Vec::new())
}

fn write(wire: Wire, answer: &Answer, reply: &Reply, now: Timestamp) -> Vec<u8> {
    let none = Choice::default();
    let choice = answer.choices.first().unwrap_or(&none);
    let media: Vec<Text> = choice.blocks.iter().filter_map(media_text).collect();
    let mut media = media.iter();
    let (mut content, mut thinking) = (Vec::new(), Vec::new());
    for block in &choice.blocks {
        match &block.kind {
            BlockKind::Text | BlockKind::Refusal => content.extend(&block.texts),
            BlockKind::Thinking => thinking.extend(&block.texts),
            BlockKind::Media { .. } => content.extend(media.next()),
            BlockKind::ToolCall { .. } | BlockKind::Redacted { .. } => {}
        }
    }
    let blocks = choice.blocks.iter().filter_map(call_of);
    let calls: Vec<Call> = (0u32..).zip(blocks).map(|(index, call)| Call { index, ..call }).collect();
    let end = choice
        .finish
        .as_ref()
        .map(|finish| End { reason: reason_name(finish), metrics: metrics(answer, finish, reply, now) });
    let (content, thinking) = (content.as_slice(), thinking.as_slice());
    Line { wire, model: &reply.model, now, content, thinking, calls: &calls, logprobs: &choice.logprobs, end }
        .write(Vec::new())
}

fn metrics(answer: &Answer, finish: &Finish, reply: &Reply, now: Timestamp) -> Metrics {
    if matches!(finish, Finish::Load | Finish::Unload) {
        return Metrics::default();
    }
    let blocks = answer.choices.iter().flat_map(|choice| &choice.blocks);
    let bytes = blocks.flat_map(|block| &block.texts).map(Text::len).sum();
    Metrics::of(&answer.usage, Seen { reply, first: None, now, bytes })
}

fn media_text(block: &Block) -> Option<Text> {
    match &block.kind {
        BlockKind::Media { mime } => Some(media_markdown(mime, &block.joined())),
        _ => None,
    }
}

fn call_of(block: &Block) -> Option<Call> {
    let BlockKind::ToolCall { id, name, .. } = &block.kind else { return None };
    Some(Call {
        id: shown_id(id.as_ref(), block.signature.as_ref()),
        index: 0,
        name: name.clone(),
        arguments: call_arguments::object(block.joined()),
    })
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
