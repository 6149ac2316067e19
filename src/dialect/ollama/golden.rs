//! Exchanges recorded on a real Ollama server, as a second pass over what the tables beside the code say. Skipped aloud on a
//! machine that doesn't have them.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::Bytes;
use jiff::Timestamp;

use crate::chat::{Event, describe, fold};
use crate::dialect::{Framer, Framing, Record, Reply, Wire};
use crate::json::Json;
use crate::json::splice::{self, Edit};
use crate::model::{Capabilities, Model};

struct Exchange {
    wire: Wire,
    request: Bytes,
    status: u16,
    body: String,
}

/// The recordings of chat and generate by name; nothing where there are none.
fn recordings() -> BTreeMap<String, Exchange> {
    files().iter().filter_map(recording).collect()
}

/// All recordings.
fn files() -> Vec<serde_json::Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/golden/ollama");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        eprintln!("skipped: no recordings in {}", folder.display());
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.map(|path| serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()).collect()
}

fn recording(whole: &serde_json::Value) -> Option<(String, Exchange)> {
    let (request, response) = (&whole["request"], &whole["response"]);
    let wire = match (request["method"].as_str()?, request["path"].as_str()?) {
        ("POST", "/api/chat") => Wire::OllamaChat,
        ("POST", "/api/generate") => Wire::OllamaGenerate,
        _ => return None,
    };
    let exchange = Exchange {
        wire,
        request: Bytes::from(request["body"].as_str().unwrap_or_default().to_owned()),
        status: u16::try_from(response["status"].as_u64()?).ok()?,
        body: response["body"].as_str()?.to_owned(),
    };
    Some((whole["name"].as_str()?.to_owned(), exchange))
}

/// Recorded errors that come from somewhere else than the reading of the request, and why. A name ends in `*` where several
/// begin so.
const NOT_FROM_THE_REQUEST: [(&str, &str); 28] = [
    ("chat-404*", "the model is not there"),
    ("generate-404*", "the model is not there"),
    ("chat-content-null-assistant", "the model is not there"),
    ("chat-json-duplicate-key", "the model is not there"),
    ("chat-json-key-case", "the model is not there"),
    ("chat-json-padded-model", "the model is not there"),
    ("chat-json-trailing", "the model is not there"),
    ("chat-no-content-type", "the model is not there"),
    ("chat-model-slash", "a prefix is no part of Ollama's names, but of ours"),
    ("generate-model-slash", "a prefix is no part of Ollama's names, but of ours"),
    ("chat-cloud-disabled", "a setting of that server"),
    ("cloud-chat", "its upstream"),
    ("chat-busy*", "its queue"),
    ("generate-busy", "its queue"),
    ("chat-think-unsupported*", "what the model can do"),
    ("generate-think-unsupported", "what the model can do"),
    ("chat-tools-unsupported*", "what the model can do"),
    ("generate-suffix", "what the model can do"),
    ("chat-images-nonvision", "what the model can do"),
    ("chat-images-empty-string", "what the model can do"),
    ("generate-images-nonvision", "what the model can do"),
    ("chat-too-long*", "the model's window"),
    ("chat-native-too-long*", "the model's window"),
    ("chat-shift-false-too-long", "the model's window"),
    ("generate-too-long*", "the model's window"),
    ("chat-format-bad-schema", "its schema converter"),
    ("generate-bad-template", "its template engine"),
    ("scripted-*", "its runner"),
];

fn reason_elsewhere(name: &str) -> Option<&'static str> {
    let fits = |pattern: &str| match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    };
    NOT_FROM_THE_REQUEST.iter().find(|(pattern, _)| fits(pattern)).map(|(_, reason)| *reason)
}

#[test]
fn recorded_refusals_come_out_the_same() {
    let recordings = recordings();
    let (mut same, mut elsewhere) = (0, 0);
    for (name, exchange) in recordings.iter().filter(|(_, exchange)| exchange.status >= 400) {
        let read = exchange.wire.read_request(&exchange.request);
        if let Some(reason) = reason_elsewhere(name) {
            assert!(read.is_ok(), "{name} is refused by {reason}, not here: {read:?}");
            elsewhere += 1;
            continue;
        }
        let failure = read.expect_err(name);
        assert_eq!(failure.status, exchange.status, "{name}");
        let body = String::from_utf8(exchange.wire.dialect().write_error(&failure)).unwrap();
        assert_eq!(body, exchange.body, "{name}");
        same += 1;
    }
    if !recordings.is_empty() {
        eprintln!("{same} refusals the same, {elsewhere} from elsewhere");
        assert!(same >= 45, "{same}");
    }
}

#[test]
fn recorded_requests_that_were_answered_are_read() {
    for (name, exchange) in recordings().iter().filter(|(_, exchange)| exchange.status == 200) {
        let read = exchange.wire.read_request(&exchange.request);
        let request = read.unwrap_or_else(|failure| panic!("{name}: {failure}"));
        let is_load = exchange.body.contains("\"done_reason\":\"load\"");
        let is_unload = exchange.body.contains("\"done_reason\":\"unload\"");
        let want = match (is_load, is_unload) {
            (true, _) => Some(super::request::Load::Load),
            (_, true) => Some(super::request::Load::Unload),
            _ => None,
        };
        assert_eq!(super::request::load_of(&request), want, "{name}");
    }
}

impl Exchange {
    /// Was it answered, line by line or in one object?
    fn is_answer(&self, streamed: bool) -> bool {
        let asked = || self.wire.read_request(&self.request).unwrap();
        // The rendered prompt that this asks for is no answer of a model.
        let is_debug = self.body.contains("\"_debug_info\"");
        self.status == 200 && !is_debug && streamed == (asked().stream && super::request::load_of(&asked()).is_none())
    }
}

fn reply(model: &str) -> Reply {
    Reply { model: model.to_owned(), started: Timestamp::UNIX_EPOCH, stream_usage: false, ..Reply::default() }
}

/// A line without what can't be the same: the time, tokens of the context, and the host behind a stub.
fn steady(line: &str) -> String {
    let bytes = Bytes::from(line.to_owned());
    let members = splice::members(&bytes).unwrap();
    let edit = |(index, member): (usize, &splice::Member)| match member.key.as_str() {
        "created_at" => Some(Edit::Value(index, "\"TIME\"".to_owned())),
        "context" | "remote_model" | "remote_host" => Some(Edit::Remove(index)),
        _ => None,
    };
    let edits: Vec<Edit> = members.iter().enumerate().filter_map(edit).collect();
    String::from_utf8(splice::apply(&bytes, &members, &edits).to_vec()).unwrap()
}

fn model_of(line: &str) -> String {
    Json::known(line.to_owned()).value().get("model").unwrap().string().unwrap().into_owned()
}

#[test]
fn recorded_whole_answers_are_written_as_they_were() {
    let (mut same, mut cut) = (0, 0);
    for (name, exchange) in recordings().iter().filter(|(_, exchange)| exchange.is_answer(false)) {
        let body = Json::parse(Bytes::from(exchange.body.clone())).unwrap();
        let mut events = Vec::new();
        exchange.wire.read_answer(&body, &mut events);
        if body.value().get("done").and_then(|done| done.bool()) == Some(false) {
            assert!(matches!(events.last(), Some(Event::Failure(_))), "{name}");
            cut += 1;
            continue;
        }
        let answer = fold(events).unwrap();
        let written = exchange.wire.write_answer(&answer, &reply(&model_of(&exchange.body)), Timestamp::UNIX_EPOCH);
        assert_eq!(steady(&String::from_utf8(written).unwrap()), steady(exchange.body.trim_end()), "{name}");
        same += 1;
    }
    eprintln!("{same} whole answers the same, {cut} that were never finished");
}

fn encode(wire: Wire, model: &str, lines: &[&str]) -> Vec<String> {
    let mut decoder = wire.decoder();
    let mut encoder = wire.encoder(reply(model)).unwrap();
    let (mut events, mut out) = (Vec::new(), Vec::new());
    for line in lines {
        decoder.record(&Record { name: None, data: Bytes::from((*line).to_owned()) }, &mut events);
    }
    decoder.end(&mut events);
    let failed = matches!(events.last(), Some(Event::Failure(_)));
    events.into_iter().for_each(|event| encoder.event(event, Timestamp::UNIX_EPOCH, &mut out));
    if !failed {
        encoder.end(Timestamp::UNIX_EPOCH, &mut out);
    }
    String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
}

fn is_empty_line(line: &str) -> bool {
    line.ends_with(r#""content":""},"done":false}"#) || line.ends_with(r#""response":"","done":false}"#)
}

fn described(wire: Wire, lines: &[String]) -> Vec<String> {
    let mut decoder = wire.decoder();
    let mut events = Vec::new();
    for line in lines {
        decoder.record(&Record { name: None, data: Bytes::from(line.clone()) }, &mut events);
    }
    decoder.end(&mut events);
    events.iter().map(describe).collect()
}

/// Where ours differ on purpose: an empty line says nothing and is left out, a stream without an end gets an error line, and calls
/// that rode on the last line come before it, each on its own, as Ollama's own templates send them.
#[test]
fn recorded_streams_are_written_as_they_were() {
    let (mut same, mut alike) = (0, 0);
    for (name, exchange) in recordings().iter().filter(|(_, exchange)| exchange.is_answer(true)) {
        let lines: Vec<&str> = exchange.body.lines().collect();
        let written = encode(exchange.wire, &model_of(lines[0]), &lines);
        let last = lines[lines.len() - 1];
        if last.contains("\"tool_calls\"") && last.contains("\"done\":true") {
            let recorded: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            // Calls of one line end together; ours come on lines of their own.
            let told = |lines: &[String]| {
                let told = described(exchange.wire, lines).into_iter().filter(|event| !event.ends_with(" end"));
                told.collect::<Vec<_>>()
            };
            assert_eq!(told(&written), told(&recorded), "{name}");
            alike += 1;
            continue;
        }
        let mut want: Vec<String> = lines.iter().map(|l| steady(l)).filter(|line| !is_empty_line(line)).collect();
        if last.contains("\"done\":false") {
            want.push(r#"{"error":"the provider ended the answer before it was finished"}"#.to_owned());
        }
        let written: Vec<String> = written.iter().map(|line| steady(line)).collect();
        assert_eq!(written, want, "{name}");
        same += 1;
    }
    eprintln!("{same} streams the same, {alike} alike");
}

#[test]
fn a_stream_cut_anywhere_gives_the_same_events() {
    let recordings = recordings();
    let Some(exchange) = recordings.get("scripted-chat-classic-two-tools") else { return };
    let events = |pieces: &[&[u8]]| -> Vec<String> {
        let mut framer = Framer::new(Framing::Ndjson, 1 << 20);
        let mut decoder = exchange.wire.decoder();
        let (mut records, mut events) = (Vec::new(), Vec::new());
        pieces.iter().for_each(|piece| framer.push(piece, &mut records).unwrap());
        framer.end(&mut records);
        records.iter().for_each(|record| decoder.record(record, &mut events));
        decoder.end(&mut events);
        events.iter().map(describe).collect()
    };
    let bytes = exchange.body.as_bytes();
    let whole = events(&[bytes]);
    assert_eq!(whole.last().map(String::as_str), Some("usage 23+9"));
    for at in 0..=bytes.len() {
        let (head, tail) = bytes.split_at(at);
        assert_eq!(events(&[head, tail]), whole, "cut at {at}");
    }
}

#[test]
fn recordings_of_other_versions_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures/ollama");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return eprintln!("skipped: no recordings in {}", folder.display());
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    for path in paths.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("native-")) {
        let whole: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let wire = if whole["request"]["path"] == "/api/chat" { Wire::OllamaChat } else { Wire::OllamaGenerate };
        let request = Bytes::from(whole["request"]["body"].to_string());
        wire.read_request(&request).unwrap_or_else(|failure| panic!("{}: {failure}", path.display()));
        let response = &whole["response"];
        let lines: Vec<String> = match response["chunks"].as_array() {
            Some(chunks) => chunks.iter().map(|chunk| chunk.as_str().unwrap().to_owned()).collect(),
            None => vec![response["body"].to_string()],
        };
        let text = lines.concat();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let events = described(wire, &lines);
        assert!(events.iter().any(|event| event.starts_with("finish")), "{}: {events:?}", path.display());
    }
}

/// Names that Ollama's rules refuse and ours, which know prefixes, take; and what that server knew of its models.
const SHOWN_ELSEWHERE: [&str; 4] = ["show-name-", "show-404", "show-cloud-", "show-two-colons"];

#[test]
fn recorded_refusals_of_details_come_out_the_same() {
    for file in files() {
        let (name, request) = (file["name"].as_str().unwrap(), &file["request"]);
        let is_refusal =
            request["path"] == "/api/show" && request["method"] == "POST" && file["response"]["status"] == 400;
        let is_elsewhere =
            SHOWN_ELSEWHERE.iter().any(|start| name.starts_with(start)) || name.starts_with("show-bad-name-");
        if !is_refusal || is_elsewhere {
            continue;
        }
        let body = Bytes::from(request["body"].as_str().unwrap_or_default().to_owned());
        let failure = super::models::read_show(&body).expect_err(name);
        let written = String::from_utf8(super::error::write(&failure)).unwrap();
        assert_eq!(Some(written.as_str()), file["response"]["body"].as_str(), "{name}");
    }
}

/// A row as the list of an Ollama server tells it.
fn listed(row: &serde_json::Value) -> Model {
    let text = |value: &serde_json::Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let details = &row["details"];
    let can = |name: &str| row["capabilities"].as_array().map(|list| list.iter().any(|one| one == name));
    Model {
        name: row["name"].as_str().unwrap().to_owned(),
        is_local: true,
        modified_at: text(&row["modified_at"]),
        size: row["size"].as_u64(),
        digest: text(&row["digest"]),
        context_length: details["context_length"].as_u64(),
        embedding_length: details["embedding_length"].as_u64(),
        capabilities: Capabilities {
            completion: can("completion"),
            tools: can("tools"),
            vision: can("vision"),
            thinking: can("thinking"),
            insert: can("insert"),
            embedding: can("embedding"),
            ..Capabilities::default()
        },
        family: text(&details["family"]),
        parameter_size: text(&details["parameter_size"]),
        quantization: text(&details["quantization_level"]),
        format: text(&details["format"]),
        remote: text(&row["remote_model"]).zip(text(&row["remote_host"])),
        parent: text(&details["parent_model"]),
        ..Model::default()
    }
}

#[test]
fn recorded_lists_are_written_as_they_were() {
    let lists = files();
    for file in lists.iter().filter(|file| file["request"]["path"] == "/api/tags" && file["request"]["method"] == "GET")
    {
        let body = file["response"]["body"].as_str().unwrap();
        let told: serde_json::Value = serde_json::from_str(body).unwrap();
        let models: Vec<Model> = told["models"].as_array().unwrap().iter().map(listed).collect();
        let rows: Vec<&Model> = models.iter().collect();
        let written = super::models::write_tags(&rows, Timestamp::UNIX_EPOCH);
        assert_eq!(String::from_utf8(written).unwrap(), body, "{}", file["name"]);
    }
}
