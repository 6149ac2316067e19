//! Streams: NDJSON lines of chat and generate, read into events and written from them.

use std::time::Duration;

use jiff::Timestamp;

use super::error;
use super::line::{Call, End, Line, Metrics, Seen, media_markdown, reason_name, shown_id};
use super::request::mime_of;
use crate::chat::{BlockKind, Class, Event, Failure, Finish, Timings, Usage};
use crate::dialect::{Encoder, Record, Reply, Wire, call_arguments};
use crate::json::{Json, Kind, Text, Value};

/// Reads lines of chat and generate; the two differ in where content stands.
///
/// Probabilities come before the text that they belong to.
#[derive(Default)]
pub struct Decoder {
    is_started: bool,
    open: Option<Open>,
    blocks: u32,
    has_calls: bool,
    /// The last line was read, or a failure told: what comes now is no part of the answer.
    is_over: bool,
}

/// The block that grows with each line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
}

impl crate::dialect::Decoder for Decoder {
    fn record(&mut self, record: &Record, events: &mut Vec<Event>) {
        if self.is_over {
            return;
        }
        match Json::parse(record.data.clone()) {
            Ok(json) => self.value(json.value(), events),
            Err(error) => {
                let message = format!("the provider sent a line that is no JSON: {error}");
                self.fail(Failure::new(Class::BadAnswer, message), events);
            }
        }
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        if !self.is_over {
            // Ollama drops a run that way when its runner stops, or says one token over and over.
            self.fail(Failure::new(Class::CutAnswer, "the provider ended the answer before it was finished"), events);
        }
    }
}

impl Decoder {
    /// Takes one object in: a line, or a whole answer.
    pub(super) fn value(&mut self, line: Value<'_>, events: &mut Vec<Event>) {
        if line.kind() != Kind::Object {
            let failure = Failure::new(Class::BadAnswer, "the provider sent an answer that is no object");
            return self.fail(failure, events);
        }
        if let Some(error) = line.get("error") {
            let message = error::message(error).unwrap_or_else(|| error.as_str().to_owned());
            return self.fail(Failure::new(Class::ProviderDown, message), events);
        }
        self.start(line, events);
        let message = line.get("message").unwrap_or(line);
        self.thinking(message, events);
        self.content(message.get("content").or_else(|| line.get("response")), line.get("logprobs"), events);
        self.images(message, events);
        let calls = message.get("tool_calls").or_else(|| line.get("tool_calls"));
        self.calls(calls.into_iter().flat_map(Value::items), events);
        if line.get("done").and_then(Value::bool) == Some(true) {
            self.done(line, events);
        }
    }

    fn start(&mut self, line: Value<'_>, events: &mut Vec<Event>) {
        if !self.is_started {
            self.is_started = true;
            events.push(Event::Start { id: None, model: line.get("model").and_then(Value::text) });
        }
    }

    fn thinking(&mut self, message: Value<'_>, events: &mut Vec<Event>) {
        if let Some(text) = filled(message.get("thinking")) {
            self.grow(Open::Thinking, text, events);
        }
    }

    fn content(&mut self, content: Option<Value<'_>>, logprobs: Option<Value<'_>>, events: &mut Vec<Event>) {
        if let Some(logprobs) = logprobs.filter(|list| list.items().next().is_some()) {
            events.push(Event::Logprobs { choice: 0, content: logprobs.to_json() });
        }
        if let Some(text) = filled(content) {
            self.grow(Open::Text, text, events);
        }
    }

    fn images(&mut self, message: Value<'_>, events: &mut Vec<Event>) {
        let images = message.get("images").into_iter().flat_map(Value::items);
        for data in images.filter_map(|image| filled(Some(image))) {
            let mime = mime_of(&data).to_owned();
            self.whole(BlockKind::Media { mime }, data, events);
        }
    }

    /// The calls of one line are open together: they are told together to clients who are told so.
    fn calls<'a>(&mut self, calls: impl Iterator<Item = Value<'a>>, events: &mut Vec<Event>) {
        let mut ends = Vec::new();
        for call in calls {
            let Some(function) = call.get("function") else { continue };
            let name = function.get("name").and_then(Value::text).unwrap_or_else(Text::empty);
            let arguments = Text::from(function.get("arguments").map_or("{}", Value::as_str));
            let kind = BlockKind::ToolCall { id: filled(call.get("id")), name, signature: None };
            ends.push(self.begin(kind, arguments, events));
        }
        self.has_calls |= !ends.is_empty();
        events.append(&mut ends);
    }

    /// More of the text or the thought that is open, or the first of one.
    fn grow(&mut self, kind: Open, text: Text, events: &mut Vec<Event>) {
        if self.open != Some(kind) {
            self.close(events);
            let start = match kind {
                Open::Text => BlockKind::Text,
                Open::Thinking => BlockKind::Thinking,
            };
            events.push(Event::BlockStart { choice: 0, block: self.blocks, kind: start });
            self.open = Some(kind);
        }
        events.push(Event::Delta { choice: 0, block: self.blocks, text });
    }

    /// A block that comes in one piece.
    fn whole(&mut self, kind: BlockKind, text: Text, events: &mut Vec<Event>) {
        let end = self.begin(kind, text, events);
        events.push(end);
    }

    /// A block with all that it holds, and what ends it.
    fn begin(&mut self, kind: BlockKind, text: Text, events: &mut Vec<Event>) -> Event {
        self.close(events);
        let block = self.blocks;
        self.blocks += 1;
        events.push(Event::BlockStart { choice: 0, block, kind });
        events.push(Event::Delta { choice: 0, block, text });
        Event::BlockEnd { choice: 0, block, signature: None }
    }

    fn close(&mut self, events: &mut Vec<Event>) {
        if self.open.take().is_some() {
            events.push(Event::BlockEnd { choice: 0, block: self.blocks, signature: None });
            self.blocks += 1;
        }
    }

    fn done(&mut self, line: Value<'_>, events: &mut Vec<Event>) {
        self.close(events);
        self.is_over = true;
        let reason = match line.get("done_reason").and_then(Value::string).as_deref() {
            Some("length") => Finish::Length,
            Some("load") => Finish::Load,
            Some("unload") => Finish::Unload,
            _ if self.has_calls => Finish::ToolCalls,
            _ => Finish::Stop,
        };
        events.push(Event::Finish { choice: 0, reason });
        events.push(Event::Usage(read_usage(line)));
    }

    fn fail(&mut self, failure: Failure, events: &mut Vec<Event>) {
        self.is_over = true;
        events.push(Event::Failure(failure));
    }
}

/// A string with something in it.
fn filled(value: Option<Value<'_>>) -> Option<Text> {
    value?.text().filter(|text| !text.is_empty())
}

fn read_usage(line: Value<'_>) -> Usage {
    let number = |key: &str| line.get(key).and_then(Value::int).and_then(|n| u64::try_from(n).ok());
    let nanos = |key: &str| Duration::from_nanos(number(key).unwrap_or(0));
    let timings = number("total_duration").map(|total| Timings {
        total: Duration::from_nanos(total),
        load: nanos("load_duration"),
        prompt: nanos("prompt_eval_duration"),
        completion: nanos("eval_duration"),
    });
    let (prompt, completion) = (number("prompt_eval_count"), number("eval_count"));
    Usage { prompt, completion, timings, ..Usage::default() }
}

/// Writes the lines of `/api/chat`.
pub struct ChatEncoder(Lines);

/// Writes the lines of `/api/generate`.
pub struct GenerateEncoder(Lines);

impl ChatEncoder {
    /// For one answer.
    pub fn new(reply: Reply) -> ChatEncoder {
        ChatEncoder(Lines::new(Wire::OllamaChat, reply))
    }
}

impl GenerateEncoder {
    /// For one answer.
    pub fn new(reply: Reply) -> GenerateEncoder {
        GenerateEncoder(Lines::new(Wire::OllamaGenerate, reply))
    }
}

impl Encoder for ChatEncoder {
    fn event(&mut self, event: Event, now: Timestamp, out: &mut Vec<u8>) {
        self.0.event(event, now, out);
    }

    fn end(&mut self, now: Timestamp, out: &mut Vec<u8>) {
        self.0.end(now, out);
    }
}

impl Encoder for GenerateEncoder {
    fn event(&mut self, event: Event, now: Timestamp, out: &mut Vec<u8>) {
        self.0.event(event, now, out);
    }

    fn end(&mut self, now: Timestamp, out: &mut Vec<u8>) {
        self.0.end(now, out);
    }
}

/// Both encoders. Text goes out as it comes; calls and media, which Ollama's clients need whole, when they are complete;
/// the last line once the counts are there.
struct Lines {
    wire: Wire,
    reply: Reply,
    /// The blocks of the first choice, by their number; other choices have no place in this dialect.
    blocks: Vec<Option<Growing>>,
    calls: u32,
    /// Probabilities whose text is still to come.
    logprobs: Vec<Json>,
    /// The text written last went without probabilities: what comes of them next is its own.
    is_bare: bool,
    usage: Option<Usage>,
    finish: Option<Finish>,
    first: Option<Timestamp>,
    bytes: usize,
    /// The last line or an error was written.
    is_over: bool,
}

/// A block that has begun.
struct Growing {
    kind: BlockKind,
    /// What came of a block that goes out whole.
    gathered: String,
}

/// What the events of one line add up to.
#[derive(Default)]
struct Said<'a> {
    content: Option<&'a Text>,
    thinking: Option<&'a Text>,
    calls: &'a [Call],
    end: Option<End>,
}

/// No answer has more blocks; what is beyond is not written, rather than kept without bound.
const BLOCKS_MAX: usize = 65_536;

impl Lines {
    fn new(wire: Wire, reply: Reply) -> Lines {
        Lines {
            wire,
            reply,
            blocks: Vec::new(),
            calls: 0,
            logprobs: Vec::new(),
            is_bare: false,
            usage: None,
            finish: None,
            first: None,
            bytes: 0,
            is_over: false,
        }
    }

    fn event(&mut self, event: Event, now: Timestamp, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match event {
            Event::BlockStart { choice: 0, block, kind } => self.open(block, kind),
            Event::Delta { choice: 0, block, text } => self.delta(block, &text, now, out),
            Event::BlockEnd { choice: 0, block, signature } => self.close(block, signature, now, out),
            Event::Logprobs { choice: 0, content } => self.probabilities(content, now, out),
            Event::Usage(usage) => {
                self.usage = Some(usage);
                if self.finish.is_some() && usage.completion.is_some() {
                    self.last(now, out);
                }
            }
            Event::Finish { choice: 0, reason } => self.finish = Some(reason),
            Event::Failure(failure) => self.fail(&failure, out),
            Event::Start { .. }
            | Event::BlockStart { .. }
            | Event::Delta { .. }
            | Event::BlockEnd { .. }
            | Event::Citation { .. }
            | Event::Logprobs { .. }
            | Event::Finish { .. } => {}
        }
    }

    fn end(&mut self, now: Timestamp, out: &mut Vec<u8>) {
        if self.is_over {
            return;
        }
        match self.finish {
            Some(_) => self.last(now, out),
            None => {
                let message = "the answer ended before it was finished";
                self.fail(&Failure::new(Class::CutAnswer, message), out);
            }
        }
    }

    fn open(&mut self, block: u32, kind: BlockKind) {
        let index = block as usize;
        if index >= BLOCKS_MAX {
            return;
        }
        if self.blocks.len() <= index {
            self.blocks.resize_with(index + 1, || None);
        }
        if let Some(slot) = self.blocks.get_mut(index) {
            *slot = Some(Growing { kind, gathered: String::new() });
        }
    }

    fn delta(&mut self, block: u32, text: &Text, now: Timestamp, out: &mut Vec<u8>) {
        let Some(Some(growing)) = self.blocks.get_mut(block as usize) else { return };
        if text.is_empty() {
            return;
        }
        self.bytes += text.len();
        self.first.get_or_insert(now);
        match growing.kind {
            BlockKind::Text | BlockKind::Refusal => {
                let logprobs = std::mem::take(&mut self.logprobs);
                self.is_bare = logprobs.is_empty();
                self.write(Said { content: Some(text), ..Said::default() }, &logprobs, now, out);
            }
            BlockKind::Thinking => self.write(Said { thinking: Some(text), ..Said::default() }, &[], now, out),
            BlockKind::ToolCall { .. } | BlockKind::Media { .. } => growing.gathered.push_str(&text.as_str()),
            BlockKind::Redacted { .. } => {}
        }
    }

    /// Some decoders tell them before their text, then they ride on its line; some behind it, then they get a line of their
    /// own, since no text is held back for them.
    fn probabilities(&mut self, content: Json, now: Timestamp, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_bare) {
            self.write(Said::default(), &[content], now, out);
        } else {
            self.logprobs.push(content);
        }
    }

    fn close(&mut self, block: u32, signature: Option<Text>, now: Timestamp, out: &mut Vec<u8>) {
        let Some(growing) = self.blocks.get_mut(block as usize).and_then(Option::take) else { return };
        match growing.kind {
            BlockKind::ToolCall { id, name, signature: early } => {
                let signature = signature.or(early);
                let id = shown_id(id.as_ref(), signature.as_ref());
                let call = Call { id, index: self.calls, name, arguments: call_arguments::object(growing.gathered) };
                self.calls += 1;
                self.first.get_or_insert(now);
                self.write(Said { calls: &[call], ..Said::default() }, &[], now, out);
            }
            BlockKind::Media { mime } => {
                let text = media_markdown(&mime, &growing.gathered);
                self.write(Said { content: Some(&text), ..Said::default() }, &[], now, out);
            }
            BlockKind::Text | BlockKind::Thinking | BlockKind::Redacted { .. } | BlockKind::Refusal => {}
        }
    }

    /// The last line. Probabilities that no text came for get a line of their own before it.
    fn last(&mut self, now: Timestamp, out: &mut Vec<u8>) {
        let Some(finish) = self.finish.take() else { return };
        self.is_over = true;
        let logprobs = std::mem::take(&mut self.logprobs);
        if !logprobs.is_empty() {
            self.write(Said::default(), &logprobs, now, out);
        }
        let seen = Seen { reply: &self.reply, first: Some(self.first.unwrap_or(now)), now, bytes: self.bytes };
        let metrics = match finish {
            Finish::Load | Finish::Unload => Metrics::default(),
            _ => Metrics::of(&self.usage.unwrap_or_default(), seen),
        };
        let end = Some(End { reason: reason_name(&finish), metrics });
        self.write(Said { end, ..Said::default() }, &[], now, out);
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        self.is_over = true;
        out.extend(error::write(failure));
        out.push(b'\n');
    }

    fn write(&self, said: Said<'_>, logprobs: &[Json], now: Timestamp, out: &mut Vec<u8>) {
        let line = Line {
            wire: self.wire,
            model: &self.reply.model,
            now,
            content: said.content.as_slice(),
            thinking: said.thinking.as_slice(),
            calls: said.calls,
            logprobs,
            end: said.end,
        };
        *out = line.write(std::mem::take(out));
        out.push(b'\n');
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
