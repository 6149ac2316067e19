//! A provider's entry, as it stands in `presets.toml` and in a user's `polyllama.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::rules::{ErrorRule, ParameterRule};
use super::{Auth, FaceMode, Provider};
use crate::dialect::{Dialect, Operation, Quirks};

/// What `presets.toml` and a user's file say of one provider. What is left out has the value of an OpenAI-compatible
/// provider with bearer keys, so that such a one takes three lines.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Entry {
    /// Other prefixes that mean it.
    pub other_prefixes: Vec<String>,
    /// Variables that hold its keys, comma separated. Of `X_API_KEY` and `X_API_KEYS` the other one is read too, and
    /// `…_FILE` of each names a file to read them from.
    pub key_env: Vec<String>,
    /// Variables that hold a key but are set for other ends as well: they alone don't switch the provider on.
    pub general_key_env: Vec<String>,
    /// Variables that hold an OAuth token.
    pub token_env: Vec<String>,
    /// Keys themselves: a string, comma separated, or an array. Variables go before them.
    #[serde(deserialize_with = "secrets")]
    pub keys: Vec<SecretString>,
    /// A file that holds keys, one a line or comma separated.
    pub key_file: Option<PathBuf>,
    /// The language of the first face; OpenAI's when left out.
    pub dialect: Option<Dialect>,
    /// Where it listens. Several, comma separated, make several providers: `ollama`, `ollama2` … `{NAME}` stands for the
    /// value of that variable.
    pub base_url: Option<String>,
    /// Variables that move it elsewhere.
    pub base_url_env: Vec<String>,
    /// The last step of every base address (`v1beta`), added where an address ends in no version.
    pub version: Option<String>,
    /// How a key is sent; as bearer when left out.
    pub auth: Option<Auth>,
    /// What it can be asked for; chat when left out.
    pub operations: Option<Vec<Operation>>,
    /// So many texts are embedded in one call at most.
    pub embed_batch_max: Option<std::num::NonZeroUsize>,
    /// Where its model list is, below the base address.
    pub models_path: Option<ModelsPath>,
    /// Its languages, when they are several; the first takes what it does not say from the fields above.
    pub faces: Vec<FaceEntry>,
    /// Which way requests of clients that speak one of its languages go, for good.
    pub face: Option<FaceMode>,
    /// The same for its OpenAI face alone.
    pub openai_face: Option<FaceMode>,
    /// What switches it on.
    pub switched_on: Option<SwitchedOn>,
    /// It is an Ollama server: its models are listed under their own names, and managed there.
    pub local: Option<bool>,
    /// Models to list when it has no list, or none that answers.
    pub static_models: Vec<String>,
    /// Where a key's state can be asked for, below the base address, when the model list answers without one.
    pub check_path: Option<String>,
    /// Patterns (`*`, `?`, `[…]`, `{a,b}`) of ids to list; all when empty.
    pub include: Vec<String>,
    /// Patterns of ids not to list.
    pub exclude: Vec<String>,
    /// How it departs from its dialect: the fields of [`Quirks`].
    #[serde(deserialize_with = "quirks")]
    pub quirks: toml::Table,
    /// Parameter rules, in the order in which they apply.
    pub rules: Vec<ParameterRule>,
    /// Error rules, tried before those that hold for every provider; the first that fits wins.
    pub errors: Vec<ErrorRule>,
    /// Headers for every request, without secrets.
    pub headers: BTreeMap<String, String>,
    /// Switches it on or off, whatever else is set.
    pub enabled: Option<bool>,
}

/// One of several languages that a provider speaks.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaceEntry {
    /// The language.
    pub dialect: Option<Dialect>,
    /// Where it listens in this language.
    pub base_url: Option<String>,
    /// Variables that move this face elsewhere. When only such a variable is set, faces left at their own address go.
    pub base_url_env: Vec<String>,
    /// What follows the first face's address to make this one's, when it has no address of its own.
    pub below: Option<String>,
    /// How a key is sent.
    pub auth: Option<Auth>,
    /// What it can be asked for.
    pub operations: Option<Vec<Operation>>,
    /// Requests in this language pass here; yes when left out.
    pub passes: Option<bool>,
    /// An OAuth token is taken here; yes when left out.
    pub takes_token: Option<bool>,
    /// Where its model list is.
    pub models_path: Option<ModelsPath>,
}

/// Where a model list is: a path below the base address, or `false` for nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelsPath {
    /// There.
    At(String),
    /// There is none.
    Nowhere,
}

/// What switches a provider on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SwitchedOn {
    /// A key, or a base address on this machine or a private network.
    #[default]
    Key,
    /// Being named in the configuration, or a base address set by variable.
    Config,
    /// That something answers.
    Answer,
}

/// An entry with the environment put in.
#[derive(Debug)]
pub enum Built {
    /// It is on: mostly one provider, several where the base address is a list.
    On(Vec<Provider>),
    /// It is off.
    Off {
        /// Why, and what would switch it on.
        reason: String,
        /// The variables that can hold its keys.
        key_env: Vec<String>,
    },
}

/// What is wrong with an entry, or with a variable that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The built-in table can't be read.
    #[error("presets: {0}")]
    Presets(String),
    /// An address that is none, or can't be used.
    #[error("provider {prefix}: base URL from {source_name}: {problem}")]
    BaseUrl {
        /// The provider.
        prefix: String,
        /// The variable, or `base_url`.
        source_name: String,
        /// What is wrong; never with what stands before an `@`.
        problem: String,
    },
    /// A pattern that is none.
    #[error("provider {prefix}: pattern '{pattern}': {problem}")]
    Pattern {
        /// The provider.
        prefix: String,
        /// As it was written.
        pattern: String,
        /// What is wrong.
        problem: String,
    },
    /// A header that HTTP doesn't allow.
    #[error("provider {prefix}: header '{name}' has a name or value that HTTP does not allow")]
    Header {
        /// The provider.
        prefix: String,
        /// Its name.
        name: String,
    },
    /// A file of keys that can't be read.
    #[error("provider {prefix}: key file {path}: {problem}", path = path.display())]
    KeyFile {
        /// The provider.
        prefix: String,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A variable that an address is made of is unset. [`Entry::build`] makes [`Built::Off`] of it.
    #[error("provider {prefix}: {name} is not set")]
    Unset {
        /// The provider.
        prefix: String,
        /// The variable.
        name: String,
    },
    /// Anything else.
    #[error("provider {prefix}: {problem}")]
    Other {
        /// The provider.
        prefix: String,
        /// What is wrong.
        problem: String,
    },
}

/// The providers that polyllama knows, in the order in which a bare model name is looked up.
pub fn presets() -> Result<Vec<(String, Entry)>, EntryError> {
    read_table(include_str!("presets.toml")).map_err(|error| EntryError::Presets(error.to_string()))
}

/// A table of entries, in the order in which they were written.
fn read_table(text: &str) -> Result<Vec<(String, Entry)>, toml::de::Error> {
    let mut entries: BTreeMap<toml::Spanned<String>, toml::Spanned<Entry>> = toml::from_str(text)?;
    let mut rows: Vec<(usize, String, Entry)> = Vec::with_capacity(entries.len());
    while let Some((key, entry)) = entries.pop_first() {
        let at = key.span().start;
        rows.push((at, key.into_inner(), entry.into_inner()));
    }
    rows.sort_by_key(|(at, ..)| *at);
    Ok(rows.into_iter().map(|(_, prefix, entry)| (prefix, entry)).collect())
}

impl Entry {
    /// The user's values over a preset's. Lists replace lists, except rules: the user's parameter rules apply after the
    /// preset's, the user's error rules are tried before them. Quirks and headers are taken one by one.
    pub fn overlay(self, user: Entry) -> Entry {
        let mut quirks = self.quirks;
        quirks.extend(user.quirks);
        let mut headers = self.headers;
        headers.extend(user.headers);
        Entry {
            other_prefixes: either(user.other_prefixes, self.other_prefixes),
            key_env: either(user.key_env, self.key_env),
            general_key_env: either(user.general_key_env, self.general_key_env),
            token_env: either(user.token_env, self.token_env),
            keys: either(user.keys, self.keys),
            key_file: user.key_file.or(self.key_file),
            dialect: user.dialect.or(self.dialect),
            base_url: user.base_url.or(self.base_url),
            base_url_env: either(user.base_url_env, self.base_url_env),
            version: user.version.or(self.version),
            auth: user.auth.or(self.auth),
            operations: user.operations.or(self.operations),
            embed_batch_max: user.embed_batch_max.or(self.embed_batch_max),
            models_path: user.models_path.or(self.models_path),
            faces: either(user.faces, self.faces),
            face: user.face.or(self.face),
            openai_face: user.openai_face.or(self.openai_face),
            switched_on: user.switched_on.or(self.switched_on),
            local: user.local.or(self.local),
            static_models: either(user.static_models, self.static_models),
            check_path: user.check_path.or(self.check_path),
            include: either(user.include, self.include),
            exclude: either(user.exclude, self.exclude),
            quirks,
            rules: self.rules.into_iter().chain(user.rules).collect(),
            errors: user.errors.into_iter().chain(self.errors).collect(),
            headers,
            enabled: user.enabled.or(self.enabled),
        }
    }

    /// How it departs from its dialect.
    pub(super) fn read_quirks(&self) -> Result<Quirks, toml::de::Error> {
        self.quirks.clone().try_into()
    }
}

fn either<T>(first: Vec<T>, second: Vec<T>) -> Vec<T> {
    if first.is_empty() { second } else { first }
}

impl<'de> Deserialize<'de> for ModelsPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ModelsPath, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Flag(bool),
            Path(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Flag(false) => Ok(ModelsPath::Nowhere),
            Form::Flag(true) => Ok(ModelsPath::At("/models".to_owned())),
            Form::Path(path) if path.is_empty() => Ok(ModelsPath::Nowhere),
            Form::Path(path) if path.starts_with('/') => Ok(ModelsPath::At(path)),
            Form::Path(_) => Err(D::Error::custom("models_path begins with '/' or is false")),
        }
    }
}

/// One string, comma separated, or an array of strings.
fn secrets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SecretString>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        One(String),
        Many(Vec<String>),
    }
    let texts = match Form::deserialize(deserializer)? {
        Form::One(text) => vec![text],
        Form::Many(texts) => texts,
    };
    Ok(texts.into_iter().map(SecretString::from).collect())
}

/// Checked where it is read, so that the error names the line; kept as a table, so that a user's fields go over a preset's.
fn quirks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<toml::Table, D::Error> {
    let table = toml::Table::deserialize(deserializer)?;
    Quirks::deserialize(table.clone()).map_err(D::Error::custom)?;
    Ok(table)
}

#[cfg(test)]
mod tests;
