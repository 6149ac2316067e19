//! Counts of tokens: `/messages/count_tokens`.

use crate::json::{Style, Writer};

/// Below the base URL.
pub const PATH: &str = "/messages/count_tokens";

/// Writes an answer.
pub fn write(tokens: u64) -> Vec<u8> {
    let mut w = Writer::new(Style::Plain);
    w.object(|w| w.key("input_tokens").int(tokens));
    w.into_bytes()
}
