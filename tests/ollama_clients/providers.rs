//! Eight providers as scripts. What one says follows from the question: a tool is called when there is one, its result is
//! repeated, who says `Ponder` gets a thought first, and anyone else a greeting.

use serde_json::{Value, json};

use super::support::{Gate, Seen, Step, held, reply, stream};

/// What every provider says when nothing else is asked.
pub const GREETING: &str = "Hello there, gentle reader.";
/// What it thinks before, where the question says `Ponder`.
pub const THOUGHT: &str = "The reader wants a greeting.";
/// What it says when it refuses a key.
pub const DENIED: &str = "Incorrect API key provided";
/// What it says when it is asked too often.
pub const BUSY: &str = "Rate limit reached for this model";
/// What it says when it can't make sense of a request.
pub const WRONG: &str = "Unsupported value: 'temperature'";
/// The city in the arguments of the call that it makes.
pub const CITY: &str = "Paris";

/// What a provider says, in no dialect's words.
#[derive(Default)]
struct Said {
    thought: &'static str,
    text: String,
    calls: bool,
}

fn said(body: &Value) -> Said {
    let text = body.to_string();
    let results = ["\"role\":\"tool\"", "functionResponse"].iter().any(|mark| text.contains(mark));
    if results {
        return Said { text: "The tool said: 20 degrees.".to_owned(), ..Said::default() };
    }
    if body["tools"].as_array().is_some_and(|tools| !tools.is_empty()) {
        return Said { calls: true, ..Said::default() };
    }
    let thought = if text.contains("Ponder") { THOUGHT } else { "" };
    Said { thought, text: GREETING.to_owned(), calls: false }
}

/// Plays whichever provider was asked: the path tells the dialect.
pub fn answer(seen: &Seen) -> Step {
    let body = seen.json();
    let step = failing(seen, &body).unwrap_or_else(|| answered(seen, &body));
    if body.to_string().contains("Wait") { held_in_the_middle(step) } else { step }
}

/// Models that fail are called after how.
fn failing(seen: &Seen, body: &Value) -> Option<Step> {
    let name = format!("{} {}", seen.path, body["model"]);
    let error = |code: u16, word: &str, message: &str| {
        let error = json!({"message": message, "type": "error", "param": null, "code": word});
        Some(super::support::status(code, json!({"error": error})))
    };
    match () {
        () if name.contains("denied") => error(401, "invalid_api_key", DENIED),
        () if name.contains("busy") => error(429, "rate_limit_exceeded", BUSY),
        () if name.contains("wrong") => error(400, "odd_value", WRONG),
        () if name.contains("cut") => {
            let step = answered(seen, &json!({"model": "m", "stream": true}));
            let Step::Stream { chunks, .. } = &step else { return Some(step) };
            let half = chunks.concat().len() / 2;
            Some(step.cut_after(half))
        }
        () => None,
    }
}

/// The same stream, held after the record that holds the first half of the greeting. Nothing lets it go on.
fn held_in_the_middle(step: Step) -> Step {
    let Step::Stream { chunks, .. } = &step else { return step };
    let text = String::from_utf8(chunks.concat()).unwrap();
    let at = text.find(halves(GREETING)[0]).unwrap();
    let end = ["\r\n\r\n", "\n\n", "\n"].iter().find_map(|mark| Some(at + text[at..].find(mark)? + mark.len()));
    let (before, after) = text.split_at(end.unwrap());
    held(before, &Gate::default(), after)
}

fn answered(seen: &Seen, body: &Value) -> Step {
    if seen.path.contains("mbed") {
        return vectors(seen, body);
    }
    match seen.path.as_str() {
        path if path.starts_with("/v1beta/models/") => gemini(seen, &said(body)),
        "/api/pull" => pulled(body),
        "/api/copy" | "/api/delete" => super::support::text(200, "text/plain", ""),
        "/api/chat" | "/api/generate" => ollama(seen, body, &said(body)),
        path if path.ends_with("/chat/completions") => openai(seen, &said(body)),
        path if path.ends_with("/completions") => completion(seen, &said(body)),
        _ => super::support::status(404, json!({"error": "not played"})),
    }
}

/// What the lists and details of a scripted provider must say by themselves: which models make vectors, and the name by which an
/// Ollama server lets Copilot tell two models of one family apart.
pub fn look(seen: &Seen) -> Option<Step> {
    let path = seen.path.split('?').next().unwrap_or_default();
    match path {
        "/v1beta/models" => {
            let row = |id: &str, does: &str| {
                json!({"name": format!("models/{id}"), "inputTokenLimit": 1_048_576, "outputTokenLimit": 65_536,
                    "supportedGenerationMethods": [does]})
            };
            let rows = [row("gemini-2.5-pro", "generateContent"), row("gemini-embedding-001", "embedContent")];
            Some(reply(json!({"models": rows})))
        }
        "/api/tags" => {
            let rows = ["llama3.2:latest", "nomic-embed-text:latest"].map(|name| {
                json!({"name": name, "model": name, "modified_at": "2026-01-01T00:00:00.123456789+01:00", "size": 1000,
                    "digest": "a".repeat(64), "details": details(name), "capabilities": capabilities(name)})
            });
            Some(reply(json!({"models": rows})))
        }
        "/api/show" => {
            let asked = seen.json();
            let name = asked["model"].as_str().or(asked["name"].as_str()).unwrap_or_default();
            let is_copilot = seen.header("user-agent").is_some_and(|agent| agent.starts_with("GitHubCopilotChat/"));
            let basename = if is_copilot { name } else { "Llama" };
            Some(reply(
                json!({"parameters": "stop                           \"<|eot_id|>\"\nnum_ctx                        8192",
                "template": "{{ .Prompt }}", "details": details(name), "capabilities": capabilities(name),
                "model_info": {"general.architecture": "llama", "general.basename": basename, "llama.context_length": 131_072},
                "modified_at": "2026-01-01T00:00:00.123456789+01:00"}),
            ))
        }
        _ => None,
    }
}

fn details(name: &str) -> Value {
    let family = if name.starts_with("nomic") { "nomic-bert" } else { "llama" };
    json!({"parent_model": "", "format": "gguf", "family": family, "families": [family], "parameter_size": "3.2B",
        "quantization_level": "Q4_K_M"})
}

fn capabilities(name: &str) -> Value {
    if name.starts_with("nomic") { json!(["embedding"]) } else { json!(["completion", "tools"]) }
}

/// A vector for each text; 3, 4 has the length 5.
fn vectors(seen: &Seen, body: &Value) -> Step {
    let vector = json!([3.0, 4.0]);
    if let Some(requests) = body["requests"].as_array() {
        let rows: Vec<Value> = requests.iter().map(|_| json!({"values": vector})).collect();
        return reply(json!({"embeddings": rows}));
    }
    let count = body["input"].as_array().map_or(1, Vec::len);
    match seen.path.as_str() {
        "/api/embeddings" => reply(json!({"embedding": vector})),
        "/api/embed" => {
            let rows = vec![json!([0.6, 0.8]); count];
            reply(json!({"model": body["model"], "embeddings": rows, "total_duration": 9, "prompt_eval_count": 3}))
        }
        _ => {
            let row = |index| json!({"object": "embedding", "index": index, "embedding": vector});
            let rows: Vec<Value> = (0..count).map(row).collect();
            reply(
                json!({"object": "list", "model": "m", "data": rows, "usage": {"prompt_tokens": 3, "total_tokens": 3}}),
            )
        }
    }
}

fn halves(text: &str) -> [&str; 2] {
    let (left, right) = text.split_at(text.len() / 2);
    [left, right]
}

// ---- OpenAI's dialect

fn usage() -> Value {
    json!({"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18})
}

fn openai_call() -> Value {
    let arguments = json!({"city": CITY}).to_string();
    json!([{"index": 0, "id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": arguments}}])
}

fn openai(seen: &Seen, said: &Said) -> Step {
    let finish = if said.calls { "tool_calls" } else { "stop" };
    if !seen.wants_stream() {
        let mut message = json!({"role": "assistant", "content": said.text, "reasoning_content": said.thought});
        if said.calls {
            message["tool_calls"] = openai_call();
        }
        let choice = json!({"index": 0, "message": message, "finish_reason": finish});
        return reply(json!({"id": "c1", "object": "chat.completion", "created": 1_790_000_000, "model": "m",
            "choices": [choice], "usage": usage()}));
    }
    let mut deltas = vec![json!({"role": "assistant", "content": ""})];
    if !said.thought.is_empty() {
        deltas.extend(halves(said.thought).map(|half| json!({"reasoning_content": half})));
    }
    if said.calls {
        deltas.push(json!({"tool_calls": openai_call()}));
    } else {
        deltas.extend(halves(&said.text).map(|half| json!({"content": half})));
    }
    let chunk = |choices: Value, usage: Value| {
        let body = json!({"id": "c1", "object": "chat.completion.chunk", "created": 1_790_000_000, "model": "m",
            "choices": choices, "usage": usage});
        format!("data: {body}\n\n")
    };
    let delta = |delta: &Value, finish: Value| {
        chunk(json!([{"index": 0, "delta": delta, "finish_reason": finish}]), Value::Null)
    };
    let mut out: String = deltas.iter().map(|piece| delta(piece, Value::Null)).collect();
    out += &delta(&json!({}), json!(finish));
    out += &chunk(json!([]), usage());
    stream(out + "data: [DONE]\n\n").split_every(61)
}

fn completion(seen: &Seen, said: &Said) -> Step {
    let choice = json!({"index": 0, "text": said.text, "finish_reason": "stop"});
    let body = json!({"id": "c1", "object": "text_completion", "created": 1_790_000_000, "model": "m",
        "choices": [choice], "usage": usage()});
    if seen.wants_stream() { stream(format!("data: {body}\n\ndata: [DONE]\n\n")) } else { reply(body) }
}

// ---- Google's own dialect

fn gemini(seen: &Seen, said: &Said) -> Step {
    let mut parts = Vec::new();
    if !said.thought.is_empty() {
        parts.push(json!({"text": said.thought, "thought": true}));
    }
    if said.calls {
        parts
            .push(json!({"functionCall": {"name": "get_weather", "args": {"city": CITY}}, "thoughtSignature": "c2ln"}));
    } else {
        parts.extend(halves(&said.text).map(|half| json!({"text": half})));
    }
    let counts = json!({"promptTokenCount": 11, "candidatesTokenCount": 7, "totalTokenCount": 18});
    let record = |parts: Value, finish: Value| {
        json!({"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0, "finishReason": finish}],
            "usageMetadata": counts})
    };
    if !seen.wants_stream() {
        return reply(record(json!(parts), json!("STOP")));
    }
    let last = parts.pop();
    let event = |record: Value| format!("data: {record}\r\n\r\n");
    let mut out: String = parts.into_iter().map(|part| event(record(json!([part]), Value::Null))).collect();
    out += &event(record(json!([last]), json!("STOP")));
    stream(out).split_every(47)
}

// ---- Ollama's dialect

/// As of a small model, and of one that the registry has not.
fn pulled(asked: &Value) -> Step {
    let name = asked["model"].as_str().filter(|name| !name.is_empty()).or(asked["name"].as_str()).unwrap_or_default();
    let manifest = json!({"status": "pulling manifest"});
    let is_whole = asked["stream"] == false;
    if !name.contains("llama") {
        let error = json!({"error": "pull model manifest: file does not exist"});
        return if is_whole { super::support::status(500, error) } else { stream(format!("{manifest}\n{error}\n")) };
    }
    if is_whole {
        return reply(json!({"status": "success"}));
    }
    let digest = format!("sha256:{}", "c".repeat(64));
    let layer = json!({"status": "pulling cccccccccccc", "digest": digest, "total": 3000, "completed": 3000});
    let rest = ["verifying sha256 digest", "writing manifest", "success"].map(|status| json!({"status": status}));
    stream([manifest, layer].iter().chain(&rest).map(|line| format!("{line}\n")).collect::<String>())
}

fn ollama(seen: &Seen, asked: &Value, said: &Said) -> Step {
    let is_chat = seen.path == "/api/chat";
    let line = |text: &str, thought: &str, calls: bool| {
        let mut line = json!({"model": asked["model"], "created_at": "2026-11-22T08:00:00.123456789Z"});
        if is_chat {
            line["message"] = json!({"role": "assistant", "content": text});
        } else {
            line["response"] = json!(text);
        }
        let place = if is_chat { &mut line["message"] } else { &mut line };
        if !thought.is_empty() {
            place["thinking"] = json!(thought);
        }
        if calls {
            let function = json!({"index": 0, "name": "get_weather", "arguments": {"city": CITY}});
            place["tool_calls"] = json!([{"id": "call_abcd1234", "function": function}]);
        }
        line["done"] = json!(false);
        line
    };
    let end = |mut line: Value, reason: &str| {
        line["done"] = json!(true);
        line["done_reason"] = json!(reason);
        line
    };
    let is_load =
        asked["messages"].as_array().is_none_or(Vec::is_empty) && asked["prompt"].as_str().is_none_or(str::is_empty);
    if is_load {
        let is_unload = asked["keep_alive"] == 0 || asked["keep_alive"] == "0s";
        return reply(end(line("", "", false), if is_unload { "unload" } else { "load" }));
    }
    let counts = json!({"total_duration": 900, "load_duration": 100, "prompt_eval_count": 11,
        "prompt_eval_duration": 300, "eval_count": 7, "eval_duration": 500});
    let counted = |line: Value| {
        let mut line = end(line, "stop");
        line.as_object_mut().unwrap().extend(counts.as_object().unwrap().clone());
        line
    };
    if !seen.wants_stream() {
        return reply(counted(line(&said.text, said.thought, said.calls)));
    }
    let mut lines = Vec::new();
    if !said.thought.is_empty() {
        lines.push(line("", said.thought, false));
    }
    if said.calls {
        lines.push(line("", "", true));
    } else {
        lines.extend(halves(&said.text).map(|half| line(half, "", false)));
    }
    lines.push(counted(line("", "", false)));
    stream(lines.iter().map(|line| format!("{line}\n")).collect::<String>()).split_every(53)
}
