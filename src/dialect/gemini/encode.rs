//! Streams, written.
//!
//! Every record is a `GenerateContentResponse` with the parts that are new. A call goes out whole, in one part. The last
//! record tells why the answer ended, and the token counts, which some providers tell behind the reason. Its part with no text is
//! one that Google sends, too: SDKs take a record without parts for a broken one.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::error;
use super::response::{Head, part, reason_name, write_candidate};
use crate::chat::{BlockKind, Event, Failure, Finish, Usage};
use crate::dialect::Reply;
use crate::json::{Json, Style, Text, Writer};

/// How the records of a stream are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Server-sent events: `alt=sse`.
    Events,
    /// The items of one JSON array, each written when it is there.
    Array,
}

/// Writes a stream of records.
pub struct Encoder {
    head: Head,
    form: Form,
    hides_thoughts: bool,
    /// What stands before the next record of a list.
    comma: &'static [u8],
    is_failed: bool,
    /// The blocks that have begun, by choice and number: calls may grow side by side, any number of them.
    open: BTreeMap<(u32, u32), Open>,
    /// Probabilities that wait for the next record of their choice.
    probabilities: Vec<(u32, Json)>,
    finished: Vec<(u32, Finish)>,
    usage: Option<Usage>,
}

/// A block that has begun.
struct Open {
    kind: BlockKind,
    /// Of what goes out whole.
    texts: Vec<Text>,
}

impl Encoder {
    /// Nothing is written before the first event with content.
    pub fn new(reply: Reply, form: Form) -> Encoder {
        Encoder {
            head: Head::new(&reply, None),
            form,
            hides_thoughts: reply.hides_thoughts,
            comma: if reply.is_begun { b"" } else { b"[" },
            is_failed: false,
            open: BTreeMap::new(),
            probabilities: Vec::new(),
            finished: Vec::new(),
            usage: None,
        }
    }

    fn grow(&mut self, choice: u32, block: u32, text: Text, out: &mut Vec<u8>) {
        let Some(open) = self.open.get_mut(&(choice, block)) else { return };
        match open.kind {
            BlockKind::Text | BlockKind::Thinking | BlockKind::Refusal => {
                let part = part(&open.kind, std::slice::from_ref(&text), None, self.hides_thoughts);
                self.part(choice, part, out);
            }
            BlockKind::ToolCall { .. } | BlockKind::Media { .. } | BlockKind::Redacted { .. } => open.texts.push(text),
        }
    }

    fn close(&mut self, choice: u32, block: u32, signature: Option<Text>, out: &mut Vec<u8>) {
        let Some(Open { kind, texts }) = self.open.remove(&(choice, block)) else { return };
        let early = match &kind {
            BlockKind::ToolCall { signature, .. } => signature.clone(),
            _ => None,
        };
        let part = part(&kind, &texts, signature.or(early).as_ref(), self.hides_thoughts);
        self.part(choice, part, out);
    }

    fn part(&mut self, choice: u32, part: Option<Json>, out: &mut Vec<u8>) {
        let Some(part) = part else { return };
        let probabilities = self.probabilities_of(choice);
        self.record(out, |head, usage, w| {
            head.write(w, usage, |w| write_candidate(w, choice, &[part], None, &probabilities));
        });
    }

    fn probabilities_of(&mut self, choice: u32) -> Vec<Json> {
        let (these, others) = std::mem::take(&mut self.probabilities).into_iter().partition(|(of, _)| *of == choice);
        self.probabilities = others;
        these.into_iter().map(|(_, content)| content).collect()
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        let silence = [Json::known(r#"{"text":""}"#)];
        let finished: Vec<_> = std::mem::take(&mut self.finished)
            .into_iter()
            .map(|(choice, finish)| (choice, reason_name(&finish), self.probabilities_of(choice)))
            .collect();
        self.record(out, |head, usage, w| {
            head.write(w, usage, |w| {
                for (choice, reason, probabilities) in &finished {
                    write_candidate(w, *choice, &silence, Some(reason), probabilities);
                }
            });
        });
    }

    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        self.is_failed = true;
        self.open_record(out);
        out.extend(error::write(failure));
        self.close_record(out);
        self.close_list(out);
    }

    fn record(&mut self, out: &mut Vec<u8>, body: impl FnOnce(&Head, Option<&Usage>, &mut Writer)) {
        self.open_record(out);
        let mut w = Writer::behind(std::mem::take(out), Style::Plain);
        body(&self.head, self.usage.as_ref(), &mut w);
        *out = w.into_bytes();
        self.close_record(out);
    }

    fn open_record(&mut self, out: &mut Vec<u8>) {
        let comma = std::mem::replace(&mut self.comma, b",\r\n");
        out.extend_from_slice(match self.form {
            Form::Events => b"data: ",
            Form::Array => comma,
        });
    }

    fn close_record(&self, out: &mut Vec<u8>) {
        if self.form == Form::Events {
            out.extend_from_slice(b"\r\n\r\n");
        }
    }

    fn close_list(&self, out: &mut Vec<u8>) {
        if self.form == Form::Array {
            out.extend_from_slice(b"]");
        }
    }
}

impl crate::dialect::Encoder for Encoder {
    fn event(&mut self, event: Event, _now: Timestamp, out: &mut Vec<u8>) {
        if self.is_failed {
            return;
        }
        match event {
            Event::Start { id, .. } => id.into_iter().for_each(|id| self.head.set_id(id)),
            Event::BlockStart { choice, block, kind } => {
                self.open.insert((choice, block), Open { kind, texts: Vec::new() });
            }
            Event::Delta { choice, block, text } => self.grow(choice, block, text, out),
            Event::BlockEnd { choice, block, signature } => self.close(choice, block, signature, out),
            Event::Citation { .. } => {}
            Event::Logprobs { choice, content } => self.probabilities.push((choice, content)),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Finish { choice, reason } => self.finished.push((choice, reason)),
            Event::Failure(failure) => self.fail(&failure, out),
        }
    }

    fn end(&mut self, _now: Timestamp, out: &mut Vec<u8>) {
        if !self.is_failed {
            self.finish(out);
            self.close_list(out);
        }
    }
}

#[cfg(test)]
mod tests;
