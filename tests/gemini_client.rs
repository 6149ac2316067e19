//! Promise: a program that speaks Google's language works with whatever provider answers: text, pictures, tools, thoughts,
//! schemas, settings, counts and errors come and go in Google's own form, whole, as events, and as one array.
//!
//! The providers' exchanges and the expectations are written by hand, from each dialect's own description.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Value, json};
use support::{Answer, Asked, Gateway, Seen, Step, Upstream, gateway, reply, status, stream, text, upstream};

const MODELS: [(&str, &str); 3] = [("openai", "gpt-4o"), ("google", "gemini-2.5-flash"), ("ollama", "llama3.2:latest")];

const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// How a client wants its answer.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Form {
    Whole,
    Events,
    Array,
}

const FORMS: [Form; 3] = [Form::Whole, Form::Events, Form::Array];

fn path(model: &str, form: Form) -> String {
    match form {
        Form::Whole => format!("/v1beta/models/{model}:generateContent"),
        Form::Events => format!("/v1beta/models/{model}:streamGenerateContent?alt=sse"),
        Form::Array => format!("/v1beta/models/{model}:streamGenerateContent"),
    }
}

/// The records of an answer, each a response of Google's.
fn records(answer: &Answer, form: Form) -> Vec<Value> {
    match form {
        Form::Whole => vec![answer.json()],
        Form::Events => answer.events(),
        Form::Array => answer.json().as_array().expect("a list").clone(),
    }
}

/// What an answer says.
#[derive(Debug, Default, PartialEq)]
struct Said {
    text: String,
    thoughts: String,
    calls: Vec<(String, Value)>,
    finish: String,
    /// Prompt, candidates, thoughts, total.
    usage: [u64; 4],
}

fn said(records: &[Value]) -> Said {
    let mut said = Said::default();
    for record in records {
        let candidate = &record["candidates"][0];
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            let text = part["text"].as_str().unwrap_or_default();
            if part["thought"] == true {
                said.thoughts += text;
            } else {
                said.text += text;
            }
            if let Some(name) = part["functionCall"]["name"].as_str() {
                said.calls.push((name.to_owned(), part["functionCall"]["args"].clone()));
            }
        }
        said.finish += candidate["finishReason"].as_str().unwrap_or_default();
        let usage = &record["usageMetadata"];
        if usage.is_object() {
            let names = ["promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount"];
            said.usage = names.map(|name| usage[name].as_u64().unwrap_or(0));
        }
    }
    said
}

/// What a provider says: a thought, a text in two pieces, calls; for Google's counts, 2 of 7 tokens are thoughts.
struct Script {
    thought: &'static str,
    text: [&'static str; 2],
    calls: Vec<(&'static str, Value)>,
}

fn script(seen: &Seen) -> Script {
    let body = String::from_utf8_lossy(&seen.body).into_owned();
    let has_result =
        body.contains("\"tool_call_id\"") || body.contains("functionResponse") || body.contains("\"tool\"");
    match () {
        () if has_result => Script { thought: "", text: ["It is ", "sunny."], calls: vec![] },
        () if body.contains("use tools") => Script {
            thought: "",
            text: ["", ""],
            calls: vec![("get_weather", json!({"city": "Paris"})), ("get_time", json!({"zone": "UTC"}))],
        },
        () if body.contains("think") => Script { thought: "Let me see.", text: ["It is ", "42."], calls: vec![] },
        () => Script { thought: "", text: ["Hello \"w\u{f6}rld\"", "\n\u{1f642}"], calls: vec![] },
    }
}

fn answers(seen: &Seen) -> Step {
    let script = script(seen);
    match (seen.path.starts_with("/v1beta"), seen.path.starts_with("/api/")) {
        (true, _) => google(seen, &script),
        (_, true) => ollama(seen, &script),
        _ => openai(seen, &script),
    }
}

fn openai(seen: &Seen, script: &Script) -> Step {
    let calls: Vec<Value> = script
        .calls
        .iter()
        .enumerate()
        .map(|(i, (name, arguments))| {
            let function = json!({"name": name, "arguments": arguments.to_string()});
            json!({"index": i, "id": format!("call_{i}"), "type": "function", "function": function})
        })
        .collect();
    let finish = if calls.is_empty() { "stop" } else { "tool_calls" };
    let usage = json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18,
        "completion_tokens_details": {"reasoning_tokens": 2}});
    if !seen.wants_stream() {
        let mut message = json!({"role": "assistant", "content": script.text.concat()});
        if !script.thought.is_empty() {
            message["reasoning_content"] = json!(script.thought);
        }
        if !calls.is_empty() {
            message["tool_calls"] = json!(calls);
        }
        return reply(json!({"id": "x1", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
            "choices": [{"index": 0, "message": message, "finish_reason": finish}]}));
    }
    let chunk = |delta: Value, finish: Option<&str>| {
        json!({"id": "x1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let mut chunks = vec![chunk(json!({"role": "assistant", "content": ""}), None)];
    if !script.thought.is_empty() {
        chunks.push(chunk(json!({"reasoning_content": script.thought}), None));
    }
    chunks.extend(script.text.iter().map(|text| chunk(json!({"content": text}), None)));
    chunks.extend(calls.into_iter().map(|call| chunk(json!({"tool_calls": [call]}), None)));
    chunks.push(chunk(json!({}), Some(finish)));
    chunks.push(json!({"id": "x1", "object": "chat.completion.chunk", "choices": [], "usage": usage}));
    let lines: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    stream(lines + "data: [DONE]\n\n").split_every(37)
}

fn ollama(seen: &Seen, script: &Script) -> Step {
    let line = |message: Value, is_done: bool| {
        let mut line = json!({"model": "m", "created_at": "2026-11-22T08:00:00Z", "message": message, "done": is_done});
        if is_done {
            line["done_reason"] = json!("stop");
            line["prompt_eval_count"] = json!(11);
            line["eval_count"] = json!(7);
        }
        line
    };
    let calls: Vec<Value> =
        script.calls.iter().map(|(name, args)| json!({"function": {"name": name, "arguments": args}})).collect();
    let mut message = json!({"role": "assistant", "content": script.text.concat()});
    if !script.thought.is_empty() {
        message["thinking"] = json!(script.thought);
    }
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    if !seen.wants_stream() {
        return reply(line(message, true));
    }
    message["content"] = json!(script.text[0]);
    let lines = [
        line(message, false),
        line(json!({"role": "assistant", "content": script.text[1]}), false),
        line(json!({"role": "assistant", "content": ""}), true),
    ];
    stream(lines.iter().map(|line| format!("{line}\n")).collect::<String>()).split_every(41)
}

/// With blanks and an order of members that no writer of ours has.
fn google(seen: &Seen, script: &Script) -> Step {
    let mut parts: Vec<Value> = Vec::new();
    if !script.thought.is_empty() {
        parts.push(json!({"thought": true, "text": script.thought}));
    }
    parts.extend(script.text.iter().filter(|text| !text.is_empty()).map(|text| json!({"text": text})));
    parts.extend(script.calls.iter().map(|(name, args)| json!({"functionCall": {"args": args, "name": name}})));
    let usage =
        json!({"totalTokenCount": 18, "promptTokenCount": 11, "candidatesTokenCount": 5, "thoughtsTokenCount": 2});
    let record = |parts: &[Value], is_last: bool| {
        let finish = if is_last { ", \"finishReason\": \"STOP\"" } else { "" };
        let parts = serde_json::to_string(parts).unwrap();
        format!(
            "{{ \"candidates\": [{{\"content\": {{\"role\": \"model\", \"parts\": {parts}}}{finish}}}], \"usageMetadata\": {usage}, \"odd\": 1.50 }}"
        )
    };
    let pieces: Vec<String> = parts.chunks(1).enumerate().map(|(i, part)| record(part, i + 1 == parts.len())).collect();
    match (seen.wants_stream(), seen.path.contains("alt=sse")) {
        (false, _) => text(200, "application/json; charset=UTF-8", &record(&parts, true)),
        (true, true) => {
            stream(pieces.iter().map(|piece| format!("data: {piece}\r\n\r\n")).collect::<String>()).split_every(43)
        }
        (true, false) => Step::Stream {
            content_type: "application/json; charset=UTF-8".to_owned(),
            chunks: format!("[{}\n]", pieces.join("\n,\r\n")).as_bytes().chunks(29).map(<[u8]>::to_vec).collect(),
            is_cut: false,
        },
    }
}

fn started(
    prefix: &str,
    model: &str,
    script: impl Fn(&Seen) -> Step + Send + Sync + 'static,
) -> (Upstream, Gateway, String) {
    let up = upstream().models(&[model]).answers(script);
    let keys: &[&str] = if prefix == "ollama" { &[] } else { &["provider-key"] };
    let gw = gateway().provider(prefix, &up, keys).start();
    let name = if prefix == "ollama" { model.to_owned() } else { format!("{prefix}:{model}") };
    (up, gw, name)
}

fn question(words: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": words}]}]})
}

#[test]
fn text_comes_in_every_form_from_every_provider() {
    for (prefix, model) in MODELS {
        let (_up, gw, name) = started(prefix, model, answers);
        for form in FORMS {
            let answer = gw.post(&path(&name, form), &question("Hi"));
            assert_eq!(answer.status, 200, "{prefix} {form:?}: {}", answer.text());
            let want_type = if form == Form::Events { "text/event-stream" } else { "application/json; charset=UTF-8" };
            assert_eq!(answer.header("content-type"), Some(want_type), "{prefix} {form:?}");
            let records = records(&answer, form);
            let thoughts = if prefix == "ollama" { 0 } else { 2 };
            let want = Said {
                text: "Hello \"w\u{f6}rld\"\n\u{1f642}".into(),
                finish: "STOP".into(),
                usage: [11, 7 - thoughts, thoughts, 18],
                ..Said::default()
            };
            assert_eq!(said(&records), want, "{prefix} {form:?}");
            if prefix != "google" {
                assert_eq!(records[0]["modelVersion"], json!(name), "{prefix} {form:?}");
                assert!(records[0]["responseId"].is_string(), "{prefix} {form:?}");
                assert!(records.len() > 1 || form == Form::Whole, "{prefix} {form:?} streams");
            }
        }
    }
}

#[test]
fn tools_are_called_and_answered() {
    let tools = json!([{"functionDeclarations": [
        {"name": "get_weather", "description": "D", "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}},
        {"name": "get_time", "parametersJsonSchema": {"type": "object", "properties": {"zone": {"type": "string"}}}}]}]);
    for (prefix, model) in MODELS {
        let (up, gw, name) = started(prefix, model, answers);
        for form in FORMS {
            let mut ask = question("use tools");
            ask["tools"] = tools.clone();
            let first = records(&gw.post(&path(&name, form), &ask), form);
            let told = said(&first);
            let want = [("get_weather", json!({"city": "Paris"})), ("get_time", json!({"zone": "UTC"}))];
            assert_eq!(told.calls, want.map(|(name, args)| (name.to_owned(), args)), "{prefix} {form:?}");
            assert_eq!((told.finish.as_str(), told.text.as_str()), ("STOP", ""), "{prefix} {form:?}");

            let parts = first
                .iter()
                .flat_map(|r| r["candidates"][0]["content"]["parts"].as_array().cloned().unwrap_or_default());
            let calls: Vec<Value> = parts.filter(|part| part["functionCall"].is_object()).collect();
            // A client that brings no ids back.
            let results: Vec<Value> = ["get_weather", "get_time"]
                .map(|name| json!({"functionResponse": {"name": name, "response": {"result": format!("of {name}")}}}))
                .into();
            let contents = ask["contents"].as_array_mut().unwrap();
            contents.push(json!({"role": "model", "parts": calls}));
            contents.push(json!({"role": "user", "parts": results}));
            let last = said(&records(&gw.post(&path(&name, form), &ask), form));
            assert_eq!(last.text, "It is sunny.", "{prefix} {form:?}");
            let seen = up.last().json();
            match prefix {
                "openai" => {
                    assert_eq!(seen["tools"][0]["function"]["parameters"]["properties"]["city"]["type"], "string");
                    let ids = [&seen["messages"][2]["tool_call_id"], &seen["messages"][3]["tool_call_id"]];
                    assert_eq!(ids, ["call_0", "call_1"], "{seen}");
                    assert_eq!(seen["messages"][2]["content"], r#"{"result":"of get_weather"}"#);
                }
                "ollama" => assert_eq!(seen["messages"][3]["content"], r#"{"result":"of get_time"}"#, "{seen}"),
                _ => assert_eq!(seen, ask, "what goes to Google goes as it came"),
            }
        }
    }
}

#[test]
fn thoughts_are_shown_to_who_asks_for_them() {
    for (prefix, model) in [("deepseek", "deepseek-reasoner"), ("ollama", "llama3.2:latest")] {
        let (_up, gw, name) = started(prefix, model, answers);
        for form in FORMS {
            let mut ask = question("think");
            let silent = said(&records(&gw.post(&path(&name, form), &ask), form));
            assert_eq!((silent.thoughts.as_str(), silent.text.as_str()), ("", "It is 42."), "{prefix} {form:?}");
            ask["generationConfig"] = json!({"thinkingConfig": {"includeThoughts": true}});
            let open = said(&records(&gw.post(&path(&name, form), &ask), form));
            assert_eq!((open.thoughts.as_str(), open.text.as_str()), ("Let me see.", "It is 42."), "{prefix} {form:?}");
        }
    }
}

#[test]
fn pictures_schemas_and_settings_go_up() {
    let ask = json!({
        "system_instruction": {"parts": [{"text": "Be brief."}]},
        "contents": [{"parts": [{"text": "What is it?"}, {"inline_data": {"mime_type": "image/png", "data": PIXEL}}]}],
        "generationConfig": {"temperature": 0.5, "topK": 40.0, "maxOutputTokens": 100, "stopSequences": ["END"], "seed": 7,
            "responseMimeType": "application/json", "responseSchema": {"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}}},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    });
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let (up, gw, name) = started("openai", "gpt-4o", answers);
    assert_eq!(gw.post(&path(&name, Form::Whole), &ask).status, 200);
    let seen = up.last().json();
    assert_eq!(seen["messages"][0]["content"], "Be brief.");
    assert_eq!(seen["messages"][1]["content"][1]["image_url"]["url"], format!("data:image/png;base64,{PIXEL}"));
    assert_eq!((&seen["temperature"], &seen["stop"], &seen["seed"]), (&json!(0.5), &json!(["END"]), &json!(7)));
    assert_eq!(seen["response_format"]["json_schema"]["schema"], schema);
    assert!(seen.get("safetySettings").is_none(), "{seen}");

    let (up, gw, name) = started("ollama", "llama3.2:latest", answers);
    assert_eq!(gw.post(&path(&name, Form::Events), &ask).status, 200);
    let seen = up.last().json();
    assert_eq!((&seen["messages"][1]["images"][0], &seen["format"]), (&json!(PIXEL), &schema));
    let options = &seen["options"];
    assert_eq!(
        (&options["top_k"], &options["num_predict"], &options["stop"]),
        (&json!(40), &json!(100), &json!(["END"]))
    );
}

#[test]
fn what_goes_to_google_passes_as_it_is() {
    let (up, gw, _) = started("google", "gemini-2.5-flash", answers);
    let body = "{ \"contents\":[{\"parts\":[{\"text\":\"use tools\"}]}] , \"brandNew\": 1.50}";
    let forms = [
        (Form::Whole, "/v1beta/models/gemini-2.5-flash:generateContent"),
        (Form::Events, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
        (Form::Array, "/v1beta/models/gemini-2.5-flash:streamGenerateContent"),
    ];
    for (form, want_path) in forms {
        let asked = format!(
            "{}{}key=client-key",
            path("google:gemini-2.5-flash", form),
            if form == Form::Events { "&" } else { "?" }
        );
        let request = Asked::new("POST", &asked)
            .header("content-type", "application/json")
            .header("x-goog-api-key", "client-key");
        let answer = gw.send(&request.body(body));
        let seen = up.last();
        assert_eq!((seen.path.as_str(), seen.body.as_slice()), (want_path, body.as_bytes()));
        assert_eq!(seen.header("x-goog-api-key"), Some("provider-key"));
        let told = match google(&seen, &script(&seen)) {
            Step::Whole { body, .. } => body,
            Step::Stream { chunks, .. } => chunks.concat(),
            _ => panic!("no such step"),
        };
        assert_eq!(answer.body, told, "{form:?}: every byte");
    }
    assert!(!gw.output().contains("client-key"), "{}", gw.output());
}

#[test]
fn state_of_other_providers_does_not_go_to_google() {
    let (up, gw, _) = started("google", "gemini-2.5-flash", answers);
    // `polyllama/1:` and `other:state` in base64.
    let foreign = "cG9seWxsYW1hLzE6b3RoZXI6c3RhdGU=";
    let mut ask = question("Hi");
    ask["contents"][0]["parts"][0]["text"] = json!(foreign);
    let call = json!({"functionCall": {"name": "f", "args": {}}, "thoughtSignature": foreign});
    let own = json!({"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2ln"});
    ask["contents"].as_array_mut().unwrap().push(json!({"role": "model", "parts": [call, own]}));
    gw.post(&path("gemini-2.5-flash", Form::Whole), &ask);
    ask["contents"][1]["parts"][0]["thoughtSignature"] = json!("skip_thought_signature_validator");
    assert_eq!(up.last().json(), ask);
}

/// The one error of an answer, as Google's clients find it.
fn error(answer: &Answer, form: Form) -> Value {
    let body = if form == Form::Array { answer.json()[0].clone() } else { answer.json() };
    body["error"].clone()
}

#[test]
fn errors_are_told_in_googles_form() {
    for (prefix, model) in MODELS {
        let words = |seen: &Seen| match (seen.path.starts_with("/v1beta"), seen.path.starts_with("/api/")) {
            (true, _) => {
                let error = json!({"error": {"code": 400, "message": "own words", "status": "INVALID_ARGUMENT"}});
                let is_array = seen.wants_stream() && !seen.path.contains("alt=sse");
                status(400, if is_array { json!([error]) } else { error })
            }
            (_, true) => status(400, json!({"error": "own words"})),
            _ => status(400, json!({"error": {"message": "own words", "type": "invalid_request_error"}})),
        };
        let (_up, gw, name) = started(prefix, model, words);
        for form in FORMS {
            let answer = gw.post(&path(&name, form), &question("Hi"));
            let error = error(&answer, form);
            assert_eq!(
                (answer.status, &error["code"], &error["status"]),
                (400, &json!(400), &json!("INVALID_ARGUMENT")),
                "{error}"
            );
            assert!(error["message"].as_str().unwrap().contains("own words"), "{prefix} {form:?}: {error}");

            let missing = gw.post(&path("openai:nothing-like-it:x", form).replace("openai", prefix), &json!({}));
            assert!(missing.status >= 400, "{prefix} {form:?}: {}", missing.text());
        }
    }
    let (_up, gw, name) = started("openai", "gpt-4o", answers);
    let unknown = gw.post(&path("no-such-model-anywhere", Form::Whole), &question("Hi"));
    assert_eq!((unknown.status, &unknown.json()["error"]["status"]), (404, &json!("NOT_FOUND")));
    let wrong = gw.post(&path(&name, Form::Whole), &json!({"contents": [{"parts": [{"text": 5}]}]})).json();
    assert_eq!(wrong["error"]["message"], "Invalid value at 'contents[0].parts[0].text' (TYPE_STRING), 5");
    assert_eq!(wrong["error"]["details"][0]["fieldViolations"][0]["field"], "contents[0].parts[0].text");
    let held = json!({"contents": [{"parts": [{"text": "x"}]}], "cachedContent": "cachedContents/1"});
    assert_eq!(gw.post(&path(&name, Form::Whole), &held).status, 400);
    let method = gw.post(&format!("/v1beta/models/{name}:predict"), &json!({}));
    assert_eq!((method.status, &method.json()["error"]["status"]), (501, &json!("UNIMPLEMENTED")));
    assert_eq!(gw.send(&Asked::new("DELETE", "/v1beta/models/x")).status, 405);
}

#[test]
fn when_to_try_again_is_told_where_googles_tools_look() {
    let late = |_: &Seen| {
        status(429, json!({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}))
            .with_header("retry-after", "7")
    };
    let (_up, gw, name) = started("openai", "gpt-4o", late);
    let answer = gw.post(&path(&name, Form::Whole), &question("Hi"));
    let error = &answer.json()["error"];
    assert_eq!((answer.status, &error["status"]), (429, &json!("RESOURCE_EXHAUSTED")));
    let delay = error["details"].as_array().unwrap().iter().find_map(|detail| detail["retryDelay"].as_str());
    assert_eq!(delay, Some("7s"), "{error}");
}

#[test]
fn a_cut_answer_is_told_in_the_stream() {
    for (prefix, model) in MODELS {
        let cut = |seen: &Seen| match answers(seen) {
            Step::Stream { content_type, chunks, .. } => {
                let whole = chunks.concat();
                // In the midst of the second record, which begins with a line's end.
                let at = whole.windows(2).position(|pair| pair == b"\\n").unwrap();
                Step::Stream { content_type, chunks: vec![whole[..at].to_vec()], is_cut: true }
            }
            other => other,
        };
        let (_up, gw, name) = started(prefix, model, cut);
        let events = gw.post(&path(&name, Form::Events), &question("Hi")).events();
        let last = events.last().unwrap();
        assert!(
            last["error"]["message"].is_string() && last["error"]["code"].as_u64() >= Some(500),
            "{prefix}: {events:?}"
        );
        assert!(said(&events).finish.is_empty(), "{prefix}: {events:?}");
        let array = gw.post(&path(&name, Form::Array), &question("Hi"));
        let list = array.json();
        assert!(list.as_array().unwrap().last().unwrap()["error"].is_object(), "{prefix}: {}", array.text());
        assert_eq!(said(list.as_array().unwrap()).text, "Hello \"w\u{f6}rld\"", "{prefix}");
    }
}

#[test]
fn a_key_may_stand_where_google_has_it() {
    let up = upstream().models(&["gpt-4o"]).answers(answers);
    let gw = gateway().provider("openai", &up, &["provider-key"]).env("POLYLLAMA_API_KEYS", "inbound-secret").start();
    let whole = path("openai:gpt-4o", Form::Whole);
    let ask = |path: &str, key: Option<&str>| {
        let asked = Asked::new("POST", path).header("content-type", "application/json");
        let asked = key.into_iter().fold(asked, |asked, key| asked.header("x-goog-api-key", key));
        gw.send(&asked.body(question("Hi").to_string()))
    };
    assert_eq!(ask(&whole, Some("inbound-secret")).status, 200);
    assert_eq!(ask(&format!("{whole}?key=inbound-secret"), None).status, 200);
    let refused = ask(&format!("{whole}?key=wrong"), None);
    assert_eq!((refused.status, &refused.json()["error"]["status"]), (401, &json!("UNAUTHENTICATED")));
    let elsewhere =
        Asked::new("POST", "/v1/chat/completions?key=inbound-secret").header("content-type", "application/json");
    assert_eq!(gw.send(&elsewhere.body("{}")).status, 401, "in a query only where Google has it");
    assert!(!gw.output().contains("inbound-secret"), "{}", gw.output());
    let seen = format!("{:?}", up.seen_all());
    assert!(!seen.contains("inbound-secret"), "{seen}");
}

#[test]
fn models_are_listed_in_googles_form() {
    let up = upstream().models(&["gpt-4o", "gpt-5", "text-embedding-3-small"]).answers(answers);
    let gw = gateway().provider("openai", &up, &["k"]).start();
    let all = gw.get("/v1beta/models?pageSize=1000").json();
    let names: Vec<&str> = all["models"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"models/openai:gpt-4o") && all.get("nextPageToken").is_none(), "{all}");
    let mut paged = Vec::new();
    let mut token = String::new();
    loop {
        let page = gw.get(&format!("/v1beta/models?pageSize=1&pageToken={token}")).json();
        paged.extend(page["models"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["nextPageToken"].as_str() else { break };
        token = next.replace('/', "%2F");
    }
    assert_eq!(paged, names);
    assert_eq!(gw.get("/v1beta/models?pageToken=nobody").status, 400);
    let one = gw.get("/v1beta/models/openai:gpt-4o").json();
    assert_eq!(one["name"], "models/openai:gpt-4o");
    assert_eq!(one["supportedGenerationMethods"], json!(["generateContent", "countTokens"]));
    assert_eq!(gw.get("/v1beta/models/nothing").json()["error"]["status"], "NOT_FOUND");
    let stable = gw.send(&Asked::new("GET", "/v1/models").header("x-goog-api-client", "genai")).json();
    assert_eq!(stable["models"], all["models"]);
    assert!(gw.get("/v1/models").json()["data"].is_array(), "others keep OpenAI's");
}

#[test]
fn names_with_colons_and_slashes_and_other_versions() {
    let up = upstream().models(&["a/b:free"]).answers(answers);
    let gw = gateway().provider("openrouter", &up, &["k"]).start();
    for path in [
        "/v1beta/models/openrouter:a/b:free:generateContent",
        "/v1beta/models/openrouter%3Aa%2Fb%3Afree:generateContent",
        "/v1/models/openrouter:a/b:free:generateContent",
        "/v1alpha/models/openrouter:a/b:free:generateContent",
    ] {
        let answer = gw.post(path, &question("Hi"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        assert_eq!(up.last().json()["model"], "a/b:free");
    }
}

#[test]
fn tokens_are_counted_by_google_or_about() {
    let count = |seen: &Seen| match seen.path.ends_with(":countTokens") {
        true => reply(json!({"totalTokens": 31, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 31}]})),
        false => answers(seen),
    };
    let (up, gw, name) = started("google", "gemini-2.5-flash", count);
    let whole =
        json!({"generateContentRequest": {"model": format!("models/{name}"), "contents": question("Hi")["contents"]}});
    let told = gw.post(&format!("/v1beta/models/{name}:countTokens"), &whole);
    assert_eq!((told.status, &told.json()["totalTokens"]), (200, &json!(31)));
    assert_eq!(told.header("x-polyllama-estimated"), None);
    assert_eq!(up.last().json()["generateContentRequest"]["model"], "models/gemini-2.5-flash");
    assert_eq!(up.last().key(), Some("provider-key"));
    // Google says 400 both to a wrong request and to a wrong key, and the key is none of the client's.
    for (message, want) in
        [("* GenerateContentRequest.contents: is empty", 400), ("API key not valid: provider-key", 200)]
    {
        up.now_answers(status(400, json!({"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}})));
        let told = gw.post(&format!("/v1beta/models/{name}:countTokens"), &question("Hi"));
        assert_eq!((told.status, told.header("x-polyllama-estimated").is_some()), (want, want == 200));
        assert!(!told.everything().contains("provider-key"), "{}", told.everything());
    }

    let (_up, gw, name) = started("openai", "gpt-4o", answers);
    let count = |words: &str| {
        let told = gw.post(&format!("/v1beta/models/{name}:countTokens"), &question(words));
        assert_eq!(told.header("x-polyllama-estimated"), Some("true"));
        told.json()["totalTokens"].as_u64().unwrap()
    };
    let (short, long) = (count("Hi"), count(&"many words ".repeat(100)));
    assert!(short > 0 && (long - short) > 100 && (long - short) < 800, "{short} {long}");
}

fn vectors(seen: &Seen) -> Step {
    let vector = |text: &Value| json!([text.as_str().unwrap_or_default().len(), 0.5]);
    let body = seen.json();
    let texts = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    if seen.path.ends_with(":batchEmbedContents") {
        let rows = body["requests"].as_array().unwrap().iter().map(|r| vector(&r["content"]["parts"][0]["text"]));
        return reply(json!({"embeddings": rows.map(|v| json!({"values": v})).collect::<Vec<_>>()}));
    }
    if seen.path.ends_with(":embedContent") {
        return reply(json!({"embedding": {"values": vector(&body["content"]["parts"][0]["text"])}}));
    }
    let rows: Vec<Value> = texts(&body["input"]).iter().map(vector).collect();
    if seen.path == "/api/embed" {
        return reply(json!({"model": "m", "embeddings": rows, "prompt_eval_count": 3}));
    }
    let row = |(index, vector): (usize, &Value)| json!({"object": "embedding", "index": index, "embedding": vector});
    let data: Vec<Value> = rows.iter().enumerate().map(row).collect();
    reply(json!({"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 3, "total_tokens": 3}}))
}

#[test]
fn texts_become_vectors() {
    let models = [
        ("openai", "text-embedding-3-small"),
        ("google", "gemini-embedding-001"),
        ("ollama", "nomic-embed-text:latest"),
    ];
    for (prefix, model) in models {
        let (up, gw, name) = started(prefix, model, vectors);
        let content = |text: &str| json!({"content": {"parts": [{"text": text}]}, "model": format!("models/{name}")});
        let one = gw.post(&format!("/v1beta/models/{name}:embedContent"), &content("abc")).json();
        assert_eq!(one, json!({"embedding": {"values": [3, 0.5]}}), "{prefix}");
        let batch = json!({"requests": [content("a"), content("bcde")]});
        let two = gw.post(&format!("/v1beta/models/{name}:batchEmbedContents"), &batch).json();
        assert_eq!(two, json!({"embeddings": [{"values": [1, 0.5]}, {"values": [4, 0.5]}]}), "{prefix}");
        if prefix == "google" {
            let named = &up.last().json()["requests"][1]["model"];
            assert_eq!(named, "models/gemini-embedding-001", "the name inside is the provider's, too");
        }
        let wrong = gw.post(&format!("/v1beta/models/{name}:embedContent"), &json!({}));
        assert!(wrong.status == 400 || prefix == "google", "{prefix}: {}", wrong.text());
    }
}

#[test]
fn many_texts_go_in_as_many_calls_as_the_provider_needs() {
    let (up, gw, name) = started("google", "gemini-embedding-001", vectors);
    let texts: Vec<Value> =
        (0..150).map(|i| json!({"content": {"parts": [{"text": "x".repeat(i % 7 + 1)}]}})).collect();
    let told = gw.post(&format!("/v1beta/models/{name}:batchEmbedContents"), &json!({"requests": texts})).json();
    let lengths: Vec<u64> =
        told["embeddings"].as_array().unwrap().iter().map(|e| e["values"][0].as_u64().unwrap()).collect();
    assert_eq!(lengths, (0..150).map(|i| i % 7 + 1).collect::<Vec<u64>>());
    assert_eq!(up.seen().len(), 2);
}
