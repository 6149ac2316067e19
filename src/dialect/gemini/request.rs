//! Requests, written.
use crate::chat::{Failure, Request};
use crate::dialect::{Quirks, Written};
/// stub
pub fn write(_request: &Request, _quirks: &Quirks) -> Result<Written, Failure> {
    Ok(Written { body: Vec::new(), dropped: Vec::new() })
}
