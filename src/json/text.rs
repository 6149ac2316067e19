//! Text that crosses the gateway: the JSON string literal as it came, or a string of our own.

use std::borrow::Cow;

use bytes::Bytes;

/// A string, kept in the form in which it arrived.
///
/// A prompt, an image or a delta that only moves from one dialect to another is never unescaped: it is the inside of a JSON
/// string literal, a slice of the received bytes, and goes out as it is. Only who must look inside asks for
/// [`Text::as_str`].
#[derive(Clone)]
pub struct Text(Repr);

#[derive(Clone)]
enum Repr {
    /// The inside of a valid JSON string literal, without its quotes.
    Raw(Bytes),
    Plain(String),
}

impl Text {
    /// The inside of a valid JSON string literal, without its quotes.
    pub(super) fn raw(inner: Bytes) -> Text {
        Text(Repr::Raw(inner))
    }

    /// The text with nothing in it.
    pub fn empty() -> Text {
        Text(Repr::Raw(Bytes::new()))
    }

    /// Is there nothing in it?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of bytes in the form it is kept in: exact for plain text, a little high for escaped text.
    pub fn len(&self) -> usize {
        match &self.0 {
            Repr::Raw(inner) => inner.len(),
            Repr::Plain(text) => text.len(),
        }
    }

    /// The text itself, unescaped where it must be. Lone surrogates become U+FFFD.
    pub fn as_str(&self) -> Cow<'_, str> {
        match &self.0 {
            Repr::Raw(inner) => unescape(std::str::from_utf8(inner).unwrap_or_default()),
            Repr::Plain(text) => Cow::Borrowed(text),
        }
    }

    /// The texts before and behind the first comma: it never is part of an escape, so both stay as they came.
    pub fn split_at_comma(&self) -> Option<(Text, Text)> {
        match &self.0 {
            Repr::Raw(inner) => {
                let at = memchr::memchr(b',', inner)?;
                Some((Text::raw(inner.slice(..at)), Text::raw(inner.slice(at + 1..))))
            }
            Repr::Plain(text) => text.split_once(',').map(|(before, behind)| (before.into(), behind.into())),
        }
    }

    /// The inside of the literal, when it is kept as one.
    pub(super) fn literal(&self) -> Option<&str> {
        match &self.0 {
            Repr::Raw(inner) => Some(std::str::from_utf8(inner).unwrap_or_default()),
            Repr::Plain(_) => None,
        }
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text(Repr::Plain(text))
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(Repr::Plain(text.to_owned()))
    }
}

/// Equality of what is said, however it is escaped.
impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.as_str() == other.as_str()
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl std::fmt::Display for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.as_str())
    }
}

/// Reads the escapes of the inside of a JSON string literal.
pub(super) fn unescape(inner: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', inner.as_bytes()) else {
        return Cow::Borrowed(inner);
    };
    let (before, mut rest) = inner.split_at(first);
    let mut out = String::with_capacity(inner.len());
    out.push_str(before);
    while let Some(found) = memchr::memchr(b'\\', rest.as_bytes()) {
        out.push_str(&rest[..found]);
        let (read, used) = escape_at(&rest[found..]);
        out.push(read);
        rest = rest.get(found + used..).unwrap_or_default();
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The character that the escape at the head of `text` stands for, and the bytes it takes.
fn escape_at(text: &str) -> (char, usize) {
    match text.as_bytes().get(1) {
        Some(b'n') => ('\n', 2),
        Some(b't') => ('\t', 2),
        Some(b'r') => ('\r', 2),
        Some(b'b') => ('\u{8}', 2),
        Some(b'f') => ('\u{c}', 2),
        Some(b'u') => unicode_escape(text),
        Some(&other) => (char::from(other), 2),
        None => ('\\', 1),
    }
}

fn unicode_escape(text: &str) -> (char, usize) {
    let unit = |at: usize| text.get(at..at + 4).and_then(|hex| u32::from_str_radix(hex, 16).ok());
    let Some(high) = unit(2) else {
        return (char::REPLACEMENT_CHARACTER, text.len().min(6));
    };
    if let Some(character) = char::from_u32(high) {
        return (character, 6);
    }
    let low = if text.get(6..8) == Some("\\u") { unit(8) } else { None };
    match (high, low) {
        (0xD800..=0xDBFF, Some(low @ 0xDC00..=0xDFFF)) => {
            let code = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
            (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
        }
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_read() {
        assert_eq!(unescape(r#"a\n\"\\\/\u00e9\ud83d\ude00z"#), "a\n\"\\/é😀z");
        assert_eq!(unescape(r"\ud800x\udc00"), "\u{fffd}x\u{fffd}");
    }

    #[test]
    fn a_text_is_split_as_it_came() {
        let json = crate::json::Json::known(r#""data:image\/png;base64,ab\/c,d""#);
        let (before, behind) = json.value().text().unwrap().split_at_comma().unwrap();
        assert_eq!((before.literal(), behind.literal()), (Some(r"data:image\/png;base64"), Some(r"ab\/c,d")));
        assert!(Text::from("no").split_at_comma().is_none());
    }

    proptest::proptest! {
        #[test]
        fn what_serde_escapes_is_read_back(text: String) {
            let literal = serde_json::to_string(&text).unwrap();
            proptest::prop_assert_eq!(unescape(&literal[1..literal.len() - 1]), text);
        }
    }
}
