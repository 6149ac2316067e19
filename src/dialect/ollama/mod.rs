//! Ollama's own language: chat, generate, lists, details, errors.
//!
//! What is said of it was measured on a server of Ollama 0.33 (2026-08). Clients of it live on small things (an absent
//! member, an error's exact words), so requests are judged as Go's decoder and Ollama's handlers judge them.

pub mod answer;
pub mod context;
pub mod embed;
pub mod error;
mod go_json;
mod go_types;
mod line;
pub mod manage;
pub mod models;
pub mod name;
pub mod request;
pub mod stream;
mod upstream;
pub mod window;

#[cfg(test)]
mod golden;
