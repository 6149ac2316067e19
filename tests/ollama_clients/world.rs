//! The gateway with models behind it, as the clients find it.

use std::sync::Once;

use serde_json::{Value, json};

use super::providers::{self, GREETING};
use super::skipped;
use super::support::{Answer, Asked, Gateway, PATIENCE, Upstream, gateway, upstream, wait_for};

/// Prefix, and the models that the provider lists: one to chat with, and one for vectors where it has any.
const PROVIDERS: [(&str, &[&str]); 8] = [
    ("openai", &["gpt-4.1", "text-embedding-3-small"]),
    ("google", &["gemini-2.5-pro", "gemini-embedding-001"]),
    ("openrouter", &["anthropic/claude-sonnet-4.5", "openai/text-embedding-3-small"]),
    ("akash", &["deepseek-ai/DeepSeek-V3.1"]),
    ("cohere", &["command-a-03-2025", "embed-v4.0"]),
    ("codestral", &["codestral-latest"]),
    ("qwen", &["qwen-plus", "text-embedding-v4"]),
    ("ollama", &["llama3.2:latest", "nomic-embed-text:latest"]),
];

/// A gateway, and what stands behind it.
pub struct World {
    pub gateway: Gateway,
    /// By prefix; empty where the model is real.
    pub upstreams: Vec<(&'static str, Upstream)>,
    /// As the list shows them: a model to chat with from each provider.
    pub chats: Vec<String>,
    /// As the list shows them: models that make vectors.
    pub embedders: Vec<String>,
}

impl World {
    /// All eight providers, played.
    pub fn scripted() -> World {
        let played = |(prefix, models): (&'static str, &'static [&'static str])| {
            (prefix, upstream().models(models).answers(providers::answer).looked_at(providers::look))
        };
        let upstreams: Vec<(&str, Upstream)> = PROVIDERS.into_iter().map(played).collect();
        let with = |setup: super::support::Setup, (prefix, up): &(&'static str, Upstream)| {
            let keys: &[&str] = if *prefix == "ollama" { &[] } else { &["secret-key"] };
            setup.provider(prefix, up, keys)
        };
        let gateway = upstreams.iter().fold(gateway(), with).start();
        let name = |prefix: &str, model: &str| {
            if prefix == "ollama" { model.to_owned() } else { format!("{prefix}:{model}") }
        };
        let chats = PROVIDERS.map(|(prefix, models)| name(prefix, models[0])).into();
        let embedders = PROVIDERS.iter().filter_map(|(prefix, models)| Some(name(prefix, models.get(1)?))).collect();
        World { gateway, upstreams, chats, embedders }
    }

    /// A gateway before each real model that the environment names; says so where there is none.
    pub fn real() -> Vec<World> {
        let named = [("REAL_MODEL_LLAMACPP", "LLAMACPP_BASE_URL"), ("REAL_MODEL_OLLAMA", "OLLAMA_BASE_URL")];
        let set = named.iter().filter_map(|(from, to)| Some((*to, std::env::var(from).ok()?)));
        let worlds: Vec<World> = set.map(|(variable, base)| World::before(variable, &base)).collect();
        if worlds.is_empty() {
            static ONCE: Once = Once::new();
            skipped(&ONCE, "neither REAL_MODEL_LLAMACPP nor REAL_MODEL_OLLAMA names a server with a model");
        }
        worlds
    }

    fn before(variable: &str, base: &str) -> World {
        let gateway = gateway().env(variable, base).start();
        let mut world = World { gateway, upstreams: Vec::new(), chats: Vec::new(), embedders: Vec::new() };
        world.chats = wait_for("a listed model", || Some(world.listed("name")).filter(|names| !names.is_empty()));
        // A model without capabilities of its own is asked what it is: a real Ollama tells in the details.
        let embeds = |name: &String| {
            world.show(name)["capabilities"].as_array().is_some_and(|c| c.contains(&json!("embedding")))
        };
        (world.embedders, world.chats) = world.chats.clone().into_iter().partition(embeds);
        world
    }

    /// Are the providers played, so that it is known what they say?
    pub fn is_scripted(&self) -> bool {
        !self.upstreams.is_empty()
    }

    /// Fails unless the text is the greeting, or any text of a real model.
    pub fn assert_greets(&self, model: &str, text: &str) {
        if self.is_scripted() {
            assert_eq!(text, GREETING, "{model}");
        } else {
            assert!(!text.trim().is_empty(), "{model} said nothing");
        }
    }

    /// This member of each row of the list.
    pub fn listed(&self, member: &str) -> Vec<String> {
        let rows = self.gateway.get("/api/tags").json()["models"].as_array().cloned().unwrap_or_default();
        rows.iter().map(|row| row[member].as_str().unwrap().to_owned()).collect()
    }

    /// `POST /api/show` by `model`.
    pub fn show(&self, model: &str) -> Value {
        let answer = self.gateway.post("/api/show", &json!({"model": model}));
        assert_eq!(answer.status, 200, "{model}: {}", answer.everything());
        answer.json()
    }

    /// Sends what a client sends, with its headers; a 200 is wanted.
    pub fn ask(&self, asked: Asked) -> Answer {
        let what = String::from_utf8_lossy(&asked.to_bytes(self.gateway.port)).into_owned();
        let answer = self.gateway.send(&asked);
        assert_eq!(answer.status, 200, "{what}: {}", answer.everything());
        assert!(answer.is_complete, "{what} was cut within {PATIENCE:?}");
        answer
    }
}

/// A POST of JSON by a client.
pub fn post(path: &str, agent: &str, body: &Value) -> Asked {
    let asked = Asked::new("POST", path).header("user-agent", agent).header("accept", "*/*");
    asked.header("content-type", "application/json").body(body.to_string())
}

/// A GET by a client.
pub fn get(path: &str, agent: &str) -> Asked {
    Asked::new("GET", path).header("user-agent", agent).header("accept", "*/*")
}

/// A tool that tells the weather.
pub fn weather() -> Value {
    json!([{"type": "function", "function": {"name": "get_weather", "description": "Tells the weather.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}])
}
