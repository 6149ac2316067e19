//! Google's `generateContent` language, as spoken by the Gemini API (`v1beta`).
//!
//! Providers are asked in it; clients in this dialect are not served, so there is no request reader and no encoder. The wire
//! facts in this folder are those of Google's public API description and SDK types, 2026-08, and of recorded exchanges
//! from 2025-06 to 2026-08; where models differ, `family` tells them apart by name.
//!
//! * [`request`] writes a request: `contents` the conversation, `media` what is not text, `tools` and `schema` the
//!   functions, `thinking` the depth of thought.
//! * [`stream`] reads answers, one `GenerateContentResponse` after the other; [`answer`] reads a whole one with the same code,
//!   `parts` what stands in a part,
//!   `partial` calls that come in pieces.

pub mod answer;
mod contents;
pub mod embed;
pub mod error;
mod family;
mod logprobs;
mod media;
mod partial;
mod parts;
pub mod request;
mod schema;
pub mod stream;
mod thinking;
mod tools;

#[cfg(test)]
mod recorded;

/// The path of a model's call below the base URL (`…/v1beta`).
pub fn path(model: &str, stream: bool) -> String {
    let name = resource(model);
    if stream { format!("/{name}:streamGenerateContent?alt=sse") } else { format!("/{name}:generateContent") }
}

/// The model's name with its folder. A tuned model keeps its own.
fn resource(model: &str) -> String {
    let model = model.strip_prefix("models/").unwrap_or(model);
    if model.starts_with("tunedModels/") { model.to_owned() } else { format!("models/{model}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_never_doubled() {
        assert_eq!(path("gemini-2.5-pro", false), "/models/gemini-2.5-pro:generateContent");
        assert_eq!(path("models/gemini-2.5-pro", true), "/models/gemini-2.5-pro:streamGenerateContent?alt=sse");
        assert_eq!(path("tunedModels/mine", false), "/tunedModels/mine:generateContent");
    }
}
