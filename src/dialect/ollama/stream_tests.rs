use proptest::prelude::*;

use super::*;
use crate::chat::describe;
use crate::dialect::Decoder as _;

const START: Timestamp = Timestamp::UNIX_EPOCH;

fn at(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap()
}

fn decoded(lines: &[&str]) -> Vec<String> {
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    for line in lines {
        decoder.record(&Record { name: None, data: bytes::Bytes::from((*line).to_owned()) }, &mut events);
    }
    decoder.end(&mut events);
    events.iter().map(describe).collect()
}

fn encoder(wire: Wire) -> Box<dyn Encoder> {
    wire.encoder(Reply { model: "p:m".to_owned(), started: START, stream_usage: false, ..Reply::default() }).unwrap()
}

/// The lines, each event a millisecond after the one before it.
fn encoded(wire: Wire, events: Vec<Event>) -> Vec<String> {
    let mut encoder = encoder(wire);
    let mut out = Vec::new();
    let mut time = 0;
    for event in events {
        time += 1;
        encoder.event(event, at(time), &mut out);
    }
    encoder.end(at(time + 1), &mut out);
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

fn start(block: u32, kind: BlockKind) -> Event {
    Event::BlockStart { choice: 0, block, kind }
}

fn delta(block: u32, text: &str) -> Event {
    Event::Delta { choice: 0, block, text: text.into() }
}

fn end(block: u32) -> Event {
    Event::BlockEnd { choice: 0, block, signature: None }
}

fn finish(reason: Finish) -> Event {
    Event::Finish { choice: 0, reason }
}

fn tool_call(id: Option<&str>, name: &str) -> BlockKind {
    BlockKind::ToolCall { id: id.map(Text::from), name: name.into(), signature: None }
}

#[test]
fn thinking_text_and_calls_are_blocks() {
    let lines = [
        r#"{"model":"m","created_at":"T","message":{"role":"assistant","content":"","thinking":"h"},"done":false}"#,
        r#"{"model":"m","created_at":"T","message":{"role":"assistant","content":"a","thinking":"m"},"done":false}"#,
        r#"{"model":"m","created_at":"T","message":{"role":"assistant","content":"b"},"done":false,"logprobs":[{"token":"b"}]}"#,
        r#"{"model":"m","created_at":"T","message":{"role":"assistant","content":"","tool_calls":[{"id":"c","function":{"name":"f","arguments":{"x":1}}},{"function":{"name":"g","arguments":{}}}]},"done":true,"done_reason":"stop","total_duration":9,"prompt_eval_count":3,"eval_count":4}"#,
    ];
    assert_eq!(
        decoded(&lines),
        [
            "start id=- model=m",
            "0 start thinking",
            "0 \"h\"",
            "0 \"m\"",
            "0 end",
            "1 start text",
            "1 \"a\"",
            "logprobs [{\"token\":\"b\"}]",
            "1 \"b\"",
            "1 end",
            "2 start tool-call f id=c",
            "2 \"{\\\"x\\\":1}\"",
            "3 start tool-call g id=-",
            "3 \"{}\"",
            "2 end",
            "3 end",
            "finish toolcalls",
            "usage 3+4",
        ]
    );
}

#[test]
fn generate_lines_hold_their_text_elsewhere() {
    let lines = [
        r#"{"model":"m","response":"","thinking":"h","done":false}"#,
        r#"{"model":"m","response":"a","done":false}"#,
        r#"{"model":"m","response":"","done":true,"done_reason":"length"}"#,
    ];
    let want = [
        "start id=- model=m",
        "0 start thinking",
        "0 \"h\"",
        "0 end",
        "1 start text",
        "1 \"a\"",
        "1 end",
        "finish length",
        "usage ?+?",
    ];
    assert_eq!(decoded(&lines), want);
}

#[test]
fn failures_are_told_once() {
    let told = r#"{"error":"{\"error\":{\"code\":500,\"message\":\"runner gone\"}}"}"#;
    assert_eq!(decoded(&[told, r#"{"done":true}"#]), ["failure ProviderDown 502: runner gone"]);
    assert_eq!(decoded(&["{"])[0].split(':').next(), Some("failure BadAnswer 502"));
    let cut = [r#"{"model":"m","message":{"content":"a"},"done":false}"#];
    assert_eq!(decoded(&cut)[3], "failure CutAnswer 502: the provider ended the answer before it was finished");
}

#[test]
fn a_stream_s_last_line_waits_for_the_counts() {
    let events = vec![
        Event::Start { id: Some("x".into()), model: Some("other".into()) },
        start(0, BlockKind::Thinking),
        delta(0, "h<"),
        end(0),
        start(1, BlockKind::Text),
        delta(1, ""),
        delta(1, "é"),
        end(1),
        finish(Finish::Length),
        Event::Usage(Usage { prompt: Some(7), completion: Some(2), ..Usage::default() }),
        Event::Usage(Usage::default()),
    ];
    let want = [
        r#"{"model":"p:m","created_at":"1970-01-01T00:00:00.003Z","message":{"role":"assistant","content":"","thinking":"h\u003c"},"done":false}"#,
        r#"{"model":"p:m","created_at":"1970-01-01T00:00:00.007Z","message":{"role":"assistant","content":"é"},"done":false}"#,
        r#"{"model":"p:m","created_at":"1970-01-01T00:00:00.01Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"length","total_duration":10000000,"load_duration":1,"prompt_eval_count":7,"prompt_eval_duration":3000000,"eval_count":2,"eval_duration":7000000}"#,
    ];
    assert_eq!(encoded(Wire::OllamaChat, events.clone()), want);
    let generated = encoded(Wire::OllamaGenerate, events);
    assert_eq!(
        generated[0],
        r#"{"model":"p:m","created_at":"1970-01-01T00:00:00.003Z","response":"","thinking":"h\u003c","done":false}"#
    );
    assert!(generated[2].contains(r#""response":"","done":true,"done_reason":"length","total_duration":10000000,"#));
}

#[test]
fn counts_that_nobody_told_are_estimated() {
    let events = vec![start(0, BlockKind::Text), delta(0, "twelve bytes"), end(0), finish(Finish::Stop)];
    let lines = encoded(Wire::OllamaChat, events);
    assert!(
        lines[1].contains(r#""prompt_eval_count":1,"prompt_eval_duration":2000000,"eval_count":3,"#),
        "{}",
        lines[1]
    );
}

#[test]
fn parallel_calls_come_whole_and_one_a_line() {
    let events = vec![
        start(0, tool_call(Some("c1"), "f")),
        start(1, tool_call(None, "g")),
        delta(0, "{\"a\":"),
        delta(1, "{oops"),
        delta(0, " 1.0}"),
        Event::BlockEnd { choice: 0, block: 0, signature: Some("sig".into()) },
        end(1),
        finish(Finish::ToolCalls),
    ];
    let lines = encoded(Wire::OllamaChat, events);
    assert_eq!(lines.len(), 3);
    let id = crate::chat::opaque::join("c1", "sig");
    let first = format!(
        r#""tool_calls":[{{"id":"{id}","function":{{"index":0,"name":"f","arguments":{{"a":1.0}}}}}}]}},"done":false}}"#
    );
    assert!(lines[0].ends_with(&first), "{}", lines[0]);
    assert!(lines[1].contains(r#""function":{"index":1,"name":"g","arguments":{"_raw":"{oops"}}"#), "{}", lines[1]);
    let made = lines[1].split("\"id\":\"call_").nth(1).unwrap().split('"').next().unwrap();
    assert!(made.len() == 8 && made.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{made}");
    assert!(lines[2].contains(r#""done":true,"done_reason":"stop""#));
}

#[test]
fn a_failure_ends_the_stream() {
    let events = vec![
        start(0, BlockKind::Text),
        delta(0, "a"),
        Event::Failure(Failure::new(Class::CutAnswer, "gone")),
        delta(0, "b"),
    ];
    let lines = encoded(Wire::OllamaChat, events);
    assert_eq!(lines[1..], [r#"{"error":"gone"}"#]);
    assert_eq!(encoded(Wire::OllamaChat, Vec::new()), [r#"{"error":"the answer ended before it was finished"}"#]);
}

#[test]
fn pictures_refusals_and_other_choices() {
    let events = vec![
        start(0, BlockKind::Media { mime: "image/png".to_owned() }),
        delta(0, "QUI"),
        delta(0, "="),
        end(0),
        start(1, BlockKind::Refusal),
        delta(1, "no"),
        end(1),
        Event::BlockStart { choice: 1, block: 0, kind: BlockKind::Text },
        Event::Delta { choice: 1, block: 0, text: "other".into() },
        Event::Finish { choice: 1, reason: Finish::Stop },
        finish(Finish::ContentFilter),
    ];
    let lines = encoded(Wire::OllamaChat, events);
    assert!(lines[0].contains(r#""content":"![image](data:image/png;base64,QUI=)""#), "{}", lines[0]);
    assert!(lines[1].contains(r#""content":"no""#));
    assert!(lines[2].contains(r#""done_reason":"stop""#));
    assert_eq!(lines.len(), 3);
}

#[test]
fn probabilities_ride_with_their_text_or_behind_it() {
    let token = |text: &str| {
        let json = format!(r#"[{{"token":"{text}","logprob":-0.50,"bytes":[97],"top_logprobs":[]}}]"#);
        Event::Logprobs { choice: 0, content: Json::known(json) }
    };
    let shown = |text: &str| format!(r#""logprobs":[{{"token":"{text}","logprob":-0.50,"bytes":[97]}}]}}"#);
    let before =
        vec![start(0, BlockKind::Text), token("a"), delta(0, "a"), token("b"), delta(0, "b"), finish(Finish::Stop)];
    let lines = encoded(Wire::OllamaChat, before);
    assert!(lines[0].contains("\"content\":\"a\"") && lines[0].ends_with(&shown("a")), "{}", lines[0]);
    assert!(lines[1].contains("\"content\":\"b\"") && lines[1].ends_with(&shown("b")), "{}", lines[1]);
    let behind =
        vec![start(0, BlockKind::Text), delta(0, "a"), token("a"), delta(0, "b"), token("b"), finish(Finish::Stop)];
    let lines = encoded(Wire::OllamaChat, behind);
    assert_eq!(lines.len(), 5);
    assert!(lines[1].contains("\"content\":\"\"") && lines[1].ends_with(&shown("a")), "{}", lines[1]);
    assert!(lines[3].ends_with(&shown("b")), "{}", lines[3]);
}

fn a_block() -> impl Strategy<Value = (BlockKind, Vec<String>)> {
    let texts = proptest::collection::vec(".{1,8}", 1..4);
    // Arguments are compared as they are escaped: here nothing needs to be.
    let call = ("[a-z]{1,8}", "[a-z]{1,5}", "[a-zäß 0-9]{0,8}").prop_map(|(id, name, value)| {
        (tool_call(Some(&id), &name), vec![format!("{{\"k\":{}}}", serde_json::to_string(&value).unwrap())])
    });
    prop_oneof![
        texts.clone().prop_map(|texts| (BlockKind::Text, texts)),
        texts.prop_map(|texts| (BlockKind::Thinking, texts)),
        call,
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(blocks in proptest::collection::vec(a_block(), 0..5), generate: bool) {
        let wire = if generate { Wire::OllamaGenerate } else { Wire::OllamaChat };
        let mut events = vec![Event::Start { id: None, model: Some("p:m".into()) }];
        let mut number = 0;
        let mut last_kind = String::new();
        let mut has_calls = false;
        for (kind, texts) in blocks {
            // Two texts in a row read back as one.
            let name = format!("{kind:?}");
            if name == last_kind { continue; }
            has_calls |= matches!(kind, BlockKind::ToolCall { .. });
            last_kind = name;
            events.push(start(number, kind));
            events.extend(texts.iter().map(|text| delta(number, text)));
            events.push(end(number));
            number += 1;
        }
        events.push(finish(if has_calls { Finish::ToolCalls } else { Finish::Stop }));
        let timings = Timings { total: Duration::from_nanos(5), ..Timings::default() };
        events.push(Event::Usage(Usage { prompt: Some(3), completion: Some(4), timings: Some(timings), ..Usage::default() }));
        let want: Vec<String> = events.iter().map(describe).collect();
        let lines = encoded(wire, events);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        prop_assert_eq!(decoded(&lines), want);
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_are_cut(
        texts in proptest::collection::vec(".{0,6}", 1..5),
        places: Vec<prop::sample::Index>,
        is_crlf: bool,
    ) {
        let said = |text: &String| serde_json::json!({"model": "m", "message": {"content": text}, "done": false});
        let done = serde_json::json!({"model": "m", "message": {"content": ""}, "done": true});
        let lines: Vec<String> = texts.iter().map(said).chain([done]).map(|line| line.to_string()).collect();
        let body = lines.join(if is_crlf { "\r\n" } else { "\n" });
        let mut borders: Vec<usize> = places.iter().map(|place| place.index(body.len())).chain([0, body.len()]).collect();
        borders.sort_unstable();
        let mut framer = crate::dialect::Framer::new(crate::dialect::Framing::Ndjson, 1 << 20);
        let mut records = Vec::new();
        borders.windows(2).for_each(|pair| framer.push(&body.as_bytes()[pair[0]..pair[1]], &mut records).unwrap());
        framer.end(&mut records);
        let read: Vec<String> = records.iter().map(|record| String::from_utf8(record.data.to_vec()).unwrap()).collect();
        let read: Vec<&str> = read.iter().map(String::as_str).collect();
        prop_assert_eq!(decoded(&read), decoded(&lines.iter().map(String::as_str).collect::<Vec<_>>()));
    }

    #[test]
    fn any_line_is_read_or_refused(line in r#"\{"(message|response|error|done|model)":[\[\]{}:,"0-9a-z.\\ -]{0,30}\}?"#) {
        let _ = decoded(&[&line]);
    }
}
