//! Configuration as a user meets it: whatever is wrong is named with its place and what would be right, whatever is set shows
//! up in `polyllama config` with where it came from, and no key is ever printed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail by panicking, as tests do")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// A working folder of its own, gone at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let path = std::env::temp_dir().join(format!("polyllama-{}-{}", std::process::id(), fastrand::u64(..)));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn with(self, file: &str, text: &str) -> Folder {
        std::fs::write(self.0.join(file), text).unwrap();
        self
    }

    /// Runs polyllama here with these arguments and no environment but this one.
    fn run(&self, arguments: &[&str], environment: &[(&str, &str)]) -> Run {
        let output = Command::new(env!("CARGO_BIN_EXE_polyllama"))
            .args(arguments)
            .current_dir(&self.0)
            .env_clear()
            .env("HOME", &self.0)
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        Run {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What a run left behind.
struct Run {
    code: i32,
    out: String,
    err: String,
}

impl Run {
    /// The value and origin that `polyllama config` shows for a key.
    #[track_caller]
    fn setting(&self, key: &str) -> (String, String) {
        assert_eq!(self.code, 0, "{}", self.err);
        let line = self.out.lines().find(|line| line.split_whitespace().next() == Some(key));
        let line = line.unwrap_or_else(|| panic!("no {key} in\n{}", self.out));
        let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        (cells[1].to_owned(), cells[2].to_owned())
    }

    #[track_caller]
    fn assert_refused(&self, message: &str) {
        assert_eq!(self.code, 2, "{}{}", self.out, self.err);
        assert_eq!(self.err.trim_end(), format!("polyllama: {message}"));
        assert_eq!(self.out, "");
    }
}

const SECRET: &str = "sk-test-0123456789abcdefghij";

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_one() {
    let folder = Folder::new().with("polyllama.toml", "# mine\n[limits]\nconect = 3\n");
    folder
        .run(&["config"], &[])
        .assert_refused("polyllama.toml:3:1: unknown key `conect` in [limits]; did you mean `connect`?");
}

#[test]
fn an_unknown_key_of_a_provider_is_named_too() {
    let folder = Folder::new().with("polyllama.toml", "[provider.mine]\nbase_ulr = \"http://10.0.0.1/v1\"\n");
    folder.run(&["config"], &[]).assert_refused("polyllama.toml:2:1: unknown key `base_ulr`; did you mean `base_url`?");
}

#[test]
fn a_wrong_type_says_what_is_expected_where() {
    let folder = Folder::new().with("polyllama.toml", "port = \"high\"\n");
    folder.run(&["config"], &[]).assert_refused(
        "polyllama.toml:1:8: `port`: expected a port from 1 to 65535, or 0 for any free one, found the string \"high\"",
    );
    let folder = Folder::new().with("polyllama.toml", "strict = 1\n");
    folder
        .run(&["config"], &[])
        .assert_refused("polyllama.toml:1:10: `strict`: expected true or false, found the number 1");
}

#[test]
fn a_wrong_type_never_repeats_what_may_be_a_secret() {
    for text in [
        format!("[access]\nkeys = \"{SECRET}\"\n"),
        format!("[provider.openai]\nkey_env = \"{SECRET}\"\n"),
        format!("[provider.openai]\nenabled = \"{SECRET}\"\n"),
        format!("[provider.openai]\nkeys = [\"{SECRET}\", 1]\n"),
        format!("[provider.openai]\nkeys = [\"{SECRET}\n"),
    ] {
        let run = Folder::new().with("polyllama.toml", &text).run(&["config"], &[]);
        assert_eq!(run.code, 2, "{text}");
        assert!(run.err.contains("polyllama.toml:2:"), "{}", run.err);
        assert!(!run.err.contains(SECRET), "{}", run.err);
    }
}

#[test]
fn a_wrong_variable_is_named() {
    let folder = Folder::new();
    folder
        .run(&["config"], &[("PORT", "abc")])
        .assert_refused("PORT: expected a port from 1 to 65535, or 0 for any free one, found `abc`");
    folder
        .run(&["config"], &[("POLYLLAMA_STRICT", "perhaps")])
        .assert_refused("POLYLLAMA_STRICT: expected 1 or 0, found `perhaps`");
    folder
        .run(&["config", "--host", "nowhere"], &[])
        .assert_refused("--host: expected an IP address such as 127.0.0.1 or 0.0.0.0, found `nowhere`");
}

#[test]
fn a_misspelled_variable_is_warned_of() {
    let run = Folder::new().run(&["config"], &[("POLYLLAMA_STRIKT", "1"), ("POLYLLAMA_PORT", "tcp://10.0.0.1:80")]);
    assert_eq!(run.err, "polyllama: POLYLLAMA_STRIKT is set, but nothing reads it; did you mean POLYLLAMA_STRICT?\n");
    assert_eq!(run.code, 0);
}

#[test]
fn later_layers_win() {
    let folder = Folder::new();
    let with = |environment: &[(&str, &str)], arguments: &[&str]| {
        folder.run(&[&["config"], arguments].concat(), environment).setting("port")
    };
    let told = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(with(&[], &[]), told("11434, else 5005", "default"));
    let folder = folder.with("polyllama.toml", "\nport = 1001\n");
    let with = |environment: &[(&str, &str)], arguments: &[&str]| {
        folder.run(&[&["config"], arguments].concat(), environment).setting("port")
    };
    assert_eq!(with(&[], &[]), told("1001", "polyllama.toml:2"));
    std::fs::write(folder.0.join(".env"), "PORT=1002\n").unwrap();
    assert_eq!(with(&[], &[]), told("1002", "PORT in .env"));
    assert_eq!(with(&[("PORT", "1003")], &[]), told("1003", "PORT"));
    assert_eq!(with(&[("PORT", "")], &[]), told("1002", "PORT in .env"), "empty is unset");
    assert_eq!(with(&[("PORT", "1003")], &["--port", "1004"]), told("1004", "--port"));
}

#[test]
fn the_file_is_looked_for_in_the_users_folder_too_and_where_it_is_asked_for() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.0.join(".config/polyllama")).unwrap();
    let folder = folder.with(".config/polyllama/polyllama.toml", "verbose = true").with("other.toml", "strict = true");
    assert_eq!(folder.run(&["config"], &[]).setting("verbose").0, "true");
    let asked = folder.run(&["config", "--config", "other.toml"], &[]);
    assert_eq!((asked.setting("verbose").0.as_str(), asked.setting("strict").0.as_str()), ("false", "true"));
    assert_eq!(folder.run(&["config"], &[("POLYLLAMA_CONFIG", "other.toml")]).setting("strict").0, "true");
    let missing = folder.run(&["config", "--config", "none.toml"], &[]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.starts_with("polyllama: can't read none.toml: "), "{}", missing.err);
}

#[test]
fn host_counts_only_where_it_is_an_address() {
    let folder = Folder::new();
    assert_eq!(folder.run(&["config"], &[("HOST", "build-machine-7")]).setting("host").0, "\"127.0.0.1\"");
    assert_eq!(folder.run(&["config"], &[("HOST", "127.0.0.2")]).setting("host").1, "HOST");
    let both = folder.run(&["config"], &[("HOST", "127.0.0.2"), ("POLYLLAMA_HOST", "127.0.0.3")]);
    assert_eq!(both.setting("host"), ("\"127.0.0.3\"".to_owned(), "POLYLLAMA_HOST".to_owned()));
}

#[test]
fn an_address_that_others_reach_wants_keys() {
    let folder = Folder::new();
    for address in ["0.0.0.0", "::", "192.0.2.1", "::ffff:192.0.2.1"] {
        let run = folder.run(&["config"], &[("POLYLLAMA_HOST", address)]);
        assert_eq!(run.code, 2, "{address}");
        assert!(run.err.contains("POLYLLAMA_API_KEYS") && run.err.contains("POLYLLAMA_OPEN=1"), "{}", run.err);
        assert_eq!(folder.run(&[], &[("POLYLLAMA_HOST", address)]).code, 2, "serving is refused as well");
        assert_eq!(folder.run(&["config"], &[("POLYLLAMA_HOST", address), ("POLYLLAMA_OPEN", "1")]).code, 0);
        assert_eq!(folder.run(&["config"], &[("POLYLLAMA_HOST", address), ("POLYLLAMA_API_KEYS", "k")]).code, 0);
    }
    assert_eq!(folder.run(&["config"], &[("POLYLLAMA_HOST", "::1")]).code, 0);
}

#[test]
fn key_lists_lose_quotes_and_blanks_and_are_shown_masked() {
    let keys = format!("\" {SECRET} , '{SECRET}x',, short ,{SECRET}\"");
    let run = Folder::new().run(&["config"], &[("POLYLLAMA_API_KEYS", &keys)]);
    assert_eq!(run.setting("access.keys").0, "[\"sk-…ghij\", \"sk-…hijx\", \"********\"]");
}

#[test]
fn inbound_keys_can_stand_in_a_file() {
    let folder = Folder::new().with("keys", &format!("{SECRET}\n\n{SECRET}2\n"));
    let run = folder.run(&["config"], &[("POLYLLAMA_HOST", "0.0.0.0"), ("POLYLLAMA_API_KEYS_FILE", "keys")]);
    assert_eq!(run.setting("access.keys_file").1, "POLYLLAMA_API_KEYS_FILE");
    assert!(!run.out.contains(SECRET));
    let missing = folder.run(&["config"], &[("POLYLLAMA_API_KEYS_FILE", "none")]);
    assert_eq!(missing.code, 2);
    assert!(missing.err.starts_with("polyllama: can't read none: "), "{}", missing.err);
    let empty = folder
        .with("keys", "\n")
        .run(&["config"], &[("POLYLLAMA_HOST", "0.0.0.0"), ("POLYLLAMA_API_KEYS_FILE", "keys")]);
    assert_eq!(empty.code, 2, "an empty file is no key");
}

#[test]
fn no_key_appears_in_any_output() {
    let file = format!(
        "[access]\nkeys = [\"{SECRET}-a\"]\n[provider.openai]\nkeys = \"{SECRET}-b\"\n\
         [provider.mine]\nbase_url = \"http://user:{SECRET}-c@10.0.0.1/v1\"\nkeys = [\"{SECRET}-d\"]\n"
    );
    let folder = Folder::new().with("polyllama.toml", &file).with(".env", &format!("COHERE_API_KEYS={SECRET}-e\n"));
    let environment = [
        ("QWEN_API_KEYS", format!("{SECRET}-f,{SECRET}-g")),
        ("GCP_ACCESS_TOKEN", format!("{SECRET}-h")),
        ("HTTPS_PROXY", format!("http://me:{SECRET}-i@127.0.0.1:9")),
        ("AKASH_BASE_URL", format!("http://me:{SECRET}-j@127.0.0.1:9")),
    ];
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for arguments in [vec!["config"], vec!["config", "--verbose"], vec!["--help"]] {
        let run = folder.run(&arguments, &environment);
        assert!(!run.out.contains(SECRET) && !run.err.contains(SECRET), "{}{}", run.out, run.err);
    }
}

#[test]
fn the_example_is_a_config_file_with_all_defaults() {
    let folder = Folder::new();
    let example = folder.run(&["config", "--example"], &[]);
    assert_eq!(example.code, 0);
    let defaults = folder.run(&["config"], &[]);
    let folder = folder.with("polyllama.toml", &example.out);
    assert_eq!(folder.run(&["config"], &[]).out, defaults.out);

    // Keys are the lines that have no blank after the `#`.
    let in_use = |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned();
    // The example's file of keys isn't there.
    let lines = example.out.lines().map(|line| line.replace("/run/secrets/polyllama-keys", ".env"));
    let uncommented: Vec<String> = lines.map(|line| in_use(&line)).collect();
    let folder = folder.with("polyllama.toml", &uncommented.join("\n")).with(".env", "");
    let used = folder.run(&["config"], &[("MY_SERVER_API_KEY", "k")]);
    let keys = defaults.out.lines().skip(1).map_while(|line| line.split_whitespace().next());
    for key in keys.filter(|key| !key.starts_with("provider.")) {
        let (value, origin) = used.setting(key);
        assert!(origin.starts_with("polyllama.toml:"), "{key} from {origin}");
        assert!(
            ["port", "state_dir", "access.keys_file"].contains(&key) || value == defaults.setting(key).0,
            "{key} = {value}"
        );
    }
    assert!(used.out.contains("provider.my-server.base_url"), "{}", used.out);
}

#[test]
fn the_example_of_dot_env_sets_nothing() {
    let example = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(".env.example")).unwrap();
    let folder = Folder::new();
    let without = folder.run(&["config"], &[]);
    let folder = folder.with(".env", &example);
    assert_eq!(folder.run(&["config"], &[]).out, without.out);
}

#[test]
fn every_variable_of_the_examples_and_documents_is_one_that_is_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let example = std::fs::read_to_string(root.join(".env.example")).unwrap();
    let documents = std::fs::read_to_string(root.join("docs/configuration.md")).unwrap();
    let providers = documents.split("## Providers").nth(1).unwrap().split("`OLLAMA_HOST`").next().unwrap();
    let in_documents = providers.split('`').filter(|word| word.ends_with("_URL") || word.contains("_API_KEY"));
    let in_example = example.lines().filter_map(|line| line.strip_suffix('=')).filter(|name| !documents.contains(name));
    let help = Folder::new().run(&["--help"], &[]).out;
    for name in in_documents.chain(in_example) {
        // Of `…_KEY` and `…_KEYS` the help has one.
        assert!(help.contains(name.trim_end_matches('S')), "{name}");
    }
}

#[test]
fn each_provider_of_the_mission_is_on_by_its_variable_alone() {
    let variables = [
        ("openai", "OPENAI_API_KEY"),
        ("openai", "OPENAI_API_KEYS"),
        ("google", "GOOGLE_API_KEYS"),
        ("google", "GOOGLE_API_KEY"),
        ("google", "GEMINI_API_KEY"),
        ("google", "GCP_ACCESS_TOKEN"),
        ("openrouter", "OPENROUTER_API_KEYS"),
        ("akash", "AKASH_API_KEYS"),
        ("cohere", "COHERE_API_KEYS"),
        ("codestral", "CODESTRAL_API_KEYS"),
        ("qwen", "QWEN_API_KEYS"),
    ];
    let folder = Folder::new();
    for (prefix, name) in variables {
        let run = folder.run(&["config"], &[(name, SECRET)]);
        assert!(run.out.contains(&format!("\nproviders on:  ollama, {prefix}\n")), "{name}: {}{}", run.out, run.err);
        assert_eq!(run.setting(&format!("provider.{prefix}.keys")), ("[\"sk-…ghij\"]".to_owned(), name.to_owned()));
    }
}

#[test]
fn providers_show_where_their_keys_and_addresses_came_from() {
    let folder = Folder::new()
        .with(".env", "OPENAI_API_KEY=sk-test-0123456789abcdefghij\n")
        .with("polyllama.toml", "[provider.mine]\nbase_url = \"http://10.0.0.1:8000/v1\"\n");
    let run = folder.run(&["config"], &[("OPENAI_BASE_URL", "http://10.0.0.2/v1")]);
    let told = |value: &str, origin: &str| (value.to_owned(), origin.to_owned());
    assert_eq!(run.setting("provider.openai.keys"), told("[\"sk-…ghij\"]", "OPENAI_API_KEY in .env"));
    assert_eq!(run.setting("provider.openai.base_url"), told("[\"http://10.0.0.2/v1\"]", "OPENAI_BASE_URL"));
    assert_eq!(run.setting("provider.mine.base_url"), told("[\"http://10.0.0.1:8000/v1\"]", "polyllama.toml:1"));
}

#[test]
fn we_are_not_our_own_provider() {
    let environment = [("OPENAI_BASE_URL", "http://localhost:4321/v1"), ("OPENAI_API_KEY", "k"), ("PORT", "4321")];
    let run = Folder::new().run(&["config"], &environment);
    assert_eq!(run.err, "polyllama: provider openai is left out: its base URL is polyllama itself (port 4321)\n");
    let on = run.out.lines().find(|line| line.starts_with("providers on:")).unwrap();
    assert!(!on.contains("openai"), "{on}");
}

#[test]
fn a_misspelled_provider_is_taken_for_what_it_may_mean() {
    let run = Folder::new().with("polyllama.toml", "\n[provider.opnai]\nkeys = \"k\"\n").run(&["config"], &[]);
    assert_eq!(run.code, 2, "{}", run.out);
    assert!(run.err.starts_with("polyllama: polyllama.toml:2:"), "{}", run.err);
    assert!(run.err.contains("did you mean [provider.openai]?"), "{}", run.err);
}

#[test]
fn help_is_worth_reading() {
    let folder = Folder::new();
    let help = folder.run(&["--help"], &[]);
    assert_eq!(help.code, 0);
    for word in ["serve", "models", "check", "config", "Examples:", "polyllama.toml", ".env", "OPENAI_API_KEY"] {
        assert!(help.out.contains(word), "{word} in\n{}", help.out);
    }
    assert!(folder.run(&["-h"], &[]).out.len() < help.out.len());
}

#[test]
fn the_version_is_the_packages() {
    let run = Folder::new().run(&["--version"], &[]);
    assert_eq!(run.out, format!("polyllama {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let run = Folder::new().run(&["serv"], &[]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("serve"), "{}", run.err);
}
