//! The `ollama` command: what each of its commands sends, byte for byte, and what it needs of the answer. Recorded from the
//! command of Ollama 0.33 itself; `real_command` runs that where there is one.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::strict::{self, Shown};
use super::support::{Answer, Asked};
use super::world::World;

const AGENT: &str = "ollama/0.33.0 (amd64 linux) Go/go1.26.8";

/// What it sends has these headers, in this order.
fn request(method: &str, path: &str, accept: &str, body: &str) -> Asked {
    let asked = Asked::new(method, path).header("user-agent", AGENT);
    let asked = if body.is_empty() { asked } else { asked.header("content-length", &body.len().to_string()) };
    asked
        .header("accept", accept)
        .header("content-type", "application/json")
        .header("accept-encoding", "gzip")
        .body(body)
}

/// Every command but `--version` asks first whether anybody is there.
fn heartbeat(world: &World) {
    let asked = Asked::new("HEAD", "/").header("user-agent", AGENT).header("accept", "application/json");
    world.ask(asked.header("content-type", "application/json"));
}

fn json(world: &World, path: &str, body: &str) -> Value {
    world.ask(request(if body.is_empty() { "GET" } else { "POST" }, path, "application/json", body)).json()
}

fn streamed(world: &World, path: &str, body: &str) -> Answer {
    world.ask(request("POST", path, "application/x-ndjson", body))
}

/// The details: by `name` for `show`, by `model` for all else; always both, one of them empty.
fn show(world: &World, model: &str, name: &str) -> Value {
    let body =
        format!(r#"{{"model":"{model}","system":"","template":"","verbose":false,"options":null,"name":"{name}"}}"#);
    json(world, "/api/show", &body)
}

/// A Go string slice `[:12]`, which panics on a shorter one.
fn cuts(row: &Value) {
    assert!(row["digest"].as_str().unwrap().len() >= 12, "{row}");
}

pub fn list(world: &World) {
    heartbeat(world);
    for row in json(world, "/api/tags", "")["models"].as_array().unwrap() {
        assert!(row["name"].is_string() && row["size"].is_i64(), "{row}");
        cuts(row);
        let modified: Timestamp = row["modified_at"].as_str().unwrap().parse().unwrap();
        assert!(modified.as_second() > 0, "shown as Never: {row}");
    }
}

pub fn ps(world: &World) {
    for model in &world.chats {
        load(world, model);
        let body = format!(r#"{{"model":"{model}","prompt":"Hi","options":{{"num_predict":4}}}}"#);
        streamed(world, "/api/generate", &body);
    }
    if world.is_scripted() {
        // By another of its names it is the same model.
        streamed(world, "/api/generate", r#"{"model":"gpt-4.1","prompt":"Hi"}"#);
    }
    heartbeat(world);
    let body = json(world, "/api/ps", "");
    let rows = body["models"].as_array().unwrap();
    for row in rows {
        cuts(row);
        assert!(row["size"].is_i64() && row["size_vram"].is_i64() && row["context_length"].is_i64(), "{row}");
        let expires: Timestamp = row["expires_at"].as_str().unwrap().parse().unwrap();
        assert!(expires > Timestamp::now(), "shown as Stopping...: {row}");
    }
    let names: BTreeSet<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), rows.len(), "a model stands twice: {body}");
    if world.is_scripted() {
        let clouds: Vec<&String> = world.chats.iter().filter(|model| !model.starts_with("llama")).collect();
        assert!(clouds.iter().all(|model| rows.iter().any(|row| row["name"] == **model)), "{clouds:?}: {body}");
    }
}

pub fn show_prints_details(world: &World) {
    heartbeat(world);
    for model in world.chats.iter().chain(&world.embedders) {
        let details = show(world, "", model);
        let architecture = details["model_info"]["general.architecture"].as_str().unwrap();
        // It converts these to floats without asking what they are.
        for length in ["context_length", "embedding_length", "parameter_count"] {
            let key = if length == "parameter_count" { "general" } else { architecture };
            let value = &details["model_info"][format!("{key}.{length}")];
            assert!(value.is_null() || value.is_f64() || value.is_u64(), "{model}: {value}");
        }
        let shown: Shown = serde_json::from_value(details).unwrap();
        assert!(!shown.capabilities.is_empty(), "{model}");
        assert!(shown.parameters.lines().all(|line| line.contains(' ')), "{}", shown.parameters);
    }
}

/// Asks twice for the details, loads the model unless it is elsewhere, and then takes turns.
pub fn run_in_a_terminal(world: &World) {
    for model in &world.chats {
        let shown = load(world, model);
        let can_think = shown["capabilities"].as_array().unwrap().contains(&json!("thinking"));
        let think = if can_think { r#","think":true"# } else { "" };
        let mut messages = r#"{"role":"user","content":"Say hello."}"#.to_owned();
        for _ in 0..2 {
            let body =
                format!(r#"{{"model":"{model}","messages":[{messages}],"options":{{"num_predict":16}}{think}}}"#);
            let said = strict::chat(&streamed(world, "/api/chat", &body), model);
            world.assert_greets(model, &said.text);
            let answer = json!({"role": "assistant", "content": said.text});
            messages += &format!(r#",{answer},{{"role":"user","content":"And again."}}"#);
        }
    }
}

/// What precedes the first turn; the details. A model that is elsewhere is not loaded.
fn load(world: &World, model: &str) -> Value {
    heartbeat(world);
    show(world, model, "");
    let shown = show(world, model, "");
    let host = shown["remote_host"].as_str().unwrap_or_default();
    assert!(!host.starts_with("https://ollama.com"), "it would ask for an account at ollama.com: {shown}");
    if !host.is_empty() {
        return shown;
    }
    let body = format!(r#"{{"model":"{model}","prompt":"","suffix":"","system":"","template":"","options":null}}"#);
    let line = streamed(world, "/api/generate", &body).json();
    assert_eq!((&line["done"], &line["done_reason"]), (&json!(true), &json!("load")), "{model}: {line}");
    shown
}

pub fn run_with_a_prompt(world: &World) {
    for model in &world.chats {
        heartbeat(world);
        show(world, model, "");
        let body = format!(
            r#"{{"model":"{model}","prompt":"Say hello.","suffix":"","system":"","template":"","options":{{"num_predict":16}}}}"#
        );
        world.assert_greets(model, &strict::generate(&streamed(world, "/api/generate", &body), model));
    }
    for model in &world.embedders {
        heartbeat(world);
        let capabilities = show(world, model, "")["capabilities"].clone();
        assert!(
            capabilities.as_array().unwrap().contains(&json!("embedding")),
            "{model} would be chatted with: {capabilities}"
        );
        let vectors = json(world, "/api/embed", &format!(r#"{{"model":"{model}","input":"Hello"}}"#));
        assert!(vectors["embeddings"][0][0].is_number(), "{model}: {vectors}");
    }
}

pub fn stop(world: &World) {
    for model in &world.chats {
        let is_elsewhere = load(world, model)["remote_host"].is_string();
        heartbeat(world);
        show(world, model, "");
        if !is_elsewhere {
            assert_eq!(unload(world, model)["done_reason"], "unload", "{model}");
        }
    }
    let unknown = request("POST", "/api/show", "application/json", r#"{"model":"nobody-knows-me","name":""}"#);
    let answer = world.gateway.send(&unknown);
    assert_eq!(answer.status, 404);
    // By these words it tells its user that there is no such model to stop.
    assert!(answer.json()["error"].as_str().unwrap().contains("not found"), "{}", answer.text());
}

fn unload(world: &World, model: &str) -> Value {
    let body = format!(
        r#"{{"model":"{model}","prompt":"","suffix":"","system":"","template":"","keep_alive":"0s","options":null}}"#
    );
    streamed(world, "/api/generate", &body).json()
}

pub fn pull(world: &World) {
    if !world.is_scripted() {
        return; // A real Ollama asks its registry, on the internet.
    }
    for model in &world.chats {
        heartbeat(world);
        let answer =
            streamed(world, "/api/pull", &format!(r#"{{"model":"","username":"","password":"","name":"{model}"}}"#));
        let lines = answer.lines();
        assert!(lines.iter().all(|line| line["status"].is_string()), "{model}: {}", answer.text());
        assert_eq!(lines.last().unwrap()["status"], "success", "{model}: {}", answer.text());
    }
    if world.is_scripted() {
        let answer =
            streamed(world, "/api/pull", r#"{"model":"","username":"","password":"","name":"nobody-knows-me"}"#);
        // By these words it offers the model of the same name at ollama.com, where there is one.
        let last = answer.lines().pop().unwrap();
        assert_eq!(last["error"], "pull model manifest: file does not exist", "{}", answer.text());
    }
}

pub fn cp_and_rm(world: &World) {
    if !world.is_scripted() {
        return; // What is real is not for tests to copy and delete.
    }
    heartbeat(world);
    world.ask(request("POST", "/api/copy", "application/json", r#"{"source":"llama3.2:latest","destination":"mine"}"#));
    heartbeat(world);
    show(world, "llama3.2:latest", "");
    unload(world, "llama3.2:latest");
    let asked = request("DELETE", "/api/delete", "application/json", r#"{"model":"","name":"llama3.2:latest"}"#);
    assert!(world.ask(asked).body.is_empty());
    let (_, ollama) = world.upstreams.iter().find(|(prefix, _)| *prefix == "ollama").unwrap();
    let paths: Vec<String> = ollama.seen().into_iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect();
    assert_eq!(paths, ["POST /api/copy", "POST /api/generate", "DELETE /api/delete"]);
    // A model of a cloud can't be deleted from here: its user is told, not fooled.
    let asked = request("DELETE", "/api/delete", "application/json", r#"{"model":"","name":"openai:gpt-4.1"}"#);
    let answer = world.gateway.send(&asked);
    assert!((400..500).contains(&answer.status), "{}", answer.everything());
    assert!(answer.json()["error"].as_str().unwrap().contains("gpt-4.1"), "{}", answer.text());
}

/// The one command without a heartbeat.
pub fn version(world: &World) {
    let told = json(world, "/api/version", "")["version"].as_str().unwrap().to_owned();
    assert_eq!(told.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3, "{told}");
}
