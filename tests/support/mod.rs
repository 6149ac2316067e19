//! What the stories in `tests/` are told with: scripted providers, the gateway as a process, and recordings.
//!
//! Everything runs on real sockets of 127.0.0.1 and on plain blocking threads. A story starts an [`upstream()`] that plays
//! a provider, starts the gateway with [`gateway()`] pointed at it, asks as a client would, and compares what came back and
//! what the provider saw. Waiting is always for a condition with a deadline, never for a time.
//!
//! Every story uses a part of this, so parts that one story leaves out are no dead code.
#![allow(dead_code, unreachable_pub, unused_imports)]

mod gateway;
mod http;
mod ollama;
pub mod reading;
pub mod recorded;
mod told;
mod upstream;

pub use gateway::{Gateway, Setup, gateway};
pub use http::{Answer, Asked, Headers, read_answer, read_answer_head, send};
pub use ollama::{Ollama, words};
pub use told::{Client, Told, call, message_of};
pub use upstream::{Gate, Seen, Step, Upstream, close, hang, held, reply, status, stream, text, upstream};

use std::time::{Duration, Instant};

/// How long a story waits for anything before it fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits until `done` gives something, asking every few milliseconds.
pub fn wait_for<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(value) = done() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
