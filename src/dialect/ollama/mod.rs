//! Ollama's own language: chat, generate, lists, errors.

pub mod answer;
pub mod error;
pub mod models;
pub mod request;
pub mod stream;
