//! Anthropic's Messages API, version `2023-06-01`, read and written on both sides.
//!
//! The wire facts in this folder are those of Anthropic's public API description and SDK types, 2026-08, and of recorded
//! exchanges; where models differ, `family` tells them apart by name. Ollama's own `/v1/messages`, measured on Ollama 0.33, is a
//! part of it: what clients match there, the texts of three errors, is the same here, and where its form is poorer (no
//! `stop_sequence`, no signature, no counts of a cache, no `ping`) this is Anthropic's.
//!
//! * [`request`] reads and writes requests: `content` the blocks of a message as they come, `turns` the conversation as it goes
//!   out, `thinking`, `tools` and `schema` what differs by model.
//! * [`stream`] reads and writes streams, [`answer`] whole answers by the same code.
//! * [`foreign`] finds in requests that pass what the provider didn't make.
//! * [`models`] writes the model list, [`count`] counts of tokens.

pub mod answer;
pub mod count;
pub mod error;
mod family;
pub mod foreign;
mod ids;
pub mod models;
pub mod request;
pub mod stream;

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod round_trip;

/// The name of this dialect in [`crate::chat::Extra`] and in signatures.
const NAME: &str = "anthropic";
