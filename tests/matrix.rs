//! Promise: whichever of the eight providers answers, and in whichever way the client asks, whole or streamed, the
//! user gets what the provider said: text, thoughts, tool calls, the reason of the end, token counts, errors.
//!
//! The providers' exchanges and the expectations are written by hand, from each dialect's own description.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Value, json};
use support::{Asked, Client, Gateway, Seen, Step, Told, Upstream, call, gateway, reply, status, stream, upstream};

const TEXT: &str = "Hello, w\u{f6}rld: \"quoted\"\n\u{1f642}";
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// What a question makes the provider do; the question is the name.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Case {
    Text,
    Length,
    Thinking,
    Tools,
    Filter,
    Error(u16),
}

const CASES: [Case; 8] = [
    Case::Text,
    Case::Length,
    Case::Thinking,
    Case::Tools,
    Case::Filter,
    Case::Error(400),
    Case::Error(429),
    Case::Error(500),
];

impl Case {
    fn name(self) -> String {
        match self {
            Case::Error(status) => format!("please-fail-{status}"),
            other => format!("please-{other:?}").to_lowercase(),
        }
    }

    fn of(seen: &Seen) -> Case {
        let body = String::from_utf8_lossy(&seen.body);
        CASES.into_iter().find(|case| body.contains(&case.name())).unwrap_or(Case::Text)
    }

    /// What is told, in no dialect's words.
    fn told(self) -> Told {
        let usage = Some((11, 7));
        let plain =
            |text: &str, finish: &str| Told { text: text.into(), finish: finish.into(), usage, ..Told::default() };
        match self {
            Case::Text | Case::Error(_) => plain(TEXT, "stop"),
            Case::Length => plain("Once upon", "length"),
            Case::Thinking => Told { thinking: "Let me see.".into(), ..plain("It is 42.", "stop") },
            Case::Filter => plain("I can", "filter"),
            Case::Tools => Told {
                calls: vec![call("get_weather", json!({"city": "Paris"})), call("get_time", json!({"zone": "UTC+1"}))],
                ..plain("", "tools")
            },
        }
    }
}

// ---- OpenAI's dialect

fn openai(seen: &Seen) -> Step {
    let case = Case::of(seen);
    if let Case::Error(code) = case {
        let kind = if code == 429 { "requests" } else { "server_error" };
        let word = if code == 429 { "rate_limit_exceeded" } else { "odd_value" };
        return status(code, json!({"error": {"message": words(code), "type": kind, "param": null, "code": word}}));
    }
    let is_completion = !seen.path.ends_with("/chat/completions");
    match (is_completion, seen.wants_stream()) {
        (true, false) => reply(openai_completion(case)),
        (true, true) => stream(openai_completion_stream(case)).split_every(17),
        (false, false) => reply(openai_chat(case)),
        (false, true) => stream(openai_chat_stream(case)).split_every(23),
    }
}

fn words(code: u16) -> String {
    format!("the provider's own words for {code}")
}

fn openai_finish(case: Case) -> &'static str {
    match case {
        Case::Length => "length",
        Case::Tools => "tool_calls",
        Case::Filter => "content_filter",
        _ => "stop",
    }
}

const OPENAI_USAGE: &str = r#"{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}"#;

fn openai_chat(case: Case) -> Value {
    let told = case.told();
    let mut message = json!({"role": "assistant", "content": told.text});
    if case == Case::Thinking {
        message["reasoning_content"] = json!(told.thinking);
    }
    if case == Case::Tools {
        message["content"] = Value::Null;
        message["tool_calls"] = json!([
            {"id": "call_a", "type": "function", "function": {"name": "get_weather", "arguments": "{\"city\":\"Paris\"}"}},
            {"id": "call_b", "type": "function", "function": {"name": "get_time", "arguments": "{\"zone\":\"UTC+1\"}"}},
        ]);
    }
    json!({"id": "chatcmpl-1", "object": "chat.completion", "created": 1_790_000_000, "model": "m",
           "choices": [{"index": 0, "message": message, "logprobs": null, "finish_reason": openai_finish(case)}],
           "usage": serde_json::from_str::<Value>(OPENAI_USAGE).unwrap()})
}

fn openai_chat_stream(case: Case) -> String {
    let deltas: Vec<String> = match case {
        Case::Tools => [
            r#"{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"get_weather","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]}"#,
            r#"{"tool_calls":[{"index":0,"function":{"arguments":"\"Paris\"}"}}]}"#,
            r#"{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"get_time","arguments":""}}]}"#,
            r#"{"tool_calls":[{"index":1,"function":{"arguments":"{\"zone\":\"UTC+1\"}"}}]}"#,
        ]
        .map(str::to_owned)
        .into(),
        Case::Thinking => vec![
            r#"{"reasoning_content":"Let me "}"#.into(),
            r#"{"reasoning_content":"see."}"#.into(),
            r#"{"content":"It is 42."}"#.into(),
        ],
        _ => halves(&case.told().text).map(|half| json!({"content": half}).to_string()).into(),
    };
    let chunk = |delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"m\",\
             \"choices\":[{{\"index\":0,\"delta\":{delta},\"finish_reason\":{finish}}}]}}\n\n"
        )
    };
    let mut out = chunk(r#"{"role":"assistant","content":""}"#, "null");
    out.extend(deltas.iter().map(|delta| chunk(delta, "null")));
    out += &chunk("{}", &format!("\"{}\"", openai_finish(case)));
    out += &format!(
        "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1790000000,\"model\":\"m\",\
         \"choices\":[],\"usage\":{OPENAI_USAGE}}}\n\ndata: [DONE]\n\n"
    );
    out
}

fn openai_completion(case: Case) -> Value {
    json!({"id": "cmpl-1", "object": "text_completion", "created": 1_790_000_000, "model": "m",
           "choices": [{"index": 0, "text": case.told().text, "logprobs": null, "finish_reason": openai_finish(case)}],
           "usage": serde_json::from_str::<Value>(OPENAI_USAGE).unwrap()})
}

fn openai_completion_stream(case: Case) -> String {
    let chunk = |text: &str, finish: &str, usage: &str| {
        let text = Value::from(text);
        format!(
            "data: {{\"id\":\"cmpl-1\",\"object\":\"text_completion\",\"created\":1790000000,\"model\":\"m\",\
             \"choices\":[{{\"index\":0,\"text\":{text},\"logprobs\":null,\"finish_reason\":{finish}}}]{usage}}}\n\n"
        )
    };
    let mut out: String = halves(&case.told().text).map(|half| chunk(half, "null", "")).concat();
    out += &chunk("", &format!("\"{}\"", openai_finish(case)), &format!(",\"usage\":{OPENAI_USAGE}"));
    out + "data: [DONE]\n\n"
}

/// The text in two pieces, cut at a character.
fn halves(text: &str) -> [&str; 2] {
    let middle = text.char_indices().nth(text.chars().count() / 2).map_or(0, |(at, _)| at);
    let (left, right) = text.split_at(middle);
    [left, right]
}

// ---- Google's own dialect, and its OpenAI face

fn google(seen: &Seen) -> Step {
    if seen.path.contains("/openai/") {
        return match openai(seen) {
            // The face says its errors as an array.
            Step::Whole { status: code, .. } if code >= 400 => status(code, json!([google_error(code)])),
            step => step,
        };
    }
    match Case::of(seen) {
        Case::Error(code) => status(code, google_error(code)),
        case if seen.wants_stream() => stream(gemini_stream(case)).split_every(31),
        case => reply(gemini_answer(&gemini_parts(case), Some(gemini_finish(case)))),
    }
}

fn google_error(code: u16) -> Value {
    let name = match code {
        400 => "INVALID_ARGUMENT",
        429 => "RESOURCE_EXHAUSTED",
        _ => "INTERNAL",
    };
    json!({"error": {"code": code, "message": words(code), "status": name}})
}

fn gemini_finish(case: Case) -> &'static str {
    match case {
        Case::Length => "MAX_TOKENS",
        Case::Filter => "SAFETY",
        _ => "STOP",
    }
}

fn gemini_parts(case: Case) -> Vec<Value> {
    match case {
        Case::Thinking => vec![json!({"text": "Let me see.", "thought": true}), json!({"text": "It is 42."})],
        Case::Tools => vec![
            json!({"functionCall": {"name": "get_weather", "args": {"city": "Paris"}}, "thoughtSignature": "c2lnbmVk"}),
            json!({"functionCall": {"name": "get_time", "args": {"zone": "UTC+1"}}}),
        ],
        _ => halves(&case.told().text).map(|half| json!({"text": half})).into(),
    }
}

fn gemini_answer(parts: &[Value], finish: Option<&str>) -> Value {
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if let Some(finish) = finish {
        candidate["finishReason"] = json!(finish);
    }
    // Five tokens of answer and two of thinking: seven that the model made.
    json!({"candidates": [candidate], "modelVersion": "m", "responseId": "r1",
           "usageMetadata": {"promptTokenCount": 11, "candidatesTokenCount": 5, "thoughtsTokenCount": 2, "totalTokenCount": 18}})
}

fn gemini_stream(case: Case) -> String {
    let parts = gemini_parts(case);
    let last = parts.len() - 1;
    let record = |(place, part): (usize, &Value)| {
        let finish = (place == last).then(|| gemini_finish(case));
        format!("data: {}\r\n\r\n", gemini_answer(std::slice::from_ref(part), finish))
    };
    parts.iter().enumerate().map(record).collect()
}

// ---- Ollama's dialect

fn ollama(seen: &Seen) -> Step {
    let case = Case::of(seen);
    if let Case::Error(code) = case {
        return status(code, json!({"error": words(code)}));
    }
    let told = case.told();
    let is_chat = seen.path == "/api/chat";
    let line = |content: &str, thinking: &str, calls: Value, is_done: bool| {
        let mut line = json!({"model": "llama3.2", "created_at": "2026-11-22T08:00:00.123456789Z"});
        let mut said = json!({});
        if !thinking.is_empty() {
            said["thinking"] = json!(thinking);
        }
        if calls.is_array() {
            said["tool_calls"] = calls;
        }
        if is_chat {
            said["role"] = json!("assistant");
            said["content"] = json!(content);
            line["message"] = said;
        } else {
            line["response"] = json!(content);
            line.as_object_mut().unwrap().append(said.as_object_mut().unwrap());
        }
        line["done"] = json!(is_done);
        if is_done {
            line["done_reason"] = json!(if case == Case::Length { "length" } else { "stop" });
            for (name, value) in [
                ("total_duration", 900),
                ("load_duration", 100),
                ("prompt_eval_count", 11),
                ("prompt_eval_duration", 300),
                ("eval_count", 7),
                ("eval_duration", 500),
            ] {
                line[name] = json!(value);
            }
        }
        line
    };
    let calls = json!([
        {"id": "call_abcdefg1", "function": {"index": 0, "name": "get_weather", "arguments": {"city": "Paris"}}},
        {"id": "call_abcdefg2", "function": {"index": 1, "name": "get_time", "arguments": {"zone": "UTC+1"}}},
    ]);
    let calls = if case == Case::Tools { calls } else { Value::Null };
    if !seen.wants_stream() {
        return reply(line(&told.text, &told.thinking, calls, true));
    }
    let [left, right] = halves(&told.text);
    let mut lines = vec![line("", &told.thinking, calls, false)];
    lines.extend([left, right].map(|half| line(half, "", Value::Null, false)));
    lines.push(line("", "", Value::Null, true));
    let body: String = lines.iter().map(|line| format!("{line}\n")).collect();
    stream(body).split_every(29)
}

// ---- the grid

/// A provider in the grid.
#[derive(Clone, Copy)]
struct Row {
    prefix: &'static str,
    model: &'static str,
    script: fn(&Seen) -> Step,
}

const ROWS: [Row; 8] = [
    Row { prefix: "openai", model: "gpt-4o", script: openai },
    Row { prefix: "openrouter", model: "meta-llama/llama-3.3-70b-instruct", script: openai },
    Row { prefix: "akash", model: "llama-3-3-70b", script: openai },
    Row { prefix: "cohere", model: "command-a-03-2025", script: openai },
    Row { prefix: "codestral", model: "codestral-latest", script: openai },
    Row { prefix: "qwen", model: "qwen-plus", script: openai },
    Row { prefix: "google", model: "gemini-2.5-flash", script: google },
    Row { prefix: "ollama", model: "llama3.2", script: ollama },
];

/// All eight at one gateway, each with a key of its own.
fn all() -> (Vec<(Row, Upstream)>, Gateway) {
    let started = ROWS.map(|row| (row, upstream().models(&[row.model]).answers(row.script)));
    let setup = started.iter().fold(gateway(), |setup, (row, up)| {
        let key = key_of(row);
        let keys = [key.as_str()];
        setup.provider(row.prefix, up, if row.prefix == "ollama" { &[] } else { &keys })
    });
    let gateway = setup.start();
    (started.into(), gateway)
}

fn key_of(row: &Row) -> String {
    format!("key-of-{}", row.prefix)
}

/// One provider, all clients, all cases; that every provider saw its own key and no other's.
fn provider_answers(prefix: &str) {
    let (started, gw) = all();
    let (row, up) = started.iter().find(|(row, _)| row.prefix == prefix).unwrap();
    for client in Client::ALL {
        for is_streamed in [false, true] {
            for case in CASES {
                check(&gw, row, up, client, is_streamed, case);
            }
        }
    }
    for (row, up) in &started {
        up.assert_only_keys(&[&key_of(row)]);
    }
}

fn check(gw: &Gateway, row: &Row, up: &Upstream, client: Client, is_streamed: bool, case: Case) {
    let place = format!("{} {client:?} streamed={is_streamed} {case:?}", row.prefix);
    if !has_case(row, client, case) {
        return;
    }
    // A model of its own for each refusal: a key that rests for one model must not spoil the next check.
    let model = match case {
        Case::Error(code) => format!("{}:refused-{code}-{client:?}-{is_streamed}", row.prefix).to_lowercase(),
        _ => format!("{}:{}", row.prefix, row.model),
    };
    let answer = gw.send(&client.ask(&model, &case.name(), is_streamed, &more(client, case)));
    assert_asked_rightly(row, client, &up.last(), &place);
    if let Case::Error(code) = case {
        let told = client.read_error(&answer).unwrap_or_else(|| panic!("{place}: no error in {}", answer.everything()));
        assert!(told.contains(&words(code)), "{place}: {told}");
        let fits = if code == 500 { answer.status >= 500 } else { answer.status == code };
        assert!(fits, "{place}: {}", answer.everything());
        return;
    }
    assert_eq!(answer.status, 200, "{place}: {}", answer.everything());
    assert!(answer.is_complete, "{place}");
    let mut expected = case.told();
    if client.is_ollama() && ["tools", "filter"].contains(&expected.finish.as_str()) {
        expected.finish = "stop".to_owned();
    }
    assert_eq!(client.read(&answer, is_streamed), expected, "{place}: {}", answer.text());
    assert!(!is_streamed || client.is_ended(&answer), "{place}: the end of the stream");
}

/// Legacy completions have no place for thoughts and calls; Ollama has no filter.
fn has_case(row: &Row, client: Client, case: Case) -> bool {
    match case {
        Case::Thinking => {
            client.is_chat() || (client == Client::OllamaGenerate && ["google", "ollama"].contains(&row.prefix))
        }
        Case::Tools => client.is_chat(),
        Case::Filter => row.prefix != "ollama",
        _ => true,
    }
}

fn more(client: Client, case: Case) -> Value {
    let tool = |name: &str, field: &str| {
        json!({"type": "function", "function": {"name": name, "description": "Tells it.", "parameters":
               {"type": "object", "properties": {field: {"type": "string"}}, "required": [field]}}})
    };
    let own = |name: &str, field: &str| {
        json!({"name": name, "description": "Tells it.", "input_schema":
               {"type": "object", "properties": {field: {"type": "string"}}, "required": [field]}})
    };
    match case {
        Case::Tools if client == Client::Messages => {
            json!({"tools": [own("get_weather", "city"), own("get_time", "zone")]})
        }
        Case::Tools => json!({"tools": [tool("get_weather", "city"), tool("get_time", "zone")]}),
        Case::Thinking if client.is_ollama() => json!({"think": true}),
        _ => json!({}),
    }
}

/// The right path, the key in the right header, and in no other.
fn assert_asked_rightly(row: &Row, client: Client, seen: &Seen, place: &str) {
    let path = seen.path.split('?').next().unwrap();
    let (paths, is_google_own): (&[&str], bool) = match (row.prefix, client) {
        ("google", Client::OpenAiChat) => (&["/v1beta/openai/chat/completions"], false),
        ("google", _) => (&[":generateContent", ":streamGenerateContent"], true),
        ("ollama", _) if client.is_chat() => (&["/api/chat"], false),
        ("ollama", _) => (&["/api/generate"], false),
        _ if client.is_chat() => (&["/v1/chat/completions"], false),
        _ => (&["/v1/chat/completions", "/v1/completions"], false),
    };
    assert!(paths.iter().any(|end| path.ends_with(end)), "{place}: asked at {path}");
    let key = key_of(row);
    let bearer = format!("Bearer {key}");
    let (in_own, in_bearer) = match (row.prefix, is_google_own) {
        ("ollama", _) => (None, None),
        (_, true) => (Some(key.as_str()), None),
        (_, false) => (None, Some(bearer.as_str())),
    };
    assert_eq!(seen.header("x-goog-api-key"), in_own, "{place}");
    assert_eq!(seen.header("authorization"), in_bearer, "{place}");
    assert!(!seen.path.contains(&key), "{place}: a key in a URL");
}

#[test]
fn openai_answers_every_client() {
    provider_answers("openai");
}

#[test]
fn openrouter_answers_every_client() {
    provider_answers("openrouter");
}

#[test]
fn akash_answers_every_client() {
    provider_answers("akash");
}

#[test]
fn cohere_answers_every_client() {
    provider_answers("cohere");
}

#[test]
fn codestral_answers_every_client() {
    provider_answers("codestral");
}

#[test]
fn qwen_answers_every_client() {
    provider_answers("qwen");
}

#[test]
fn google_answers_every_client() {
    provider_answers("google");
}

#[test]
fn ollama_answers_every_client() {
    provider_answers("ollama");
}

/// An image in the request arrives at every provider, in the form that its dialect has for it.
#[test]
fn an_image_reaches_every_provider() {
    let (started, gw) = all();
    for (row, up) in &started {
        for client in [Client::OllamaChat, Client::OpenAiChat, Client::Messages] {
            let model = format!("{}:vision-1", row.prefix);
            let answer = gw.send(&picture(client, &model));
            assert_eq!(answer.status, 200, "{} {client:?}: {}", row.prefix, answer.everything());
            let seen = up.last();
            let body = seen.json();
            let got = match seen.path.as_str() {
                "/api/chat" => body["messages"][0]["images"][0].clone(),
                path if path.contains(":generateContent") => {
                    let parts = body["contents"][0]["parts"].as_array().unwrap().clone();
                    let data = |part: &Value| part["inlineData"]["data"].as_str().map(Value::from);
                    parts.iter().find_map(data).unwrap_or(Value::Null)
                }
                _ => {
                    let parts = body["messages"][0]["content"].as_array().unwrap().clone();
                    let url = parts.iter().find_map(|part| part["image_url"]["url"].as_str().map(str::to_owned));
                    let url = url.unwrap_or_default();
                    Value::from(url.strip_prefix("data:image/png;base64,").unwrap_or(&url))
                }
            };
            assert_eq!(got, PIXEL, "{} {client:?}: {body}", row.prefix);
        }
    }
}

fn picture(client: Client, model: &str) -> Asked {
    let message = if client.is_ollama() {
        json!({"role": "user", "content": "What is this?", "images": [PIXEL]})
    } else if client == Client::Messages {
        json!({"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        ]})
    } else {
        json!({"role": "user", "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": format!("data:image/png;base64,{PIXEL}")}},
        ]})
    };
    client.ask(model, "", false, &json!({"messages": [message]}))
}

/// A tool loop over Gemini: the signature that came with the call goes back with it, although no client knows of it.
#[test]
fn a_tool_loop_brings_the_signature_back() {
    let (started, gw) = all();
    let (_, up) = started.iter().find(|(row, _)| row.prefix == "google").unwrap();
    let tools = more(Client::OllamaChat, Case::Tools)["tools"].clone();
    let asked = json!({"role": "user", "content": Case::Tools.name()});
    let first = gw.post(
        "/api/chat",
        &json!({"model": "google:gemini-2.5-flash", "messages": [asked], "tools": tools, "stream": false}),
    );
    let made = first.json()["message"].clone();
    let results = ["20 degrees", "noon"].iter().zip(made["tool_calls"].as_array().unwrap()).map(|(content, made)| {
        json!({"role": "tool", "content": content, "tool_name": made["function"]["name"], "tool_call_id": made["id"]})
    });
    let mut messages = vec![json!({"role": "user", "content": "weather and time?"}), made.clone()];
    messages.extend(results);
    let second = gw.post(
        "/api/chat",
        &json!({"model": "google:gemini-2.5-flash", "messages": messages, "tools": tools, "stream": false}),
    );
    assert_eq!(second.status, 200, "{}", second.everything());
    let body = up.last().json();
    let parts = body["contents"][1]["parts"].as_array().unwrap().clone();
    let calls: Vec<&Value> = parts.iter().filter(|part| part["functionCall"].is_object()).collect();
    assert_eq!(calls.len(), 2, "{body}");
    assert_eq!(calls[0]["thoughtSignature"], "c2lnbmVk", "{body}");
    let results = body["contents"][2]["parts"].as_array().unwrap().clone();
    let names: Vec<&Value> = results.iter().map(|part| &part["functionResponse"]["name"]).collect();
    assert_eq!(names, ["get_weather", "get_time"], "{body}");
}

/// A prompt that Google's safety rules refuse ends clearly: never as an empty answer that looks finished.
#[test]
fn a_blocked_prompt_is_told() {
    let up = upstream().models(&["gemini-2.5-flash"]).then(reply(json!({
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4}, "modelVersion": "m",
    })));
    let gw = gateway().provider("google", &up, &["k"]).start();
    for client in [Client::OllamaChat, Client::OllamaGenerate] {
        let answer = gw.send(&client.ask("google:gemini-2.5-flash", "x", false, &json!({})));
        let told = client.read_error(&answer).unwrap_or_default();
        assert!(answer.status >= 400 && told.to_lowercase().contains("prohibited"), "{}", answer.everything());
    }
}
