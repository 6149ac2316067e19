//! Records → events.
//!
//! The type stands in the data as well as in the event's name, and is read from there. A second `message_start` (a model that takes
//! over from another), blocks of the provider's own tools, and deltas of unknown types are passed over.

use std::collections::BTreeMap;

use crate::chat::{BlockKind, Class, Event, Failure, Finish, Usage, opaque};
use crate::dialect::Record;
use crate::dialect::anthropic::{NAME, error};
use crate::json::{Json, Kind, Text, Value};

/// Reads a stream's records into events.
#[derive(Debug, Default)]
pub struct Decoder {
    has_started: bool,
    has_failed: bool,
    is_over: bool,
    /// The number of the next block.
    next: u32,
    /// By the wire's number, which counts blocks that are passed over, too. Mostly one; some servers let blocks grow in turn.
    open: BTreeMap<i64, Open>,
    usage: Usage,
    counts: Counts,
    finish: Option<Finish>,
}

/// A block that has begun.
#[derive(Debug)]
struct Open {
    /// Our number; none for a block that is passed over.
    block: Option<u32>,
    signature: Option<Text>,
    /// What to tell of a call when no piece of its arguments comes.
    arguments: Option<Text>,
}

/// The counts as the wire tells them: what is read from a cache or written to it stands beside the prompt.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    input: Option<u64>,
    read: Option<u64>,
    written: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

impl crate::dialect::Decoder for Decoder {
    fn record(&mut self, record: &Record, events: &mut Vec<Event>) {
        let data = record.data.trim_ascii();
        // Some servers end their streams as OpenAI does.
        if data.is_empty() || data == b"[DONE]" || self.has_failed {
            return;
        }
        match Json::parse(record.data.slice_ref(data)) {
            Ok(json) => self.document(&json, record.name.as_deref(), events),
            Err(wrong) => {
                let message = format!("the provider sent a record that is not JSON: {wrong}");
                self.fail(Failure::new(Class::BadAnswer, message), events);
            }
        }
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        if self.finish.is_some() || self.is_over {
            return self.close(events);
        }
        self.fail(Failure::new(Class::CutAnswer, "the provider's answer ended before it was finished"), events);
    }
}

impl Decoder {
    fn document(&mut self, json: &Json, name: Option<&str>, events: &mut Vec<Event>) {
        let value = json.value();
        let told = value.get("type").and_then(Value::string);
        match told.as_deref().or(name).unwrap_or_default() {
            "message_start" => self.start(value.get("message").unwrap_or(value), events),
            "content_block_start" => self.block_start(value, events),
            "content_block_delta" => self.delta(value, events),
            "content_block_stop" => self.block_stop(index(value), events),
            "message_delta" => {
                self.count(value.get("usage"), events);
                let delta = value.get("delta").unwrap_or(value);
                self.finish = finish(delta).or(self.finish.take());
            }
            "message_stop" => self.is_over = true,
            "error" => self.fail(error::in_answer(json.bytes()), events),
            // A server that was asked for a stream and sends its answer whole.
            "message" => self.whole(value, events),
            _ if value.get("error").is_some() => self.fail(error::in_answer(json.bytes()), events),
            _ => {}
        }
    }

    /// A whole answer, as the events that a stream of it would have been.
    pub(in crate::dialect::anthropic) fn whole(&mut self, message: Value<'_>, events: &mut Vec<Event>) {
        self.start(message, events);
        for (index, block) in (0..).zip(message.get("content").into_iter().flat_map(Value::items)) {
            self.open_block(index, block, events);
            self.add_start(index, block, events);
            self.block_stop(index, events);
        }
        self.count(message.get("usage"), events);
        self.finish = finish(message).or(Some(Finish::Stop));
        self.is_over = true;
    }

    /// Closes what is open and tells why the answer ended.
    pub(in crate::dialect::anthropic) fn close(&mut self, events: &mut Vec<Event>) {
        if self.has_failed {
            return;
        }
        while let Some((index, _)) = self.open.first_key_value() {
            self.block_stop(*index, events);
        }
        let reason = self.finish.take().unwrap_or(Finish::Stop);
        events.push(Event::Finish { choice: 0, reason });
    }

    pub(in crate::dialect::anthropic) fn fail(&mut self, failure: Failure, events: &mut Vec<Event>) {
        if !self.has_failed {
            self.has_failed = true;
            events.push(Event::Failure(failure));
        }
    }

    fn start(&mut self, message: Value<'_>, events: &mut Vec<Event>) {
        if !std::mem::replace(&mut self.has_started, true) {
            events.push(Event::Start { id: filled(message, "id"), model: filled(message, "model") });
        }
        self.count(message.get("usage"), events);
    }

    /// Figures are totals so far; one that is not told again stays.
    fn count(&mut self, usage: Option<Value<'_>>, events: &mut Vec<Event>) {
        let Some(usage) = usage else { return };
        let number = |value: Option<Value<'_>>| value.and_then(Value::int).and_then(|n| u64::try_from(n).ok());
        let counts = &mut self.counts;
        counts.input = number(usage.get("input_tokens")).or(counts.input);
        counts.read = number(usage.get("cache_read_input_tokens")).or(counts.read);
        counts.written = number(usage.get("cache_creation_input_tokens")).or(counts.written);
        counts.output = number(usage.get("output_tokens")).or(counts.output);
        counts.thinking = number(usage.path(&["output_tokens_details", "thinking_tokens"])).or(counts.thinking);
        let told = counts.usage();
        if told != self.usage {
            self.usage = told;
            events.push(Event::Usage(told));
        }
    }

    fn block_start(&mut self, value: Value<'_>, events: &mut Vec<Event>) {
        if let Some(block) = value.get("content_block") {
            self.block_stop(index(value), events);
            self.open_block(index(value), block, events);
            self.add_start(index(value), block, events);
        }
    }

    fn open_block(&mut self, index: i64, block: Value<'_>, events: &mut Vec<Event>) {
        let kind = match block.get("type").and_then(Value::string).as_deref() {
            Some("text") => Some(BlockKind::Text),
            Some("thinking") => Some(BlockKind::Thinking),
            Some("redacted_thinking") => filled(block, "data").map(|data| BlockKind::Redacted { data }),
            Some("tool_use") => Some(BlockKind::ToolCall {
                id: filled(block, "id"),
                name: filled(block, "name").unwrap_or_else(Text::empty),
                signature: None,
            }),
            _ => None,
        };
        let is_call = matches!(kind, Some(BlockKind::ToolCall { .. }));
        let input = block.get("input").filter(|input| is_call && input.kind() == Kind::Object).map(Value::compact);
        let arguments = input.or_else(|| is_call.then(|| "{}".to_owned())).map(Text::from);
        let signature = filled(block, "signature");
        let block = kind.map(|kind| self.begin(kind, events));
        self.open.insert(index, Open { block, signature, arguments });
    }

    fn begin(&mut self, kind: BlockKind, events: &mut Vec<Event>) -> u32 {
        let block = self.next;
        self.next += 1;
        events.push(Event::BlockStart { choice: 0, block, kind });
        block
    }

    /// What stands in a block itself, rather than in deltas.
    fn add_start(&mut self, index: i64, block: Value<'_>, events: &mut Vec<Event>) {
        let text = filled(block, "text").or_else(|| filled(block, "thinking"));
        text.into_iter().for_each(|text| self.add(index, text, events));
    }

    fn delta(&mut self, value: Value<'_>, events: &mut Vec<Event>) {
        let Some(delta) = value.get("delta") else { return };
        let index = index(value);
        match delta.get("type").and_then(Value::string).as_deref() {
            Some("text_delta") => self.add_to(index, &BlockKind::Text, filled(delta, "text"), events),
            Some("thinking_delta") => self.add_to(index, &BlockKind::Thinking, filled(delta, "thinking"), events),
            Some("input_json_delta") => {
                if let Some(piece) = filled(delta, "partial_json") {
                    self.add(index, piece, events);
                }
            }
            Some("signature_delta") => {
                if let Some(open) = self.open.get_mut(&index) {
                    open.signature = filled(delta, "signature").or(open.signature.take());
                }
            }
            _ => {}
        }
    }

    /// Some servers never tell that a block begins.
    fn add_to(&mut self, index: i64, kind: &BlockKind, text: Option<Text>, events: &mut Vec<Event>) {
        let Some(text) = text else { return };
        if !self.open.contains_key(&index) {
            let block = Some(self.begin(kind.clone(), events));
            self.open.insert(index, Open { block, signature: None, arguments: None });
        }
        self.add(index, text, events);
    }

    fn add(&mut self, index: i64, text: Text, events: &mut Vec<Event>) {
        let Some(open) = self.open.get_mut(&index) else { return };
        open.arguments = None;
        if let Some(block) = open.block {
            events.push(Event::Delta { choice: 0, block, text });
        }
    }

    fn block_stop(&mut self, index: i64, events: &mut Vec<Event>) {
        let Some(open) = self.open.remove(&index) else { return };
        let Some(block) = open.block else { return };
        events.extend(open.arguments.map(|text| Event::Delta { choice: 0, block, text }));
        let signature = open.signature.map(|signature| opaque::owned(NAME, &signature));
        events.push(Event::BlockEnd { choice: 0, block, signature });
    }
}

impl Counts {
    fn usage(self) -> Usage {
        let beside = self.read.unwrap_or(0).saturating_add(self.written.unwrap_or(0));
        let is_told = |count: &u64| *count > 0;
        Usage {
            prompt: self.input.map(|input| input.saturating_add(beside)),
            tool: None,
            cached: self.read.filter(is_told),
            cache_written: self.written.filter(is_told),
            completion: self.output,
            reasoning: self.thinking,
            timings: None,
        }
    }
}

/// Why it ended; none where that is not told yet. A reason that nobody knows is a stop.
fn finish(value: Value<'_>) -> Option<Finish> {
    let reason = value.get("stop_reason").and_then(Value::string).filter(|reason| !reason.is_empty())?;
    Some(match reason.as_ref() {
        "max_tokens" | "model_context_window_exceeded" => Finish::Length,
        "tool_use" => Finish::ToolCalls,
        "refusal" => Finish::ContentFilter,
        "pause_turn" => Finish::Pause,
        "stop_sequence" => match value.get("stop_sequence").and_then(Value::string) {
            Some(text) => Finish::StopText(text.into_owned()),
            None => Finish::Stop,
        },
        _ => Finish::Stop,
    })
}

fn index(value: Value<'_>) -> i64 {
    value.get("index").and_then(Value::int).unwrap_or(0)
}

/// A string with something in it.
fn filled(value: Value<'_>, key: &str) -> Option<Text> {
    value.get(key).and_then(Value::text).filter(|text| !text.is_empty())
}
