//! What an answer tells the user, whatever dialect it came in: so that one expectation serves every client.

use serde_json::{Map, Value, json};

use super::http::{Answer, Asked};

/// The ways in which clients ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Client {
    /// `/api/chat`
    OllamaChat,
    /// `/api/generate`
    OllamaGenerate,
    /// `/v1/chat/completions`
    OpenAiChat,
    /// `/v1/completions`
    OpenAiCompletions,
    /// `/v1/messages`
    Messages,
}

/// The content of an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// What the user reads.
    pub text: String,
    /// What the model thought.
    pub thinking: String,
    /// Function and arguments of each tool call, in order.
    pub calls: Vec<(String, Value)>,
    /// `stop`, `length`, `tools` or `filter`; Ollama says `stop` for `tools`.
    pub finish: String,
    /// Tokens of prompt and completion.
    pub usage: Option<(u64, u64)>,
}

/// A tool call to expect.
pub fn call(name: &str, arguments: Value) -> (String, Value) {
    (name.to_owned(), arguments)
}

impl Client {
    /// All of them.
    pub const ALL: [Client; 5] =
        [Client::OllamaChat, Client::OllamaGenerate, Client::OpenAiChat, Client::OpenAiCompletions, Client::Messages];

    /// Is it a conversation, rather than a prompt to complete?
    pub fn is_chat(self) -> bool {
        matches!(self, Client::OllamaChat | Client::OpenAiChat | Client::Messages)
    }

    /// Does it speak Ollama's dialect?
    pub fn is_ollama(self) -> bool {
        matches!(self, Client::OllamaChat | Client::OllamaGenerate)
    }

    /// Where it asks.
    pub fn path(self) -> &'static str {
        match self {
            Client::OllamaChat => "/api/chat",
            Client::OllamaGenerate => "/api/generate",
            Client::OpenAiChat => "/v1/chat/completions",
            Client::OpenAiCompletions => "/v1/completions",
            Client::Messages => "/v1/messages",
        }
    }

    /// A question to a model; `more` are further members of the body.
    pub fn ask(self, model: &str, question: &str, is_streamed: bool, more: &Value) -> Asked {
        let mut body = if self.is_chat() {
            json!({"model": model, "messages": [{"role": "user", "content": question}], "stream": is_streamed})
        } else {
            json!({"model": model, "prompt": question, "stream": is_streamed})
        };
        if self == Client::Messages {
            body["max_tokens"] = json!(1024);
        } else if is_streamed && !self.is_ollama() {
            body["stream_options"] = json!({"include_usage": true});
        }
        for (name, value) in more.as_object().unwrap_or(&Map::new()) {
            body[name.as_str()] = value.clone();
        }
        Asked::new("POST", self.path()).header("content-type", "application/json").body(body.to_string())
    }

    /// What an answer in this client's dialect tells.
    pub fn read(self, answer: &Answer, is_streamed: bool) -> Told {
        let mut told = Told::default();
        if self.is_ollama() {
            let lines = if is_streamed { answer.lines() } else { vec![answer.json()] };
            lines.iter().for_each(|line| read_ollama(line, &mut told));
            return told;
        }
        let bodies = if is_streamed { answer.events() } else { vec![answer.json()] };
        if self == Client::Messages {
            let whole = if is_streamed { message_of(&bodies) } else { answer.json() };
            return told_in_message(&whole);
        }
        let mut arguments: Vec<(String, String)> = Vec::new();
        bodies.iter().for_each(|body| read_openai(body, &mut told, &mut arguments));
        let parsed = |text: &str| serde_json::from_str(text).unwrap_or(Value::String(text.to_owned()));
        told.calls = arguments.into_iter().map(|(name, text)| (name, parsed(&text))).collect();
        told
    }

    /// Does the stream end as this client's dialect ends one?
    pub fn is_ended(self, answer: &Answer) -> bool {
        match self {
            Client::OllamaChat | Client::OllamaGenerate => {
                let last = answer.text().lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
                last.is_some_and(|line| line["done"] == true)
            }
            Client::OpenAiChat | Client::OpenAiCompletions => answer.is_done(),
            Client::Messages => answer.text().ends_with("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"),
        }
    }

    /// The error that an answer tells in this client's dialect, before or in the midst of a stream.
    pub fn read_error(self, answer: &Answer) -> Option<String> {
        let text = answer.text();
        let bodies = text.lines().map(|line| line.trim_start_matches("data:").trim());
        let parsed = bodies.filter_map(|body| serde_json::from_str::<Value>(body).ok());
        let whole = serde_json::from_slice::<Value>(&answer.body).ok();
        whole.into_iter().chain(parsed).find_map(|body| {
            let error = &body["error"];
            let message = if self.is_ollama() { error } else { &error["message"] };
            message.as_str().map(str::to_owned)
        })
    }
}

fn read_ollama(line: &Value, told: &mut Told) {
    let message = if line["message"].is_object() { &line["message"] } else { line };
    let content = if line["message"].is_object() { &message["content"] } else { &line["response"] };
    told.text += content.as_str().unwrap_or_default();
    told.thinking += message["thinking"].as_str().unwrap_or_default();
    for made in message["tool_calls"].as_array().into_iter().flatten() {
        let function = &made["function"];
        told.calls.push((function["name"].as_str().unwrap_or_default().to_owned(), function["arguments"].clone()));
    }
    if line["done"] == true {
        told.finish = line["done_reason"].as_str().unwrap_or_default().to_owned();
        told.usage = line["prompt_eval_count"].as_u64().zip(line["eval_count"].as_u64());
    }
}

fn read_openai(body: &Value, told: &mut Told, calls: &mut Vec<(String, String)>) {
    if let Some(counts) = body["usage"]["prompt_tokens"].as_u64().zip(body["usage"]["completion_tokens"].as_u64()) {
        told.usage = Some(counts);
    }
    let choice = &body["choices"][0];
    let piece = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
    told.text += piece["content"].as_str().or(choice["text"].as_str()).unwrap_or_default();
    let thinking = piece["reasoning_content"].as_str().or(piece["reasoning"].as_str());
    told.thinking += thinking.unwrap_or_default();
    for (place, made) in piece["tool_calls"].as_array().into_iter().flatten().enumerate() {
        let index = made["index"].as_u64().map_or(place, |index| index as usize);
        if calls.len() <= index {
            calls.resize(index + 1, Default::default());
        }
        calls[index].0 += made["function"]["name"].as_str().unwrap_or_default();
        calls[index].1 += made["function"]["arguments"].as_str().unwrap_or_default();
    }
    if let Some(reason) = choice["finish_reason"].as_str() {
        told.finish = match reason {
            "tool_calls" => "tools",
            "content_filter" => "filter",
            other => other,
        }
        .to_owned();
    }
}

/// The message that a stream of events makes, with the strictness of Anthropic's own client: the order of events, blocks one after the
/// other, members that are added to must be there.
pub fn message_of(events: &[Value]) -> Value {
    let mut events = events.iter().filter(|event| event["type"] != "ping");
    let first = events.next().expect("no event");
    assert_eq!(first["type"], "message_start", "{first}");
    let mut message = first["message"].clone();
    assert!(message["usage"]["input_tokens"].is_u64() && message["content"] == json!([]), "{first}");
    let (mut open, mut input, mut is_ended) = (None, String::new(), false);
    for event in events {
        let (index, delta) = (event["index"].as_u64(), &event["delta"]);
        let content = message["content"].as_array_mut().expect("content");
        match event["type"].as_str().unwrap_or_default() {
            "content_block_start" => {
                assert!(open.is_none() && index == Some(content.len() as u64), "{event}");
                content.push(event["content_block"].clone());
                (open, input) = (index, String::new());
            }
            "content_block_delta" => {
                assert!(open.is_some() && open == index, "{event}");
                let block = content.last_mut().expect("a block");
                match delta["type"].as_str().unwrap_or_default() {
                    "text_delta" => grow(&mut block["text"], &delta["text"]),
                    "thinking_delta" => grow(&mut block["thinking"], &delta["thinking"]),
                    "signature_delta" => block["signature"] = delta["signature"].clone(),
                    "input_json_delta" => input += delta["partial_json"].as_str().expect("partial_json"),
                    other => panic!("an unknown delta: {other}"),
                }
            }
            "content_block_stop" => {
                assert!(open.is_some() && open == index, "{event}");
                open = None;
                if !input.is_empty() {
                    content.last_mut().expect("a block")["input"] = serde_json::from_str(&input).expect("JSON");
                }
            }
            "message_delta" => {
                assert!(open.is_none() && delta["stop_reason"].is_string(), "{event}");
                message["stop_reason"] = delta["stop_reason"].clone();
                message["stop_sequence"] = delta["stop_sequence"].clone();
                for (name, count) in event["usage"].as_object().expect("usage") {
                    message["usage"][name] = count.clone();
                }
            }
            "message_stop" => is_ended = true,
            // All that there is of an answer that broke off.
            "error" => return message,
            other => panic!("an unknown event: {other}"),
        }
    }
    assert!(is_ended, "no message_stop");
    message
}

fn grow(text: &mut Value, more: &Value) {
    let grown = format!("{}{}", text.as_str().expect("a text"), more.as_str().expect("more of it"));
    *text = json!(grown);
}

fn told_in_message(message: &Value) -> Told {
    let mut told = Told::default();
    for block in message["content"].as_array().into_iter().flatten() {
        match block["type"].as_str().unwrap_or_default() {
            "text" => told.text += block["text"].as_str().unwrap_or_default(),
            "thinking" => told.thinking += block["thinking"].as_str().unwrap_or_default(),
            "tool_use" => told.calls.push(call(block["name"].as_str().unwrap_or_default(), block["input"].clone())),
            _ => {}
        }
    }
    told.finish = match message["stop_reason"].as_str().unwrap_or_default() {
        "end_turn" | "stop_sequence" => "stop",
        "max_tokens" => "length",
        "tool_use" => "tools",
        "refusal" => "filter",
        other => other,
    }
    .to_owned();
    let usage = &message["usage"];
    let prompt: u64 = ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]
        .iter()
        .filter_map(|name| usage[*name].as_u64())
        .sum();
    told.usage = usage["output_tokens"].as_u64().map(|completion| (prompt, completion));
    told
}
