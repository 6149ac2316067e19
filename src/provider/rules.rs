//! Parameter and error rules as data: match, action, source.

use bytes::Bytes;
use jiff::Timestamp;

use crate::chat::Failure;
use crate::dialect::ProviderError;

/// stub: the rules of one provider
#[derive(Debug, Default)]
pub struct Rules {}

/// A body after the parameter rules.
#[derive(Debug)]
pub struct Ruled {
    /// The body.
    pub body: Bytes,
    /// Top-level members that were dropped.
    pub dropped: Vec<String>,
}

impl Rules {
    /// Applies the parameter rules for `model` to the top-level members of a JSON body. `only_must`: the body passes, so
    /// only rules without which the provider refuses it apply.
    pub fn apply(&self, body: Bytes, _model: &str, _only_must: bool) -> Ruled {
        Ruled { body, dropped: Vec::new() }
    }

    /// What a provider's error means: class, scope, whose fault, when to try again. `headers` may tell the last.
    pub fn classify(
        &self,
        status: u16,
        _headers: &http::HeaderMap,
        error: ProviderError,
        _model: &str,
        _now: Timestamp,
    ) -> Failure {
        Failure::new(crate::chat::Class::ProviderDown, error.message).with_status(status)
    }
}
