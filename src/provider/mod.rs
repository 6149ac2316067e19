//! Providers as data: who they are, where they listen, how they take a key, and how they depart from their dialect.
//!
//! An entry of `presets.toml` and a user's own entry in `polyllama.toml` have the same form. Code knows dialects, never
//! providers: an oddity is a column or a rule of the entry. This module knows dialects by name only, and has no I/O beside
//! reading a file of keys where an entry is built.

pub mod address;
mod build;
pub mod credentials;
pub mod entry;
pub mod list;
mod places;
pub mod rules;

use std::sync::Arc;

use globset::GlobSet;

use crate::chat::{Prompt, Request};
use crate::dialect::{Accent, Dialect, Operation, Quirks, Wire};
pub use build::both_forms;
use credentials::Pool;
use rules::Rules;

/// A provider that is switched on: its entry, with the environment's and the user's values put in.
#[derive(Debug)]
pub struct Provider {
    /// What stands before the colon of its models' names.
    pub prefix: String,
    /// Other prefixes that mean it.
    pub other_prefixes: Vec<String>,
    /// The languages that it speaks, the one to translate into first.
    pub faces: Vec<Face>,
    /// Its keys.
    pub pool: Pool,
    /// Environment variables that can hold its keys: named when there is none.
    pub key_env: Vec<String>,
    /// Files that keys were read from: build anew when one changes, and let the new pool [`Pool::adopt`] the old one.
    pub key_files: Vec<std::path::PathBuf>,
    /// It needs no key.
    pub is_keyless: bool,
    /// It is on only if it answers (Ollama at its default address): silence is no trouble to report.
    pub is_optional: bool,
    /// It is an Ollama server: its models are listed under their own names, and managed there.
    pub is_local: bool,
    /// Models to list when it has no list, or none that answers.
    pub static_models: Vec<String>,
    /// Where a key's state can be asked for, below the first face's address, when the model list answers without one.
    pub check_path: Option<String>,
    /// Models to list; all when `None`.
    pub include: Option<GlobSet>,
    /// Models not to list.
    pub exclude: Option<GlobSet>,
    /// So many texts are embedded in one call at most; `None`: any number.
    pub embed_batch_max: Option<usize>,
    /// Which way requests go, when it is chosen for good.
    pub way: Option<FaceMode>,
    /// Parameter and error rules.
    pub rules: Rules,
    /// How it departs from its dialect.
    pub quirks: Quirks,
    /// Headers sent with every request (such as `HTTP-Referer`), values without secrets.
    pub headers: Vec<(http::HeaderName, http::HeaderValue)>,
}

/// A language that a provider speaks, and where.
#[derive(Debug, Clone)]
pub struct Face {
    /// The language.
    pub dialect: Dialect,
    /// Without a slash at the end, and without credentials.
    pub base_url: String,
    /// How a key is sent.
    pub auth: Auth,
    /// What it can be asked for here.
    pub operations: Vec<Operation>,
    /// Requests of clients that speak this dialect pass here; else they are translated to the first face.
    pub passes: bool,
    /// An OAuth token is taken here.
    pub takes_token: bool,
    /// The path and query of its model list; none: it has no list here.
    pub models_path: Option<String>,
}

/// How a key is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Auth {
    /// `Authorization: Bearer KEY`
    Bearer,
    /// `x-goog-api-key: KEY`; a token goes as bearer.
    XGoogApiKey,
    /// `x-api-key: KEY`
    XApiKey,
    /// `api-key: KEY`
    ApiKey,
    /// Not at all.
    None,
}

/// Which way requests of clients that speak one of the provider's dialects go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FaceMode {
    /// As they came.
    Pass,
    /// Through the neutral form to the provider's first dialect.
    Translate,
}

/// How one request reaches a provider.
#[derive(Debug, Clone, Copy)]
pub enum Way<'a> {
    /// Its own bytes, with little changed.
    Pass(&'a Face),
    /// Through the neutral form.
    Translate(&'a Face),
}

impl Face {
    /// The wire for a request that is translated. A prompt is asked as a conversation where that means the same: most models
    /// know no other way, and pictures have no place in a legacy completion.
    pub fn wire(&self, request: &Request) -> Wire {
        let is_bare = |prompt: &Prompt| prompt.raw || prompt.suffix.is_some() || self.dialect == Dialect::Ollama;
        let completes = request.prompt.as_ref().is_some_and(is_bare) && self.operations.contains(&Operation::Complete);
        self.dialect.wire(if completes { Operation::Complete } else { Operation::Chat })
    }
}

impl Provider {
    /// How a client's request reaches this provider; `None` when it has no wire for the operation.
    ///
    /// `is_token`: the credential in hand is an OAuth token, which not every face takes.
    pub fn way(&self, client: Wire, is_token: bool) -> Option<Way<'_>> {
        let usable = |face: &&Face| !is_token || face.takes_token;
        let own = self
            .faces
            .iter()
            .filter(usable)
            .find(|face| face.dialect == client.dialect() && face.operations.contains(&client.operation()));
        let passes = |face: &Face| match self.way {
            Some(mode) => mode == FaceMode::Pass,
            None => face.passes,
        };
        if let Some(face) = own.filter(|face| passes(face)) {
            return Some(Way::Pass(face));
        }
        // A conversation stands for a completion; nothing stands for embeddings.
        let serves = |face: &&Face| match client.operation() {
            Operation::Chat | Operation::Complete => true,
            Operation::Embed => face.operations.contains(&Operation::Embed),
        };
        self.faces.iter().filter(usable).find(serves).map(Way::Translate)
    }

    /// How OpenAI's clients are answered for it: an Ollama server has a face of its own for them.
    pub fn accent(&self) -> Accent {
        let is_ollama = self.faces.iter().any(|face| face.dialect == Dialect::Ollama);
        if is_ollama { Accent::Ollama } else { Accent::OpenAi }
    }

    /// Does this prefix mean it?
    pub fn has_prefix(&self, prefix: &str) -> bool {
        self.prefix == prefix || self.other_prefixes.iter().any(|other| other == prefix)
    }

    /// Shall a model with this id be listed?
    pub fn lists(&self, id: &str) -> bool {
        self.include.as_ref().is_none_or(|set| set.is_match(id))
            && !self.exclude.as_ref().is_some_and(|set| set.is_match(id))
    }

    /// Can a model of its be asked to fill a gap in a text? Only a legacy completion has a place for what follows the gap.
    pub fn fills_gaps(&self) -> bool {
        self.faces.iter().any(|face| face.operations.contains(&Operation::Complete))
    }
}

/// The providers that are on, in the order in which a bare name is looked up.
pub type Providers = Arc<[Arc<Provider>]>;

#[cfg(test)]
impl Provider {
    /// A provider with one OpenAI face, for tests of what is built on providers.
    pub(crate) fn sample(prefix: &str, keys: &[&str]) -> Provider {
        let credential = |key: &&str| credentials::Credential { secret: (*key).to_owned().into(), is_token: false };
        Provider {
            prefix: prefix.to_owned(),
            other_prefixes: Vec::new(),
            faces: vec![Face {
                dialect: Dialect::OpenAi,
                base_url: format!("https://{prefix}.test/v1"),
                auth: Auth::Bearer,
                operations: vec![Operation::Chat],
                passes: true,
                takes_token: false,
                models_path: None,
            }],
            pool: Pool::new(keys.iter().map(credential).collect()),
            key_env: vec!["SAMPLE_API_KEY".to_owned()],
            key_files: Vec::new(),
            is_keyless: keys.is_empty(),
            is_optional: false,
            is_local: false,
            static_models: Vec::new(),
            check_path: None,
            include: None,
            exclude: None,
            embed_batch_max: None,
            way: None,
            rules: Rules::default(),
            quirks: Quirks::default(),
            headers: Vec::new(),
        }
    }
}
