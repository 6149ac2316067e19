//! Whole answers, read.

use super::stream::Decoder;
use crate::chat::Event;
use crate::json::{Json, Kind};

/// Reads a `GenerateContentResponse` into the events that a stream of it would have been.
///
/// A list of them is taken for one answer in pieces: that is what `streamGenerateContent` sends without `alt=sse`.
pub fn read(body: &Json, events: &mut Vec<Event>) {
    let mut decoder = Decoder::default();
    match body.value().kind() {
        Kind::Array => body.value().items().for_each(|item| decoder.response(item, events)),
        _ => decoder.response(body.value(), events),
    }
    decoder.end_whole(events);
}

#[cfg(test)]
mod tests;
