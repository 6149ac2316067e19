use super::*;
use crate::chat::{Answer, Class, unfold};
use crate::dialect::{Encoder as _, Framer, Framing, Record};

fn reply() -> Reply {
    Reply { model: "models/openai:gpt-4o".to_owned(), ..Reply::default() }
}

fn start() -> Event {
    Event::Start { id: Some("r1".into()), model: None }
}

fn block(choice: u32, block: u32, kind: BlockKind, texts: &[&str], signature: Option<&str>) -> Vec<Event> {
    let mut events = vec![Event::BlockStart { choice, block, kind }];
    events.extend(texts.iter().map(|text| Event::Delta { choice, block, text: (*text).into() }));
    events.push(Event::BlockEnd { choice, block, signature: signature.map(Text::from) });
    events
}

fn call(id: Option<&str>, signature: Option<&str>) -> BlockKind {
    BlockKind::ToolCall { id: id.map(Text::from), name: "f".into(), signature: signature.map(Text::from) }
}

fn finish(choice: u32, reason: Finish) -> Event {
    Event::Finish { choice, reason }
}

fn written(reply: Reply, form: Form, events: Vec<Event>) -> String {
    let mut encoder = Encoder::new(reply, form);
    let mut out = Vec::new();
    let is_failed = events.iter().any(|event| matches!(event, Event::Failure(_)));
    events.into_iter().for_each(|event| encoder.event(event, Timestamp::UNIX_EPOCH, &mut out));
    if !is_failed {
        encoder.end(Timestamp::UNIX_EPOCH, &mut out);
    }
    String::from_utf8(out).unwrap()
}

fn records(text: &str) -> Vec<String> {
    let mut framer = Framer::new(Framing::Sse, 1 << 20);
    let mut records = Vec::new();
    framer.push(text.as_bytes(), &mut records).unwrap();
    records.into_iter().map(|record: Record| String::from_utf8_lossy(&record.data).into_owned()).collect()
}

const TAIL: &str = r#""modelVersion":"openai:gpt-4o","responseId":"r1"}"#;

fn record(candidate: &str) -> String {
    format!(r#"{{"candidates":[{candidate}],{TAIL}"#)
}

fn said(part: &str) -> String {
    record(&format!(r#"{{"content":{{"parts":[{part}],"role":"model"}},"index":0}}"#))
}

fn hello() -> Vec<Event> {
    let mut events = vec![start()];
    events.extend(block(0, 0, BlockKind::Text, &["Hel", "lo"], None));
    events.push(finish(0, Finish::Stop));
    let usage = Usage { prompt: Some(9), cached: Some(4), completion: Some(7), reasoning: Some(5), ..Usage::default() };
    events.push(Event::Usage(usage));
    events
}

const LAST: &str = concat!(
    r#"{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"#,
    r#""usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2,"totalTokenCount":16,"#,
    r#""cachedContentTokenCount":4,"thoughtsTokenCount":5},"#,
    r#""modelVersion":"openai:gpt-4o","responseId":"r1"}"#
);

#[test]
fn each_delta_is_an_event_and_the_last_tells_the_end_and_the_counts() {
    let (one, two) = (said(r#"{"text":"Hel"}"#), said(r#"{"text":"lo"}"#));
    let want = format!("data: {one}\r\n\r\ndata: {two}\r\n\r\ndata: {LAST}\r\n\r\n");
    assert_eq!(written(reply(), Form::Events, hello()), want);
}

#[test]
fn without_events_the_records_are_items_of_an_array() {
    let (one, two) = (said(r#"{"text":"Hel"}"#), said(r#"{"text":"lo"}"#));
    assert_eq!(written(reply(), Form::Array, hello()), format!("[{one},\r\n{two},\r\n{LAST}]"));
    let begun = Reply { is_begun: true, ..reply() };
    let cut = vec![Event::Failure(Failure::new(Class::CutAnswer, "cut"))];
    let error = r#"{"error":{"code":502,"message":"cut","status":"UNAVAILABLE"}}"#;
    assert_eq!(written(begun, Form::Array, cut.clone()), format!("{error}]"), "who passed the rest wrote the comma");
    assert_eq!(written(reply(), Form::Array, cut.clone()), format!("[{error}]"));
    assert_eq!(written(reply(), Form::Events, cut), format!("data: {error}\r\n\r\n"));
}

#[test]
fn a_call_goes_out_whole_with_what_must_come_back() {
    let mut events = vec![start()];
    events.push(Event::BlockStart { choice: 0, block: 0, kind: call(Some("c1"), Some("c2ln")) });
    events.push(Event::BlockStart { choice: 0, block: 1, kind: call(None, None) });
    events.push(Event::Delta { choice: 0, block: 1, text: "{\"b\":".into() });
    events.push(Event::Delta { choice: 0, block: 0, text: "{\"a\":1.50}".into() });
    events.push(Event::Delta { choice: 0, block: 1, text: "2".into() });
    events.push(Event::BlockEnd { choice: 0, block: 0, signature: None });
    events.push(Event::BlockEnd { choice: 0, block: 1, signature: None });
    events.push(finish(0, Finish::ToolCalls));
    let records = records(&written(reply(), Form::Events, events));
    assert_eq!(
        records[0],
        said(r#"{"functionCall":{"name":"f","args":{"a":1.50},"id":"c1"},"thoughtSignature":"c2ln"}"#)
    );
    assert_eq!(records[1], said(r#"{"functionCall":{"name":"f","args":{"_raw":"{\"b\":2"}}}"#));
    assert!(records[2].contains(r#""finishReason":"STOP""#), "{}", records[2]);
    assert_eq!(records.len(), 3);
}

#[test]
fn thoughts_are_shown_to_who_asked_for_them() {
    let mut events = vec![start()];
    events.extend(block(0, 0, BlockKind::Thinking, &["Let me", " see"], Some("c2ln")));
    events.extend(block(0, 1, BlockKind::Text, &["42"], Some("eHk=")));
    events.push(finish(0, Finish::Length));
    let shown = records(&written(reply(), Form::Events, events.clone()));
    assert_eq!(
        shown[..5],
        [
            said(r#"{"text":"Let me","thought":true}"#),
            said(r#"{"text":" see","thought":true}"#),
            said(r#"{"text":"","thought":true,"thoughtSignature":"c2ln"}"#),
            said(r#"{"text":"42"}"#),
            said(r#"{"text":"","thoughtSignature":"eHk="}"#),
        ]
    );
    assert!(shown[5].contains(r#""finishReason":"MAX_TOKENS""#));
    let hidden = records(&written(Reply { hides_thoughts: true, ..reply() }, Form::Events, events));
    assert_eq!(hidden[..2], [shown[2].clone(), shown[3].clone()], "what must come back is sent, the thought is not");
}

#[test]
fn a_thought_that_is_nothing_but_state_comes_back() {
    let mut events = vec![start()];
    events.extend(block(0, 0, BlockKind::Redacted { data: "Eq/+".into() }, &[], None));
    events.push(finish(0, Finish::Pause));
    let records = records(&written(Reply { hides_thoughts: true, ..reply() }, Form::Events, events));
    let content = &serde_json::from_str::<serde_json::Value>(&records[0]).unwrap()["candidates"][0]["content"];
    let body = serde_json::json!({"contents": [{"parts": [{"text": "Hi"}]}, content]});
    let request = super::super::read::read(&body.to_string().into()).unwrap();
    let came = &request.messages[1].parts[0];
    assert!(matches!(came, crate::chat::Part::Redacted(data) if *data == "Eq/+"), "{came:?}");
}

#[test]
fn pictures_refusals_and_choices() {
    let mut events = vec![start()];
    events.extend(block(0, 0, BlockKind::Media { mime: "image/png".into() }, &["aG", "k="], None));
    events.extend(block(1, 0, BlockKind::Refusal, &["No."], None));
    events.push(finish(0, Finish::Stop));
    events.push(finish(1, Finish::ContentFilter));
    let records = records(&written(reply(), Form::Events, events));
    assert_eq!(records[0], said(r#"{"inlineData":{"mimeType":"image/png","data":"aGk="}}"#));
    assert_eq!(records[1], said(r#"{"text":"No."}"#).replace(r#""index":0"#, r#""index":1"#));
    assert!(records[2].contains(r#""finishReason":"STOP","index":0"#), "{}", records[2]);
    assert!(records[2].contains(r#""finishReason":"SAFETY","index":1"#), "{}", records[2]);
}

fn probabilities() -> Event {
    let content = r#"[{"token":"4","logprob":-0.5,"bytes":[52],"top_logprobs":[{"token":"4","logprob":-0.5},{"token":"5","logprob":-1.5}]}]"#;
    Event::Logprobs { choice: 0, content: Json::known(content) }
}

#[test]
fn probabilities_go_with_the_next_record() {
    let mut events = vec![start()];
    events.extend(block(0, 0, BlockKind::Text, &["4"], None));
    events.push(probabilities());
    events.push(finish(0, Finish::Stop));
    let records = records(&written(reply(), Form::Events, events));
    let want = concat!(
        r#""avgLogprobs":-0.5,"logprobsResult":{"topCandidates":[{"candidates":[{"token":"4","logProbability":-0.5},"#,
        r#"{"token":"5","logProbability":-1.5}]}],"chosenCandidates":[{"token":"4","logProbability":-0.5}]}"#
    );
    assert!(!records[0].contains("logprobsResult") && records[1].contains(want), "{records:?}");
}

/// A whole answer says what a stream of it says.
#[test]
fn a_whole_answer_is_one_record() {
    let mut events = vec![start()];
    events.extend(block(0, 0, BlockKind::Thinking, &["Hm"], None));
    events.extend(block(0, 1, BlockKind::Text, &["4", "2"], None));
    events.extend(block(0, 2, call(Some("c1"), None), &["{}"], Some("other:state")));
    events.push(probabilities());
    events.push(finish(0, Finish::ToolCalls));
    events.push(Event::Usage(Usage { prompt: Some(3), completion: Some(4), ..Usage::default() }));
    let answer: Answer = crate::chat::fold(events.clone()).unwrap();
    let whole = String::from_utf8(super::super::answer::write(&answer, &reply())).unwrap();
    let wrapped = super::super::signature::shown(&"other:state".into());
    let want = format!(
        concat!(
            r#"{{"candidates":[{{"content":{{"parts":[{{"text":"Hm","thought":true}},{{"text":"42"}},"#,
            r#"{{"functionCall":{{"name":"f","args":{{}},"id":"c1"}},"thoughtSignature":"{}"}}],"role":"model"}},"#,
            r#""finishReason":"STOP","index":0,"avgLogprobs":-0.5,"logprobsResult":{{"topCandidates":[{{"candidates":["#,
            r#"{{"token":"4","logProbability":-0.5}},{{"token":"5","logProbability":-1.5}}]}}],"#,
            r#""chosenCandidates":[{{"token":"4","logProbability":-0.5}}]}}}}],"#,
            r#""usageMetadata":{{"promptTokenCount":3,"candidatesTokenCount":4,"totalTokenCount":7}},"#,
            r#""modelVersion":"openai:gpt-4o","responseId":"r1"}}"#
        ),
        wrapped
    );
    assert_eq!(whole, want);

    let read = |text: &str| {
        let mut decoder = super::super::stream::Decoder::default();
        let mut events = Vec::new();
        for data in records(text) {
            let record = Record { name: None, data: data.into() };
            crate::dialect::Decoder::record(&mut decoder, &record, &mut events);
        }
        crate::dialect::Decoder::end(&mut decoder, &mut events);
        let answer = crate::chat::fold(events).unwrap();
        let text = |block: &crate::chat::Block| format!("{:?} {}", block.kind, block.joined());
        answer
            .choices
            .into_iter()
            .map(|c| (c.blocks.iter().map(text).collect(), c.finish))
            .collect::<Vec<(Vec<_>, _)>>()
    };
    let streamed = written(reply(), Form::Events, unfold(answer));
    assert_eq!(read(&streamed), read(&format!("data: {whole}\r\n\r\n")));
}

#[test]
fn an_answer_without_words_has_a_content_without_parts() {
    let events = vec![start(), finish(0, Finish::Length)];
    let whole = super::super::answer::write(&crate::chat::fold(events).unwrap(), &reply());
    let want = record(r#"{"content":{"role":"model"},"finishReason":"MAX_TOKENS","index":0}"#);
    assert_eq!(String::from_utf8(whole).unwrap(), want);
}

proptest::proptest! {
    /// Whatever is said, every record is JSON, and both forms of a stream hold the same records.
    #[test]
    fn any_text_makes_records(text: String, thought: String, arguments: String, state: String) {
        let mut events = vec![start()];
        events.extend(block(0, 0, BlockKind::Thinking, &[&thought], Some(&state)));
        events.extend(block(0, 1, BlockKind::Text, &[&text], None));
        events.extend(block(0, 2, call(Some(&state), None), &[&arguments], None));
        events.push(finish(0, Finish::Stop));
        let parsed = |text: &String| serde_json::from_str::<serde_json::Value>(text).unwrap();
        let one: Vec<_> = records(&written(reply(), Form::Events, events.clone())).iter().map(parsed).collect();
        proptest::prop_assert_eq!(serde_json::Value::from(one.clone()), parsed(&written(reply(), Form::Array, events)));
        let said: String = one.iter().filter_map(|record| {
            let part = &record["candidates"][0]["content"]["parts"][0];
            part["text"].as_str().filter(|_| part["thought"] != true)
        }).collect();
        proptest::prop_assert_eq!(said, text);
    }
}
