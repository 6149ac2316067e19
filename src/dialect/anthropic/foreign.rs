//! What stands in a request that passes and would be refused, because this dialect's provider didn't make it: thoughts of other
//! providers' models, which this gateway handed to the client and the client brings back.

use std::ops::Range;

use bytes::Bytes;

use crate::chat::opaque;
use crate::json::{Json, Value};

/// The ranges to cut from a body: thinking blocks without a signature or with one that bears our mark.
///
/// The body is only read where it may hold such a block. A message that holds nothing else goes whole.
pub fn cuts(body: &Bytes) -> Vec<Range<usize>> {
    let has = |text: &str| memchr::memmem::find(body, text.as_bytes()).is_some();
    let may_hold = has("\"thinking\"")
        && (has(opaque::MARK) || has("\"signature\":\"\"") || has("\"signature\": \"\"") || !has("\"signature\""));
    let Some(json) = Some(body).filter(|_| may_hold).and_then(|body| Json::parse(body.clone()).ok()) else {
        return Vec::new();
    };
    let messages: Vec<Value<'_>> = json.value().get("messages").into_iter().flat_map(Value::items).collect();
    let is_all = |message: &Value<'_>| {
        let blocks: Vec<_> = blocks(*message).collect();
        !blocks.is_empty() && blocks.into_iter().all(is_foreign)
    };
    let whole: Vec<bool> = messages.iter().map(is_all).collect();
    let mut cuts = removals(&spans(body, &messages), &whole);
    for (message, _) in messages.iter().zip(&whole).filter(|(_, is_whole)| !**is_whole) {
        let blocks: Vec<Value<'_>> = blocks(*message).collect();
        let foreign: Vec<bool> = blocks.iter().map(|block| is_foreign(*block)).collect();
        cuts.extend(removals(&spans(body, &blocks), &foreign));
    }
    cuts
}

fn blocks(message: Value<'_>) -> impl Iterator<Item = Value<'_>> {
    message.get("content").into_iter().flat_map(Value::items)
}

fn is_foreign(block: Value<'_>) -> bool {
    let is_thought = block.get("type").and_then(Value::string).as_deref() == Some("thinking");
    let signature = block.get("signature").and_then(Value::string).unwrap_or_default();
    is_thought && (signature.is_empty() || signature.starts_with(opaque::MARK))
}

/// Where values stand in the body that they are views of.
fn spans(body: &Bytes, values: &[Value<'_>]) -> Vec<Range<usize>> {
    values.iter().filter_map(|value| value.place_in(body)).collect()
}

/// What to cut so that the commas of a list still fit: up to the next item, or for the last ones back to the last that stays.
fn removals(items: &[Range<usize>], goes: &[bool]) -> Vec<Range<usize>> {
    let Some(first) = items.first() else { return Vec::new() };
    let tail = goes.iter().rposition(|goes| !goes).map_or(0, |last| last + 1);
    let mut cuts: Vec<Range<usize>> = items
        .windows(2)
        .zip(goes)
        .take(tail)
        .filter(|(_, goes)| **goes)
        .filter_map(|(pair, _)| Some(pair.first()?.start..pair.get(1)?.start))
        .collect();
    if let Some(end) = items.last().filter(|_| tail < items.len()) {
        let start = tail.checked_sub(1).and_then(|last| items.get(last)).map_or(first.start, |last| last.end);
        cuts.push(start..end.end);
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(body: &str) -> String {
        let bytes = Bytes::from(body.to_owned());
        let mut out = body.to_owned();
        let mut cuts = cuts(&bytes);
        cuts.sort_by_key(|cut| std::cmp::Reverse(cut.start));
        cuts.into_iter().for_each(|cut| out.replace_range(cut, ""));
        out
    }

    const OURS: &str = r#"{"type":"thinking","thinking":"a","signature":"__thought__YQ"}"#;
    const BARE: &str = r#"{"type": "thinking", "thinking": "b", "signature": ""}"#;
    const GENUINE: &str = r#"{"type":"thinking","thinking":"c","signature":"Eo8B"}"#;
    const TEXT: &str = r#"{"type":"text","text":"\"thinking\""}"#;

    fn body(blocks: &[&str]) -> String {
        let first = r#"{"role":"user","content":"hi"}"#;
        format!(r#"{{"messages":[{first}, {{"role":"assistant","content":[ {} ]}}, {first}]}}"#, blocks.join(" , "))
    }

    #[test]
    fn thoughts_of_others_are_cut() {
        for (before, after) in [
            (vec![OURS, TEXT], "[ {TEXT} ]"),
            (vec![TEXT, BARE], "[ {TEXT} ]"),
            (vec![OURS, BARE, GENUINE, OURS, TEXT, BARE, OURS], "[ {GENUINE} , {TEXT} ]"),
            (vec![GENUINE, TEXT], "[ {GENUINE} , {TEXT} ]"),
        ] {
            let after = after.replace("{TEXT}", TEXT).replace("{GENUINE}", GENUINE);
            let got = cut(&body(&before));
            assert!(got.contains(&format!(r#""content":{after}"#)), "{got}");
            assert!(serde_json::from_str::<serde_json::Value>(&got).is_ok(), "{got}");
        }
    }

    #[test]
    fn a_message_of_nothing_else_goes_whole() {
        let got = cut(&body(&[OURS, BARE]));
        assert_eq!(got, r#"{"messages":[{"role":"user","content":"hi"}, {"role":"user","content":"hi"}]}"#);
        assert_eq!(cut("{}"), "{}");
    }
}
