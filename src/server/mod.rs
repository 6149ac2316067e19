//! The face to clients: connections, routes, who may ask, and the answers that the gateway gives by itself.
//!
//! One file a surface: `ollama`, `openai`, `anthropic`, `gemini`, `operation`; what all of them need is in `guard` (Host,
//! Origin, inbound keys), `input` (bodies with a limit), `reply` (answers and errors) and `completion` (requests that a model
//! answers).
//! This module decides nothing about models, keys or providers.

mod anthropic;
mod completion;
mod gemini;
mod guard;
mod input;
mod manage;
mod ollama;
mod openai;
mod operation;
mod reply;
mod routes;
mod running;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

use crate::config::{Config, Limits};
use crate::dialect::Accent;
use crate::observe::Recorder;
use crate::relay::Relay;
use crate::relay::discover::Discovery;
use guard::Guard;
use running::Running;

/// No system has more connections.
const CONNECTIONS_MAX: u32 = 1 << 24;

/// At the end connections that are cut get that long to drop what they hold.
const CUT_WAIT: Duration = Duration::from_secs(1);

/// More header lines than this are refused.
const HEADERS_MAX: usize = 256;

/// Everything that answers requests.
#[derive(Debug)]
pub struct Gateway {
    relay: Relay,
    discovery: Arc<Discovery>,
    guard: Guard,
    limits: Limits,
    recorder: Recorder,
    running: Running,
    started: jiff::Timestamp,
}

impl Gateway {
    /// For a configuration, listening on `address`.
    pub fn new(
        config: &Config,
        relay: Relay,
        discovery: Arc<Discovery>,
        recorder: Recorder,
        address: SocketAddr,
    ) -> Gateway {
        Gateway {
            relay,
            discovery,
            guard: Guard::new(config, address),
            limits: config.limits.clone(),
            recorder,
            running: Running::default(),
            started: jiff::Timestamp::now(),
        }
    }

    /// How OpenAI's clients are spoken to as long as no model is known: as Ollama does where there is nothing but Ollama servers.
    fn accent(&self) -> Accent {
        let others = self.discovery.providers().iter().any(|provider| provider.accent() != Accent::Ollama);
        if others || self.discovery.providers().is_empty() { Accent::OpenAi } else { Accent::Ollama }
    }

    /// Serves connections until `stop` is done; then lets running requests finish, until `stop_now` is done and no longer
    /// than the limit.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
        stop_now: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        let graceful = GracefulShutdown::new();
        let places_max = u32::try_from(self.limits.connections_max).unwrap_or(u32::MAX).min(CONNECTIONS_MAX);
        let places = Arc::new(Semaphore::new(places_max as usize));
        let (cut, is_cut) = watch::channel(());
        let mut stop = std::pin::pin!(stop);
        loop {
            let place = Arc::clone(&places).acquire_owned();
            let accepted = async { (place.await, listener.accept().await) };
            let (place, connection) = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = accepted => accepted,
            };
            let place = place.context("no place for connections")?;
            match connection {
                Ok((stream, peer)) => {
                    let connection = Arc::clone(&self).connection(stream, peer, graceful.watcher());
                    let mut is_cut = is_cut.clone();
                    tokio::spawn(async move {
                        tokio::select! {
                            () = connection => {}
                            // The sender is dropped.
                            _ = is_cut.changed() => {}
                        }
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!("a connection could not be taken: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        drop(listener);
        self.finish(graceful, stop_now).await;
        // What still runs ends now, and its place is free then.
        drop(cut);
        let _ = tokio::time::timeout(CUT_WAIT, places.acquire_many(places_max)).await;
        self.recorder.flush();
        Ok(())
    }

    /// Lets running requests finish, as long as they may.
    async fn finish(&self, graceful: GracefulShutdown, stop_now: impl Future<Output = ()>) {
        let limit = self.limits.shutdown;
        let cut = tokio::select! {
            () = graceful.shutdown() => return,
            () = tokio::time::sleep(limit) => format!("still ran after {limit:?}"),
            () = stop_now => "still ran at the second signal".to_owned(),
        };
        self.recorder.cutting();
        tracing::warn!("requests that {cut} were cut off");
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        // Without it a small record of a stream waits for the client's acknowledgement of the last one.
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr().unwrap_or(peer);
        let (header_bytes_max, request_head) = (self.limits.header_bytes_max, self.limits.request_head);
        let handle = service_fn(move |request| {
            let gateway = Arc::clone(&self);
            async move { Ok::<_, Infallible>(routes::handle(&gateway, request, peer, local).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(request_head)
            .max_headers(HEADERS_MAX)
            .max_header_size(header_bytes_max)
            // As Ollama writes them: small clients look for `Content-Type` by its letters.
            .title_case_headers(true)
            .serve_connection(TokioIo::new(stream), handle);
        // A client that breaks off is no news.
        let _ = watcher.watch(connection).await;
    }
}
