//! Streams, read and written.
use crate::chat::Event;
use crate::dialect::{Encoder, Record, Reply};
use jiff::Timestamp;
/// stub
#[derive(Default)]
pub struct Decoder;
impl crate::dialect::Decoder for Decoder {
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
pub struct GenerateEncoder;
impl GenerateEncoder {
    /// stub
    pub fn new(_reply: Reply) -> Self {
        GenerateEncoder
    }
}
impl Encoder for GenerateEncoder {
    fn event(&mut self, _e: Event, _n: Timestamp, _o: &mut Vec<u8>) {}
    fn end(&mut self, _n: Timestamp, _o: &mut Vec<u8>) {}
}
