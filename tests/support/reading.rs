//! What a provider's recorded answer says, read with a few lines of its own for each dialect: the yardstick for what
//! clients are told. None of it is shared with the gateway.

use serde_json::{Map, Value, json};

use super::told::Told;

/// What an answer says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// A finished answer.
    Answer(Told),
    /// A failure with the provider's words, after so much of an answer. The words are empty where there are none.
    Failure(String, Told),
}

/// Reads a recorded answer. `dialect` as the recordings name it.
pub fn read(dialect: &str, status: u16, body: &str) -> Said {
    let bodies = bodies(body);
    if status >= 400 {
        return Said::Failure(bodies.first().and_then(words).unwrap_or_default(), Told::default());
    }
    match dialect {
        "gemini" => gemini(&bodies),
        "ollama" => ollama(&bodies),
        "anthropic" => anthropic(&bodies),
        _ => openai(&bodies),
    }
}

/// The JSON values of a body: itself, the items of an array, the lines of NDJSON, or the events of SSE.
fn bodies(body: &str) -> Vec<Value> {
    match serde_json::from_str(body) {
        Ok(Value::Array(items)) => return items,
        Ok(whole) => return vec![whole],
        Err(_) => {}
    }
    let body = body.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let blocks: Vec<&str> = if body.starts_with('{') { body.lines().collect() } else { body.split("\n\n").collect() };
    let data = |block: &str| -> String {
        let lines: Vec<&str> = block.lines().filter_map(|line| line.strip_prefix("data:")).collect();
        if lines.is_empty() { block.to_owned() } else { lines.join("\n") }
    };
    blocks.into_iter().filter_map(|block| serde_json::from_str(&data(block)).ok()).collect()
}

/// The words of an error, in the places where providers put them.
fn words(body: &Value) -> Option<String> {
    let error = &body["error"];
    let places = [&error["message"], error, &body["message"], &body["detail"], &body["detail"][0]["msg"]];
    places.into_iter().find_map(|place| place.as_str().map(str::to_owned))
}

// ---- OpenAI's dialect

#[derive(Default)]
struct OpenAi {
    told: Told,
    calls: Vec<Call>,
    is_finished: bool,
}

#[derive(Default)]
struct Call {
    id: String,
    index: u64,
    name: String,
    arguments: String,
}

fn openai(bodies: &[Value]) -> Said {
    let mut read = OpenAi::default();
    for body in bodies {
        if let Some(words) = words(body).or_else(|| words(&body["x_groq"])) {
            return Said::Failure(words, read.told);
        }
        read.body(body);
    }
    let parsed = |call: &Call| {
        let text = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
        (call.name.clone(), serde_json::from_str(text).unwrap_or_else(|_| json!(text)))
    };
    read.told.calls = read.calls.iter().map(parsed).collect();
    match read.is_finished {
        true => Said::Answer(read.told),
        false => Said::Failure(String::new(), read.told),
    }
}

impl OpenAi {
    fn body(&mut self, body: &Value) {
        let choice = &body["choices"][0];
        for usage in [&body["usage"], &choice["usage"], &body["x_groq"]["usage"]] {
            let count = |name: &str| usage[name].as_u64();
            if let Some((prompt, made)) = count("prompt_tokens").zip(count("completion_tokens")) {
                // xAI counts thoughts beside the completion: its sum tells.
                let thoughts = usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap_or(0);
                let is_beside = thoughts > 0 && count("total_tokens") == Some(prompt + made + thoughts);
                self.told.usage = Some((prompt, if is_beside { made + thoughts } else { made }));
            }
        }
        if choice["index"].as_u64().unwrap_or(0) != 0 {
            return;
        }
        let has_pieces = choice["delta"].is_object() || choice["text"].is_string();
        let is_whole = body["object"] == "chat.completion" || (choice.is_object() && !has_pieces);
        self.said(if is_whole { &choice["message"] } else { &choice["delta"] });
        self.told.text += choice["text"].as_str().unwrap_or_default();
        // A whole answer is over, whatever it says (Snowflake says nothing).
        let reason = choice["finish_reason"].as_str().filter(|reason| is_whole || !reason.is_empty());
        if let Some(reason) = reason {
            self.is_finished = true;
            self.told.finish = match reason {
                "tool_calls" | "function_call" => "tools",
                "content_filter" => "filter",
                "length" => "length",
                _ => "stop",
            }
            .to_owned();
        }
        if !self.calls.is_empty() && self.told.finish == "stop" {
            self.told.finish = "tools".to_owned();
        }
    }

    fn said(&mut self, said: &Value) {
        let thoughts = said["reasoning_content"].as_str().or(said["reasoning"].as_str()).filter(|t| !t.is_empty());
        match thoughts {
            Some(thoughts) => self.told.thinking += thoughts,
            None => self.details(&said["reasoning_details"]),
        }
        match &said["content"] {
            Value::Array(parts) => parts.iter().for_each(|part| self.part(part)),
            content => self.told.text += content.as_str().unwrap_or_default(),
        }
        for also in [&said["refusal"], &said["audio"]["transcript"]] {
            self.told.text += also.as_str().unwrap_or_default();
        }
        for (place, call) in said["tool_calls"].as_array().into_iter().flatten().enumerate() {
            self.call(call, place as u64);
        }
        if said["function_call"]["name"].as_str().is_some_and(|name| !name.is_empty()) {
            self.call(&json!({"function": said["function_call"]}), 0);
        }
    }

    fn details(&mut self, details: &Value) {
        for detail in details.as_array().into_iter().flatten() {
            self.told.thinking += detail["text"].as_str().or(detail["summary"].as_str()).unwrap_or_default();
        }
    }

    /// Mistral's parts of content.
    fn part(&mut self, part: &Value) {
        self.told.text += part["text"].as_str().unwrap_or_default();
        for thought in part["thinking"].as_array().into_iter().flatten() {
            self.told.thinking += thought["text"].as_str().unwrap_or_default();
        }
    }

    /// A call with an id that was not seen is a new one, whatever its index says.
    fn call(&mut self, piece: &Value, place: u64) {
        let index = piece["index"].as_u64().unwrap_or(place);
        let id = piece["id"].as_str().unwrap_or_default();
        let known = self.calls.iter().rposition(|call| call.index == index && (id.is_empty() || call.id == id));
        let at = known.unwrap_or_else(|| {
            self.calls.push(Call { id: id.to_owned(), index, ..Call::default() });
            self.calls.len() - 1
        });
        // Snowflake sends an empty `custom` beside the function.
        let is_custom = piece["custom"]["name"].as_str().is_some_and(|name| !name.is_empty());
        let function = &piece[if is_custom { "custom" } else { "function" }];
        self.calls[at].name += function["name"].as_str().unwrap_or_default();
        self.calls[at].arguments += match &function["arguments"] {
            Value::String(text) => text.clone(),
            Value::Null => function["input"].as_str().unwrap_or_default().to_owned(),
            object => object.to_string(),
        }
        .as_str();
    }
}

// ---- Google's own dialect

fn gemini(bodies: &[Value]) -> Said {
    let mut told = Told::default();
    let mut growing: Option<(String, Value)> = None;
    for body in bodies {
        if let Some(words) = words(body) {
            return Said::Failure(words, told);
        }
        if let Some(reason) = body["promptFeedback"]["blockReason"].as_str() {
            return Said::Failure(reason.to_owned(), told);
        }
        let count = |name: &str| body["usageMetadata"][name].as_u64();
        if let Some(prompt) = count("promptTokenCount") {
            let made = count("candidatesTokenCount").unwrap_or(0) + count("thoughtsTokenCount").unwrap_or(0);
            told.usage = Some((prompt + count("toolUsePromptTokenCount").unwrap_or(0), made));
        }
        let candidate = &body["candidates"][0];
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            gemini_part(part, &mut told, &mut growing);
        }
        if let Some(reason) = candidate["finishReason"].as_str() {
            told.finish = match reason {
                "STOP" if told.calls.is_empty() => "stop",
                "STOP" => "tools",
                "MAX_TOKENS" => "length",
                "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" => {
                    let message = candidate["finishMessage"].as_str().unwrap_or(reason);
                    return Said::Failure(message.to_owned(), told);
                }
                _ => "filter",
            }
            .to_owned();
        }
    }
    if told.finish.is_empty() { Said::Failure(String::new(), told) } else { Said::Answer(told) }
}

fn gemini_part(part: &Value, told: &mut Told, growing: &mut Option<(String, Value)>) {
    if let Some(text) = part["text"].as_str() {
        *(if part["thought"] == true { &mut told.thinking } else { &mut told.text }) += text;
    }
    // Code that the provider ran and what came of it are shown as fenced text.
    let code = &part["executableCode"];
    if let Some(text) = code["code"].as_str() {
        let language = code["language"].as_str().unwrap_or_default().to_lowercase();
        told.text += &format!("\n```{language}\n{text}\n```\n");
    }
    if let Some(output) = part["codeExecutionResult"]["output"].as_str() {
        told.text += &format!("\n```\n{output}\n```\n");
    }
    let call = &part["functionCall"];
    if !call.is_object() {
        return;
    }
    let more = call["willContinue"] == true;
    if let Some(name) = call["name"].as_str().filter(|_| growing.is_none()) {
        *growing = Some((name.to_owned(), call.get("args").cloned().unwrap_or(json!({}))));
    }
    let Some((_, arguments)) = growing else { return };
    for piece in call["partialArgs"].as_array().into_iter().flatten() {
        grow(arguments, piece);
    }
    if !more {
        told.calls.extend(growing.take());
    }
}

/// A piece of arguments at a JSON path: `$.a.b[0]`.
fn grow(arguments: &mut Value, piece: &Value) {
    let path =
        piece["jsonPath"].as_str().unwrap_or_default().trim_start_matches('$').replace('[', ".").replace(']', "");
    let mut at = arguments;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        at = match step.parse::<usize>() {
            Ok(index) => {
                if !at.is_array() {
                    *at = json!([]);
                }
                let items = at.as_array_mut().unwrap();
                items.resize(items.len().max(index + 1), Value::Null);
                &mut items[index]
            }
            Err(_) => {
                if !at.is_object() {
                    *at = Value::Object(Map::new());
                }
                &mut at[step]
            }
        };
    }
    match (&piece["stringValue"], &*at) {
        (Value::String(more), Value::String(had)) => *at = json!(format!("{had}{more}")),
        (Value::String(first), _) => *at = json!(first),
        _ => {
            for kind in ["numberValue", "boolValue"] {
                if let Some(value) = piece.get(kind) {
                    *at = value.clone();
                }
            }
        }
    }
}

// ---- Ollama's dialect

fn ollama(lines: &[Value]) -> Said {
    let mut told = Told::default();
    for line in lines {
        if let Some(words) = line["error"].as_str() {
            return Said::Failure(words.to_owned(), told);
        }
        let said = if line["message"].is_object() { &line["message"] } else { line };
        told.text += said["content"].as_str().or(line["response"].as_str()).unwrap_or_default();
        told.thinking += said["thinking"].as_str().unwrap_or_default();
        for call in said["tool_calls"].as_array().into_iter().flatten() {
            let function = &call["function"];
            told.calls.push((function["name"].as_str().unwrap_or_default().to_owned(), function["arguments"].clone()));
        }
        if line["done"] == true {
            let reason = line["done_reason"].as_str().unwrap_or("stop");
            told.finish = if told.calls.is_empty() { reason } else { "tools" }.to_owned();
            told.usage =
                Some((line["prompt_eval_count"].as_u64().unwrap_or(0), line["eval_count"].as_u64().unwrap_or(0)));
        }
    }
    if told.finish.is_empty() { Said::Failure(String::new(), told) } else { Said::Answer(told) }
}

// ---- Anthropic's dialect

fn anthropic(bodies: &[Value]) -> Said {
    let mut told = Told::default();
    let mut counts = Map::new();
    let mut calls: Vec<(Value, String, String, Value)> = Vec::new();
    let mut is_finished = false;
    for body in bodies {
        if let Some(words) = words(body) {
            return Said::Failure(words, told);
        }
        let message = if body["message"].is_object() { &body["message"] } else { body };
        for (name, count) in message["usage"].as_object().into_iter().flatten().filter(|(_, count)| count.is_u64()) {
            counts.insert(name.clone(), count.clone());
        }
        let blocks = message["content"].as_array().into_iter().flatten();
        for block in blocks.chain(Some(&body["content_block"])) {
            told.text += block["text"].as_str().unwrap_or_default();
            told.thinking += block["thinking"].as_str().unwrap_or_default();
            if block["type"] == "tool_use" {
                let name = block["name"].as_str().unwrap_or_default().to_owned();
                calls.push((body["index"].clone(), name, String::new(), block["input"].clone()));
            }
        }
        let delta = &body["delta"];
        told.text += delta["text"].as_str().unwrap_or_default();
        told.thinking += delta["thinking"].as_str().unwrap_or_default();
        if let Some(call) = calls.iter_mut().find(|call| call.0 == body["index"]) {
            call.2 += delta["partial_json"].as_str().unwrap_or_default();
        }
        if let Some(reason) = message["stop_reason"].as_str().or(delta["stop_reason"].as_str()) {
            is_finished = true;
            told.finish = match reason {
                "max_tokens" | "model_context_window_exceeded" => "length",
                "tool_use" => "tools",
                "refusal" => "filter",
                _ => "stop",
            }
            .to_owned();
        }
    }
    let count = |name: &str| counts.get(name).and_then(Value::as_u64);
    let cached = ["cache_read_input_tokens", "cache_creation_input_tokens"].map(|name| count(name).unwrap_or(0));
    told.usage = count("input_tokens").map(|input| input + cached[0] + cached[1]).zip(count("output_tokens"));
    let arguments = |text: &str, input: Value| serde_json::from_str(text).unwrap_or(input);
    told.calls = calls.into_iter().map(|(_, name, text, input)| (name, arguments(&text, input))).collect();
    if is_finished { Said::Answer(told) } else { Said::Failure(String::new(), told) }
}
