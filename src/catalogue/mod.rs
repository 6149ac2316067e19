//! Names → targets: what each provider lists, and what a client's name means.
//!
//! A [`Catalogue`] is an unchanging snapshot; discovery makes a new one and swaps it in.

use std::collections::HashMap;
use std::sync::Arc;

use crate::chat::Failure;
use crate::model::Model;
use crate::provider::{Provider, Providers};

/// Where a request can go, in order.
#[derive(Debug, Clone)]
pub struct Route {
    /// Never empty.
    pub targets: Vec<Target>,
}

/// A model at a provider.
#[derive(Debug, Clone)]
pub struct Target {
    /// The provider.
    pub provider: Arc<Provider>,
    /// The provider's own id of the model.
    pub model: String,
}

/// What the catalogue is made from, beside the lists: the operator's words.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Aliases from the config: name → model name.
    pub aliases: Vec<(String, String)>,
    /// Make aliases by rules.
    pub generated_aliases: bool,
    /// Show aliases in lists.
    pub list_aliases: bool,
    /// All prefixes of known providers that are off, with the variable that would switch them on.
    pub off: Vec<(String, Vec<String>)>,
}

/// stub
#[derive(Debug)]
pub struct Catalogue {}

impl Catalogue {
    /// Makes a snapshot. `lists` holds each provider's models by prefix.
    pub fn new(_providers: &Providers, _lists: &HashMap<String, Vec<Model>>, _options: &Options) -> Catalogue {
        Catalogue {}
    }

    /// What a name means: [`crate::chat::Class::UnknownModel`] with near names, or
    /// [`crate::chat::Class::NoKey`] naming the variable.
    pub fn look_up(&self, name: &str) -> Result<Route, Failure> {
        Err(Failure::new(crate::chat::Class::UnknownModel, format!("model '{name}' not found")))
    }

    /// The models to list, in order.
    pub fn models(&self) -> &[Arc<Model>] {
        &[]
    }

    /// What is known of the model that a name means; a bare row for one that no list has.
    pub fn model(&self, _name: &str) -> Result<Arc<Model>, Failure> {
        Ok(Arc::new(Model::default()))
    }

    /// The generated and configured aliases: name, model name, and the reason.
    pub fn aliases(&self) -> &[(String, String, String)] {
        &[]
    }
}
