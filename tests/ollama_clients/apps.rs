//! Chat pages, homes, notebooks and workflows.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::editors::version;
use super::providers::CITY;
use super::strict::{self, Shown};
use super::support::{Asked, gateway};
use super::world::{World, get, post, weather};

const AIOHTTP: &str = "Python/3.12 aiohttp/3.12.15";

/// open-webui, routers/ollama.py: version, list, what runs, details; a chat by the listed id, and one with `:latest` put behind.
pub fn open_webui(world: &World) {
    assert!(version(&world.ask(get("/api/version", AIOHTTP))) >= vec![0, 1, 30]);
    let rows = strict::tags(&world.ask(webui(get("/api/tags", AIOHTTP))));
    for row in &rows {
        let _: Shown = strict::parse(&world.ask(webui(post("/api/show", AIOHTTP, &json!({"model": row.model})))));
    }
    for model in &world.chats {
        let messages = json!([{"role": "user", "content": "Say hello."}]);
        let body = json!({"model": model, "messages": messages, "stream": true, "options": {"num_predict": 16}});
        world.assert_greets(model, &strict::chat(&world.ask(webui(post("/api/chat", AIOHTTP, &body))), model).text);
        let running = world.ask(get("/api/ps", AIOHTTP)).json();
        for row in running["models"].as_array().unwrap() {
            assert!(row["name"].is_string(), "{row}");
            let expires: Timestamp = row["expires_at"].as_str().unwrap().parse().unwrap();
            assert!(expires > Timestamp::now(), "{row}");
        }
        let body = json!({"model": model, "keep_alive": 0, "prompt": ""});
        let unloaded = world.ask(webui(post("/api/generate", AIOHTTP, &body))).json();
        assert_eq!((&unloaded["done"], &unloaded["done_reason"]), (&json!(true), &json!("unload")), "{model}");
        let running = world.ask(get("/api/ps", AIOHTTP)).json();
        let is_shown = running["models"].as_array().unwrap().iter().any(|row| row["name"] == *model);
        assert!(!is_shown || !world.is_scripted(), "{model} still runs");
    }
    for model in &world.embedders {
        let body = json!({"model": model, "input": ["one", "two"], "truncate": true});
        let vectors = world.ask(webui(post("/api/embed", AIOHTTP, &body))).json()["embeddings"].clone();
        assert_eq!(vectors.as_array().map(Vec::len), Some(2), "{model}");
    }
    if world.is_scripted() {
        // Without a colon it becomes `:latest`, and is then looked for in the list.
        let body = json!({"model": "gpt-4.1:latest", "messages": [{"role": "user", "content": "Say hello."}]});
        let said = strict::chat(&world.ask(webui(post("/api/chat", AIOHTTP, &body))), "gpt-4.1:latest");
        world.assert_greets("gpt-4.1:latest", &said.text);
    }
}

/// Whom the page serves; nothing of it is any provider's business.
fn webui(asked: Asked) -> Asked {
    asked
        .header("x-openwebui-user-name", "Ada")
        .header("x-openwebui-user-id", "u-1")
        .header("x-openwebui-user-email", "ada@example.com")
        .header("x-openwebui-user-role", "admin")
        .header("authorization", "Bearer ")
}

const OLLAMA_PYTHON: &str = "ollama-python/0.5.1 (x86_64 linux) Python/3.13.5";

/// home-assistant/core, components/ollama: the list within 5 s; a model that isn't in it by its exact name is pulled; then chats
/// with tools, of whose results it tells neither id nor name.
pub fn home_assistant(world: &World) {
    let rows = strict::tags(&world.ask(get("/api/tags", OLLAMA_PYTHON).header("accept", "application/json")));
    for model in &world.chats {
        assert!(rows.iter().any(|row| row.model == *model), "{model} would be downloaded");
        if world.is_scripted() {
            let pulled = world.ask(post("/api/pull", OLLAMA_PYTHON, &json!({"model": model, "stream": false})));
            assert_eq!(pulled.json()["status"], "success", "{model}: {}", pulled.everything());
        }
        let question =
            json!([{"role": "system", "content": "You are a home."}, {"role": "user", "content": "Say hello."}]);
        let asked = home_chat(model, &question, &json!([]), &json!(-1));
        world.assert_greets(model, &strict::chat(&world.ask(asked), model).text);
        if !world.is_scripted() {
            continue;
        }
        let said = strict::chat(&world.ask(home_chat(model, &question, &weather(), &json!("60s"))), model);
        assert_eq!((said.calls[0].0.as_str(), &said.calls[0].1["city"]), ("get_weather", &json!(CITY)), "{model}");
        let call = json!({"function": {"name": "get_weather", "arguments": {"city": CITY}}});
        let mut history = question.as_array().unwrap().clone();
        history.push(json!({"role": "assistant", "tool_calls": [call]}));
        history.push(json!({"role": "tool", "content": r#"{"data":"20 degrees","error":null}"#}));
        let said = strict::chat(&world.ask(home_chat(model, &json!(history), &weather(), &json!("60s"))), model);
        assert_eq!(said.text, "The tool said: 20 degrees.", "{model}");
    }
    if world.is_scripted() {
        refuses_a_wrong_key_as_home_assistant_expects();
    }
}

fn home_chat(model: &str, messages: &Value, tools: &Value, keep_alive: &Value) -> Asked {
    let mut body = json!({"model": model, "messages": messages, "stream": true, "keep_alive": keep_alive,
        "options": {"num_ctx": 8192}, "think": false});
    if tools != &json!([]) {
        body["tools"] = tools.clone();
    }
    post("/api/chat", OLLAMA_PYTHON, &body)
}

/// "Invalid auth" in its dialog comes of 401 or 403; `ollama` for Python takes the text out of `error`.
fn refuses_a_wrong_key_as_home_assistant_expects() {
    let locked = gateway().env("POLYLLAMA_API_KEYS", "the-right-one").start();
    for (asked, status) in [
        (get("/api/tags", OLLAMA_PYTHON), 401),
        (get("/api/tags", OLLAMA_PYTHON).header("authorization", "Bearer wrong"), 401),
        (get("/api/tags", OLLAMA_PYTHON).header("authorization", "Bearer the-right-one"), 200),
    ] {
        let answer = locked.send(&asked);
        assert_eq!(answer.status, status, "{}", answer.everything());
        assert_eq!(answer.json()["error"].is_string(), status == 401, "{}", answer.everything());
    }
}

/// n8n: the credential is tested by the banner; then the list, and LangChain's requests for chats, texts and vectors.
pub fn n8n(world: &World) {
    let agent = "axios/1.12.0";
    let banner = world
        .ask(get("/", agent).header("authorization", "Bearer ").header("accept", "application/json, text/plain, */*"));
    assert_eq!(banner.text(), "Ollama is running");
    let names = world.listed("name");
    let agent = "ollama-js/0.5.18 (x64 linux Node.js/v22.19.0)";
    for model in &world.chats {
        assert!(names.contains(model), "{model} is not listed");
        let options = json!({"temperature": 0.7, "num_predict": 16, "stop": null, "num_gpu": null, "use_mmap": true, "num_thread": 1});
        let body = json!({"model": model, "messages": [{"role": "user", "content": "Say hello."}], "stream": true,
            "options": options, "format": "", "keep_alive": "5m", "tools": []});
        world.assert_greets(model, &strict::chat(&world.ask(post("/api/chat", agent, &body)), model).text);
        let body =
            json!({"model": model, "prompt": "Say hello.", "stream": true, "options": options, "keep_alive": "5m"});
        world.assert_greets(model, &strict::generate(&world.ask(post("/api/generate", agent, &body)), model));
    }
    for model in &world.embedders {
        let body = json!({"model": model, "input": ["one"], "keep_alive": "5m", "truncate": false, "options": {}});
        let body = world.ask(post("/api/embed", agent, &body)).json();
        assert!(body["embeddings"][0][0].is_number(), "{model}: {body}");
    }
}

/// logancyang/obsidian-copilot: LangChain's ChatOllama from inside the app, with a key that means nothing.
pub fn obsidian_copilot(world: &World) {
    let agent = "Mozilla/5.0 (X11; Linux x86_64) obsidian/1.9.12 Chrome/138.0 Electron/37.3 Safari/537.36";
    let preflight = Asked::new("OPTIONS", "/api/chat").header("origin", "app://obsidian.md");
    let preflight = preflight.header("access-control-request-method", "POST");
    let preflight = preflight.header("access-control-request-headers", "authorization,content-type");
    let answer = world.gateway.send(&preflight);
    assert_eq!(answer.status, 204, "{}", answer.everything());
    let allowed = answer.header("access-control-allow-headers").unwrap().to_lowercase();
    assert!(
        ["authorization", "content-type"].iter().all(|name| allowed.split(',').any(|a| a.trim() == *name)),
        "{allowed}"
    );
    for model in &world.chats {
        let body = json!({"model": model, "messages": [{"role": "system", "content": "You are a notebook."},
            {"role": "user", "content": "Say hello."}], "stream": true, "options": {"temperature": 0.1, "num_predict": 16}});
        let asked = post("/api/chat", agent, &body).header("origin", "app://obsidian.md");
        let answer = world.ask(asked.header("authorization", "Bearer default-key"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("app://obsidian.md"));
        world.assert_greets(model, &strict::chat(&answer, model).text);
    }
    for (_, up) in &world.upstreams {
        up.assert_only_keys(&["secret-key"]);
    }
}

/// pfrankov/obsidian-ai-providers: list, details for the window under whichever architecture, chat with a fitting `num_ctx`.
pub fn obsidian_ai_providers(world: &World) {
    let agent = "ollama-js/0.6.0 (x64 linux Browser/obsidian)";
    let names = world.listed("model");
    for model in &world.chats {
        assert!(names.contains(model), "{model} is not listed");
        let shown: Shown = strict::parse(&world.ask(post("/api/show", agent, &json!({"model": model}))));
        let window = shown.model_info.iter().find(|(key, _)| key.ends_with(".context_length"));
        let window = window.map_or(2048, |(_, value)| value.as_u64().unwrap());
        let body = json!({"model": model, "messages": [{"role": "user", "content": "Say hello."}], "stream": true,
            "options": {"num_ctx": window.min(4096), "num_predict": 16}});
        let said = strict::chat(&world.ask(post("/api/chat", agent, &body)), model);
        world.assert_greets(model, &said.text);
        assert!(["stop", "length"].contains(&said.reason.as_str()), "{model}: {}", said.reason);
    }
    for model in &world.embedders {
        let body = json!({"model": model, "input": ["one", "two"], "options": {"num_ctx": 2048}});
        let body = world.ask(post("/api/embed", agent, &body)).json();
        assert_eq!(body["embeddings"].as_array().map(Vec::len), Some(2), "{model}: {body}");
    }
}

/// `ollama launch claude`: the command asks for the model, then starts the tool with our address and the token `ollama`.
pub fn claude_code_by_ollama_launch(world: &World) {
    let agent = "ollama/0.33.0 (amd64 linux) Go/go1.26.0";
    world.ask(Asked::new("HEAD", "/").header("user-agent", agent));
    for model in &world.chats {
        let _: Shown = strict::parse(&world.ask(post("/api/show", agent, &json!({"model": model}))));
        let body = json!({"model": model, "max_tokens": 16, "stream": true,
            "system": [{"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Say hello."}]}],
            "metadata": {"user_id": "user_1"}, "tools": []});
        let asked = post("/v1/messages?beta=true", "claude-cli/2.1.0 (external, cli)", &body);
        let asked = asked.header("authorization", "Bearer ollama").header("anthropic-version", "2023-06-01");
        let answer = world.ask(asked.header("anthropic-beta", "claude-code-20250219,interleaved-thinking-2025-05-14"));
        let events = answer.events();
        assert_eq!(events[0]["type"], "message_start", "{model}");
        assert!(events[0]["message"]["usage"]["input_tokens"].is_u64(), "{model}");
        assert_eq!(events.last().unwrap()["type"], "message_stop", "{model}");
        let text: String = events.iter().filter_map(|event| event["delta"]["text"].as_str()).collect();
        world.assert_greets(model, &text);
    }
}
