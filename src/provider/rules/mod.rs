//! Parameter and error rules as data: match, action, source.

mod error;
mod parameter;
mod wait;

use bytes::Bytes;
use jiff::Timestamp;

use crate::chat::Failure;
use crate::dialect::ProviderError;

pub use error::ErrorRule;
pub use parameter::ParameterRule;

/// The rules of one provider: its own, and those that hold for all.
#[derive(Debug, Default)]
pub struct Rules {
    parameters: Vec<ParameterRule>,
    errors: Vec<ErrorRule>,
}

/// A body after the parameter rules.
#[derive(Debug)]
pub struct Ruled {
    /// The body.
    pub body: Bytes,
    /// Top-level members that were dropped.
    pub dropped: Vec<String>,
}

impl Rules {
    /// A provider's own rules; those that hold for all are added by themselves.
    pub fn new(parameters: Vec<ParameterRule>, errors: Vec<ErrorRule>) -> Rules {
        Rules { parameters, errors }
    }

    /// Applies the parameter rules for `model` to the top-level members of a JSON body. `only_must`: the body passes, so
    /// only rules without which the provider refuses it apply.
    pub fn apply(&self, body: Bytes, model: &str, only_must: bool) -> Ruled {
        parameter::apply(&self.parameters, body, model, only_must)
    }

    /// What a provider's error means: class, scope, whose fault, when to try again. `headers` may tell the last.
    pub fn classify(
        &self,
        status: u16,
        headers: &http::HeaderMap,
        error: ProviderError,
        model: &str,
        now: Timestamp,
    ) -> Failure {
        error::classify(&self.errors, status, headers, error, model, now)
    }
}
