//! polyllama: one small gateway that makes every model provider look like an Ollama server and an OpenAI server at once.

pub mod catalogue;
pub mod chat;
pub mod cli;
pub mod config;
pub mod dialect;
pub mod json;
pub mod model;
pub mod observe;
pub mod provider;
pub mod relay;
pub mod server;
