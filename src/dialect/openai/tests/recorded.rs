//! Every recorded exchange decodes, where the recordings are there.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{decode, encode, lines, read, reply};
use crate::chat::{BlockKind, Event, fold};
use crate::dialect::Wire;

const ROOT: &str = "../shared/fixtures";

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end == "json") {
            found.push(path);
        }
    }
}

/// Exchanges of this dialect's two wires.
fn exchanges() -> Vec<(PathBuf, Wire, Value)> {
    let root = Path::new(ROOT);
    if !root.is_dir() {
        eprintln!("skipped: no recorded exchanges at {ROOT}");
        return Vec::new();
    }
    let mut paths = Vec::new();
    files(root, &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let exchange: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).ok()?;
        let wire = match exchange["dialect"].as_str()? {
            "openai" => Wire::OpenAiChat,
            "openai-completions" => Wire::OpenAiCompletions,
            _ => return None,
        };
        Some((path, wire, exchange))
    };
    paths.into_iter().filter_map(read).collect()
}

/// Each block ends once, nothing grows while it is not open, each choice finishes once, nothing follows a failure.
fn check_order(events: &[Event]) -> Result<(), String> {
    let mut open = Vec::new();
    let mut finished = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let is_fine = match event {
            Event::BlockStart { choice, block, .. } => {
                let is_new = !open.contains(&(*choice, *block)) && !finished.contains(choice);
                open.push((*choice, *block));
                is_new
            }
            Event::Delta { choice, block, .. } | Event::Citation { choice, block, .. } => {
                open.contains(&(*choice, *block))
            }
            Event::BlockEnd { choice, block, .. } => {
                let before = open.len();
                open.retain(|known| known != &(*choice, *block));
                open.len() + 1 == before
            }
            Event::Finish { choice, .. } => {
                let is_first = !finished.contains(choice) && !open.iter().any(|(of, _)| of == choice);
                finished.push(*choice);
                is_first
            }
            Event::Failure(_) => at + 1 == events.len(),
            Event::Start { .. } => at == 0,
            Event::Logprobs { .. } | Event::Usage(_) => true,
        };
        if !is_fine {
            return Err(format!("event {at}: {}", crate::chat::describe(event)));
        }
    }
    Ok(())
}

/// What a reader is told, without ids: those that a provider left out are made anew.
fn said(events: Vec<Event>) -> Vec<String> {
    let answer = fold(events).unwrap();
    let usage = format!("{:?}", answer.usage);
    let choices = answer.choices.iter().flat_map(|choice| {
        let blocks = choice.blocks.iter().map(|block| match &block.kind {
            BlockKind::ToolCall { name, .. } => format!("{name} {}", block.joined()),
            kind => format!("{kind:?} {}", block.joined()),
        });
        blocks.chain([format!("{:?}", choice.finish)])
    });
    choices.chain([usage]).collect()
}

fn answer(wire: Wire, response: &Value) -> Option<(Vec<Event>, bool)> {
    if let Some(chunks) = response["chunks"].as_array() {
        let stream: String = chunks.iter().filter_map(Value::as_str).collect();
        return Some((decode(wire, stream.as_bytes(), &[]), true));
    }
    let body = match &response["body"] {
        Value::String(text) => text.trim().to_owned(),
        Value::Null => return None,
        other => other.to_string(),
    };
    if serde_json::from_str::<Value>(&body).is_err() {
        eprintln!("not JSON, left to who reads the body: {}", body.chars().take(60).collect::<String>());
        return None;
    }
    Some((read(wire, body), false))
}

#[test]
fn every_good_answer_is_read_to_its_end() {
    let (mut streams, mut wholes, mut failures) = (0, 0, 0);
    let mut wrong = Vec::new();
    for (path, wire, exchange) in exchanges() {
        let response = &exchange["response"];
        if response["status"].as_u64().is_none_or(|status| status >= 300) {
            continue;
        }
        let Some((events, is_stream)) = answer(wire, response) else {
            continue;
        };
        let tags = exchange["tags"].to_string();
        let name = path.display().to_string();
        let is_bad = ["\"error", "error\"", "midstream"].iter().any(|tag| tags.contains(tag)) || name.contains("-cut");
        let has_failure = events.iter().any(|event| matches!(event, Event::Failure(_)));
        let has_finish = events.iter().any(|event| matches!(event, Event::Finish { .. }));
        *(if is_bad {
            &mut failures
        } else if is_stream {
            &mut streams
        } else {
            &mut wholes
        }) += 1;
        if let Err(why) = check_order(&events) {
            wrong.push(format!("{}: {why}", path.display()));
        }
        if !is_bad && (has_failure || !has_finish) {
            let last = lines(&events).pop();
            wrong.push(format!("{} {tags}: {last:?}", path.display()));
        }
        if wire == Wire::OpenAiChat && !has_failure {
            let again = encode(wire, reply(true), events.clone());
            let again = said(decode(wire, again.as_bytes(), &[]));
            if said(events) != again {
                wrong.push(format!("{}: written again it says {again:?}", path.display()));
            }
        }
        if is_bad && !has_failure {
            wrong.push(format!("{} {tags}: no failure", path.display()));
        }
    }
    eprintln!("{streams} streams, {wholes} whole answers, {failures} that fail");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_error_has_a_message() {
    for (path, wire, exchange) in exchanges() {
        let response = &exchange["response"];
        let status = response["status"].as_u64().unwrap_or_default() as u16;
        if status < 400 {
            continue;
        }
        let body = match &response["body"] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let error = wire.dialect().read_error(status, &body.clone().into());
        eprintln!("{status} {:?} {:?} {:?} {}", error.code, error.kind, error.marks, error.message);
        assert!(
            !error.message.is_empty() && !error.message.contains("said nothing more"),
            "{}: {body}",
            path.display()
        );
    }
}

/// What must stay: of tools their names and schemas, of all else everything. Empty lists are left out.
fn shape(value: Option<&Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(tools)) => tools
            .iter()
            .map(|tool| serde_json::json!([tool["function"]["name"], tool["function"]["parameters"]]))
            .collect(),
        Some(Value::Null) | None => Vec::new(),
        Some(other) => vec![other.clone()],
    }
}

#[test]
fn every_request_is_read_and_written_again() {
    let quirks = crate::dialect::Quirks::default();
    let (mut count, mut wrong) = (0, Vec::new());
    for (path, wire, exchange) in exchanges() {
        let body = &exchange["request"]["body"];
        if !body.is_object() || exchange["response"]["status"].as_u64().is_none_or(|status| status >= 300) {
            continue;
        }
        // One provider's own parts, and prompts of tokens, have no neutral form.
        if body.to_string().contains("document_url") || body["prompt"][0].is_number() || body["prompt"][0].is_array() {
            continue;
        }
        let written = wire.read_request(&body.to_string().into()).and_then(|r| wire.write_request(&r, &quirks));
        let written = match written {
            Ok(written) => written,
            Err(failure) => {
                wrong.push(format!("{}: {failure} {:?}", path.display(), failure.param));
                continue;
            }
        };
        let again: Value = serde_json::from_slice(&written.body).unwrap();
        assert_eq!(again["model"], body["model"]);
        for path_of in ["/tools", "/response_format/json_schema/schema", "/temperature", "/logit_bias"] {
            let (before, after) = (shape(body.pointer(path_of)), shape(again.pointer(path_of)));
            if before != after {
                wrong.push(format!("{}: {path_of}: {before:?} {after:?}", path.display()));
            }
        }
        count += 1;
    }
    eprintln!("{count} requests");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
