//! What is written in this dialect reads back the same, and a stream reads the same however it is cut.

use proptest::prelude::*;

use super::{decode, encode, lines, read, reply};
use crate::chat::{Answer, Block, BlockKind, Choice, Event, Finish, Usage, fold, unfold};
use crate::dialect::{Accent, Reply, Wire};
use crate::json::Text;
use serde_json::Value;

/// One line a block, deltas joined: what must survive.
fn meaning(events: Vec<Event>) -> Vec<String> {
    let answer = fold(events).unwrap();
    let mut lines = vec![format!("{:?}", answer.usage)];
    for choice in &answer.choices {
        for block in &choice.blocks {
            lines.push(format!("{:?} {}", block.kind, block.joined()));
        }
        lines.push(format!("{:?}", choice.finish));
    }
    lines
}

fn block(kind: BlockKind, texts: Vec<String>) -> Block {
    Block { kind, texts: texts.into_iter().map(Text::from).collect(), signature: None, citations: Vec::new() }
}

fn texts() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(".{1,12}", 1..4)
}

fn call() -> impl Strategy<Value = Block> {
    ("[a-z_]{1,8}", "[a-zA-Z0-9]{4,9}", "[^\"\\\\\\x00-\\x1f]{0,8}").prop_map(|(name, id, value)| {
        let kind = BlockKind::ToolCall { id: Some(id.into()), name: name.into(), signature: None };
        block(kind, vec!["{\"a\":".to_owned(), format!("\"{value}\"}}")])
    })
}

/// Thoughts, then text, then calls, as a provider sends them.
fn choice() -> impl Strategy<Value = Choice> {
    let finish = prop_oneof![Just(Finish::Stop), Just(Finish::Length), Just(Finish::ContentFilter)];
    let thinking = proptest::option::of(texts());
    let text = proptest::option::of(texts());
    let calls = proptest::collection::vec(call(), 0..3);
    (thinking, text, calls, finish).prop_map(|(thinking, text, calls, finish)| {
        let mut blocks = Vec::new();
        blocks.extend(thinking.map(|texts| block(BlockKind::Thinking, texts)));
        blocks.extend(text.map(|texts| block(BlockKind::Text, texts)));
        let finish = if calls.is_empty() || finish != Finish::Stop { finish } else { Finish::ToolCalls };
        // Ids are unique within an answer.
        let ids = calls.into_iter().enumerate().map(|(at, mut call)| {
            if let BlockKind::ToolCall { id: Some(id), .. } = &mut call.kind {
                *id = format!("{id}-{at}").into();
            }
            call
        });
        blocks.extend(ids);
        Choice { blocks, finish: Some(finish), logprobs: Vec::new() }
    })
}

fn answer() -> impl Strategy<Value = Answer> {
    let usage = (0u64..1000, 0u64..1000, proptest::option::of(0u64..9)).prop_map(|(prompt, completion, cached)| {
        Usage { prompt: Some(prompt), completion: Some(completion), cached, ..Usage::default() }
    });
    (proptest::collection::vec(choice(), 1..3), usage).prop_map(|(choices, usage)| Answer {
        id: Some("id".into()),
        model: Some("m".into()),
        choices,
        usage,
    })
}

fn accent() -> impl Strategy<Value = Accent> {
    prop_oneof![Just(Accent::OpenAi), Just(Accent::Ollama)]
}

/// An answer as far as the accent can tell it: Ollama's has no details of counts.
fn told(mut answer: Answer, accent: Accent) -> Answer {
    if accent == Accent::Ollama {
        answer.usage.cached = None;
    }
    answer
}

/// JSON of any form, with the names that requests have.
fn any_request() -> impl Strategy<Value = Value> {
    let names = concat!(
        "model|messages|Messages|role|content|type|text|image_url|url|input_audio|data|tool_calls|function|arguments|",
        "name|reasoning|effort|stop|prompt|input|encoding_format|tools|tool_choice|response_format"
    );
    let word = prop_oneof![
        Just("m"),
        Just("text"),
        Just("image_url"),
        Just("data:;base64,!"),
        Just("{"),
        Just("low"),
        Just("")
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        word.prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((names, inner), 0..6).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn a_stream_reads_back(answer in answer(), accent in accent()) {
        let (wire, answer) = (Wire::OpenAiChat, told(answer, accent));
        let stream = encode(wire, Reply { accent, ..reply(true) }, unfold(answer.clone()));
        prop_assert_eq!(meaning(decode(wire, stream.as_bytes(), &[])), meaning(unfold(answer)));
    }

    #[test]
    fn a_whole_answer_reads_back(answer in answer(), accent in accent()) {
        let (wire, answer) = (Wire::OpenAiChat, told(answer, accent));
        let body = wire.write_answer(&answer, &Reply { accent, ..reply(false) }, jiff::Timestamp::UNIX_EPOCH);
        prop_assert_eq!(meaning(read(wire, body)), meaning(unfold(answer)));
    }

    #[test]
    fn any_request_is_read_or_refused(body in any_request(), accent in accent()) {
        let body = bytes::Bytes::from(body.to_string());
        for wire in [Wire::OpenAiChat, Wire::OpenAiCompletions] {
            let failure = wire.read_request_in(accent, &body).err();
            prop_assert!(failure.is_none_or(|failure| (400..500).contains(&failure.status)));
        }
        let _ = Wire::OpenAiEmbeddings.read_embed(accent, &body);
    }

    #[test]
    fn no_chunk_makes_it_panic(text in "\\PC{0,60}", cut in 0usize..300) {
        let stream = format!("data: {text}\n\ndata: {{\"choices\":[{{\"index\":-1,\"delta\":{{\"content\":[{{}},1,null],\
            \"tool_calls\":[{{}},{{\"index\":99999999999,\"function\":{{\"arguments\":[1]}}}},7]}}}}]}}\n\ndata: {{}}\n\n");
        let mut cut = cut.min(stream.len());
        while !stream.is_char_boundary(cut) { cut -= 1; }
        decode(Wire::OpenAiChat, &stream.as_bytes()[..cut], &[]);
    }
}

#[test]
fn every_split_reads_the_same() {
    let stream = concat!(
        ": hello\n\n",
        "data: {\"id\":\"x\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"é\\n\"}}]}\r\n\r\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"f\"}}]}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
        "data: [DONE]\n\n",
    );
    let expected = [
        "start id=x model=-",
        "0 start text",
        "0 \"é\\n\"",
        "0 end",
        "1 start tool-call f id=c",
        "1 \"{}\"",
        "1 end",
        "finish toolcalls",
    ];
    for first in 0..stream.len() {
        let cuts = [first, (first + 1).min(stream.len())];
        assert_eq!(lines(&decode(Wire::OpenAiChat, stream.as_bytes(), &cuts)), expected, "cut at {first}");
    }
}
