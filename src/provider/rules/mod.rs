//! Parameter and error rules as data: match, action, source.

mod error;
mod parameter;
mod wait;

use std::sync::LazyLock;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;

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

/// The rules that hold for every provider.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Common {
    rules: Vec<ParameterRule>,
    errors: Vec<ErrorRule>,
}

/// Read when it is first needed. A test sees to it that the table can be read.
static COMMON: LazyLock<Common> = LazyLock::new(|| toml::from_str(include_str!("common.toml")).unwrap_or_default());

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
        // None of those for all must be: a body that passes does not wait for their table.
        let common: &[ParameterRule] = if only_must { &[] } else { &COMMON.rules };
        parameter::apply(self.parameters.iter().chain(common), body, model, only_must)
    }

    /// What a provider's error means: class, scope, whose fault, when to try again. `headers` may tell the last.
    pub fn classify(
        &self,
        status: u16,
        headers: &http::HeaderMap,
        error: ProviderError,
        _model: &str,
        now: Timestamp,
    ) -> Failure {
        error::classify(self.errors.iter().chain(&COMMON.errors), status, headers, error, now)
    }
}

#[cfg(test)]
mod tests;
