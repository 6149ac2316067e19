//! Promise: what lists and details tell of a cloud model is true, and from the best source there is: the operator's words, the
//! provider's own list, the table in the binary, the name. What nobody knows is left out.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::{Value, json};
use support::{Asked, Gateway, Upstream, gateway, reply, status, upstream};

/// The scripted lists of all eight providers, in the forms that each is known to have.
struct World {
    openai: Upstream,
    google: Upstream,
    openrouter: Upstream,
    akash: Upstream,
    cohere: Upstream,
    codestral: Upstream,
    qwen: Upstream,
    ollama: Upstream,
}

fn plain(ids: &[(&str, i64)]) -> Value {
    let row = |(id, created): &(&str, i64)| json!({"id": id, "object": "model", "created": created, "owned_by": "x"});
    json!({"object": "list", "data": ids.iter().map(row).collect::<Vec<_>>()})
}

fn google_list() -> Value {
    json!({"models": [
        {"name": "models/gemini-2.5-pro", "version": "2.5", "displayName": "Gemini 2.5 Pro", "inputTokenLimit": 1_048_576,
         "outputTokenLimit": 65_536, "supportedGenerationMethods": ["generateContent", "countTokens"], "thinking": true},
        {"name": "models/gemini-embedding-001", "inputTokenLimit": 2048, "outputTokenLimit": 1,
         "supportedGenerationMethods": ["embedContent"]}]})
}

fn openrouter_list() -> Value {
    json!({"data": [
        {"id": "meta-llama/llama-3.3-70b-instruct", "name": "Meta: Llama 3.3 70B", "created": 1_733_506_137, "context_length": 65_536,
         "architecture": {"input_modalities": ["text"], "output_modalities": ["text"], "tokenizer": "Llama3"},
         "top_provider": {"context_length": 65_536, "max_completion_tokens": 16_384, "is_moderated": false},
         "supported_parameters": ["max_tokens", "temperature", "tools", "tool_choice"]},
        {"id": "openai/gpt-4o", "name": "OpenAI: GPT-4o", "created": 1_715_558_400}]})
}

fn akash_list() -> Value {
    json!({"object": "list", "data": [
        {"id": "Qwen/Qwen3-30B-A3B", "object": "model", "created": 1_750_000_000, "context_length": 40_960, "max_output_length": 8192,
         "input_modalities": ["text"], "output_modalities": ["text"], "supported_features": ["tools", "reasoning"], "quantization": "fp8"},
        {"id": "openai/gpt-oss-120b", "object": "model", "created": 1_754_000_000, "owned_by": "akash"}]})
}

const OWN_ROW: &str = r#"{"name":"gemma3n:e4b","model":"gemma3n:e4b","modified_at":"2026-01-02T03:04:05.678901234+01:00","size":7547589116,"digest":"15cb39fd9394fd2549f6df9081cfc84dd134ecf2c9c5be911e5629920489ac32","details":{"parent_model":"","format":"gguf","family":"gemma3n","families":["gemma3n","clip"],"parameter_size":"6.9B","quantization_level":"Q4_K_M","context_length":32768,"embedding_length":2048,"later":[1.0]},"capabilities":["audio","completion","vision"]}"#;
const STUB_ROW: &str = r#"{"name":"far:latest","model":"far:latest","remote_model":"m1","remote_host":"https://ollama.com:443","modified_at":"2026-01-01T00:00:00Z","size":190,"digest":"c170a8fec56f01c497678e9dcb5e66fd36fcd4890d77c9cea0833f90d7cae25e","details":{"parent_model":"","format":"","family":"","families":null,"parameter_size":"","quantization_level":""}}"#;

impl World {
    fn new() -> World {
        let lists = |list: Value| {
            let up = upstream();
            up.now_lists_with(reply(list));
            up
        };
        let none = || {
            let up = upstream();
            up.now_lists_with(status(404, json!({"message": "no Route matched"})));
            up
        };
        let ollama = upstream();
        let tags = format!(r#"{{"models":[{OWN_ROW},{STUB_ROW}]}}"#);
        ollama.now_tags(support::text(200, "application/json; charset=utf-8", &tags));
        World {
            openai: lists(plain(&[
                ("gpt-5", 1_754_425_777),
                ("gpt-4o-2024-08-06", 1_722_814_719),
                ("text-embedding-3-small", 1_705_948_997),
                ("nobody-knows-1", 0),
            ])),
            google: lists(google_list()),
            openrouter: lists(openrouter_list()),
            akash: lists(akash_list()),
            cohere: none(),
            codestral: none(),
            qwen: lists(plain(&[("qwen3-vl-plus", 1_758_000_000), ("text-embedding-v4", 1_750_000_000)])),
            ollama,
        }
    }

    fn start(&self, config: &str) -> Gateway {
        let all = [
            ("openai", &self.openai),
            ("google", &self.google),
            ("openrouter", &self.openrouter),
            ("akash", &self.akash),
            ("cohere", &self.cohere),
            ("codestral", &self.codestral),
            ("qwen", &self.qwen),
        ];
        let setup = gateway().file("polyllama.toml", config).provider("ollama", &self.ollama, &[]);
        all.iter().fold(setup, |setup, (prefix, up)| setup.provider(prefix, up, &["k"])).start()
    }
}

/// A row of the list, without what differs from run to run: `(row, digest, modified_at, remote_host)`.
fn row(tags: &Value, name: &str) -> Value {
    let rows = tags["models"].as_array().unwrap();
    let found = rows.iter().find(|row| row["name"] == name);
    let mut row = found.unwrap_or_else(|| panic!("{name} is not in {tags}")).clone();
    assert_eq!(row["model"], name);
    let digest = row["digest"].as_str().unwrap();
    assert!(digest.len() == 64 && digest.bytes().all(|b| b.is_ascii_hexdigit()), "{row}");
    let host = row["remote_host"].as_str().unwrap();
    assert!(host.starts_with("http://127.0.0.1:") && host.matches('/').count() == 2, "{row}");
    let members = row.as_object_mut().unwrap();
    ["name", "model", "digest", "remote_host"].iter().for_each(|key| drop(members.remove(*key)));
    row
}

fn details(family: &str, size: &str) -> Value {
    json!({"parent_model": "", "format": "", "family": family, "families": [family], "parameter_size": size, "quantization_level": ""})
}

fn with(mut value: Value, more: Value) -> Value {
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

fn lengths(details: Value, context: u64, embedding: Option<u64>) -> Value {
    let details = with(details, json!({"context_length": context}));
    embedding.map_or(details.clone(), |length| with(details, json!({"embedding_length": length})))
}

#[test]
fn the_list_tells_what_is_known_of_each_model() {
    let world = World::new();
    let gw = world.start("");
    let tags = gw.get("/api/tags").json();
    let expected = [
        // A list of bare ids: the table knows the rest, a dated issue like its model.
        (
            "openai:gpt-5",
            "2025-08-05T20:29:37Z",
            lengths(details("gpt", ""), 272_000, None),
            json!(["completion", "tools", "vision", "thinking"]),
        ),
        (
            "openai:gpt-4o-2024-08-06",
            "2024-08-04T23:38:39Z",
            lengths(details("gpt", ""), 128_000, None),
            json!(["completion", "tools", "vision"]),
        ),
        (
            "openai:text-embedding-3-small",
            "2024-01-22T18:43:17Z",
            lengths(details("openai", ""), 8191, Some(1536)),
            json!(["embedding"]),
        ),
        // The list tells windows and thinking, the table pictures and tools.
        (
            "google:gemini-2.5-pro",
            "",
            lengths(details("gemini", ""), 1_048_576, None),
            json!(["completion", "tools", "vision", "thinking"]),
        ),
        ("google:gemini-embedding-001", "", lengths(details("gemini", ""), 2048, Some(3072)), json!(["embedding"])),
        // The list's own words; of a reseller's poor row the maker's.
        (
            "openrouter:meta-llama/llama-3.3-70b-instruct",
            "2024-12-06T17:28:57Z",
            lengths(details("llama", "70B"), 65_536, None),
            json!(["completion", "tools"]),
        ),
        (
            "openrouter:openai/gpt-4o",
            "2024-05-13T00:00:00Z",
            lengths(details("gpt", ""), 128_000, None),
            json!(["completion", "tools", "vision"]),
        ),
        // Open models: what holds anywhere, and no window that the host doesn't tell.
        (
            "akash:Qwen/Qwen3-30B-A3B",
            "2025-06-15T15:06:40Z",
            with(lengths(details("qwen", "30B"), 40_960, None), json!({"quantization_level": "fp8"})),
            json!(["completion", "tools", "thinking"]),
        ),
        (
            "akash:openai/gpt-oss-120b",
            "2025-07-31T22:13:20Z",
            details("gptoss", "120B"),
            json!(["completion", "tools", "thinking"]),
        ),
        // Models of the provider's entry, where it has no list.
        (
            "cohere:command-a-03-2025",
            "",
            lengths(details("command", ""), 256_000, None),
            json!(["completion", "tools"]),
        ),
        (
            "cohere:command-a-vision-07-2025",
            "",
            lengths(details("command", ""), 128_000, None),
            json!(["completion", "vision"]),
        ),
        ("cohere:embed-v4.0", "", lengths(details("cohere", ""), 128_000, Some(1536)), json!(["embedding"])),
        (
            "codestral:codestral-latest",
            "",
            lengths(details("codestral", ""), 256_000, None),
            json!(["completion", "tools"]),
        ),
        (
            "qwen:qwen3-vl-plus",
            "2025-09-16T05:20:00Z",
            lengths(details("qwen", ""), 260_096, None),
            json!(["completion", "tools", "vision", "thinking"]),
        ),
        (
            "qwen:text-embedding-v4",
            "2025-06-15T15:06:40Z",
            lengths(details("qwen", ""), 8192, Some(1024)),
            json!(["embedding"]),
        ),
        // Nobody knows it, so nothing is invented.
        ("openai:nobody-knows-1", "", details("nobody", ""), json!(["completion", "tools"])),
    ];
    for (name, modified_at, details, capabilities) in expected {
        let mut row = row(&tags, name);
        let modified = row.as_object_mut().unwrap().remove("modified_at").unwrap();
        if !modified_at.is_empty() {
            assert_eq!(modified, modified_at, "{name}");
        }
        assert!(modified.as_str().unwrap().starts_with("20"), "{name}: {modified}");
        let id = name.split_once(':').unwrap().1;
        let want = json!({"remote_model": id, "size": 0, "details": details, "capabilities": capabilities});
        assert_eq!(row, want, "{name}");
    }
}

/// An Ollama server's own rows come as they went, byte for byte, and in its order.
#[test]
fn an_ollamas_own_models_are_listed_as_it_lists_them() {
    let world = World::new();
    let gw = world.start("[model.'*']\ncontext_length = 5\nfamily = 'x'\n");
    let tags = gw.get("/api/tags").text();
    assert!(tags.starts_with(&format!(r#"{{"models":[{OWN_ROW},{STUB_ROW},"#)), "{tags}");
    let (_, told) =
        gateway().provider("ollama", &world.ollama, &[]).arg("models").arg("gemma3n:e4b").arg("--json").run();
    let told: Value = serde_json::from_str(&told).unwrap();
    assert_eq!((&told["context_length"], &told["embedding_length"]), (&json!(32_768), &json!(2048)));
    assert_eq!(told["capabilities"], json!(["completion", "vision", "audio"]));
    assert_eq!(told["sources"]["context_length"], "list");
}

#[test]
fn details_have_the_same_facts_where_clients_look_for_them() {
    let world = World::new();
    let gw = world.start("");
    let show = |name: &str| gw.post("/api/show", &json!({"model": name})).json();
    let shown = show("openai:gpt-5");
    assert_eq!(
        shown["model_info"],
        json!({"general.architecture": "gpt", "general.basename": "openai:gpt-5", "gpt.context_length": 272_000})
    );
    assert_eq!(shown["parameters"], "num_ctx                        272000");
    assert_eq!(shown["capabilities"], json!(["completion", "tools", "vision", "thinking"]));
    assert_eq!((&shown["details"], &shown["remote_model"]), (&details("gpt", ""), &json!("gpt-5")));
    assert_eq!((&shown["template"], &shown["modified_at"]), (&json!("{{ .Prompt }}"), &json!("2025-08-05T20:29:37Z")));
    assert!(shown["modelfile"].as_str().unwrap().starts_with("FROM openai:gpt-5\n"), "{shown}");
    let embeds = show("google:gemini-embedding-001");
    assert_eq!(embeds["model_info"]["gemini.embedding_length"], 3072);
    assert_eq!(embeds["capabilities"], json!(["embedding"]));
    let unknown = show("openai:nobody-knows-1");
    assert_eq!(
        unknown["model_info"],
        json!({"general.architecture": "nobody", "general.basename": "openai:nobody-knows-1"})
    );
    assert!(unknown.get("parameters").is_none(), "{unknown}");
    // One that no list has: the name may be new, the facts are the table's.
    assert_eq!(show("openai:gpt-4o-mini")["model_info"]["gpt.context_length"], 128_000);
    // Copilot shows nothing but the basename.
    let asked = Asked::new("POST", "/api/show")
        .header("user-agent", "GitHubCopilotChat/0.32")
        .body(r#"{"model":"openai:gpt-5"}"#);
    assert_eq!(gw.send(&asked).json()["model_info"]["general.basename"], "openai:gpt-5");
}

/// Names that some clients show instead of ids: none stands for two entries, aliases among them.
#[test]
fn basenames_and_digests_are_unique_and_stay() {
    let world = World::new();
    let config =
        "list_aliases = true\n[aliases]\nfast = 'openai:gpt-5'\n'code:latest' = 'codestral:codestral-latest'\n";
    let gw = world.start(config);
    let tags = gw.get("/api/tags").json();
    let again = world.start(config).get("/api/tags").json();
    assert_eq!(
        tags["models"].as_array().unwrap().iter().map(|row| &row["digest"]).collect::<Vec<_>>(),
        again["models"].as_array().unwrap().iter().map(|row| &row["digest"]).collect::<Vec<_>>()
    );
    let is_cloud = |row: &&Value| row["remote_host"].as_str().is_some_and(|host| host.starts_with("http:"));
    let mut seen = std::collections::BTreeSet::new();
    for row in tags["models"].as_array().unwrap().iter().filter(is_cloud) {
        let shown = gw.post("/api/show", &json!({"name": row["name"]})).json();
        assert!(seen.insert(shown["model_info"]["general.basename"].to_string()), "{row}: {shown}");
    }
    assert!(seen.contains("\"fast\"") && seen.contains("\"code:latest\"") && seen.len() > 20, "{seen:?}");
}

#[test]
fn the_operators_word_goes_before_all() {
    let world = World::new();
    let gw = world.start(
        "[model.'openai:*']\ncontext_length = 1000\nfamily = 'house'\n\
         [model.'gpt-5']\ncapabilities = ['completion', 'vision']\nparameter_size = '1T'\n\
         [model.'OPENAI:GPT-5']\ncontext_length = 2000\n\
         [model.'openrouter:*']\ncapabilities = ['completion', 'insert']\n\
         [model.'google:*']\ncapabilities = ['completion', 'insert']\n",
    );
    let tags = gw.get("/api/tags").json();
    let five = row(&tags, "openai:gpt-5");
    assert_eq!(five["details"], lengths(details("house", "1T"), 2000, None));
    assert_eq!(five["capabilities"], json!(["completion", "vision"]));
    assert_eq!(row(&tags, "openai:gpt-4o-2024-08-06")["details"]["context_length"], 1000);
    // A gap can be filled where the provider has completions.
    assert_eq!(row(&tags, "openrouter:openai/gpt-4o")["capabilities"], json!(["completion", "insert"]));
    assert_eq!(row(&tags, "google:gemini-2.5-pro")["capabilities"], json!(["completion"]));
    let shown = gw.post("/api/show", &json!({"model": "openrouter:openai/gpt-4o"})).json();
    assert!(shown["template"].as_str().unwrap().contains(".Suffix"), "{shown}");
}

#[test]
fn openais_lists_tell_it_behind_the_required_members() {
    let world = World::new();
    let gw = world.start("");
    let start = concat!(
        r#"{"id":"openai:gpt-5","object":"model","created":1754425777,"owned_by":"proxy","#,
        r#""context_length":400000,"max_input_tokens":272000,"max_completion_tokens":128000,"#
    );
    assert!(
        gw.get("/v1/models/openai:gpt-5").text().starts_with(start),
        "{}",
        gw.get("/v1/models/openai:gpt-5").text()
    );
    assert!(gw.get("/v1/models").text().contains(start));
    let bare = gw.get("/v1/models/openai:nobody-knows-1").json();
    assert_eq!(bare, json!({"id": "openai:nobody-knows-1", "object": "model", "created": 0, "owned_by": "proxy"}));
}

#[test]
fn the_command_says_where_each_fact_is_from() {
    let world = World::new();
    let setup = |arguments: &[&str]| {
        let setup = gateway().file("polyllama.toml", "[model.'openai:*']\ncontext_length = 300000\n");
        let setup = setup.provider("openai", &world.openai, &["k"]).provider("google", &world.google, &["k"]);
        arguments.iter().fold(setup.arg("models"), |setup, argument| setup.arg(argument)).run()
    };
    let (status, text) = setup(&["gpt-5"]);
    assert!(status.success(), "{text}");
    let expected = "FACT            VALUE                                FROM\n\
                    name            openai:gpt-5\n\
                    provider        openai\n\
                    id              gpt-5\n\
                    context_length  300000                               config\n\
                    max_output      128000                               table\n\
                    capabilities    completion, tools, vision, thinking  table\n\
                    family          gpt                                  name\n";
    assert_eq!(text, expected);
    let (_, text) = setup(&["google:gemini-2.5-pro", "--json"]);
    let told: Value = serde_json::from_str(&text).unwrap();
    let sources = json!({"context_length": "list", "max_output": "list", "capabilities": "list", "family": "name"});
    assert_eq!((&told["max_output"], &told["sources"]), (&json!(65_536), &sources), "{text}");
    let (status, text) = setup(&["no-such-model"]);
    assert!(!status.success() && text.contains("model 'no-such-model' not found"), "{text}");
}

#[test]
fn the_configuration_shows_what_was_said_and_refuses_what_is_no_fact() {
    let config = |text: &str| gateway().file("polyllama.toml", text).arg("config").run();
    let (status, text) = config("[model.'a:*']\ncontext_length = 5\ncapabilities = ['tools']\n");
    let line = text.lines().find(|line| line.starts_with("model.\"a:*\" ")).unwrap_or_else(|| panic!("{text}"));
    assert!(status.success() && line.contains("context_length = 5") && line.contains("[\"tools\"]"), "{line}");
    assert!(line.contains("polyllama.toml:1"), "{line}");
    let (status, text) = config("[model.'a:*']\ncapabilities = ['seeing']\n");
    assert_eq!(status.code(), Some(2));
    assert!(text.contains("polyllama.toml:1:8: unknown capability `seeing`; there are completion, tools,"), "{text}");
}

#[test]
fn the_notices_are_printed() {
    let (status, text) = gateway().arg("notices").run();
    assert!(
        status.success() && text.contains("Copyright (c) 2023 Berri AI") && text.contains("THE SOFTWARE IS PROVIDED"),
        "{text}"
    );
}
