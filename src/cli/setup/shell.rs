//! A function in the shell's start file that runs a program with a variable set.
//!
//! Not the variable itself: other programs read it, too, and some take it for the address to listen on.

use std::path::{Path, PathBuf};

use anyhow::bail;

use super::block;
use super::tools::Shell as Wish;
use crate::config::Environment;

/// A shell whose start file we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// The user's shell and its start file.
pub(super) fn of(env: &Environment) -> anyhow::Result<(Shell, PathBuf)> {
    let home = || env.user_folder("", "").ok_or_else(|| anyhow::anyhow!("there is no home folder: HOME is not set"));
    let name = env.get("SHELL").and_then(|shell| Path::new(shell).file_name()?.to_str());
    match name {
        // A terminal of macOS starts login shells, which read this one only.
        Some("bash") => {
            Ok((Shell::Bash, home()?.join(if cfg!(target_os = "macos") { ".bash_profile" } else { ".bashrc" })))
        }
        Some("zsh") => {
            Ok((Shell::Zsh, env.get("ZDOTDIR").map_or_else(home, |folder| Ok(folder.into()))?.join(".zshrc")))
        }
        Some("fish") => {
            let config = env.user_folder("XDG_CONFIG_HOME", ".config").map_or_else(home, Ok)?;
            Ok((Shell::Fish, config.join("fish/config.fish")))
        }
        Some(other) => {
            bail!("the start file of the shell `{other}` is not known here, only those of bash, zsh and fish")
        }
        None => bail!("SHELL is not set: the shell's start file is not known"),
    }
}

/// The function's lines.
pub(super) fn body(shell: Shell, wish: &Wish, url: &str) -> Vec<String> {
    let Wish { program, variable, except } = wish;
    let lines = match shell {
        Shell::Fish => {
            let call = format!("{variable}={url} command {program} $argv");
            let body = match except {
                Some(except) => {
                    format!("    if test \"$argv[1]\" = {except}; command {program} $argv; else; {call}; end")
                }
                None => format!("    {call}"),
            };
            [format!("function {program} --wraps {program}"), body, "end".to_owned()]
        }
        // With the word `function` an alias of the same name does no harm.
        Shell::Bash | Shell::Zsh => {
            let call = format!("{variable}={url} command {program} \"$@\"");
            let body = match except {
                Some(except) => {
                    format!("  if [ \"$1\" = {except} ]; then command {program} \"$@\"; else {call}; fi")
                }
                None => format!("  {call}"),
            };
            [format!("function {program} {{"), body, "}".to_owned()]
        }
    };
    lines.to_vec()
}

/// One call of the program, for a shell that is not known.
pub(super) fn line(wish: &Wish, url: &str) -> String {
    let Wish { program, variable, .. } = wish;
    if cfg!(windows) {
        format!("$env:{variable} = '{url}'; {program}")
    } else {
        format!("env {variable}={url} {program}")
    }
}

/// The file with the function in it.
pub(super) fn put(text: &str, tool: &str, body: &[String]) -> anyhow::Result<String> {
    let lines = block::lines(tool, "", body, block::line_end(text));
    Ok(match block::find(text, tool)? {
        Some(range) => block::replaced(text, range, &lines),
        None => block::appended(text, &lines),
    })
}
