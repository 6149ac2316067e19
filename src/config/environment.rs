//! The environment as a value: the one place that reads the process's.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{ConfigError, Origin};

/// Variables and the working folder; tests make their own.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, Variable>,
    folder: PathBuf,
}

/// A variable that is set to more than blanks.
#[derive(Clone)]
struct Variable {
    value: String,
    is_from_file: bool,
}

/// Values may be secrets.
impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_from_file { "(.env)" } else { "(set)" })
    }
}

impl Environment {
    /// An environment with just these variables. Empty values count as unset.
    pub fn new<N: Into<String>, V: Into<String>>(
        folder: impl Into<PathBuf>,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Environment {
        let mut environment = Environment { variables: BTreeMap::new(), folder: folder.into() };
        for (name, value) in variables {
            environment.add(name.into(), value.into(), false);
        }
        environment
    }

    /// The process's own. Variables that are not Unicode are left out.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Environment {
        let unicode = std::env::vars_os().filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?)));
        Environment::new("", unicode)
    }

    /// The value of a variable that is set to more than blanks.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|variable| variable.value.as_str())
    }

    /// The names of the variables that are set.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }

    /// Where a variable that is set was set.
    pub(super) fn origin(&self, name: &str) -> Origin {
        match self.variables.get(name) {
            Some(variable) if variable.is_from_file => Origin::DotEnv(name.to_owned()),
            _ => Origin::Variable(name.to_owned()),
        }
    }

    /// A path seen from the working folder.
    pub(super) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.join(path)
    }

    /// The user's folder of this kind by the XDG base directory specification: `variable`, else `below` the home folder.
    pub(crate) fn user_folder(&self, variable: &str, below: &str) -> Option<PathBuf> {
        let absolute = |name: &str| self.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute(variable).or_else(|| Some(absolute("HOME").or_else(|| absolute("USERPROFILE"))?.join(below)))
    }

    /// Is there a program of this name on `PATH`?
    pub(crate) fn has_program(&self, name: &str) -> bool {
        let Some(path) = self.get("PATH") else { return false };
        let file = format!("{name}{}", std::env::consts::EXE_SUFFIX);
        std::env::split_paths(path).any(|folder| folder.join(&file).is_file())
    }

    /// Adds what `.env` of the working folder says under what the environment says.
    pub(super) fn with_dot_env(mut self) -> Result<Environment, ConfigError> {
        let path = self.path(".env");
        // A folder of this name is someone's Python environment.
        if !path.is_file() {
            return Ok(self);
        }
        let text = super::file::read(&path)?;
        let pairs = super::dot_env::parse(&text).map_err(|at| {
            let message = "expected NAME=value, with the quote closed where there is one".to_owned();
            super::file::error_at(&path, &text, at, message)
        })?;
        // Of a name that stands there twice the later one counts, as in a shell.
        let added: BTreeMap<String, String> = pairs.into_iter().collect();
        for (name, value) in added {
            if !self.variables.contains_key(&name) {
                self.add(name, value, true);
            }
        }
        Ok(self)
    }

    fn add(&mut self, name: String, value: String, is_from_file: bool) {
        if !value.trim().is_empty() {
            self.variables.insert(name, Variable { value, is_from_file });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(dot_env: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("polyllama-env-{}-{}", std::process::id(), fastrand::u64(..)));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(".env"), dot_env).unwrap();
        folder
    }

    #[test]
    fn the_environment_goes_over_dot_env_unless_it_is_empty() {
        let folder = folder_with("\u{feff}A=file\nB=file\nexport C=\"file c\"\nD=\n# E=no\n");
        let env = Environment::new(&folder, [("A", "process"), ("B", " ")]).with_dot_env().unwrap();
        assert_eq!(env.get("A"), Some("process"));
        assert_eq!(env.get("B"), Some("file"));
        assert_eq!(env.get("C"), Some("file c"));
        assert_eq!((env.get("D"), env.get("E")), (None, None));
        assert_eq!(env.origin("B"), Origin::DotEnv("B".to_owned()));
        assert_eq!(env.origin("A"), Origin::Variable("A".to_owned()));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_line_that_is_none_is_named_without_what_it_says() {
        let folder = folder_with("A=1\nsk-secret-without-a-name\n");
        let error = Environment::new(&folder, [("", ""); 0]).with_dot_env().unwrap_err().to_string();
        assert!(error.contains(".env:2:1: expected NAME=value"), "{error}");
        assert!(!error.contains("secret"), "{error}");
        std::fs::remove_dir_all(folder).unwrap();
    }
}
