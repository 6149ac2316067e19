//! Chat and completion requests, read and written.

mod messages;
mod parts;
mod read;
mod write;
mod write_messages;

pub(super) use parts::{missing, text, wrong_value};
pub(super) use read::{document, integer};
pub use read::{read_chat, read_completions};
pub use write::{write_chat, write_completions};
