//! Requests of clients, read.
//!
//! Names come in camel case or with underscores, as protobuf's JSON takes both. What Google alone has is kept as an extra by
//! its name in camel case, and what means something to Google's models alone and carries content is refused: requests that go
//! to Google pass and never come here.

mod config;
pub(super) mod field;
mod parts;
mod schema;
#[cfg(test)]
mod tests;
mod tools;

use bytes::Bytes;

use super::DIALECT;
use crate::chat::{Extra, Failure, Part, Request, Role};
use crate::json::{Text, Value};

/// Reads the body of `:generateContent` and `:streamGenerateContent`. The path names the model and says whether to stream.
pub fn read(body: &Bytes) -> Result<Request, Failure> {
    from(field::document(body)?.value())
}

/// Reads what `:countTokens` is asked to count: bare contents, or a whole request.
pub fn read_count(body: &Bytes) -> Result<Request, Failure> {
    let json = field::document(body)?;
    match field::member(json.value(), "generateContentRequest") {
        Some(whole) => from(field::object("generate_content_request", "GenerateContentRequest", whole)?),
        None => from(json.value()),
    }
}

fn from(value: Value<'_>) -> Result<Request, Failure> {
    let mut request = Request { hides_thoughts: true, ..Request::default() };
    let mut system = None;
    let mut choice = None;
    for (name, value) in field::members(value) {
        match name.as_ref() {
            "contents" => request.messages = parts::contents(value)?,
            "systemInstruction" => system = Some(parts::instruction(value)?),
            "tools" => tools::read(value, &mut request)?,
            "toolConfig" => choice = Some(value),
            "generationConfig" => config::read(value, &mut request)?,
            "cachedContent" => return Err(held_elsewhere()),
            "model" => {}
            name => extra(&mut request, name, value),
        }
    }
    // It may leave out functions, so all of them must have been read.
    if let Some(choice) = choice {
        tools::read_config(choice, &mut request)?;
    }
    if request.messages.is_empty() {
        return Err(field::broken("contents", "contents is not specified"));
    }
    if let Some(system) = system.filter(|message| !message.parts.is_empty()) {
        request.messages.insert(0, system);
    }
    Ok(request)
}

fn held_elsewhere() -> Failure {
    let message = "cached content is held by Google and can't be read by this model: send the content itself";
    Failure::bad_request(message).with_param("cached_content")
}

/// Kept for the way back to this dialect. An empty list says nothing.
fn extra(request: &mut Request, name: &str, value: Value<'_>) {
    if !matches!(value.as_str(), "[]" | "{}") {
        request.extras.push(Extra::new(DIALECT, name, value.to_json()));
    }
}

/// The text of a content, for embeddings, which take nothing else.
pub(super) fn text_of(place: &str, content: Value<'_>) -> Result<Text, Failure> {
    let messages = parts::contents(content)?;
    let parts = messages.iter().filter(|message| message.role == Role::User).flat_map(|message| &message.parts);
    let texts = parts.map(|part| match part {
        Part::Text { text, .. } => Ok(text),
        _ => Err(Failure::bad_request("only text can be embedded here").with_param(place)),
    });
    let texts: Vec<&Text> = texts.collect::<Result<_, _>>()?;
    Ok(match texts.as_slice() {
        [one] => (*one).clone(),
        many => many.iter().map(|text| text.as_str()).collect::<String>().into(),
    })
}
