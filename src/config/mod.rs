//! File, environment and flags become one checked [`Config`], with where each value came from.
//!
//! Layers, later wins: built-in presets, `polyllama.toml`, `.env` of the working folder, the environment, flags. A variable
//! that is set but empty counts as unset. Nothing else in the program reads the environment. This module knows no socket
//! and no dialect's insides; `cli` hands it the flags and everyone else reads the result.

mod dot_env;
mod environment;
mod error;
mod file;
mod layers;
mod providers;
mod settings;
mod value;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::catalogue;
use crate::provider::{Face, Providers};
pub use environment::Environment;
pub use error::ConfigError;
pub use settings::reference;
pub use value::mask;

/// Everything that can be set, checked and with the defaults filled in.
#[derive(Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: Listen,
    /// The providers that are on, in the order in which a bare name is looked up: Ollama, the config file's order, the
    /// presets' order.
    pub providers: Providers,
    /// What the catalogue is made with.
    pub catalogue: catalogue::Options,
    /// Time limits and size limits.
    pub limits: Limits,
    /// Who may ask.
    pub access: Access,
    /// What is logged, and how.
    pub log: Log,
    /// A parameter that the provider's dialect can't express is refused rather than dropped.
    pub is_strict: bool,
    /// A request to a local server asks for a context that holds its prompt.
    pub fits_context: bool,
    /// The proxies to go through.
    pub proxy: ProxyVariables,
    /// Files with CA certificates to trust beside the system's.
    pub ca_files: Vec<PathBuf>,
    /// Where the last good model lists are kept; nowhere if there is no home folder either.
    pub state_dir: Option<PathBuf>,
    /// There is an `ollama` program on `PATH`, which would want port 11434.
    pub has_ollama_program: bool,
    /// This machine's own name, where the environment tells.
    own_name: Option<String>,
    /// Each effective value and where it came from, in the order in which they are documented. Secrets are masked.
    pub sources: Vec<Source>,
    /// What the operator should know, one line each, without secrets.
    pub warnings: Vec<String>,
}

/// Where to listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// The address.
    pub host: IpAddr,
    /// The port.
    pub port: Port,
}

/// The port to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// This one and no other; 0 means any free one.
    Set(u16),
    /// [`Port::OLLAMA`], or [`Port::SECOND`] where that is taken.
    Default,
}

impl Port {
    /// Ollama's own port: its clients need no set-up to find us there.
    pub const OLLAMA: u16 = 11434;
    /// The port to take when Ollama itself has the first.
    pub const SECOND: u16 = 5005;
}

/// Time limits and size limits. Sizes are in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// A client's request body, unpacked; also a whole answer of a provider.
    pub body_bytes_max: usize,
    /// One record of a stream.
    pub record_bytes_max: usize,
    /// The headers of a request or an answer.
    pub header_bytes_max: usize,
    /// Connections of clients at a time.
    pub connections_max: usize,
    /// A client may take so long for a request's headers.
    pub request_head: Duration,
    /// Connecting to a provider, TLS included.
    pub connect: Duration,
    /// From a request sent to the first byte of its answer.
    pub first_byte: Duration,
    /// Between two records of a stream.
    pub silence: Duration,
    /// A request over all its tries, until its first content.
    pub request_total: Duration,
    /// How long the start of an answer is held back for its first content.
    pub hold: Duration,
    /// How much of an answer is held back for its first content.
    pub hold_bytes_max: usize,
    /// Asking one provider for its models.
    pub discovery: Duration,
    /// Between two rounds of asking for models.
    pub discovery_interval: Duration,
    /// Between two looks at files of keys.
    pub key_files: Duration,
    /// How long running requests may go on after a signal to stop.
    pub shutdown: Duration,
}

/// Who may ask.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Keys that clients must show one of; none: whoever reaches the port may ask.
    pub keys: Vec<SecretString>,
    /// The file that some of them came from.
    pub keys_file: Option<PathBuf>,
    /// The operator wants the port open to others without keys.
    pub is_open: bool,
    /// Host names that requests may carry beside the local ones, on loopback.
    pub allowed_hosts: Vec<String>,
    /// Origins of web pages that may ask beside the local ones; may hold `*`.
    pub origins: Vec<String>,
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// Debug lines too.
    pub is_verbose: bool,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The usual proxy variables, in capitals or not, as they stood.
#[derive(Debug, Clone, Default)]
pub struct ProxyVariables {
    /// `HTTPS_PROXY`
    pub https: Option<String>,
    /// `http_proxy`; `HTTP_PROXY` too.
    pub http: Option<String>,
    /// `ALL_PROXY`
    pub all: Option<String>,
    /// `NO_PROXY`
    pub no: Option<String>,
}

/// One effective value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The key in `polyllama.toml`, such as `limits.connect`.
    pub key: String,
    /// The value as it could stand there; secrets masked.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A line of the config file.
    File(PathBuf, usize),
    /// A variable in the working folder's `.env`.
    DotEnv(String),
    /// A variable of the environment.
    Variable(String),
    /// A flag of the command line.
    Flag(&'static str),
}

/// What the command line can set.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--host`
    pub host: Option<String>,
    /// `--port`
    pub port: Option<String>,
    /// `--log-format`
    pub log_format: Option<String>,
    /// `--verbose`
    pub is_verbose: bool,
}

impl Config {
    /// Reads all layers. `env` is the environment and the working folder.
    pub fn load(flags: &Flags, env: Environment) -> Result<Config, ConfigError> {
        layers::load(flags, env)
    }

    /// Takes out the providers that would be reached at ourselves, now that the port is known, with a line for each.
    ///
    /// [`Config::load`] does so for a port that is set; with [`Port::Default`] or port 0 the server calls it once it listens.
    pub fn leave_out_self(&mut self, port: u16) -> Vec<String> {
        let host = self.listen.host;
        let own_name = self.own_name.as_deref();
        let is_ours = |face: &Face| providers::is_self(&face.base_url, host, port, own_name);
        let (ours, others): (Vec<_>, Vec<_>) =
            self.providers.iter().cloned().partition(|provider| provider.faces.iter().any(is_ours));
        self.providers = others.into();
        // Nobody asked for an optional provider: where it isn't, there is nothing to say.
        let told = ours.iter().filter(|provider| !provider.is_optional);
        told.map(|provider| {
            format!("provider {} is left out: its base URL is polyllama itself (port {port})", provider.prefix)
        })
        .collect()
    }
}

impl Origin {
    /// In a few words: `default`, `OPENAI_API_KEYS`, `polyllama.toml:3`.
    pub fn describe(&self) -> String {
        match self {
            Origin::Default => "default".to_owned(),
            Origin::File(path, line) => format!("{}:{line}", path.display()),
            Origin::DotEnv(name) => format!("{name} in .env"),
            Origin::Variable(name) => name.clone(),
            Origin::Flag(name) => (*name).to_owned(),
        }
    }
}
