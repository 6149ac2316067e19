//! Events → records.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::chat::{BlockKind, Event, Finish, Usage};
use crate::dialect::openai::{answer, error};
use crate::dialect::{Encoder, Reply};
use crate::json::{Json, Style, Text, Writer};

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

    /// One record; `choices` writes the items of that list.
    fn chunk(&mut self, out: &mut Vec<u8>, usage: Option<Usage>, choices: impl FnOnce(&mut Writer)) {
        out.extend_from_slice(DATA);
        let mut writer = Writer::behind(std::mem::take(out), Style::Plain);
        let id = self.id.get_or_insert_with(|| answer::new_id(self.prefix).into());
        writer.object(|w| {
            w.key("id").text(id);
            w.key("object").str(self.object);
            w.key("created").int(self.reply.started.as_second());
            w.key("model").str(&self.reply.model);
            w.key("choices").array(choices);
            match usage {
                Some(usage) => answer::write_usage(w.key("usage"), &usage),
                None if self.reply.stream_usage => w.key("usage").null(),
                None => {}
            }
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

    fn fail(&mut self, failure: &crate::chat::Failure, out: &mut Vec<u8>) {
        self.is_failed = true;
        record(out, &error::write(failure));
    }
}

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
    is_finished: bool,
}

enum Block {
    Text,
    Thinking,
    /// A thought that nobody here can read.
    Redacted,
    Refusal,
    /// With the call's index.
    Call(u32),
    /// Gathered: a picture goes out whole.
    Media(String, Vec<Text>),
}

impl ChatEncoder {
    /// Nothing is written before the first event.
    pub fn new(reply: Reply) -> Self {
        ChatEncoder { frame: Frame::new(reply, "chat.completion.chunk", "chatcmpl-"), choices: BTreeMap::new() }
    }

    /// The state of an alternative; its first record says the role.
    fn open(&mut self, choice: u32, out: &mut Vec<u8>) -> &mut Choice {
        if !self.choices.contains_key(&choice) {
            delta(&mut self.frame, choice, out, |w| {
                w.key("role").str("assistant");
                w.key("content").str("");
            });
        }
        self.choices.entry(choice).or_default()
    }

    fn start(&mut self, choice: u32, block: u32, kind: BlockKind, out: &mut Vec<u8>) {
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
                delta(&mut self.frame, choice, out, |w| opening(w, index, &id, &name));
                Block::Call(index)
            }
        };
        self.choices.entry(choice).or_default().blocks.insert(block, entry);
    }

    fn grow(&mut self, choice: u32, block: u32, text: Text, out: &mut Vec<u8>) {
        let Some(block) = self.choices.get_mut(&choice).and_then(|state| state.blocks.get_mut(&block)) else {
            return;
        };
        match block {
            Block::Media(_, texts) => texts.push(text),
            Block::Redacted => {}
            Block::Text => delta(&mut self.frame, choice, out, |w| w.key("content").text(&text)),
            Block::Refusal => delta(&mut self.frame, choice, out, |w| w.key("refusal").text(&text)),
            Block::Thinking => delta(&mut self.frame, choice, out, |w| {
                w.key("reasoning_content").text(&text);
                w.key("reasoning").text(&text);
            }),
            Block::Call(index) => {
                let index = *index;
                delta(&mut self.frame, choice, out, |w| more_arguments(w, index, &text));
            }
        }
    }

    fn close(&mut self, choice: u32, block: u32, out: &mut Vec<u8>) {
        let closed = self.choices.get_mut(&choice).and_then(|state| state.blocks.remove(&block));
        if let Some(Block::Media(mime, texts)) = closed {
            delta(&mut self.frame, choice, out, |w| {
                w.key("images").array(|w| answer::write_image(w, &mime, &texts));
            });
        }
    }

    fn finish(&mut self, choice: u32, reason: &Finish, out: &mut Vec<u8>) {
        let state = self.open(choice, out);
        if std::mem::replace(&mut state.is_finished, true) {
            return;
        }
        let reason = answer::reason_name(reason, state.calls > 0);
        self.frame.chunk(out, None, |w| item(w, choice, |_| {}, None, Some(reason)));
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
            Event::Logprobs { choice, content } => {
                self.open(choice, out);
                self.frame.chunk(out, None, |w| item(w, choice, |_| {}, Some(&content), None));
            }
            Event::Usage(usage) => self.frame.usage = Some(usage),
            Event::Finish { choice, reason } => self.finish(choice, &reason, out),
            Event::Failure(failure) => self.frame.fail(&failure, out),
        }
    }

    fn end(&mut self, _now: Timestamp, out: &mut Vec<u8>) {
        self.frame.end(out);
    }
}

fn delta(frame: &mut Frame, choice: u32, out: &mut Vec<u8>, body: impl FnOnce(&mut Writer)) {
    frame.chunk(out, None, |w| item(w, choice, body, None, None));
}

fn item(w: &mut Writer, choice: u32, body: impl FnOnce(&mut Writer), logprobs: Option<&Json>, reason: Option<&str>) {
    w.object(|w| {
        w.key("index").int(choice);
        w.key("delta").object(body);
        if let Some(content) = logprobs {
            answer::write_logprobs(w.key("logprobs"), std::slice::from_ref(content));
        }
        match reason {
            Some(reason) => w.key("finish_reason").str(reason),
            None => w.key("finish_reason").null(),
        }
    });
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
        let frame = Frame::new(reply, "text_completion", "cmpl-");
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
        self.frame.chunk(out, None, |w| text_item(w, choice, text, None, None));
    }
}

fn text_item(w: &mut Writer, choice: u32, text: &Text, logprobs: Option<&Json>, reason: Option<&str>) {
    w.object(|w| {
        w.key("text").text(text);
        w.key("index").int(choice);
        match logprobs {
            Some(content) => answer::write_legacy_logprobs(w.key("logprobs"), std::slice::from_ref(content)),
            None => w.key("logprobs").null(),
        }
        match reason {
            Some(reason) => w.key("finish_reason").str(reason),
            None => w.key("finish_reason").null(),
        }
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
            Event::Logprobs { choice, content } => {
                self.begin(choice, out);
                self.frame.chunk(out, None, |w| text_item(w, choice, &Text::empty(), Some(&content), None));
            }
            Event::Usage(usage) => self.frame.usage = Some(usage),
            Event::Finish { choice, reason } => {
                self.begin(choice, out);
                let reason = answer::reason_name(&reason, false);
                self.frame.chunk(out, None, |w| text_item(w, choice, &Text::empty(), None, Some(reason)));
            }
            Event::Failure(failure) => self.frame.fail(&failure, out),
        }
    }

    fn end(&mut self, _now: Timestamp, out: &mut Vec<u8>) {
        self.frame.end(out);
    }
}
