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
pub(super) struct Running(Mutex<HashMap<String, Kept>>);

#[derive(Debug, Clone, Copy)]
struct Kept {
    until: Timestamp,
    /// What the last request that named a `keep_alive` wanted: it holds for those that name none.
    session: Duration,
}

impl Running {
    /// A model is used now, and shall stay so long; a `keep_alive` of nothing lets it go.
    pub(super) fn used(&self, name: &str, keep_alive: Option<Duration>) {
        // A name is as long as the catalogue lets it be, but for blanks around it.
        let (name, now) = (name.trim(), Timestamp::now());
        let mut models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        models.retain(|_, kept| kept.until > now);
        let session = keep_alive.or_else(|| models.get(name).map(|kept| kept.session)).unwrap_or(KEPT);
        if session.is_zero() {
            models.remove(name);
        } else if models.contains_key(name) || models.len() < MODELS_MAX {
            let until = now.checked_add(session).unwrap_or(Timestamp::MAX);
            models.insert(name.to_owned(), Kept { until, session });
        }
    }

    /// The models in use, the longest remaining first.
    pub(super) fn list(&self) -> Vec<(String, Timestamp)> {
        let now = Timestamp::now();
        let models = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = models.iter().filter(|(_, kept)| kept.until > now);
        let mut list: Vec<(String, Timestamp)> = shown.map(|(name, kept)| (name.clone(), kept.until)).collect();
        list.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        list
    }
}
