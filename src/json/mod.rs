//! JSON as text: views into received bytes, string literals that travel escaped, a writer, and edits in place.
//!
//! Nothing here builds a tree. A [`Json`] is one valid JSON value, kept as the slice of the bytes it came in; a
//! [`Value`] looks into it, and reads only what it is asked for. This is what lets numbers keep their text form, schemas
//! their key order, and prompts and images cross the gateway without being unescaped.
//!
//! This module knows no dialect.

mod scan;
pub mod splice;
mod text;
mod write;

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use serde_json::value::RawValue;

pub use scan::{Items, Members};
pub use text::Text;
pub use write::{Style, Writer};

/// One JSON value, checked to be valid, as the slice of the bytes it came in (blanks around it cut off).
#[derive(Clone)]
pub struct Json(Bytes);

/// Why bytes are not JSON.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("{message} at line {line} column {column}")]
pub struct ParseError {
    /// What was wrong, without the place.
    pub message: String,
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in bytes.
    pub column: usize,
    /// The text ended too early, rather than being wrong somewhere.
    pub is_eof: bool,
}

impl Json {
    /// Checks that `bytes` hold exactly one JSON value (RFC 8259) in UTF-8, and keeps them.
    pub fn parse(bytes: Bytes) -> Result<Json, ParseError> {
        let raw: &RawValue = serde_json::from_slice(&bytes).map_err(|e| {
            let full = e.to_string();
            let message = full.split(" at line ").next().unwrap_or("not JSON").to_owned();
            ParseError { message, line: e.line(), column: e.column(), is_eof: e.is_eof() }
        })?;
        let value = bytes.slice_ref(raw.get().as_bytes());
        Ok(Json(value))
    }

    /// A value from text that is known to be JSON, such as a literal or the output of [`Writer`].
    ///
    /// Text that is not JSON becomes `null`.
    pub fn known(text: impl Into<Bytes>) -> Json {
        Json::parse(text.into()).unwrap_or_else(|_| Json(Bytes::from_static(b"null")))
    }

    /// The JSON string that says `text`.
    pub fn string(text: &str) -> Json {
        let mut writer = Writer::new(Style::Plain);
        writer.str(text);
        Json(Bytes::from(writer.into_bytes()))
    }

    /// A view of the value.
    pub fn value(&self) -> Value<'_> {
        Value { doc: &self.0, text: std::str::from_utf8(&self.0).unwrap_or("null") }
    }

    /// The JSON text.
    pub fn as_str(&self) -> &str {
        self.value().text
    }

    /// The bytes of the JSON text.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }
}

impl std::fmt::Debug for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Equality of the text, not of the meaning.
impl PartialEq for Json {
    fn eq(&self, other: &Json) -> bool {
        self.0 == other.0
    }
}

/// What sort of value a [`Value`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// Any number; its text form is kept.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// A borrowed view of a value inside a valid JSON document.
#[derive(Clone, Copy)]
pub struct Value<'a> {
    doc: &'a Bytes,
    text: &'a str,
}

impl<'a> Value<'a> {
    /// What sort of value it is.
    pub fn kind(self) -> Kind {
        match self.text.as_bytes().first() {
            Some(b'"') => Kind::String,
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// Is it `null`?
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// The JSON text of the value.
    pub fn as_str(self) -> &'a str {
        self.text
    }

    /// The value on its own: shares the memory of the document.
    pub fn to_json(self) -> Json {
        Json(self.doc.slice_ref(self.text.as_bytes()))
    }

    /// The members of an object, in their order, duplicates and `null`s too; nothing for other kinds.
    pub fn members(self) -> Members<'a> {
        Members::new(self.doc, self.text)
    }

    /// The items of an array; nothing for other kinds.
    pub fn items(self) -> Items<'a> {
        Items::new(self.doc, self.text)
    }

    /// The member called `key`; the last one when it stands there twice; none when it is `null`.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        self.members().filter(|(k, _)| k == key).last().map(|(_, v)| v).filter(|v| !v.is_null())
    }

    /// [`Value::get`] along a path of keys.
    pub fn path(self, keys: &[&str]) -> Option<Value<'a>> {
        keys.iter().try_fold(self, |value, key| value.get(key))
    }

    /// The string as it travels: still escaped, sharing the memory of the document.
    pub fn text(self) -> Option<Text> {
        let inner = self.literal()?;
        Some(Text::raw(self.doc.slice_ref(inner.as_bytes())))
    }

    /// The string, unescaped.
    pub fn string(self) -> Option<Cow<'a, str>> {
        self.literal().map(text::unescape)
    }

    fn literal(self) -> Option<&'a str> {
        self.text.strip_prefix('"')?.strip_suffix('"')
    }

    /// The value of `true` and `false`.
    pub fn bool(self) -> Option<bool> {
        match self.text {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// A number as an integer; one with a fraction is cut.
    pub fn int(self) -> Option<i64> {
        if self.kind() != Kind::Number {
            return None;
        }
        self.text.parse().ok().or_else(|| self.text.parse::<f64>().ok().map(|f| f as i64))
    }

    /// A number as a float.
    pub fn float(self) -> Option<f64> {
        if self.kind() == Kind::Number { self.text.parse().ok() } else { None }
    }

    /// Where it stands in the bytes that it is a view of; `None` where it is a view of others.
    pub fn place_in(self, bytes: &[u8]) -> Option<Range<usize>> {
        let start = self.text.as_ptr().addr().checked_sub(bytes.as_ptr().addr())?;
        let end = start.checked_add(self.text.len())?;
        (end <= bytes.len()).then_some(start..end)
    }

    /// The JSON text without the blanks between its tokens.
    pub fn compact(self) -> String {
        let mut out = String::with_capacity(self.text.len());
        let mut is_string = false;
        let mut is_escaped = false;
        for c in self.text.chars() {
            match c {
                ' ' | '\t' | '\n' | '\r' if !is_string => continue,
                '"' if !is_escaped => is_string = !is_string,
                _ => {}
            }
            is_escaped = c == '\\' && !is_escaped;
            out.push(c);
        }
        out
    }
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_reads_what_it_is_asked_for() {
        let json = Json::known(r#" {"a":1,"b":[true,null,"x\u0041"],"a":2.50,"n":null,"o":{"p":"q"}} "#);
        let value = json.value();
        assert_eq!(value.get("a").map(Value::as_str), Some("2.50"));
        assert_eq!(value.get("a").and_then(Value::int), Some(2));
        assert!(value.get("n").is_none());
        assert_eq!(value.path(&["o", "p"]).and_then(Value::string).as_deref(), Some("q"));
        let items: Vec<&str> = value.get("b").map(|b| b.items().map(Value::as_str).collect()).unwrap_or_default();
        assert_eq!(items, ["true", "null", r#""x\u0041""#]);
    }

    #[test]
    fn a_value_knows_its_place() {
        let bytes = Bytes::from_static(br#" {"a" : [ 7 ]}"#);
        let json = Json::parse(bytes.clone()).unwrap();
        let list = json.value().get("a").unwrap();
        assert_eq!(list.place_in(&bytes), Some(8..13));
        assert_eq!(list.place_in(&bytes.slice(..10)), None);
        assert_eq!(list.place_in(&bytes.slice(10..)), None);
    }

    #[test]
    fn blanks_in_strings_stay() {
        let json = Json::known("{ \"a b\" : [ 1 ,\n \"c \\\" d\\\\\" , 2.50 ] }");
        assert_eq!(json.value().compact(), r#"{"a b":[1,"c \" d\\",2.50]}"#);
    }

    #[test]
    fn what_is_not_json_says_where() {
        let error = Json::parse(Bytes::from_static(b"{\n \"a\": x}")).unwrap_err();
        assert_eq!((error.line, error.column, error.is_eof), (2, 7, false));
        assert!(Json::parse(Bytes::from_static(b"{\"a\":")).unwrap_err().is_eof);
        assert!(Json::parse(Bytes::from_static(b"\"\xff\"")).is_err());
    }
}
