//! What Go's JSON decoder finds wrong with a document, in its words.
//!
//! A server written in Go may hand these texts to its clients as they are, as Ollama does: one that passes for it says the
//! same. Go reads the first value of a body and leaves the rest alone; it scans byte by byte and stops at the first that
//! can't be.

use std::ops::Range;

use bytes::Bytes;

use crate::json::Json;

/// Why Go reads no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::dialect) enum SyntaxError {
    /// There is nothing but blanks.
    Empty,
    /// Go's text.
    Text(String),
}

/// Go refuses documents that nest deeper.
const DEPTH_MAX: usize = 10_000;

/// The first value of a body as Go's decoder takes it. Bytes that are no UTF-8 become U+FFFD, as they do there.
pub(in crate::dialect) fn first_value(body: &Bytes) -> Result<Json, SyntaxError> {
    let range = scan(body)?;
    let value = body.slice(range);
    let value = match std::str::from_utf8(&value) {
        Ok(_) => value,
        Err(_) => Bytes::from(String::from_utf8_lossy(&value).into_owned()),
    };
    Json::parse(value).map_err(|error| SyntaxError::Text(error.message))
}

/// What the scanner waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    Value,
    /// A value or the end of an array.
    ValueOrEnd,
    Key,
    /// A key or the end of an object.
    KeyOrEnd,
    Colon,
    /// A comma or the end of what is open.
    Next,
}

/// Where the first value stands.
fn scan(bytes: &[u8]) -> Result<Range<usize>, SyntaxError> {
    let start = skip_blanks(bytes, 0);
    if start == bytes.len() {
        return Err(SyntaxError::Empty);
    }
    let mut scanner = Scanner { bytes, at: start, open: Vec::new(), wants: Wants::Value };
    while !scanner.step()? {}
    Ok(start..scanner.at)
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Closing brackets of what is open, the innermost last.
    open: Vec<u8>,
    wants: Wants,
}

impl Scanner<'_> {
    /// Takes one token in; true when the value is complete.
    fn step(&mut self) -> Result<bool, SyntaxError> {
        self.at = skip_blanks(self.bytes, self.at);
        let byte = self.peek()?;
        match (self.wants, byte) {
            (Wants::ValueOrEnd, b']') | (Wants::KeyOrEnd, b'}') => self.close(),
            (Wants::Value | Wants::ValueOrEnd, _) => self.value(byte)?,
            (Wants::Key | Wants::KeyOrEnd, b'"') => {
                self.string()?;
                self.wants = Wants::Colon;
            }
            (Wants::Key | Wants::KeyOrEnd, _) => return Err(wrong(byte, "looking for beginning of object key string")),
            (Wants::Colon, b':') => self.pass(Wants::Value),
            (Wants::Colon, _) => return Err(wrong(byte, "after object key")),
            (Wants::Next, _) => self.next(byte)?,
        }
        Ok(self.wants == Wants::Next && self.open.is_empty())
    }

    fn peek(&self) -> Result<u8, SyntaxError> {
        self.bytes.get(self.at).copied().ok_or_else(|| SyntaxError::Text("unexpected EOF".to_owned()))
    }

    fn pass(&mut self, wants: Wants) {
        self.at += 1;
        self.wants = wants;
    }

    fn close(&mut self) {
        self.open.pop();
        self.pass(Wants::Next);
    }

    fn next(&mut self, byte: u8) -> Result<(), SyntaxError> {
        let in_object = self.open.last() == Some(&b'}');
        match byte {
            b',' if in_object => self.pass(Wants::Key),
            b',' => self.pass(Wants::Value),
            b'}' if in_object => self.close(),
            b']' if !in_object => self.close(),
            _ if in_object => return Err(wrong(byte, "after object key:value pair")),
            _ => return Err(wrong(byte, "after array element")),
        }
        Ok(())
    }

    fn value(&mut self, byte: u8) -> Result<(), SyntaxError> {
        match byte {
            b'{' => return self.enter(b'}', Wants::KeyOrEnd),
            b'[' => return self.enter(b']', Wants::ValueOrEnd),
            b'"' => self.string()?,
            b't' => self.literal("true")?,
            b'f' => self.literal("false")?,
            b'n' => self.literal("null")?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => return Err(wrong(byte, "looking for beginning of value")),
        }
        self.wants = Wants::Next;
        Ok(())
    }

    fn enter(&mut self, closing: u8, wants: Wants) -> Result<(), SyntaxError> {
        self.open.push(closing);
        if self.open.len() > DEPTH_MAX {
            return Err(SyntaxError::Text("exceeded max depth".to_owned()));
        }
        self.pass(wants);
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Result<(), SyntaxError> {
        for want in word.bytes() {
            let byte = self.peek()?;
            if byte != want {
                return Err(wrong(byte, &format!("in literal {word} (expecting {})", quoted_char(want))));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), SyntaxError> {
        self.at += 1;
        loop {
            self.at += plain_len(self.bytes.get(self.at..).unwrap_or_default());
            let byte = self.peek()?;
            self.at += 1;
            match byte {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                _ => return Err(wrong(byte, "in string literal")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        let byte = self.peek()?;
        self.at += 1;
        match byte {
            b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => Ok(()),
            b'u' => (0..4).try_for_each(|_| {
                let digit = self.peek()?;
                self.at += 1;
                if digit.is_ascii_hexdigit() {
                    return Ok(());
                }
                Err(wrong(digit, "in \\u hexadecimal character escape"))
            }),
            _ => Err(wrong(byte, "in string escape code")),
        }
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        if self.peek()? == b'-' {
            self.at += 1;
        }
        // A zero stands alone: a digit after it is no part of the number.
        if self.peek()? == b'0' {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    /// One digit at the least.
    fn digits(&mut self, place: &str) -> Result<(), SyntaxError> {
        let byte = self.peek()?;
        if !byte.is_ascii_digit() {
            return Err(wrong(byte, place));
        }
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }
}

/// How many bytes can stand in a string as they are. Prompts and images are long: they are passed over many bytes at a time.
fn plain_len(bytes: &[u8]) -> usize {
    let len = memchr::memchr2(b'"', b'\\', bytes).unwrap_or(bytes.len());
    let plain = bytes.get(..len).unwrap_or_default();
    let is_control = |byte: &u8| *byte < 0x20;
    // Without an early end, so that the compiler can look at many bytes at once.
    let has_control = plain.iter().fold(false, |found, byte| found | is_control(byte));
    if has_control { plain.iter().position(is_control).unwrap_or(len) } else { len }
}

fn skip_blanks(bytes: &[u8], mut at: usize) -> usize {
    while matches!(bytes.get(at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
        at += 1;
    }
    at
}

fn wrong(byte: u8, place: &str) -> SyntaxError {
    SyntaxError::Text(format!("invalid character {} {place}", quoted_char(byte)))
}

/// A byte as Go shows it: as the character of that number, in single quotes.
fn quoted_char(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        _ => {
            let double = quoted(&char::from(byte).to_string());
            format!("'{}'", double.trim_matches('"'))
        }
    }
}

/// Text in double quotes, as Go's `%q` shows it.
pub(in crate::dialect) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            ' ' => out.push(' '),
            c if u32::from(c) < 0x20 || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() || c.is_whitespace() || c == '\u{ad}' || c == '\u{feff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Where Go's decoder of standard base64 stops; `None` when it reads the whole. Line ends are passed over.
pub(in crate::dialect) fn base64_error(text: &[u8]) -> Option<usize> {
    let is_line_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let skip = |mut at: usize| {
        while text.get(at).is_some_and(is_line_end) {
            at += 1;
        }
        at
    };
    let mut at = 0;
    let mut in_quantum = 0;
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => in_quantum = (in_quantum + 1) % 4,
            b'\n' | b'\r' => {}
            b'=' if in_quantum >= 2 => {
                if in_quantum == 2 {
                    at = skip(at);
                    match text.get(at) {
                        None => return Some(text.len()),
                        Some(b'=') => at += 1,
                        Some(_) => return Some(at - 1),
                    }
                }
                at = skip(at);
                return (at < text.len()).then_some(at);
            }
            _ => return Some(at - 1),
        }
    }
    (in_quantum > 0).then(|| text.len() - in_quantum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &'static [u8]) -> String {
        match first_value(&Bytes::from_static(body)) {
            Ok(json) => format!("ok {}", json.as_str()),
            Err(SyntaxError::Empty) => "empty".to_owned(),
            Err(SyntaxError::Text(text)) => text,
        }
    }

    #[test]
    fn broken_documents_are_named_in_go_s_words() {
        let rows: [(&'static [u8], &str); 24] = [
            (b"", "empty"),
            (b" \n\t", "empty"),
            (b"hello", "invalid character 'h' looking for beginning of value"),
            (b"\xef\xbb\xbf{}", "invalid character 'ï' looking for beginning of value"),
            (b"{\"a\": 1", "unexpected EOF"),
            (b"{\"a\": nul", "unexpected EOF"),
            (b"{\"a\": nxll}", "invalid character 'x' in literal null (expecting 'u')"),
            (b"{a:1}", "invalid character 'a' looking for beginning of object key string"),
            (b"{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            (b"{\"a\" 1}", "invalid character '1' after object key"),
            (b"{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"),
            (b"[1 2]", "invalid character '2' after array element"),
            (b"[1,]", "invalid character ']' looking for beginning of value"),
            (b"['x']", "invalid character '\\'' looking for beginning of value"),
            (b"[\"a\nb\"]", "invalid character '\\n' in string literal"),
            (b"[\"\\x\"]", "invalid character 'x' in string escape code"),
            (b"[\"\\u12g4\"]", "invalid character 'g' in \\u hexadecimal character escape"),
            (b"[-x]", "invalid character 'x' in numeric literal"),
            (b"[1.]", "invalid character ']' after decimal point in numeric literal"),
            (b"[1e+]", "invalid character ']' in exponent of numeric literal"),
            (b"[01]", "invalid character '1' after array element"),
            (b"[\x01]", "invalid character '\\x01' looking for beginning of value"),
            (b" {\"a\":[1,-0.5e3]} trailing", "ok {\"a\":[1,-0.5e3]}"),
            (b"[\"\xff\"]", "ok [\"\u{fffd}\"]"),
        ];
        for (body, want) in rows {
            assert_eq!(error(body), want, "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn base64_stops_where_go_stops() {
        let rows: [(&str, Option<usize>); 12] = [
            ("", None),
            ("QUJD", None),
            ("QU\nJD\r\n", None),
            ("QUI=", None),
            ("QQ==", None),
            ("data:image/png;base64,QQ==", Some(4)),
            ("not base64!", Some(3)),
            ("QUJ", Some(0)),
            ("QUJDQQ", Some(4)),
            ("QQ=", Some(3)),
            ("QQ=x", Some(2)),
            ("QQ==x", Some(4)),
        ];
        for (text, want) in rows {
            assert_eq!(base64_error(text.as_bytes()), want, "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let body = Bytes::from("[".repeat(20_000));
        assert_eq!(first_value(&body), Err(SyntaxError::Text("exceeded max depth".to_owned())));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = first_value(&Bytes::from(bytes.clone()));
            let _ = base64_error(&bytes);
        }

        #[test]
        fn json_alphabet_is_read_or_refused(text in r#"[\[\]{}:,"0-9eE+.\\untrfals -]{0,40}"#) {
            let ours = first_value(&Bytes::from(text.clone()));
            if let Ok(json) = &ours {
                // What we take, another reader takes.
                let read: Result<serde_json::Value, _> = serde_json::from_str(json.as_str());
                proptest::prop_assert!(read.is_ok() || json.as_str().contains("\\u") || json.as_str().contains('e') || json.as_str().contains('E'));
            }
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                proptest::prop_assert!(ours.is_ok());
            }
        }
    }
}
