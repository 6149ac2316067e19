//! OpenAI's language: chat completions, legacy completions, models, errors.

pub mod answer;
pub mod error;
pub mod models;
pub mod request;
pub mod stream;
