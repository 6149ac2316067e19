//! Whole answers, read and written.
use crate::chat::{Answer, Event};
use crate::dialect::Reply;
use crate::json::Json;
/// stub
pub fn read_chat(_body: &Json, _events: &mut Vec<Event>) {}
/// stub
pub fn read_completions(_body: &Json, _events: &mut Vec<Event>) {}
/// stub
pub fn write_chat(_answer: &Answer, _reply: &Reply) -> Vec<u8> {
    Vec::new()
}
/// stub
pub fn write_completions(_answer: &Answer, _reply: &Reply) -> Vec<u8> {
    Vec::new()
}
