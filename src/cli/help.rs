//! The long help: examples, what switches providers on, where files are.

use std::fmt::Write as _;

use clap::{Command, CommandFactory};

use super::Cli;
use crate::provider::entry::{Entry, presets};

/// The command line with its long help.
pub(super) fn command() -> Command {
    Cli::command().after_long_help(after()).after_help("`polyllama --help` says more: examples, variables, files.")
}

/// A script that completes polyllama's command line in this shell.
pub(super) fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "polyllama", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The manual page, in roff: one page for all commands, with the long help as it stands.
pub(super) fn man() -> std::io::Result<String> {
    let command = Cli::command();
    let man = clap_mangen::Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut page = String::from_utf8_lossy(&page).into_owned();
    page.push_str(".SH COMMANDS\n");
    for sub in command.get_subcommands() {
        page.push_str(&man_of(sub)?);
    }
    page.push_str(&format!(".SH EXAMPLES, VARIABLES, FILES\n.nf\n{}.fi\n", roff(&after())));
    Ok(page)
}

/// A command's part of the manual page.
fn man_of(command: &Command) -> std::io::Result<String> {
    let mut options = Vec::new();
    // Its heading is a whole section's.
    clap_mangen::Man::new(command.clone().disable_help_flag(true)).render_options_section(&mut options)?;
    let options = String::from_utf8_lossy(&options);
    let options = options.split_once(".SH OPTIONS\n").map_or("", |(_, options)| options);
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    Ok(format!(".SS polyllama {}\n{}\n{options}", command.get_name(), roff(&about)))
}

/// Text for roff, line by line.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq");
    let line = |line: &str| format!("{}{line}\n", if line.starts_with('.') { "\\&" } else { "" });
    escaped.lines().map(line).collect()
}

const EXAMPLES: &str = "\
Examples:
  polyllama                          serve on 127.0.0.1, port 11434 (5005 where Ollama has that)
  polyllama models --aliases         what there is to ask, and the short names made for it
  polyllama check                    try every provider and key
  polyllama config                   what is in force, and where it came from
  polyllama config --example > polyllama.toml
  polyllama setup zed --write        tell Zed where polyllama is; `polyllama setup` lists the tools

  curl http://localhost:11434/api/chat \\
       -d '{\"model\":\"gpt4\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}'
  curl http://localhost:11434/v1/chat/completions -H 'content-type: application/json' \\
       -d '{\"model\":\"gpt4\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}'
";

const FILES: &str = "\
Files and variables, later wins:
  1. polyllama.toml: the file of --config or POLYLLAMA_CONFIG, else the first of ./polyllama.toml,
     ~/.config/polyllama/polyllama.toml ($XDG_CONFIG_HOME), /etc/polyllama/polyllama.toml
  2. .env in the working folder
  3. the environment
  4. flags
A variable that is set but empty counts as unset. Every setting has a variable: see docs/configuration.md.
To listen for other machines, set POLYLLAMA_HOST=0.0.0.0 and POLYLLAMA_API_KEYS.
";

fn after() -> String {
    format!("{EXAMPLES}\n{}\n{FILES}", providers())
}

/// The variables of every preset, as the table of presets has them.
fn providers() -> String {
    let mut text =
        String::from("Providers, and what switches each on (several keys between commas; _KEY and _KEYS both work):\n");
    for (prefix, entry) in presets().unwrap_or_default() {
        let mut name = prefix.as_str();
        for line in lines(&variables(&entry)) {
            // Writing to a string can't fail.
            let _ = writeln!(text, "  {name:<14} {line}");
            name = "";
        }
    }
    text
}

/// The names with commas between them, in lines that fit a terminal beside a name.
fn lines(names: &[&str]) -> Vec<String> {
    const WIDTH: usize = 63;
    let mut lines: Vec<String> = Vec::new();
    for name in names {
        match lines.last_mut() {
            Some(line) if line.len() + name.len() + 3 <= WIDTH => line.push_str(&format!(", {name}")),
            Some(line) => {
                line.push(',');
                lines.push((*name).to_owned());
            }
            None => lines.push((*name).to_owned()),
        }
    }
    lines
}

/// The variables with keys or tokens, and those that move it elsewhere.
fn variables(entry: &Entry) -> Vec<&str> {
    let faces = entry.faces.iter().flat_map(|face| &face.base_url_env);
    let urls = entry.base_url_env.iter().chain(faces);
    let mut variables: Vec<&str> = Vec::new();
    for name in entry.key_env.iter().chain(&entry.token_env).chain(urls) {
        if !variables.contains(&name.as_str()) {
            variables.push(name);
        }
    }
    variables
}

#[cfg(test)]
mod tests {
    #[test]
    fn long_lists_of_variables_go_on_in_the_next_line() {
        let name = "A".repeat(31);
        let lines = super::lines(&[&name, &name, "B"]);
        assert_eq!(lines, [format!("{name},"), format!("{name}, B")]);
    }

    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }
}
