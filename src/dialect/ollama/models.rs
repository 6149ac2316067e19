//! Lists and details, written.
use crate::model::Model;
use jiff::Timestamp;
/// stub: /api/tags
pub fn write_tags(_models: &[&Model], _started: Timestamp) -> Vec<u8> {
    Vec::new()
}
/// stub: /api/show of a model that is not an Ollama server's own
pub fn write_show(_model: &Model, _asked: &str, _started: Timestamp, _user_agent: Option<&str>) -> Vec<u8> {
    Vec::new()
}
/// A model that was used lately, for /api/ps.
pub struct Running<'a> {
    /// It.
    pub model: &'a Model,
    /// Shown as loaded until.
    pub expires_at: Timestamp,
}
/// stub: /api/ps
pub fn write_ps(_running: &[Running<'_>]) -> Vec<u8> {
    Vec::new()
}
/// stub: /api/version, polyllama's own version beside Ollama's
pub fn write_version() -> Vec<u8> {
    Vec::new()
}
/// A request of /api/show: the name (`model`, else `name`), as typed.
pub fn read_show(_body: &bytes::Bytes) -> Result<String, crate::chat::Failure> {
    Ok(String::new())
}
