//! Events → records.
//!
//! Anthropic's clients want `message_start` first, blocks one after the other and counted without gaps, and the reason of the end
//! beside the last counts. So blocks that grow in turn wait for each other, and the end waits for the counts.

use std::collections::VecDeque;

use jiff::Timestamp;

use crate::chat::{BlockKind, Event, Failure, Finish, Usage};
use crate::dialect::Reply;
use crate::dialect::anthropic::{answer, error, ids};
use crate::json::{Style, Text, Writer};

/// Writes a stream. There is one alternative, the first.
pub struct Encoder {
    reply: Reply,
    id: Option<Text>,
    usage: Usage,
    finish: Option<Finish>,
    has_begun: bool,
    is_failed: bool,
    has_calls: bool,
    has_refused: bool,
    /// Bytes of what was said, to guess the count where nobody tells it.
    bytes: usize,
    /// The number of the open block, or of the next.
    index: u32,
    /// The block that is written now, by the event's number.
    open: Option<(u32, Form)>,
    /// Blocks that began before it ended, in order.
    waiting: VecDeque<Waiting>,
}

/// What a block is on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Thinking,
    Redacted,
    Call,
    /// A picture, as a text: Markdown around a data URL.
    Media,
}

struct Waiting {
    block: u32,
    kind: BlockKind,
    texts: Vec<Text>,
    end: Option<Option<Text>>,
}

impl Encoder {
    /// Nothing is written before the first content, so that counts which come before it stand in `message_start`.
    pub fn new(reply: Reply) -> Encoder {
        Encoder {
            reply,
            id: None,
            usage: Usage::default(),
            finish: None,
            has_begun: false,
            is_failed: false,
            has_calls: false,
            has_refused: false,
            bytes: 0,
            index: 0,
            open: None,
            waiting: VecDeque::new(),
        }
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.has_begun, true) {
            return;
        }
        record(out, "message_start", |w| {
            w.key("message").object(|w| {
                answer::write_head(w, self.id.as_ref(), &self.reply.model);
                w.key("content").array(|_| {});
                w.key("stop_reason").null();
                w.key("stop_sequence").null();
                let usage = Usage { completion: Some(0), ..answer::counted(self.usage, &self.reply, 0) };
                answer::write_usage(w.key("usage"), &usage);
            });
        });
    }

    fn start(&mut self, block: u32, kind: BlockKind, out: &mut Vec<u8>) {
        self.begin(out);
        if self.open.is_some() {
            self.waiting.push_back(Waiting { block, kind, texts: Vec::new(), end: None });
        } else {
            self.open(block, &kind, out);
        }
    }

    fn open(&mut self, block: u32, kind: &BlockKind, out: &mut Vec<u8>) {
        let form = match kind {
            BlockKind::Text | BlockKind::Refusal => Form::Text,
            BlockKind::Thinking => Form::Thinking,
            BlockKind::Redacted { .. } => Form::Redacted,
            BlockKind::ToolCall { .. } => Form::Call,
            BlockKind::Media { .. } => Form::Media,
        };
        self.has_calls |= form == Form::Call;
        self.has_refused |= matches!(kind, BlockKind::Refusal);
        self.open = Some((block, form));
        record(out, "content_block_start", |w| {
            w.key("index").int(self.index);
            w.key("content_block").object(|w| write_opening(w, kind));
        });
        if self.index == 0 {
            record(out, "ping", |_| {});
        }
        if let BlockKind::Media { mime } = kind {
            self.delta(Form::Media, &answer::media_head(mime), out);
        }
    }

    fn grow(&mut self, block: u32, text: Text, out: &mut Vec<u8>) {
        match self.open {
            Some((open, form)) if open == block => self.delta(form, &text, out),
            _ => {
                if let Some(waiting) = self.waiting_for(block) {
                    waiting.texts.push(text);
                }
            }
        }
    }

    /// Blocks begin in the order of their numbers.
    fn waiting_for(&mut self, block: u32) -> Option<&mut Waiting> {
        let at = self.waiting.binary_search_by_key(&block, |waiting| waiting.block).ok()?;
        self.waiting.get_mut(at)
    }

    fn delta(&mut self, form: Form, text: &Text, out: &mut Vec<u8>) {
        if text.is_empty() {
            return;
        }
        self.bytes += text.len();
        let (kind, member) = match form {
            Form::Text | Form::Media => ("text_delta", "text"),
            Form::Thinking => ("thinking_delta", "thinking"),
            Form::Call => ("input_json_delta", "partial_json"),
            Form::Redacted => return,
        };
        self.write_delta(kind, member, text, out);
    }

    fn write_delta(&self, kind: &str, member: &str, text: &Text, out: &mut Vec<u8>) {
        record(out, "content_block_delta", |w| {
            w.key("index").int(self.index);
            w.key("delta").object(|w| {
                w.key("type").str(kind);
                w.key(member).text(text);
            });
        });
    }

    /// Ends a block, and brings what waits behind it.
    fn stop(&mut self, block: u32, signature: Option<Text>, out: &mut Vec<u8>) {
        if self.open.is_none_or(|(open, _)| open != block) {
            if let Some(waiting) = self.waiting_for(block) {
                waiting.end = Some(signature);
            }
            return;
        }
        self.close(signature.as_ref(), out);
        while self.open.is_none() {
            let Some(next) = self.waiting.pop_front() else { return };
            self.open(next.block, &next.kind, out);
            next.texts.into_iter().for_each(|text| self.grow(next.block, text, out));
            if let Some(signature) = next.end {
                self.close(signature.as_ref(), out);
            }
        }
    }

    fn close(&mut self, signature: Option<&Text>, out: &mut Vec<u8>) {
        match (self.open.take(), signature) {
            (Some((_, Form::Thinking)), Some(signature)) => {
                self.write_delta("signature_delta", "signature", &ids::shown_signature(signature), out);
            }
            (Some((_, Form::Media)), _) => self.delta(Form::Media, &answer::MEDIA_TAIL.into(), out),
            _ => {}
        }
        record(out, "content_block_stop", |w| w.key("index").int(self.index));
        self.index += 1;
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        while let Some((block, _)) = self.open {
            self.stop(block, None, out);
        }
        // Clients take it for granted that there is something.
        if self.index == 0 {
            self.open(0, &BlockKind::Text, out);
            self.close(None, out);
        }
        let finish = self.finish.take().unwrap_or(Finish::Stop);
        record(out, "message_delta", |w| {
            w.key("delta").object(|w| answer::write_end(w, &finish, self.has_calls, self.has_refused));
            answer::write_usage(w.key("usage"), &answer::counted(self.usage, &self.reply, self.bytes));
        });
        record(out, "message_stop", |_| {});
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        self.is_failed = true;
        out.extend_from_slice(b"event: error\ndata: ");
        out.extend(error::write(failure));
        out.extend_from_slice(END);
    }
}

impl crate::dialect::Encoder for Encoder {
    fn event(&mut self, event: Event, _now: Timestamp, out: &mut Vec<u8>) {
        if self.is_failed {
            return;
        }
        match event {
            Event::Start { id, .. } => self.id = id,
            Event::Usage(usage) => self.usage = usage,
            Event::Failure(failure) => self.fail(&failure, out),
            Event::BlockStart { choice: 0, block, kind } => self.start(block, kind, out),
            Event::Delta { choice: 0, block, text } => self.grow(block, text, out),
            Event::BlockEnd { choice: 0, block, signature } => self.stop(block, signature, out),
            Event::Finish { choice: 0, reason } => self.finish = Some(reason),
            // Probabilities have no place here.
            Event::Citation { .. }
            | Event::Logprobs { .. }
            | Event::BlockStart { .. }
            | Event::Delta { .. }
            | Event::BlockEnd { .. }
            | Event::Finish { .. } => {}
        }
    }

    fn end(&mut self, _now: Timestamp, out: &mut Vec<u8>) {
        if !self.is_failed {
            self.finish(out);
        }
    }
}

const END: &[u8] = b"\n\n";

/// One record. Clients go by the name before the data; the same stands in it.
fn record(out: &mut Vec<u8>, name: &str, body: impl FnOnce(&mut Writer)) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let mut writer = Writer::behind(std::mem::take(out), Style::Plain);
    writer.object(|w| {
        w.key("type").str(name);
        body(w);
    });
    *out = writer.into_bytes();
    out.extend_from_slice(END);
}

/// Members must be there even where they are empty: clients add to them.
fn write_opening(w: &mut Writer, kind: &BlockKind) {
    match kind {
        BlockKind::Text | BlockKind::Refusal | BlockKind::Media { .. } => {
            w.key("type").str("text");
            w.key("text").str("");
        }
        BlockKind::Thinking => {
            w.key("type").str("thinking");
            w.key("thinking").str("");
            w.key("signature").str("");
        }
        BlockKind::Redacted { data } => {
            w.key("type").str("redacted_thinking");
            w.key("data").text(data);
        }
        BlockKind::ToolCall { id, name, signature } => {
            w.key("type").str("tool_use");
            w.key("id").str(&ids::shown(id.as_ref(), signature.as_ref()));
            w.key("name").text(name);
            w.key("input").object(|_| {});
        }
    }
}
