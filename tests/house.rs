//! Promise: the rules of the house hold: dependencies point inward, code knows dialects and no providers, and the map of the
//! project shows what is there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All Rust files but those of tests, with their path below `src/`.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(&root().join("src"), &mut found);
    let named = |path: PathBuf| {
        let name = path.strip_prefix(root().join("src")).unwrap().to_string_lossy().replace('\\', "/");
        (name, std::fs::read_to_string(&path).unwrap())
    };
    found.into_iter().map(named).filter(|(name, _)| !name.split('/').any(is_tests)).collect()
}

/// A file or folder below `src/` that holds unit tests.
fn is_tests(name: &str) -> bool {
    let stem = name.trim_end_matches(".rs");
    stem == "tests" || stem.ends_with("_tests")
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            found.push(path);
        }
    }
}

/// The module at the top to which a file belongs.
fn module(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// A file without its tests and comments.
fn code(text: &str) -> String {
    let code = text.split("#[cfg(test)]").next().unwrap();
    let lines = code.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

/// What each module may use of ours, outermost first. `lib` and `main` see all.
const MAY_USE: [(&str, &[&str]); 11] = [
    ("cli", &["server", "relay", "catalogue", "provider", "dialect", "chat", "json", "model", "config", "observe"]),
    ("server", &["relay", "catalogue", "provider", "dialect", "chat", "json", "model", "config", "observe"]),
    ("relay", &["catalogue", "provider", "dialect", "chat", "json", "model", "config", "observe"]),
    ("observe", &["chat", "dialect", "json", "model", "config"]),
    ("config", &["catalogue", "provider", "dialect", "chat", "json", "model"]),
    ("catalogue", &["provider", "chat", "json", "model"]),
    ("provider", &["dialect", "chat", "json", "model"]),
    ("dialect", &["chat", "json", "model"]),
    ("chat", &["json"]),
    ("model", &[]),
    ("json", &[]),
];

/// Every `crate::name` in the code, also of `use crate::{a::b, c}`.
fn uses(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for piece in code.split("crate::").skip(1) {
        if let Some(list) = piece.strip_prefix('{') {
            found.extend(names_of_list(list));
        } else {
            found.push(piece.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect());
        }
    }
    found
}

/// The first name of each entry of a braced list.
fn names_of_list(list: &str) -> Vec<String> {
    let (mut depth, mut names, mut name, mut is_first) = (0, Vec::new(), String::new(), true);
    for c in list.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(std::mem::take(&mut name));
                is_first = true;
            }
            ':' => is_first = false,
            c if is_first && depth == 0 && !c.is_whitespace() => name.push(c),
            _ => {}
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn dependencies_point_inward() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let module = module(&file);
        if ["lib", "main"].contains(&module) {
            continue;
        }
        let row = MAY_USE.iter().find(|(name, _)| *name == module);
        let (_, allowed) = row.unwrap_or_else(|| panic!("say in MAY_USE what `{module}` may use"));
        let known = |name: &&String| MAY_USE.iter().any(|(module, _)| module == *name);
        for used in uses(&code(&text)).iter().filter(known) {
            if used != module && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{file} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// No dialect knows another, and none knows HTTP's sockets.
#[test]
fn dialects_do_not_know_each_other() {
    let dialects = ["ollama", "openai", "gemini", "anthropic"];
    for (file, text) in sources() {
        let Some(own) = dialects.into_iter().find(|name| file.starts_with(&format!("dialect/{name}/"))) else {
            continue;
        };
        let code = code(&text);
        for other in dialects.into_iter().filter(|name| *name != own) {
            assert!(!code.contains(&format!("{other}::")), "{file} knows {other}");
        }
        for outside in ["hyper::", "tokio::", "http::"] {
            assert!(!code.contains(outside), "{file} knows {outside}");
        }
    }
}

/// Decisions are plain code: only what serves, relays and commands may wait.
#[test]
fn only_the_outer_layers_wait() {
    for (file, text) in sources() {
        if ["json", "chat", "dialect", "provider", "catalogue", "model"].contains(&module(&file)) {
            let code = code(&text);
            assert!(!code.contains("async ") && !code.contains("tokio::"), "{file} waits");
        }
    }
}

/// A wire's own names that are a provider's too: `extra_content.google.thought_signature` of Google's OpenAI face.
const WIRE_NAMES: [(&str, &str); 1] = [("dialect/openai/", "google")];

/// A provider is a table entry. Names that are also a dialect's (`ollama`, `openai`, `gemini`, `anthropic`) are a dialect's in code.
#[test]
fn no_code_names_a_provider() {
    let presets = std::fs::read_to_string(root().join("src/provider/presets.toml")).unwrap();
    let table: toml::Table = presets.parse().unwrap();
    let mut names = Vec::new();
    prefixes(&toml::Value::Table(table), &mut names);
    assert!(names.len() > 8, "no prefixes found in presets.toml: {names:?}");
    names.retain(|name| !["ollama", "openai", "gemini", "anthropic"].contains(&name.as_str()));
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        // Families of models are named after who made them: the rules of aliases are a table of their own.
        if file.starts_with("catalogue/") {
            continue;
        }
        let code = code(&text);
        let is_wire = |name: &str| WIRE_NAMES.iter().any(|(folder, own)| file.starts_with(folder) && *own == name);
        let names = names.iter().filter(|name| !is_wire(name));
        wrong.extend(names.filter(|name| code.contains(&format!("\"{name}\""))).map(|name| format!("{file}: {name}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Every entry's prefix: the key of a table in `[provider.NAME]`, or a `prefix` member.
fn prefixes(value: &toml::Value, names: &mut Vec<String>) {
    let Some(table) = value.as_table() else { return };
    for (key, value) in table {
        match value {
            toml::Value::Table(entries) if key == "provider" || key == "providers" => {
                names.extend(entries.keys().cloned());
            }
            toml::Value::Array(entries) => {
                let prefix = |entry: &toml::Value| Some(entry.get("prefix")?.as_str()?.to_owned());
                names.extend(entries.iter().filter_map(prefix));
            }
            toml::Value::Table(entry)
                if entry.contains_key("base_url") || entry.contains_key("faces") || entry.contains_key("face") =>
            {
                names.push(key.clone());
            }
            _ => {}
        }
    }
}

/// ARCHITECTURE.md names every top-level module, and no path that does not exist.
#[test]
fn the_map_shows_what_is_there() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let files = sources();
    let mut modules: Vec<&str> = files.iter().map(|(file, _)| module(file)).collect();
    modules.dedup();
    for module in modules.into_iter().filter(|module| !["lib", "main"].contains(module)) {
        assert!(
            map.contains(&format!("{module}/")) || map.contains(&format!("{module}.rs")),
            "ARCHITECTURE.md lacks {module}"
        );
    }
    for quoted in map.split('`').skip(1).step_by(2) {
        let is_path = quoted.contains('/')
            && !quoted.starts_with('/')
            && quoted.chars().all(|c| c.is_alphanumeric() || "/_.-".contains(c));
        let is_ours =
            ["src/", "tests/", "docs/", "scripts/", "benches/", "fuzz/"].iter().any(|start| quoted.starts_with(start));
        assert!(!(is_path && is_ours) || root().join(quoted).exists(), "ARCHITECTURE.md names {quoted}");
    }
}

#[test]
fn the_changelog_has_this_versions_heading() {
    let changelog = std::fs::read_to_string(root().join("CHANGELOG.md")).expect("CHANGELOG.md");
    let version = env!("CARGO_PKG_VERSION");
    let has = changelog
        .lines()
        .any(|line| line.starts_with("## ") && (line.contains(version) || line.contains("Unreleased")));
    assert!(has, "CHANGELOG.md has no heading for {version}");
}
