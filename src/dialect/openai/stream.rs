//! Streams, read and written.
use crate::chat::Event;
use crate::dialect::{Decoder, Encoder, Record, Reply};
use jiff::Timestamp;
/// stub
#[derive(Default)]
pub struct ChatDecoder;
impl Decoder for ChatDecoder {
    fn record(&mut self, _r: &Record, _e: &mut Vec<Event>) {}
    fn end(&mut self, _e: &mut Vec<Event>) {}
}
/// stub
#[derive(Default)]
pub struct CompletionsDecoder;
impl Decoder for CompletionsDecoder {
    fn record(&mut self, _r: &Record, _e: &mut Vec<Event>) {}
    fn end(&mut self, _e: &mut Vec<Event>) {}
}
/// stub
pub struct ChatEncoder;
impl ChatEncoder {
    /// stub
    pub fn new(_reply: Reply) -> Self {
        ChatEncoder
    }
}
impl Encoder for ChatEncoder {
    fn event(&mut self, _e: Event, _n: Timestamp, _o: &mut Vec<u8>) {}
    fn end(&mut self, _n: Timestamp, _o: &mut Vec<u8>) {}
}
/// stub
pub struct CompletionsEncoder;
impl CompletionsEncoder {
    /// stub
    pub fn new(_reply: Reply) -> Self {
        CompletionsEncoder
    }
}
impl Encoder for CompletionsEncoder {
    fn event(&mut self, _e: Event, _n: Timestamp, _o: &mut Vec<u8>) {}
    fn end(&mut self, _n: Timestamp, _o: &mut Vec<u8>) {}
}
