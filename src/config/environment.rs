//! The environment as a value: the one place that reads the process's.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Variables and the working folder; tests make their own.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
    folder: PathBuf,
}

impl Environment {
    /// An environment with just these variables. Empty values count as unset.
    pub fn new<N: Into<String>, V: Into<String>>(
        folder: impl Into<PathBuf>,
        variables: impl IntoIterator<Item = (N, V)>,
    ) -> Environment {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Environment {
            variables: variables.filter(|(_, value): &(String, String)| !value.trim().is_empty()).collect(),
            folder: folder.into(),
        }
    }

    /// The process's own. Variables that are not Unicode are left out.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn of_process() -> Environment {
        let unicode = std::env::vars_os().filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?)));
        Environment::new(".", unicode)
    }
}
