use jiff::Timestamp;

use super::Encoder;
use crate::chat::{BlockKind, Class, Event, Failure, Finish, Usage, fold};
use crate::dialect::anthropic::answer;
use crate::dialect::{Encoder as _, Reply};
use crate::json::Text;

fn reply() -> Reply {
    Reply { model: "m".into(), prompt_estimate: Some(12), ..Reply::default() }
}

/// The stream, written in one go.
fn encoded(events: Vec<Event>) -> String {
    let mut encoder = Encoder::new(reply());
    let mut out = Vec::new();
    let is_failed = events.iter().any(|event| matches!(event, Event::Failure(_)));
    events.into_iter().for_each(|event| encoder.event(event, Timestamp::UNIX_EPOCH, &mut out));
    if !is_failed {
        encoder.end(Timestamp::UNIX_EPOCH, &mut out);
    }
    String::from_utf8(out).unwrap()
}

/// The data of its records, each checked to have its type as the event's name.
fn records(events: Vec<Event>) -> Vec<String> {
    let text = encoded(events);
    assert!(text.ends_with("\n\n"));
    text.trim_end()
        .split("\n\n")
        .map(|record| {
            let (name, data) = record.strip_prefix("event: ").unwrap().split_once("\ndata: ").unwrap();
            assert!(data.starts_with(&format!(r#"{{"type":"{name}""#)), "{record}");
            data.to_owned()
        })
        .collect()
}

fn whole(events: Vec<Event>) -> String {
    String::from_utf8(answer::write(&fold(events).unwrap(), &reply())).unwrap()
}

fn start(id: &str) -> Event {
    Event::Start { id: Some(id.into()), model: Some("other".into()) }
}

fn begin(block: u32, kind: BlockKind) -> Event {
    Event::BlockStart { choice: 0, block, kind }
}

fn more(block: u32, text: &str) -> Event {
    Event::Delta { choice: 0, block, text: text.into() }
}

fn end(block: u32, signature: Option<&str>) -> Event {
    Event::BlockEnd { choice: 0, block, signature: signature.map(Text::from) }
}

fn finish(reason: Finish) -> Event {
    Event::Finish { choice: 0, reason }
}

fn tool(id: &str, name: &str, signature: Option<&str>) -> BlockKind {
    BlockKind::ToolCall { id: Some(id.into()), name: name.into(), signature: signature.map(Text::from) }
}

fn usage() -> Event {
    Event::Usage(Usage {
        prompt: Some(20),
        cached: Some(5),
        cache_written: Some(3),
        completion: Some(7),
        reasoning: Some(2),
        ..Usage::default()
    })
}

#[test]
fn a_thought_and_a_text() {
    let events = || {
        vec![
            start("msg_abc"),
            begin(0, BlockKind::Thinking),
            more(0, "hm"),
            end(0, Some("anthropic:Eo8B")),
            begin(1, BlockKind::Redacted { data: "Eq".into() }),
            end(1, None),
            begin(2, BlockKind::Text),
            more(2, "a\n\"b\""),
            more(2, ""),
            end(2, None),
            finish(Finish::StopText("END".into())),
            usage(),
        ]
    };
    assert_eq!(
        records(events()),
        [
            r#"{"type":"message_start","message":{"id":"msg_abc","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"Eo8B"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"Eq"}}"#,
            r#"{"type":"content_block_stop","index":1}"#,
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":""}}"#,
            r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"a\n\"b\""}}"#,
            r#"{"type":"content_block_stop","index":2}"#,
            r#"{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"END"},"usage":{"input_tokens":12,"cache_creation_input_tokens":3,"cache_read_input_tokens":5,"output_tokens":7,"output_tokens_details":{"thinking_tokens":2}}}"#,
            r#"{"type":"message_stop"}"#,
        ]
    );
    assert_eq!(
        whole(events()),
        concat!(
            r#"{"id":"msg_abc","type":"message","role":"assistant","model":"m","content":["#,
            r#"{"type":"thinking","thinking":"hm","signature":"Eo8B"},{"type":"redacted_thinking","data":"Eq"},"#,
            r#"{"type":"text","text":"a\n\"b\""}],"stop_reason":"stop_sequence","stop_sequence":"END","#,
            r#""usage":{"input_tokens":12,"cache_creation_input_tokens":3,"cache_read_input_tokens":5,"output_tokens":7,"#,
            r#""output_tokens_details":{"thinking_tokens":2}}}"#
        )
    );
}

#[test]
fn calls_that_grow_in_turn_come_one_after_the_other() {
    let events = || {
        vec![
            start("chatcmpl-1"),
            begin(0, tool("call_a", "f", None)),
            begin(1, tool("functions.g:1", "g", Some("c2ln"))),
            more(0, r#"{"x":"#),
            more(1, "{}"),
            begin(2, tool("call_c", "h", None)),
            end(1, None),
            more(0, "1}"),
            more(2, ""),
            end(0, None),
            end(2, None),
            finish(Finish::Stop),
        ]
    };
    let id = "toolu_id_ZnVuY3Rpb25zLmc6MQ__thought__YzJsbg";
    let got = records(events());
    assert_eq!(
        got[1..got.len() - 2],
        [
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"call_a","name":"f","input":{}}}"#,
            r#"{"type":"ping"}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"x\":"}}"#,
            r#"{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"1}"}}"#,
            r#"{"type":"content_block_stop","index":0}"#,
            &format!(
                r#"{{"type":"content_block_start","index":1,"content_block":{{"type":"tool_use","id":"{id}","name":"g","input":{{}}}}}}"#
            ),
            r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
            r#"{"type":"content_block_stop","index":1}"#,
            r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"call_c","name":"h","input":{}}}"#,
            r#"{"type":"content_block_stop","index":2}"#,
        ]
    );
    assert!(got[got.len() - 2].contains(r#""stop_reason":"tool_use","stop_sequence":null"#));
    assert!(got[0].contains(r#""id":"msg_"#), "{}", got[0]);
    let body = whole(events());
    let calls = format!(
        concat!(
            r#""content":[{{"type":"tool_use","id":"call_a","name":"f","input":{{"x":1}}}},"#,
            r#"{{"type":"tool_use","id":"{}","name":"g","input":{{}}}},"#,
            r#"{{"type":"tool_use","id":"call_c","name":"h","input":{{}}}}],"stop_reason":"tool_use""#
        ),
        id
    );
    assert!(body.contains(&calls), "{body}");
}

#[test]
fn every_end_has_its_word() {
    for (reason, word) in [
        (Finish::Stop, "end_turn"),
        (Finish::ToolCalls, "end_turn"),
        (Finish::Length, "max_tokens"),
        (Finish::ContentFilter, "refusal"),
        (Finish::Pause, "pause_turn"),
    ] {
        let events = || vec![begin(0, BlockKind::Text), more(0, "12345"), end(0, None), finish(reason.clone())];
        let end = format!(
            r#"{{"type":"message_delta","delta":{{"stop_reason":"{word}","stop_sequence":null}},"usage":{{"input_tokens":12,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":2}}}}"#
        );
        assert!(records(events()).contains(&end), "{word}");
        assert!(whole(events()).contains(&format!(r#""stop_reason":"{word}","stop_sequence":null"#)));
    }
    let refused = || vec![begin(0, BlockKind::Refusal), more(0, "no"), end(0, None), finish(Finish::Stop)];
    assert!(encoded(refused()).contains(r#""stop_reason":"refusal""#));
    assert!(whole(refused()).contains(r#"{"type":"text","text":"no"}],"stop_reason":"refusal""#));
}

#[test]
fn no_message_is_empty() {
    let got = records(vec![finish(Finish::Stop), usage()]);
    assert_eq!(got.len(), 6);
    assert!(got[0].contains(r#""input_tokens":12,"cache_creation_input_tokens":3"#), "{}", got[0]);
    assert_eq!(got[1], r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#);
    assert_eq!(got[3], r#"{"type":"content_block_stop","index":0}"#);
    assert!(whole(vec![finish(Finish::Stop)]).contains(r#""content":[{"type":"text","text":""}]"#));
}

#[test]
fn a_picture_is_shown_in_the_text() {
    let events = || {
        let kind = BlockKind::Media { mime: "image/png".into() };
        vec![begin(0, kind), more(0, "iVBOR"), more(0, "w0K"), end(0, None), finish(Finish::Stop)]
    };
    assert!(whole(events()).contains(r#"{"type":"text","text":"![image](data:image/png;base64,iVBORw0K)"}"#));
    let said: String = records(events())
        .iter()
        .filter_map(|record| {
            let record: serde_json::Value = serde_json::from_str(record).unwrap();
            record["delta"]["text"].as_str().map(str::to_owned)
        })
        .collect();
    assert_eq!(said, "![image](data:image/png;base64,iVBORw0K)");
}

#[test]
fn a_failure_in_the_midst_ends_the_stream() {
    let got = records(vec![
        start("msg_1"),
        begin(0, BlockKind::Text),
        more(0, "a"),
        Event::Failure(Failure::new(Class::CutAnswer, "it broke off")),
        more(0, "b"),
    ]);
    assert_eq!(got.last().unwrap(), r#"{"type":"error","error":{"type":"api_error","message":"it broke off"}}"#);
}
