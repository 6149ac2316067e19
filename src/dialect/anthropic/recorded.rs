//! Recorded exchanges as a second pass over the same code. They are not part of the project: without them these tests say that
//! they skip. What recorded answers tell clients is checked from outside, in `tests/recorded.rs`.

use std::path::Path;

use bytes::Bytes;
use serde_json::Value;

use crate::chat::Failure;
use crate::dialect::{Dialect, Operation, Quirks, Wire};

const FOLDER: &str = "../shared/fixtures/anthropic";

/// The names and bodies of recorded requests.
fn requests() -> Vec<(String, Value)> {
    let entries = std::fs::read_dir(Path::new(FOLDER)).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.extension().is_some()).collect();
    paths.sort();
    if paths.is_empty() {
        eprintln!("skipped: there are no recordings in {FOLDER}");
    }
    let read = |path: &std::path::PathBuf| {
        let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let body = file["request"]["body"].clone();
        let is_good = file["response"]["status"] == 200 && body["messages"].is_array();
        is_good.then(|| (path.file_stem().unwrap().to_string_lossy().into_owned(), body))
    };
    paths.iter().filter_map(read).collect()
}

/// What a provider of another dialect can't be sent, by a word of the refusal: files that lie at Anthropic, and documents.
const REFUSED: [&str; 4] =
    ["can't be sent to Ollama", "container_upload", "is not one of this provider's", "image URLs"];

#[test]
fn every_recorded_request_is_read_and_goes_to_every_dialect() {
    let (mut count, mut refused) = (0, 0);
    for (name, mut body) in requests() {
        // Requests to count have no limit.
        if body["max_tokens"].is_null() {
            body["max_tokens"] = 1.into();
        }
        let read = Wire::Anthropic.read_request(&Bytes::from(body.to_string()));
        let is_known = |failure: &Failure| REFUSED.iter().any(|words| failure.message.contains(words));
        let request = match read {
            Err(failure) => {
                assert!(is_known(&failure), "{name}: {failure}");
                refused += 1;
                continue;
            }
            Ok(request) => request,
        };
        for dialect in Dialect::ALL {
            count += 1;
            let written = dialect.wire(Operation::Chat).write_request(&request, &Quirks::default());
            if let Err(failure) = written {
                assert!(is_known(&failure), "{name} to {dialect:?}: {failure}");
                refused += 1;
            }
        }
    }
    eprintln!("{count} requests written, {refused} refused for what can't be sent");
}
