//! Changing single top-level members of a JSON object in the bytes it came in: all other bytes stay as they are.
//!
//! The body is not checked here: whoever gets it next reports what is wrong with it.

use std::ops::Range;

use bytes::Bytes;

use super::scan::{end_of_string, end_of_value, skip_any};
use super::text::unescape;

/// Where a top-level member stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name, unescaped.
    pub key: String,
    /// The quoted name.
    pub name: Range<usize>,
    /// The value, without blanks around it.
    pub value: Range<usize>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Another value for the member with this index.
    Value(usize, String),
    /// Another name for the member with this index.
    Name(usize, String),
    /// The member with this index goes.
    Remove(usize),
    /// A member more, at the end: name and JSON text.
    Insert(String, String),
    /// Another text for a range inside a member's value.
    Range(Range<usize>, String),
}

/// The top-level members of the object in `bytes`, duplicates too; `None` when there is no object.
pub fn members(bytes: &[u8]) -> Option<Vec<Member>> {
    let mut at = skip_any(bytes, 0, b"");
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    at += 1;
    let mut found = Vec::new();
    loop {
        let start = skip_any(bytes, at, b",");
        match bytes.get(start) {
            Some(b'"') => {}
            Some(b'}') => return Some(found),
            _ => return None,
        }
        let name_end = end_of_string(bytes, start);
        let colon = skip_any(bytes, name_end, b"");
        if bytes.get(colon) != Some(&b':') {
            return None;
        }
        let value_start = skip_any(bytes, colon + 1, b"");
        let value_end = end_of_value(bytes, value_start);
        if value_end == value_start {
            return None;
        }
        let key = std::str::from_utf8(bytes.get(start + 1..name_end.saturating_sub(1))?).ok()?;
        found.push(Member { key: unescape(key).into_owned(), name: start..name_end, value: value_start..value_end });
        at = value_end;
    }
}

/// The bytes with the edits made. `members` is what [`members`] found in these same bytes.
pub fn apply(bytes: &Bytes, members: &[Member], edits: &[Edit]) -> Bytes {
    if edits.is_empty() {
        return bytes.clone();
    }
    let removed = |index: usize| edits.iter().any(|e| matches!(e, Edit::Remove(i) if *i == index));
    let mut changes: Vec<(Range<usize>, String)> = Vec::new();
    let mut inserted = String::new();
    for edit in edits {
        match edit {
            Edit::Value(i, text) => changes.extend(members.get(*i).map(|m| (m.value.clone(), text.clone()))),
            Edit::Name(i, name) => {
                let quoted = serde_json::to_string(name).unwrap_or_default();
                changes.extend(members.get(*i).map(|m| (m.name.clone(), quoted)));
            }
            Edit::Remove(i) => changes.extend(removal(members, *i, &removed).map(|range| (range, String::new()))),
            Edit::Insert(name, text) => {
                let quoted = serde_json::to_string(name).unwrap_or_default();
                inserted.push_str(&format!(",{quoted}:{text}"));
            }
            Edit::Range(range, text) => changes.push((range.clone(), text.clone())),
        }
    }
    if !inserted.is_empty() {
        changes.push(insertion(bytes, members, &removed, inserted));
    }
    // An insertion goes behind what ends where it begins.
    changes.sort_by_key(|(range, _)| (range.start, range.end));
    replace(bytes, &changes)
}

/// What to cut so that the commas still fit: up to the next member, or for the last ones back to the last that stays.
fn removal(members: &[Member], index: usize, removed: &impl Fn(usize) -> bool) -> Option<Range<usize>> {
    let member = members.get(index)?;
    let is_tail = (index + 1..members.len()).all(removed);
    if !is_tail {
        return Some(member.name.start..members.get(index + 1)?.name.start);
    }
    let kept = (0..index).rev().find(|i| !removed(*i)).and_then(|i| members.get(i));
    let start = kept.map_or_else(|| members.first().map_or(0, |m| m.name.start), |m| m.value.end);
    Some(start..member.value.end)
}

fn insertion(
    bytes: &Bytes,
    members: &[Member],
    removed: &impl Fn(usize) -> bool,
    mut text: String,
) -> (Range<usize>, String) {
    match (0..members.len()).rev().find(|i| !removed(*i)).and_then(|i| members.get(i)) {
        Some(last) => (last.value.end..last.value.end, text),
        None => {
            text.remove(0);
            let open = memchr::memchr(b'{', bytes).map_or(0, |at| at + 1);
            (open..open, text)
        }
    }
}

/// `changes` are sorted; of two that overlap, the second only cuts further.
fn replace(bytes: &Bytes, changes: &[(Range<usize>, String)]) -> Bytes {
    let grown: usize = changes.iter().map(|(_, text)| text.len()).sum();
    let mut out = Vec::with_capacity(bytes.len() + grown);
    let mut copied = 0;
    for (range, text) in changes {
        out.extend_from_slice(bytes.get(copied..range.start).unwrap_or_default());
        out.extend_from_slice(text.as_bytes());
        copied = copied.max(range.end);
    }
    out.extend_from_slice(bytes.get(copied..).unwrap_or_default());
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(text: &str, edits: &[Edit]) -> String {
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        let found = members(&bytes).unwrap();
        String::from_utf8(apply(&bytes, &found, edits).to_vec()).unwrap()
    }

    #[test]
    fn members_are_found_where_they_stand() {
        let text = r#" { "mod\u0065l" : "a\"}" , "x":{"model":"no"},"n":-1.5e3,"Model":[1,{"]":2}] } trailing"#;
        let found = members(text.as_bytes()).unwrap();
        let keys: Vec<&str> = found.iter().map(|m| m.key.as_str()).collect();
        assert_eq!(keys, ["model", "x", "n", "Model"]);
        let values: Vec<&str> = found.iter().map(|m| &text[m.value.clone()]).collect();
        assert_eq!(values, [r#""a\"}""#, r#"{"model":"no"}"#, "-1.5e3", r#"[1,{"]":2}]"#]);
        for broken in ["", "[1]", "{", r#"{"a"}"#, r#"{"a":}"#, r#"{"a":1"#, r#"{"a"#, r#"{a:1}"#] {
            assert_eq!(members(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn edits_touch_only_what_they_name() {
        let text = r#"{ "a": 1 ,"b":2, "c" :3 }"#;
        assert_eq!(edited(text, &[Edit::Value(1, "\"x\"".into())]), r#"{ "a": 1 ,"b":"x", "c" :3 }"#);
        assert_eq!(edited(text, &[Edit::Name(0, "z".into())]), r#"{ "z": 1 ,"b":2, "c" :3 }"#);
        assert_eq!(edited(text, &[Edit::Remove(0)]), r#"{ "b":2, "c" :3 }"#);
        assert_eq!(edited(text, &[Edit::Remove(2)]), r#"{ "a": 1 ,"b":2 }"#);
        assert_eq!(edited(text, &[Edit::Remove(1), Edit::Remove(2)]), r#"{ "a": 1 }"#);
        assert_eq!(edited(text, &[Edit::Remove(0), Edit::Remove(1), Edit::Remove(2)]), "{  }");
        assert_eq!(edited(text, &[Edit::Insert("d".into(), "4".into())]), r#"{ "a": 1 ,"b":2, "c" :3,"d":4 }"#);
        let swap = [Edit::Remove(2), Edit::Insert("d".into(), "4".into())];
        assert_eq!(edited(text, &swap), r#"{ "a": 1 ,"b":2,"d":4 }"#);
        assert_eq!(edited("{ }", &[Edit::Insert("d".into(), "4".into())]), r#"{"d":4 }"#);
    }

    proptest::proptest! {
        #[test]
        fn any_edit_leaves_an_object(remove in proptest::collection::vec(0usize..5, 0..5), insert: bool, rename: bool) {
            let text = r#"{"a":1, "b":"2" ,"c":[3],"d":{"e":4}, "f":null}"#;
            let mut remove = remove;
            remove.sort_unstable();
            remove.dedup();
            let mut edits: Vec<Edit> = remove.iter().map(|i| Edit::Remove(*i)).collect();
            if insert { edits.push(Edit::Insert("new".into(), "true".into())); }
            if rename && !remove.contains(&3) { edits.push(Edit::Name(3, "renamed".into())); }
            let read: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&edited(text, &edits)).unwrap();
            proptest::prop_assert_eq!(read.len(), 5 - remove.len() + usize::from(insert));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = members(&bytes);
        }
    }
}
