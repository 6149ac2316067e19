//! Streams, read and written.

mod decode;
mod encode;

pub use decode::{ChatDecoder, CompletionsDecoder};
pub use encode::{ChatEncoder, CompletionsEncoder};
