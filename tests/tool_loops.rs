//! Promise: a tool loop holds together although the provider wants back what no client knows of: the signature with which
//! Google hands out a call, and the nine characters of a Mistral id.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Value, json};
use support::{Answer, Client, Gateway, Seen, Step, Upstream, gateway, reply, stream, upstream};

/// As Google makes them: base64 with all of its letters.
const SIGNATURE: &str = "EiYKJGUyNDgz+/MGItZjk3Zi00NmQ5/LWE3M2ItN2U+A==";
/// The id that newer Gemini models give a call.
const CALL_ID: &str = "96c1su3s";
/// What Google documents for a call whose signature is lost.
const STAND_IN: &str = "skip_thought_signature_validator";
const MODEL: &str = "google:gemini-3-flash-preview";

/// How a client treats the ids of calls.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Ids {
    Returned,
    /// Left out by Ollama's clients, made anew by OpenAI's, which must have some.
    Lost,
}

const CLIENTS: [Client; 2] = [Client::OllamaChat, Client::OpenAiChat];

/// Two calls, the first one signed, until there are results; then a word.
fn google(seen: &Seen) -> Step {
    let is_answered = seen.json().to_string().contains("functionResponse");
    let parts = match is_answered {
        true => vec![json!({"text": "Mild at noon.", "thoughtSignature": "ZW5k"})],
        false => vec![
            json!({"text": "I look it up.", "thought": true}),
            json!({"functionCall": {"id": CALL_ID, "name": "get_weather", "args": {"city": "Paris"}},
                   "thoughtSignature": SIGNATURE}),
            json!({"functionCall": {"id": "7xk2p0qa", "name": "get_time", "args": {"zone": "UTC+1"}}}),
        ],
    };
    let body = |parts: &[Value], finish: Value| {
        json!({"candidates": [{"content": {"role": "model", "parts": parts}, "finishReason": finish, "index": 0}],
               "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 14}})
    };
    if !seen.wants_stream() {
        return reply(body(&parts, json!("STOP")));
    }
    let event = |part: &Value| format!("data: {}\r\n\r\n", body(std::slice::from_ref(part), Value::Null));
    let end = format!("data: {}\r\n\r\n", body(&[json!({"text": ""})], json!("STOP")));
    stream(parts.iter().map(event).collect::<String>() + &end).split_every(37)
}

fn started(up: &Upstream) -> Gateway {
    gateway().provider("google", up, &[]).env("GCP_ACCESS_TOKEN", "ya29.token").start()
}

fn tools() -> Value {
    let tool = |name: &str, field: &str| {
        json!({"type": "function", "function": {"name": name, "description": "Tells it.", "parameters":
               {"type": "object", "properties": {field: {"type": "string"}}, "required": [field]}}})
    };
    json!([tool("get_weather", "city"), tool("get_time", "zone")])
}

fn question() -> Value {
    json!({"role": "user", "content": "Weather and time?"})
}

fn ask(gateway: &Gateway, client: Client, model: &str, messages: Value, is_streamed: bool) -> Answer {
    let answer = gateway.send(&client.ask(model, "", is_streamed, &json!({"messages": messages, "tools": tools()})));
    assert_eq!(answer.status, 200, "{client:?}: {}", answer.everything());
    answer
}

/// The assistant's message as a client keeps it: that of a whole answer, or what it gathered of a stream.
fn kept(client: Client, answer: &Answer, is_streamed: bool) -> Value {
    let bodies = match (is_streamed, client.is_ollama()) {
        (false, _) => vec![answer.json()],
        (true, true) => answer.lines(),
        (true, false) => answer.events(),
    };
    let mut calls: Vec<Value> = Vec::new();
    for body in &bodies {
        let choice = &body["choices"][0];
        let places = [&body["message"], &choice["message"], &choice["delta"]];
        for piece in places.into_iter().filter_map(|place| place["tool_calls"].as_array()).flatten() {
            let is_more = is_streamed && !client.is_ollama() && piece["id"].is_null();
            match calls.last_mut().filter(|_| is_more) {
                Some(last) => {
                    let so_far = last["function"]["arguments"].as_str().unwrap_or_default().to_owned();
                    let more = piece["function"]["arguments"].as_str().unwrap_or_default();
                    last["function"]["arguments"] = json!(so_far + more);
                }
                None => calls.push(piece.clone()),
            }
        }
    }
    json!({"role": "assistant", "content": "", "tool_calls": calls})
}

/// The conversation with the results of the tools.
fn answered(client: Client, mut made: Value, ids: Ids) -> Value {
    let mut results = Vec::new();
    for (place, call) in made["tool_calls"].as_array_mut().unwrap().iter_mut().enumerate() {
        let name = call["function"]["name"].clone();
        if ids == Ids::Lost {
            match client.is_ollama() {
                true => drop(call.as_object_mut().unwrap().remove("id")),
                false => call["id"] = json!(format!("call_{place}")),
            }
        }
        let mut result = json!({"role": "tool", "content": (["20 degrees", "noon"][place])});
        if client.is_ollama() {
            result["tool_name"] = name;
        }
        if call["id"].is_string() {
            result["tool_call_id"] = call["id"].clone();
        }
        results.push(result);
    }
    let mut messages = vec![question(), made];
    messages.extend(results);
    json!(messages)
}

/// What Google got in the second turn: the calls as it gave them, the results behind them in the same order.
fn assert_calls_came_back(up: &Upstream, place: &str) -> Value {
    let seen = up.last();
    assert_eq!(seen.header("authorization"), Some("Bearer ya29.token"), "{place}");
    assert_eq!(seen.header("x-goog-api-key"), None, "{place}");
    let body = seen.json();
    let roles: Vec<&str> = body["contents"].as_array().unwrap().iter().filter_map(|c| c["role"].as_str()).collect();
    assert_eq!(roles, ["user", "model", "user"], "{place}: {body}");
    let parts = body["contents"][1]["parts"].clone();
    assert_eq!(parts.as_array().unwrap().len(), 2, "{place}: {body}");
    assert_eq!(parts[0]["functionCall"]["name"], "get_weather", "{place}");
    assert_eq!(parts[0]["functionCall"]["args"], json!({"city": "Paris"}), "{place}");
    assert_eq!(parts[1]["functionCall"]["name"], "get_time", "{place}");
    assert_eq!(parts[1]["thoughtSignature"], Value::Null, "{place}: the second call came unsigned");
    let results = &body["contents"][2]["parts"];
    for (at, (name, words)) in [("get_weather", "20 degrees"), ("get_time", "noon")].into_iter().enumerate() {
        let result = &results[at]["functionResponse"];
        assert_eq!(result["name"], name, "{place}: {body}");
        assert!(result["response"].to_string().contains(words), "{place}: {body}");
        assert_eq!(result["id"], parts[at]["functionCall"]["id"], "{place}: {body}");
    }
    assert!(!seen.path.contains("__thought__") && !body.to_string().contains("__thought__"), "{place}: our mark stays");
    parts
}

/// The signature goes back with its call, and so does Google's own id, whole and streamed.
#[test]
fn a_signature_comes_back_with_its_call() {
    let up = upstream().models(&["gemini-3-flash-preview"]).answers(google);
    let gateway = started(&up);
    for client in CLIENTS {
        for is_streamed in [false, true] {
            let place = format!("{client:?} streamed={is_streamed}");
            let made = kept(client, &ask(&gateway, client, MODEL, json!([question()]), is_streamed), is_streamed);
            let end = ask(&gateway, client, MODEL, answered(client, made, Ids::Returned), is_streamed);
            let parts = assert_calls_came_back(&up, &place);
            assert_eq!(parts[0]["thoughtSignature"], SIGNATURE, "{place}");
            assert_eq!(parts[0]["functionCall"]["id"], CALL_ID, "{place}");
            assert_eq!(client.read(&end, is_streamed).text, "Mild at noon.", "{place}");
        }
    }
}

/// Nothing of it is kept in memory or on disk: another gateway goes on where the first one stopped.
#[test]
fn a_signature_outlives_the_gateway() {
    let up = upstream().models(&["gemini-3-flash-preview"]).answers(google);
    for client in CLIENTS {
        let made = {
            let first = started(&up);
            kept(client, &ask(&first, client, MODEL, json!([question()]), true), true)
        };
        ask(&started(&up), client, MODEL, answered(client, made, Ids::Returned), false);
        let parts = assert_calls_came_back(&up, &format!("{client:?}"));
        assert_eq!(parts[0]["thoughtSignature"], SIGNATURE, "{client:?}");
    }
}

/// A client that loses the id loses the signature: Gemini 3 then gets the documented stand-in, older models nothing.
#[test]
fn a_lost_signature_has_a_stand_in() {
    let up = upstream().models(&["gemini-3-flash-preview", "gemini-2.5-flash"]).answers(google);
    let gateway = started(&up);
    for client in CLIENTS {
        for (model, expected) in [(MODEL, json!(STAND_IN)), ("google:gemini-2.5-flash", Value::Null)] {
            let made = kept(client, &ask(&gateway, client, model, json!([question()]), false), false);
            ask(&gateway, client, model, answered(client, made, Ids::Lost), false);
            let place = format!("{client:?} {model}");
            assert_eq!(assert_calls_came_back(&up, &place)[0]["thoughtSignature"], expected, "{place}");
        }
    }
}

// ---- ids of nine characters

/// One call until there is a result; then a word.
fn codestral(seen: &Seen) -> Step {
    let is_answered = seen.json()["messages"].as_array().unwrap().iter().any(|message| message["role"] == "tool");
    let message = match is_answered {
        true => json!({"role": "assistant", "content": "Mild."}),
        false => json!({"role": "assistant", "content": "", "tool_calls": [
            {"id": "D681PevKs", "function": {"name": "get_weather", "arguments": "{\"city\": \"Paris\"}"}, "index": 0},
            {"id": "x9Kq2LmNp", "function": {"name": "get_time", "arguments": "{\"zone\": \"UTC+1\"}"}, "index": 1},
        ]}),
    };
    let finish = if is_answered { "stop" } else { "tool_calls" };
    reply(json!({"id": "1", "object": "chat.completion", "created": 1, "model": "codestral-latest",
                 "choices": [{"index": 0, "message": message, "finish_reason": finish}],
                 "usage": {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}}))
}

/// Ids of the calls that codestral got, after a look that each is well formed and that the results stand behind them.
fn ids_seen(up: &Upstream, place: &str) -> Vec<String> {
    let body = up.last().json();
    let calls = body["messages"][1]["tool_calls"].as_array().unwrap().clone();
    let ids: Vec<String> = calls.iter().map(|call| call["id"].as_str().unwrap_or_default().to_owned()).collect();
    for (at, id) in ids.iter().enumerate() {
        assert!(id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{place}: {id:?}");
        let result = &body["messages"][2 + at];
        assert_eq!(result["role"], "tool", "{place}: {body}");
        assert_eq!(result["tool_call_id"], id.as_str(), "{place}: {body}");
    }
    assert_eq!(ids.len(), 2, "{place}");
    assert_ne!(ids[0], ids[1], "{place}");
    ids
}

/// Codestral's own ids go back as they are; where a client has none, new ones of the same form pair calls and results.
#[test]
fn codestral_gets_ids_of_nine_characters() {
    const CODESTRAL: &str = "codestral:codestral-latest";
    let up = upstream().models(&["codestral-latest"]).answers(codestral);
    let gateway = gateway().provider("codestral", &up, &["k"]).start();
    for client in CLIENTS {
        let made = kept(client, &ask(&gateway, client, CODESTRAL, json!([question()]), false), false);
        ask(&gateway, client, CODESTRAL, answered(client, made, Ids::Returned), false);
        assert_eq!(ids_seen(&up, &format!("{client:?}")), ["D681PevKs", "x9Kq2LmNp"]);
    }
    let client = Client::OllamaChat;
    let made = kept(client, &ask(&gateway, client, CODESTRAL, json!([question()]), false), false);
    let conversation = answered(client, made, Ids::Lost);
    ask(&gateway, client, CODESTRAL, conversation.clone(), false);
    let first = ids_seen(&up, "ids lost");
    ask(&gateway, client, CODESTRAL, conversation, false);
    assert_eq!(ids_seen(&up, "ids lost, again"), first, "the same conversation has the same ids");
}

/// A conversation that began with Gemini goes on with codestral: the signed id becomes one of nine characters.
#[test]
fn a_conversation_may_change_its_provider() {
    let gemini = upstream().models(&["gemini-3-flash-preview"]).answers(google);
    let up = upstream().models(&["codestral-latest"]).answers(codestral);
    let setup = gateway().provider("google", &gemini, &[]).env("GCP_ACCESS_TOKEN", "ya29.token");
    let gateway = setup.provider("codestral", &up, &["k"]).start();
    let client = Client::OllamaChat;
    let made = kept(client, &ask(&gateway, client, MODEL, json!([question()]), true), true);
    ask(&gateway, client, "codestral:codestral-latest", answered(client, made, Ids::Returned), false);
    ids_seen(&up, "from gemini");
    assert!(!up.last().json().to_string().contains("__thought__"), "our mark stays");
}
