//! Model lists, written.
use crate::model::Model;
/// stub
pub fn write_list(_models: &[&Model]) -> Vec<u8> {
    Vec::new()
}
/// stub
pub fn write_one(_model: &Model, _id: &str) -> Vec<u8> {
    Vec::new()
}
