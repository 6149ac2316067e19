//! What typed clients parse answers into: a member that is missing or of another type fails here, as it does there.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::support::Answer;

/// `GET /api/tags`
#[derive(Debug, Deserialize)]
pub struct Tags {
    pub models: Vec<Row>,
}

#[derive(Debug, Deserialize)]
pub struct Row {
    pub name: String,
    pub model: String,
    pub modified_at: jiff::Timestamp,
    #[serde(rename = "size")]
    pub _size: u64,
    pub digest: String,
    #[serde(rename = "details")]
    pub _details: Details,
}

/// Strings, all of them; `families` alone may be null.
#[derive(Debug, Deserialize)]
pub struct Details {
    #[serde(rename = "parent_model")]
    pub _parent_model: String,
    #[serde(rename = "format")]
    pub _format: String,
    pub family: String,
    #[serde(rename = "families")]
    pub _families: Option<Vec<String>>,
    pub parameter_size: String,
    #[serde(rename = "quantization_level")]
    pub _quantization_level: String,
}

/// `POST /api/show`
#[derive(Debug, Deserialize)]
pub struct Shown {
    pub details: Details,
    pub model_info: Map<String, Value>,
    pub capabilities: Vec<String>,
    #[serde(default)]
    pub parameters: String,
    #[serde(default)]
    pub template: String,
}

impl Shown {
    /// As every client reads the window: by the architecture that is told beside it.
    pub fn context_length(&self) -> Option<u64> {
        let architecture = self.model_info["general.architecture"].as_str().unwrap();
        let window = self.model_info.get(&format!("{architecture}.context_length"))?;
        Some(window.as_u64().unwrap_or_else(|| panic!("not a number: {window}")))
    }
}

/// A line of `/api/chat`.
#[derive(Debug, Deserialize)]
struct ChatLine {
    message: Message,
    #[serde(flatten)]
    line: Line,
}

/// A line of `/api/generate`.
#[derive(Debug, Deserialize)]
struct GenerateLine {
    response: String,
    #[serde(flatten)]
    line: Line,
}

#[derive(Debug, Deserialize)]
struct Line {
    model: String,
    #[serde(rename = "created_at")]
    _created_at: jiff::Timestamp,
    done: bool,
    done_reason: Option<String>,
    total_duration: Option<u64>,
    prompt_eval_count: Option<u64>,
    eval_count: Option<u64>,
    eval_duration: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct Message {
    role: String,
    content: String,
    thinking: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
}

/// With nothing beside it that a real Ollama doesn't send: some clients refuse what they don't know here.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolCall {
    #[serde(rename = "id")]
    _id: Option<String>,
    function: Function,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Function {
    #[serde(rename = "index")]
    _index: Option<u32>,
    name: String,
    arguments: Map<String, Value>,
}

/// What a whole answer said.
#[derive(Debug, Default)]
pub struct Said {
    pub text: String,
    pub thinking: String,
    /// Name and arguments.
    pub calls: Vec<(String, Map<String, Value>)>,
    /// The message as a client keeps it in its history.
    pub reason: String,
}

/// The list: parsed, its names equal, distinct and tagged, its digests such as the `ollama` command can cut.
pub fn tags(answer: &Answer) -> Vec<Row> {
    let rows = parse::<Tags>(answer).models;
    for row in &rows {
        assert_eq!(row.name, row.model);
        assert!(row.name.contains(':'), "{} would be asked for as :latest", row.name);
        assert!(row.digest.len() == 64 && row.digest.bytes().all(|b| b.is_ascii_hexdigit()), "{}", row.digest);
        assert!(row.modified_at.as_second() > 1_500_000_000, "{} changed at {}", row.name, row.modified_at);
    }
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names.len(), rows.len(), "a name stands twice");
    rows
}

/// A whole JSON answer.
pub fn parse<T: DeserializeOwned>(answer: &Answer) -> T {
    let kind = answer.header("content-type").unwrap();
    assert!(kind.starts_with("application/json"), "{kind}");
    serde_json::from_slice(&answer.body).unwrap_or_else(|e| panic!("{e}: {}", answer.text()))
}

/// A stream of `/api/chat` to the end, every line of it parsed.
pub fn chat(answer: &Answer, model: &str) -> Said {
    let lines: Vec<ChatLine> = lines(answer);
    check_order(lines.iter().map(|line| &line.line), model);
    let mut said = Said::default();
    for line in lines {
        take(line, &mut said);
    }
    said
}

/// `/api/chat` with `stream:false`.
pub fn chat_whole(answer: &Answer, model: &str) -> Said {
    let line: ChatLine = parse(answer);
    check_last(&line.line, model);
    let mut said = Said::default();
    take(line, &mut said);
    said
}

/// A stream of `/api/generate`.
pub fn generate(answer: &Answer, model: &str) -> String {
    let lines: Vec<GenerateLine> = lines(answer);
    check_order(lines.iter().map(|line| &line.line), model);
    lines.into_iter().map(|line| line.response).collect()
}

fn take(line: ChatLine, said: &mut Said) {
    assert_eq!(line.message.role, "assistant");
    said.text += &line.message.content;
    said.thinking += line.message.thinking.as_deref().unwrap_or_default();
    let calls = line.message.tool_calls.into_iter().flatten();
    said.calls.extend(calls.map(|call| (call.function.name, call.function.arguments)));
    said.reason = line.line.done_reason.unwrap_or_default();
}

/// Clients split at newlines and parse each piece.
fn lines<T: DeserializeOwned>(answer: &Answer) -> Vec<T> {
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let text = answer.text();
    assert!(text.ends_with('\n'), "the last line has no end: {text:?}");
    let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    text.lines().map(parse).collect()
}

fn check_order<'a>(lines: impl Iterator<Item = &'a Line>, model: &str) {
    let lines: Vec<&Line> = lines.collect();
    let (last, before) = lines.split_last().expect("no line at all");
    check_last(last, model);
    assert!(before.iter().all(|line| !line.done), "done before the last line");
    assert!(before.iter().all(|line| line.model == model), "another model's name");
}

/// Clients show tokens a second from these, and divide by them.
fn check_last(line: &Line, model: &str) {
    assert_eq!(line.model, model);
    assert!(line.done);
    assert!(["stop", "length"].contains(&line.done_reason.as_deref().unwrap()), "{line:?}");
    let numbers = [line.total_duration, line.prompt_eval_count, line.eval_count, line.eval_duration];
    assert!(numbers.iter().all(|number| number.is_some_and(|n| n > 0)), "{model}: {line:?}");
}
