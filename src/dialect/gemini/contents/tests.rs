//! Google's rules hold for every conversation that is not refused.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::chat::{Media, Source};
use crate::json::Style;

fn any_text() -> impl Strategy<Value = Text> {
    prop::sample::select(vec!["", "a", "{\"n\":1}"]).prop_map(Text::from)
}

fn any_id() -> impl Strategy<Value = Option<Text>> {
    prop::sample::select(vec![None, Some("c1"), Some("abcd1234"), Some("")]).prop_map(|id| id.map(Text::from))
}

fn picture() -> Part {
    let source = Source::Base64("aGk=".into());
    Part::Media(Media { mime: "image/png".into(), source, detail: None, filename: None })
}

fn any_call() -> impl Strategy<Value = Part> {
    (any_id(), prop::sample::select(vec!["f", "g"]), any::<bool>()).prop_map(|(id, name, is_signed)| Part::ToolCall {
        id,
        name: name.into(),
        arguments: Json::known("{}"),
        signature: is_signed.then(|| "c2ln".into()),
    })
}

fn any_result() -> impl Strategy<Value = Part> {
    let content = prop::collection::vec(prop_oneof![any_text().prop_map(Part::text), Just(picture())], 0..3);
    (any_id(), content, any::<bool>()).prop_map(|(id, content, is_error)| Part::ToolResult {
        id,
        name: None,
        content,
        is_error,
    })
}

fn any_message() -> impl Strategy<Value = Message> {
    let said = prop_oneof![any_text().prop_map(Part::text), Just(picture())];
    let signed = any_text().prop_map(|text| Part::Text { text, signature: Some("c2ln".into()) });
    let of = |role: Role, parts: Vec<Part>| Message::new(role, parts);
    prop_oneof![
        any_text().prop_map(move |text| of(Role::System, vec![Part::text(text)])),
        prop::collection::vec(said.clone(), 0..3).prop_map(move |parts| of(Role::User, parts)),
        prop::collection::vec(prop_oneof![said, signed, any_call()], 0..4)
            .prop_map(move |parts| of(Role::Assistant, parts)),
        prop::collection::vec(any_result(), 1..3).prop_map(move |parts| of(Role::Tool, parts)),
    ]
}

fn has(part: &Value, key: &str) -> bool {
    part.get(key).is_some()
}

fn count(content: &Value, key: &str) -> usize {
    content["parts"].as_array().unwrap().iter().filter(|part| has(part, key)).count()
}

/// What a content is for the rule that neighbours differ.
fn sort(content: &Value) -> (String, bool) {
    (content["role"].to_string(), count(content, "functionResponse") > 0)
}

fn check(body: &Value, signs: bool) {
    let contents = body["contents"].as_array().unwrap();
    assert_eq!(contents[0]["role"], "user");
    for content in contents {
        let parts = content["parts"].as_array().unwrap();
        assert!(!parts.is_empty());
        assert!([0, parts.len()].contains(&count(content, "functionResponse")), "results stand alone: {content}");
        for part in parts {
            assert!(part["text"] != "" || has(part, "thoughtSignature"), "an empty text: {content}");
        }
        let first_call = parts.iter().find(|part| has(part, "functionCall"));
        assert!(!signs || first_call.is_none_or(|part| has(part, "thoughtSignature")), "not signed: {content}");
    }
    for (content, next) in contents.iter().zip(contents.iter().skip(1)) {
        assert_ne!(sort(content), sort(next), "neighbours to merge");
        assert_eq!(count(content, "functionCall"), count(next, "functionResponse"), "calls and results: {body}");
    }
    assert_eq!(contents.last().map(|content| count(content, "functionCall")), Some(0), "the last calls are answered");
}

proptest! {
    #[test]
    fn googles_rules_hold(
        messages in prop::collection::vec(any_message(), 0..8),
        model in prop::sample::select(vec!["gemini-2.5-flash", "gemini-3-flash-preview", "gemma-3-27b-it"]),
    ) {
        let family = Family::of(model);
        if let Ok(conversation) = Conversation::of(&messages, family, &mut Dropped::default()) {
            let mut w = Writer::new(Style::Plain);
            w.object(|w| conversation.write(w));
            check(&serde_json::from_slice(&w.into_bytes()).unwrap(), family.checks_signatures());
        }
    }
}
