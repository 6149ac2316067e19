//! Error bodies, read and written.
use crate::chat::Failure;
use crate::dialect::ProviderError;
use bytes::Bytes;
/// stub
pub fn read(_status: u16, _body: &Bytes) -> ProviderError {
    ProviderError::default()
}
/// stub
pub fn write(_failure: &Failure) -> Vec<u8> {
    Vec::new()
}
