//! Google's `generateContent` language.

pub mod answer;
pub mod error;
pub mod request;
pub mod stream;

/// The path of a model's call below the base URL (`…/v1beta`).
pub fn path(model: &str, stream: bool) -> String {
    let model = model.strip_prefix("models/").unwrap_or(model);
    if stream {
        format!("/models/{model}:streamGenerateContent?alt=sse")
    } else {
        format!("/models/{model}:generateContent")
    }
}
