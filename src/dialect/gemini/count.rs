//! Counts of tokens: `:countTokens`.

use super::resource;
use crate::json::{Style, Writer};

/// The path of a model's call below the base URL.
pub fn path(model: &str) -> String {
    format!("/{}:countTokens", resource(model))
}

/// Writes an answer.
pub fn write(tokens: u64) -> Vec<u8> {
    let mut w = Writer::new(Style::Plain);
    w.object(|w| w.key("totalTokens").int(tokens));
    w.into_bytes()
}
