//! Walking over JSON text that is known to be valid: where does a value end, what comes next.

use std::borrow::Cow;

use bytes::Bytes;

use super::Value;
use super::text::unescape;

/// The members of an object, one after the other.
pub struct Members<'a> {
    doc: &'a Bytes,
    text: &'a str,
    at: usize,
}

impl<'a> Members<'a> {
    pub(super) fn new(doc: &'a Bytes, text: &'a str) -> Self {
        let at = if text.starts_with('{') { 1 } else { text.len() };
        Members { doc, text, at }
    }
}

impl<'a> Iterator for Members<'a> {
    type Item = (Cow<'a, str>, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        let key_start = skip_any(bytes, self.at, b",");
        if bytes.get(key_start) != Some(&b'"') {
            self.at = bytes.len();
            return None;
        }
        let key_end = end_of_string(bytes, key_start);
        let value_start = skip_any(bytes, key_end, b":");
        let value_end = end_of_value(bytes, value_start);
        self.at = value_end;
        let key = self.text.get(key_start + 1..key_end - 1)?;
        let text = self.text.get(value_start..value_end)?;
        Some((unescape(key), Value { doc: self.doc, text }))
    }
}

/// The items of an array, one after the other.
pub struct Items<'a> {
    doc: &'a Bytes,
    text: &'a str,
    at: usize,
}

impl<'a> Items<'a> {
    pub(super) fn new(doc: &'a Bytes, text: &'a str) -> Self {
        let at = if text.starts_with('[') { 1 } else { text.len() };
        Items { doc, text, at }
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let bytes = self.text.as_bytes();
        let start = skip_any(bytes, self.at, b",");
        if matches!(bytes.get(start), None | Some(b']')) {
            self.at = bytes.len();
            return None;
        }
        let end = end_of_value(bytes, start);
        self.at = end;
        self.text.get(start..end).map(|text| Value { doc: self.doc, text })
    }
}

/// The first place from `at` on that is neither blank nor one of `also`.
pub(super) fn skip_any(bytes: &[u8], mut at: usize, also: &[u8]) -> usize {
    while let Some(byte) = bytes.get(at) {
        if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') && !also.contains(byte) {
            break;
        }
        at += 1;
    }
    at
}

/// The place behind the closing quote of the string that opens at `start`; the end of the text when it never closes.
pub(super) fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return at + 1;
        }
        at += 2;
    }
    bytes.len()
}

/// The place behind the value that begins at `start`. Depth is counted, not recursed into.
pub(super) fn end_of_value(bytes: &[u8], start: usize) -> usize {
    match bytes.get(start) {
        Some(b'"') => end_of_string(bytes, start),
        Some(b'{' | b'[') => end_of_nested(bytes, start),
        _ => {
            let rest = bytes.get(start..).unwrap_or_default();
            let ends = |b: &u8| matches!(b, b',' | b'}' | b']' | b':' | b' ' | b'\t' | b'\n' | b'\r' | b'"');
            rest.iter().position(ends).map_or(bytes.len(), |len| start + len)
        }
    }
}

fn end_of_nested(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0usize;
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = end_of_string(bytes, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}
