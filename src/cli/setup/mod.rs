//! `polyllama setup`: tells other tools where polyllama is, and takes that back.
//!
//! What each tool is told is a table (`tools.toml`); `jsonc`, `yaml` and `shell` change texts and know no tool; `file` keeps
//! backups.

mod block;
mod file;
mod gateway;
mod jsonc;
mod shell;
mod tools;
mod yaml;

use std::path::PathBuf;

use anyhow::{Context as _, bail};

use super::table::table;
use crate::config::{Config, Environment};
use crate::json::Json;
use file::{Before, Target};
use gateway::Gateway;
use tools::{How, Tool};

/// What the command takes.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Options {
    /// The tool; without it, the tools are listed
    tool: Option<String>,
    /// Make the settings, rather than print them; the file before is kept beside it as FILE.polyllama-backup
    #[arg(long, requires = "tool", conflicts_with = "undo")]
    write: bool,
    /// Take back what --write made
    #[arg(long, requires = "tool")]
    undo: bool,
    /// A model for the tools that must be told their models (repeatable) [default: those that the running polyllama lists]
    #[arg(long = "model", value_name = "NAME", requires = "tool")]
    models: Vec<String>,
}

/// Lists the tools, or prints, makes or takes back one tool's settings. Gives what to print.
pub(super) fn run(config: &Config, env: &Environment, options: &Options) -> anyhow::Result<String> {
    let tools = tools::tools()?;
    let Some(name) = &options.tool else { return Ok(list(&tools, env)) };
    let Some(tool) = tools.iter().find(|tool| tool.name == name.to_lowercase()) else {
        let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        bail!("there is no tool `{name}`; there are {}", names.join(", "));
    };
    if options.undo {
        return undo(tool, env);
    }
    let mut work = Work::new(tool, env, config)?;
    work.find_models(options)?;
    if options.write { work.write() } else { work.print() }
}

/// Each tool, where it was found, and what `--write` would change.
fn list(tools: &[Tool], env: &Environment) -> String {
    let row = |tool: &Tool| {
        let found = found(tool, env).unwrap_or_else(|| "-".to_owned());
        let file = match &tool.how {
            How::Hand(_) => "by hand: setup prints the steps".to_owned(),
            _ => file(tool, env).map_or_else(|error| error.to_string(), |path| path.display().to_string()),
        };
        [tool.name.clone(), tool.title.clone(), found, file]
    };
    let rows: Vec<[String; 4]> = tools.iter().map(row).collect();
    let text = table(["TOOL", "NAME", "INSTALLED", "SETTINGS"], &rows);
    format!("{text}\n`polyllama setup TOOL` prints the settings, --write makes them, --undo takes them back.\n")
}

/// What shows that the tool is installed.
fn found(tool: &Tool, env: &Environment) -> Option<String> {
    let program = tool.programs.iter().find(|program| env.has_program(program)).map(|name| format!("`{name}` on PATH"));
    let folder = || {
        let mut folders = tool.folders.iter().filter_map(|folder| resolved(folder, env).ok());
        folders.find(|folder| folder.is_dir()).map(|folder| folder.display().to_string())
    };
    program.or_else(folder)
}

/// A path of the table on this machine.
fn resolved(path: &str, env: &Environment) -> anyhow::Result<PathBuf> {
    let (place, rest) = path.strip_prefix('{').and_then(|path| path.split_once('}')).unwrap_or(("", path));
    let config = || env.user_folder("XDG_CONFIG_HOME", ".config");
    let roaming = || env.user_folder("APPDATA", "AppData/Roaming");
    let folder = match place {
        "home" => env.user_folder("", ""),
        "config" => config(),
        "settings" if cfg!(windows) => roaming(),
        "settings" => config(),
        "app" if cfg!(windows) => roaming(),
        "app" if cfg!(target_os = "macos") => env.user_folder("", "Library/Application Support"),
        "app" => config(),
        _ => Some(PathBuf::new()),
    };
    Ok(folder.context("there is no home folder: HOME is not set")?.join(rest.trim_start_matches('/')))
}

/// The file that setup changes.
fn file(tool: &Tool, env: &Environment) -> anyhow::Result<PathBuf> {
    let paths = match &tool.how {
        How::Json(json) => &json.file,
        How::Yaml(yaml) => &yaml.file,
        How::Shell(_) => return Ok(shell::of(env)?.1),
        How::Hand(hand) => bail!("{}", hand.why),
    };
    let paths: Vec<PathBuf> = paths.iter().map(|path| resolved(path, env)).collect::<Result<_, _>>()?;
    let there = paths.iter().find(|path| path.exists()).or(paths.first());
    there.cloned().context("the table names no file")
}

/// One tool's settings, to be printed or made.
struct Work<'a> {
    tool: &'a Tool,
    env: &'a Environment,
    gateway: Gateway,
    models: Vec<String>,
}

impl<'a> Work<'a> {
    fn new(tool: &'a Tool, env: &'a Environment, config: &Config) -> anyhow::Result<Work<'a>> {
        Ok(Work { tool, env, gateway: Gateway::find(config)?, models: Vec::new() })
    }

    /// The models for a tool that must be told them.
    fn find_models(&mut self, options: &Options) -> anyhow::Result<()> {
        if !matches!(&self.tool.how, How::Json(json) if json.models.is_some()) {
            return Ok(());
        }
        self.models = match options.models.as_slice() {
            [] => self.gateway.models(),
            named => named.to_vec(),
        };
        match (self.models.is_empty(), options.write) {
            (true, true) => bail!(
                "{} must be told its models, and no polyllama at {} lists any now: start it, or name them by --model",
                self.tool.title,
                self.gateway.url()
            ),
            (true, false) => self.models.push("MODEL".to_owned()),
            (false, _) => {}
        }
        Ok(())
    }

    fn print(&self) -> anyhow::Result<String> {
        if matches!(self.tool.how, How::Hand(_)) {
            return Ok(self.by_hand());
        }
        let Tool { name, title, .. } = self.tool;
        let mut text = match file(self.tool, self.env) {
            Ok(path) => format!("{title}: {}\n\n", path.display()),
            Err(error) => format!("{title} ({error}):\n\n"),
        };
        self.fragment()?.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
        text.push_str(&format!(
            "\n`polyllama setup {name} --write` puts this there and keeps the rest of the file; --undo takes it back.\n"
        ));
        Ok(text + &self.notes())
    }

    /// What is to stand in the file, for people.
    fn fragment(&self) -> anyhow::Result<String> {
        match &self.tool.how {
            How::Json(json) => self.changed(&json.new),
            How::Yaml(yaml) => {
                let item = yaml.item.iter().map(|line| format!("  {}\n", self.gateway.fill(line)));
                Ok(format!("{}:\n{}", yaml.key, item.collect::<String>()))
            }
            How::Shell(wish) => {
                let url = self.gateway.url();
                let body = |shell| shell::body(shell, wish, &url).join("\n");
                Ok(shell::of(self.env).map_or_else(|_| shell::line(wish, &url), |(shell, _)| body(shell)))
            }
            How::Hand(_) => Ok(String::new()),
        }
    }

    fn write(&self) -> anyhow::Result<String> {
        if matches!(self.tool.how, How::Hand(_)) {
            bail!("setup can't do this.\n\n{}", self.by_hand().trim_end());
        }
        let target =
            file(self.tool, self.env).map(Target::new).or_else(|error| self.refused("Nothing is written", &error))?;
        let old = target.read()?;
        let path = target.path().display();
        let new = self
            .refuse(&target, old.as_deref())
            .and_then(|()| self.changed(start(self.tool, old.as_deref())))
            .or_else(|error| self.refused(&format!("{path} is left as it is"), &error))?;
        if old.as_deref() == Some(&new) {
            return Ok(format!("{path} says so already.\n{}", self.notes()));
        }
        target.write(&new)?;
        let kept = match target.before()? {
            Before::Text(_) => format!("; before, it was {}", target.backup().display()),
            Before::Missing | Before::Untouched => ", a new file".to_owned(),
        };
        Ok(format!("Written: {path}{kept}.\n{}", self.notes()))
    }

    /// The error that says what the user could do instead.
    fn refused<T>(&self, what: &str, why: &anyhow::Error) -> anyhow::Result<T> {
        bail!("{what}: {why:#}. What belongs there:\n\n{}", self.fragment()?.trim_end())
    }

    /// Reasons to leave the file alone that its form doesn't show.
    fn refuse(&self, target: &Target, old: Option<&str>) -> anyhow::Result<()> {
        let How::Yaml(yaml) = &self.tool.how else { return Ok(()) };
        let others = yaml.other.iter().filter_map(|path| resolved(path, self.env).ok());
        if let Some(other) = others.filter(|_| old.is_none()).find(|path| path.exists()) {
            bail!("{} is there, and a {} would hide it", other.display(), target.path().display());
        }
        let (Some(unless), Some(text)) = (&yaml.unless, old) else { return Ok(()) };
        let rest = block::without(text, &self.tool.name)?;
        if rest.lines().any(|line| line.contains(unless) && !line.trim_start().starts_with('#')) {
            bail!("it says `{unless}…` already, and of two the later one counts");
        }
        Ok(())
    }

    /// The text with our settings in it.
    fn changed(&self, text: &str) -> anyhow::Result<String> {
        let name = &self.tool.name;
        match &self.tool.how {
            How::Json(json) => {
                let mut text = text.to_owned();
                for member in &json.set {
                    text = jsonc::put(&text, &member.path, &self.gateway.fill(&member.value), false)?;
                }
                for (path, model) in json.models.iter().flat_map(|path| self.models.iter().map(move |m| (path, m))) {
                    let path = [path.as_slice(), std::slice::from_ref(model)].concat();
                    let value = format!("{{ \"name\": {} }}", Json::string(model).as_str());
                    text = jsonc::put(&text, &path, &value, true)?;
                }
                Ok(text)
            }
            How::Yaml(yaml) => {
                let item: Vec<String> = yaml.item.iter().map(|line| self.gateway.fill(line)).collect();
                yaml::put(text, name, &yaml.key, &item)
            }
            How::Shell(wish) => {
                let (shell, _) = shell::of(self.env)?;
                shell::put(text, name, &shell::body(shell, wish, &self.gateway.url()))
            }
            How::Hand(hand) => bail!("{}", hand.why),
        }
    }

    fn by_hand(&self) -> String {
        let How::Hand(hand) = &self.tool.how else { return String::new() };
        let step = |(number, step): (usize, &String)| format!("  {}. {}\n", number + 1, self.gateway.fill(step));
        let steps: String = hand.steps.iter().enumerate().map(step).collect();
        format!("{}, by hand ({}):\n\n{steps}\n{}", self.tool.title, hand.why, self.notes())
    }

    /// What is left to do.
    fn notes(&self) -> String {
        let mut notes = String::new();
        if !self.tool.hint.is_empty() {
            notes.push_str(&format!("{}\n", self.gateway.fill(&self.tool.hint)));
        }
        if self.gateway.has_keys {
            notes.push_str("polyllama asks for a key: the tool must show one of POLYLLAMA_API_KEYS as its API key.\n");
        }
        if !self.gateway.is_running {
            notes.push_str(&format!("No polyllama answers at {} now.\n", self.gateway.url()));
        }
        notes
    }
}

/// What the change is made in: the file, or what a new one starts with.
fn start<'a>(tool: &'a Tool, old: Option<&'a str>) -> &'a str {
    let new = match &tool.how {
        How::Json(json) => json.new.as_str(),
        How::Yaml(yaml) => yaml.new.as_str(),
        How::Shell(_) | How::Hand(_) => "",
    };
    // An empty file is as good as none, where a file can't be empty.
    old.filter(|text| !text.trim().is_empty()).unwrap_or(new)
}

/// Takes back what `--write` made.
fn undo(tool: &Tool, env: &Environment) -> anyhow::Result<String> {
    let target = Target::new(file(tool, env)?);
    let path = target.path().display();
    let before = target.before()?;
    let nothing = || Ok(format!("{path}: nothing to take back.\n"));
    let Some(text) = target.read()?.filter(|_| before != Before::Untouched) else {
        target.forget()?;
        return nothing();
    };
    let was = match &before {
        Before::Text(text) => Some(text.as_str()),
        Before::Missing | Before::Untouched => None,
    };
    if rest(tool, &text)? == rest(tool, start(tool, was))? {
        target.restore(&before)?;
        let is_gone = before == Before::Missing;
        return Ok(format!("{path} is {} again.\n", if is_gone { "gone" } else { "what it was" }));
    }
    if let How::Json(json) = &tool.how {
        let kept =
            if was.is_some() { format!("; before, it was {}", target.backup().display()) } else { String::new() };
        bail!(
            "{path} has been changed otherwise since and is left as it is: take out `{}` by hand{kept}",
            json.owned.join(".")
        );
    }
    if block::find(&text, &tool.name)?.is_none() {
        return nothing();
    }
    let left = block::without(&text, &tool.name)?;
    // Another tool's block still needs what is kept.
    if block::is_any(&left) {
        target.write(&left)?;
        return Ok(format!("{path}: the block is taken out.\n"));
    }
    target.release(&left)?;
    Ok(format!("{path}: the block is taken out; the rest has been changed since and stays.\n"))
}

/// What the file says beside our settings; equal for two files that differ in nothing else.
fn rest(tool: &Tool, text: &str) -> anyhow::Result<String> {
    match &tool.how {
        How::Json(json) => jsonc::without(text, &json.owned),
        _ => Ok(block::without(text, &tool.name)?.trim_end().to_owned()),
    }
}
