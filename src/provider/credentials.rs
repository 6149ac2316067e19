//! The keys of a provider: choose one, let it rest, retire it. Plain code over a clock value.

use std::time::{Duration, Instant};

use crate::chat::Failure;

/// stub
#[derive(Debug, Default)]
pub struct Pool {}

/// A key or token.
#[derive(Debug, Clone)]
pub struct Credential {
    /// The secret; never printed.
    pub secret: secrecy::SecretString,
    /// An OAuth token rather than a key.
    pub is_token: bool,
}

/// What the pool has for a request.
#[derive(Debug, Clone)]
pub enum Choice {
    /// This one, under this number.
    Use(usize, Credential),
    /// All that were not tried rest at least that long.
    Resting(Duration),
    /// There is none left that was not tried, or none at all.
    Empty,
}

impl Pool {
    /// A pool of these keys; of none for a provider that needs none.
    pub fn new(_credentials: Vec<Credential>) -> Pool {
        Pool {}
    }

    /// Takes over what the old pool knows of keys that are in both.
    pub fn adopt(&self, _old: &Pool) {}

    /// The next key for a model, in turn, passing over those in `tried` and those that rest.
    pub fn choose(&self, _model: &str, _tried: &[usize], _now: Instant) -> Choice {
        Choice::Empty
    }

    /// A request with this key failed; lets it rest or retires it, by class and scope of the failure.
    pub fn failed(&self, _key: usize, _model: &str, _failure: &Failure, _now: Instant) {}

    /// A request with this key worked.
    pub fn worked(&self, _key: usize, _model: &str, _now: Instant) {}

    /// How many keys there are.
    pub fn len(&self) -> usize {
        0
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
