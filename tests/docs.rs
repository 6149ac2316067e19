//! Promise: what the documentation says can be done can be done. Its worked examples run, the items that it names are there, and
//! its links lead somewhere.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{Client, Seen, Step, gateway, reply, status, stream, upstream};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text_of(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The files below a folder with this ending, relative to the root; not those of hidden folders and of builds.
fn files(folder: &Path, ending: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
        let is_passed = name.starts_with('.') || ["target", "node_modules", "fuzz"].contains(&name.as_str());
        if path.is_dir() && !is_passed {
            found.extend(files(&path, ending));
        } else if name.ends_with(ending) {
            found.push(path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned());
        }
    }
    found
}

/// The lines of the fenced block whose opening fence says `info`.
fn block(text: &str, info: &str) -> String {
    let lines = text.lines().skip_while(|line| *line != format!("```{info}")).skip(1);
    let block: Vec<&str> = lines.take_while(|line| *line != "```").collect();
    assert!(!block.is_empty(), "no block ```{info}");
    block.join("\n") + "\n"
}

const QUESTION: &str = "Say hello";

/// The provider of the worked example, with its habits.
fn acme(seen: &Seen) -> Step {
    let body = seen.json();
    if seen.key() == Some("spent") {
        return status(429, json!({"error": {"message": "come back tomorrow", "code": "daily_cap"}}));
    }
    let is_unfit =
        body.get("seed").is_some() || body.get("store").is_some() || body["temperature"].as_f64() > Some(1.0);
    if is_unfit {
        return status(422, json!({"error": {"message": "I don't take that", "type": "invalid_request_error"}}));
    }
    let usage = json!({"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5});
    let choice =
        |field: &str| json!({"index": 0, field: {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"});
    if seen.wants_stream() {
        let chunk =
            json!({"id": "a1", "object": "chat.completion.chunk", "model": "road-1", "choices": [choice("delta")]});
        let last =
            json!({"id": "a1", "object": "chat.completion.chunk", "model": "road-1", "choices": [], "usage": usage});
        return stream(format!("data: {chunk}\n\ndata: {last}\n\ndata: [DONE]\n\n"));
    }
    reply(
        json!({"id": "a1", "object": "chat.completion", "model": "road-1", "choices": [choice("message")], "usage": usage}),
    )
}

/// The block of docs/adding-a-provider.md is all that a new provider takes.
#[test]
fn the_worked_example_of_a_provider_answers_both_faces() {
    let entry = block(&text_of("docs/adding-a-provider.md"), "toml worked-example");
    let up = upstream().models(&["road-1", "road-embed-1", "road-tts"]).answers(acme);
    let gw = gateway()
        .file("polyllama.toml", &entry)
        .env("ACME_BASE_URL", &format!("{}/v1", up.address()))
        .env("ACME_API_KEYS", "spent,good")
        .start();
    assert_eq!(gw.listed(), ["acme:road-1"]);
    for client in [Client::OllamaChat, Client::OpenAiChat] {
        let more = match client {
            Client::OllamaChat => json!({"options": {"seed": 7, "temperature": 1.5}}),
            _ => json!({"seed": 7, "store": true}),
        };
        for is_streamed in [false, true] {
            let answer = gw.send(&client.ask("acme:road-1", QUESTION, is_streamed, &more));
            assert_eq!(answer.status, 200, "{client:?}: {}", answer.everything());
            let told = client.read(&answer, is_streamed);
            assert_eq!((told.text.as_str(), told.finish.as_str()), ("Hello!", "stop"), "{client:?}");
            assert_eq!(told.usage, Some((3, 2)), "{client:?}");
            assert_eq!(up.last().json()["random_seed"], 7, "{client:?}");
            assert_eq!(up.last().header("x-client"), Some("polyllama"));
        }
    }
    assert_eq!(up.keys_seen().iter().filter(|key| *key == "spent").count(), 1, "its day's quota is spent");
    up.assert_only_keys(&["spent", "good"]);
}

/// The three lines of docs/adding-a-provider.md are enough for a plain one.
#[test]
fn three_lines_make_a_provider() {
    let entry = block(&text_of("docs/adding-a-provider.md"), "toml");
    let up = upstream().models(&["road-1"]).answers(|_| {
        reply(json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}))
    });
    let entry = entry.replace("https://api.acme.example/v1", &format!("{}/v1", up.address()));
    let gw = gateway().file("polyllama.toml", &entry).env("ACME_API_KEYS", "k").start();
    for client in [Client::OllamaChat, Client::OpenAiChat] {
        let answer = gw.send(&client.ask("acme:road-1", QUESTION, false, &Value::Null));
        assert_eq!(client.read(&answer, false).text, "Hi", "{}", answer.everything());
    }
    assert_eq!(up.keys_seen(), ["k", "k"]);
}

/// Rows of tables whose first cell is a path: the path, and the code in the second cell.
fn named_items(text: &str) -> Vec<(String, Vec<String>)> {
    let row = |line: &str| {
        let (path, rest) = line.strip_prefix("| `")?.split_once("` |")?;
        let code = rest.split('`').skip(1).step_by(2).map(str::to_owned);
        path.starts_with("src/").then(|| (path.to_owned(), code.collect()))
    };
    text.lines().filter_map(row).collect()
}

#[test]
fn what_a_dialect_needs_is_named_as_it_is() {
    let rows = named_items(&text_of("docs/adding-a-dialect.md"));
    assert!(rows.len() > 15, "the tables were found");
    for (path, items) in &rows {
        // A module may have grown into a folder.
        let folder = path.trim_end_matches(".rs");
        let in_folder =
            files(&root().join("src"), ".rs").into_iter().filter(|file| file.starts_with(&format!("{folder}/")));
        let whole: String = std::iter::once(path.clone())
            .chain(in_folder)
            .filter(|file| root().join(file).exists())
            .map(|file| text_of(&file))
            .collect();
        for item in items.iter().filter(|item| item.contains([' ', '(', ':', ','])) {
            assert!(whole.contains(item.as_str()), "{path} has no `{item}`");
        }
    }
}

/// Whoever adds a dialect finds all places in the list: those that name the one that was added last.
#[test]
fn every_place_that_names_a_dialect_is_listed() {
    let listed: BTreeSet<String> =
        named_items(&text_of("docs/adding-a-dialect.md")).into_iter().map(|(path, _)| path).collect();
    for file in files(&root().join("src"), ".rs") {
        let code = text_of(&file);
        let code = code.split("#[cfg(test)]").next().unwrap_or_default();
        let is_outside = !file.starts_with("src/dialect/anthropic");
        let names = ["Dialect::Anthropic", "Wire::Anthropic"].iter().any(|name| code.contains(name));
        assert!(
            !(is_outside && names && !file.contains("test")) || listed.contains(&file),
            "{file} names a dialect: docs/adding-a-dialect.md doesn't list it"
        );
    }
}

#[test]
fn every_quirk_is_told() {
    let page = text_of("docs/adding-a-provider.md");
    let code = text_of("src/dialect/quirks.rs");
    let fields = code.lines().filter_map(|line| line.strip_prefix("    pub ")?.split_once(':'));
    let missing: Vec<&str> =
        fields.map(|(name, _)| name).filter(|name| !page.contains(&format!("| `{name}` |"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_field_of_a_log_line_is_told() {
    let page = text_of("docs/operations.md");
    let code = text_of("src/observe/record.rs");
    let keys = code.split("w.key(\"").skip(1).filter_map(|rest| rest.split_once('"'));
    let missing: Vec<&str> =
        keys.map(|(key, _)| key).filter(|key| *key != "level" && !page.contains(&format!("`{key}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// What docs/errors.md says one sees is what the code says: between the `…`, its messages stand somewhere in the source.
#[test]
fn the_errors_are_told_in_their_words() {
    let code: String = files(&root().join("src"), ".rs").iter().map(|file| text_of(file)).collect();
    let page = text_of("docs/errors.md");
    for message in page.split('`').skip(1).step_by(2).filter(|message| message.contains('…')) {
        for piece in message.split('…').map(str::trim).filter(|piece| piece.len() > 6 && !piece.contains('"')) {
            assert!(code.contains(piece), "nothing says {piece:?} of {message:?}");
        }
    }
}

/// Who looks for a provider in the README finds every one that is built in.
#[test]
fn the_readme_names_every_preset() {
    let readme = text_of("README.md");
    let presets: toml::Table = text_of("src/provider/presets.toml").parse().unwrap();
    let missing: Vec<&String> = presets.keys().filter(|prefix| !readme.contains(&format!("`{prefix}`"))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The relative links of a page, outside fenced blocks.
fn links(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    let targets =
        prose.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target.to_owned());
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:")).collect()
}

/// As GitHub makes them of headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let anchor = |heading: &str| {
        let kept = heading
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-' || *c == '_')
            .collect::<String>();
        kept.replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn every_relative_link_leads_somewhere() {
    let pages = files(&root(), ".md");
    assert!(pages.iter().any(|page| page == "README.md"), "{pages:?}");
    for page in pages {
        let text = text_of(&page);
        for link in links(&text) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target =
                if path.is_empty() { root().join(&page) } else { root().join(&page).parent().unwrap().join(path) };
            assert!(target.exists(), "{page}: {link} leads nowhere");
            if !anchor.is_empty() {
                let there = std::fs::read_to_string(&target).unwrap();
                assert!(anchors(&there).contains(anchor), "{page}: {link}: no such heading");
            }
        }
    }
}
