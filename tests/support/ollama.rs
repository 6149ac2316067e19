//! A small model of an Ollama server: it loads models with a context, loads them again when another is asked for, and cuts
//! prompts that don't fit without a word, as the real one does (measured on 0.33).

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::upstream::{Seen, Step, Upstream, reply, status, stream, upstream};

/// A text that this server counts as so many tokens: a short word each.
pub fn words(count: usize) -> String {
    const WORDS: [&str; 8] = ["the", "cat", "sat", "on", "that", "mat", "and", "slept"];
    (0..count).map(|place| WORDS[place % WORDS.len()]).collect::<Vec<_>>().join(" ")
}

/// The tokens of a template around each message.
const TEMPLATE: usize = 5;

/// What is to be seen and changed from outside.
#[derive(Debug, Default, Clone)]
pub struct State {
    /// The context that each model is loaded with.
    pub loaded: Option<u64>,
    /// How often the model was loaded.
    pub loads: usize,
    /// Prompts that were cut.
    pub cuts: usize,
    /// Tokens of the prompts that were answered whole.
    pub whole: Vec<usize>,
    /// Requests refused since they did not fit.
    pub refusals: usize,
    /// The model's own `PARAMETER num_ctx`.
    pub parameter: Option<u64>,
    /// What the server takes by default.
    pub default: u64,
    /// The longest context of the model.
    pub longest: u64,
    /// Tokens that each word counts for.
    pub per_word: usize,
    /// `/api/ps` and `/api/show` are answered with an error.
    pub is_mute: bool,
}

/// The server, with one model, `m:latest`.
pub struct Ollama {
    pub up: Upstream,
    state: Arc<Mutex<State>>,
}

impl Ollama {
    /// With a model that has at most so much context; 4096 is the default.
    pub fn new(longest: u64) -> Ollama {
        let state = Arc::new(Mutex::new(State { longest, default: 4096, per_word: 1, ..State::default() }));
        let shared = Arc::clone(&state);
        Ollama { up: upstream().plays(move |seen| act(seen, &mut shared.lock().unwrap())), state }
    }

    /// Changes something beforehand.
    pub fn with(self, change: impl FnOnce(&mut State)) -> Ollama {
        change(&mut self.state.lock().unwrap());
        self
    }

    /// As it is now.
    pub fn state(&self) -> State {
        self.state.lock().unwrap().clone()
    }

    /// The requests that asked the model something.
    pub fn asked(&self) -> Vec<Seen> {
        let is_question = |seen: &Seen| ["chat", "generate", "embed"].iter().any(|end| seen.path.ends_with(end));
        self.up.seen_all().into_iter().filter(is_question).collect()
    }

    /// How often something was looked up for requests.
    pub fn looks(&self) -> usize {
        self.up.seen_all().iter().filter(|seen| ["/api/ps", "/api/show"].contains(&seen.path.as_str())).count()
    }
}

fn act(seen: &Seen, state: &mut State) -> Step {
    let longest = state.longest;
    match seen.path.as_str() {
        "/api/version" => reply(json!({"version": "0.33.0"})),
        "/api/tags" => reply(json!({"models": [{"name": "m:latest", "model": "m:latest",
            "modified_at": "2026-01-01T00:00:00Z", "size": 1000, "digest": "a".repeat(64),
            "details": {"parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"],
                        "parameter_size": "1B", "quantization_level": "Q4_K_M", "context_length": longest},
            "capabilities": ["completion"]}]})),
        "/api/ps" | "/api/show" if state.is_mute => status(500, json!({"error": "not now"})),
        "/api/ps" => {
            let row = |context: u64| {
                json!({"name": "m:latest", "model": "m:latest", "size": 1000, "size_vram": 0,
                "digest": "a".repeat(64), "expires_at": "2026-11-22T12:00:00Z", "context_length": context})
            };
            reply(json!({"models": state.loaded.map(row).into_iter().collect::<Vec<_>>()}))
        }
        "/api/show" => {
            let parameters = state.parameter.map_or(String::new(), |size| format!("{:30} {size}\nseed 1", "num_ctx"));
            reply(json!({"parameters": parameters, "capabilities": ["completion"],
                "model_info": {"general.architecture": "llama", "llama.context_length": longest}}))
        }
        "/api/chat" | "/api/generate" => answer(seen, state),
        "/api/embed" => embed(seen, state),
        _ => status(404, json!({"error": "404 page not found"})),
    }
}

/// Loads the model anew when it must.
fn load(body: &Value, state: &mut State) -> usize {
    let default = state.parameter.unwrap_or(state.default);
    let asked = body["options"]["num_ctx"].as_u64().filter(|size| *size > 0).unwrap_or(default).min(state.longest);
    if state.loaded != Some(asked) {
        state.loaded = Some(asked);
        state.loads += 1;
    }
    asked as usize
}

fn answer(seen: &Seen, state: &mut State) -> Step {
    let body = seen.json();
    let is_chat = seen.path.ends_with("chat");
    let texts: Vec<&str> = match body["messages"].as_array() {
        Some(messages) => messages.iter().filter_map(|message| message["content"].as_str()).collect(),
        None => {
            body["prompt"].as_str().into_iter().chain(body["system"].as_str()).filter(|text| !text.is_empty()).collect()
        }
    };
    if texts.is_empty() {
        let unloads = body["keep_alive"] == json!(0) || body["keep_alive"] == json!("0s");
        if unloads {
            state.loaded = None;
        } else {
            load(&body, state);
        }
        return reply(
            json!({"model": body["model"], "created_at": "2026-11-22T12:00:00Z", "response": "", "done": true,
            "done_reason": if unloads { "unload" } else { "load" }}),
        );
    }
    let context = load(&body, state);
    let tokens: usize = texts.iter().map(|text| text.split_whitespace().count() * state.per_word + TEMPLATE).sum();
    let mut counted = tokens;
    if tokens >= context {
        if body["truncate"] == json!(false) {
            state.refusals += 1;
            return status(400, refusal(tokens, context));
        }
        state.cuts += 1;
        counted = context / 2;
    } else {
        state.whole.push(tokens);
    }
    if body["keep_alive"] == json!(0) {
        state.loaded = None;
    }
    said(&body, is_chat, seen.wants_stream(), counted)
}

fn refusal(tokens: usize, context: usize) -> Value {
    let message =
        format!("request ({tokens} tokens) exceeds the available context size ({context} tokens), try increasing it");
    let inner = json!({"error": {"code": 400, "message": message, "type": "exceed_context_size_error",
        "n_prompt_tokens": tokens, "n_ctx": context}});
    json!({"error": inner.to_string()})
}

fn said(body: &Value, is_chat: bool, is_stream: bool, counted: usize) -> Step {
    let line = |text: &str, done: bool| {
        let mut line = json!({"model": body["model"], "created_at": "2026-11-22T12:00:00Z", "done": done});
        match is_chat {
            true => line["message"] = json!({"role": "assistant", "content": text}),
            false => line["response"] = json!(text),
        }
        if done {
            line["done_reason"] = json!("stop");
            line["prompt_eval_count"] = json!(counted);
            line["eval_count"] = json!(2);
            line["total_duration"] = json!(1000);
        }
        line
    };
    match is_stream {
        true => stream(format!("{}\n{}\n", line("whole", false), line("", true))),
        false => reply(line("whole", true)),
    }
}

fn embed(seen: &Seen, state: &mut State) -> Step {
    let body = seen.json();
    let context = load(&body, state);
    let inputs: Vec<&str> = match &body["input"] {
        Value::Array(inputs) => inputs.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    };
    let longest = inputs.iter().map(|text| text.split_whitespace().count() * state.per_word).max().unwrap_or(0);
    if longest > context {
        if body["truncate"] == json!(false) {
            state.refusals += 1;
            return status(400, json!({"error": "the input length exceeds the context length"}));
        }
        state.cuts += 1;
    }
    state.whole.push(longest.min(context));
    reply(json!({"model": body["model"], "embeddings": inputs.iter().map(|_| [0.6, 0.8]).collect::<Vec<_>>(),
        "total_duration": 1000, "prompt_eval_count": longest.min(context)}))
}
