//! Recorded exchanges as a second pass over the same code. They are not part of the project: without them these tests say that
//! they skip.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::request::write;
use super::{answer, error, stream};
use crate::chat::{Event, Media, Message, Part, Request, Role, Source, Tool, ToolChoice};
use crate::chat::{Format, Settings};
use crate::dialect::{Decoder as _, Framer, Framing, Quirks};
use crate::json::{Json, Text};

mod clients;

const FOLDER: &str = "../shared/fixtures";

/// A recorded exchange.
struct Exchange {
    name: String,
    path: String,
    /// The request's body.
    asked: Value,
    status: u16,
    /// The answer's body.
    body: String,
    is_stream: bool,
}

fn read_exchange(path: &Path) -> Option<Exchange> {
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let response = &file["response"];
    let chunks = response["chunks"].as_array();
    let body = match (&response["body"], chunks) {
        (_, Some(chunks)) => chunks.iter().filter_map(Value::as_str).collect(),
        (Value::String(text), None) => text.clone(),
        (body, None) => body.to_string(),
    };
    let exchange = Exchange {
        name: path.strip_prefix(FOLDER).unwrap().to_string_lossy().into_owned(),
        path: file["request"]["path"].as_str()?.to_owned(),
        asked: file["request"]["body"].clone(),
        status: response["status"].as_u64()? as u16,
        body,
        is_stream: chunks.is_some(),
    };
    let is_ours = file["dialect"] == "gemini" && exchange.path.to_ascii_lowercase().contains("generatecontent");
    is_ours.then_some(exchange)
}

/// All exchanges of this dialect; none, and a word about it, where the recordings are not there.
fn exchanges() -> Vec<Exchange> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in ["gemini", "vertex", "constructed"] {
        let entries = std::fs::read_dir(Path::new(FOLDER).join(folder)).into_iter().flatten();
        paths.extend(
            entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|e| e == "json")),
        );
    }
    paths.sort();
    if paths.is_empty() {
        eprintln!("skipped: there are no recordings in {FOLDER}");
    }
    paths.iter().filter_map(|path| read_exchange(path)).collect()
}

fn decode(exchange: &Exchange) -> Vec<Event> {
    let mut events = Vec::new();
    if !exchange.is_stream {
        answer::read(&Json::known(exchange.body.clone()), &mut events);
        return events;
    }
    let mut framer = Framer::new(Framing::Sse, 1 << 24);
    let mut records = Vec::new();
    framer.push(exchange.body.as_bytes(), &mut records).unwrap();
    framer.end(&mut records);
    let mut decoder = stream::Decoder::default();
    records.iter().for_each(|record| decoder.record(record, &mut events));
    decoder.end(&mut events);
    events
}

/// What was said in parts of a recorded body, read by other means: text, thoughts and calls, each as one string.
fn said(exchange: &Exchange) -> [String; 3] {
    let data = exchange.body.lines().filter_map(|line| line.strip_prefix("data:"));
    let bodies: Vec<Value> = match exchange.is_stream {
        true => data.map(|record| serde_json::from_str(record).unwrap()).collect(),
        false => match serde_json::from_str(&exchange.body).unwrap() {
            Value::Array(pieces) => pieces,
            whole => vec![whole],
        },
    };
    let mut said = [const { String::new() }; 3];
    for part in bodies.iter().filter_map(|body| body.pointer("/candidates/0/content/parts")?.as_array()).flatten() {
        if let Some(text) = part["text"].as_str() {
            said[usize::from(part["thought"] == true)].push_str(text);
        }
        if let Some(call) = part.get("functionCall") {
            let name = call["name"].as_str().unwrap_or_default();
            said[2].push_str(&format!("{name}{}", call.get("args").unwrap_or(&json!({}))));
        }
    }
    said
}

/// The same of events. Code that the provider ran is left out.
fn said_in(events: &[Event]) -> [String; 3] {
    use crate::chat::BlockKind;
    let answer = crate::chat::fold(events.iter().cloned()).unwrap();
    let mut said = [const { String::new() }; 3];
    for block in answer.choices.iter().take(1).flat_map(|choice| &choice.blocks) {
        match &block.kind {
            BlockKind::Text => {
                let fenced = |text: &&Text| text.as_str().contains("\n```");
                said[0].extend(block.texts.iter().filter(|text| !fenced(text)).map(|text| text.as_str().into_owned()));
            }
            BlockKind::Thinking => said[1].push_str(&block.joined()),
            BlockKind::ToolCall { name, .. } => said[2].push_str(&format!("{name}{}", block.joined())),
            BlockKind::Redacted { .. } | BlockKind::Media { .. } | BlockKind::Refusal => {}
        }
    }
    said
}

#[test]
fn recorded_answers_are_read() {
    let (mut whole, mut streams, mut errors, mut broken) = (0, 0, 0, 0);
    for exchange in exchanges() {
        let name = &exchange.name;
        if exchange.status != 200 {
            let error = error::read(exchange.status, &exchange.body.clone().into());
            assert!(!error.message.is_empty() && error.kind.is_some(), "{name}");
            errors += 1;
            continue;
        }
        let events = decode(&exchange);
        let failed = events.iter().any(|event| matches!(event, Event::Failure(_)));
        let must_fail = ["blocked", "malformed", "cut", "error-event"].iter().any(|word| name.contains(word));
        assert_eq!(failed, must_fail, "{name}: {events:?}");
        if failed {
            broken += 1;
            continue;
        }
        let finishes = events.iter().filter(|event| matches!(event, Event::Finish { .. })).count();
        assert_eq!(finishes, 1, "{name}");
        let is_plain = !["executableCode", "```", "willContinue"].iter().any(|word| exchange.body.contains(word));
        if is_plain {
            assert_eq!(said_in(&events), said(&exchange), "{name}");
        }
        assert!(events.iter().any(|event| matches!(event, Event::Usage(_))), "{name}");
        if exchange.is_stream { streams += 1 } else { whole += 1 }
    }
    eprintln!("read {whole} whole answers, {streams} streams, {errors} errors, {broken} broken answers");
}

/// A recorded body in the form in which ours is compared with it: one way of writing names and types, and without what says
/// nothing or is the recording client's own.
fn common(body: &Value) -> Value {
    let Value::Object(members) = body else {
        return match body {
            Value::Array(items) => items.iter().map(common).collect(),
            other => other.clone(),
        };
    };
    let mut out = serde_json::Map::new();
    for (key, value) in members {
        let key = match key.as_str() {
            "inline_data" => "inlineData",
            "mime_type" => "mimeType",
            "parameters" => "parametersJsonSchema",
            other => other,
        };
        let is_foreign_id = key == "id" && value.as_str().is_some_and(|id| id.len() != 8);
        let says_nothing = value == &json!({}) && key == "generationConfig" || value == &json!([]) && key == "required";
        if is_foreign_id || says_nothing || key == "responseModalities" {
            continue;
        }
        let value = match (key, value) {
            ("type" | "mode", Value::String(text)) if key == "type" => json!(text.to_lowercase()),
            ("mode", Value::String(text)) => json!(text.to_uppercase()),
            // What Google answers is taken from any object; the recording clients wrap texts in ways of their own.
            ("response", Value::Object(_)) => json!("…"),
            ("responseSchema", value) => common(value),
            _ => common(value),
        };
        out.insert(if key == "responseSchema" { "responseJsonSchema" } else { key }.to_owned(), value);
    }
    if let Some(system) = out.get_mut("systemInstruction").and_then(Value::as_object_mut) {
        system.remove("role");
    }
    Value::Object(out)
}

fn text(role: Role, said: &str) -> Message {
    Message::new(role, vec![Part::text(said)])
}

fn call(id: Option<&str>, name: &str, arguments: &str, signature: Option<&str>) -> Message {
    let part = Part::ToolCall {
        id: id.map(Text::from),
        name: name.into(),
        arguments: Json::known(arguments.to_owned()),
        signature: signature.map(Text::from),
    };
    Message::new(Role::Assistant, vec![part])
}

fn result(id: Option<&str>, content: Vec<Part>) -> Message {
    Message::new(Role::Tool, vec![Part::ToolResult { id: id.map(Text::from), name: None, content, is_error: false }])
}

fn tool(name: &str, description: &str, schema: Value) -> Tool {
    let parameters = Some(Json::known(schema.to_string()));
    Tool { name: name.into(), description: Some(description.into()), parameters, strict: None, cache: None }
}

fn blob(mime: &str, data: &str) -> Part {
    Part::Media(Media { mime: mime.into(), source: Source::Base64(data.into()), detail: None, filename: None })
}

/// Compares what is written for `request` with a recorded body.
fn compare(name: &str, request: impl FnOnce(&Value) -> Request) {
    let exchange = read_exchange(&Path::new(FOLDER).join(name)).unwrap();
    let mut request = request(&exchange.asked);
    let path = exchange.path.split(':').next().unwrap();
    request.model = path.rsplit('/').next().unwrap().to_owned();
    let written = write(&request, &Quirks::default()).unwrap();
    let ours: Value = serde_json::from_slice(&written.body).unwrap();
    assert_eq!(common(&ours), common(&exchange.asked), "{name}");
}

fn asked(messages: Vec<Message>, tools: Vec<Tool>) -> Request {
    Request { messages, tools, ..Request::default() }
}

fn at<'a>(body: &'a Value, pointer: &str) -> &'a str {
    body.pointer(pointer).and_then(Value::as_str).unwrap()
}

#[test]
fn requests_are_like_recorded_ones() {
    if exchanges().is_empty() {
        return;
    }
    let city = |name: &str, description: &str| json!({"type": "object", "properties": {name: {"type": "string", "description": description}}, "required": [name]});
    let nothing = json!({"type": "object", "properties": {}});

    compare("gemini/gen-parallel-tool_call-01.json", |_| {
        let unit = json!({"type": "string", "description": "Temperature unit", "enum": ["celsius", "fahrenheit"]});
        let mut schema = city("location", "The city and state/country for weather information");
        schema["properties"]["unit"] = unit;
        let system = "You are a helpful assistant that can answer questions and help with tasks. Use the available tools when appropriate.";
        let messages =
            vec![text(Role::System, system), text(Role::User, "What is the weather like in Boston & new Delhi?")];
        asked(messages, vec![tool("get_weather", "Get current weather information for a given location", schema)])
    });
    compare("gemini/gen-tool_result-01.json", |_| {
        let messages = vec![
            text(Role::System, "You are a helpful assistant that can answer questions and help with tasks."),
            text(Role::User, "What's the weather like?"),
            call(Some("call_abc123"), "get_weather", r#"{"location":"San Francisco"}"#, None),
            result(Some("call_abc123"), vec![Part::text(r#"{"temperature":65}"#)]),
        ];
        asked(messages, vec![])
    });
    compare("gemini/gen-stream-tool_call-tool_result-01.json", |_| {
        let messages = vec![
            text(Role::Developer, "You are a helpful chatbot."),
            text(Role::User, "What is the temperature of the capital of France?"),
            call(None, "get_capital", r#"{"country":"France"}"#, None),
            result(None, vec![Part::text("Paris")]),
        ];
        let tools = vec![
            tool("get_capital", "Get the capital of a country.", city("country", "The country name.")),
            tool("get_temperature", "Get the temperature in a city.", city("city", "The city name.")),
        ];
        asked(messages, tools)
    });
    compare("gemini/gen-image-01.json", |body| {
        let picture = blob("image/png", at(body, "/contents/0/parts/1/inline_data/data"));
        asked(vec![Message::new(Role::User, vec![Part::text("What do you see in this image?"), picture])], vec![])
    });
    compare("gemini/gen-image-signature-tool_result-tools-01.json", |body| {
        let picture = at(body, "/contents/2/parts/0/functionResponse/parts/0/inline_data/data");
        let messages = vec![
            text(Role::User, "Use the image_fetch tool, then describe exactly what the returned image shows."),
            call(Some("x"), "image_fetch", "{}", Some(at(body, "/contents/1/parts/0/thoughtSignature"))),
            result(Some("x"), vec![Part::text("Fetched the image."), blob("image/png", picture)]),
        ];
        asked(messages, vec![tool("image_fetch", "Fetches the requested image", nothing.clone())])
    });
    compare("vertex/gen-stream-signature-tool_call-tool_result-01.json", |body| {
        let messages = vec![
            text(Role::System, "You must use tools whenever possible."),
            text(Role::User, "What's the best language to learn?"),
            call(None, "best_language_to_learn", "{}", Some(at(body, "/contents/1/parts/0/thoughtSignature"))),
            result(None, vec![Part::text("Ruby")]),
            text(Role::Assistant, "Ruby is a great language to learn!"),
            text(Role::User, "Tell me again: what's the best language to learn?"),
        ];
        asked(messages, vec![tool("best_language_to_learn", "Gets the best language to learn", nothing.clone())])
    });
    compare("gemini/gen-length-01.json", |_| {
        let messages =
            vec![text(Role::System, "You are a helpful chatbot."), text(Role::User, "What is the capital of France?")];
        let settings = Settings { max_tokens: Some(5), ..Settings::default() };
        Request { settings, ..asked(messages, vec![]) }
    });
    compare("gemini/gen-tool_choice-tools-01.json", |_| {
        let mut schema = city("latitude", "Latitude (e.g., 52.5200)");
        schema["properties"]["longitude"] = json!({"type": "string", "description": "Longitude (e.g., 13.4050)"});
        schema["required"] = json!(["latitude", "longitude"]);
        let tools = vec![tool("weather", "Gets current weather for a location", schema)];
        let messages = vec![text(Role::User, "What's the weather in Berlin? (52.5200, 13.4050)")];
        Request { tool_choice: Some(ToolChoice::None), ..asked(messages, tools) }
    });
    compare("vertex/gen-json_schema-01.json", |_| {
        let schema = json!({"type": "object", "properties": {"result": {"type": "number"}}});
        let schema = Json::known(schema.to_string());
        let said = "What is the square root of 64? Answer with a JSON object with the key `result`.";
        let format = Some(Format::Schema { name: None, description: None, schema, strict: None });
        Request { format, ..asked(vec![text(Role::User, said)], vec![]) }
    });
}
