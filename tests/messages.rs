//! Promise: Anthropic's Messages work at both ends. A provider that speaks them serves every client; a client that speaks them is
//! served by every provider, and where both do, bytes pass as they are.
//!
//! The provider's exchanges and the expectations are written by hand, from Anthropic's API description. That all eight other
//! providers answer such a client is told in `matrix.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Value, json};
use support::{
    Answer, Asked, Client, Gateway, Seen, Step, Told, Upstream, call, close, gateway, message_of, reply, status,
    stream, upstream,
};

const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
const CLAUDE: &str = "claude-sonnet-4-5";
const NAME: &str = "anthropic:claude-sonnet-4-5";

// ---- A provider that speaks the dialect

/// What a question makes the provider do; the question is the name.
const CASES: [&str; 6] = ["please-text", "please-think", "please-call", "please-long", "please-refuse", "please-stop"];

fn case_of(seen: &Seen) -> &'static str {
    let body = String::from_utf8_lossy(&seen.body);
    CASES.into_iter().find(|case| body.contains(case)).unwrap_or("please-text")
}

/// The blocks of its answer, and why it ends.
fn blocks(case: &str) -> (Vec<Value>, &'static str, Value) {
    let text = |text: &str| json!({"type": "text", "text": text});
    let tool = |id: &str, name: &str, input: Value| json!({"type": "tool_use", "id": id, "name": name, "input": input});
    match case {
        "please-think" => (
            vec![
                json!({"type": "thinking", "thinking": "Let me see.", "signature": "Eo8B/signed="}),
                json!({"type": "redacted_thinking", "data": "EqkE"}),
                text("It is 42."),
            ],
            "end_turn",
            Value::Null,
        ),
        "please-call" => (
            vec![
                text("Looking."),
                tool("toolu_01A", "get_weather", json!({"city": "Paris"})),
                tool("toolu_01B", "get_time", json!({})),
            ],
            "tool_use",
            Value::Null,
        ),
        "please-long" => (vec![text("Once upon")], "max_tokens", Value::Null),
        "please-refuse" => (vec![text("I can")], "refusal", Value::Null),
        "please-stop" => (vec![text("one two")], "stop_sequence", json!("three")),
        _ => (vec![text("Hello, w\u{f6}rld: \"quoted\"\n\u{1f642}")], "end_turn", Value::Null),
    }
}

/// What every client shall be told.
fn told(case: &str, client: Client) -> Told {
    let (blocks, reason, _) = blocks(case);
    let texts = |kind: &str, member: &str| -> String {
        blocks.iter().filter(|block| block["type"] == kind).filter_map(|block| block[member].as_str()).collect()
    };
    let finish = match reason {
        "max_tokens" => "length",
        "tool_use" if !client.is_ollama() => "tools",
        "refusal" if !client.is_ollama() => "filter",
        _ => "stop",
    };
    let calls = match case {
        "please-call" => vec![call("get_weather", json!({"city": "Paris"})), call("get_time", json!({}))],
        _ => Vec::new(),
    };
    let (text, thinking) = (texts("text", "text"), texts("thinking", "thinking"));
    Told { text, thinking, calls, finish: finish.to_owned(), usage: Some((18, 7)) }
}

const USAGE: &str =
    r#"{"input_tokens":11,"cache_creation_input_tokens":2,"cache_read_input_tokens":5,"output_tokens":7}"#;

fn claude(seen: &Seen) -> Step {
    let (blocks, reason, stop) = blocks(case_of(seen));
    if seen.wants_stream() {
        return stream(events(&blocks, reason, &stop)).split_every(19);
    }
    reply(json!({"id": "msg_01", "type": "message", "role": "assistant", "model": CLAUDE, "content": blocks,
                 "stop_reason": reason, "stop_sequence": stop, "usage": serde_json::from_str::<Value>(USAGE).unwrap()}))
}

fn event(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

fn events(blocks: &[Value], reason: &str, stop: &Value) -> String {
    let started = json!({"type": "message_start", "message": {"id": "msg_01", "type": "message", "role": "assistant",
        "model": CLAUDE, "content": [], "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 11, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 5, "output_tokens": 1}}});
    let mut out = event(&started);
    for (index, block) in blocks.iter().enumerate() {
        let mut opening = block.clone();
        let mut deltas = Vec::new();
        let halves = |text: &str| {
            let at = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
            [text[..at].to_owned(), text[at..].to_owned()]
        };
        match block["type"].as_str().unwrap() {
            "text" => {
                opening["text"] = json!("");
                deltas.extend(
                    halves(block["text"].as_str().unwrap()).map(|it| json!({"type": "text_delta", "text": it})),
                );
            }
            "thinking" => {
                (opening["thinking"], opening["signature"]) = (json!(""), json!(""));
                let pieces = halves(block["thinking"].as_str().unwrap());
                deltas.extend(pieces.map(|it| json!({"type": "thinking_delta", "thinking": it})));
                deltas.push(json!({"type": "signature_delta", "signature": block["signature"]}));
            }
            "tool_use" if block["input"] == json!({}) => {
                deltas.push(json!({"type": "input_json_delta", "partial_json": ""}));
            }
            "tool_use" => {
                opening["input"] = json!({});
                let pieces = halves(&block["input"].to_string());
                deltas.extend(pieces.map(|it| json!({"type": "input_json_delta", "partial_json": it})));
            }
            _ => {}
        }
        out += &event(&json!({"type": "content_block_start", "index": index, "content_block": opening}));
        out += "event: ping\ndata: {\"type\": \"ping\"}\n\n";
        for delta in deltas {
            out += &event(&json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        out += &event(&json!({"type": "content_block_stop", "index": index}));
    }
    out += &event(&json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": stop},
                          "usage": {"output_tokens": 7}}));
    out + &event(&json!({"type": "message_stop"}))
}

fn one_claude() -> (Upstream, Gateway) {
    let up = upstream().models(&[CLAUDE, "claude-opus-4-6"]).answers(claude);
    let gw = gateway().provider("anthropic", &up, &["sk-ant-1"]).start();
    (up, gw)
}

fn post(gw: &Gateway, body: &Value) -> Answer {
    gw.post("/v1/messages", body)
}

fn hi() -> Value {
    json!([{"role": "user", "content": "hi"}])
}

#[test]
fn it_answers_every_client() {
    let (up, gw) = one_claude();
    for client in Client::ALL {
        for case in CASES {
            // Legacy completions have no place for thoughts and calls.
            if client == Client::OpenAiCompletions && ["please-think", "please-call"].contains(&case) {
                continue;
            }
            for is_streamed in [false, true] {
                let place = format!("{client:?} {case} streamed={is_streamed}");
                let answer = gw.send(&client.ask(NAME, case, is_streamed, &json!({})));
                assert_eq!(answer.status, 200, "{place}: {}", answer.everything());
                assert_eq!(client.read(&answer, is_streamed), told(case, client), "{place}: {}", answer.text());
                assert!(!is_streamed || client.is_ended(&answer), "{place}");
                let seen = up.last();
                assert_eq!(
                    (seen.path.as_str(), seen.header("x-api-key")),
                    ("/v1/messages", Some("sk-ant-1")),
                    "{place}"
                );
                assert_eq!(seen.header("anthropic-version"), Some("2023-06-01"), "{place}");
                assert_eq!(seen.header("authorization"), None, "{place}");
            }
        }
    }
    up.assert_only_keys(&["sk-ant-1"]);
}

#[test]
fn its_errors_reach_every_client() {
    let error = |kind: &str, message: &str| json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_up"});
    for (code, kind, message, shown) in [
        (400, "invalid_request_error", "messages: odd", 400),
        (400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum", 400),
        (404, "not_found_error", "model: claude-sonnet-4-5", 404),
        (429, "rate_limit_error", "slow down", 429),
        (529, "overloaded_error", "Overloaded", 529),
    ] {
        for client in Client::ALL {
            for is_streamed in [false, true] {
                let place = format!("{client:?} {code} streamed={is_streamed}");
                let up = upstream().models(&[CLAUDE]).then(status(code, error(kind, message)));
                let gw = gateway().provider("anthropic", &up, &["k"]).start();
                let answer = gw.send(&client.ask(NAME, "hi", is_streamed, &json!({})));
                let told = client.read_error(&answer).unwrap_or_else(|| panic!("{place}: {}", answer.everything()));
                assert!(told.contains(message), "{place}: {told}");
                assert_eq!(answer.status, shown, "{place}: {}", answer.everything());
                if client == Client::Messages && code == 400 {
                    assert_eq!(answer.json(), error(kind, message), "{place}: handed on as it came");
                }
            }
        }
    }
}

#[test]
fn a_broken_stream_is_told_to_every_client() {
    let whole = events(&blocks("please-text").0, "end_turn", &Value::Null);
    let cut = whole.find("event: message_delta").unwrap();
    let overloaded = json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
    for (ending, words) in [(String::new(), "before"), (event(&overloaded), "Overloaded")] {
        for client in Client::ALL {
            let body = format!("{}{ending}", &whole[..cut]);
            let up = upstream().models(&[CLAUDE]).then(stream(body));
            let gw = gateway().provider("anthropic", &up, &["k"]).start();
            let answer = gw.send(&client.ask(NAME, "hi", true, &json!({})));
            let told = client.read_error(&answer).unwrap_or_else(|| panic!("{client:?}: {}", answer.everything()));
            assert!(told.contains(words), "{client:?}: {told}");
            assert!(!client.is_ended(&answer), "{client:?}: {}", answer.text());
        }
    }
}

// ---- What it is asked by clients of other dialects

#[test]
fn an_openai_client_brings_all_it_has() {
    let (up, gw) = one_claude();
    let body = json!({"model": NAME, "max_completion_tokens": 100, "temperature": 0.2, "stop": "END", "user": "u1",
        "reasoning_effort": "none", "parallel_tool_calls": false, "tool_choice": "required",
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object", "properties": {}}}},
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "see"},
                {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{PIXEL}")}}]},
            {"role": "assistant", "content": null, "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1}"}}]},
            {"role": "tool", "tool_call_id": "call_1", "content": "42"},
            {"role": "user", "content": "and?"}]});
    let answer = gw.post("/v1/chat/completions", &body);
    assert_eq!(answer.status, 200, "{}", answer.everything());
    assert_eq!(
        up.last().json(),
        json!({"model": CLAUDE, "max_tokens": 100, "system": "Be brief.", "temperature": 0.2, "stop_sequences": ["END"],
            "thinking": {"type": "disabled"}, "metadata": {"user_id": "u1"},
            "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": true},
            "output_config": {"format": {"type": "json_schema",
                "schema": {"type": "object", "properties": {}, "additionalProperties": false}}},
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "see"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}]},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "f", "input": {"a": 1}}]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": [{"type": "text", "text": "42"}]},
                    {"type": "text", "text": "and?"}]}]})
    );
}

#[test]
fn an_ollama_client_brings_all_it_has() {
    let (up, gw) = one_claude();
    let body = json!({"model": "claude-opus-4-6", "stream": false, "think": "high", "options": {"num_predict": 50, "top_k": 3},
        "messages": [
            {"role": "user", "content": "see", "images": [PIXEL]},
            {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
            {"role": "tool", "tool_name": "f", "content": "42"}]});
    let answer = gw.post("/api/chat", &body);
    assert_eq!(answer.status, 200, "{}", answer.everything());
    let seen = up.last().json();
    assert_eq!((&seen["model"], &seen["max_tokens"]), (&json!("claude-opus-4-6"), &json!(50)));
    assert_eq!((&seen["thinking"], &seen["output_config"]), (&json!({"type": "adaptive"}), &json!({"effort": "high"})));
    assert_eq!(seen["top_k"], Value::Null, "refused beside thinking");
    assert_eq!(seen["messages"][0]["content"][1]["source"]["media_type"], "image/png");
    assert_eq!(seen["messages"][1]["content"][0]["id"], seen["messages"][2]["content"][0]["tool_use_id"]);
    assert_eq!(answer.json()["model"], "claude-opus-4-6");
}

// ---- Both ends speak it

#[test]
fn bytes_pass_between_those_who_speak_it() {
    let (up, gw) = one_claude();
    let asked = format!(
        r#"{{ "max_tokens" : 1, "model":"{NAME}",  "stream":true, "cache_control":{{"type":"ephemeral"}},
        "messages":[{{"role":"user","content":[{{"type":"new_block","x":1.50}}]}}, {{"role":"assistant","content":"please-think"}}]}}"#
    );
    let asked_as = Asked::new("POST", "/v1/messages?beta=true")
        .header("content-type", "application/json")
        .header("x-api-key", "the-clients-own")
        .header("anthropic-version", "2023-06-02")
        .header("anthropic-beta", "context-1m-2025-08-07,fine-grained")
        .header("anthropic-beta", "another")
        .body(asked.clone());
    let answer = gw.send(&asked_as);
    let (blocks, reason, stop) = blocks("please-think");
    assert_eq!(answer.text(), events(&blocks, reason, &stop));
    let seen = up.last();
    assert_eq!(String::from_utf8(seen.body.clone()).unwrap(), asked.replace(NAME, CLAUDE));
    assert_eq!((seen.path.as_str(), seen.header("x-api-key")), ("/v1/messages", Some("sk-ant-1")));
    assert_eq!(seen.header("anthropic-version"), Some("2023-06-02"));
    let betas: Vec<&str> =
        seen.headers.iter().filter(|(name, _)| name == "anthropic-beta").map(|(_, value)| value.as_str()).collect();
    assert_eq!(betas, ["context-1m-2025-08-07,fine-grained", "another"]);
    assert_eq!(message_of(&answer.events())["content"][0]["signature"], "Eo8B/signed=");
    let line = gw.line_with("/v1/messages");
    assert!(line.contains("18") && line.contains('7'), "counts of the log: {line}");
}

#[test]
fn thoughts_of_other_models_stay_behind() {
    let (up, gw) = one_claude();
    let block = |signature: &str| json!({"type": "thinking", "thinking": "hm", "signature": signature});
    let body = json!({"model": NAME, "max_tokens": 9, "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [block(""), block("__thought__YzJsbg"), block("Eo8B/"), {"type": "text", "text": "a"},
            {"type": "tool_use", "id": "toolu_1__thought__YzJsbg", "name": "f", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1__thought__YzJsbg", "content": "x"}]}]});
    assert_eq!(post(&gw, &body).status, 200);
    let seen = up.last().json();
    assert_eq!(
        seen["messages"][1]["content"],
        json!([block("Eo8B/"), {"type": "text", "text": "a"}, {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}])
    );
    assert_eq!(seen["messages"][2]["content"][0]["tool_use_id"], "toolu_1");
}

// ---- Clients that speak it, over others

/// A body with what Claude Code sends: marked instructions, tools with their schema's own name, betas.
fn coded(model: &str, messages: Value) -> Value {
    json!({"model": model, "max_tokens": 32000, "messages": messages,
        "system": [{"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1; cch=12ab;"},
                   {"type": "text", "text": "You are a coder.", "cache_control": {"type": "ephemeral"}},
                   {"type": "text", "text": "Work in /src."}],
        "tools": [{"name": "Read", "description": "Reads.", "input_schema": {"$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"], "additionalProperties": false},
            "cache_control": {"type": "ephemeral"}}],
        "metadata": {"user_id": "user_1"}, "context_management": {"edits": []}})
}

#[test]
fn a_tool_loop_over_openai() {
    let first = json!({"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-4o",
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant", "content": null,
            "tool_calls": [{"id": "functions.Read:0", "type": "function", "function": {"name": "Read", "arguments": "{\"path\": \"a\"}"}}]}}],
        "usage": {"prompt_tokens": 30, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 20}}});
    let up = upstream().models(&["gpt-4o"]).then(reply(first));
    let gw = gateway().provider("openai", &up, &["k"]).start();
    let answer = post(&gw, &coded("openai:gpt-4o", hi()));
    let message = answer.json();
    assert_eq!(message["stop_reason"], "tool_use", "{}", answer.everything());
    let usage = &message["usage"];
    assert_eq!((&usage["input_tokens"], &usage["cache_read_input_tokens"]), (&json!(10), &json!(20)));
    let call = message["content"][0].clone();
    let id = call["id"].as_str().unwrap();
    assert!(id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'), "{id}");
    assert_eq!(call["input"], json!({"path": "a"}));
    let seen = up.last().json();
    assert_eq!(seen["messages"][0], json!({"role": "system", "content": "You are a coder.\n\nWork in /src."}));
    assert_eq!(seen["tools"][0]["function"]["parameters"]["$schema"], "http://json-schema.org/draft-07/schema#");
    assert_eq!(seen["metadata"], Value::Null);

    let picture = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}});
    let results = json!([{"type": "text", "text": "<system-reminder>x</system-reminder>"},
        {"type": "tool_result", "tool_use_id": id, "is_error": true, "content": [{"type": "text", "text": "no"}, picture]}]);
    let history = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": [call]},
                         {"role": "user", "content": results}]);
    let answer = post(&gw, &coded("openai:gpt-4o", history));
    assert_eq!(answer.status, 200, "{}", answer.everything());
    let messages = up.last().json()["messages"].clone();
    assert_eq!(messages[2]["tool_calls"][0]["id"], "functions.Read:0");
    assert_eq!(messages[3], json!({"role": "tool", "tool_call_id": "functions.Read:0", "content": "Error: no"}));
    let shown = messages.to_string();
    assert!(shown.contains("<system-reminder>") && shown.contains(PIXEL), "{shown}");
}

#[test]
fn marks_of_a_cache_reach_those_who_know_them() {
    let body = coded(
        "m",
        json!([{"role": "user", "content": [
        {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}]),
    );
    let said = |seen: &Seen| {
        let answer = json!({"role": "assistant", "content": "ok"});
        assert!(!seen.wants_stream());
        reply(json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m",
                     "choices": [{"index": 0, "finish_reason": "stop", "message": answer}]}))
    };
    let (up, other) = (upstream().models(&["m"]).answers(said), upstream().models(&["m"]).answers(said));
    let gw = gateway().provider("openrouter", &up, &["k"]).provider("groq", &other, &["k"]).start();
    for (prefix, is_marked) in [("openrouter", true), ("groq", false)] {
        let asked = Value::Object({
            let mut body = body.as_object().unwrap().clone();
            body["model"] = json!(format!("{prefix}:m"));
            body
        });
        assert_eq!(post(&gw, &asked).status, 200);
        let seen = if is_marked { up.last() } else { other.last() }.json();
        let mark = json!({"type": "ephemeral"});
        let long = json!({"type": "ephemeral", "ttl": "1h"});
        let (system, user) = match is_marked {
            true => (
                json!([{"type": "text", "text": "You are a coder.", "cache_control": mark},
                       {"type": "text", "text": "\n\nWork in /src."}]),
                json!([{"type": "text", "text": "hi", "cache_control": long}]),
            ),
            false => (json!("You are a coder.\n\nWork in /src."), json!("hi")),
        };
        assert_eq!((&seen["messages"][0]["content"], &seen["messages"][1]["content"]), (&system, &user), "{prefix}");
    }
}

#[test]
fn a_signed_tool_loop_over_gemini() {
    let parts = json!([{"text": "hm", "thought": true},
        {"functionCall": {"name": "Read", "args": {"path": "a"}}, "thoughtSignature": "c2lnbmVk/+="}]);
    let answer = |parts: &Value| {
        json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0}],
               "usageMetadata": {"promptTokenCount": 30, "cachedContentTokenCount": 12, "candidatesTokenCount": 5, "thoughtsTokenCount": 2},
               "modelVersion": "m", "responseId": "r"})
    };
    let up = upstream().models(&["gemini-3-pro-preview"]).then(stream(format!("data: {}\r\n\r\n", answer(&parts))));
    let gw = gateway().provider("google", &up, &["k"]).start();
    let mut body = coded("google:gemini-3-pro-preview", hi());
    body["stream"] = json!(true);
    body["thinking"] = json!({"type": "enabled", "budget_tokens": 31_999});
    let made = message_of(&post(&gw, &body).events());
    assert_eq!(made["content"][0]["thinking"], "hm");
    assert_eq!((&made["usage"]["input_tokens"], &made["usage"]["output_tokens"]), (&json!(18), &json!(7)));
    let call = &made["content"][1];
    body["messages"] = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": made["content"]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call["id"], "content": "text of a"}]}]);
    assert_eq!(post(&gw, &body).status, 200);
    let contents = up.last().json()["contents"].clone();
    let called = &contents[1]["parts"][0];
    assert_eq!((&called["functionCall"]["name"], &called["thoughtSignature"]), (&json!("Read"), &json!("c2lnbmVk/+=")));
    assert_eq!(contents[2]["parts"][0]["functionResponse"]["response"], json!({"output": "text of a"}));
}

#[test]
fn a_tool_loop_over_an_ollama() {
    let line = json!({"model": "llama3.2", "created_at": "2026-11-22T08:00:00Z", "done": true, "done_reason": "stop",
        "message": {"role": "assistant", "content": "", "thinking": "hm", "tool_calls": [
            {"id": "call_abcdefgh", "function": {"index": 0, "name": "Read", "arguments": {"path": "a"}}}]},
        "prompt_eval_count": 11, "eval_count": 7});
    let up = upstream().models(&["llama3.2"]).then(reply(line));
    let gw = gateway().provider("ollama", &up, &[]).start();
    let message = post(&gw, &coded("llama3.2", hi())).json();
    assert_eq!(message["content"][0], json!({"type": "thinking", "thinking": "hm", "signature": ""}));
    assert_eq!(message["content"][1]["id"], "call_abcdefgh");
    let results = json!([{"type": "tool_result", "tool_use_id": "call_abcdefgh", "content": "text of a"}, {"type": "text", "text": "so?"}]);
    let history = json!([{"role": "user", "content": "hi"}, {"role": "assistant", "content": message["content"]},
                         {"role": "user", "content": results}]);
    assert_eq!(post(&gw, &coded("llama3.2", history)).status, 200);
    let seen = up.last().json();
    assert_eq!(seen["options"]["num_predict"], 32000);
    assert_eq!(seen["messages"][2]["thinking"], "hm");
    assert_eq!(
        seen["messages"][3],
        json!({"role": "tool", "content": "text of a", "tool_name": "Read", "tool_call_id": "call_abcdefgh"})
    );
    assert_eq!(seen["messages"][4], json!({"role": "user", "content": "so?"}));
}

/// As an Ollama does for these clients; others hear that the model can't.
#[test]
fn an_ollama_model_that_can_not_think_answers_without() {
    let up = upstream().models(&["llama3.2"]).answers(|seen: &Seen| {
        if seen.json()["think"] != Value::Null {
            return status(400, json!({"error": "\"llama3.2\" does not support thinking"}));
        }
        reply(json!({"model": "llama3.2", "created_at": "2026-11-22T08:00:00Z", "done": true, "done_reason": "stop",
            "message": {"role": "assistant", "content": "Hi"}, "prompt_eval_count": 11, "eval_count": 7}))
    });
    let gw = gateway().provider("ollama", &up, &[]).start();
    let thinking = json!({"thinking": {"type": "enabled", "budget_tokens": 1024}});
    let answer = gw.send(&Client::Messages.ask("llama3.2", "hi", false, &thinking));
    assert_eq!((answer.status, Client::Messages.read(&answer, false).text), (200, "Hi".to_owned()));
    let openai = gw.send(&Client::OpenAiChat.ask("llama3.2", "hi", false, &json!({"reasoning_effort": "low"})));
    assert_eq!(openai.status, 400, "{}", openai.everything());
}

#[test]
fn what_is_wrong_is_told_in_its_own_form() {
    let refused = status(
        401,
        json!({"error": {"message": "Incorrect API key provided", "type": "invalid_request_error", "code": "invalid_api_key"}}),
    );
    let up = upstream().models(&["gpt-4o"]).then(refused);
    let gw = gateway().provider("openai", &up, &["k"]).start();
    let body = |model: &str| json!({"model": model, "max_tokens": 9, "messages": hi()});
    let rows = [
        (json!({"model": "openai:gpt-4o", "messages": hi()}), 400, "invalid_request_error", "max_tokens is required"),
        (json!({"max_tokens": 9}), 400, "invalid_request_error", "model is required"),
        (body("nosuch-model"), 404, "not_found_error", "nosuch-model"),
        // Not 401: it is the gateway's key, and clients would ask their user for another.
        (body("openai:gpt-4o"), 502, "api_error", "key"),
    ];
    for (body, code, kind, words) in rows {
        for is_streamed in [false, true] {
            let mut body = body.clone();
            body["stream"] = json!(is_streamed);
            let answer = post(&gw, &body);
            let told = answer.json();
            assert_eq!((answer.status, &told["type"]), (code, &json!("error")), "{}", answer.everything());
            assert_eq!(told["error"]["type"], kind, "{told}");
            assert!(told["error"]["message"].as_str().unwrap().contains(words), "{told}");
            let id = told["request_id"].as_str().unwrap();
            assert!(id.starts_with("req_") && id.len() == 28, "{id}");
            assert_eq!((answer.header("request-id"), answer.header("x-request-id")), (Some(id), Some(id)));
        }
    }
    let up = upstream().models(&["gpt-4o"]).then(status(
        400,
        json!({"error": {"message": "This model's maximum context length is 8 tokens.", "code": "context_length_exceeded"}}),
    ));
    let gw = gateway().provider("openai", &up, &["k"]).start();
    let told = post(&gw, &body("openai:gpt-4o")).json();
    let message = told["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("prompt is too long: ") && message.contains("8 tokens"), "{message}");
}

#[test]
fn a_dead_provider_is_told() {
    let up = upstream().models(&["gpt-4o"]).then(close());
    let gw = gateway().provider("openai", &up, &["k"]).start();
    let answer = post(&gw, &json!({"model": "openai:gpt-4o", "max_tokens": 9, "stream": true, "messages": hi()}));
    assert_eq!((answer.status, &answer.json()["error"]["type"]), (502, &json!("api_error")), "{}", answer.everything());
}

// ---- Beside the messages

#[test]
fn tokens_are_counted_or_estimated() {
    let up = upstream().models(&[CLAUDE]).then(reply(json!({"input_tokens": 2095})));
    let other = upstream().models(&["gpt-4o"]);
    let setup = gateway().provider("anthropic", &up, &["k"]).provider("openai", &other, &["k2"]);
    let gw = setup.start();
    let body = |model: &str| json!({"model": model, "messages": hi(), "system": "Be brief."});
    let counted = gw.post("/v1/messages/count_tokens?beta=true", &body(NAME));
    assert_eq!((counted.status, counted.json()), (200, json!({"input_tokens": 2095})));
    assert_eq!(counted.header("x-polyllama-estimated"), None);
    let seen = up.last();
    assert_eq!((seen.path.as_str(), seen.json()), ("/v1/messages/count_tokens", body(CLAUDE)));
    assert_eq!((seen.header("x-api-key"), seen.header("anthropic-version")), (Some("k"), Some("2023-06-01")));

    let guessed = gw.post("/v1/messages/count_tokens", &body("openai:gpt-4o"));
    assert_eq!((guessed.status, guessed.header("x-polyllama-estimated")), (200, Some("true")));
    assert!((3..60).contains(&guessed.json()["input_tokens"].as_u64().unwrap()), "{}", guessed.text());
    assert!(other.seen().is_empty());

    up.now_answers(status(
        529,
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    ));
    let instead = gw.post("/v1/messages/count_tokens", &body(NAME));
    assert_eq!((instead.status, instead.header("x-polyllama-estimated")), (200, Some("true")));
    let refusal = |message: &str| {
        let error = json!({"type": "error", "error": {"type": "invalid_request_error", "message": message}});
        (error.clone(), status(400, error))
    };
    up.now_answers(refusal("Your credit balance is too low to access the API").1);
    let instead = gw.post("/v1/messages/count_tokens", &body(NAME));
    assert_eq!((instead.status, instead.header("x-polyllama-estimated")), (200, Some("true")));
    let (told, refused) = refusal("system: must be a string");
    up.now_answers(refused);
    let refused = gw.post("/v1/messages/count_tokens", &body(NAME));
    assert_eq!((refused.status, refused.json()), (400, told));
    let wrong = gw.post("/v1/messages/count_tokens", &json!({"model": NAME}));
    assert_eq!((wrong.status, &wrong.json()["error"]["message"]), (400, &json!("messages is required")));
    let unknown = gw.post("/v1/messages/count_tokens", &body("nosuch"));
    assert_eq!((unknown.status, &unknown.json()["error"]["type"]), (404, &json!("not_found_error")));
}

#[test]
fn models_are_listed_in_pages() {
    let (_up, gw) = one_claude();
    let listed = gw.listed();
    let get = |path: &str| gw.send(&Asked::new("GET", path).header("anthropic-version", "2023-06-01"));
    let page = get("/v1/models?limit=1").json();
    assert_eq!((page["data"].as_array().unwrap().len(), &page["has_more"]), (1, &json!(listed.len() > 1)));
    let row = &page["data"][0];
    assert_eq!(
        (&row["type"], &row["id"], &row["display_name"]),
        (&json!("model"), &page["first_id"], &page["last_id"])
    );
    assert!(row["created_at"].as_str().unwrap().ends_with('Z'));
    let mut ids = Vec::new();
    let mut query = "?limit=1".to_owned();
    loop {
        let page = get(&format!("/v1/models{query}")).json();
        ids.extend(page["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
        if page["has_more"] == false {
            break;
        }
        query = format!("?limit=1&after_id={}", page["last_id"].as_str().unwrap().replace(':', "%3A"));
    }
    let plain: Vec<String> = gw.get("/v1/models").json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids, plain, "the same rows as in OpenAI's form");
    assert_eq!(get(&format!("/v1/models/{NAME}")).json()["id"], NAME);
    let unknown = get("/v1/models/nosuch");
    assert_eq!((unknown.status, &unknown.json()["type"]), (404, &json!("error")));
    assert_eq!(get("/v1/models?limit=0").status, 400);
}

#[test]
fn the_gateways_own_key_is_taken_as_clients_send_it() {
    let up = upstream().models(&[CLAUDE]).answers(claude);
    let gw = gateway().provider("anthropic", &up, &["k"]).env("POLYLLAMA_API_KEYS", "inbound").start();
    let body = json!({"model": NAME, "max_tokens": 9, "messages": hi()}).to_string();
    let asks = || Asked::new("POST", "/v1/messages").header("content-type", "application/json").body(body.clone());
    assert_eq!(gw.send(&asks().header("x-api-key", "inbound")).status, 200);
    assert_eq!(gw.send(&asks().header("authorization", "Bearer inbound")).status, 200);
    let refused = gw.send(&asks().header("x-api-key", "other"));
    assert_eq!((refused.status, &refused.json()["error"]["type"]), (401, &json!("authentication_error")));
    up.assert_only_keys(&["k"]);
}
