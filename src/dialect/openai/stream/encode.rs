//! Events → records.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::chat::{BlockKind, Event, Failure, Finish, Usage};
use crate::dialect::openai::answer::{self, Call};
use crate::dialect::openai::{Accent, error};
use crate::dialect::{Encoder, Reply};
use crate::json::{Json, Text, Writer};

/// What all records of a stream have in common.
struct Frame {
    reply: Reply,
    object: &'static str,
    prefix: &'static str,
    id: Option<Text>,
    usage: Option<Usage>,
    is_failed: bool,
}

impl Frame {
    fn new(reply: Reply, object: &'static str, prefix: &'static str) -> Frame {
        Frame { reply, object, prefix, id: None, usage: None, is_failed: false }
    }

    fn accent(&self) -> Accent {
        self.reply.accent
    }

    /// One record; `choices` writes the items of that list.
    fn chunk(&mut self, out: &mut Vec<u8>, usage: Option<Usage>, choices: impl FnOnce(&mut Writer)) {
        out.extend_from_slice(DATA);
        let accent = self.accent();
        let mut writer = accent.writer_behind(std::mem::take(out));
        let id = self.id.get_or_insert_with(|| accent.new_id(self.prefix).into());
        writer.object(|w| {
            w.key("id").text(id);
            w.key("object").str(self.object);
            w.key("created").int(self.reply.started.as_second());
            // Ollama's older route tells the model last.
            if accent.is_ollama() && self.object == COMPLETION {
                w.key("choices").array(choices);
                accent.write_model(w, &self.reply.model);
            } else {
                accent.write_model(w, &self.reply.model);
                w.key("choices").array(choices);
            }
            write_counts(w, usage, &self.reply, self.object);
        });
        *out = writer.into_bytes();
        out.extend_from_slice(END);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if self.is_failed {
            return;
        }
        if let Some(usage) = self.usage.filter(|_| self.reply.stream_usage) {
            self.chunk(out, Some(usage), |_| {});
        }
        record(out, b"[DONE]");
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        self.is_failed = true;
        record(out, error::write(failure, self.accent()).trim_ascii_end());
    }
}

/// The counts, or what stands for them in all records but the last.
fn write_counts(w: &mut Writer, usage: Option<Usage>, reply: &Reply, object: &str) {
    let accent = reply.accent;
    match usage {
        Some(usage) => answer::write_usage(w.key("usage"), &usage, accent),
        None if !reply.stream_usage => {}
        None if accent == Accent::OpenAi => w.key("usage").null(),
        None if object == COMPLETION => answer::write_usage(w.key("usage"), &Usage::default(), accent),
        None => {}
    }
}

/// The objects of the two routes.
const CHAT: &str = "chat.completion.chunk";
const COMPLETION: &str = "text_completion";

/// What stands around the data of a record.
const DATA: &[u8] = b"data: ";
const END: &[u8] = b"\n\n";

fn record(out: &mut Vec<u8>, data: &[u8]) {
    for piece in [DATA, data, END] {
        out.extend_from_slice(piece);
    }
}

/// Writes a stream of chat chunks.
pub struct ChatEncoder {
    frame: Frame,
    choices: BTreeMap<u32, Choice>,
}

/// What was said of one alternative.
#[derive(Default)]
struct Choice {
    blocks: BTreeMap<u32, Block>,
    calls: u32,
    has_role: bool,
    is_finished: bool,
    /// Ollama's accent: probabilities go out with the text that they belong to, which comes next.
    probabilities: Option<Json>,
    /// Ollama's accent: calls that are complete, while others of the same record are not.
    made: Vec<(u32, Call)>,
}

enum Block {
    Text,
    Thinking,
    /// A thought that nobody here can read.
    Redacted,
    Refusal,
    /// With the call's index.
    Call(u32),
    /// Gathered: a call goes out whole in Ollama's accent.
    Whole(u32, Call),
    /// Gathered: a picture goes out whole.
    Media(String, Vec<Text>),
}

impl ChatEncoder {
    /// Nothing is written before the first event.
    pub fn new(reply: Reply) -> Self {
        ChatEncoder { frame: Frame::new(reply, CHAT, "chatcmpl-"), choices: BTreeMap::new() }
    }

    /// The state of an alternative. Its first record says the role: alone, or with the first text in Ollama's accent.
    fn open(&mut self, choice: u32, out: &mut Vec<u8>) -> &mut Choice {
        if self.frame.accent() == Accent::OpenAi && !self.choices.contains_key(&choice) {
            self.delta(choice, out, |w| w.key("content").str(""));
        }
        self.choices.entry(choice).or_default()
    }

    /// A record of one alternative.
    fn delta(&mut self, choice: u32, out: &mut Vec<u8>, body: impl FnOnce(&mut Writer)) {
        let accent = self.frame.accent();
        let state = self.choices.entry(choice).or_default();
        let is_first = !std::mem::replace(&mut state.has_role, true);
        let probabilities = state.probabilities.take();
        let delta = |w: &mut Writer| {
            if is_first {
                w.key("role").str("assistant");
            }
            body(w);
        };
        self.frame.chunk(out, None, |w| item(w, accent, choice, delta, probabilities.as_ref(), None));
    }

    fn start(&mut self, choice: u32, block: u32, kind: BlockKind, out: &mut Vec<u8>) {
        let accent = self.frame.accent();
        let state = self.open(choice, out);
        let entry = match kind {
            BlockKind::Text => Block::Text,
            BlockKind::Thinking => Block::Thinking,
            BlockKind::Redacted { .. } => Block::Redacted,
            BlockKind::Refusal => Block::Refusal,
            BlockKind::Media { mime } => Block::Media(mime, Vec::new()),
            BlockKind::ToolCall { id, name, signature } => {
                let index = state.calls;
                state.calls += 1;
                let id = answer::call_id(id.as_ref(), signature.as_ref());
                if accent.is_ollama() {
                    Block::Whole(index, Call { id, name, arguments: Vec::new() })
                } else {
                    self.delta(choice, out, |w| opening(w, index, &id, &name));
                    Block::Call(index)
                }
            }
        };
        self.choices.entry(choice).or_default().blocks.insert(block, entry);
    }

    fn grow(&mut self, choice: u32, block: u32, text: Text, out: &mut Vec<u8>) {
        let accent = self.frame.accent();
        let Some(block) = self.choices.get_mut(&choice).and_then(|state| state.blocks.get_mut(&block)) else {
            return;
        };
        match block {
            Block::Media(_, texts) => texts.push(text),
            Block::Whole(_, call) => call.arguments.push(text),
            Block::Redacted => {}
            Block::Refusal if accent == Accent::OpenAi => self.delta(choice, out, |w| w.key("refusal").text(&text)),
            Block::Text | Block::Refusal => self.delta(choice, out, |w| w.key("content").text(&text)),
            Block::Thinking => self.delta(choice, out, |w| {
                blank(w, accent);
                answer::write_thinking(w, accent, |w| w.text(&text));
            }),
            Block::Call(index) => {
                let index = *index;
                self.delta(choice, out, |w| more_arguments(w, index, &text));
            }
        }
    }

    fn close(&mut self, choice: u32, block: u32, out: &mut Vec<u8>) {
        let accent = self.frame.accent();
        let Some(state) = self.choices.get_mut(&choice) else { return };
        match state.blocks.remove(&block) {
            Some(Block::Media(mime, texts)) => self.delta(choice, out, |w| {
                blank(w, accent);
                w.key("images").array(|w| answer::write_image(w, &mime, &texts));
            }),
            Some(Block::Whole(index, call)) => {
                state.made.push((index, call));
                let is_open = state.blocks.values().any(|block| matches!(block, Block::Whole(..)));
                if !is_open {
                    let made = std::mem::take(&mut state.made);
                    self.delta(choice, out, |w| whole_calls(w, &made));
                }
            }
            Some(Block::Text | Block::Thinking | Block::Redacted | Block::Refusal | Block::Call(_)) | None => {}
        }
    }

    fn probabilities(&mut self, choice: u32, content: Json, out: &mut Vec<u8>) {
        if self.open(choice, out).probabilities.is_some() {
            // They wait for a text that is empty.
            self.delta(choice, out, |w| w.key("content").str(""));
        }
        self.open(choice, out).probabilities = Some(content);
        if self.frame.accent() == Accent::OpenAi {
            self.delta(choice, out, |_| {});
        }
    }

    fn finish(&mut self, choice: u32, reason: &Finish, out: &mut Vec<u8>) {
        let accent = self.frame.accent();
        let state = self.open(choice, out);
        if std::mem::replace(&mut state.is_finished, true) {
            return;
        }
        let reason = answer::reason_name(reason, state.calls > 0, accent);
        if !state.has_role || state.probabilities.is_some() {
            self.delta(choice, out, |w| w.key("content").str(""));
        }
        self.frame.chunk(out, None, |w| item(w, accent, choice, |_| {}, None, Some(reason)));
    }
}

impl Encoder for ChatEncoder {
    fn event(&mut self, event: Event, _now: Timestamp, out: &mut Vec<u8>) {
        if self.frame.is_failed {
            return;
        }
        match event {
            Event::Start { id, .. } => self.frame.id = id,
            Event::BlockStart { choice, block, kind } => self.start(choice, block, kind, out),
            Event::Delta { choice, block, text } => self.grow(choice, block, text, out),
            Event::BlockEnd { choice, block, .. } => self.close(choice, block, out),
            Event::Citation { .. } => {}
            Event::Logprobs { choice, content } => self.probabilities(choice, content, out),
            Event::Usage(usage) => self.frame.usage = Some(usage),
            Event::Finish { choice, reason } => self.finish(choice, &reason, out),
            Event::Failure(failure) => self.frame.fail(&failure, out),
        }
    }

    fn end(&mut self, _now: Timestamp, out: &mut Vec<u8>) {
        self.frame.end(out);
    }
}

fn item(
    w: &mut Writer,
    accent: Accent,
    choice: u32,
    delta: impl FnOnce(&mut Writer),
    probabilities: Option<&Json>,
    reason: Option<&str>,
) {
    w.object(|w| {
        w.key("index").int(choice);
        w.key("delta").object(delta);
        let probabilities = |w: &mut Writer| {
            if let Some(content) = probabilities {
                answer::write_logprobs(w.key("logprobs"), std::slice::from_ref(content), accent);
            }
        };
        accent.write_end(w, probabilities, |w| write_reason(w, reason));
    });
}

fn write_reason(w: &mut Writer, reason: Option<&str>) {
    match reason {
        Some(reason) => w.key("finish_reason").str(reason),
        None => w.key("finish_reason").null(),
    }
}

/// In Ollama's accent a text, be it empty, stands in every record but the last.
fn blank(w: &mut Writer, accent: Accent) {
    if accent.is_ollama() {
        w.key("content").str("");
    }
}

fn whole_calls(w: &mut Writer, calls: &[(u32, Call)]) {
    blank(w, Accent::Ollama);
    w.key("tool_calls").array(|w| calls.iter().for_each(|(index, call)| call.write(w, Some(*index))));
}

fn opening(w: &mut Writer, index: u32, id: &str, name: &Text) {
    w.key("tool_calls").array(|w| {
        w.object(|w| {
            w.key("index").int(index);
            w.key("id").str(id);
            w.key("type").str("function");
            w.key("function").object(|w| {
                w.key("name").text(name);
                w.key("arguments").str("");
            });
        });
    });
}

fn more_arguments(w: &mut Writer, index: u32, text: &Text) {
    w.key("tool_calls").array(|w| {
        w.object(|w| {
            w.key("index").int(index);
            w.key("function").object(|w| w.key("arguments").text(text));
        });
    });
}

/// Writes a stream of completion chunks. Only what is to be read has a place there: thoughts and calls do not.
pub struct CompletionsEncoder {
    frame: Frame,
    /// The blocks whose text goes out, by choice.
    open: Vec<(u32, u32)>,
    begun: Vec<u32>,
}

impl CompletionsEncoder {
    /// Nothing is written before the first event.
    pub fn new(reply: Reply) -> Self {
        let frame = Frame::new(reply, COMPLETION, "cmpl-");
        CompletionsEncoder { frame, open: Vec::new(), begun: Vec::new() }
    }

    /// The prompt stands before the answer, when that was asked for.
    fn begin(&mut self, choice: u32, out: &mut Vec<u8>) {
        if self.begun.contains(&choice) {
            return;
        }
        self.begun.push(choice);
        if let Some(echo) = self.frame.reply.echo.clone() {
            self.text(choice, &echo.into(), out);
        }
    }

    fn text(&mut self, choice: u32, text: &Text, out: &mut Vec<u8>) {
        let accent = self.frame.accent();
        self.frame.chunk(out, None, |w| text_item(w, accent, choice, text, None, None));
    }
}

fn text_item(
    w: &mut Writer,
    accent: Accent,
    choice: u32,
    text: &Text,
    probabilities: Option<&Json>,
    reason: Option<&str>,
) {
    w.object(|w| {
        w.key("text").text(text);
        w.key("index").int(choice);
        let probabilities = |w: &mut Writer| match probabilities {
            Some(content) => answer::write_legacy_logprobs(w.key("logprobs"), std::slice::from_ref(content)),
            None if accent.is_ollama() => {}
            None => w.key("logprobs").null(),
        };
        accent.write_end(w, probabilities, |w| write_reason(w, reason));
    });
}

impl Encoder for CompletionsEncoder {
    fn event(&mut self, event: Event, _now: Timestamp, out: &mut Vec<u8>) {
        if self.frame.is_failed {
            return;
        }
        match event {
            Event::Start { id, .. } => self.frame.id = id,
            Event::BlockStart { choice, block, kind: BlockKind::Text | BlockKind::Refusal } => {
                self.begin(choice, out);
                self.open.push((choice, block));
            }
            Event::BlockStart { .. } => {}
            Event::Delta { choice, block, text } => {
                if self.open.contains(&(choice, block)) {
                    self.text(choice, &text, out);
                }
            }
            Event::BlockEnd { choice, block, .. } => self.open.retain(|open| *open != (choice, block)),
            Event::Citation { .. } => {}
            Event::Logprobs { choice, content } => {
                self.begin(choice, out);
                let accent = self.frame.accent();
                self.frame.chunk(out, None, |w| text_item(w, accent, choice, &Text::empty(), Some(&content), None));
            }
            Event::Usage(usage) => self.frame.usage = Some(usage),
            Event::Finish { choice, reason } => {
                self.begin(choice, out);
                let accent = self.frame.accent();
                let reason = answer::reason_name(&reason, false, accent);
                self.frame.chunk(out, None, |w| text_item(w, accent, choice, &Text::empty(), None, Some(reason)));
            }
            Event::Failure(failure) => self.frame.fail(&failure, out),
        }
    }

    fn end(&mut self, _now: Timestamp, out: &mut Vec<u8>) {
        self.frame.end(out);
    }
}
