//! The alias rules on real and constructed lists, and what holds for any list.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::tests::{catalogue, meaning, models, options, provider};
use super::*;

fn assert_aliases(lists: &[(&str, &[&str])], rows: &[(&str, &str)]) {
    let catalogue = catalogue(lists, &options());
    for (alias, target) in rows {
        assert_eq!(meaning(&catalogue, alias), *target, "{alias} of {lists:?}");
    }
}

#[test]
fn a_family_and_version_mean_the_newest_general_model() {
    let openai: &[&str] = &[
        "gpt-3.5-turbo-instruct",
        "gpt-3.5-turbo-16k",
        "gpt-3.5-turbo",
        "gpt-3.5-turbo-0125",
        "gpt-4",
        "gpt-4-0613",
        "gpt-4-1106-preview",
        "gpt-4-turbo",
        "gpt-4-turbo-2024-04-09",
        "gpt-4-turbo-preview",
        "gpt-4o-mini",
        "gpt-4o-2024-08-06",
        "gpt-4o-audio-preview",
        "gpt-4o-realtime-preview",
        "gpt-4.1-mini",
        "gpt-4.1-2025-04-14",
        "gpt-4.1",
        "text-embedding-3-large",
        "whisper-1",
        "tts-1",
        "dall-e-3",
        "o3-mini",
        "o3-2025-04-16",
        "chatgpt-4o-latest",
    ];
    assert_aliases(
        &[("openai", openai)],
        &[
            ("gpt4", "openai:gpt-4-turbo"),
            ("gpt-4o", "openai:gpt-4o-2024-08-06"),
            ("gpt4o", "openai:gpt-4o-2024-08-06"),
            ("GPT 4o", "openai:gpt-4o-2024-08-06"),
            ("gpt4o-mini", "openai:gpt-4o-mini"),
            ("gpt-mini", "openai:gpt-4.1-mini"),
            ("gpt4.1", "openai:gpt-4.1"),
            ("gpt", "openai:gpt-4.1"),
            ("gpt3.5", "openai:gpt-3.5-turbo"),
            ("gpt4turbo", "openai:gpt-4-turbo"),
            ("o3", "openai:o3-2025-04-16"),
        ],
    );
    assert_aliases(&[("openai", &["gpt-4", "gpt-4-0613"])], &[("gpt4", "openai:gpt-4"), ("gpt", "openai:gpt-4")]);
    assert_aliases(&[("openai", &["gpt-4-0314", "gpt-4-0613"])], &[("gpt4", "openai:gpt-4-0613")]);
    assert_aliases(
        &[("openai", &["gpt-5-codex", "gpt-5-pro", "gpt-5-nano", "gpt-5-2025-08-07", "gpt-5-chat-latest"])],
        &[("gpt5", "openai:gpt-5-2025-08-07")],
    );
    assert_aliases(
        &[("openai", &["gpt-6-astra", "gpt-5.6", "gpt-5.6-luna", "gpt-5.5-pro"])],
        &[("gpt", "openai:gpt-5.6")],
    );
}

#[test]
fn families_of_many_makers() {
    let mistral: &[&str] = &[
        "mistral-medium-3.5",
        "mistral-large-2411",
        "mistral-large-latest",
        "mistral-small-latest",
        "mistral-embed",
        "open-mistral-7b",
        "codestral-latest",
        "codestral-2508",
        "codestral-embed",
        "ministral-8b-latest",
    ];
    let claude: &[&str] = &[
        "claude-haiku-4-5-20251001",
        "claude-opus-4-5-20251101",
        "claude-sonnet-4-5-20250929",
        "claude-fable-5",
        "claude-3-5-haiku-latest",
        "claude-3-7-sonnet-20250219",
    ];
    let qwen: &[&str] = &[
        "qwen-turbo",
        "qwen-plus",
        "qwen3-max",
        "qwen3-max-preview",
        "qwen3-coder-plus",
        "qwen3-vl-plus",
        "qwen3-32b",
        "qwen2-5-72b-instruct",
        "qwen3.5-flash-02-23",
        "qwen3.5-plus-02-15",
    ];
    let cohere: &[&str] = &[
        "command-a-03-2025",
        "command-a-plus-05-2026",
        "command-a-vision-07-2025",
        "command-r-08-2024",
        "command-r-plus-08-2024",
        "command-r7b-12-2024",
        "command-nightly",
        "embed-v4.0",
        "rerank-v3.5",
    ];
    assert_aliases(
        &[
            ("mistral", mistral),
            ("anthropic", claude),
            ("qwen", qwen),
            ("cohere", cohere),
            ("deepseek", &["deepseek-reasoner", "deepseek-chat"]),
            ("xai", &["grok-4.20", "grok-4.3", "grok-4.3-latest", "grok-code-fast-1-0825", "grok-4.20-non-reasoning"]),
            ("moonshot", &["kimi-k2-0905-preview", "kimi-k2.5", "kimi-k2-thinking", "kimi-k2.7-code"]),
            ("zai", &["glm-4.5-air", "glm-4.6", "glm-4.6v", "glm-4.7-flash", "glm-4.7"]),
        ],
        &[
            ("mistral", "mistral:mistral-large-latest"),
            ("mistral-large", "mistral:mistral-large-latest"),
            ("codestral", "mistral:codestral-latest"),
            ("claude", "anthropic:claude-sonnet-4-5-20250929"),
            ("claude-sonnet", "anthropic:claude-sonnet-4-5-20250929"),
            ("claude-sonnet-4.5", "anthropic:claude-sonnet-4-5-20250929"),
            ("claude-4-5-sonnet", "anthropic:claude-sonnet-4-5-20250929"),
            ("claude4.5", "anthropic:claude-sonnet-4-5-20250929"),
            ("claude-haiku", "anthropic:claude-haiku-4-5-20251001"),
            ("claude-3.5-haiku", "anthropic:claude-3-5-haiku-latest"),
            ("qwen", "qwen:qwen3.5-plus-02-15"),
            ("qwen3", "qwen:qwen3-max"),
            ("qwen2.5", "qwen:qwen2-5-72b-instruct"),
            ("command", "cohere:command-a-03-2025"),
            ("command-r", "cohere:command-r-08-2024"),
            ("command-r-plus", "cohere:command-r-plus-08-2024"),
            ("deepseek", "deepseek:deepseek-chat"),
            ("grok", "xai:grok-4.3-latest"),
            ("kimi", "moonshot:kimi-k2.5"),
            ("kimi-k2", "moonshot:kimi-k2-0905-preview"),
            ("glm", "zai:glm-4.7"),
        ],
    );
}

#[test]
fn stable_goes_before_preview_and_a_family_has_what_there_is() {
    assert_aliases(&[("google", &["gemini-pro"])], &[("gemini", "google:gemini-pro")]);
    assert_aliases(
        &[("google", &["gemini-3-pro-preview", "gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.5-flash-lite"])],
        &[
            ("gemini", "google:gemini-2.5-pro"),
            ("gemini-flash", "google:gemini-2.5-flash"),
            ("gemini2.5flash", "google:gemini-2.5-flash"),
            ("gemini3", "google:gemini-3-pro-preview"),
        ],
    );
    assert_aliases(
        &[("google", &["gemini-3-pro-preview", "gemini-embedding-001"])],
        &[("gemini", "google:gemini-3-pro-preview")],
    );
    assert_aliases(
        &[("ollama", &["llama2:latest"])],
        &[("llama2", "ollama:llama2:latest"), ("llama", "ollama:llama2:latest")],
    );
    assert_aliases(&[("ollama", &["gemma3:4b", "gemma3:27b", "gemma3:270m"])], &[("gemma3", "ollama:gemma3:27b")]);
}

#[test]
fn who_makes_a_model_goes_before_who_resells_it_and_local_before_both() {
    let resold: &[&str] = &["openai/gpt-5", "openai/gpt-4o:free", "openai/gpt-4o", "deepseek/deepseek-v3.2"];
    assert_aliases(
        &[("openrouter", resold), ("openai", &["gpt-4o"]), ("ollama", &["deepseek-r1:8b", "nomic-embed-text:latest"])],
        &[
            ("gpt", "openai:gpt-4o"),
            ("gpt4o", "openai:gpt-4o"),
            ("gpt5", "openrouter:openai/gpt-5"),
            ("gpt-5", "openrouter:openai/gpt-5"),
            ("deepseek", "ollama:deepseek-r1:8b"),
            ("deepseekv3.2", "openrouter:deepseek/deepseek-v3.2"),
            ("deepseek-3.2", "openrouter:deepseek/deepseek-v3.2"),
        ],
    );
    let mistral: &[&str] = &["zai-glm-5", "deepseek-v5-flash", "codestral-latest"];
    assert_aliases(
        &[
            ("mistral", mistral),
            ("zai", &["glm-4.6"]),
            ("deepseek", &["deepseek-chat"]),
            ("codestral", &["codestral-2508"]),
        ],
        &[
            ("glm", "zai:glm-4.6"),
            ("glm5", "mistral:zai-glm-5"),
            ("deepseek", "deepseek:deepseek-chat"),
            ("codestral", "codestral:codestral-2508"),
        ],
    );
    assert_aliases(&[("openrouter", resold)], &[("gpt-4o", "openrouter:openai/gpt-4o")]);
    assert_aliases(&[("a", &["glm-4.6"]), ("b", &["glm-4.6"])], &[("glm", "a:glm-4.6")]);
    assert_aliases(&[("b", &["glm-4.6"]), ("a", &["glm-4.6"])], &[("glm", "b:glm-4.6")]);
}

#[test]
fn open_weights_are_a_family_of_their_own() {
    let lists: &[(&str, &[&str])] = &[("ollama", &["gpt-oss:20b"]), ("groq", &["openai/gpt-oss-120b"])];
    assert_aliases(lists, &[("gpt-oss", "ollama:gpt-oss:20b"), ("gpt-oss-120b", "groq:openai/gpt-oss-120b")]);
    assert!(catalogue(lists, &options()).look_up("gpt").is_err());
}

#[test]
fn models_that_hold_no_conversation_are_no_familys() {
    let catalogue = catalogue(&[("google", &["gemini-embedding-001", "gemini-2.5-flash-image"])], &options());
    assert!(catalogue.look_up("gemini").is_err());
    assert_eq!(meaning(&catalogue, "gemini-embedding"), "google:gemini-embedding-001");
    let told = Model {
        id: "acme-1".to_owned(),
        capabilities: crate::model::Capabilities { completion: Some(false), ..Default::default() },
        ..Model::default()
    };
    let lists = HashMap::from([("openai".to_owned(), vec![told])]);
    let providers: Providers = Arc::new([Arc::new(provider("openai"))]);
    assert!(Catalogue::new(&providers, &lists, &options()).look_up("acme").is_err());
}

#[test]
fn aliases_come_with_a_reason() {
    let catalogue = catalogue(
        &[("openai", &["gpt-4-turbo-2024-04-09", "gpt-4"]), ("google", &["gemini-3-pro-preview"])],
        &options(),
    );
    let reason = |alias: &str| {
        let found = catalogue.aliases().iter().find(|(name, ..)| name == alias);
        found.map(|(_, target, reason)| (target.as_str(), reason.as_str()))
    };
    assert_eq!(
        reason("gpt4"),
        Some(("openai:gpt-4-turbo-2024-04-09", "version 4 of gpt: the newest stable general model"))
    );
    assert_eq!(
        reason("gemini"),
        Some(("google:gemini-3-pro-preview", "family gemini: the newest preview, as nothing stable is listed"))
    );
    assert_eq!(reason("gpt-4-turbo"), Some(("openai:gpt-4-turbo-2024-04-09", "its name without the date or stage")));
    assert_eq!(reason("gpt-4"), None, "a real id");
}

/// The ids of a recorded model list; `None`, said aloud, where the recordings are not there.
fn recorded(file: &str) -> Option<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/fixtures").join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    };
    let recording: serde_json::Value = serde_json::from_str(&text).unwrap();
    let body = &recording["response"]["body"];
    let rows = body["data"].as_array().or_else(|| body["models"].as_array()).unwrap();
    let id = |row: &serde_json::Value| {
        let id = row["id"].as_str().or_else(|| row["name"].as_str()).unwrap();
        id.strip_prefix("models/").unwrap_or(id).to_owned()
    };
    Some(rows.iter().map(id).collect())
}

fn assert_recorded(prefix: &str, file: &str, rows: &[(&str, &str)]) {
    let Some(ids) = recorded(file) else { return };
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let catalogue = catalogue(&[(prefix, &ids)], &options());
    for (alias, id) in rows {
        assert_eq!(meaning(&catalogue, alias), format!("{prefix}:{id}"), "{alias}");
    }
}

#[test]
fn aliases_on_recorded_lists() {
    assert_recorded(
        "google",
        "gemini/gen-models-01.json",
        &[
            ("gemini", "gemini-flash-latest"),
            ("gemini-pro", "gemini-pro-latest"),
            ("gemini-flash", "gemini-flash-latest"),
            ("gemini-flash-lite", "gemini-flash-lite-latest"),
            ("gemini2.5", "gemini-2.5-pro"),
            ("gemini2.0", "gemini-2.0-flash"),
            ("gemma", "gemma-4-31b-it"),
            ("gemma4", "gemma-4-31b-it"),
            ("gemma-4-26b", "gemma-4-26b-a4b-it"),
            ("gemini-embedding", "gemini-embedding-2"),
        ],
    );
    assert_recorded(
        "cerebras",
        "cerebras/models-01.json",
        &[("glm", "zai-glm-4.7"), ("glm4.7", "zai-glm-4.7"), ("gpt-oss", "gpt-oss-120b"), ("gemma4", "gemma-4-31b")],
    );
    assert_recorded(
        "openrouter",
        "openrouter/models-01.json",
        &[
            ("gpt4o", "openai/gpt-4o"),
            ("gpt-4.1", "openai/gpt-4.1-mini"),
            ("claude", "anthropic/claude-sonnet-4"),
            ("claude-sonnet", "anthropic/claude-sonnet-4"),
            ("gpt3.5", "openai/gpt-3.5-turbo"),
            ("gpt", "openai/gpt-4o"),
        ],
    );
}

const POOL: [&str; 24] = [
    "gpt-4",
    "gpt4",
    "gpt-4-turbo",
    "gpt-4-0613",
    "gpt-4o",
    "GPT-4o",
    "gpt-4o-2024-08-06",
    "gpt-4o-mini",
    "openai/gpt-4o",
    "openai/gpt-oss-120b",
    "gpt-oss:120b",
    "gemini-pro",
    "gemini-2.5-pro",
    "gemini-flash-latest",
    "gemini",
    "llama2:latest",
    "llama-2-70b",
    "qwen:7b",
    "qwen-max",
    "codestral:latest",
    "codestral-2508",
    "ft:gpt-4o:a::b",
    "x/y:free",
    "-",
];

fn build(lists: &[Vec<&str>]) -> Catalogue {
    let prefixes = ["openai", "openrouter", "ollama"];
    let providers: Providers = prefixes.iter().map(|prefix| Arc::new(provider(prefix))).collect();
    let lists = prefixes.iter().zip(lists).map(|(prefix, ids)| (prefix.to_string(), models(ids))).collect();
    Catalogue::new(&providers, &lists, &options())
}

fn any_lists() -> impl Strategy<Value = Vec<Vec<&'static str>>> {
    prop::collection::vec(prop::sample::subsequence(POOL.to_vec(), 0..POOL.len()), 3)
}

proptest! {
    #[test]
    fn aliases_do_not_depend_on_the_order_of_lists(lists in any_lists(), seed in any::<u64>()) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut shuffled = lists.clone();
        shuffled.iter_mut().for_each(|list| random.shuffle(list));
        let (one, other) = (build(&lists), build(&shuffled));
        prop_assert_eq!(one.aliases(), other.aliases());
    }

    #[test]
    fn an_alias_hides_nothing_and_leads_to_a_listed_model(lists in any_lists()) {
        let catalogue = build(&lists);
        for (name, target, _) in catalogue.aliases() {
            for model in catalogue.models() {
                for real in [&model.id, &model.name] {
                    prop_assert!(!real.eq_ignore_ascii_case(name), "{} is real", name);
                    prop_assert!(!real.eq_ignore_ascii_case(&format!("{name}:latest")), "{} is real", name);
                }
            }
            prop_assert!(catalogue.models().iter().any(|model| model.name == *target), "{} is not listed", target);
            let meant = catalogue.model(name).unwrap();
            prop_assert_eq!(&meant.name, target, "{}", name);
        }
    }

    #[test]
    fn every_listed_name_means_itself(lists in any_lists()) {
        let catalogue = build(&lists);
        for model in catalogue.models() {
            prop_assert_eq!(&catalogue.model(&model.name).unwrap().id, &model.id);
        }
    }

    #[test]
    fn any_ids_can_be_listed(ids in prop::collection::vec("[a-z0-9:/._~é-]{0,16}", 0..12), wild in ".{0,30}") {
        let ids: Vec<&str> = ids.iter().map(String::as_str).chain([wild.as_str()]).collect();
        let catalogue = build(&[ids.clone(), ids.clone(), ids]);
        for (name, target, _) in catalogue.aliases() {
            prop_assert_eq!(&catalogue.model(name).unwrap().name, target, "{}", name);
        }
    }

    #[test]
    fn any_name_has_an_answer(name in ".{0,40}", odd in "[a-z0-9:/.~-]{0,24}") {
        let catalogue = build(&[vec!["gpt-4o"], vec!["x/y:free"], vec!["llama2:latest"]]);
        for name in [name, odd] {
            let route = catalogue.look_up(&name);
            prop_assert!(route.is_ok_and(|route| !route.targets.is_empty()) || catalogue.model(&name).is_err());
        }
    }
}
