//! Cutting a stream of bytes into records, at any border at which the bytes may come.
//!
//! SSE by the rules of the HTML standard (section 9.2, "Server-sent events"): lines end in LF, CRLF or CR, an event ends at
//! an empty line, several `data` lines join with LF, a byte order mark may lead, comments are life signs. One departure, for
//! the sake of providers that forget the last empty line: what stands at the end of the stream is a record too. NDJSON: a
//! line is a record, blank ones are none. An array: each of its objects is a record when its last brace is there.

use bytes::{Bytes, BytesMut};

/// How a stream is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// Server-sent events.
    Sse,
    /// A JSON value a line.
    Ndjson,
    /// The objects of one JSON array.
    Array,
}

/// One record of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Record {
    /// The SSE event name, or, for a line that has another field than SSE knows (llama.cpp's `error: {…}`), that field.
    pub name: Option<String>,
    /// The payload.
    pub data: Bytes,
}

/// A record grew beyond its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a record of the stream is larger than {limit} bytes")]
pub struct TooLong {
    /// In bytes.
    pub limit: usize,
}

/// Cuts bytes into records.
#[derive(Debug)]
pub struct Framer {
    framing: Framing,
    record_bytes_max: usize,
    buffer: BytesMut,
    /// Everything before this is known to hold no line end.
    searched: usize,
    started: bool,
    event: Event,
    object: Object,
}

/// The object of an array that is being read.
#[derive(Debug, Default)]
struct Object {
    depth: usize,
    is_string: bool,
    is_escaped: bool,
}

/// The SSE event that is being read.
#[derive(Debug, Default)]
struct Event {
    name: Option<String>,
    data: Vec<Bytes>,
    size: usize,
}

impl Framer {
    /// `record_bytes_max` bounds what is kept of one record.
    pub fn new(framing: Framing, record_bytes_max: usize) -> Framer {
        let buffer = BytesMut::new();
        let (event, object) = (Event::default(), Object::default());
        Framer { framing, record_bytes_max, buffer, searched: 0, started: false, event, object }
    }

    /// Takes bytes in; the records that are complete now go to `records`.
    pub fn push(&mut self, bytes: &[u8], records: &mut Vec<Record>) -> Result<(), TooLong> {
        self.buffer.extend_from_slice(bytes);
        self.skip_byte_order_mark();
        if self.framing == Framing::Array {
            self.objects(records);
            return self.check(self.buffer.len());
        }
        while let Some(line) = self.next_line(false) {
            self.line(line, records);
            self.check(0)?;
        }
        self.check(self.buffer.len())
    }

    /// The stream is over: what is left is a record too.
    pub fn end(&mut self, records: &mut Vec<Record>) {
        self.skip_byte_order_mark();
        if self.framing == Framing::Array {
            // What is left is an object that was cut.
            return records.extend(self.cut_object());
        }
        while let Some(line) = self.next_line(true) {
            self.line(line, records);
        }
        if !self.buffer.is_empty() {
            let rest = self.buffer.split().freeze();
            self.line(rest, records);
        }
        if self.framing == Framing::Sse {
            self.dispatch(records);
        }
    }

    fn check(&self, pending: usize) -> Result<(), TooLong> {
        let limit = self.record_bytes_max;
        if self.event.size + pending > limit { Err(TooLong { limit }) } else { Ok(()) }
    }

    fn skip_byte_order_mark(&mut self) {
        if !self.started && self.buffer.len() >= 3 {
            self.started = true;
            if self.buffer.starts_with(b"\xef\xbb\xbf") {
                let _ = self.buffer.split_to(3);
            }
        }
    }

    /// The next whole line, without its end. A CR that is the last byte so far may be half of a CRLF, so it waits.
    fn next_line(&mut self, is_end: bool) -> Option<Bytes> {
        let unseen = self.buffer.get(self.searched..)?;
        let found = match self.framing {
            Framing::Sse => memchr::memchr2(b'\n', b'\r', unseen),
            Framing::Ndjson | Framing::Array => memchr::memchr(b'\n', unseen),
        };
        let Some(at) = found.map(|at| at + self.searched) else {
            self.searched = self.buffer.len();
            return None;
        };
        let is_cr = self.buffer.get(at) == Some(&b'\r');
        if is_cr && at + 1 == self.buffer.len() && !is_end {
            self.searched = at;
            return None;
        }
        let is_crlf = is_cr && self.buffer.get(at + 1) == Some(&b'\n');
        let line = self.buffer.split_to(at).freeze();
        let _ = self.buffer.split_to(if is_crlf { 2 } else { 1 });
        self.searched = 0;
        Some(line)
    }

    fn line(&mut self, line: Bytes, records: &mut Vec<Record>) {
        match self.framing {
            Framing::Ndjson | Framing::Array => {
                let trimmed = line.trim_ascii();
                if !trimmed.is_empty() {
                    records.push(Record { name: None, data: line.slice_ref(trimmed) });
                }
            }
            Framing::Sse if line.is_empty() => self.dispatch(records),
            Framing::Sse => self.field(&line, records),
        }
    }

    /// The objects that are whole now. What stands between them is passed over.
    fn objects(&mut self, records: &mut Vec<Record>) {
        while let Some(byte) = self.buffer.get(self.searched) {
            self.searched += 1;
            match self.object.take(*byte) {
                Place::Between => {
                    let _ = self.buffer.split_to(self.searched);
                    self.searched = 0;
                }
                Place::Inside => {}
                Place::AtEnd => {
                    records.push(Record { name: None, data: self.buffer.split_to(self.searched).freeze() });
                    self.searched = 0;
                }
            }
        }
    }

    fn cut_object(&mut self) -> Option<Record> {
        let data = self.buffer.split().freeze();
        (!data.is_empty()).then_some(Record { name: None, data })
    }

    fn field(&mut self, line: &Bytes, records: &mut Vec<Record>) {
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let name = line.get(..colon).unwrap_or_default();
        let value = line.slice((colon + 1).min(line.len())..);
        let value = if value.first() == Some(&b' ') { value.slice(1..) } else { value };
        match name {
            b"data" => {
                self.event.size += value.len() + 1;
                self.event.data.push(value);
            }
            b"event" => self.event.name = Some(String::from_utf8_lossy(&value).into_owned()),
            b"error" => records.push(Record { name: Some("error".to_owned()), data: value }),
            _ => {}
        }
    }

    fn dispatch(&mut self, records: &mut Vec<Record>) {
        let Event { name, mut data, .. } = std::mem::take(&mut self.event);
        let data = match data.len() {
            0 => return,
            1 => data.swap_remove(0),
            _ => Bytes::from(data.join(&b'\n')),
        };
        records.push(Record { name, data });
    }
}

/// Where a byte of an array stands.
enum Place {
    Between,
    Inside,
    AtEnd,
}

impl Object {
    /// Braces in strings are none.
    fn take(&mut self, byte: u8) -> Place {
        let is_escaped = std::mem::take(&mut self.is_escaped);
        match byte {
            _ if is_escaped => {}
            b'\\' if self.is_string => self.is_escaped = true,
            b'"' if self.depth > 0 => self.is_string = !self.is_string,
            _ if self.is_string => {}
            b'{' => self.depth += 1,
            b'}' if self.depth == 1 => {
                self.depth = 0;
                return Place::AtEnd;
            }
            b'}' => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        if self.depth == 0 { Place::Between } else { Place::Inside }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(framing: Framing, pieces: &[&[u8]]) -> Vec<(Option<String>, String)> {
        let mut framer = Framer::new(framing, 1 << 20);
        let mut records = Vec::new();
        for piece in pieces {
            framer.push(piece, &mut records).unwrap();
        }
        framer.end(&mut records);
        let shown = |r: Record| (r.name, String::from_utf8_lossy(&r.data).into_owned());
        records.into_iter().map(shown).collect()
    }

    fn data(text: &str) -> (Option<String>, String) {
        (None, text.to_owned())
    }

    const ODD: &str = "\u{feff}: hello\r\ndata:{\"a\":\"é\"}\r\n\r\nevent: x\rid: 7\rdata: 1\rdata: 2\r\r\n\n: c\n\ndata\n\n\
        error: {\"e\":1}\n\ndata: [DONE]";

    fn odd_records() -> Vec<(Option<String>, String)> {
        vec![
            data("{\"a\":\"é\"}"),
            (Some("x".into()), "1\n2".into()),
            data(""),
            (Some("error".into()), "{\"e\":1}".into()),
            data("[DONE]"),
        ]
    }

    #[test]
    fn every_single_split_gives_the_same_records() {
        let bytes = ODD.as_bytes();
        assert_eq!(cut(Framing::Sse, &[bytes]), odd_records());
        for at in 0..=bytes.len() {
            assert_eq!(cut(Framing::Sse, &[&bytes[..at], &bytes[at..]]), odd_records(), "split at {at}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(cut(Framing::Sse, &single), odd_records());
    }

    #[test]
    fn lines_of_json_are_records() {
        let text = "{\"a\":1}\r\n\n  \n{\"b\":\"é\"}\n{\"c\":3}";
        let want = vec![data("{\"a\":1}"), data("{\"b\":\"é\"}"), data("{\"c\":3}")];
        for at in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(at);
            assert_eq!(cut(Framing::Ndjson, &[head, tail]), want, "split at {at}");
        }
    }

    #[test]
    fn objects_of_an_array_are_records() {
        let text = "\u{feff}[{\n  \"a\": \"}]{\\\"\"\n}\n,\r\n{\"b\":[{\"é\":1}]},{\"c\":3}\n]\n";
        let want = vec![data("{\n  \"a\": \"}]{\\\"\"\n}"), data("{\"b\":[{\"é\":1}]}"), data("{\"c\":3}")];
        for at in 0..=text.len() {
            let (head, tail) = text.as_bytes().split_at(at);
            assert_eq!(cut(Framing::Array, &[head, tail]), want, "split at {at}");
        }
        assert_eq!(cut(Framing::Array, &[b"[{\"a\":1},{\"b"]), [data("{\"a\":1}"), data("{\"b")]);
    }

    #[test]
    fn a_record_has_a_limit() {
        let mut framer = Framer::new(Framing::Array, 100);
        let pushed = (0..200).try_for_each(|_| framer.push(b"{\"x\":", &mut Vec::new()));
        assert_eq!(pushed, Err(TooLong { limit: 100 }));
        for framing in [Framing::Sse, Framing::Ndjson] {
            let mut framer = Framer::new(framing, 100);
            let mut records = Vec::new();
            let pushed = (0..200).try_for_each(|_| framer.push(b"data: x", &mut records));
            assert_eq!(pushed, Err(TooLong { limit: 100 }));
        }
    }

    proptest! {
        #[test]
        fn any_split_of_any_bytes(bytes: Vec<u8>, cuts in proptest::collection::vec(0usize..64, 0..6), form in 0usize..3) {
            let framing = [Framing::Sse, Framing::Ndjson, Framing::Array][form];
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut start = 0;
            for at in cuts { pieces.push(&bytes[start..at]); start = at; }
            pieces.push(&bytes[start..]);
            prop_assert_eq!(cut(framing, &pieces), cut(framing, &[&bytes]));
        }
    }
}
