//! OpenAI's language: chat completions, legacy completions, models, errors.
//!
//! Most providers speak it, each with an accent. Reading is soft: whatever was met in recordings of some twenty providers
//! (2024–2026) is understood. Writing is plain: the order and members of OpenAI's API description (2026-08), and what a
//! provider needs otherwise comes as [`Quirks`](crate::dialect::Quirks). Clients are spoken to in one of two [`Accent`]s.

mod accent;
pub mod answer;
pub mod embed;
pub mod error;
pub mod models;
mod reader;
pub mod request;
pub mod stream;

pub use accent::Accent;

#[cfg(test)]
mod tests;
