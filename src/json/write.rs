//! Writing JSON in a fixed field order, straight into bytes.

use std::io::Write as _;

use super::{Json, Text};

/// How strings are escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// The least that JSON asks for.
    Plain,
    /// As Go's encoder writes, and so Ollama: `<`, `>`, `&`, U+2028 and U+2029 as `\u…`, raw values without blanks
    /// (shared facts: Ollama on the wire, section 0).
    Go,
}

/// Builds one JSON value after the other into a buffer; commas are its own care.
pub struct Writer {
    out: Vec<u8>,
    style: Style,
    comma: bool,
}

impl Writer {
    /// An empty buffer.
    pub fn new(style: Style) -> Writer {
        Writer { out: Vec::with_capacity(256), style, comma: false }
    }

    /// Goes on behind what `out` holds; [`Writer::into_bytes`] gives both.
    pub fn behind(out: Vec<u8>, style: Style) -> Writer {
        Writer { out, style, comma: false }
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.out
    }

    /// An object: `body` writes its members by [`Writer::key`] and a value.
    pub fn object(&mut self, body: impl FnOnce(&mut Writer)) {
        self.nested(b'{', b'}', body);
    }

    /// An array: `body` writes its items.
    pub fn array(&mut self, body: impl FnOnce(&mut Writer)) {
        self.nested(b'[', b']', body);
    }

    fn nested(&mut self, open: u8, close: u8, body: impl FnOnce(&mut Writer)) {
        self.separate();
        self.out.push(open);
        self.comma = false;
        body(self);
        self.out.push(close);
        self.comma = true;
    }

    /// The name of the next member.
    pub fn key(&mut self, key: &str) -> &mut Writer {
        self.str(key);
        self.out.push(b':');
        self.comma = false;
        self
    }

    /// A string.
    pub fn str(&mut self, text: &str) {
        self.separate();
        self.out.push(b'"');
        escape(&mut self.out, text, self.style);
        self.out.push(b'"');
    }

    /// A string in the form it came in.
    pub fn text(&mut self, text: &Text) {
        let Some(literal) = text.literal() else {
            return self.str(&text.as_str());
        };
        self.separate();
        self.out.push(b'"');
        match self.style {
            Style::Plain => self.out.extend_from_slice(literal.as_bytes()),
            Style::Go => copy_go(&mut self.out, literal),
        }
        self.out.push(b'"');
    }

    /// Several texts as one string.
    pub fn texts<'a>(&mut self, texts: impl IntoIterator<Item = &'a Text>) {
        self.separate();
        self.out.push(b'"');
        for text in texts {
            match (text.literal(), self.style) {
                (Some(literal), Style::Plain) => self.out.extend_from_slice(literal.as_bytes()),
                (Some(literal), Style::Go) => copy_go(&mut self.out, literal),
                (None, style) => escape(&mut self.out, &text.as_str(), style),
            }
        }
        self.out.push(b'"');
    }

    /// A value as it came.
    pub fn json(&mut self, json: &Json) {
        self.raw(json.as_str());
    }

    /// JSON text, known to be one valid value.
    pub fn raw(&mut self, text: &str) {
        self.separate();
        match self.style {
            Style::Plain => self.out.extend_from_slice(text.as_bytes()),
            Style::Go => copy_go_compact(&mut self.out, text),
        }
    }

    /// An integer.
    pub fn int(&mut self, number: impl Into<i128>) {
        self.separate();
        // Writing to memory can't fail.
        let _ = write!(self.out, "{}", number.into());
    }

    /// A float, in the shortest form that reads back the same; `null` where JSON has no form for it.
    pub fn float(&mut self, number: f64) {
        self.separate();
        let text = serde_json::to_string(&number).unwrap_or_else(|_| "null".to_owned());
        self.out.extend_from_slice(text.as_bytes());
    }

    /// `true` or `false`.
    pub fn bool(&mut self, value: bool) {
        self.separate();
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// `null`.
    pub fn null(&mut self) {
        self.separate();
        self.out.extend_from_slice(b"null");
    }

    fn separate(&mut self) {
        if self.comma {
            self.out.push(b',');
        }
        self.comma = true;
    }
}

fn escape(out: &mut Vec<u8>, text: &str, style: Style) {
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        let short: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x8 => b"\\b",
            0xc => b"\\f",
            0..=0x1f => b"",
            b'<' | b'>' | b'&' if style == Style::Go => b"",
            0xe2 if style == Style::Go && is_line_separator(text.as_bytes(), at) => b"",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[copied..at]);
        copied = at + 1;
        match (short, byte) {
            (b"", 0xe2) => copied = at + push_line_separator(out, text.as_bytes(), at),
            (b"", byte) => push_unicode(out, u32::from(byte)),
            (short, _) => out.extend_from_slice(short),
        }
    }
    out.extend_from_slice(&text.as_bytes()[copied..]);
}

/// Copies the inside of a literal; what Go escapes and JSON doesn't ask for can't stand behind a backslash.
fn copy_go(out: &mut Vec<u8>, literal: &str) {
    let bytes = literal.as_bytes();
    if memchr::memchr3(b'<', b'>', b'&', bytes).is_none() && memchr::memmem::find(bytes, b"\xe2\x80").is_none() {
        return out.extend_from_slice(bytes);
    }
    let mut copied = 0;
    for (at, byte) in literal.bytes().enumerate() {
        match byte {
            b'<' | b'>' | b'&' => {
                out.extend_from_slice(&bytes[copied..at]);
                push_unicode(out, u32::from(byte));
                copied = at + 1;
            }
            0xe2 if is_line_separator(bytes, at) => {
                out.extend_from_slice(&bytes[copied..at]);
                copied = at + push_line_separator(out, bytes, at);
            }
            _ => {}
        }
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// Copies a whole value: strings as [`copy_go`] does, blanks between them left out.
fn copy_go_compact(out: &mut Vec<u8>, text: &str) {
    let mut at = 0;
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => {
                let end = super::scan::end_of_string(bytes, at);
                copy_go(out, &text[at..end]);
                at = end;
                continue;
            }
            b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => out.push(byte),
        }
        at += 1;
    }
}

fn is_line_separator(bytes: &[u8], at: usize) -> bool {
    matches!(bytes.get(at..at + 3), Some([0xe2, 0x80, 0xa8 | 0xa9]))
}

/// Writes the escape of U+2028 or U+2029 that stands at `at`; says how many bytes that was.
fn push_line_separator(out: &mut Vec<u8>, bytes: &[u8], at: usize) -> usize {
    push_unicode(out, if bytes.get(at + 2) == Some(&0xa8) { 0x2028 } else { 0x2029 });
    3
}

fn push_unicode(out: &mut Vec<u8>, code: u32) {
    let _ = write!(out, "\\u{code:04x}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(style: Style, body: impl FnOnce(&mut Writer)) -> String {
        let mut writer = Writer::new(style);
        body(&mut writer);
        String::from_utf8(writer.into_bytes()).unwrap()
    }

    #[test]
    fn commas_and_order() {
        let text = written(Style::Plain, |w| {
            w.object(|w| {
                w.key("a").int(1);
                w.key("b").array(|w| {
                    w.str("x");
                    w.null();
                    w.object(|_| {});
                });
                w.key("c").bool(true);
            });
        });
        assert_eq!(text, r#"{"a":1,"b":["x",null,{}],"c":true}"#);
    }

    #[test]
    fn go_escapes_what_browsers_read() {
        let raw = Json::known(r#"{ "a": "<b>\n&\u2028" , "c": 1.50 }"#);
        assert_eq!(written(Style::Go, |w| w.json(&raw)), r#"{"a":"\u003cb\u003e\n\u0026\u2028","c":1.50}"#);
        assert_eq!(written(Style::Go, |w| w.str("é<\u{2029}\u{1}")), r#""é\u003c\u2029\u0001""#);
        assert_eq!(written(Style::Plain, |w| w.str("é<\u{2029}\u{1}")), "\"é<\u{2029}\\u0001\"");
    }

    proptest::proptest! {
        #[test]
        fn strings_read_back(text: String) {
            for style in [Style::Plain, Style::Go] {
                let read: String = serde_json::from_str(&written(style, |w| w.str(&text))).unwrap();
                proptest::prop_assert_eq!(&read, &text);
            }
        }
    }
}
