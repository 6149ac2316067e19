//! Promise: what real clients were recorded to ask reaches the provider: in the same wire the same bytes but for the model's
//! name; in another dialect every turn, picture, tool, call, result and setting.
//!
//! The recordings lie beside the checkout and are no part of it: without them these tests say that they skip. Both sides of
//! a translation are read here, by code that shares nothing with the gateway.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use support::{Gateway, Seen, Step, Upstream, gateway, recorded, reply, stream, upstream};

/// The recorded requests to an Ollama server: name, path and body.
fn ollama_requests() -> Vec<(String, String, Value)> {
    let files = recorded::all_exchanges("fixtures").into_iter().filter(|(_, file)| file["dialect"] == "ollama");
    let read = |(name, file): (String, Value)| {
        let path = file["request"]["path"].as_str().unwrap().to_owned();
        (name, path, file["request"]["body"].clone())
    };
    files.map(read).filter(|(.., body)| body["model"].is_string()).collect()
}

/// The recorded requests in one of OpenAI's two wires that name a model: name, provider, path and body.
fn requests(dialects: &[&str]) -> Vec<(String, String, &'static str, Value)> {
    let mut found = Vec::new();
    for (name, file) in recorded::all_exchanges("fixtures") {
        let (provider, dialect) = (file["provider"].as_str().unwrap(), file["dialect"].as_str().unwrap());
        let body = &file["request"]["body"];
        let is_chat = dialect == "openai";
        if dialects.contains(&dialect) && body["model"].is_string() && (!is_chat || body["messages"].is_array()) {
            let path = if is_chat { "/v1/chat/completions" } else { "/v1/completions" };
            found.push((name, provider.to_owned(), path, body.clone()));
        }
    }
    found
}

/// Whatever is asked, a short answer.
fn openai(seen: &Seen) -> Step {
    let is_chat = seen.path.ends_with("/chat/completions");
    let mut choice = json!({"index": 0, "finish_reason": "stop"});
    match is_chat {
        true => choice["message"] = json!({"role": "assistant", "content": "Hi"}),
        false => choice["text"] = json!("Hi"),
    }
    if !seen.wants_stream() {
        return reply(json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}));
    }
    if let Some(message) = choice.as_object_mut().unwrap().remove("message") {
        choice["delta"] = message;
    }
    let chunk = json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
    stream(format!("data: {chunk}\n\ndata: [DONE]\n\n"))
}

#[test]
fn requests_in_the_providers_wire_pass_unchanged() {
    let mut groups: BTreeMap<&str, Vec<(String, &str, Value)>> = BTreeMap::new();
    for (name, provider, path, body) in requests(&["openai", "openai-completions"]) {
        for prefix in recorded::players(&provider, "openai") {
            groups.entry(prefix).or_default().push((name.clone(), path, body.clone()));
        }
    }
    let upstreams: Vec<Upstream> = groups.keys().map(|_| upstream().answers(openai)).collect();
    let entry = |(prefix, up): (&&str, &Upstream)| {
        format!("[provider.{prefix}]\nbase_url = \"{}/v1\"\nkeys = [\"key-of-a-test\"]\n", up.address())
    };
    let gateway =
        gateway().file("polyllama.toml", &groups.keys().zip(&upstreams).map(entry).collect::<String>()).start();
    let (mut same, mut wrong) = (0, Vec::new());
    for ((prefix, group), up) in groups.iter().zip(&upstreams) {
        for (name, path, body) in group {
            let mut asked = body.clone();
            asked["model"] = json!(format!("{prefix}:{}", body["model"].as_str().unwrap()));
            let answer = gateway.post_text(path, &asked.to_string());
            let Some(seen) = up.seen().pop().filter(|_| answer.status == 200) else {
                wrong.push(format!("{prefix} {name}: {}", answer.text()));
                continue;
            };
            match seen.body == body.to_string().as_bytes() {
                true => same += 1,
                false => wrong.push(format!("{prefix} {name}: {:?} changed", changed_members(body, &seen.json()))),
            }
        }
    }
    eprintln!("{} requests sent in their own wire, {same} arrived with the same bytes", same + wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn changed_members(asked: &Value, seen: &Value) -> BTreeSet<String> {
    let (asked, seen) = (asked.as_object().unwrap(), seen.as_object().unwrap());
    let names = asked.keys().chain(seen.keys());
    names.filter(|name| asked.get(*name) != seen.get(*name)).cloned().collect()
}

// ---- translated

/// What a request asks for, in no dialect's words. Texts are without blanks, since dialects join parts in different ways.
#[derive(Debug, Default, PartialEq)]
struct Wanted {
    system: String,
    user: String,
    assistant: String,
    /// Name and arguments.
    calls: Vec<(String, Value)>,
    /// Of which tool, and what it said.
    results: Vec<(String, Value)>,
    /// Pictures, sounds and files, in base64 or as an address.
    media: Vec<String>,
    /// Name, description and schema.
    tools: Vec<(String, String, Value)>,
    /// Of temperature, top_p, seed, max tokens.
    numbers: [Option<f64>; 4],
    stop: Vec<String>,
    /// `json`, or a schema.
    format: Value,
    /// The depth of thinking is asked for.
    has_effort: bool,
}

/// The lines in which both differ, each laid out over many.
fn difference(wanted: &Wanted, got: &Wanted) -> String {
    let (wanted, got) = (format!("{wanted:#?}"), format!("{got:#?}"));
    let pairs = wanted.lines().zip(got.lines()).filter(|(wanted, got)| wanted != got);
    pairs.take(3).map(|(wanted, got)| format!("  asked {wanted}\n  got   {got}\n")).collect()
}

fn add(text: &mut String, more: &Value) {
    text.extend(more.as_str().unwrap_or_default().chars().filter(|c| !c.is_whitespace()));
}

/// A result is compared as JSON where it is an object.
fn result(text: &str) -> Value {
    let squeezed = || json!(text.chars().filter(|c| !c.is_whitespace()).collect::<String>());
    serde_json::from_str::<Value>(text).ok().filter(Value::is_object).unwrap_or_else(squeezed)
}

fn strings(value: &Value) -> Vec<String> {
    match value {
        Value::Array(items) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        value => value.as_str().map(str::to_owned).into_iter().collect(),
    }
}

/// The texts of a message's content, whole or in parts.
fn texts(content: &Value) -> String {
    match content {
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str().or(part["refusal"].as_str())).collect()
        }
        content => content.as_str().unwrap_or_default().to_owned(),
    }
}

/// A picture, sound or file in a part: its base64 or its address.
fn medium(part: &Value) -> Option<String> {
    let places = [
        &part["image_url"]["url"],
        &part["image_url"],
        &part["input_audio"]["data"],
        &part["file"]["file_data"],
        &part["document_url"],
    ];
    let found = places.into_iter().find_map(Value::as_str)?;
    Some(found.split_once(";base64,").map_or(found, |(_, data)| data).to_owned())
}

/// A function that may be called; one without a schema takes nothing.
fn declared(function: &Value, schema: &str) -> Option<(String, String, Value)> {
    let name = function["name"].as_str()?.to_owned();
    let description = function["description"].as_str().unwrap_or_default().to_owned();
    let mut schema = function[schema].clone();
    schema.sort_all_objects();
    Some((name, description, schema))
}

fn of_openai(body: &Value) -> Wanted {
    let mut wanted = Wanted::default();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for message in body["messages"].as_array().into_iter().flatten() {
        let text = json!(texts(&message["content"]));
        match message["role"].as_str().unwrap_or_default() {
            "system" | "developer" => add(&mut wanted.system, &text),
            "user" => add(&mut wanted.user, &text),
            "tool" => {
                let name = names.get(message["tool_call_id"].as_str().unwrap_or_default()).cloned().unwrap_or_default();
                wanted.results.push((name, result(text.as_str().unwrap())));
            }
            _ => add(&mut wanted.assistant, &text),
        }
        for part in message["content"].as_array().into_iter().flatten() {
            wanted.media.extend(medium(part));
        }
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            let arguments = function["arguments"].as_str().filter(|text| !text.is_empty()).unwrap_or("{}");
            let name = function["name"].as_str().unwrap_or_default().to_owned();
            names.insert(call["id"].as_str().unwrap_or_default().to_owned(), name.clone());
            wanted.calls.push((name, serde_json::from_str(arguments).unwrap_or(Value::Null)));
        }
    }
    for tool in body["tools"].as_array().into_iter().flatten() {
        wanted.tools.extend(declared(&tool["function"], "parameters"));
    }
    let length = body.get("max_completion_tokens").or(body.get("max_tokens")).cloned().unwrap_or_default();
    wanted.numbers = [&body["temperature"], &body["top_p"], &body["seed"], &length].map(Value::as_f64);
    wanted.stop = strings(&body["stop"]);
    let format = &body["response_format"];
    wanted.format = match format["type"].as_str() {
        Some("json_object") => json!("json"),
        _ => format["json_schema"]["schema"].clone(),
    };
    let efforts = ["reasoning_effort", "reasoning", "thinking", "enable_thinking"];
    wanted.has_effort = efforts.iter().any(|name| !body[name].is_null());
    wanted
}

fn of_ollama(body: &Value) -> Wanted {
    let mut wanted = Wanted::default();
    for message in body["messages"].as_array().into_iter().flatten() {
        let text = &message["content"];
        match message["role"].as_str().unwrap_or_default() {
            "system" => add(&mut wanted.system, text),
            "user" => add(&mut wanted.user, text),
            "tool" => {
                let name = message["tool_name"].as_str().unwrap_or_default().to_owned();
                wanted.results.push((name, result(text.as_str().unwrap_or_default())));
            }
            _ => add(&mut wanted.assistant, text),
        }
        wanted.media.extend(strings(&message["images"]));
        for call in message["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            wanted
                .calls
                .push((function["name"].as_str().unwrap_or_default().to_owned(), function["arguments"].clone()));
        }
    }
    for tool in body["tools"].as_array().into_iter().flatten() {
        wanted.tools.extend(declared(&tool["function"], "parameters"));
    }
    let options = &body["options"];
    wanted.numbers = ["temperature", "top_p", "seed", "num_predict"].map(|name| options[name].as_f64());
    wanted.stop = strings(&options["stop"]);
    wanted.format = body["format"].clone();
    wanted.has_effort = !body["think"].is_null();
    wanted
}

fn of_gemini(body: &Value) -> Wanted {
    let mut wanted = Wanted::default();
    for part in body["systemInstruction"]["parts"].as_array().into_iter().flatten() {
        add(&mut wanted.system, &part["text"]);
    }
    for content in body["contents"].as_array().into_iter().flatten() {
        for part in content["parts"].as_array().into_iter().flatten() {
            let text = if content["role"] == "model" { &mut wanted.assistant } else { &mut wanted.user };
            if part["thought"] != true {
                add(text, &part["text"]);
            }
            let inner = part["functionResponse"]["parts"].as_array().into_iter().flatten();
            for part in inner.chain([part]) {
                let data = part["inlineData"]["data"].as_str().or(part["fileData"]["fileUri"].as_str());
                wanted.media.extend(data.map(str::to_owned));
            }
            if let Some(name) = part["functionCall"]["name"].as_str() {
                let arguments = part["functionCall"].get("args").cloned().unwrap_or_else(|| json!({}));
                wanted.calls.push((name.to_owned(), arguments));
            }
            if let Some(response) = part["functionResponse"].get("response") {
                let told = ["output", "result", "error"].iter().find_map(|name| response[*name].as_str());
                let is_wrapped = response.as_object().is_some_and(|members| members.len() == 1);
                let told = told.filter(|_| is_wrapped).map(result);
                let name = part["functionResponse"]["name"].as_str().unwrap_or_default().to_owned();
                wanted.results.push((name, told.unwrap_or_else(|| response.clone())));
            }
        }
    }
    for tool in body["tools"].as_array().into_iter().flatten() {
        let declared = tool["functionDeclarations"].as_array().into_iter().flatten();
        wanted.tools.extend(declared.filter_map(|one| self::declared(one, "parametersJsonSchema")));
    }
    let config = &body["generationConfig"];
    wanted.numbers = ["temperature", "topP", "seed", "maxOutputTokens"].map(|name| config[name].as_f64());
    wanted.stop = strings(&config["stopSequences"]);
    let is_json = config["responseMimeType"] == "application/json";
    let schema = config["responseJsonSchema"].clone();
    wanted.format = if is_json && schema.is_null() { json!("json") } else { schema };
    wanted.has_effort = config["thinkingConfig"].is_object();
    wanted
}

fn ollama(seen: &Seen) -> Step {
    let mut line = json!({"model": "m", "created_at": "2026-11-22T08:00:00Z", "done": true, "done_reason": "stop",
                          "prompt_eval_count": 1, "eval_count": 1});
    match seen.path.as_str() {
        "/api/chat" => line["message"] = json!({"role": "assistant", "content": "Hi"}),
        _ => line["response"] = json!("Hi"),
    }
    if seen.wants_stream() { stream(format!("{line}\n")) } else { reply(line) }
}

fn gemini(seen: &Seen) -> Step {
    let body =
        json!({"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]});
    if seen.wants_stream() { stream(format!("data: {body}\r\n\r\n")) } else { reply(body) }
}

#[test]
fn an_ollama_clients_requests_arrive_whole() {
    let up = upstream().models(&["llama3.2"]).answers(ollama);
    let cloud = upstream().models(&["gpt-4o"]).answers(openai);
    let gateway = gateway().provider("ollama", &up, &[]).provider("openai", &cloud, &["key-of-a-test"]).start();
    let mut counts = [0, 0];
    for (name, path, body) in ollama_requests() {
        // Its names stay as they were typed, the prefix apart.
        let mut asked = body.clone();
        asked["model"] = json!(format!("ollama:{}", body["model"].as_str().unwrap()));
        let answer = gateway.post_text(&path, &asked.to_string());
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        assert_eq!(String::from_utf8_lossy(&up.last().body), body.to_string(), "{name}");
        counts[0] += 1;
        if path != "/api/chat" {
            continue;
        }
        asked["model"] = json!("openai:gpt-4o");
        let answer = gateway.post_text(&path, &asked.to_string());
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let (mut wanted, got) = (of_ollama(&body), of_openai(&cloud.last().json()));
        if wanted.format == "" {
            wanted.format = Value::Null;
        }
        // A result that names no tool is that of the call it follows.
        for (result, (call, _)) in wanted.results.iter_mut().zip(&wanted.calls).filter(|(one, _)| one.0.is_empty()) {
            result.0.clone_from(call);
        }
        assert!(wanted == got, "{name}:\n{}", difference(&wanted, &got));
        counts[1] += 1;
    }
    eprintln!("{} requests of Ollama's clients passed, {} translated", counts[0], counts[1]);
}

#[test]
fn requests_to_an_ollama_server_are_translated_whole() {
    let up = upstream().models(&["llama3.2"]).answers(ollama);
    let gateway = gateway().provider("ollama", &up, &[]).start();
    let model = "ollama:llama3.2";
    translated(&gateway, &up, &Other { model, expected: for_ollama, read: of_ollama, is_beyond: is_beyond_ollama });
}

#[test]
fn requests_to_gemini_are_translated_whole() {
    let up = upstream().models(&["gemini-3-flash-preview"]).answers(gemini);
    let gateway = gateway().provider("google", &up, &[]).env("GCP_ACCESS_TOKEN", "ya29.token").start();
    let model = "google:gemini-3-flash-preview";
    translated(&gateway, &up, &Other { model, expected: for_gemini, read: of_gemini, is_beyond: |_| false });
}

/// How a request arrives at a provider, and how that is read.
struct Other {
    model: &'static str,
    /// What is asked for there, where that must differ.
    expected: fn(Wanted, &Value) -> Wanted,
    read: fn(&Value) -> Wanted,
    is_beyond: fn(&Value) -> bool,
}

fn translated(gateway: &Gateway, up: &Upstream, other: &Other) {
    let model = other.model;
    let (mut arrived, mut refused, mut wrong) = (0, 0, Vec::new());
    for (name, _, path, body) in requests(&["openai"]) {
        let before = up.seen().len();
        let mut asked = body.clone();
        asked["model"] = json!(model);
        let answer = gateway.post_text(path, &asked.to_string());
        let Some(seen) = up.seen().pop().filter(|_| answer.status == 200 && up.seen().len() > before) else {
            match answer.status == 400 && up.seen().len() == before && (other.is_beyond)(&body) {
                true => refused += 1,
                false => wrong.push(format!("{name}: {} {}", answer.status, answer.text())),
            }
            continue;
        };
        let (wanted, got) = ((other.expected)(of_openai(&body), &body), (other.read)(&seen.json()));
        match wanted == got {
            true => arrived += 1,
            false => wrong.push(format!("{name}:\n{}", difference(&wanted, &got))),
        }
    }
    eprintln!("{model}: {arrived} requests arrived whole, {refused} refused for content that can't be expressed");
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
}

/// Ollama takes pictures in base64 and nothing else, and answers once: what is more must be refused, not dropped.
fn is_beyond_ollama(body: &Value) -> bool {
    if body["n"].as_u64().is_some_and(|count| count > 1) {
        return true;
    }
    let contents = body["messages"].as_array().into_iter().flatten().filter_map(|m| m["content"].as_array());
    contents.flatten().any(|part| {
        let is_picture = part["type"] == "image_url" && !medium(part).is_some_and(|found| found.starts_with("http"));
        part["type"] != "text" && !is_picture
    })
}

/// Ollama's server has no `tool_choice`: the tools offered are those that may be called.
fn for_ollama(mut wanted: Wanted, body: &Value) -> Wanted {
    let choice = &body["tool_choice"];
    if let Some(name) = choice["function"]["name"].as_str() {
        wanted.tools.retain(|(tool, ..)| tool == name);
    }
    if choice == "none" {
        wanted.tools.clear();
    }
    wanted
}

/// The schema as Google takes it: without words that it refuses (`strict`, `default`, an empty `required`), one value as
/// an `enum`, OpenAPI's `nullable` as a type, and definitions where they are used.
fn for_google(schema: &mut Value) {
    let definitions = schema.as_object_mut().and_then(|members| members.remove("$defs")).unwrap_or_default();
    place(&definitions, schema);
    rewrite(schema);
    schema.sort_all_objects();
}

fn place(definitions: &Value, schema: &mut Value) {
    let path = schema.get("$ref").and_then(Value::as_str);
    if let Some(name) = path.and_then(|path| path.strip_prefix("#/$defs/")) {
        *schema = definitions[name].clone();
    }
    match schema {
        Value::Object(members) => members.values_mut().for_each(|value| place(definitions, value)),
        Value::Array(items) => items.iter_mut().for_each(|item| place(definitions, item)),
        _ => {}
    }
}

fn rewrite(schema: &mut Value) {
    if let Some(items) = schema.as_array_mut() {
        return items.iter_mut().for_each(rewrite);
    }
    let Some(members) = schema.as_object_mut() else { return };
    let is_refused = |name: &str, value: &Value| {
        ["strict", "default"].contains(&name) || (name == "required" && *value == json!([]))
    };
    members.retain(|name, value| !is_refused(name, value));
    if let Some(value) = members.remove("const") {
        members.insert("type".to_owned(), json!("string"));
        members.insert("enum".to_owned(), json!([value]));
    }
    if members.remove("nullable") == Some(json!(true)) {
        members["type"] = json!([members["type"], "null"]);
    }
    for (name, value) in members {
        match (name.as_str(), value) {
            ("properties", Value::Object(inner)) => inner.values_mut().for_each(rewrite),
            ("enum" | "required" | "type", _) => {}
            (_, value) => rewrite(value),
        }
    }
}

/// Google wants a word of the user: where there are instructions alone, they are it.
fn for_gemini(mut wanted: Wanted, _: &Value) -> Wanted {
    if wanted.user.is_empty() && wanted.media.is_empty() && wanted.assistant.is_empty() {
        wanted.user = std::mem::take(&mut wanted.system);
    }
    wanted.tools.iter_mut().for_each(|(.., schema)| for_google(schema));
    for_google(&mut wanted.format);
    wanted
}
