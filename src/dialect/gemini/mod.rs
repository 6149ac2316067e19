//! Google's `generateContent` language, as spoken by the Gemini API (`v1beta`).
//!
//! The wire facts in this folder are those of Google's public API description and SDK types, 2026-08, and of recorded exchanges
//! from 2025-06 to 2026-08; where models differ, `family` tells them apart by name.
//!
//! For providers:
//!
//! * [`request`] writes a request: `contents` the conversation, `media` what is not text, `tools` and `schema` the
//!   functions, `thinking` the depth of thought.
//! * [`stream`] reads answers, one `GenerateContentResponse` after the other; [`answer`] reads a whole one with the same code,
//!   `parts` what stands in a part, `partial` calls that come in pieces.
//!
//! For clients:
//!
//! * [`mod@read`] reads a request; [`call`] what its path and query ask for.
//! * [`encode`] writes a stream, and [`answer`] a whole answer, both with `response`; `signature` is the opaque state in it.
//! * [`models`] writes the model list, [`count`] counts of tokens.

pub mod answer;
pub mod call;
mod contents;
pub mod count;
pub mod embed;
pub mod encode;
pub mod error;
mod family;
mod logprobs;
mod media;
pub mod models;
mod partial;
mod parts;
pub mod read;
pub mod request;
mod response;
mod schema;
mod signature;
pub mod stream;
mod thinking;
mod tools;

#[cfg(test)]
mod recorded;

use bytes::Bytes;

use crate::json::Json;
use crate::json::splice::Edit;

/// Its name on an [`Extra`](crate::chat::Extra).
const DIALECT: &str = "gemini";

/// The path of a model's call below the base URL (`…/v1beta`).
pub fn path(model: &str, stream: bool) -> String {
    let name = resource(model);
    if stream { format!("/{name}:streamGenerateContent?alt=sse") } else { format!("/{name}:generateContent") }
}

/// The path of a stream that comes as one JSON array.
pub fn path_of_array(model: &str) -> String {
    format!("/{}:streamGenerateContent", resource(model))
}

/// What to change in a client's body before it passes to a provider: the model's name where the body has it, too, and state that
/// other providers made.
pub fn edits(body: &Bytes, model: &str) -> Vec<Edit> {
    let mut edits = signature::foreign_edits(body);
    let Ok(json) = Json::parse(body.clone()) else { return edits };
    let inside =
        ["requests", "generateContentRequest"].into_iter().filter_map(|name| read::field::member(json.value(), name));
    let holders = inside.flat_map(read::field::list).chain([json.value()]);
    let names = holders.filter_map(|holder| holder.get("model")).filter(|name| name.string().is_some());
    edits.extend(names.filter_map(|name| Some(Edit::Range(name.place_in(body)?, quoted(&resource(model))))));
    edits
}

fn quoted(text: &str) -> String {
    Json::string(text).as_str().to_owned()
}

/// The model's name with its folder. A tuned model keeps its own.
fn resource(model: &str) -> String {
    let model = model.strip_prefix("models/").unwrap_or(model);
    if model.starts_with("tunedModels/") { model.to_owned() } else { format!("models/{model}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::splice;

    #[test]
    fn a_prefix_is_never_doubled() {
        assert_eq!(path("gemini-2.5-pro", false), "/models/gemini-2.5-pro:generateContent");
        assert_eq!(path("models/gemini-2.5-pro", true), "/models/gemini-2.5-pro:streamGenerateContent?alt=sse");
        assert_eq!(path("tunedModels/mine", false), "/tunedModels/mine:generateContent");
        assert_eq!(path_of_array("m"), "/models/m:streamGenerateContent");
    }

    #[test]
    fn a_body_names_the_providers_model() {
        let renamed = |text: &'static str| {
            let body = Bytes::from_static(text.as_bytes());
            splice::apply(&body, &[], &edits(&body, "gem"))
        };
        assert_eq!(
            renamed(r#" {"requests":[{"model":"models/google:g","content":{"model":"x"}},{ "model" : "g"}]}"#),
            r#" {"requests":[{"model":"models/gem","content":{"model":"x"}},{ "model" : "models/gem"}]}"#
        );
        assert_eq!(
            renamed(r#"{"generateContentRequest":{"model":"models/a:b"}}"#),
            r#"{"generateContentRequest":{"model":"models/gem"}}"#
        );
        assert_eq!(renamed(r#"{"model":"a","contents":[]}"#), r#"{"model":"models/gem","contents":[]}"#);
        assert_eq!(renamed("no json"), "no json");
    }
}
