//! Why a configuration can't be used.

use std::net::IpAddr;
use std::path::PathBuf;

/// Why a configuration can't be used; each says what to change, none shows a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A line of a config file is wrong.
    #[error("{}:{line}:{column}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in characters.
        column: usize,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A file can't be read.
    #[error("can't read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A variable of the environment, or a flag, holds something that it can't.
    #[error("{name}: {message}")]
    Value {
        /// The variable or flag; for a variable of `.env` with that word.
        name: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A provider's entry makes no sense as a whole.
    #[error("{0}")]
    Provider(String),
    /// Others could reach the port, and spend money, without a key.
    #[error(
        "won't listen on {0}, which others can reach, without keys: set POLYLLAMA_API_KEYS to keys that clients must send, \
         or POLYLLAMA_OPEN=1 if it shall be open to all, or POLYLLAMA_HOST=127.0.0.1 to stay on this machine"
    )]
    Open(IpAddr),
}
