//! Bodies with very many tool calls take no more than their length in time.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Dialect, Framer, Operation, Quirks, Reply, Wire};
use crate::chat::{Event, fold};
use crate::json::Json;
use jiff::Timestamp;

const CALLS: usize = 20_000;

/// A debug build needs about a second for each, and some more on a busy machine; with the square of the calls it is minutes.
const TIME_MAX: Duration = Duration::from_secs(30);

const CLIENTS: [Wire; 4] = [Wire::OllamaChat, Wire::OpenAiChat, Wire::Anthropic, Wire::Gemini];

fn in_time<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let done = work();
    assert!(begun.elapsed() < TIME_MAX, "{what} took {:?}", begun.elapsed());
    done
}

fn list(item: impl Fn(usize) -> String) -> String {
    (0..CALLS).map(item).collect::<Vec<_>>().join(",")
}

/// An answer with all calls in one body: OpenAI's, Ollama's, Google's, Anthropic's.
fn whole(wire: Wire) -> String {
    let function = |n| format!(r#"{{"id":"c{n}","function":{{"name":"f","arguments":"{{}}"}}}}"#);
    match wire.dialect() {
        Dialect::OpenAi => format!(
            r#"{{"choices":[{{"message":{{"tool_calls":[{}]}},"finish_reason":"tool_calls"}}]}}"#,
            list(function)
        ),
        Dialect::Ollama => format!(
            r#"{{"message":{{"role":"assistant","tool_calls":[{}]}},"done":true}}"#,
            list(|_| r#"{"function":{"name":"f","arguments":{}}}"#.to_owned())
        ),
        Dialect::Gemini => format!(
            r#"{{"candidates":[{{"content":{{"parts":[{}]}},"finishReason":"STOP"}}]}}"#,
            list(|_| r#"{"functionCall":{"name":"f","args":{}}}"#.to_owned())
        ),
        Dialect::Anthropic => format!(
            r#"{{"type":"message","content":[{}],"stop_reason":"tool_use"}}"#,
            list(|n| format!(r#"{{"type":"tool_use","id":"c{n}","name":"f","input":{{}}}}"#))
        ),
    }
}

fn calls_in(events: Vec<Event>) -> usize {
    fold(events).unwrap().choices.iter().map(|choice| choice.blocks.len()).sum()
}

#[test]
fn a_whole_answer_with_many_calls() {
    for wire in [Wire::OpenAiChat, Wire::OllamaChat, Wire::Gemini, Wire::Anthropic] {
        let events = in_time(&format!("{wire:?} whole"), || {
            let mut events = Vec::new();
            wire.read_answer(&Json::parse(Bytes::from(whole(wire))).unwrap(), &mut events);
            events
        });
        for client in CLIENTS {
            in_time(&format!("{client:?} whole from {wire:?}"), || {
                let answer = fold(events.clone()).unwrap();
                client.write_answer(&answer, &Reply::default(), Timestamp::UNIX_EPOCH)
            });
            in_time(&format!("{client:?} stream from {wire:?}"), || {
                let mut encoder = client.encoder(Reply::default()).unwrap();
                let mut out = Vec::new();
                events.iter().for_each(|e| encoder.event(e.clone(), Timestamp::UNIX_EPOCH, &mut out));
                encoder.end(Timestamp::UNIX_EPOCH, &mut out);
            });
        }
        assert_eq!(in_time("fold", || calls_in(events)), CALLS, "{wire:?}");
    }
}

/// Chunks of a call each: with and without an index and an id.
#[test]
fn a_stream_with_many_calls() {
    let named = |n: usize, index: &str| {
        format!(r#"{{{index}"id":"c{n}","type":"function","function":{{"name":"f","arguments":"{{\"a\":{n}}}"}}}}"#)
    };
    let forms: [(&str, &dyn Fn(usize) -> String); 3] = [
        ("ids alone", &|n| named(n, "")),
        ("indexes", &|n| named(n, &format!("\"index\":{n},"))),
        ("no ids", &|n| format!(r#"{{"index":{n},"function":{{"name":"f","arguments":"{{}}"}}}}"#)),
    ];
    for (what, call) in forms {
        let stream: String = (0..CALLS)
            .map(|n| format!("data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{}]}}}}]}}\n\n", call(n)))
            .chain(["data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n".to_owned()])
            .collect();
        let events = in_time(what, || {
            let wire = Wire::OpenAiChat;
            let mut framer = Framer::new(wire.framing(), 1 << 20);
            let (mut decoder, mut records, mut events) = (wire.decoder(), Vec::new(), Vec::new());
            framer.push(stream.as_bytes(), &mut records).unwrap();
            records.iter().for_each(|record| decoder.record(record, &mut events));
            decoder.end(&mut events);
            events
        });
        assert_eq!(calls_in(events), CALLS, "{what}");
    }
}

/// One turn with all calls and then all results, or a turn for each; with ids and without.
#[test]
fn a_request_with_many_calls() {
    let call =
        |n: usize| format!(r#"{{"id":"c{n}","type":"function","function":{{"name":"f{n}","arguments":"{{}}"}}}}"#);
    let turn = |calls: String| format!(r#"{{"role":"assistant","content":null,"tool_calls":[{calls}]}}"#);
    let result = |n: usize| format!(r#"{{"role":"tool","tool_call_id":"c{n}","content":"r"}}"#);
    let bare = |n: usize| format!(r#"{{"function":{{"name":"f{n}","arguments":{{}}}}}}"#);
    let named = |n: usize| format!(r#"{{"role":"tool","tool_name":"f{n}","content":"r"}}"#);
    let ollama_turn = |calls: String| format!(r#"{{"role":"assistant","content":"","tool_calls":[{calls}]}}"#);
    let nameless = |_| r#"{"role":"tool","content":"r"}"#.to_owned();
    let used = |n: usize| format!(r#"{{"type":"tool_use","id":"c{n}","name":"f{n}","input":{{}}}}"#);
    let given = |n: usize| format!(r#"{{"type":"tool_result","tool_use_id":"c{n}","content":"r"}}"#);
    let blocks = |role: &str, blocks: String| format!(r#"{{"role":"{role}","content":[{blocks}]}}"#);
    let requests = [
        (
            Wire::Anthropic,
            format!("{},{}", blocks("assistant", list(used)), blocks("user", list(|n| given(CALLS - 1 - n)))),
        ),
        (Wire::OpenAiChat, format!("{},{}", turn(list(call)), list(result))),
        (Wire::OpenAiChat, list(|n| format!("{},{}", turn(call(n)), result(n)))),
        (Wire::OllamaChat, format!("{},{}", ollama_turn(list(bare)), list(|n| named(CALLS - 1 - n)))),
        (Wire::OllamaChat, format!("{},{}", ollama_turn(list(bare)), list(nameless))),
    ];
    for (number, (wire, messages)) in requests.into_iter().enumerate() {
        let user = r#"{"role":"user","content":"hi"}"#;
        let body = Bytes::from(format!(r#"{{"model":"m","max_tokens":9,"messages":[{user},{messages}]}}"#));
        let request = wire.read_request(&body).unwrap();
        for dialect in Dialect::ALL {
            let to = dialect.wire(Operation::Chat);
            let written = in_time(&format!("{to:?} of {number}"), || to.write_request(&request, &Quirks::default()));
            assert!(written.is_ok(), "{to:?} of {number}: {:?}", written.err());
        }
    }
}
