//! Streams, read.
use crate::chat::Event;
use crate::dialect::Record;
/// stub
#[derive(Default)]
pub struct Decoder;
impl crate::dialect::Decoder for Decoder {
    fn record(&mut self, _r: &Record, _e: &mut Vec<Event>) {}
    fn end(&mut self, _e: &mut Vec<Event>) {}
}
