//! What is written in this dialect reads back the same, however it was cut: answers by a property, requests by example.

use bytes::Bytes;
use jiff::Timestamp;
use proptest::prelude::*;

use super::{answer, request, stream};
use crate::chat::{Answer, Block, BlockKind, Choice, Event, Finish, Usage, describe, fold, unfold};
use crate::dialect::{Decoder as _, Encoder as _, Framer, Framing, Quirks, Reply};
use crate::json::{Json, Text};

/// One line a block, deltas joined: what must survive.
fn meaning(answer: &Answer) -> Vec<String> {
    let choice = &answer.choices[0];
    let block = |block: &Block| {
        let events = [Event::BlockStart { choice: 0, block: 0, kind: block.kind.clone() }];
        format!("{} {:?} {:?}", describe(&events[0]), block.joined(), block.signature)
    };
    let mut lines: Vec<String> = choice.blocks.iter().map(block).collect();
    lines.push(format!("{:?} {:?}", choice.finish, answer.usage));
    lines
}

fn block(kind: BlockKind, texts: Vec<String>, signature: Option<&str>) -> Block {
    Block {
        kind,
        texts: texts.into_iter().map(Text::from).collect(),
        signature: signature.map(Text::from),
        citations: Vec::new(),
    }
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(".{1,12}", 1..4)
}

fn call() -> impl Strategy<Value = Block> {
    ("[a-z_]{1,8}", "[a-zA-Z0-9.:_-]{4,9}", "[^\"\\\\\\x00-\\x1f]{0,8}").prop_map(|(name, id, value)| {
        let kind = BlockKind::ToolCall { id: Some(id.into()), name: name.into(), signature: None };
        block(kind, vec!["{\"a\":".to_owned(), format!("\"{value}\"}}")], None)
    })
}

fn some_answer() -> impl Strategy<Value = Answer> {
    let thought = texts().prop_map(|texts| block(BlockKind::Thinking, texts, Some("anthropic:Eo8B/+=")));
    let redacted =
        "[a-zA-Z0-9+/=]{1,20}".prop_map(|data| block(BlockKind::Redacted { data: data.into() }, vec![], None));
    let text = texts().prop_map(|texts| block(BlockKind::Text, texts, None));
    let blocks = proptest::collection::vec(prop_oneof![thought, redacted, text, call()], 1..6);
    let finish = prop_oneof![
        Just(Finish::Length),
        Just(Finish::ContentFilter),
        Just(Finish::Pause),
        ".{1,4}".prop_map(Finish::StopText)
    ];
    (blocks, finish, 0u64..9, 0u64..9, 10u64..1000, 0u64..1000).prop_map(
        |(blocks, finish, cached, written, input, output)| {
            let told = |count: u64| (count > 0).then_some(count);
            let usage = Usage {
                prompt: Some(input + cached + written),
                cached: told(cached),
                cache_written: told(written),
                completion: Some(output),
                ..Usage::default()
            };
            let choice = Choice { blocks, finish: Some(finish), logprobs: Vec::new() };
            Answer { id: Some("msg_1".into()), model: None, choices: vec![choice], usage }
        },
    )
}

fn reply() -> Reply {
    Reply { model: "m".into(), ..Reply::default() }
}

/// Writes a stream and reads it in pieces of this size.
fn streamed(answer: Answer, size: usize) -> Answer {
    let mut encoder = stream::Encoder::new(reply());
    let mut out = Vec::new();
    unfold(answer).into_iter().for_each(|event| encoder.event(event, Timestamp::UNIX_EPOCH, &mut out));
    encoder.end(Timestamp::UNIX_EPOCH, &mut out);
    let mut framer = Framer::new(Framing::Sse, 1 << 20);
    let mut records = Vec::new();
    out.chunks(size).for_each(|piece| framer.push(piece, &mut records).unwrap());
    framer.end(&mut records);
    let (mut decoder, mut events) = (stream::Decoder::default(), Vec::new());
    records.iter().for_each(|record| decoder.record(record, &mut events));
    decoder.end(&mut events);
    fold(events).unwrap()
}

/// As a client and its brought-back ids have it: those of calls are told apart from the provider's.
fn with_own_ids(mut answer: Answer) -> Answer {
    for block in answer.choices.iter_mut().flat_map(|choice| &mut choice.blocks) {
        if let BlockKind::ToolCall { id: Some(id), .. } = &mut block.kind {
            *id = super::ids::read(id.clone()).0;
        }
    }
    answer
}

proptest! {
    #[test]
    fn answers_read_back_the_same(answer in some_answer(), size in 1usize..200) {
        let wanted = meaning(&answer);
        let mut events = Vec::new();
        super::answer::read(&Json::known(answer::write(&answer, &reply())), &mut events);
        prop_assert_eq!(&meaning(&with_own_ids(fold(events).unwrap())), &wanted);
        prop_assert_eq!(&meaning(&with_own_ids(streamed(answer, size))), &wanted);
    }
}

#[test]
fn a_request_keeps_its_meaning() {
    let body = r#"{"model":"claude-opus-4-6","max_tokens":99,"system":"s","messages":[
        {"role":"user","content":[{"type":"text","text":"a"},{"type":"image","source":{"type":"url","url":"https://x"}}]},
        {"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"Eo8B"},{"type":"redacted_thinking","data":"Eq"},
            {"type":"tool_use","id":"toolu_1","name":"f","input":{"x":1.50}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"r"}],"is_error":true},
            {"type":"text","text":"b"}]}],
        "tools":[{"name":"f","description":"d","input_schema":{"type":"object"},"strict":false}],
        "tool_choice":{"type":"auto","disable_parallel_tool_use":true},"stream":true,"temperature":1.0,
        "stop_sequences":["END"],"thinking":{"type":"adaptive"},"output_config":{"effort":"low"},"service_tier":"auto"}"#;
    let read = request::read(&Bytes::from_static(body.as_bytes())).unwrap();
    let written = request::write(&read, &Quirks::default()).unwrap();
    assert!(written.dropped.is_empty(), "{:?}", written.dropped);
    let [was, is]: [serde_json::Value; 2] =
        [body.as_bytes(), &written.body].map(|it| serde_json::from_slice(it).unwrap());
    assert_eq!(is, was);
}
