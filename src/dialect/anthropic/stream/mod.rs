//! Streams, read and written.

mod decode;
mod encode;

pub use decode::Decoder;
pub use encode::Encoder;

#[cfg(test)]
mod decode_tests;
#[cfg(test)]
mod encode_tests;
