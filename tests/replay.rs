//! Promise: a client of Ollama can't tell the gateway from Ollama: the same status, headers, fields, types, order and omission as
//! a real server's, as recorded, with the real thing behind it or a cloud provider.
//!
//! What differs on purpose stands with its reason in `replay_differences.txt`, a line each. Without the recordings beside the
//! checkout this skips, and says so.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use support::{Answer, Asked, Gateway, Setup, Step, Upstream, gateway, recorded, reply, status, stream, upstream};

/// Of OpenAI's and Anthropic's faces, what is replayed here; of Ollama's own, everything.
const OTHER_FACES: [&str; 1] = ["/v1/embeddings"];

/// A recorded exchange.
struct Case {
    name: String,
    request: Value,
    response: Value,
    note: String,
}

fn cases() -> Vec<Case> {
    let all = recorded::exchanges("golden/ollama").into_iter().map(|(name, exchange)| Case {
        name,
        request: exchange["request"].clone(),
        response: exchange["response"].clone(),
        note: exchange["note"].as_str().unwrap_or_default().to_owned(),
    });
    let is_native = |case: &Case| !case.path().starts_with("/v1/") || case.name.starts_with("path-");
    all.filter(|case| is_native(case) || OTHER_FACES.contains(&case.path())).collect()
}

impl Case {
    fn path(&self) -> &str {
        let path = self.request["path"].as_str().unwrap_or_default();
        path.split('?').next().unwrap_or_default()
    }

    fn status(&self) -> u16 {
        self.response["status"].as_u64().unwrap() as u16
    }

    fn body(&self) -> &str {
        self.response["body"].as_str().unwrap_or_default()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let rows = self.response["headers"].as_array().unwrap();
        let row = rows.iter().find(|row| row[0].as_str().unwrap().eq_ignore_ascii_case(name))?;
        row[1].as_str()
    }

    /// The model that was asked for, as typed.
    fn model(&self) -> Option<String> {
        let body: Value = serde_json::from_str(self.request["body"].as_str()?).ok()?;
        body["model"].as_str().or(body["name"].as_str()).map(str::to_owned)
    }

    fn asked(&self) -> Asked {
        let method = self.request["method"].as_str().unwrap();
        let mut asked = Asked::new(method, self.request["path"].as_str().unwrap());
        for row in self.request["headers"].as_array().unwrap() {
            asked = asked.header(row[0].as_str().unwrap(), row[1].as_str().unwrap());
        }
        asked.body(self.request["body"].as_str().unwrap_or_default())
    }

    /// What a real Ollama says to it: the recorded answer.
    fn step(&self) -> Step {
        let content_type = self.header("content-type").unwrap_or_default().to_owned();
        if let ("/v1/embeddings", Ok(body)) = (self.path(), serde_json::from_str(self.body())) {
            return status(self.status(), natively(&body));
        }
        if self.status() == 200 && self.header("transfer-encoding").is_some() {
            return Step::Stream { content_type, chunks: vec![self.body().into()], is_cut: false };
        }
        Step::Whole { status: self.status(), headers: Vec::new(), content_type, body: self.body().into() }
    }

    /// The server ran with a variable of Ollama that has no counterpart here.
    fn needs_other_server(&self) -> bool {
        let is_set = self.note.contains("OLLAMA_") || self.name.contains("-busy");
        is_set && !self.note.starts_with("OLLAMA_ORIGINS=")
    }

    /// It is about models that an Ollama server stores, or about its account.
    fn is_managing(&self) -> bool {
        let paths = ["pull", "push", "create", "copy", "delete", "blobs", "me", "signout", "user", "experimental"];
        self.path()
            .strip_prefix("/api/")
            .is_some_and(|path| paths.contains(&path.split('/').next().unwrap_or_default()))
    }

    /// Refused for what the request says, whatever is stored.
    fn is_refusal(&self) -> bool {
        [400, 405].contains(&self.status())
    }

    fn origins(&self) -> Option<&str> {
        self.note.strip_prefix("OLLAMA_ORIGINS=").map(|note| note.split(' ').next().unwrap_or_default())
    }
}

/// An answer of `/v1/embeddings` as `/api/embed` says the same: the gateway asks there.
fn natively(body: &Value) -> Value {
    let Some(rows) = body["data"].as_array() else { return json!({"error": body["error"]["message"]}) };
    let floats = |packed: &str| -> Value {
        let bytes = STANDARD.decode(packed).unwrap();
        bytes.chunks(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
    };
    let vector = |row: &Value| row["embedding"].as_str().map_or_else(|| row["embedding"].clone(), floats);
    let vectors: Vec<Value> = rows.iter().map(vector).collect();
    json!({"model": body["model"], "embeddings": vectors, "total_duration": 9, "load_duration": 4,
           "prompt_eval_count": body["usage"]["prompt_tokens"]})
}

/// Headers whose values are part of the promise.
const HEADERS: [&str; 7] = [
    "content-type",
    "allow",
    "vary",
    "access-control-allow-origin",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-max-age",
];

/// How closely bodies are compared.
#[derive(Clone, Copy, PartialEq)]
enum Closeness {
    /// Values too, except those that vary from run to run.
    Values,
    /// Fields, their order and the types of their values; lines of one shape in a row count once.
    Shape,
}

/// The first difference between what was recorded and what came.
fn difference(case: &Case, got: &Answer, closeness: Closeness) -> Option<String> {
    if got.status != case.status() {
        return Some(format!("status {} instead of {}: {}", got.status, case.status(), clip(&got.text())));
    }
    if let Some(difference) = other_order(case, got) {
        return Some(difference);
    }
    for name in HEADERS {
        if got.header(name) != case.header(name) {
            return Some(format!("{name}: {:?} instead of {:?}", got.header(name), case.header(name)));
        }
    }
    let (ours, theirs) = (comparable(&got.text(), closeness), comparable(case.body(), closeness));
    if ours == theirs {
        return None;
    }
    let at = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
    let line = |lines: &[String]| clip(lines.get(at).map_or("(nothing)", String::as_str));
    Some(format!("line {}: {} instead of {}", at + 1, line(&ours), line(&theirs)))
}

/// The order of headers as far as it is ours to choose: the server's library puts date and length where it likes, and what we
/// add stands anywhere.
fn other_order(case: &Case, got: &Answer) -> Option<String> {
    let is_ordered = |name: &String| HEADERS.contains(&name.as_str());
    let recorded = case.response["headers"].as_array().unwrap().iter();
    let recorded: Vec<String> =
        recorded.map(|row| row[0].as_str().unwrap().to_lowercase()).filter(is_ordered).collect();
    let ours: Vec<String> = got.headers.iter().map(|(name, _)| name.clone()).filter(is_ordered).collect();
    (ours != recorded).then(|| format!("headers {ours:?} instead of {recorded:?}"))
}

fn clip(text: &str) -> String {
    text.chars().take(400).collect()
}

/// The lines of a body with a placeholder for all that varies; text that is no JSON as it is.
fn comparable(body: &str, closeness: Closeness) -> Vec<String> {
    let lines = body.lines().map(|line| match serde_json::from_str::<Value>(line) {
        Ok(value) if closeness == Closeness::Values => settled("", value).to_string(),
        Ok(value) => shape("", value).to_string(),
        Err(_) => line.to_owned(),
    });
    let mut lines: Vec<String> = lines.collect();
    if closeness == Closeness::Shape {
        lines.dedup();
    }
    lines
}

fn varies(key: &str) -> bool {
    key.ends_with("_at") || ["size", "size_vram", "parameters", "modelfile", "version"].contains(&key)
}

/// A duration is left out when it is 0; polyllama says its own version beside Ollama's.
fn is_compared(key: &str) -> bool {
    !key.ends_with("_duration") && key != "polyllama"
}

fn settled(key: &str, value: Value) -> Value {
    match value {
        Value::String(_) | Value::Number(_) if varies(key) => json!("…"),
        Value::Array(items) => items.into_iter().map(|item| settled("", item)).collect(),
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(key, _)| is_compared(key));
            kept.map(|(key, value)| (key.clone(), settled(&key, value))).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

/// Errors and reasons keep their text; the free text of a model becomes its type.
fn shape(key: &str, value: Value) -> Value {
    match value {
        Value::String(_) if !["error", "done_reason", "role", "model"].contains(&key) => json!("text"),
        Value::Number(_) => json!("number"),
        Value::Array(items) => {
            let mut shapes: Vec<Value> = items.into_iter().map(|item| shape("", item)).collect();
            shapes.dedup();
            shapes.into()
        }
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(key, _)| is_compared(key));
            kept.map(|(key, value)| (key.clone(), shape(&key, value))).collect::<Map<_, _>>().into()
        }
        other => other,
    }
}

/// Intended differences: `over name-pattern reason`, a star at the end of the name for all that begin so.
fn intended() -> Vec<(String, String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/replay_differences.txt");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    rows.map(|line| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let (over, name) = (words.next().unwrap(), words.next().unwrap());
        let reason = words.collect::<Vec<_>>().join(" ");
        assert!(!reason.is_empty(), "{line}: a reason");
        (over, name, reason)
    })
    .collect()
}

fn reason<'a>(intended: &'a [(String, String, String)], over: &str, name: &str) -> Option<&'a str> {
    let fits = |pattern: &str| pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start));
    intended.iter().find(|row| row.0 == over && fits(&row.1)).map(|row| row.2.as_str())
}

/// Compares them all, prints the count, and fails when there is a difference without a reason.
fn judge(over: &str, results: Vec<(String, Option<String>)>) {
    let intended = intended();
    let (mut same, mut meant, mut wrong) = (0, BTreeMap::<&str, u32>::new(), Vec::new());
    for (name, difference) in &results {
        match (difference, reason(&intended, over, name)) {
            (None, _) => same += 1,
            (Some(_), Some(reason)) => *meant.entry(reason).or_default() += 1,
            (Some(difference), None) => wrong.push(format!("{name}: {difference}")),
        }
    }
    // Written past the test runner's capture: the count is to be seen when all is well, too.
    let mut out = std::io::stderr().lock();
    let _ = writeln!(out, "over {over}: {same} of {} exchanges match", results.len());
    for (reason, count) in &meant {
        let _ = writeln!(out, "  {count} differ on purpose: {reason}");
    }
    assert!(wrong.is_empty(), "{} differ without a reason:\n{}", wrong.len(), wrong.join("\n"));
}

/// The models of the recorded server.
const MODELS: [&str; 9] = [
    "tiny:latest",
    "tiny-sys:latest",
    "classic:latest",
    "native:latest",
    "qwen:latest",
    "faraway:latest",
    "gone:latest",
    "denied:latest",
    "nosys:latest",
];

/// A case about a list: an Ollama that has just these models, and a gateway that has seen nothing else.
fn replay_list(case: &Case) -> (String, Option<String>) {
    let up = upstream();
    let method_has_body = case.status() == 200 && !case.body().is_empty();
    if method_has_body && case.path() == "/api/tags" {
        up.now_tags(case.step());
    }
    if method_has_body && case.path() == "/api/ps" {
        up.now_running(case.step());
    }
    replay(case, &mut Setups::new(|| gateway().provider("ollama", &up, &[])), Closeness::Values)
}

fn recorded_ollama() -> Upstream {
    let up = upstream();
    let cases = cases();
    let tags = cases.iter().filter(|case| case.path() == "/api/tags" && case.status() == 200);
    let fullest = tags.max_by_key(|case| case.body().len()).map(|case| case.body().to_owned());
    up.now_lists(&MODELS);
    if let Some(body) = fullest {
        // The models as the recorded server listed them, and those that other runs had.
        let mut list: Value = serde_json::from_str(&body).unwrap();
        let rows = list["models"].as_array_mut().unwrap();
        for name in MODELS {
            if rows.iter().all(|row| row["name"] != name) {
                let mut row = rows[0].clone();
                row["name"] = json!(name);
                row["model"] = json!(name);
                rows.push(row);
            }
        }
        up.now_tags(reply(list));
    }
    up
}

fn replay(case: &Case, setups: &mut Setups<'_>, closeness: Closeness) -> (String, Option<String>) {
    let gw = setups.gateway(case.origins());
    let got = gw.send(&case.asked());
    (case.name.clone(), difference(case, &got, closeness))
}

/// A gateway for each value of OLLAMA_ORIGINS.
struct Setups<'a> {
    make: Box<dyn Fn() -> Setup + 'a>,
    started: BTreeMap<String, Gateway>,
}

impl<'a> Setups<'a> {
    fn new(make: impl Fn() -> Setup + 'a) -> Setups<'a> {
        Setups { make: Box::new(make), started: BTreeMap::new() }
    }

    fn gateway(&mut self, origins: Option<&str>) -> &Gateway {
        let make = &self.make;
        self.started.entry(origins.unwrap_or_default().to_owned()).or_insert_with(|| {
            let setup = make();
            origins.map_or_else(make, |origins| setup.env("OLLAMA_ORIGINS", origins)).start()
        })
    }
}

/// With an Ollama behind it that answers as it did when it was recorded.
#[test]
fn over_an_ollama() {
    let up = recorded_ollama();
    let mut setups = Setups::new(|| gateway().provider("ollama", &up, &[]));
    let cases = cases();
    let mut results = Vec::new();
    for case in &cases {
        if ["/api/tags", "/api/ps"].contains(&case.path()) {
            results.push(replay_list(case));
            continue;
        }
        up.now_answers(case.step());
        results.push(replay(case, &mut setups, Closeness::Values));
    }
    judge("ollama", results);
}

/// With a cloud provider that lists the same names: what the model says is another matter, all else is the same.
#[test]
fn over_a_cloud_provider() {
    let names = MODELS.map(|name| name.trim_end_matches(":latest"));
    let up = upstream().models(&names).answers(|seen| {
        let usage = json!({"prompt_tokens": 14, "completion_tokens": 5, "total_tokens": 19});
        let body = seen.json();
        if seen.path.ends_with("/embeddings") {
            let row = |(index, _): (usize, &Value)| json!({"object": "embedding", "index": index, "embedding": [0.1, -0.2, 0.3, 0.4]});
            let rows: Vec<Value> = body["input"].as_array().unwrap_or(&vec![json!("")]).iter().enumerate().map(row).collect();
            return reply(json!({"object": "list", "data": rows, "model": "m", "usage": {"prompt_tokens": 4, "total_tokens": 4}}));
        }
        let has_limit = body["max_tokens"].is_number() || body["max_completion_tokens"].is_number();
        let finish = if has_limit { "length" } else { "stop" };
        if !seen.wants_stream() {
            return reply(json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0,
                "text": "The capital", "message": {"role": "assistant", "content": "The capital"}, "finish_reason": finish}],
                "usage": usage}));
        }
        let chunk = |text: &str, finish: Value| {
            format!("data: {}\n\n", json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [
                {"index": 0, "text": text, "delta": {"content": text}, "finish_reason": finish}]}))
        };
        let last = format!("data: {}\n\n", json!({"id": "c", "choices": [], "usage": usage}));
        stream(chunk("The", Value::Null) + &chunk(" capital", Value::Null) + &chunk("", json!(finish)) + &last + "data: [DONE]\n\n")
    });
    let mut setups = Setups::new(|| gateway().provider("openai", &up, &["k"]));
    let cases = cases();
    let makes_sense = |case: &&Case| {
        // What the recorded model said is not asked of a cloud: thoughts, calls and failures have stories elsewhere.
        let is_scripted = case.name.starts_with("scripted-") && !case.name.contains("-embed");
        // Lists and details are of other models: they have a story of their own too.
        let is_list = ["/api/tags", "/api/ps", "/api/show"].contains(&case.path()) && case.status() == 200;
        // Here embeddings of OpenAI's face pass: the answer is the provider's own.
        let passes = case.path().starts_with("/v1/");
        !is_scripted
            && !passes
            && (!case.is_managing() || case.is_refusal())
            && !is_list
            && !case.needs_other_server()
            && case.model().is_none_or(|model| !model.contains("cloud"))
    };
    let results = cases.iter().filter(makes_sense).map(|case| replay(case, &mut setups, Closeness::Shape)).collect();
    judge("cloud", results);
}
