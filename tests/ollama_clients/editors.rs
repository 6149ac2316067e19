//! Editors, and what is built into them.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::providers::{CITY, THOUGHT};
use super::strict::{self, Shown};
use super::support::{Answer, Asked};
use super::world::{World, get, post, weather};

/// As the clients read a version: three integers, compared one by one.
pub fn version(answer: &Answer) -> Vec<u64> {
    let text = answer.json()["version"].as_str().unwrap().to_owned();
    let parts: Vec<u64> = text.split('.').map(|part| part.parse().unwrap()).collect();
    assert_eq!(parts.len(), 3, "{text}");
    parts
}

/// microsoft/vscode-copilot-chat, ollamaProvider.ts: version, list, details of each, then OpenAI's chat.
pub fn vs_code_copilot(world: &World) {
    let agent = "GitHubCopilotChat/0.33.1";
    assert!(version(&world.ask(get("/api/version", agent))) >= vec![0, 6, 4]);
    let list = world.ask(get("/api/tags", agent)).json();
    let mut shown_names = BTreeSet::new();
    for row in list["models"].as_array().unwrap() {
        let id = row["model"].as_str().unwrap();
        let shown: Shown = strict::parse(&world.ask(post("/api/show", agent, &json!({"model": id}))));
        let window = shown.context_length().unwrap_or(32_768);
        assert!(window > 1024, "{id}: {window}");
        let name = shown.model_info.get("general.basename").and_then(Value::as_str);
        shown_names.insert(name.unwrap_or_else(|| panic!("{id} has no name to show")).to_owned());
    }
    assert_eq!(shown_names.len(), list["models"].as_array().unwrap().len(), "two models show as one: {shown_names:?}");
    for model in &world.chats {
        let can = world.show(model)["capabilities"].clone();
        if world.is_scripted() {
            assert!(can.as_array().unwrap().contains(&json!("tools")), "{model} can't be an agent: {can}");
        }
        let events = copilot_chat(world, model, &json!([]));
        let text: String = events.iter().filter_map(|e| e["choices"][0]["delta"]["content"].as_str()).collect();
        world.assert_greets(model, &text);
        if world.is_scripted() {
            let events = copilot_chat(world, model, &weather());
            let deltas =
                events.iter().filter_map(|e| e["choices"][0]["delta"]["tool_calls"][0]["function"].as_object());
            let pieces: Vec<_> = deltas.collect();
            assert_eq!(pieces[0]["name"], "get_weather", "{model}");
            let arguments: String = pieces.iter().filter_map(|piece| piece.get("arguments")?.as_str()).collect();
            assert_eq!(serde_json::from_str::<Value>(&arguments).unwrap(), json!({"city": CITY}), "{model}");
        }
    }
}

fn copilot_chat(world: &World, model: &str, tools: &Value) -> Vec<Value> {
    let mut body = json!({"model": model, "messages": [{"role": "system", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Say hello."}]}],
        "temperature": 0.1, "top_p": 1, "max_tokens": 16, "stream": true, "n": 1, "stream_options": {"include_usage": true}});
    if tools != &json!([]) {
        body["tools"] = tools.clone();
        body["tool_choice"] = json!("auto");
    }
    let asked = post("/v1/chat/completions", "GitHubCopilotChat/0.33.1", &body);
    let answer = world.ask(asked.header("authorization", "Bearer ").header("openai-intent", "conversation-agent"));
    assert!(answer.header("content-type").unwrap().starts_with("text/event-stream"), "{}", answer.everything());
    assert!(answer.is_done(), "{model}: {}", answer.text());
    answer.events()
}

/// zed-industries/zed, crates/ollama: the list, then details five at a time, of which one failure empties the whole list.
pub fn zed(world: &World) {
    let agent = "Zed/0.212.0 (linux; x86_64)";
    let rows = strict::tags(&world.ask(get("/api/tags", agent).header("accept", "application/json")));
    // It takes these for embedding models, by name.
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).filter(|name| !name.contains("-embed")).collect();
    for five in names.chunks(5) {
        std::thread::scope(|scope| {
            for name in five {
                scope.spawn(move || {
                    let shown: Shown = strict::parse(&world.ask(post("/api/show", agent, &json!({"model": name}))));
                    assert!(!shown.capabilities.is_empty(), "{name}");
                });
            }
        });
    }
    for model in &world.chats {
        let question = json!([{"role": "user", "content": "Say hello."}]);
        let said = strict::chat(&world.ask(zed_chat(model, &question, &json!([]), &json!(false))), model);
        world.assert_greets(model, &said.text);
        if !world.is_scripted() {
            continue;
        }
        let asked = zed_chat(model, &json!([{"role": "user", "content": "Weather?"}]), &weather(), &Value::Null);
        let said = strict::chat(&world.ask(asked), model);
        assert_eq!(said.calls[0].0, "get_weather", "{model}");
        assert_eq!(said.calls[0].1["city"], CITY, "{model}");
        // It sends the name alone with a result, and no id.
        let history = json!([{"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "get_weather", "arguments": {"city": CITY}}}], "thinking": null},
            {"role": "tool", "tool_name": "get_weather", "content": "20 degrees"}]);
        let said = strict::chat(&world.ask(zed_chat(model, &history, &weather(), &Value::Null)), model);
        assert_eq!(said.text, "The tool said: 20 degrees.", "{model}");
    }
}

fn zed_chat(model: &str, messages: &Value, tools: &Value, think: &Value) -> Asked {
    let body = json!({"model": model, "messages": messages, "stream": true, "keep_alive": -1,
        "options": {"num_ctx": 16384, "num_predict": 16, "stop": [], "temperature": 1.0, "top_p": null},
        "tools": tools, "think": think});
    post("/api/chat", "Zed/0.212.0 (linux; x86_64)", &body)
}

/// continuedev/continue, core/llm/llms/Ollama.ts: details by `name`, read as text; the list; chat, completion, vectors.
pub fn continue_dev(world: &World) {
    let agent = "node-fetch";
    for model in world.chats.iter().chain(&world.embedders) {
        let shown: Shown = strict::parse(&world.ask(post("/api/show", agent, &json!({"name": model}))));
        let parameters: Vec<(&str, &str)> = shown.parameters.lines().map(parameter).collect();
        for (_, value) in parameters.iter().filter(|(key, _)| *key == "num_ctx") {
            assert!(value.parse::<u64>().unwrap() > 0, "{model}");
        }
        for (_, value) in parameters.iter().filter(|(key, _)| *key == "stop") {
            serde_json::from_str::<String>(value).unwrap();
        }
        let may_fill = shown.template.contains(".Suffix");
        assert_eq!(may_fill, shown.capabilities.iter().any(|name| name == "insert"), "{model}");
    }
    let polled = world.ask(get("/api/tags", agent)).json();
    assert!(polled["models"].as_array().unwrap().iter().all(|row| row["name"].is_string()));
    let options =
        json!({"temperature": 0.01, "num_predict": 16, "stop": ["/src/"], "num_ctx": 8096, "num_thread": null});
    for model in &world.chats {
        let body = json!({"model": model, "messages": [{"role": "user", "content": "Say hello."}],
            "options": options, "keep_alive": 1800, "stream": true});
        world.assert_greets(model, &strict::chat(&world.ask(post("/api/chat", agent, &body)), model).text);
        let body = json!({"model": model, "prompt": "Say hello.", "raw": false, "options": options, "keep_alive": 1800, "stream": true});
        world.assert_greets(model, &strict::generate(&world.ask(post("/api/generate", agent, &body)), model));
        if world.is_scripted() {
            // With tools it waits for the whole answer.
            let body = json!({"model": model, "messages": [{"role": "user", "content": "Weather?"}], "tools": weather(),
                "options": options, "keep_alive": 1800, "stream": false});
            let said = strict::chat_whole(&world.ask(post("/api/chat", agent, &body)), model);
            assert_eq!((said.calls[0].0.as_str(), said.reason.as_str()), ("get_weather", "stop"), "{model}");
        }
    }
    for model in &world.embedders {
        let body = json!({"model": model, "input": ["one", "two"]});
        let vectors = world.ask(post("/api/embed", agent, &body)).json()["embeddings"].clone();
        assert_eq!(vectors.as_array().unwrap().len(), 2, "{model}");
    }
}

/// A line of `parameters`: a key, blanks, a value that is one word or quoted. On anything else Continue fails.
fn parameter(line: &str) -> (&str, &str) {
    let (key, value) = line.split_once(char::is_whitespace).unwrap_or_else(|| panic!("{line:?}"));
    let value = value.trim_start();
    let is_quoted = value.len() > 1 && value.starts_with('"') && value.ends_with('"');
    assert!(is_quoted || (!value.is_empty() && !value.contains(char::is_whitespace)), "{line:?}");
    (key, value)
}

/// cline/cline, getOllamaModels.ts: the list by name; chat without `think`, which leaves it to the model.
pub fn cline(world: &World) {
    let agent = "axios/1.8.2";
    let names = world.listed("name");
    for model in &world.chats {
        assert!(names.contains(model), "{model} is not listed: {names:?}");
        let messages = json!([{"role": "system", "content": "You are Cline."}, {"role": "user", "content": "Ponder, then say hello."}]);
        let body = json!({"model": model, "messages": messages, "stream": true, "options": {"num_ctx": 32768, "num_predict": 16}});
        let said = strict::chat(&world.ask(post("/api/chat", agent, &body)), model);
        world.assert_greets(model, &said.text);
        if world.is_scripted() {
            assert_eq!(said.thinking, THOUGHT, "{model}");
        }
    }
}

/// RooCodeInc/Roo-Code, fetchers/ollama.ts: list and details through a schema; a model without `tools` stays hidden.
pub fn roo_code(world: &World) {
    let agent = "axios/1.12.0";
    let rows = strict::tags(&world.ask(get("/api/tags", agent)));
    let mut offered = BTreeSet::new();
    for row in &rows {
        let shown: Shown = strict::parse(&world.ask(post("/api/show", agent, &json!({"model": row.model}))));
        // Shown to the user as "Family: …, Size: …".
        let _ = (&shown.details.family, &shown.details.parameter_size);
        let window = shown.model_info.iter().find(|(key, _)| key.contains("context_length"));
        assert!(window.is_none_or(|(_, value)| value.is_u64()), "{}: {window:?}", row.name);
        if shown.capabilities.iter().any(|name| name == "tools") {
            offered.insert(row.name.clone());
        }
    }
    if !world.is_scripted() {
        return;
    }
    for model in &world.chats {
        assert!(offered.contains(model), "{model} is hidden; offered: {offered:?}");
        let body = json!({"model": model, "messages": [{"role": "system", "content": "You are Roo."},
            {"role": "user", "content": "Weather?"}], "stream": true, "options": {"temperature": 0}, "tools": weather()});
        let said = strict::chat(&world.ask(post("/api/chat", agent, &body)), model);
        assert_eq!(said.calls[0].0, "get_weather", "{model}");
    }
    assert!(
        world.embedders.iter().all(|model| !offered.contains(model)),
        "an embedding model as an agent: {offered:?}"
    );
}

/// JetBrains AI Assistant, as its users' servers saw it: the banner, the list, details, chat.
pub fn jetbrains(world: &World) {
    let agent = "ktor-client";
    let banner = world.ask(get("/", agent));
    assert_eq!(banner.text(), "Ollama is running");
    assert_eq!(banner.header("content-type"), Some("text/plain; charset=utf-8"));
    let rows = strict::tags(&world.ask(get("/api/tags", agent).header("accept-charset", "UTF-8")));
    for row in &rows {
        let _: Shown =
            strict::parse(&world.ask(post("/api/show", agent, &json!({"model": row.name, "verbose": false}))));
    }
    for model in &world.chats {
        let body = json!({"model": model, "messages": [{"role": "system", "content": "Help."},
            {"role": "user", "content": "Say hello."}], "stream": true, "options": {"num_predict": 16}});
        world.assert_greets(model, &strict::chat(&world.ask(post("/api/chat", agent, &body)), model).text);
    }
}

/// The same in its LM Studio mode: another list, and OpenAI's chat below the same prefix.
pub fn jetbrains_as_lm_studio(world: &World) {
    let list = world.ask(get("/api/v0/models", "ktor-client")).json();
    assert_eq!(list["object"], "list");
    let rows = list["data"].as_array().unwrap();
    for row in rows {
        assert!(row["id"].is_string() && row["object"] == "model", "{row}");
        assert!(["llm", "vlm", "embeddings"].contains(&row["type"].as_str().unwrap()), "{row}");
        assert!(["loaded", "not-loaded"].contains(&row["state"].as_str().unwrap()), "{row}");
    }
    for model in &world.chats {
        assert!(rows.iter().any(|row| row["id"] == *model && row["type"] != "embeddings"), "{model} is not listed");
        let body = json!({"model": model, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 16, "stream": true});
        let answer = world.ask(post("/api/v0/chat/completions", "ktor-client", &body));
        let text: String = answer
            .events()
            .iter()
            .filter_map(|e| e["choices"][0]["delta"]["content"].as_str().map(str::to_owned))
            .collect();
        world.assert_greets(model, &text);
    }
}
