//! Promise: `polyllama setup` tells a tool where polyllama is without touching anything else of the user's, and takes every
//! byte of it back.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail by panicking, as tests do"
)]

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::{gateway, upstream};

/// A home of its own, gone at the end.
struct Home(PathBuf);

/// Nobody listens there.
const URL: &str = "http://127.0.0.1:9";

impl Home {
    fn new() -> Home {
        let path = std::env::temp_dir().join(format!("polyllama-home-{}-{}", std::process::id(), fastrand::u64(..)));
        std::fs::create_dir_all(&path).unwrap();
        Home(path)
    }

    fn with(self, file: &str, text: &str) -> Home {
        let path = self.0.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn text(&self, file: &str) -> Option<String> {
        std::fs::read_to_string(self.0.join(file)).ok()
    }

    fn json(&self, file: &str) -> Value {
        serde_json::from_str(&self.text(file).unwrap()).unwrap()
    }

    /// Every file there, with its content.
    fn all(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn collect(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in std::fs::read_dir(folder).unwrap().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    collect(&path, found);
                } else {
                    found.push((path.clone(), std::fs::read(path).unwrap()));
                }
            }
        }
        let mut found = Vec::new();
        collect(&self.0, &mut found);
        found.sort();
        found
    }

    fn run_with(&self, arguments: &[&str], environment: &[(&str, &str)]) -> (i32, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_polyllama"))
            .args(arguments)
            .current_dir(&self.0)
            .env_clear()
            .envs([("HOME", self.0.to_str().unwrap()), ("SHELL", "/bin/bash"), ("PORT", "9")])
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), text)
    }

    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        let (code, text) = self.run_with(arguments, &[]);
        assert_eq!(code, 0, "{arguments:?}: {text}");
        text
    }

    #[track_caller]
    fn refuses(&self, arguments: &[&str], why: &str) -> String {
        let before = self.all();
        let (code, text) = self.run_with(arguments, &[]);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains(why), "{text}");
        assert_eq!(self.all(), before, "nothing was changed");
        text
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The folder where the platform keeps programs' settings.
const APP: &str = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".config" };
const BASH: &str = if cfg!(target_os = "macos") { ".bash_profile" } else { ".bashrc" };

/// The tools that setup can tell, and their files.
fn tools() -> Vec<(&'static str, String)> {
    vec![
        ("ollama", BASH.to_owned()),
        ("vscode", format!("{APP}/Code/User/chatLanguageModels.json")),
        ("zed", ".config/zed/settings.json".to_owned()),
        ("continue", ".continue/config.yaml".to_owned()),
        ("aider", ".aider.conf.yml".to_owned()),
        ("llm", BASH.to_owned()),
        ("opencode", ".config/opencode/opencode.json".to_owned()),
    ]
}

/// With the models, which opencode must be told.
fn write(tool: &str) -> Vec<&str> {
    let mut arguments = vec!["setup", tool, "--write"];
    if tool == "opencode" {
        arguments.extend(["--model", "gpt4", "--model", "google:gemini-2.5-pro"]);
    }
    arguments
}

/// Writes, writes again, takes back: what was there is there, and what was written is given.
#[track_caller]
fn there_and_back(home: &Home, tool: &str, file: &str) -> String {
    let before = home.all();
    let told = home.run(&write(tool));
    assert!(told.contains(file) && told.contains("No polyllama answers"), "{told}");
    let written = home.all();
    let text = home.text(file).unwrap();
    assert!(home.run(&write(tool)).contains("says so already"));
    assert_eq!(home.all(), written, "{tool}: the second time changes nothing");
    // Another port goes to the same place, and is taken back from there.
    home.run(&[&write(tool)[..], &["--port", "99"]].concat());
    assert!(home.text(file).unwrap().contains("127.0.0.1:99"));
    assert_eq!(home.text(file).unwrap().replace(":99", ":9"), text);
    home.run(&["setup", tool, "--undo"]);
    assert_eq!(home.all(), before, "{tool}: every byte is back");
    assert!(home.run(&["setup", tool, "--undo"]).contains("nothing to take back"));
    text
}

#[test]
fn every_tool_is_printed_without_a_change() {
    let home = Home::new();
    for (tool, file) in tools() {
        let told = home.run(&["setup", tool]);
        assert!(told.contains("127.0.0.1:9") && told.contains(&file) && told.contains("--write"), "{told}");
    }
    for tool in ["cline", "open-webui", "home-assistant"] {
        let told = home.run(&["setup", tool]);
        assert!(told.contains(URL) && told.contains("1. "), "{told}");
    }
    assert_eq!(home.all(), []);
}

#[test]
fn in_an_empty_home_the_file_is_made_and_goes_again() {
    let home = Home::new();
    for (tool, file) in tools() {
        there_and_back(&home, tool, &file);
    }
    assert_eq!(home.all(), []);
}

#[test]
fn new_files_say_what_the_tools_read() {
    let home = Home::new();
    let of = |tool: &str, file: &str| {
        home.run(&write(tool));
        home.json(file)
    };
    let vscode = of("vscode", &format!("{APP}/Code/User/chatLanguageModels.json"));
    assert_eq!(vscode, json!([{"name": "polyllama", "vendor": "ollama", "url": URL}]));
    assert_eq!(of("zed", ".config/zed/settings.json"), json!({"language_models": {"ollama": {"api_url": URL}}}));
    let provider = json!({
        "npm": "@ai-sdk/openai-compatible",
        "name": "polyllama",
        "options": {"baseURL": format!("{URL}/v1")},
        "models": {"gpt4": {"name": "gpt4"}, "google:gemini-2.5-pro": {"name": "google:gemini-2.5-pro"}},
    });
    let expected = json!({"$schema": "https://opencode.ai/config.json", "provider": {"polyllama": provider}});
    assert_eq!(of("opencode", ".config/opencode/opencode.json"), expected);
    home.run(&write("continue"));
    let text = home.text(".continue/config.yaml").unwrap();
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let expected = "name: Local Config\nversion: 1.0.0\nschema: v1\nmodels:\n  - name: polyllama\n    provider: ollama\n    \
                    model: AUTODETECT\n    apiBase: http://127.0.0.1:9";
    assert_eq!(lines.join("\n"), expected);
    home.run(&write("aider"));
    assert!(home.text(".aider.conf.yml").unwrap().contains("\nset-env:\n  - OLLAMA_API_BASE=http://127.0.0.1:9\n"));
}

const ZED: &str = r#"// Zed settings
//
// To see all of Zed's default settings, open the command palette.
{
  "agent": { "default_model": { "provider": "zed.dev", "model": "claude-sonnet-4" } },
  "language_models": {
    // the big machine
    "ollama": {
      "api_url": "http://tower:11434", // was slow
      "low_speed_timeout_in_seconds": 120,
    },
  },
  "theme": "One Dark",
}
"#;

#[test]
fn zeds_comments_and_commas_stay() {
    let home = Home::new().with(".config/zed/settings.json", ZED);
    let text = there_and_back(&home, "zed", ".config/zed/settings.json");
    assert_eq!(text, ZED.replace("http://tower:11434", URL));
}

#[test]
fn vs_codes_other_models_stay() {
    let old =
        "[\n\t{\n\t\t\"name\": \"Ollama\",\n\t\t\"vendor\": \"ollama\",\n\t\t\"url\": \"http://tower:11434\"\n\t}\n]\n";
    let file = format!("{APP}/Code/User/chatLanguageModels.json");
    let home = Home::new().with(&file, old);
    let text = there_and_back(&home, "vscode", &file);
    let ours = ",\n\t{\n\t\t\"name\": \"polyllama\",\n\t\t\"vendor\": \"ollama\",\n\t\t\"url\": \"http://127.0.0.1:9\"\n\t}\n]\n";
    assert_eq!(text, old.replace("\n]\n", ours));
}

#[test]
fn opencodes_other_providers_stay_and_its_second_file_name_is_known() {
    let old = "{\n    // mine\n    \"model\": \"anthropic/claude-sonnet-4-5\",\n    \"provider\": {\n        \"anthropic\": { \"options\": {} }\n    }\n}\n";
    let home = Home::new().with(".config/opencode/opencode.jsonc", old);
    let text = there_and_back(&home, "opencode", ".config/opencode/opencode.jsonc");
    let (before, after) = old.split_once("\n    }\n}").unwrap();
    assert!(text.starts_with(&format!("{before},\n        \"polyllama\": {{\n            \"npm\": ")), "{text}");
    assert!(text.ends_with(&format!("        }}\n    }}\n}}{after}")), "{text}");
}

const CONTINUE: &str = "name: My Config\nversion: 0.0.1\nschema: v1\n\nmodels: # by hand\n- name: Claude\n  provider: anthropic\n  \
                        model: claude-sonnet-4-5\n  roles: [chat]\n\ncontext:\n- provider: code\n";

#[test]
fn continues_other_models_stay() {
    let home = Home::new().with(".continue/config.yaml", CONTINUE);
    let text = there_and_back(&home, "continue", ".continue/config.yaml");
    let block = "# >>> polyllama setup: continue >>>\n- name: polyllama\n  provider: ollama\n  model: AUTODETECT\n  \
                 apiBase: http://127.0.0.1:9\n# <<< polyllama setup: continue <<<\n";
    assert_eq!(text, CONTINUE.replace("- name: Claude", &format!("{block}- name: Claude")));
}

#[test]
fn aiders_other_settings_stay_even_without_a_line_end() {
    let old = "## Model\n#model: xxx\n\ndark-mode: true\nset-env:\n  - FOO=1\nauto-commits: false";
    let home = Home::new().with(".aider.conf.yml", old);
    let text = there_and_back(&home, "aider", ".aider.conf.yml");
    let block = "  # >>> polyllama setup: aider >>>\n  - OLLAMA_API_BASE=http://127.0.0.1:9\n  # <<< polyllama setup: aider <<<\n";
    assert_eq!(text, old.replace("  - FOO", &format!("{block}  - FOO")));
    let home = Home::new().with(".aider.conf.yml", "dark-mode: true");
    there_and_back(&home, "aider", ".aider.conf.yml");
}

/// Runs a line in a bash that reads this start file, with programs that tell OLLAMA_HOST and their arguments.
fn in_bash(home: &Home, file: &str, line: &str) -> String {
    let bin = home.0.join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    for name in ["ollama", "llm"] {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(bin.join(name), "#!/bin/sh\necho \"${OLLAMA_HOST:-unset} $*\"\n").unwrap();
        std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let script = format!(". ./{file}\n{line}");
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let output = Command::new("bash").args(["-c", &script]).current_dir(&home.0).env_clear().env("PATH", path).output();
    let output = output.unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_shell_runs_ollama_and_llm_with_the_address_and_the_server_without_it() {
    let old = "# ~/.bashrc\nalias ll='ls -l'\nexport EDITOR=vi\n";
    let home = Home::new().with(BASH, old);
    there_and_back(&home, "ollama", BASH);
    home.run(&write("ollama"));
    assert!(home.run(&["setup", "llm", "--undo"]).contains("nothing to take back"));
    home.run(&write("llm"));
    assert_eq!(in_bash(&home, BASH, "ollama run 'a b'"), "http://127.0.0.1:9 run a b\n");
    assert_eq!(in_bash(&home, BASH, "ollama serve"), "unset serve\n");
    assert_eq!(in_bash(&home, BASH, "llm -m x"), "http://127.0.0.1:9 -m x\n");
    // Two tools in one file: each takes back its own, the last one every byte.
    home.run(&["setup", "ollama", "--undo"]);
    assert_eq!(in_bash(&home, BASH, "ollama run; llm"), "unset run\nhttp://127.0.0.1:9 \n");
    home.run(&["setup", "llm", "--undo"]);
    assert_eq!(home.text(BASH).unwrap(), old);
    assert_eq!(home.text(&format!("{BASH}.polyllama-backup")), None);
}

#[test]
fn the_shell_is_the_users() {
    let home = Home::new();
    let arguments = ["setup", "ollama", "--write"];
    assert_eq!(home.run_with(&arguments, &[("SHELL", "/usr/bin/zsh")]).0, 0);
    assert!(home.text(".zshrc").unwrap().contains("function ollama {\n"));
    assert_eq!(home.run_with(&arguments, &[("SHELL", "/usr/bin/fish")]).0, 0);
    assert!(home.text(".config/fish/config.fish").unwrap().contains("function ollama --wraps ollama\n"));
    let (code, told) = home.run_with(&arguments, &[("SHELL", "/bin/tcsh")]);
    assert!(code == 1 && told.contains("`tcsh` is not known") && told.contains("OLLAMA_HOST="), "{told}");
}

#[test]
fn what_the_user_changed_since_stays() {
    let home = Home::new().with(BASH, "a=1\n").with(".config/zed/settings.json", "{}\n");
    home.run(&write("ollama"));
    let text = home.text(BASH).unwrap() + "b=2\n";
    let home = home.with(BASH, &text);
    assert!(home.run(&["setup", "ollama", "--undo"]).contains("stays"));
    assert_eq!(home.text(BASH).unwrap(), "a=1\nb=2\n");
    home.run(&write("zed"));
    let text = home.text(".config/zed/settings.json").unwrap().replacen('{', "{\n  \"theme\": \"One Light\",", 1);
    let home = home.with(".config/zed/settings.json", &text);
    home.refuses(&["setup", "zed", "--undo"], "has been changed otherwise since");
}

#[test]
fn a_file_that_the_user_removed_is_forgotten() {
    let home = Home::new();
    home.run(&write("zed"));
    std::fs::remove_dir_all(home.0.join(".config/zed")).unwrap();
    there_and_back(&home, "zed", ".config/zed/settings.json");
    home.run(&write("zed"));
    std::fs::remove_file(home.0.join(".config/zed/settings.json")).unwrap();
    assert!(home.run(&["setup", "zed", "--undo"]).contains("nothing to take back"));
    assert_eq!(home.all(), []);
}

#[test]
fn what_cant_be_read_is_left_alone_and_printed() {
    for (tool, file, text, why) in [
        ("zed", ".config/zed/settings.json", "{ \"theme\": }", "not JSON"),
        ("zed", ".config/zed/settings.json", "{ \"language_models\": [] }", "an object with `ollama` was expected"),
        ("opencode", ".config/opencode/opencode.json", "[]", "an object with `provider` was expected"),
        ("continue", ".continue/config.yaml", "models: [{name: a}]\n", "is not a list with an item a line"),
        ("continue", ".continue/config.yaml", "{}\n", "line 1 is not"),
        ("continue", ".continue/config.json", "{}\n", "would hide it"),
        (
            "aider",
            ".aider.conf.yml",
            "set-env:\n- OLLAMA_API_BASE=http://tower:11434\n",
            "it says `OLLAMA_API_BASE=…` already",
        ),
    ] {
        let home = Home::new().with(file, text);
        let told = home.refuses(&write(tool), why);
        assert!(told.contains("What belongs there") && told.contains(URL), "{told}");
    }
}

#[test]
fn what_only_the_tool_itself_can_be_told_is_said_so() {
    let home = Home::new();
    for tool in ["cline", "open-webui", "home-assistant"] {
        let told = home.refuses(&["setup", tool, "--write"], "setup can't do this");
        assert!(told.contains("1. "), "{told}");
    }
    home.refuses(&["setup", "emacs"], "there is no tool `emacs`; there are ollama, vscode, ");
    home.refuses(&["setup", "zed", "--port", "0"], "port 0");
    home.refuses(&["setup", "opencode", "--write"], "must be told its models");
}

#[test]
fn a_key_that_is_asked_for_is_mentioned_and_not_shown() {
    let home = Home::new();
    let (_, told) = home.run_with(&["setup", "zed"], &[("POLYLLAMA_API_KEYS", "sk-test-secret-0123456789")]);
    assert!(told.contains("asks for a key") && !told.contains("sk-test"), "{told}");
}

#[test]
fn the_list_tells_what_is_installed_and_runs_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new().with("bin/aider", "#!/bin/sh\ntouch \"$HOME/was-run\"\n").with(".continue/x", "");
    std::fs::set_permissions(home.0.join("bin/aider"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let (code, told) = home.run_with(&["setup"], &[("PATH", home.0.join("bin").to_str().unwrap())]);
    assert_eq!(code, 0, "{told}");
    let line = |tool: &str| told.lines().find(|line| line.starts_with(tool)).unwrap().to_owned();
    for (tool, file) in tools() {
        assert!(line(tool).contains(&file), "{told}");
    }
    assert!(line("aider").contains("`aider` on PATH"), "{told}");
    assert!(line("continue").contains(home.0.join(".continue").to_str().unwrap()), "{told}");
    assert!(line("zed").contains("  -  "), "{told}");
    assert!(line("home-assistant").contains("by hand"), "{told}");
    assert!(!home.0.join("was-run").exists());
}

#[test]
fn a_link_stays_a_link() {
    let home = Home::new().with("dotfiles/settings.json", "{}\n");
    std::fs::create_dir_all(home.0.join(".config/zed")).unwrap();
    let link = home.0.join(".config/zed/settings.json");
    std::os::unix::fs::symlink(home.0.join("dotfiles/settings.json"), &link).unwrap();
    there_and_back(&home, "zed", ".config/zed/settings.json");
    assert!(link.is_symlink());
}

#[test]
fn opencode_gets_the_models_of_the_running_gateway() {
    let up = upstream().models(&["gpt-4o", "gpt-4o-mini"]);
    let gw = gateway().provider("openai", &up, &["k"]).start();
    support::wait_for("the models", || {
        let listed = gw.listed();
        (!listed.is_empty()).then_some(listed)
    });
    let home = Home::new();
    let told = home.run(&["setup", "opencode", "--write", "--port", &gw.port.to_string()]);
    assert!(!told.contains("No polyllama answers"), "{told}");
    let models = &home.json(".config/opencode/opencode.json")["provider"]["polyllama"]["models"];
    let names: Vec<&String> = models.as_object().unwrap().keys().collect();
    assert!(names.iter().any(|name| name.contains("gpt-4o-mini")), "{names:?}");
}

#[test]
fn completions_are_accepted_by_the_shell() {
    use std::io::Write as _;
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = home.run(&["completions", shell]);
        assert!(script.contains("setup") && script.contains("--write"), "{shell}");
    }
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(home.run(&["completions", "bash"]).as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_manual_page_is_roff() {
    // A configuration that is wrong doesn't stand in its way.
    let home = Home::new().with("polyllama.toml", "conect = 3\n");
    let page = home.run(&["man"]);
    assert!(page.starts_with(".TH") || page.starts_with(".ie"), "{}", page.get(..80).unwrap_or(&page));
    for word in [".SH NAME", ".SH OPTIONS", "polyllama setup", "\\-\\-undo", "OPENAI_API_KEY"] {
        assert!(page.contains(word), "{word}");
    }
}
