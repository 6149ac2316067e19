//! Where the model's words come from, as far as the provider says.

use std::ops::Range;

use super::Extra;
use crate::json::Text;

/// A source of what a block of text says.
#[derive(Debug, Clone, Default)]
pub struct Citation {
    /// The part of the block's text that it backs, in characters (Unicode scalar values) from 0, the end not included; `None` for all of
    /// the block.
    pub span: Option<Range<u64>>,
    /// Where the source is.
    pub url: Option<Text>,
    /// What it is called.
    pub title: Option<Text>,
    /// Its own words.
    pub quote: Option<Text>,
    /// The whole of it as its dialect tells it, for clients of that dialect.
    pub told: Option<Extra>,
}
