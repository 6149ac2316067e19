//! Records → events.

use bytes::Bytes;

use crate::chat::{Class, Event, Failure};
use crate::dialect::openai::error::inside_answer;
use crate::dialect::openai::reader::Reader;
use crate::dialect::{Decoder, Record};
use crate::json::Json;

/// Reads a stream of chat chunks.
#[derive(Default)]
pub struct ChatDecoder(Chunks);

/// Reads a stream of completion chunks. Providers of fill-in-the-middle answer in the form of a chat, so it reads both.
#[derive(Default)]
pub struct CompletionsDecoder(Chunks);

#[derive(Default)]
struct Chunks {
    reader: Reader,
    /// `[DONE]` came: nothing behind it counts.
    is_done: bool,
}

impl Decoder for ChatDecoder {
    fn record(&mut self, record: &Record, events: &mut Vec<Event>) {
        self.0.record(record, events);
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        self.0.end(events);
    }
}

impl Decoder for CompletionsDecoder {
    fn record(&mut self, record: &Record, events: &mut Vec<Event>) {
        self.0.record(record, events);
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        self.0.end(events);
    }
}

impl Chunks {
    fn record(&mut self, record: &Record, events: &mut Vec<Event>) {
        let data = record.data.trim_ascii();
        if self.is_done || data.is_empty() {
            return;
        }
        // OpenAI's own client compares by prefix too.
        if data.starts_with(b"[DONE]") {
            self.is_done = true;
            return;
        }
        let is_error = record.name.as_deref() == Some("error");
        let data = record.data.slice_ref(data);
        match Json::parse(data.clone()) {
            Ok(json) if is_error => self.reader.fail(inside_answer(json.bytes()), events),
            Ok(json) => self.reader.document(&json, false, events),
            Err(_) if is_error => self.reader.fail(inside_answer(&data), events),
            Err(error) => self.reader.fail(unreadable(&data, &error.to_string()), events),
        }
    }

    fn end(&mut self, events: &mut Vec<Event>) {
        self.reader.end(self.is_done, events);
    }
}

/// A chunk that is no JSON: a proxy's page, or bytes lost on the way.
fn unreadable(data: &Bytes, why: &str) -> Failure {
    let shown: String = String::from_utf8_lossy(data).chars().take(200).collect();
    Failure::new(Class::BadAnswer, format!("the provider sent a chunk that is not JSON ({why}): {shown}"))
}
