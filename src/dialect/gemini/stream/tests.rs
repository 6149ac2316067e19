use super::*;
use crate::chat::describe;
use crate::dialect::{Decoder as _, Framer, Framing};

/// The events of a stream that comes in these pieces, one a line.
fn decoded(pieces: &[&[u8]]) -> Vec<String> {
    let mut framer = Framer::new(Framing::Sse, 1 << 20);
    let mut records = Vec::new();
    for piece in pieces {
        framer.push(piece, &mut records).unwrap();
    }
    framer.end(&mut records);
    let mut decoder = Decoder::default();
    let mut events = Vec::new();
    records.iter().for_each(|record| decoder.record(record, &mut events));
    decoder.end(&mut events);
    events.iter().map(describe).collect()
}

fn stream(records: &[&str]) -> String {
    records.iter().map(|record| format!("data: {record}\r\n\r\n")).collect()
}

fn lines(records: &[&str]) -> Vec<String> {
    decoded(&[stream(records).as_bytes()])
}

const THOUGHTFUL: [&str; 5] = [
    r#"{"candidates":[{"content":{"parts":[{"text":"Let","thought":true}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":9,"totalTokenCount":9},"modelVersion":"gemini-3-flash-preview","responseId":"r"}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":" me","thought":true},{"text":"Grüße"}],"role":"model"}}],"usageMetadata":{"promptTokenCount":9,"thoughtsTokenCount":3,"candidatesTokenCount":1}}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":", \"you\"\n"}]}}],"usageMetadata":{"promptTokenCount":9,"thoughtsTokenCount":3,"candidatesTokenCount":4}}"#,
    r#"{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"c2ln"}]},"finishReason":"STOP"}]}"#,
    r#"{"usageMetadata":{"promptTokenCount":9,"thoughtsTokenCount":3,"candidatesTokenCount":4}}"#,
];

fn thoughtful_lines() -> Vec<&'static str> {
    vec![
        "start id=r model=gemini-3-flash-preview",
        "0 start thinking",
        "0 \"Let\"",
        "usage 9+0",
        "0 \" me\"",
        "0 end",
        "1 start text",
        "1 \"Grüße\"",
        "usage 9+4 reasoning=3",
        "1 \", \\\"you\\\"\\n\"",
        "usage 9+7 reasoning=3",
        "1 end signature=c2ln",
        "finish stop",
    ]
}

#[test]
fn every_split_of_a_stream_gives_the_same_events() {
    let text = stream(&THOUGHTFUL);
    assert_eq!(decoded(&[text.as_bytes()]), thoughtful_lines());
    for at in 0..=text.len() {
        let (head, tail) = text.as_bytes().split_at(at);
        assert_eq!(decoded(&[head, tail]), thoughtful_lines(), "split at {at}");
    }
}

#[test]
fn calls_may_come_before_the_end_and_be_many() {
    let got = lines(&[
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"city":"Paris"}},"thoughtSignature":"c2ln"},{"functionCall":{"name":"f","args":{}}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"g","args":{}}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}]}"#,
    ]);
    let want = [
        "start id=- model=-",
        "0 start tool-call f id=- signature=c2ln",
        r#"0 "{\"city\":\"Paris\"}""#,
        "0 end",
        "1 start tool-call f id=-",
        "1 \"{}\"",
        "1 end",
        "2 start tool-call g id=-",
        "2 \"{}\"",
        "2 end",
        "finish toolcalls",
    ];
    assert_eq!(got, want);
}

#[test]
fn a_call_may_come_in_pieces() {
    let part = |call: &str| format!(r#"{{"candidates":[{{"content":{{"parts":[{{"functionCall":{call}}}]}}}}]}}"#);
    let begin = part(r#"{"name":"f","willContinue":true}"#);
    let more =
        part(r#"{"partialArgs":[{"jsonPath":"$.city","stringValue":"Rome","willContinue":true}],"willContinue":true}"#);
    let (end, finish) = (part("{}"), r#"{"candidates":[{"finishReason":"STOP"}]}"#);
    let want =
        ["start id=- model=-", "0 start tool-call f id=-", r#"0 "{\"city\":\"Rome\"}""#, "0 end", "finish toolcalls"];
    assert_eq!(lines(&[&begin, &more, &end, finish]), want);
    let half = lines(&[&begin, &more, finish]);
    assert_eq!(half[1..], ["failure BadAnswer 502: the model's answer can't be used: a call has no end"]);
}

#[test]
fn a_signature_after_a_call_has_an_empty_text_of_its_own() {
    let got = lines(&[
        r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]}}]}"#,
        r#"{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"cw=="}]},"finishReason":"STOP"}]}"#,
    ]);
    assert_eq!(got[4..], ["1 start text", "1 end signature=cw==", "finish toolcalls"]);
}

#[test]
fn a_reason_in_every_record_ends_nothing() {
    let said = |text: &str, reason: &str| {
        format!(r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}},"finishReason":"{reason}"}}]}}"#)
    };
    let got = lines(&[&said("a", "STOP"), &said("b", "STOP"), &said("c", "MAX_TOKENS")]);
    assert_eq!(got[2..], ["0 \"a\"", "0 \"b\"", "0 \"c\"", "0 end", "finish length"]);
}

#[test]
fn broken_streams_are_failures() {
    let half = r#"{"candidates":[{"content":{"parts":[{"text":"Half"}]}}]}"#;
    let cut = "failure CutAnswer 502: the provider's answer ended before it was finished";
    let overloaded = r#"{"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}"#;
    let in_list = format!("[{overloaded}]");
    let bad_call = r#"{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}"#;
    let call = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]}}]}"#;
    let rows: [(&[&str], &str); 9] = [
        (&[], cut),
        (&[half], cut),
        (&[r#"{"usageMetadata":{"promptTokenCount":1}}"#], cut),
        (&[half, overloaded], "failure Overloaded 503: The model is overloaded."),
        (&[&in_list], "failure Overloaded 503: The model is overloaded."),
        (
            &[half, "<html>"],
            "failure BadAnswer 502: the provider sent a record that is not JSON: expected value at line 1 column 1",
        ),
        (&[r#"{"error":{"message":"odd"}}"#, half], "failure ProviderDown 502: odd"),
        (
            &[r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#],
            "failure Blocked 400: the provider blocked the prompt: SAFETY",
        ),
        (&[call, bad_call], "failure BadAnswer 502: the model's answer can't be used: MALFORMED_FUNCTION_CALL"),
    ];
    for (records, want) in rows {
        let got = lines(records);
        assert_eq!(got.last().map(String::as_str), Some(want), "{records:?}");
        assert_eq!(got.iter().filter(|line| line.starts_with("failure")).count(), 1, "{records:?}");
    }
}

#[test]
fn a_block_after_content_ends_the_answer() {
    let got = lines(&[
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}]}"#,
        r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#,
    ]);
    assert_eq!(got[2..], ["0 \"a\"", "0 end", "finish contentfilter"]);
}

proptest::proptest! {
    #[test]
    fn nothing_makes_it_panic(records: Vec<Vec<u8>>) {
        let mut decoder = Decoder::default();
        let mut events = Vec::new();
        for data in records {
            decoder.record(&Record { name: None, data: data.into() }, &mut events);
        }
        decoder.end(&mut events);
        proptest::prop_assert!(events.iter().any(|event| matches!(event, Event::Failure(_))));
    }
}
