//! Setting single members of a JSON file that may have comments and trailing commas: all other bytes stay as they are.
//!
//! Comments are blanked out in a copy of the same length, so that what is found there has the same place in the file.

use std::ops::Range;

use anyhow::{Context as _, bail};
use bytes::Bytes;

use crate::json::{Json, splice};

/// The file with the member of this path set to a value (JSON text). A value that is there stays when `keep` is set.
pub(super) fn put(text: &str, path: &[String], value: &str, keep: bool) -> anyhow::Result<String> {
    let file = File::read(text)?;
    let mut at = file.root.clone();
    for (depth, step) in path.iter().enumerate() {
        match file.find(&at, step)? {
            Some(found) => at = found,
            None => return file.insert(&at, path.get(depth..).unwrap_or_default(), value),
        }
    }
    if keep || text.get(at.clone()) == Some(value) {
        return Ok(text.to_owned());
    }
    Ok(replaced(text, at, value))
}

/// What is left of the file without the member of this path, blanks and commas: equal for two files that differ in no more.
pub(super) fn without(text: &str, path: &[String]) -> anyhow::Result<String> {
    let file = File::read(text)?;
    let (mut at, mut cut, mut is_there) = (file.root.clone(), None, true);
    for step in path {
        let children = file.children(&at)?;
        let Some(index) = file.index(&children, &at, step)? else {
            is_there = children.is_empty();
            break;
        };
        // An object that holds nothing else goes with it.
        if children.len() > 1 || cut.is_none() {
            cut = children.get(index).map(|child| child.whole.clone());
        }
        at = children.get(index).map_or(0..0, |child| child.value.clone());
    }
    let left = match cut.filter(|_| is_there) {
        Some(range) => replaced(text, range, ""),
        None => text.to_owned(),
    };
    Ok(left.chars().filter(|c| !c.is_whitespace() && *c != ',').collect())
}

fn replaced(text: &str, range: Range<usize>, by: &str) -> String {
    let (before, after) = (text.get(..range.start).unwrap_or_default(), text.get(range.end..).unwrap_or_default());
    format!("{before}{by}{after}")
}

/// A file, and the same without comments.
struct File<'a> {
    text: &'a str,
    plain: Bytes,
    root: Range<usize>,
}

/// A member of an object, or an item of an array.
struct Child {
    /// With its name.
    whole: Range<usize>,
    value: Range<usize>,
}

impl<'a> File<'a> {
    fn read(text: &'a str) -> anyhow::Result<File<'a>> {
        let plain = Bytes::from(plain(text));
        let json = Json::parse(plain.clone()).context("this is not JSON, with or without comments")?;
        let start = plain.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
        let root = start..start + json.bytes().len();
        Ok(File { text, plain, root })
    }

    /// Where the value of this name is, inside the value at `at`.
    fn find(&self, at: &Range<usize>, step: &str) -> anyhow::Result<Option<Range<usize>>> {
        let children = self.children(at)?;
        let index = self.index(&children, at, step)?;
        Ok(index.and_then(|index| children.get(index)).map(|child| child.value.clone()))
    }

    fn index(&self, children: &[Child], at: &Range<usize>, step: &str) -> anyhow::Result<Option<usize>> {
        let is_array = self.plain.get(at.start) == Some(&b'[');
        match item_name(step) {
            Some(name) if is_array => Ok(children.iter().rposition(|child| self.is_named(child, name))),
            None if !is_array => Ok(children.iter().rposition(|child| self.key(child).as_deref() == Some(step))),
            Some(_) => bail!("an array was expected, and it is an object"),
            None => bail!("an object with `{step}` was expected, and it is an array"),
        }
    }

    fn key(&self, child: &Child) -> Option<String> {
        let name = self.plain.slice(child.whole.start..child.value.start);
        let name = std::str::from_utf8(&name).ok()?.trim_end().strip_suffix(':')?.trim_end().to_owned();
        Json::parse(Bytes::from(name)).ok()?.value().string().map(std::borrow::Cow::into_owned)
    }

    fn is_named(&self, child: &Child, name: &str) -> bool {
        let Ok(json) = Json::parse(self.plain.slice(child.value.clone())) else { return false };
        json.value().get("name").and_then(|value| value.string()).as_deref() == Some(name)
    }

    /// The members or items of the value at `at`.
    fn children(&self, at: &Range<usize>) -> anyhow::Result<Vec<Child>> {
        let bytes = self.plain.slice(at.clone());
        match bytes.first() {
            Some(b'{') => {
                let members = splice::members(&bytes).context("an object that can't be read")?;
                let moved = |range: &Range<usize>| range.start + at.start..range.end + at.start;
                let child =
                    |m: &splice::Member| Child { whole: moved(&(m.name.start..m.value.end)), value: moved(&m.value) };
                Ok(members.iter().map(child).collect())
            }
            Some(b'[') => {
                let json = Json::parse(bytes.clone())?;
                let base = json.as_str().as_ptr().addr();
                let range = |item: &str| {
                    let start = at.start + (item.as_ptr().addr() - base);
                    start..start + item.len()
                };
                let child = |item: &str| Child { whole: range(item), value: range(item) };
                Ok(json.value().items().map(|item| child(item.as_str())).collect())
            }
            _ => {
                let value = self.text.get(at.clone()).unwrap_or_default();
                bail!("an object was expected where `{value}` stands")
            }
        }
    }

    /// Adds what the path names at the end of the object or array at `at`, in the file's own layout.
    fn insert(&self, at: &Range<usize>, path: &[String], value: &str) -> anyhow::Result<String> {
        let children = self.children(at)?;
        let unit = self.unit()?;
        let Some((first, last)) = children.first().zip(children.last()) else {
            let outer = self.indentation(at.start);
            let inner = format!("{outer}{unit}");
            let inside = at.start + 1..at.end - 1;
            let is_blank = self.text.get(inside.clone()).is_some_and(|text| text.trim().is_empty());
            // A comment stays, below.
            let gap = if is_blank { inside } else { inside.start..inside.start };
            let end = if is_blank { format!("{}{outer}", self.line_end()) } else { String::new() };
            let child = self.child(path, value, Some((&inner, &unit)));
            return Ok(replaced(self.text, gap, &format!("{}{inner}{child}{end}", self.line_end())));
        };
        let is_below = self.text.get(at.start..first.whole.start).is_some_and(|gap| gap.contains('\n'));
        let indentation = self.indentation(last.whole.start);
        let child = self.child(path, value, is_below.then_some((indentation.as_str(), unit.as_str())));
        let gap = if is_below { format!("{}{indentation}", self.line_end()) } else { " ".to_owned() };
        Ok(replaced(self.text, last.whole.end..last.whole.end, &format!(",{gap}{child}")))
    }

    /// The JSON text of a member or item; on one line without a layout (its indentation, and how much each level adds).
    fn child(&self, path: &[String], value: &str, layout: Option<(&str, &str)>) -> String {
        let Some((step, rest)) = path.split_first() else { return value.to_owned() };
        let named = item_name(step).map(|name| format!("\"name\": {}", Json::string(name).as_str()));
        let inner = layout.map(|(indentation, unit)| (format!("{indentation}{unit}"), unit));
        let inner = inner.as_ref().map(|(indentation, unit)| (indentation.as_str(), *unit));
        let below = if rest.is_empty() { value.to_owned() } else { self.child(rest, value, inner) };
        let (open, close, comma) = match (inner, layout) {
            (Some((inner, _)), Some((outer, _))) => {
                let end = self.line_end();
                (format!("{{{end}{inner}"), format!("{end}{outer}}}"), format!(",{end}{inner}"))
            }
            _ => ("{ ".to_owned(), " }".to_owned(), ", ".to_owned()),
        };
        match named {
            Some(name) => format!("{open}{name}{comma}{below}{close}"),
            None if rest.is_empty() => format!("{}: {below}", Json::string(step).as_str()),
            None => format!("{}: {open}{below}{close}", Json::string(step).as_str()),
        }
    }

    /// How much a level is indented in this file.
    fn unit(&self) -> anyhow::Result<String> {
        let first = self.children(&self.root)?.first().map(|child| self.indentation(child.whole.start));
        Ok(first.filter(|unit| !unit.is_empty()).unwrap_or_else(|| "  ".to_owned()))
    }

    /// The blanks at the start of the line of this place.
    fn indentation(&self, at: usize) -> String {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.rsplit('\n').next().unwrap_or_default();
        line.chars().take_while(|c| *c == ' ' || *c == '\t').collect()
    }

    fn line_end(&self) -> &'static str {
        if self.text.contains("\r\n") { "\r\n" } else { "\n" }
    }
}

/// The name of `[NAME]`.
fn item_name(step: &str) -> Option<&str> {
    step.strip_prefix('[')?.strip_suffix(']')
}

/// The text with blanks for comments and for commas before a closing bracket.
fn plain(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    let (mut at, mut comma) = (0, None);
    while let Some(byte) = bytes.get(at).copied() {
        let end = match (byte, bytes.get(at + 1)) {
            (b'"', _) => end_of_string(&bytes, at),
            (b'/', Some(b'/')) => memchr::memchr(b'\n', bytes.get(at..).unwrap_or_default()).map(|end| at + end),
            (b'/', Some(b'*')) => {
                memchr::memmem::find(bytes.get(at + 2..).unwrap_or_default(), b"*/").map(|end| at + end + 4)
            }
            _ => Some(at + 1),
        };
        let end = end.unwrap_or(bytes.len());
        let is_comment = byte == b'/' && end > at + 1;
        if is_comment {
            let comment = bytes.get_mut(at..end).unwrap_or_default();
            comment.iter_mut().filter(|byte| !matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        } else if !byte.is_ascii_whitespace() {
            if let (b'}' | b']', Some(comma)) = (byte, comma) {
                bytes.get_mut(comma..comma + 1).unwrap_or_default().fill(b' ');
            }
            comma = (byte == b',').then_some(at);
        }
        at = end;
    }
    bytes
}

/// Behind the closing quote of the string that opens at `at`.
fn end_of_string(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
#[path = "jsonc_tests.rs"]
mod tests;
