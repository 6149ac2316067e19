//! The rows of the list: what each provider lists, under the names that clients see.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Target;
use super::facts::{self, Said};
use crate::model::Model;
use crate::provider::{Provider, Providers, list};

/// A row and where it can be had.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) model: Model,
    /// Never empty; more than one when several local servers have it.
    pub(super) targets: Vec<Target>,
}

/// The providers in the order of look-up: Ollama servers first, then as they are given.
pub(super) fn in_order(providers: &Providers) -> Vec<Arc<Provider>> {
    let (local, cloud): (Vec<_>, Vec<_>) = providers.iter().cloned().partition(|provider| provider.is_local);
    local.into_iter().chain(cloud).collect()
}

/// The rows, in the order of the providers and, of each, as it lists them.
pub(super) fn rows(providers: &[Arc<Provider>], lists: &HashMap<String, Vec<Model>>, said: &[Said]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut local: HashMap<String, usize> = HashMap::new();
    for provider in providers {
        for model in listed(provider, lists) {
            let target = Target { provider: Arc::clone(provider), model: model.id.clone() };
            let known = if provider.is_local { local.get(&model.id) } else { None };
            if let Some(row) = known.and_then(|row| rows.get_mut(*row)) {
                row.targets.push(target);
                continue;
            }
            if provider.is_local {
                local.insert(model.id.clone(), rows.len());
            }
            rows.push(Row { model: described(model, provider, said), targets: vec![target] });
        }
    }
    rows
}

/// What a provider lists, or else the models that its entry names; each once.
fn listed(provider: &Provider, lists: &HashMap<String, Vec<Model>>) -> Vec<Model> {
    let fixed = || provider.static_models.iter().map(|id| list::by_id(id)).collect();
    let models = lists.get(&provider.prefix).filter(|list| !list.is_empty()).cloned().unwrap_or_else(fixed);
    let mut seen = HashSet::new();
    models
        .into_iter()
        .filter(|model| !model.id.is_empty() && provider.lists(&model.id) && seen.insert(model.id.clone()))
        .collect()
}

/// A row with all that doesn't come from the list itself.
pub(super) fn described(mut model: Model, provider: &Provider, said: &[Said]) -> Model {
    model.provider.clone_from(&provider.prefix);
    model.is_local = provider.is_local;
    model.name = if provider.is_local { model.id.clone() } else { format!("{}:{}", provider.prefix, model.id) };
    if !provider.is_local {
        model.remote = Some((model.id.clone(), host(provider)));
        model.own_row = None;
    }
    facts::complete(&mut model, provider, said);
    model.digest = model.digest.or_else(|| Some(digest(&model.name)));
    model
}

/// 64 hex digits: clients of Ollama cut twelve of them off to show.
fn digest(name: &str) -> String {
    Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Scheme, host and port of the address, as Ollama's `remote_host` has it.
fn host(provider: &Provider) -> String {
    let url = provider.faces.first().map(|face| face.base_url.as_str()).unwrap_or_default();
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url.get(start..).and_then(|rest| rest.find('/')).map_or(url.len(), |at| start + at);
    url.get(..end).unwrap_or_default().to_owned()
}
