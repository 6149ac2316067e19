use super::*;
use crate::chat::{Timings, Usage, describe};

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn reply() -> Reply {
    let sent = Timestamp::from_millisecond(500).ok();
    Reply { model: "p:m".to_owned(), started: NOW, sent, ..Reply::default() }
}

fn block(kind: BlockKind, texts: &[&str]) -> Block {
    Block { kind, texts: texts.iter().map(|text| Text::from(*text)).collect(), signature: None, citations: Vec::new() }
}

fn answer(finish: Finish, blocks: Vec<Block>) -> Answer {
    let choice = Choice {
        blocks,
        finish: Some(finish),
        logprobs: vec![Json::known(r#"[{"token":"a","logprob":-1,"bytes":null}]"#)],
    };
    let usage = Usage { prompt: Some(7), completion: Some(2), ..Usage::default() };
    Answer { choices: vec![choice], usage, ..Answer::default() }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_whole_answer_has_ollama_s_order() {
    let call = BlockKind::ToolCall { id: Some("c1".into()), name: "f".into(), signature: None };
    let blocks = vec![
        block(BlockKind::Thinking, &["h", "m"]),
        block(BlockKind::Text, &["a", "&"]),
        block(call, &["{\"x\":", "1}"]),
    ];
    let answer = answer(Finish::ToolCalls, blocks);
    let now = Timestamp::from_nanosecond(2_500_000_000).unwrap();
    let want = concat!(
        r#"{"model":"p:m","created_at":"1970-01-01T00:00:02.5Z","message":{"role":"assistant","content":"a\u0026","thinking":"hm","#,
        r#""tool_calls":[{"id":"c1","function":{"index":0,"name":"f","arguments":{"x":1}}}]},"done":true,"done_reason":"stop","#,
        r#""logprobs":[{"token":"a","logprob":-1}],"#,
        r#""total_duration":2500000000,"load_duration":500000000,"prompt_eval_count":7,"prompt_eval_duration":518518518,"eval_count":2,"eval_duration":1481481482}"#,
    );
    assert_eq!(text(write_chat(&answer, &reply(), now)), want);
    let want = concat!(
        r#"{"model":"p:m","created_at":"1970-01-01T00:00:02.5Z","response":"a\u0026","thinking":"hm","done":true,"done_reason":"stop","#,
        r#""total_duration":2500000000,"load_duration":500000000,"prompt_eval_count":7,"prompt_eval_duration":518518518,"eval_count":2,"eval_duration":1481481482,"#,
        r#""tool_calls":[{"id":"c1","function":{"index":0,"name":"f","arguments":{"x":1}}}],"logprobs":[{"token":"a","logprob":-1}]}"#,
    );
    assert_eq!(text(write_generate(&answer, &reply(), now)), want);
}

#[test]
fn an_ollama_server_s_own_figures_stay() {
    let mut answer = answer(Finish::Length, vec![block(BlockKind::Text, &["a"])]);
    let seconds = std::time::Duration::from_secs;
    answer.usage.timings =
        Some(Timings { total: seconds(9), load: seconds(1), prompt: seconds(2), completion: seconds(3) });
    let written = text(write_chat(&answer, &reply(), NOW));
    let want = r#""total_duration":9000000000,"load_duration":1000000000,"prompt_eval_count":7,"prompt_eval_duration":2000000000,"eval_count":2,"eval_duration":3000000000}"#;
    assert!(written.ends_with(want), "{written}");
}

#[test]
fn an_answered_request_never_took_no_time() {
    let answer =
        Answer { choices: vec![Choice { finish: Some(Finish::Stop), ..Choice::default() }], ..Answer::default() };
    let written = text(write_chat(&answer, &Reply { sent: None, ..reply() }, NOW));
    assert!(
        written.ends_with(
            r#""total_duration":1,"load_duration":1,"prompt_eval_count":1,"prompt_eval_duration":1,"eval_count":1,"eval_duration":1}"#
        ),
        "{written}"
    );
}

#[test]
fn loading_and_unloading_are_one_object() {
    assert_eq!(
        text(write_load(Wire::OllamaChat, "m1", Load::Load, NOW)),
        r#"{"model":"m1","created_at":"1970-01-01T00:00:00Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"load"}"#
    );
    assert_eq!(
        text(write_load(Wire::OllamaGenerate, "m1", Load::Unload, NOW)),
        r#"{"model":"m1","created_at":"1970-01-01T00:00:00Z","response":"","done":true,"done_reason":"unload"}"#
    );
}

fn read_lines(body: &'static str) -> Vec<String> {
    let mut events = Vec::new();
    read(&Json::known(body), &mut events);
    events.iter().map(describe).collect()
}

#[test]
fn what_is_no_answer_is_a_failure() {
    assert_eq!(read_lines(r#"{"error":"model 'x' not found"}"#), ["failure ProviderDown 502: model 'x' not found"]);
    let cut = read_lines(r#"{"model":"m","message":{"role":"assistant","content":"One"},"done":false}"#);
    assert_eq!(cut[3], "failure CutAnswer 502: the provider ended the answer before it was finished");
    assert_eq!(read_lines("[]").len(), 1);
    let loaded = read_lines(r#"{"model":"m","response":"","done":true,"done_reason":"load"}"#);
    assert_eq!(loaded, ["start id=- model=m", "finish load", "usage ?+?"]);
}
