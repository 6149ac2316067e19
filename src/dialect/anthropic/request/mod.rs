//! Requests, read and written.

mod content;
mod media;
mod read;
mod schema;
mod thinking;
mod tools;
mod turns;
mod write;

pub use read::{read, read_to_count};
pub use write::write;

#[cfg(test)]
mod read_tests;
#[cfg(test)]
mod write_tests;
