//! The real `ollama` command, where `OLLAMA_BIN` names one or `ollama` is on the PATH; else these say that they skip.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, Once};

use super::providers::{BUSY, DENIED, GREETING, THOUGHT, WRONG};
use super::skipped;
use super::support::wait_for;
use super::world::World;

/// The command, with a home of its own and the gateway as its server.
struct Ollama<'a> {
    program: PathBuf,
    world: &'a World,
}

const CTRL_C: &str = "\u{3}";

/// What a run of it printed, without the terminal's control sequences.
struct Run {
    is_ok: bool,
    stdout: String,
    stderr: String,
}

fn ollama(world: &World) -> Option<Ollama<'_>> {
    let named = std::env::var_os("OLLAMA_BIN").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        named.or_else(|| std::env::split_paths(&path).map(|folder| folder.join("ollama")).find(|file| file.is_file()));
    static ONCE: Once = Once::new();
    if found.is_none() {
        skipped(&ONCE, "no `ollama` on the PATH, and OLLAMA_BIN names none");
    }
    let ollama = Ollama { program: found?, world };
    // The flags and words below are those of 0.33; a command that was built from source calls itself 0.0.0.
    let told = ollama.prints(&["--version"]);
    let version = told.split_whitespace().last().unwrap_or_default();
    let minor = version.strip_prefix("0.").and_then(|rest| rest.split('.').next()?.parse().ok());
    if minor.is_some_and(|minor: u32| (1..20).contains(&minor)) {
        skipped(&ONCE, &format!("the `ollama` command is too old: {version}"));
        return None;
    }
    Some(ollama)
}

impl Ollama<'_> {
    fn environment(&self) -> BTreeMap<&'static str, String> {
        let home = self.world.gateway.folder().join("home");
        std::fs::create_dir_all(&home).unwrap();
        BTreeMap::from([
            ("HOME", home.display().to_string()),
            ("OLLAMA_HOST", format!("127.0.0.1:{}", self.world.gateway.port)),
            ("OLLAMA_NOHISTORY", "1".to_owned()),
            ("TERM", "screen-256color".to_owned()),
            ("PATH", std::env::var("PATH").unwrap_or_default()),
        ])
    }

    /// Runs it to its end, with this on its standard input.
    fn piped(&self, args: &[&str], input: &str) -> Run {
        let mut command = Command::new(&self.program);
        command.args(args).env_clear().envs(self.environment());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| plain(&String::from_utf8_lossy(bytes));
        Run { is_ok: output.status.success(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    fn run(&self, args: &[&str]) -> Run {
        self.piped(args, "")
    }

    /// What it prints; fails unless it ends well.
    fn prints(&self, args: &[&str]) -> String {
        let run = self.run(args);
        assert!(run.is_ok, "ollama {args:?}: {}{}", run.stdout, run.stderr);
        run.stdout
    }

    /// Runs it in a terminal. Each line is typed when its prompt has come; all that the terminal showed comes back.
    fn in_a_terminal(&self, args: &[&str], lines: &[&str]) -> Option<String> {
        let spawn = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
        let mut command = Command::new("python3");
        command.args(["-c", spawn]).arg(&self.program).args(args).env_clear().envs(self.environment());
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let Ok(mut child) = started else {
            static ONCE: Once = Once::new();
            skipped(&ONCE, "no python3 to make a terminal with");
            return None;
        };
        let shown = Arc::new(Mutex::new(String::new()));
        let (mut screen, sink) = (child.stdout.take().unwrap(), Arc::clone(&shown));
        let reader = std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut some) {
                *sink.lock().unwrap() += &String::from_utf8_lossy(&some[..count]);
            }
        });
        let mut keyboard = child.stdin.take().unwrap();
        let mut typed = 0;
        for line in lines {
            let shows = |what: &str, times: usize| shown.lock().unwrap().matches(what).count() >= times;
            // Ctrl-C is for an answer that has begun.
            if *line == CTRL_C {
                wait_for("half an answer", || shows("Hello", 1).then_some(()));
                keyboard.write_all(CTRL_C.as_bytes()).unwrap();
                continue;
            }
            typed += 1;
            wait_for("a prompt", || shows(">>> ", typed).then_some(()));
            keyboard.write_all(format!("{line}\r").as_bytes()).unwrap();
        }
        wait_for("its end", || child.try_wait().unwrap());
        reader.join().unwrap();
        let shown = shown.lock().unwrap().clone();
        Some(plain(&shown))
    }
}

/// Text without the sequences that move cursors and colour.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\u{1b}' if rest.next() == Some('[') => {
                rest.by_ref().find(|c| c.is_ascii_alphabetic());
            }
            '\u{1b}' | '\r' => {}
            c => out.push(c),
        }
    }
    out
}

/// The row of a table that begins with this word.
fn row<'a>(table: &'a str, name: &str) -> Vec<&'a str> {
    let found = table.lines().find(|line| line.split_whitespace().next() == Some(name));
    found.unwrap_or_else(|| panic!("no row {name}:\n{table}")).split_whitespace().collect()
}

#[test]
fn list_show_ps_and_version() {
    let world = World::scripted();
    let Some(ollama) = ollama(&world) else { return };
    let list = ollama.prints(&["list"]);
    let details = |model: &str| (ollama.prints(&["show", model]), row(&list, model).len());
    for model in world.chats.iter().chain(&world.embedders) {
        let (shown, columns) = details(model);
        assert!(columns >= 4, "{list}");
        assert!(shown.contains("architecture") && shown.contains("Capabilities"), "{shown}");
    }
    assert!(ollama.prints(&["show", "openai:text-embedding-3-small"]).contains("embedding"));
    assert!(ollama.prints(&["show", "gpt-4.1"]).contains("completion"), "a name without its prefix");
    assert!(ollama.prints(&["show", "--parameters", "llama3.2"]).contains("num_ctx"));
    ollama.prints(&["run", "openai:gpt-4.1", "Say hello."]);
    let running = ollama.prints(&["ps"]);
    assert!(row(&running, "openai:gpt-4.1").ends_with(&["from", "now"]), "{running}");
    assert!(ollama.prints(&["--version"]).contains("version is 0.33.0"));
}

#[test]
fn run_with_a_prompt_and_by_a_pipe() {
    let world = World::scripted();
    let Some(ollama) = ollama(&world) else { return };
    for model in &world.chats {
        assert_eq!(ollama.prints(&["run", model, "Say hello."]).trim(), GREETING, "{model}");
        let piped = ollama.piped(&["run", model], "Say hello.\n");
        assert_eq!((piped.is_ok, piped.stdout.trim()), (true, GREETING), "{model}: {}", piped.stderr);
        let counts = ollama.run(&["run", "--verbose", model, "Say hello."]).stderr;
        assert!(counts.contains("eval count:           7 token(s)"), "{model}: {counts}");
        assert!(counts.contains("tokens/s") && !counts.contains("NaN") && !counts.contains("Inf"), "{model}: {counts}");
    }
    for model in &world.embedders {
        assert_eq!(ollama.prints(&["run", model, "Hello"]).trim(), "[0.6,0.8]", "{model}");
    }
    let formed = ollama.prints(&["run", "--format", "json", "qwen:qwen-plus", "Say hello."]);
    assert_eq!(formed.trim(), GREETING);
    let unknown = ollama.run(&["run", "nobody-knows-me", "Hi"]);
    assert!(!unknown.is_ok && unknown.stderr.contains("Error"), "{}", unknown.stderr);
}

#[test]
fn thinking_is_shown_before_the_answer() {
    let world = World::scripted();
    let Some(ollama) = ollama(&world) else { return };
    for model in ["google:gemini-2.5-pro", "llama3.2:latest"] {
        let said = ollama.run(&["run", model, "Ponder, then say hello."]).stdout;
        let (thought, text) = said.split_once("...done thinking.").unwrap_or_else(|| panic!("{model}: {said}"));
        assert!(thought.contains(THOUGHT), "{model}: {said}");
        assert_eq!(text.trim(), GREETING, "{model}");
        let hidden = ollama.prints(&["run", "--hidethinking", model, "Ponder, then say hello."]);
        assert_eq!(hidden.trim(), GREETING, "{model}");
    }
}

#[test]
fn a_conversation_in_a_terminal() {
    let world = World::scripted();
    let Some(ollama) = ollama(&world) else { return };
    for model in ["google:gemini-2.5-pro", "codestral:codestral-latest", "llama3.2:latest", "gpt-4.1"] {
        let Some(screen) = ollama.in_a_terminal(&["run", model], &["Say hello.", "And again.", "/show info", "/bye"])
        else {
            return;
        };
        assert_eq!(screen.matches(GREETING).count(), 2, "{model}: {screen}");
        assert!(screen.contains("Capabilities") && !screen.contains("Error"), "{model}: {screen}");
        assert!(!screen.contains("ollama.com"), "{model}: {screen}");
    }
    let (_, qwen) = world.upstreams.iter().find(|(prefix, _)| *prefix == "codestral").unwrap();
    assert_eq!(
        qwen.last().json()["messages"].as_array().map(Vec::len),
        Some(3),
        "the second turn has the first before it"
    );
}

#[test]
fn ctrl_c_ends_the_answer_up_to_the_provider() {
    let world = World::scripted();
    let Some(ollama) = ollama(&world) else { return };
    for prefix in ["qwen", "google", "ollama"] {
        let model =
            world.chats.iter().find(|model| model.starts_with(if prefix == "ollama" { "llama" } else { prefix }));
        let Some(screen) = ollama.in_a_terminal(&["run", model.unwrap()], &["Wait.", CTRL_C, "/bye"]) else { return };
        assert!(!screen.contains(GREETING), "{prefix}: {screen}");
        let (_, up) = world.upstreams.iter().find(|(name, _)| *name == prefix).unwrap();
        wait_for("the provider to be left", || (up.left() == 1).then_some(()));
    }
}

#[test]
fn a_failure_is_told_in_the_providers_own_words() {
    let world = World::scripted();
    let Some(ollama) = ollama(&world) else { return };
    for prefix in ["openai", "qwen", "codestral", "ollama"] {
        for (model, words) in [("wrong", WRONG), ("busy", BUSY), ("denied", DENIED)] {
            let run = ollama.run(&["run", &format!("{prefix}:{model}"), "Say hello."]);
            assert!(!run.is_ok && run.stderr.contains(words), "{prefix}:{model}: {}{}", run.stdout, run.stderr);
        }
    }
    let cut = ollama.run(&["run", "openrouter:cut", "Say hello."]);
    assert!(!cut.is_ok && cut.stderr.contains("Error"), "half an answer as a whole one: {}{}", cut.stdout, cut.stderr);
}

#[test]
fn a_missing_key_is_named() {
    let world = World::scripted();
    let Some(ollama) = ollama(&world) else { return };
    for args in [["run", "mistral:mistral-large-latest", "Hi"].as_slice(), &["show", "mistral:mistral-large-latest"]] {
        let run = ollama.run(args);
        let told = format!("{}{}", run.stdout, run.stderr);
        assert!(told.contains("MISTRAL_API_KEY"), "{args:?}: {told}");
    }
}

#[test]
fn stop() {
    let world = World::scripted();
    let Some(ollama) = ollama(&world) else { return };
    for model in &world.chats {
        ollama.prints(&["run", model, "Say hello."]);
        assert_eq!(ollama.prints(&["stop", model]), "");
    }
    // A model that is elsewhere has nothing to stop, and the command asks for nothing.
    assert!(!ollama.prints(&["ps"]).contains("llama3.2"));
    let (_, up) = world.upstreams.iter().find(|(prefix, _)| *prefix == "ollama").unwrap();
    assert_eq!(up.last().json()["keep_alive"], "0s");
    let unknown = ollama.run(&["stop", "nobody-knows-me"]);
    assert!(unknown.stderr.contains("couldn't find model \"nobody-knows-me\" to stop"), "{}", unknown.stderr);
}

#[test]
fn pull_cp_and_rm() {
    let world = World::scripted();
    let Some(ollama) = ollama(&world) else { return };
    for model in &world.chats {
        assert!(ollama.run(&["pull", model]).stderr.contains("success"), "{model}");
    }
    let unknown = ollama.run(&["pull", "nobody-knows-me"]);
    assert!(!unknown.is_ok, "{}", unknown.stderr);
    assert!(unknown.stderr.contains("file does not exist"), "{}", unknown.stderr);
    assert_eq!(ollama.prints(&["cp", "llama3.2", "mine"]).trim(), "copied 'llama3.2' to 'mine'");
    assert_eq!(ollama.prints(&["rm", "llama3.2"]).trim(), "deleted 'llama3.2'");
    let cloud = ollama.run(&["rm", "openai:gpt-4.1"]);
    assert!(!cloud.is_ok && cloud.stderr.contains("gpt-4.1"), "{}{}", cloud.stdout, cloud.stderr);
}
