use super::Decoder;
use crate::chat::{Event, describe};
use crate::dialect::{Decoder as _, Framer, Framing};

fn events(pieces: &[&[u8]]) -> Vec<Event> {
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
    events
}

/// The events of a stream that comes in these pieces, one a line.
fn decoded(pieces: &[&[u8]]) -> Vec<String> {
    events(pieces).iter().map(describe).collect()
}

/// Each record with its event's name before it.
fn stream(records: &[&str]) -> String {
    let name = |record: &str| {
        let value: serde_json::Value = serde_json::from_str(record).unwrap();
        value["type"].as_str().unwrap_or_default().to_owned()
    };
    records.iter().map(|record| format!("event: {}\ndata: {record}\n\n", name(record))).collect()
}

fn lines(records: &[&str]) -> Vec<String> {
    decoded(&[stream(records).as_bytes()])
}

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"cache_creation_input_tokens":2,"cache_read_input_tokens":5,"output_tokens":1}}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;

fn end(reason: &str) -> String {
    format!(
        r#"{{"type":"message_delta","delta":{{"stop_reason":{reason},"stop_sequence":null}},"usage":{{"output_tokens":20}}}}"#
    )
}

const THOUGHTFUL: [&str; 17] = [
    START,
    r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
    r#"{"type":"ping"}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me "}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"see."}}"#,
    r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"Eo8B/a="}}"#,
    r#"{"type":"content_block_stop","index":0}"#,
    r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
    r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Grüße \"you\"\n"}}"#,
    r#"{"type":"content_block_stop","index":1}"#,
    r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{},"caller":{"type":"direct"}}}"#,
    r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}"#,
    r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}"#,
    r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":" 1}"}}"#,
    r#"{"type":"content_block_stop","index":2}"#,
    r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":9,"cache_creation_input_tokens":2,"cache_read_input_tokens":5,"output_tokens":20,"output_tokens_details":{"thinking_tokens":7}}}"#,
    STOP,
];

const THOUGHTFUL_LINES: [&str; 15] = [
    "start id=msg_1 model=claude-x",
    "usage 16+1 cached=5 written=2",
    "0 start thinking",
    "0 \"Let me \"",
    "0 \"see.\"",
    "0 end signature=anthropic:Eo8B/a=",
    "1 start text",
    "1 \"Grüße \\\"you\\\"\\n\"",
    "1 end",
    "2 start tool-call f id=toolu_1",
    "2 \"{\\\"a\\\":\"",
    "2 \" 1}\"",
    "2 end",
    "usage 16+20 cached=5 written=2 reasoning=7",
    "finish toolcalls",
];

#[test]
fn every_split_of_a_stream_gives_the_same_events() {
    let text = stream(&THOUGHTFUL);
    assert_eq!(decoded(&[text.as_bytes()]), THOUGHTFUL_LINES);
    for at in (0..=text.len()).step_by(3) {
        let (head, tail) = text.as_bytes().split_at(at);
        assert_eq!(decoded(&[head, tail]), THOUGHTFUL_LINES, "split at {at}");
    }
}

proptest::proptest! {
    #[test]
    fn any_bytes_give_events_and_one_end(bytes: Vec<u8>, at in 0usize..2000) {
        let mut text = stream(&THOUGHTFUL).into_bytes();
        let at = at.min(text.len());
        text.splice(at..at, bytes);
        let events = events(&[&text]);
        let ends = events.iter().filter(|event| matches!(event, Event::Finish { .. } | Event::Failure(_))).count();
        proptest::prop_assert_eq!(ends, 1);
    }
}

#[test]
fn every_reason_is_known() {
    for (reason, line) in [
        (r#""end_turn""#, "finish stop"),
        (r#""max_tokens""#, "finish length"),
        (r#""model_context_window_exceeded""#, "finish length"),
        (r#""refusal""#, "finish contentfilter"),
        (r#""pause_turn""#, "finish pause"),
        (r#""compaction""#, "finish stop"),
    ] {
        assert_eq!(lines(&[START, &end(reason), STOP]).last().unwrap(), line);
    }
    let met = r#"{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"\n\n"},"usage":{}}"#;
    assert_eq!(lines(&[START, met, STOP]).last().unwrap(), r#"finish stoptext "\n\n""#);
}

#[test]
fn what_is_not_for_the_client_is_passed_over() {
    let got = lines(&[
        START,
        START,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"q\":1}"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"web_search_tool_result","content":[]}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"redacted_thinking","data":"EqkE"}}"#,
        r#"{"type":"content_block_stop","index":2}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"citations":[],"type":"text","text":"a"}}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"citations_delta","citation":{}}}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"b"}}"#,
        r#"{"type":"something_new"}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":3}}"#,
        &end(r#""end_turn""#),
    ]);
    assert_eq!(
        got[2..],
        [
            "0 start redacted EqkE",
            "0 end",
            "1 start text",
            "1 \"a\"",
            "1 \"b\"",
            "usage 16+3 cached=5 written=2",
            "usage 16+20 cached=5 written=2",
            "1 end",
            "finish stop"
        ]
    );
}

#[test]
fn a_call_without_arguments_has_an_empty_object() {
    let got = lines(&[
        START,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"b","name":"g","input":{"x": 1}}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        &end(r#""tool_use""#),
        STOP,
    ]);
    assert_eq!(got[3], "0 \"{}\"");
    assert_eq!(got[6], "1 \"{\\\"x\\\":1}\"");
}

#[test]
fn an_answer_that_breaks_off_is_told() {
    let cut = lines(&THOUGHTFUL[..9]);
    assert_eq!(cut.last().unwrap(), "failure CutAnswer 502: the provider's answer ended before it was finished");
    let failed = lines(&[
        START,
        r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}"#,
        STOP,
    ]);
    assert_eq!(failed[2..], ["failure Overloaded 529: Overloaded"]);
    assert!(decoded(&[b"event: message_start\ndata: <html>\n\n"])[0].starts_with("failure BadAnswer"));
}

#[test]
fn servers_that_leave_starts_out_are_read() {
    let got = lines(&[
        START,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
        &end(r#""end_turn""#),
        STOP,
    ]);
    assert_eq!(got[2..], ["0 start text", "0 \"a\"", "usage 16+20 cached=5 written=2", "0 end", "finish stop"]);
}
