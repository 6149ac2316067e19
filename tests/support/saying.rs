//! The mission's eight providers at one gateway, all saying the same.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, Client, Gateway, Seen, Step, Upstream, gateway, reply, stream, upstream};

/// The mission's providers that are asked in OpenAI's dialect.
pub const OPENAI_LIKE: [&str; 6] = ["openai", "openrouter", "akash", "cohere", "codestral", "qwen"];

/// All eight at one gateway. The cloud ones say `text`, in deltas of so many characters.
pub fn all_saying(text: &'static str, step: usize) -> (BTreeMap<&'static str, Upstream>, Gateway) {
    started(move |seen| openai_says(seen, text, step), move |seen| gemini_says(seen, text, step), "")
}

/// All eight, with these scripts for the cloud ones and this configuration.
pub fn started(
    openai: impl Fn(&Seen) -> Step + Send + Sync + Clone + 'static,
    gemini: impl Fn(&Seen) -> Step + Send + Sync + 'static,
    config: &str,
) -> (BTreeMap<&'static str, Upstream>, Gateway) {
    let mut ups: BTreeMap<&str, Upstream> =
        OPENAI_LIKE.map(|prefix| (prefix, upstream().models(&["m"]).answers(openai.clone()))).into();
    ups.insert("google", upstream().models(&["gemini-2.5-flash"]).answers(gemini));
    ups.insert("ollama", upstream().models(&["llama3.2"]).answers(ollama_says));
    let setup = ups.iter().fold(gateway().file("polyllama.toml", config), |setup, (prefix, up)| {
        setup.provider(prefix, up, if *prefix == "ollama" { &[] } else { &["key-of-a-test"] })
    });
    let gw = setup.start();
    (ups, gw)
}

/// A text in pieces of so many characters.
pub fn pieces(text: &str, step: usize) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(step).map(|piece| piece.iter().collect()).collect()
}

/// An answer without counts.
pub fn openai_says(seen: &Seen, text: &str, step: usize) -> Step {
    if !seen.wants_stream() {
        return reply(json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}));
    }
    let deltas = pieces(text, step).into_iter().map(|piece| (json!({"content": piece}), Value::Null));
    chunks(deltas.chain([(json!({}), json!("stop"))]))
}

/// A stream of deltas, each with its finish reason.
pub fn chunks(deltas: impl Iterator<Item = (Value, Value)>) -> Step {
    let chunk = |(delta, finish): (Value, Value)| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": finish});
        let body =
            json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
        format!("data: {body}\n\n")
    };
    stream(deltas.map(chunk).collect::<String>() + "data: [DONE]\n\n")
}

/// The same in Google's own dialect.
pub fn gemini_says(seen: &Seen, text: &str, step: usize) -> Step {
    let body = |text: &str, finish: Value| json!({"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": finish, "index": 0}]});
    if !seen.wants_stream() {
        return reply(body(text, json!("STOP")));
    }
    let records = pieces(text, step).into_iter().map(|piece| format!("data: {}\r\n\r\n", body(&piece, Value::Null)));
    stream(records.collect::<String>() + &format!("data: {}\r\n\r\n", body("", json!("STOP"))))
}

/// A short answer that looks like a thought.
pub fn ollama_says(seen: &Seen) -> Step {
    let mut line = json!({"model": "llama3.2", "created_at": "2026-11-22T08:00:00Z", "done": true, "done_reason": "stop",
                          "total_duration": 9, "prompt_eval_count": 1, "eval_count": 1});
    match seen.path.as_str() {
        "/api/chat" => line["message"] = json!({"role": "assistant", "content": "<think>Ollama's own</think>"}),
        _ => line["response"] = json!("Hi"),
    }
    if seen.wants_stream() { stream(format!("{line}\n")) } else { reply(line) }
}

/// A model that the provider lists, as a client names it.
pub fn model_of(prefix: &str) -> String {
    match prefix {
        "google" => "google:gemini-2.5-flash".to_owned(),
        "ollama" => "llama3.2".to_owned(),
        other => format!("{other}:m"),
    }
}

/// Asks, and expects an answer.
pub fn ask(gw: &Gateway, client: Client, model: &str, is_streamed: bool, more: &Value) -> Answer {
    let answer = gw.send(&client.ask(model, "What is this?", is_streamed, more));
    assert_eq!(answer.status, 200, "{model} {client:?}: {}", answer.everything());
    answer
}

/// What the provider was asked when an Ollama client sends this beside model and messages.
pub fn asked(gw: &Gateway, up: &Upstream, model: &str, more: &Value) -> Value {
    ask(gw, Client::OllamaChat, model, true, more);
    up.last().json()
}

/// Of a body, the members of these names that are there.
pub fn members(body: &Value, names: &[&str]) -> Value {
    names.iter().filter(|name| !body[**name].is_null()).map(|name| ((*name).to_owned(), body[*name].clone())).collect()
}
