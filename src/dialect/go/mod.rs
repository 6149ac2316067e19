//! What Go's JSON decoder makes of a document: for faces whose clients hear its words.

pub(in crate::dialect) mod json;
pub(in crate::dialect) mod tool;
pub(in crate::dialect) mod types;
