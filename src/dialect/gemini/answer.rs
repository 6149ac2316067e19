//! Whole answers, read.
use crate::chat::Event;
use crate::json::Json;
/// stub
pub fn read(_body: &Json, _events: &mut Vec<Event>) {}
