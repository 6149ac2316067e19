//! What providers send, by hand, and the events that it means.

use super::{decode, encode, lines, read, reply};
use crate::chat::{BlockKind, Class, Event, Failure, Finish, Usage, fold};
use crate::dialect::{Reply, Wire};

/// Items of `choices` as chunks, then `[DONE]`.
fn stream(choices: &[&str]) -> Vec<String> {
    let chunk = |choice: &&str| format!("data: {{\"choices\":[{choice}]}}\n\n");
    let text: String = choices.iter().map(chunk).chain(["data: [DONE]\n\n".to_owned()]).collect();
    let mut lines = lines(&decode(Wire::OpenAiChat, text.as_bytes(), &[]));
    assert_eq!(lines.remove(0), "start id=- model=-");
    lines
}

fn raw(text: &str) -> Vec<String> {
    lines(&decode(Wire::OpenAiChat, text.as_bytes(), &[]))
}

fn whole(body: &str) -> Vec<String> {
    lines(&read(Wire::OpenAiChat, body.to_owned()))
}

#[test]
fn text_comes_in_many_shapes() {
    let rows: [(&[&str], &[&str]); 5] = [
        // The role in every chunk, content null, text beside the reason.
        (
            &[
                r#"{"index":0,"delta":{"role":"assistant","content":null}}"#,
                r#"{"index":0,"delta":{"role":"assistant","content":"a"},"finish_reason":null}"#,
                r#"{"index":0,"delta":{"role":"assistant","content":"b"},"finish_reason":"eos"}"#,
            ],
            &["0 start text", r#"0 "a""#, r#"0 "b""#, "0 end", "finish stop"],
        ),
        // Mistral's lists.
        (
            &[
                r#"{"delta":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]}]}}"#,
                r#"{"delta":{"content":[{"type":"text","text":"x"}]},"finish_reason":"model_length"}"#,
            ],
            &["0 start thinking", r#"0 "t""#, "0 end", "1 start text", r#"1 "x""#, "1 end", "finish length"],
        ),
        // The same thought under three names.
        (
            &[
                r#"{"delta":{"content":"","reasoning":"t","reasoning_content":"t","reasoning_details":[{"type":"reasoning.text","text":"t"}]}}"#,
                r#"{"delta":{"content":"x","reasoning":null},"finish_reason":""}"#,
                r#"{"delta":{},"finish_reason":"MAX_TOKENS"}"#,
            ],
            &["0 start thinking", r#"0 "t""#, "0 end", "1 start text", r#"1 "x""#, "1 end", "finish length"],
        ),
        // A message that grows beside the delta; no finish_reason, but [DONE].
        (
            &[
                r#"{"delta":{"content":"a"},"message":{"content":"a"}}"#,
                r#"{"delta":{"content":"b"},"message":{"content":"ab"}}"#,
            ],
            &["0 start text", r#"0 "a""#, r#"0 "b""#, "0 end", "finish stop"],
        ),
        (
            &[r#"{"index":1,"delta":{"refusal":"no"},"finish_reason":"content_filter"}"#],
            &["choice 1: 0 start refusal", r#"choice 1: 0 "no""#, "choice 1: 0 end", "choice 1: finish contentfilter"],
        ),
    ];
    for (chunks, expected) in rows {
        assert_eq!(stream(chunks), expected);
    }
}

#[test]
fn calls_come_in_many_shapes() {
    let rows: [(&[&str], &[&str]); 7] = [
        // OpenAI's own: opened, then grown in turn.
        (
            &[
                r#"{"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}}"#,
                r#"{"delta":{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"f","arguments":""}}]}}"#,
                r#"{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}},{"index":1,"function":{"arguments":"{}"}}]}}"#,
                r#"{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}}"#,
                r#"{"delta":{},"finish_reason":"tool_calls"}"#,
            ],
            &[
                "0 start tool-call f id=a",
                "1 start tool-call f id=b",
                r#"0 "{\"x\":""#,
                r#"1 "{}""#,
                r#"0 "1}""#,
                "0 end",
                "1 end",
                "finish toolcalls",
            ],
        ),
        // Qwen: later ids are empty; the name is repeated.
        (
            &[
                r#"{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}}"#,
                r#"{"delta":{"tool_calls":[{"index":0,"id":"","function":{"name":"f","arguments":"}"}}]},"finish_reason":"stop"}"#,
            ],
            &["0 start tool-call f id=a", r#"0 "{""#, r#"0 "}""#, "0 end", "finish toolcalls"],
        ),
        // Mistral: whole, without index, with the reason.
        (
            &[
                r#"{"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"b","function":{"name":"f","arguments":{"y":1}}}]},"finish_reason":"tool_calls"}"#,
            ],
            &[
                "0 start tool-call f id=a",
                r#"0 "{}""#,
                "1 start tool-call f id=b",
                r#"1 "{\"y\":1}""#,
                "0 end",
                "1 end",
                "finish toolcalls",
            ],
        ),
        // Two calls with index 0 and ids of their own.
        (
            &[
                r#"{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}}"#,
                r#"{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{\"z\""}}]}}"#,
                r#"{"delta":{"tool_calls":[{"index":0,"function":{"arguments":":2}"}}]},"finish_reason":"stop"}"#,
            ],
            &[
                "0 start tool-call f id=a",
                r#"0 "{}""#,
                "1 start tool-call f id=b",
                r#"1 "{\"z\"""#,
                r#"1 ":2}""#,
                "0 end",
                "1 end",
                "finish toolcalls",
            ],
        ),
        // Index 0 and no id at all, twice the same function.
        (
            &[
                r#"{"delta":{"tool_calls":[{"index":0,"id":"","function":{"name":"f","arguments":"{}"}},{"index":0,"id":"","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}"#,
            ],
            &[
                "0 start tool-call f id=-",
                r#"0 "{}""#,
                "1 start tool-call f id=-",
                r#"1 "{}""#,
                "0 end",
                "1 end",
                "finish toolcalls",
            ],
        ),
        // The name comes after the first arguments; text before and after.
        (
            &[
                r#"{"delta":{"content":"x"}}"#,
                r#"{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"arguments":"{"}}]}}"#,
                r#"{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":"}"}}]}}"#,
                r#"{"delta":{"content":"y"},"finish_reason":"length"}"#,
            ],
            &[
                "0 start text",
                r#"0 "x""#,
                "0 end",
                "1 start tool-call f id=a",
                r#"1 "{""#,
                r#"1 "}""#,
                "1 end",
                "2 start text",
                r#"2 "y""#,
                "2 end",
                "finish length",
            ],
        ),
        // Google's signature; the legacy form of a call.
        (
            &[
                r#"{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"s"}}}]},"finish_reason":"stop"}"#,
                r#"{"index":1,"delta":{"function_call":{"name":"g"}}}"#,
                r#"{"index":1,"delta":{"function_call":{"arguments":"{}"}},"finish_reason":"function_call"}"#,
            ],
            &[
                "0 start tool-call f id=a signature=s",
                r#"0 "{}""#,
                "0 end",
                "finish toolcalls",
                "choice 1: 0 start tool-call g id=-",
                r#"choice 1: 0 "{}""#,
                "choice 1: 0 end",
                "choice 1: finish toolcalls",
            ],
        ),
    ];
    for (chunks, expected) in rows {
        assert_eq!(stream(chunks), expected);
    }
}

#[test]
fn usage_stands_in_many_places() {
    let rows = [
        (
            r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4,"prompt_tokens_details":{"cached_tokens":1},"completion_tokens_details":{"reasoning_tokens":2}}}"#,
            "usage 3+4 cached=1 reasoning=2",
        ),
        (r#"{"choices":[{"delta":{},"usage":{"prompt_tokens":1,"completion_tokens":2}}]}"#, "usage 1+2"),
        (r#"{"choices":[],"x_groq":{"usage":{"prompt_tokens":1,"completion_tokens":2}}}"#, "usage 1+2"),
        (
            r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":1,"prompt_cache_hit_tokens":4,"total_tokens":6}}"#,
            "usage 5+1 cached=4",
        ),
        (
            r#"{"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":1,"total_tokens":9,"completion_tokens_details":{"reasoning_tokens":3}}}"#,
            "usage 5+4 reasoning=3",
        ),
    ];
    for (chunk, expected) in rows {
        let finish = r#"data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}],"usage":null}"#;
        // The same count twice is told once.
        let found = raw(&format!("{finish}\n\ndata: {chunk}\n\ndata: {chunk}\n\n"));
        assert_eq!(found[4..], ["finish stop", expected]);
    }
}

#[test]
fn errors_in_a_stream_are_failures() {
    let begun = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n";
    let rows = [
        ("data: {\"error\":{\"message\":\"m\",\"type\":\"t\",\"code\":\"c\"}}\n\n", "failure ProviderDown 502: m"),
        ("event: error\ndata: {\"error\":{\"message\":\"m\",\"status_code\":400}}\n\n", "failure ProviderDown 502: m"),
        (
            "data: {\"error\":{\"code\":429,\"message\":\"m\"},\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\ndata: [DONE]\n\n",
            "failure ProviderDown 429: m",
        ),
        ("error: {\"code\":500,\"message\":\"m\"}\n\n", "failure ProviderDown 500: m"),
        ("data: {\"object\":\"error\",\"message\":\"m\",\"code\":400}\n\n", "failure ProviderDown 400: m"),
        ("data: {\"x_groq\":{\"error\":\"m\"},\"choices\":[]}\n\n", "failure ProviderDown 502: m"),
        (
            "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"error\"}]}\n\n",
            "failure ProviderDown 502: the provider broke off its answer: error",
        ),
        (
            "data: {\"choices\":[{\"delta\":{},\"error\":{\"code\":503,\"message\":\"m\"}}]}\n\n",
            "failure ProviderDown 503: m",
        ),
        ("", "failure CutAnswer 502: the provider's answer broke off before it was finished"),
    ];
    for (end, expected) in rows {
        let found = raw(&format!("{begun}{end}"));
        assert_eq!(found.last().map(String::as_str), Some(expected), "{end}");
        assert_eq!(found.len(), 4, "{found:?}");
    }
    assert!(
        raw("data: <html>\n\n")[0].starts_with("failure BadAnswer 502: the provider sent a chunk that is not JSON")
    );
    assert!(raw("data: [DONE]\n\n")[0].starts_with("failure BadAnswer"));
    assert_eq!(raw(&format!("{begun}data: [DONE]\n\ndata: junk\n\n")).last().map(String::as_str), Some("finish stop"));
}

#[test]
fn whole_answers_are_read() {
    let body = r#"{"id":"i","model":"p","choices":[{"index":0,"message":{"role":"assistant","content":null,"reasoning_content":"t",
        "images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}],
        "tool_calls":[{"id":"","function":{"name":"f","arguments":""}},{"id":"b","function":{"name":"f","arguments":"{}"}}]},
        "logprobs":{"content":[{"token":"x","logprob":-1}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    let expected = [
        "start id=i model=p",
        "0 start thinking",
        r#"0 "t""#,
        "0 end",
        "1 start media image/png",
        r#"1 "AA""#,
        "1 end",
        "2 start tool-call f id=-",
        r#"2 "{}""#,
        "2 end",
        "3 start tool-call f id=b",
        r#"3 "{}""#,
        r#"logprobs [{"token":"x","logprob":-1}]"#,
        "3 end",
        "finish toolcalls",
        "usage 1+2",
    ];
    assert_eq!(whole(body), expected);
    assert_eq!(whole(r#"{"error":{"code":402,"message":"m"}}"#), ["failure ProviderDown 402: m"]);
    assert_eq!(whole(r#"{"base_resp":{"status_code":1008,"status_msg":"m"}}"#), ["failure ProviderDown 502: m"]);
    assert!(whole(r#"{"hello":1}"#)[0].starts_with("failure BadAnswer 502: the provider's answer has no choices"));
    assert!(whole("[]")[0].starts_with("failure BadAnswer"));
    assert_eq!(
        whole(r#"{"choices":[{"message":{"content":"x"},"finish_reason":null}]}"#),
        ["start id=- model=-", "0 start text", r#"0 "x""#, "0 end", "finish stop"]
    );
    let completion =
        lines(&read(Wire::OpenAiCompletions, r#"{"choices":[{"text":"x","index":0,"finish_reason":"length"}]}"#));
    assert_eq!(completion[1..], ["0 start text", r#"0 "x""#, "0 end", "finish length"]);
}

#[test]
fn odd_bodies_are_failures_or_nothing() {
    assert_eq!(whole(r#"[{"error":{"code":429,"message":"m"}}]"#), ["failure ProviderDown 429: m"]);
    assert_eq!(
        whole(r#"{"error":"","choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}"#).last().unwrap(),
        "finish stop"
    );
    let over = r#"data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}"#;
    let after = raw(&format!("{over}\n\ndata: {{\"choices\":[{{\"delta\":{{\"content\":\"y\"}}}}]}}\n\n"));
    assert_eq!(after.last().unwrap(), "failure BadAnswer 502: the provider's answer went on after its end");
}

#[test]
fn legacy_probabilities_change_their_form_and_back() {
    let logprobs = r#"{"tokens":["a","b"],"token_logprobs":[-0.10,-2],"top_logprobs":[{"a":-0.10,"c":-3},{}],"text_offset":[0,1]}"#;
    let body =
        format!(r#"{{"id":"i","choices":[{{"text":"ab","index":0,"logprobs":{logprobs},"finish_reason":"stop"}}]}}"#);
    let events = read(Wire::OpenAiCompletions, body);
    let first = r#"{"token":"a","logprob":-0.10,"bytes":null,"top_logprobs":[{"token":"a","logprob":-0.10},{"token":"c","logprob":-3}]}"#;
    assert!(lines(&events).iter().any(|line| line.starts_with(&format!("logprobs [{first},"))), "{:?}", lines(&events));
    let written =
        Wire::OpenAiCompletions.write_answer(&fold(events).unwrap(), &reply(false), jiff::Timestamp::UNIX_EPOCH);
    let written = String::from_utf8(written).unwrap();
    assert!(written.contains(&format!(r#""logprobs":{logprobs}"#)), "{written}");
}

fn call_events() -> Vec<Event> {
    let kind = BlockKind::ToolCall { id: Some("c".into()), name: "f".into(), signature: Some("s".into()) };
    vec![
        Event::Start { id: Some("i".into()), model: None },
        Event::BlockStart { choice: 0, block: 0, kind: BlockKind::Thinking },
        Event::Delta { choice: 0, block: 0, text: "t".into() },
        Event::BlockEnd { choice: 0, block: 0, signature: None },
        Event::BlockStart { choice: 0, block: 1, kind },
        Event::Delta { choice: 0, block: 1, text: "{}".into() },
        Event::BlockEnd { choice: 0, block: 1, signature: None },
        Event::Finish { choice: 0, reason: Finish::Stop },
        Event::Usage(Usage { prompt: Some(1), completion: Some(2), cached: Some(1), ..Usage::default() }),
    ]
}

#[test]
fn a_stream_is_written_in_openai_s_order() {
    let head = r#"data: {"id":"i","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":"#;
    let choice =
        |delta: &str, reason: &str| format!(r#"{head}[{{"index":0,"delta":{delta},"finish_reason":{reason}}}]"#);
    let expected = [
        choice(r#"{"role":"assistant","content":""}"#, "null"),
        choice(r#"{"reasoning_content":"t","reasoning":"t"}"#, "null"),
        choice(
            r#"{"tool_calls":[{"index":0,"id":"c__thought__cw","type":"function","function":{"name":"f","arguments":""}}]}"#,
            "null",
        ),
        choice(r#"{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}"#, "null"),
        choice("{}", r#""tool_calls""#),
    ];
    let plain: String = expected.iter().map(|record| format!("{record}}}\n\n")).collect();
    assert_eq!(encode(Wire::OpenAiChat, reply(false), call_events()), format!("{plain}data: [DONE]\n\n"));
    let counted: String = expected.iter().map(|record| format!("{record},\"usage\":null}}\n\n")).collect();
    let usage =
        r#"{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":1}}"#;
    let end = format!("{head}[],\"usage\":{usage}}}\n\ndata: [DONE]\n\n");
    assert_eq!(encode(Wire::OpenAiChat, reply(true), call_events()), format!("{counted}{end}"));
}

#[test]
fn a_failed_stream_ends_with_the_error() {
    let events = vec![Event::Failure(Failure::new(Class::CutAnswer, "cut"))];
    assert_eq!(
        encode(Wire::OpenAiChat, reply(true), events),
        "data: {\"error\":{\"message\":\"cut\",\"type\":\"server_error\",\"param\":null,\"code\":null}}\n\n"
    );
}

#[test]
fn a_completion_is_written_with_its_echo() {
    let events = vec![
        Event::Start { id: Some("i".into()), model: None },
        Event::BlockStart { choice: 0, block: 0, kind: BlockKind::Thinking },
        Event::Delta { choice: 0, block: 0, text: "t".into() },
        Event::BlockEnd { choice: 0, block: 0, signature: None },
        Event::BlockStart { choice: 0, block: 1, kind: BlockKind::Text },
        Event::Delta { choice: 0, block: 1, text: "x".into() },
        Event::BlockEnd { choice: 0, block: 1, signature: None },
        Event::Finish { choice: 0, reason: Finish::Length },
    ];
    let reply = Reply { echo: Some("p".into()), ..reply(false) };
    let head = r#"data: {"id":"i","object":"text_completion","created":1700000000,"model":"m","choices":"#;
    let item = |text: &str, reason: &str| {
        format!("{head}[{{\"text\":\"{text}\",\"index\":0,\"logprobs\":null,\"finish_reason\":{reason}}}]}}\n\n")
    };
    let expected =
        [item("p", "null"), item("x", "null"), item("", "\"length\""), "data: [DONE]\n\n".to_owned()].concat();
    assert_eq!(encode(Wire::OpenAiCompletions, reply.clone(), events.clone()), expected);
    let body = Wire::OpenAiCompletions.write_answer(&fold(events).unwrap(), &reply, jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(
        String::from_utf8(body).unwrap(),
        r#"{"id":"i","object":"text_completion","created":1700000000,"model":"m","choices":[{"text":"px","index":0,"logprobs":null,"finish_reason":"length"}]}"#
    );
}

#[test]
fn a_whole_answer_is_written_in_openai_s_order() {
    let answer = fold(call_events()).unwrap();
    let body = Wire::OpenAiChat.write_answer(&answer, &reply(false), jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(
        String::from_utf8(body).unwrap(),
        concat!(
            r#"{"id":"i","object":"chat.completion","created":1700000000,"model":"m","choices":[{"index":0,"message":"#,
            r#"{"role":"assistant","content":null,"refusal":null,"reasoning_content":"t","reasoning":"t","tool_calls":"#,
            r#"[{"id":"c__thought__cw","type":"function","function":{"name":"f","arguments":"{}"}}]},"#,
            r#""logprobs":null,"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":1,"completion_tokens":2,"#,
            r#""total_tokens":3,"prompt_tokens_details":{"cached_tokens":1}}}"#
        )
    );
}
