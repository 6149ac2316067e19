//! The table of tools, as `tools.toml` has it.

use anyhow::Context as _;
use serde::Deserialize;

/// A tool that can be told where polyllama is.
#[derive(Debug, Deserialize)]
pub(super) struct Tool {
    /// What one types.
    pub(super) name: String,
    /// What it calls itself.
    pub(super) title: String,
    /// Found by one of these on PATH …
    #[serde(default)]
    pub(super) programs: Vec<String>,
    /// … or by one of these folders.
    #[serde(default)]
    pub(super) folders: Vec<String>,
    /// What is left to do once it is told.
    #[serde(default)]
    pub(super) hint: String,
    /// How it is told.
    #[serde(flatten)]
    pub(super) how: How,
}

/// How a tool is told.
#[derive(Debug, Deserialize)]
#[serde(tag = "format", rename_all = "lowercase")]
pub(super) enum How {
    /// Members of a JSON file, which may have comments.
    Json(Json),
    /// An item of a list in a YAML file.
    Yaml(Yaml),
    /// A function in the shell's start file.
    Shell(Shell),
    /// By the user only.
    Hand(Hand),
}

/// Members of a JSON file.
#[derive(Debug, Deserialize)]
pub(super) struct Json {
    /// Where: the first that exists, else the first.
    pub(super) file: Vec<String>,
    /// What stands in a new file.
    #[serde(default = "empty_object")]
    pub(super) new: String,
    /// The member that is ours alone.
    pub(super) owned: Vec<String>,
    /// What to set.
    pub(super) set: Vec<Member>,
    /// The object that names the models, for a tool that asks no server for its list.
    pub(super) models: Option<Vec<String>>,
}

/// A member of a JSON file.
#[derive(Debug, Deserialize)]
pub(super) struct Member {
    /// Its names from the outermost in; `[NAME]` is the item of an array with this `name`.
    pub(super) path: Vec<String>,
    /// JSON text.
    pub(super) value: String,
}

/// An item of a list in a YAML file.
#[derive(Debug, Deserialize)]
pub(super) struct Yaml {
    /// Where: the first that exists, else the first.
    pub(super) file: Vec<String>,
    /// Files that would be hidden by a new one.
    #[serde(default)]
    pub(super) other: Vec<String>,
    /// What stands in a new file.
    #[serde(default)]
    pub(super) new: String,
    /// The list's name, at the top level.
    pub(super) key: String,
    /// The item's lines.
    pub(super) item: Vec<String>,
    /// What the file must not say already.
    pub(super) unless: Option<String>,
}

/// A function that runs a program with a variable set.
#[derive(Debug, Deserialize)]
pub(super) struct Shell {
    /// The program, and the function's name.
    pub(super) program: String,
    /// The variable that gets the address.
    pub(super) variable: String,
    /// The first argument that leaves the variable unset.
    pub(super) except: Option<String>,
}

/// What the user does.
#[derive(Debug, Deserialize)]
pub(super) struct Hand {
    /// Why nobody else can.
    pub(super) why: String,
    /// What to do, in order.
    pub(super) steps: Vec<String>,
}

fn empty_object() -> String {
    "{}\n".to_owned()
}

/// Every tool, in the table's order.
pub(super) fn tools() -> anyhow::Result<Vec<Tool>> {
    #[derive(Deserialize)]
    struct Table {
        tool: Vec<Tool>,
    }
    let table: Table = toml::from_str(include_str!("tools.toml")).context("the built-in table of tools")?;
    Ok(table.tool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_and_names_are_unique() {
        let tools = tools().unwrap();
        let mut names: Vec<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names.len(), 10);
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 10);
    }

    #[test]
    fn what_is_set_lies_in_what_is_ours() {
        for tool in tools().unwrap() {
            if let How::Json(json) = tool.how {
                assert!(json.set.iter().all(|member| member.path.starts_with(&json.owned)), "{}", tool.name);
                assert!(json.models.iter().all(|path| path.starts_with(&json.owned)), "{}", tool.name);
            }
        }
    }
}
