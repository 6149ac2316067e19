//! Whole answers, read and written.
use crate::chat::{Answer, Event};
use crate::dialect::Reply;
use crate::json::Json;
use jiff::Timestamp;
/// stub
pub fn read(_body: &Json, _events: &mut Vec<Event>) {}
/// stub
pub fn write_chat(_answer: &Answer, _reply: &Reply, _now: Timestamp) -> Vec<u8> {
    Vec::new()
}
/// stub
pub fn write_generate(_answer: &Answer, _reply: &Reply, _now: Timestamp) -> Vec<u8> {
    Vec::new()
}
