use secrecy::ExposeSecret;

use super::*;
use crate::provider::credentials::{Choice, Pool};

/// An environment.
type Variables<'a> = &'a [(&'a str, &'a str)];

fn preset(prefix: &str) -> Entry {
    presets().unwrap().into_iter().find(|(name, _)| name == prefix).map(|(_, entry)| entry).unwrap()
}

fn entry(text: &str) -> Entry {
    toml::from_str(text).unwrap()
}

fn build(prefix: &str, entry: &Entry, variables: Variables<'_>, from_config: bool) -> Result<Built, EntryError> {
    let env = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    let read = |path: &std::path::Path| match path.to_str() {
        Some("/run/keys") => Ok("filed-1\n\"filed-2\"\nfiled-1\n".to_owned()),
        _ => Err(std::io::Error::other("no such file")),
    };
    entry.build_with(prefix, &env, from_config, &read)
}

/// The providers of a preset that is on.
fn on(prefix: &str, variables: Variables<'_>) -> Vec<Provider> {
    match build(prefix, &preset(prefix), variables, false).unwrap() {
        Built::On(providers) => providers,
        Built::Off { reason, .. } => panic!("{prefix} is off: {reason}"),
    }
}

fn one(prefix: &str, variables: Variables<'_>) -> Provider {
    on(prefix, variables).pop().unwrap()
}

fn off_reason(prefix: &str, variables: Variables<'_>, from_config: bool) -> Option<String> {
    match build(prefix, &preset(prefix), variables, from_config).unwrap() {
        Built::On(_) => None,
        Built::Off { reason, .. } => Some(reason),
    }
}

fn secrets(pool: &Pool) -> Vec<String> {
    let now = std::time::Instant::now();
    let mut found = Vec::new();
    for _ in 0..pool.len() {
        if let Choice::Use(_, credential) = pool.choose("m", &[], now) {
            found.push(credential.secret.expose_secret().to_owned());
        }
    }
    found
}

fn urls(provider: &Provider) -> Vec<(Dialect, &str)> {
    provider.faces.iter().map(|face| (face.dialect, face.base_url.as_str())).collect()
}

#[test]
fn every_preset_builds_with_a_key() {
    let presets = presets().unwrap();
    assert_eq!(presets.first().map(|(prefix, _)| prefix.as_str()), Some("ollama"));
    assert!(presets.len() > 30, "{}", presets.len());
    for (prefix, entry) in &presets {
        let env = |name: &str| match name {
            "AZURE_RESOURCE_NAME" => Some("res".to_owned()),
            "AWS_REGION" => Some("us-east-1".to_owned()),
            "CLOUDFLARE_ACCOUNT_ID" => Some("acct".to_owned()),
            name if entry.key_env.iter().chain(&entry.general_key_env).any(|known| known == name) => {
                Some("a-key".to_owned())
            }
            _ => None,
        };
        let from_config = entry.key_env.is_empty() || entry.switched_on == Some(SwitchedOn::Config);
        let Built::On(providers) = entry.build(prefix, &env, from_config).unwrap() else { panic!("{prefix} is off") };
        for face in &providers[0].faces {
            assert!(face.base_url.starts_with("http") && !face.base_url.ends_with('/'), "{prefix}: {}", face.base_url);
        }
        let names_itself =
            entry.base_url_env.iter().all(|name| name.contains("_BASE_URL") || name.ends_with("_ENDPOINT"));
        assert!(names_itself && !entry.base_url_env.is_empty(), "{prefix}");
    }
}

#[test]
fn prefixes_are_of_one_provider_each() {
    let mut seen = std::collections::BTreeSet::new();
    for (prefix, entry) in presets().unwrap() {
        for name in entry.other_prefixes.into_iter().chain([prefix]) {
            assert!(seen.insert(name.clone()), "{name} twice");
        }
    }
}

#[test]
fn key_lists_are_cleaned() {
    let openai = one("openai", &[("OPENAI_API_KEYS", "\" k1, 'k2' ,,k1\""), ("OPENAI_API_KEY", "k3")]);
    assert_eq!(secrets(&openai.pool), ["k1", "k2", "k3"]);
    assert!(!openai.is_keyless);
    let singular = one("akash", &[("AKASH_API_KEY", "k")]);
    assert_eq!(secrets(&singular.pool), ["k"]);
    assert_eq!(
        off_reason("openai", &[("OPENAI_API_KEY", " , ")], false).as_deref(),
        Some("no key: set OPENAI_API_KEY")
    );
    let broken = build("openai", &preset("openai"), &[("OPENAI_API_KEY", "a\u{7}b")], false).unwrap_err();
    assert!(broken.to_string().contains("OPENAI_API_KEY") && !broken.to_string().contains("a\u{7}b"));
}

#[test]
fn keys_come_from_files_too() {
    let openai = one("openai", &[("OPENAI_API_KEY_FILE", "/run/keys")]);
    assert_eq!(secrets(&openai.pool), ["filed-1", "filed-2"]);
    assert_eq!(openai.key_files, [std::path::PathBuf::from("/run/keys")]);
    let missing = build("openai", &preset("openai"), &[("OPENAI_API_KEYS_FILE", "/nowhere")], false);
    assert!(matches!(missing, Err(EntryError::KeyFile { .. })));
}

#[test]
fn the_environment_goes_before_the_configuration() {
    let user = entry("keys = ['own']\nbase_url = 'https://proxy.example/v1'");
    let openai = preset("openai").overlay(user);
    let by_env = [("OPENAI_API_KEY", "env"), ("OPENAI_BASE_URL", "https://other.example/v1/")];
    for (variables, key, url) in
        [(&by_env[..], "env", "https://other.example/v1"), (&[], "own", "https://proxy.example/v1")]
    {
        let Built::On(providers) = build("openai", &openai, variables, true).unwrap() else { panic!("off") };
        assert_eq!(secrets(&providers[0].pool), [key]);
        assert_eq!(providers[0].faces[0].base_url, url);
    }
}

#[test]
fn what_switches_a_provider_on() {
    assert!(off_reason("groq", &[], false).unwrap().contains("GROQ_API_KEY"));
    assert!(off_reason("groq", &[], true).is_some());
    assert!(off_reason("openai", &[("OPENAI_BASE_URL", "http://192.168.1.4:8000/v1")], false).is_none());
    assert!(off_reason("openai", &[("OPENAI_BASE_URL", "https://proxy.example/v1")], false).is_some());
    assert!(off_reason("huggingface", &[("HF_TOKEN", "hf_x")], false).is_some());
    assert!(off_reason("huggingface", &[("HF_TOKEN", "hf_x")], true).is_none());
    assert!(off_reason("huggingface", &[("HUGGINGFACE_API_KEY", "hf_x")], false).is_none());
    assert!(
        off_reason("cloudflare", &[("CLOUDFLARE_API_TOKEN", "t"), ("CLOUDFLARE_ACCOUNT_ID", "a")], false).is_some()
    );
    assert!(off_reason("cloudflare", &[("CLOUDFLARE_API_TOKEN", "t"), ("CLOUDFLARE_ACCOUNT_ID", "a")], true).is_none());
    let no_account = off_reason("cloudflare", &[("CLOUDFLARE_API_TOKEN", "t")], true);
    assert_eq!(no_account.as_deref(), Some("CLOUDFLARE_ACCOUNT_ID is not set"));
    assert!(off_reason("lmstudio", &[], false).unwrap().contains("LMSTUDIO_BASE_URL"));
    assert!(off_reason("lmstudio", &[("LMSTUDIO_BASE_URL", "http://localhost:1234")], false).is_none());
    let silent = preset("ollama").overlay(entry("enabled = false"));
    assert!(matches!(build("ollama", &silent, &[], true).unwrap(), Built::Off { .. }));
}

#[test]
fn a_provider_of_ones_own_needs_no_key_where_it_names_none() {
    let own = entry("base_url = 'https://llm.example/v1'");
    let Built::On(providers) = build("mine", &own, &[], true).unwrap() else { panic!("off") };
    assert!(providers[0].is_keyless);
    assert_eq!(providers[0].faces[0].auth, Auth::None);
    let named = entry("base_url = 'https://llm.example/v1'\nkey_env = ['MY_KEY']");
    assert!(matches!(build("mine", &named, &[], true).unwrap(), Built::Off { .. }));
    assert!(build("mine", &entry("auth = 'bearer'"), &[], true).is_err());
}

#[test]
fn ollama_is_there_when_it_answers() {
    let ollama = one("ollama", &[("OLLAMA_API_KEY", "cloud"), ("OLLAMA_HOST", "http://elsewhere:1")]);
    assert!(ollama.is_optional && ollama.is_local && ollama.is_keyless);
    let base = "http://localhost:11434";
    assert_eq!(urls(&ollama), [(Dialect::Ollama, base), (Dialect::OpenAi, "http://localhost:11434/v1")]);
    assert_eq!(ollama.faces.iter().map(|face| face.passes).collect::<Vec<_>>(), [true, false]);
    assert_eq!(ollama.faces[0].models_path.as_deref(), Some("/api/tags"));
    assert!(!one("ollama", &[("OLLAMA_BASE_URL", "http://gpu:11434")]).is_optional);
    let cloud = one("ollama-cloud", &[("OLLAMA_API_KEY", "cloud")]);
    assert_eq!((cloud.is_local, cloud.faces[0].auth), (false, Auth::Bearer));
}

#[test]
fn ollama_can_be_several() {
    let several = on("ollama", &[("OLLAMA_BASE_URL", "http://a:11434/, b:11434/v1 ,https://c.example/api/")]);
    let found: Vec<(&str, &str)> = several.iter().map(|p| (p.prefix.as_str(), p.faces[0].base_url.as_str())).collect();
    let wanted = [("ollama", "http://a:11434"), ("ollama2", "http://b:11434"), ("ollama3", "https://c.example")];
    assert_eq!(found, wanted);
}

#[test]
fn the_openai_face_of_ollama_can_be_made_to_pass() {
    let passing = preset("ollama").overlay(entry("openai_face = 'pass'\nface = 'translate'"));
    let Built::On(providers) = build("ollama", &passing, &[], true).unwrap() else { panic!("off") };
    assert!(providers[0].faces[1].passes);
    assert_eq!(providers[0].way, Some(FaceMode::Translate));
}

#[test]
fn google_has_two_faces() {
    let native = (Dialect::Gemini, "https://generativelanguage.googleapis.com/v1beta");
    let compat = (Dialect::OpenAi, "https://generativelanguage.googleapis.com/v1beta/openai");
    let google = one("google", &[("GEMINI_API_KEY", "k")]);
    assert_eq!(urls(&google), [native, compat]);
    assert_eq!((google.faces[0].auth, google.faces[1].auth), (Auth::XGoogApiKey, Auth::Bearer));
    assert_eq!((google.faces[0].takes_token, google.faces[1].takes_token), (true, false));
    assert!(google.has_prefix("gemini"));
    let token = one("google", &[("GCP_ACCESS_TOKEN", "ya29.x")]);
    assert!(matches!(token.pool.choose("m", &[], std::time::Instant::now()), Choice::Use(_, c) if c.is_token));
}

#[test]
fn googles_addresses_follow_their_variables() {
    let (gemini, openai) = (Dialect::Gemini, Dialect::OpenAi);
    let key = ("GOOGLE_API_KEY", "k");
    for native in ["http://h:1", "http://h:1/", "http://h:1/v1beta", "http://h:1/v1beta/", "http://h:1/v1beta/openai/"]
    {
        let google = one("google", &[key, ("GEMINI_BASE_URL", native)]);
        assert_eq!(urls(&google), [(gemini, "http://h:1/v1beta"), (openai, "http://h:1/v1beta/openai")], "{native}");
    }
    let alone = one("google", &[key, ("GOOGLE_BASE_URL", "http://g:2/v1beta/openai/")]);
    assert_eq!(urls(&alone), [(openai, "http://g:2/v1beta/openai")]);
    let both = one("google", &[key, ("GEMINI_BASE_URL", "http://h:1/x"), ("GOOGLE_BASE_URL", "http://g:2/o")]);
    assert_eq!(urls(&both), [(gemini, "http://h:1/x/v1beta"), (openai, "http://g:2/o")]);
}

#[test]
fn addresses_are_brought_into_one_form() {
    let key = ("OPENAI_API_KEY", "k");
    for (text, wanted) in [
        ("http://h:1/v1", "http://h:1/v1"),
        ("http://h:1/v1/chat/completions", "http://h:1/v1"),
        ("HTTPS://h/v1/models/", "https://h/v1"),
        ("http://h:1/", "http://h:1/v1"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000/v1"),
        ("\"https://api.example/x\"", "https://api.example/x"),
    ] {
        assert_eq!(one("openai", &[key, ("OPENAI_BASE_URL", text)]).faces[0].base_url, wanted, "{text}");
    }
    let azure = one("azure", &[("AZURE_API_KEY", "k"), ("AZURE_OPENAI_ENDPOINT", "https://res.openai.azure.com/")]);
    assert_eq!(azure.faces[0].base_url, "https://res.openai.azure.com/openai/v1");
    for text in ["ftp://h/v1", "http://user:secret@h/v1", "http://h/v1?key=x", "http://h h/", "http:///v1"] {
        let error = build("openai", &preset("openai"), &[key, ("OPENAI_BASE_URL", text)], false).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("OPENAI_BASE_URL") && !said.contains("secret"), "{said}");
    }
}

#[test]
fn private_addresses_need_no_key() {
    for (url, is_private) in [
        ("http://localhost:1", true),
        ("http://127.8.8.8:1", true),
        ("http://[::1]:1", true),
        ("http://10.1.2.3", true),
        ("http://172.16.0.1", true),
        ("http://172.32.0.1", false),
        ("http://box.local", true),
        ("http://vllm:8000", true),
        ("http://[fd00::1]", true),
        ("http://8.8.8.8", false),
        ("https://localhost.example.com", false),
    ] {
        assert_eq!(off_reason("groq", &[("GROQ_BASE_URL", url)], false).is_none(), is_private, "{url}");
    }
}

#[test]
fn patterns_choose_what_is_listed() {
    let user = entry("include = ['*:free', 'openai/*']\nexclude = ['*-mini']\nkeys = 'a, b'");
    let Built::On(providers) = build("openrouter", &preset("openrouter").overlay(user), &[], true).unwrap() else {
        panic!("off")
    };
    let provider = &providers[0];
    assert!(provider.lists("vendor/m:free") && provider.lists("openai/gpt-5"));
    assert!(!provider.lists("openai/gpt-5-mini") && !provider.lists("vendor/m"));
    assert_eq!(provider.pool.len(), 2);
    assert_eq!(provider.headers[0].0.as_str(), "x-openrouter-title");
    let broken = build("x", &entry("base_url = 'http://h'\ninclude = ['[']"), &[], true).unwrap_err();
    assert!(matches!(broken, EntryError::Pattern { .. }));
}

#[test]
fn only_an_ollama_server_is_local() {
    let built = |dialect: &str| {
        build("x", &entry(&format!("base_url = 'http://h'\nlocal = true\ndialect = '{dialect}'")), &[], true)
    };
    assert!(matches!(built("ollama"), Ok(Built::On(_))));
    let told = built("openai").unwrap_err().to_string();
    assert!(told.contains("`local` is for servers of the dialect `ollama`"), "{told}");
}

#[test]
fn an_overlay_adds_rules_and_quirks() {
    let user = entry(
        "quirks = { json_schema = false }\nrules = [{ drop = ['x'] }]\nerrors = [{ status = [418], class = 'no_money' }]",
    );
    let cohere = preset("cohere");
    let (rules, errors) = (cohere.rules.len(), cohere.errors.len());
    let both = cohere.overlay(user);
    assert_eq!((both.rules.len(), both.errors.len()), (rules + 1, errors + 1));
    let quirks = both.read_quirks().unwrap();
    assert_eq!((quirks.json_schema, quirks.stream_usage), (false, false));
}

#[test]
fn what_the_form_does_not_know_is_refused() {
    for text in ["base_ulr = ''", "quirks = { x = 1 }", "auth = 'magic'", "models_path = 'models'", "face = 'both'"] {
        assert!(toml::from_str::<Entry>(text).is_err(), "{text}");
    }
    let lean = entry("base_url = 'https://x.example/v1'\nkey_env = ['X_API_KEY']\nmodels_path = false");
    assert_eq!(lean.models_path, Some(ModelsPath::Nowhere));
}

#[test]
fn both_forms_of_a_key_variable_are_looked_at() {
    use crate::provider::both_forms;
    assert_eq!(both_forms("A_API_KEY"), ["A_API_KEYS", "A_API_KEY"]);
    assert_eq!(both_forms("A_API_KEYS"), ["A_API_KEYS", "A_API_KEY"]);
    assert_eq!(both_forms("HF_TOKEN"), ["HF_TOKEN"]);
}
