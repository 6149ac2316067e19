//! `polyllama serve`: bind, discover in the background, answer until told to stop.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::FutureExt;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::config::{Config, ConfigError, Port};
use crate::observe::{self, Recorder};
use crate::provider::Provider;
use crate::relay::Relay;
use crate::relay::discover::{Discovery, State};
use crate::relay::upstream::Upstream;
use crate::server::Gateway;

use super::key_files;
use super::table::table;

/// The start's table waits that long for the first lists.
const TABLE_WAIT: Duration = Duration::from_secs(5);

/// Serves until SIGTERM or Ctrl-C. `reload` reads the configuration anew.
pub(super) async fn run<R>(mut config: Config, reload: R) -> anyhow::Result<()>
where
    R: Fn() -> Result<Config, ConfigError> + Send + Sync + 'static,
{
    observe::start_logs(config.log);
    let listener = bind(&config).await?;
    let address = listener.local_addr().context("the address that was bound is not known")?;
    let left_out = config.leave_out_self(address.port());
    for warning in config.warnings.iter().chain(&left_out) {
        tracing::warn!("{warning}");
    }
    tracing::info!("polyllama {} listens on http://{address}", env!("CARGO_PKG_VERSION"));
    if address.port() == Port::OLLAMA && config.has_ollama_program {
        tracing::info!("port {} is Ollama's: an Ollama that is started later will find it taken", Port::OLLAMA);
    }
    let upstream = Upstream::new(&config)?;
    let discovery = Discovery::new(&config, upstream.clone());
    if config.providers.is_empty() {
        tracing::warn!("{}", discovery.catalogue().without_provider().message);
    }
    let relay = Relay::new(upstream, &config);
    let recorder = Recorder::start(config.log.format);
    let gateway = Arc::new(Gateway::new(&config, relay, Arc::clone(&discovery), recorder, address));
    let mut background = tokio::task::JoinSet::new();
    background.spawn(Arc::clone(&discovery).run());
    background.spawn(key_files::watch(Arc::clone(&config.providers), config.limits.key_files, reload));
    if std::io::stderr().is_terminal() {
        background.spawn(print_table(address, Arc::clone(&discovery)));
    }
    let (stop, stop_now) = signals();
    let served = gateway.serve(listener, stop, stop_now).await;
    background.shutdown().await;
    tracing::info!("stopped");
    served
}

/// The port that was set and no other; else Ollama's own, else the second.
async fn bind(config: &Config) -> anyhow::Result<TcpListener> {
    let host = config.listen.host;
    let port = match config.listen.port {
        Port::Set(port) => port,
        Port::Default => {
            if let Ok(listener) = TcpListener::bind((host, Port::OLLAMA)).await {
                return Ok(listener);
            }
            tracing::info!("port {} is taken (by Ollama?), so port {} is used", Port::OLLAMA, Port::SECOND);
            Port::SECOND
        }
    };
    match TcpListener::bind((host, port)).await {
        Ok(listener) => Ok(listener),
        Err(error) => bail!("can't listen on {}: {error}; set PORT to a free one", SocketAddr::from((host, port))),
    }
}

/// Two waits: until the process is told to stop, and until somebody at the terminal says so again.
fn signals() -> (impl Future<Output = ()>, impl Future<Output = ()>) {
    let (once, is_once) = oneshot::channel();
    let (twice, is_twice) = oneshot::channel();
    tokio::spawn(async move {
        stopped().await;
        let _ = once.send(());
        // Service managers and scripts may tell twice; only a person presses Ctrl-C again.
        let _ = tokio::signal::ctrl_c().await;
        let _ = twice.send(());
    });
    (is_once.map(drop), is_twice.map(drop))
}

/// Done when the process is told to stop.
async fn stopped() {
    #[cfg(unix)]
    {
        let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
        if let Ok(mut terminate) = terminate {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// For a person at a terminal: what runs here.
async fn print_table(address: SocketAddr, discovery: Arc<Discovery>) {
    discovery.ready_within(TABLE_WAIT).await;
    let shown = |(provider, state, models): (Arc<Provider>, State, usize)| {
        let note = state.error.filter(|_| !provider.is_optional || models > 0).unwrap_or_default();
        [provider.prefix.clone(), provider.pool.len().to_string(), models.to_string(), note]
    };
    let rows: Vec<[String; 4]> = discovery.states().into_iter().map(shown).collect();
    let table = table(["PROVIDER", "KEYS", "MODELS", ""], &rows);
    let aliases = discovery.catalogue().aliases().len();
    eprintln!(
        "\n  http://{address}  (Ollama clients)\n  http://{address}/v1  (OpenAI clients)\n\n{table}\n  {aliases} aliases; see `polyllama models --aliases`\n"
    );
}
