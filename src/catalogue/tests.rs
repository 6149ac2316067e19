//! What names mean: each rule of look-up by itself, and against the others.

use std::collections::HashMap;
use std::sync::Arc;

use super::*;
use crate::model::Capabilities;

pub(super) fn provider(prefix: &str) -> Provider {
    let mut provider = Provider::sample(prefix, &[]);
    provider.is_local = prefix.starts_with("ollama");
    if prefix == "google" {
        provider.other_prefixes.push("gemini".to_owned());
    }
    provider
}

pub(super) fn models(ids: &[&str]) -> Vec<Model> {
    ids.iter().map(|id| Model { id: id.to_string(), ..Model::default() }).collect()
}

pub(super) fn options() -> Options {
    Options { generated_aliases: true, ..Options::default() }
}

/// A snapshot of providers with these models.
pub(super) fn catalogue(lists: &[(&str, &[&str])], options: &Options) -> Catalogue {
    let providers: Providers = lists.iter().map(|(prefix, _)| Arc::new(provider(prefix))).collect();
    let lists: HashMap<String, Vec<Model>> =
        lists.iter().map(|(prefix, ids)| (prefix.to_string(), models(ids))).collect();
    Catalogue::new(&providers, &lists, options)
}

/// `prefix:id` of every target, or the failure's message.
pub(super) fn meaning(catalogue: &Catalogue, name: &str) -> String {
    match catalogue.look_up(name) {
        Ok(route) => {
            let names: Vec<String> =
                route.targets.iter().map(|target| format!("{}:{}", target.provider.prefix, target.model)).collect();
            names.join(" ")
        }
        Err(failure) => failure.message,
    }
}

fn assert_meanings(catalogue: &Catalogue, rows: &[(&str, &str)]) {
    for (name, expected) in rows {
        assert_eq!(meaning(catalogue, name), *expected, "{name}");
    }
}

fn mixed() -> Catalogue {
    let lists: &[(&str, &[&str])] = &[
        ("openai", &["gpt-4o", "gpt-4-turbo", "ft:gpt-4o-2024-08-06:org::abc"]),
        ("google", &["gemini-2.5-pro"]),
        ("ollama", &["qwen:7b", "codestral:latest", "llama2:latest", "gpt-oss:120b", "Mixed:1B"]),
        ("qwen", &["qwen-max", "shared"]),
        ("codestral", &["codestral-2508"]),
        ("groq", &["openai/gpt-oss-120b", "shared"]),
        ("openrouter", &["x/y:free", "openai/gpt-4o", "Shared", "deepseek/deepseek-r1"]),
        ("deepseek", &["deepseek-chat"]),
    ];
    catalogue(lists, &options())
}

#[test]
fn a_prefix_leads_to_its_provider() {
    assert_meanings(
        &mixed(),
        &[
            ("openai:gpt-4o", "openai:gpt-4o"),
            ("gemini:gemini-2.5-pro", "google:gemini-2.5-pro"),
            ("openrouter:x/y:free", "openrouter:x/y:free"),
            ("openrouter:openai/gpt-4o", "openrouter:openai/gpt-4o"),
            ("ollama:llama2", "ollama:llama2:latest"),
            ("openai:ft:gpt-4o-2024-08-06:org::abc", "openai:ft:gpt-4o-2024-08-06:org::abc"),
            ("OpenAI:GPT-4O", "openai:gpt-4o"),
        ],
    );
}

#[test]
fn a_model_that_no_list_has_still_goes_to_its_provider() {
    assert_meanings(
        &mixed(),
        &[
            ("openai:gpt-99", "openai:gpt-99"),
            ("openai/gpt-99", "openai:gpt-99"),
            ("openai:gpt-99:latest", "openai:gpt-99"),
            ("ollama:new:latest", "ollama:new:latest"),
            ("openrouter:a/b:free", "openrouter:a/b:free"),
        ],
    );
}

#[test]
fn an_ollama_model_that_looks_like_a_prefix_is_that_model() {
    assert_meanings(
        &mixed(),
        &[
            ("qwen:7b", "ollama:qwen:7b"),
            ("codestral:latest", "ollama:codestral:latest"),
            ("QWEN:7B", "ollama:qwen:7b"),
            ("qwen:qwen-max", "qwen:qwen-max"),
            ("qwen:14b", "qwen:14b"),
        ],
    );
    let both = catalogue(&[("ollama", &["qwen:7b"]), ("qwen", &["7b"])], &options());
    assert_eq!(meaning(&both, "qwen:7b"), "qwen:7b", "the prefix's provider knows it too");
}

#[test]
fn the_full_form_of_a_name_in_ollamas_library_is_that_model() {
    assert_meanings(
        &mixed(),
        &[
            ("library/llama2", "ollama:llama2:latest"),
            ("registry.ollama.ai/library/qwen:7b", "ollama:qwen:7b"),
            ("https://registry.ollama.ai/library/llama2:latest", "ollama:llama2:latest"),
        ],
    );
    assert_eq!(mixed().look_up("library/qwen-max").unwrap_err().class, Class::UnknownModel, "no cloud's model");
}

#[test]
fn a_tag_that_a_client_appended_to_a_prefix_is_dropped() {
    let cloud =
        catalogue(&[("codestral", &["codestral-latest", "codestral-2508"]), ("google", &["gemini-pro"])], &options());
    assert_meanings(
        &cloud,
        &[
            ("codestral:latest", "codestral:codestral-latest"),
            ("gemini:latest", "google:gemini-pro"),
            ("google:gemini-pro:latest", "google:gemini-pro"),
            ("google/gemini-pro:latest", "google:gemini-pro"),
            ("google/new:latest", "google:new"),
        ],
    );
}

#[test]
fn an_id_is_found_where_it_is_listed() {
    assert_meanings(
        &mixed(),
        &[
            ("gpt-4o", "openai:gpt-4o"),
            ("x/y:free", "openrouter:x/y:free"),
            ("ft:gpt-4o-2024-08-06:org::abc", "openai:ft:gpt-4o-2024-08-06:org::abc"),
            ("gpt-oss:120b", "ollama:gpt-oss:120b"),
            ("  gpt-4o\t", "openai:gpt-4o"),
            // Several have it: in their order, exact spelling only.
            ("shared", "qwen:shared groq:shared"),
            ("Shared", "openrouter:Shared"),
        ],
    );
    let local_first = catalogue(&[("groq", &["m"]), ("ollama", &["m"]), ("ollama-b", &["m"])], &options());
    assert_eq!(meaning(&local_first, "m"), "ollama:m ollama-b:m groq:m");
}

#[test]
fn then_case_is_ignored_then_the_tag() {
    assert_meanings(
        &mixed(),
        &[
            ("GPT-4o", "openai:gpt-4o"),
            ("SHARED", "qwen:shared groq:shared openrouter:Shared"),
            ("mixed:1b", "ollama:Mixed:1B"),
            ("llama2", "ollama:llama2:latest"),
            ("Llama2", "ollama:llama2:latest"),
            ("gpt-4o:latest", "openai:gpt-4o"),
            ("GPT-4O:LATEST", "openai:gpt-4o"),
            ("openai:gpt-4o:latest", "openai:gpt-4o"),
        ],
    );
    let cloud = catalogue(&[("ollama", &["llama2:latest"]), ("groq", &["llama2"])], &options());
    assert_eq!(meaning(&cloud, "llama2"), "groq:llama2", "an exact id goes before an added tag");
    assert_eq!(meaning(&cloud, "llama2:latest"), "ollama:llama2:latest");
}

#[test]
fn a_path_is_a_prefix_only_where_nobody_lists_the_whole() {
    assert_meanings(
        &mixed(),
        &[
            ("openai/gpt-oss-120b", "groq:openai/gpt-oss-120b"),
            ("openai/gpt-oss-120b:latest", "groq:openai/gpt-oss-120b"),
            ("openai/gpt-4o", "openrouter:openai/gpt-4o"),
            ("openai/gpt-4-turbo", "openai:gpt-4-turbo"),
            ("openai/gpt-4-turbo:latest", "openai:gpt-4-turbo"),
            ("gemini/gemini-2.5-pro", "google:gemini-2.5-pro"),
            ("deepseek/deepseek-r1", "openrouter:deepseek/deepseek-r1"),
            ("ollama/llama2", "ollama:llama2:latest"),
        ],
    );
}

#[test]
fn aliases_come_last_and_never_hide_a_model() {
    let clash: &[(&str, &[&str])] = &[("openai", &["gpt-4-turbo", "gpt-4"]), ("ollama", &["gpt4:latest"])];
    let clash = catalogue(clash, &options());
    assert_meanings(&clash, &[("gpt4", "ollama:gpt4:latest"), ("GPT4:latest", "ollama:gpt4:latest")]);
    assert!(clash.aliases().iter().all(|(name, ..)| name != "gpt4"));
    assert_meanings(
        &mixed(),
        &[
            ("gpt4", "openai:gpt-4-turbo"),
            ("gpt4:latest", "openai:gpt-4-turbo"),
            ("gemini", "google:gemini-2.5-pro"),
            // What could mean a local model stays local.
            ("qwen", "ollama:qwen:7b"),
            ("llama-2", "ollama:llama2:latest"),
        ],
    );
}

#[test]
fn a_tagged_name_of_ollama_is_not_sent_to_a_cloud_by_an_alias() {
    let cloud = catalogue(&[("groq", &["llama-2-7b-chat"])], &options());
    assert_eq!(meaning(&cloud, "llama-2-7b"), "groq:llama-2-7b-chat");
    assert!(meaning(&cloud, "llama2:7b").contains("not found"));
}

#[test]
fn the_operators_aliases_go_before_all() {
    let aliases = [
        ("gpt-4o", "ollama:llama2"),
        ("fast", "smart"),
        ("smart", "gemini"),
        ("lost", "nowhere-9000"),
        ("a", "b"),
        ("b", "a"),
        ("x", "X"),
    ];
    let aliases = aliases.map(|(name, to)| (name.to_owned(), to.to_owned())).to_vec();
    let lists: &[(&str, &[&str])] = &[
        ("openai", &["gpt-4o", "X"]),
        ("google", &["gemini-2.5-pro"]),
        ("ollama", &["llama2:latest", "smart:latest"]),
    ];
    let catalogue = catalogue(lists, &Options { aliases, ..options() });
    assert_meanings(
        &catalogue,
        &[
            ("gpt-4o", "ollama:llama2:latest"),
            ("GPT-4o:latest", "ollama:llama2:latest"),
            ("openai:gpt-4o", "openai:gpt-4o"),
            ("fast", "google:gemini-2.5-pro"),
            ("smart", "google:gemini-2.5-pro"),
            ("smart:latest", "ollama:smart:latest"),
            ("lost", "model 'lost' not found: it is an alias of 'nowhere-9000', which nobody lists"),
            ("x", "openai:X"),
        ],
    );
    assert_eq!(catalogue.look_up("a").unwrap_err().class, Class::UnknownModel, "a circle ends");
    let shown = catalogue.aliases().iter().find(|(name, ..)| name == "fast").unwrap();
    assert_eq!((shown.1.as_str(), shown.2.as_str()), ("smart", "set in the configuration"));
}

#[test]
fn what_is_listed_is_told_from_what_is_guessed() {
    let options = Options { aliases: vec![("fast".to_owned(), "gpt4".to_owned())], ..options() };
    let lists: &[(&str, &[&str])] =
        &[("openai", &["gpt-4-turbo"]), ("ollama", &["tiny:latest"]), ("qwen", &["qwen-max"])];
    let catalogue = catalogue(lists, &options);
    for name in
        ["gpt-4-turbo", "openai:gpt-4-turbo", "openai/GPT-4-turbo", "fast", "tiny", "ollama:tiny", "tiny:latest:local"]
    {
        assert!(catalogue.listed(name).is_some(), "{name}");
    }
    for name in ["gpt4", "openai:gpt-5", "qwen:7b", "ollama:new", "x:cloud", "nosuch", ""] {
        assert!(catalogue.listed(name).is_none(), "{name}");
    }
}

#[test]
fn ollamas_cloud_models_are_reached_by_its_server() {
    assert_meanings(
        &mixed(),
        &[
            ("gpt-oss:120b-cloud", "ollama:gpt-oss:120b-cloud"),
            ("kimi:cloud", "ollama:kimi:cloud"),
            ("kimi:Cloud", "ollama:kimi:Cloud"),
            ("qwen:cloud", "qwen:cloud"),
            ("kimi:cloudy", "model 'kimi:cloudy' not found"),
        ],
    );
    let without_server = catalogue(&[("openai", &["gpt-4o"])], &options());
    assert_meanings(&without_server, &[("kimi:cloud", "model 'kimi:cloud' not found")]);
}

#[test]
fn unknown_names_fail_with_near_ones() {
    let catalogue = mixed();
    let failure = catalogue.look_up("gpt-5o").unwrap_err();
    assert_eq!((failure.class, failure.status), (Class::UnknownModel, 404));
    assert_eq!(failure.code.as_deref(), Some("model_not_found"));
    assert!(
        failure.message.starts_with("model 'gpt-5o' not found; did you mean 'openai:gpt-4o'"),
        "{}",
        failure.message
    );
    assert_meanings(
        &catalogue,
        &[
            ("zzzzzz", "model 'zzzzzz' not found"),
            (" zzzzzz ", "model ' zzzzzz ' not found"),
            ("", "model '' not found"),
            (
                "openai:",
                "model 'openai:' not found; did you mean 'openai:gpt-4o', 'openrouter:openai/gpt-4o' or 'openai:gpt-4-turbo'?",
            ),
        ],
    );
    assert!(meaning(&catalogue, &"z".repeat(100_000)).len() < 300);
}

#[test]
fn a_provider_that_is_off_says_what_it_wants() {
    let off = vec![
        ("mistral".to_owned(), vec!["MISTRAL_API_KEY".to_owned(), "MISTRAL_API_KEYS".to_owned()]),
        ("vllm".to_owned(), Vec::new()),
    ];
    let lists: &[(&str, &[&str])] = &[("ollama", &["mistral:7b"]), ("openrouter", &["mistral/large"])];
    let catalogue = catalogue(lists, &Options { off, ..options() });
    assert_meanings(
        &catalogue,
        &[
            ("mistral:mistral-large-latest", "provider 'mistral' has no key: set MISTRAL_API_KEY"),
            ("Mistral/mistral-large-latest", "provider 'mistral' has no key: set MISTRAL_API_KEY"),
            ("vllm:x", "provider 'vllm' is off: switch it on in polyllama.toml"),
            ("mistral:7b", "ollama:mistral:7b"),
            ("mistral/large", "openrouter:mistral/large"),
        ],
    );
    assert_eq!(catalogue.look_up("mistral:x").unwrap_err().class, Class::NoKey);
}

#[test]
fn without_any_provider_it_says_what_to_set() {
    let off = vec![("openai".to_owned(), vec!["OPENAI_API_KEY".to_owned()])];
    let nobody = catalogue(&[], &Options { off: off.clone(), ..options() });
    let failure = nobody.look_up("llama2").unwrap_err();
    assert_eq!((failure.class, failure.status), (Class::NoKey, 503));
    assert!(failure.message.starts_with("no provider is configured: set OPENAI_API_KEY"), "{}", failure.message);
    assert_eq!(meaning(&nobody, "openai:gpt-4o"), "provider 'openai' has no key: set OPENAI_API_KEY");
    assert_eq!(Catalogue::empty().look_up("x").unwrap_err().status, 503);
    assert!(Catalogue::empty().is_empty() && Catalogue::empty().models().is_empty());

    let silent: Providers = Arc::new([Arc::new(Provider { is_optional: true, ..provider("ollama") })]);
    let without_models = HashMap::from([("ollama".to_owned(), Vec::new())]);
    let fresh = Catalogue::new(&silent, &without_models, &options());
    assert_eq!(meaning(&fresh, "llama2"), "model 'llama2' not found", "clients pull on this");
    let silent = Catalogue::new(&silent, &HashMap::new(), &options());
    assert_eq!(silent.look_up("llama2").unwrap_err().status, 503, "an Ollama that doesn't answer is none");
    let silent: Providers = Arc::new([Arc::new(provider("openai"))]);
    let silent = Catalogue::new(&silent, &HashMap::new(), &options());
    assert_eq!(silent.look_up("llama2").unwrap_err().class, Class::UnknownModel);
}

#[test]
fn rows_are_local_first_and_keep_their_providers_order() {
    let lists: &[(&str, &[&str])] =
        &[("openai", &["b", "a", "b"]), ("ollama", &["z:1b", "llama2:latest"]), ("ollama-b", &["llama2:latest"])];
    let catalogue = catalogue(lists, &options());
    let names: Vec<&str> = catalogue.models().iter().map(|model| model.name.as_str()).collect();
    assert_eq!(names, ["z:1b", "llama2:latest", "openai:b", "openai:a"]);
    assert_eq!(meaning(&catalogue, "llama2"), "ollama:llama2:latest ollama-b:llama2:latest");
}

#[test]
fn rows_tell_where_a_model_is() {
    let lists: &[(&str, &[&str])] = &[("openai", &["gpt-4o"]), ("ollama", &["llama2:latest"])];
    let catalogue = catalogue(lists, &options());
    let cloud = catalogue.model("gpt-4o").unwrap();
    assert_eq!((cloud.name.as_str(), cloud.provider.as_str(), cloud.is_local), ("openai:gpt-4o", "openai", false));
    assert_eq!(cloud.remote, Some(("gpt-4o".to_owned(), "https://openai.test".to_owned())));
    assert_eq!(cloud.family.as_deref(), Some("gpt"));
    // sha256 of `openai:gpt-4o`
    assert_eq!(cloud.digest.as_deref(), Some("1cffe3377158dfa0a5629baa99bfa75886a5b9c85a9885c6c60544d05603398d"));
    let local = catalogue.model("LLAMA2").unwrap();
    assert_eq!((local.name.as_str(), local.is_local, &local.remote), ("llama2:latest", true, &None));
    let bare = catalogue.model("openai:gpt-99").unwrap();
    assert_eq!((bare.name.as_str(), bare.id.as_str(), bare.provider.as_str()), ("openai:gpt-99", "gpt-99", "openai"));
    assert_eq!(bare.capabilities, Capabilities::default());
    assert_eq!(catalogue.model("zzz").unwrap_err().class, Class::UnknownModel);
}

#[test]
fn entries_name_models_and_patterns_cut_lists() {
    let set = |pattern: &str| globset::GlobSetBuilder::new().add(globset::Glob::new(pattern).unwrap()).build().unwrap();
    let fixed = Provider { static_models: vec!["codestral-latest".to_owned()], ..provider("codestral") };
    let cut = Provider { include: Some(set("openai/*")), exclude: Some(set("*mini")), ..provider("openrouter") };
    let providers: Providers = Arc::new([Arc::new(fixed), Arc::new(cut)]);
    let mut lists = HashMap::from([
        ("codestral".to_owned(), Vec::new()),
        ("openrouter".to_owned(), models(&["openai/gpt-4o", "openai/gpt-4o-mini", "x/y"])),
    ]);
    let names = |lists: &HashMap<String, Vec<Model>>| -> Vec<String> {
        Catalogue::new(&providers, lists, &options()).models().iter().map(|model| model.name.clone()).collect()
    };
    assert_eq!(names(&lists), ["codestral:codestral-latest", "openrouter:openai/gpt-4o"]);
    lists.insert("codestral".to_owned(), models(&["codestral-2508"]));
    assert_eq!(names(&lists), ["codestral:codestral-2508", "openrouter:openai/gpt-4o"]);
}

#[test]
fn a_name_that_is_too_long_for_one_is_sent_nowhere() {
    let catalogue = catalogue(&[("openai", &["gpt-4o"])], &options());
    assert!(catalogue.look_up(&format!("openai:{}", "x".repeat(1024))).is_ok());
    assert!(catalogue.look_up(&format!("openai:{}", "x".repeat(1025))).is_err());
}

#[test]
fn a_list_that_shrinks_takes_its_names_along() {
    let before = catalogue(&[("openai", &["gpt-4-turbo", "gpt-4", "gone"])], &options());
    let after = catalogue(&[("openai", &["gpt-4"])], &options());
    assert_meanings(&before, &[("gpt4", "openai:gpt-4-turbo"), ("gone", "openai:gone")]);
    assert_meanings(
        &after,
        &[("gpt4", "openai:gpt-4"), ("gone", "model 'gone' not found"), ("openai:gone", "openai:gone")],
    );
}

#[test]
fn aliases_are_listed_only_where_wanted() {
    let lists: &[(&str, &[&str])] = &[("google", &["gemini-2.5-pro"])];
    let aliases = vec![("mine".to_owned(), "gemini".to_owned())];
    let shown = catalogue(lists, &Options { list_aliases: true, aliases, ..options() });
    let names: Vec<(&str, &str)> =
        shown.models().iter().map(|model| (model.name.as_str(), model.id.as_str())).collect();
    assert_eq!(names.first(), Some(&("google:gemini-2.5-pro", "gemini-2.5-pro")));
    assert!(names.contains(&("gemini", "gemini-2.5-pro")) && names.contains(&("mine", "gemini-2.5-pro")));
    assert_eq!(catalogue(lists, &options()).models().len(), 1);
    let off = catalogue(lists, &Options::default());
    assert!(off.aliases().is_empty() && off.look_up("gemini").is_err());
}
