//! The command line: one file a command. The only place that prints, and the only one whose errors are for people alone.

pub mod check;
mod config;
mod help;
mod key_files;
mod model;
pub mod models;
mod serve;
mod setup;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, FromArgMatches, Parser, Subcommand};

use crate::config::{Config, Environment, Flags};

/// One gateway that makes every model provider look like an Ollama server and an OpenAI server at once.
#[derive(Debug, Parser)]
#[command(name = "polyllama", version, about)]
struct Cli {
    #[command(flatten)]
    shared: Shared,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Shared {
    /// The config file, instead of the first polyllama.toml found
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The address to listen on [default: 127.0.0.1]
    #[arg(long, global = true, value_name = "ADDRESS")]
    host: Option<String>,
    /// The port to listen on [default: 11434, else 5005]
    #[arg(long, global = true, value_name = "PORT")]
    port: Option<String>,
    /// Log debug lines too
    #[arg(long, short, global = true)]
    verbose: bool,
    /// How log lines look: text or json [default: text]
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve (what polyllama does without a command)
    Serve,
    /// Ask every provider for its models and print them, or all that is known of one
    Models(models::Options),
    /// Ask every provider with every key, and print what works and why not; exits 1 if something is broken
    Check,
    /// Print the effective values and where each came from, secrets masked
    Config(config::Options),
    /// Tell another tool where polyllama is: print the settings, make them (--write) or take them back (--undo)
    Setup(setup::Options),
    /// Print a shell's completions for polyllama
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, in roff
    Man,
    /// Print the notices of others' work that polyllama holds
    Notices,
}

/// What discovery learned of a provider.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProviderState {
    /// Its prefix.
    pub prefix: String,
    /// How many keys it has.
    pub keys: usize,
    /// How many models it lists.
    pub models: usize,
    /// Why its list could not be read.
    pub error: Option<String>,
}

/// What `check` learned of a key, or of a provider that needs none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckRow {
    /// The provider's prefix.
    pub provider: String,
    /// The key, masked; empty where none is needed.
    pub key: String,
    /// It works.
    pub ok: bool,
    /// What was found, or what went wrong.
    pub detail: String,
}

/// The exit code of a wrong command line or configuration; clap uses the same.
const USAGE: u8 = 2;

/// What the licences of others' work ask to be handed on.
const NOTICES: &str = include_str!("../../THIRD-PARTY.md");

/// Runs the program: the command line is read, the configuration is loaded, the command is called.
pub fn main() -> ExitCode {
    let matches = help::command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    // These need no configuration, and work where it is wrong.
    match cli.command {
        Some(Command::Config(config::Options { example: true })) => return out(config::EXAMPLE, true),
        Some(Command::Notices) => return out(NOTICES, true),
        Some(Command::Completions { shell }) => return out(&help::completions(shell), true),
        Some(Command::Man) => {
            return help::man().map_or_else(|error| fail(&error.to_string(), 1), |page| out(&page, true));
        }
        _ => {}
    }
    match Config::load(&cli.shared.flags(), Environment::of_process()) {
        Ok(config) => run(cli.command.unwrap_or(Command::Serve), config, cli.shared.flags()),
        Err(error) => fail(&error.to_string(), USAGE),
    }
}

impl Shared {
    fn flags(&self) -> Flags {
        Flags {
            config: self.config.clone(),
            host: self.host.clone(),
            port: self.port.clone(),
            log_format: self.log_format.clone(),
            is_verbose: self.verbose,
        }
    }
}

fn run(command: Command, config: Config, flags: Flags) -> ExitCode {
    // The server logs its warnings; the other commands have no log.
    if !matches!(command, Command::Serve) {
        config.warnings.iter().for_each(|warning| warn(warning));
    }
    let done = match command {
        Command::Serve => {
            let reload = move || Config::load(&flags, Environment::of_process());
            wait(serve::run(config, reload)).map(|()| ExitCode::SUCCESS)
        }
        Command::Models(options) => wait(models::run(config, options)).map(|text| out(&text, true)),
        Command::Check => wait(check::run(config)).map(|(text, is_broken)| out(&text, !is_broken)),
        Command::Config(_) => Ok(out(&config::print(&config), true)),
        Command::Setup(options) => {
            setup::run(&config, &Environment::of_process(), &options).map(|text| out(&text, true))
        }
        Command::Completions { shell } => Ok(out(&help::completions(shell), true)),
        Command::Notices => Ok(out(NOTICES, true)),
        Command::Man => help::man().map(|page| out(&page, true)).map_err(Into::into),
    };
    done.unwrap_or_else(|error| fail(&format!("{error:#}"), 1))
}

/// Runs a command on a runtime with a worker for each core.
fn wait<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let done = runtime.block_on(command);
    // A look-up of a name that hangs would hold up the end.
    runtime.shutdown_background();
    done
}

/// Prints a command's result. A reader that went away (`polyllama models | head`) is no error.
fn out(text: &str, is_fine: bool) -> ExitCode {
    use std::io::Write as _;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    if is_fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn warn(line: &str) {
    eprintln!("polyllama: {line}");
}

fn fail(message: &str, code: u8) -> ExitCode {
    warn(message);
    ExitCode::from(code)
}
