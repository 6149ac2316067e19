//! Whole answers, read and written.

use super::response::{Head, part, reason_name, write_candidate};
use super::stream::Decoder;
use crate::chat::{Answer, Choice, Event};
use crate::dialect::Reply;
use crate::json::{Json, Kind, Style, Writer};

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

/// Writes a `GenerateContentResponse`.
pub fn write(answer: &Answer, reply: &Reply) -> Vec<u8> {
    let head = Head::new(reply, answer.id.clone());
    let mut w = Writer::new(Style::Plain);
    head.write(&mut w, Some(&answer.usage), |w| {
        (0u32..).zip(&answer.choices).for_each(|(index, choice)| candidate(w, index, choice, reply.hides_thoughts));
    });
    w.into_bytes()
}

fn candidate(w: &mut Writer, index: u32, choice: &Choice, hides_thoughts: bool) {
    let blocks = choice.blocks.iter();
    let parts: Vec<Json> =
        blocks.filter_map(|block| part(&block.kind, &block.texts, block.signature.as_ref(), hides_thoughts)).collect();
    let reason = choice.finish.as_ref().map_or("STOP", reason_name);
    write_candidate(w, index, &parts, Some(reason), &choice.logprobs);
}

#[cfg(test)]
mod tests;
