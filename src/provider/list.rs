//! Reading any provider's model list.

use crate::json::Json;
use crate::model::Model;

/// A page of a list.
#[derive(Debug, Default)]
pub struct Page {
    /// Its rows; `name` and `provider` are left empty.
    pub models: Vec<Model>,
    /// What to add to the query for the next page, such as `pageToken=abc`; none: it was the last.
    pub next: Option<String>,
}

/// stub: reads a page of a list in any of the known forms; `None` when it is none.
pub fn read(_body: &Json) -> Option<Page> {
    None
}
