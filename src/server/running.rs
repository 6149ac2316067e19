//! Which models were used lately: what `/api/ps` shows of models that no Ollama server runs.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

/// Ollama's default `keep_alive`.
const KEPT: Duration = Duration::from_secs(300);

/// More models than that are not shown.
const MODELS_MAX: usize = 64;

/// Model names and until when they show.
#[derive(Debug, Default)]
pub(super) struct Running(Mutex<HashMap<String, Timestamp>>);

impl Running {
    /// A model is used now.
    pub(super) fn used(&self, name: &str) {
        let now = Timestamp::now();
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(until) = models.get_mut(name) {
            *until = now + KEPT;
            return;
        }
        models.retain(|_, until| *until > now);
        if models.len() < MODELS_MAX {
            models.insert(name.to_owned(), now + KEPT);
        }
    }

    /// A model was unloaded.
    pub(super) fn unloaded(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// The models in use, the longest remaining first.
    pub(super) fn list(&self) -> Vec<(String, Timestamp)> {
        let now = Timestamp::now();
        let models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut list: Vec<(String, Timestamp)> =
            models.iter().filter(|(_, until)| **until > now).map(|(name, until)| (name.clone(), *until)).collect();
        list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        list
    }
}
