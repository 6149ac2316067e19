//! What happened: the log line of each request, and the set-up of the logs.
//!
//! A request's path only puts one value into a bounded queue; a thread of its own writes it out. A full queue loses lines, and
//! says how many. Nothing here sees a key or a message.

mod meter;
mod record;

use crate::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

pub use meter::{Meter, Outcome};
pub use record::{Record, Recorder};

/// Sets up the log of the program itself, on stderr.
pub fn start_logs(log: Log) {
    let level = if log.is_verbose { "polyllama=debug" } else { "polyllama=info" };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(level))
        .with_writer(std::io::stderr)
        .with_target(false);
    let started = match log.format {
        LogFormat::Text => builder.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    // A second start in one process (tests) keeps the first.
    let _ = started;
}
