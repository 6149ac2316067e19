//! Chat and completion requests, read and written.
use crate::chat::{Failure, Request};
use crate::dialect::{Quirks, Written};
use bytes::Bytes;
/// stub
pub fn read_chat(_body: &Bytes) -> Result<Request, Failure> {
    Ok(Request::default())
}
/// stub
pub fn read_completions(_body: &Bytes) -> Result<Request, Failure> {
    Ok(Request::default())
}
/// stub
pub fn write_chat(_request: &Request, _quirks: &Quirks) -> Result<Written, Failure> {
    Ok(Written { body: Vec::new(), dropped: Vec::new() })
}
/// stub
pub fn write_completions(_request: &Request, _quirks: &Quirks) -> Result<Written, Failure> {
    Ok(Written { body: Vec::new(), dropped: Vec::new() })
}
