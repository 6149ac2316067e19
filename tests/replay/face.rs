//! Ollama's `/v1` face over an Ollama server: bodies are compared byte for byte, but for ids and times.
//!
//! The gateway asks the server's own routes, so the server answers there what makes its face say what was recorded: the
//! rules by which it does are written down here.

use super::*;

/// Of the face; `/v1/responses` and `/v1/messages` have stories of their own.
fn is_told(name: &str) -> bool {
    let is_of = |names: &[&str]| names.iter().any(|start| name.starts_with(start));
    is_of(&["v1-chat", "v1-completions", "v1-embeddings", "v1-model", "v1-images", "v1-audio", "path-v1"])
        || is_of(&["scripted-v1-chat", "scripted-v1-completions", "scripted-v1-embeddings", "cloud-v1"])
}

#[test]
fn the_face_over_an_ollama() {
    let up = recorded_ollama();
    let gw = gateway().provider("ollama", &up, &[]).start();
    let cases = all_cases().into_iter().filter(|case| is_told(&case.name) && !case.note.contains("OLLAMA_NO_CLOUD"));
    let results = cases.map(|case| {
        if case.path().starts_with("/v1/models") && case.status() == 200 {
            return (case.name.clone(), replay_listed(&case));
        }
        up.now_answers(native(&case));
        (case.name.clone(), exact_difference(&case, &gw.send(&case.asked())))
    });
    judge("ollama", results.collect());
}

/// A list, or a row of it: an Ollama that has just these models.
fn replay_listed(case: &Case) -> Option<String> {
    let body: Value = serde_json::from_str(case.body()).unwrap();
    let rows = body["data"].as_array().cloned().unwrap_or_else(|| vec![body.clone()]);
    let up = upstream();
    let tags: Vec<Value> = rows.iter().filter(|row| row["id"].is_string()).map(tag).collect();
    up.now_tags(reply(json!({"models": tags})));
    let gw = gateway().provider("ollama", &up, &[]).start();
    exact_difference(case, &gw.send(&case.asked()))
}

fn tag(row: &Value) -> Value {
    let id = row["id"].as_str().unwrap().to_lowercase();
    let name = if id.contains(':') { id } else { format!("{id}:latest") };
    let changed = jiff::Timestamp::from_second(row["created"].as_i64().unwrap()).unwrap().to_string();
    json!({"name": name, "model": name, "modified_at": changed, "size": 1, "digest": "a".repeat(64), "details": {}})
}

/// The first difference of status, headers and bytes.
fn exact_difference(case: &Case, got: &Answer) -> Option<String> {
    if got.status != case.status() {
        return Some(format!("status {} instead of {}: {}", got.status, case.status(), clip(&got.text())));
    }
    for name in HEADERS {
        if got.header(name) != case.header(name) {
            return Some(format!("{name}: {:?} instead of {:?}", got.header(name), case.header(name)));
        }
    }
    let (ours, theirs) = (steady(&got.text()), steady(case.body()));
    if ours == theirs {
        return None;
    }
    let at = ours.lines().zip(theirs.lines()).take_while(|(a, b)| a == b).count();
    let line = |body: &str| clip(body.lines().nth(at).unwrap_or("(nothing)"));
    Some(format!("line {}: {} instead of {}", at + 1, line(&ours), line(&theirs)))
}

/// A body with a placeholder for what is new each time: ids that were made up, and when it was.
fn steady(body: &str) -> String {
    let mut body = body.to_owned();
    for (start, is_part) in [
        ("\"id\":\"chatcmpl-", (|c| c.is_ascii_digit()) as fn(char) -> bool),
        ("\"id\":\"cmpl-", |c| c.is_ascii_digit()),
        ("\"created\":", |c| c.is_ascii_digit()),
    ] {
        let pieces: Vec<String> = body.split(start).map(str::to_owned).collect();
        let mut pieces = pieces.into_iter();
        let mut whole = pieces.next().unwrap_or_default();
        for piece in pieces {
            let rest = piece.trim_start_matches(is_part);
            assert!(
                rest.len() < piece.len() || start.contains("created"),
                "no number behind {start}: {}",
                clip(&piece)
            );
            whole += &format!("{start}…{rest}");
        }
        body = whole;
    }
    body
}

/// What the server's own route answers.
fn native(case: &Case) -> Step {
    if case.header("content-type") == Some("text/event-stream") {
        return stream(native_stream(case));
    }
    if case.path() == "/v1/embeddings" {
        return case.step();
    }
    let Ok(body) = serde_json::from_str::<Value>(case.body()) else { return status(case.status(), json!({})) };
    if body["choices"].is_null() {
        let told = if body["error"].is_string() { &body["error"] } else { &body["error"]["message"] };
        return status(case.status(), json!({"error": told}));
    }
    let choice = &body["choices"][0];
    let mut line = match case.path() {
        "/v1/completions" => json!({"model": body["model"], "created_at": NOW, "response": choice["text"]}),
        _ => json!({"model": body["model"], "created_at": NOW, "message": message(&choice["message"])}),
    };
    add_logprobs(&mut line, choice);
    end(&mut line, &choice["finish_reason"], &body["usage"]);
    reply(line)
}

const NOW: &str = "2026-11-22T10:00:00.123456789Z";

/// A message, or what a chunk adds to it, in Ollama's own form.
fn message(said: &Value) -> Value {
    let mut message = json!({"role": "assistant", "content": said["content"].as_str().unwrap_or_default()});
    if said["reasoning"].is_string() {
        message["thinking"] = said["reasoning"].clone();
    }
    let calls: Vec<Value> = said["tool_calls"].as_array().into_iter().flatten().map(call).collect();
    if !calls.is_empty() {
        message["tool_calls"] = json!(calls);
    }
    message
}

fn call(call: &Value) -> Value {
    let arguments: Value = serde_json::from_str(call["function"]["arguments"].as_str().unwrap()).unwrap();
    let function = json!({"index": call["index"], "name": call["function"]["name"], "arguments": arguments});
    json!({"id": call["id"], "function": function})
}

fn add_logprobs(line: &mut Value, choice: &Value) {
    if choice["logprobs"]["content"].is_array() {
        line["logprobs"] = choice["logprobs"]["content"].clone();
    }
}

/// What the last line has. An answer that was never finished has no reason, and is not done.
fn end(line: &mut Value, reason: &Value, usage: &Value) {
    line["done"] = json!(reason.is_string());
    let Some(reason) = reason.as_str() else { return };
    line["done_reason"] = json!(if reason == "tool_calls" { "stop" } else { reason });
    line["total_duration"] = json!(9);
    line["load_duration"] = json!(4);
    for (count, name) in [("prompt_tokens", "prompt_eval_count"), ("completion_tokens", "eval_count")] {
        if usage[count].as_u64().is_some_and(|count| count > 0) {
            line[name] = usage[count].clone();
        }
    }
}

fn native_stream(case: &Case) -> String {
    let chunks: Vec<Value> =
        case.body().lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok()).collect();
    let counts = |chunk: &&Value| chunk["usage"]["total_tokens"].as_u64().is_some_and(|count| count > 0);
    let usage = chunks.iter().find(counts).map_or(Value::Null, |chunk| chunk["usage"].clone());
    let mut lines = Vec::new();
    for chunk in chunks.iter().filter(|chunk| chunk["choices"][0].is_object()) {
        let choice = &chunk["choices"][0];
        if chunk["model"] == "" {
            // All that the face says of a failure.
            lines.push(json!({"error": "the runner died"}));
            continue;
        }
        let mut line = match choice["text"].as_str() {
            Some(text) => json!({"model": chunk["model"], "created_at": NOW, "response": text}),
            None => json!({"model": chunk["model"], "created_at": NOW, "message": message(&choice["delta"])}),
        };
        add_logprobs(&mut line, choice);
        end(&mut line, &choice["finish_reason"], &usage);
        lines.push(line);
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}
