//! The face to clients: connections, routes, who may ask, and the answers that the gateway gives by itself.
//!
//! One file a surface: `ollama`, `openai`, `operation`; what all of them need is in `guard` (Host, Origin, inbound
//! keys), `input` (bodies with a limit), `reply` (answers and errors) and `completion` (requests that a model answers).
//! This module decides nothing about models, keys or providers.

mod completion;
mod guard;
mod input;
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
use tokio::sync::Semaphore;

use crate::config::{Config, Limits};
use crate::observe::Recorder;
use crate::relay::Relay;
use crate::relay::discover::Discovery;
use guard::Guard;
use running::Running;

/// So long a client may take to send the head of a request; an idle connection is kept as long. Pools of clients keep theirs
/// for up to 90 seconds, and would meet a closed one.
const HEAD_WAIT: Duration = Duration::from_secs(120);

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

    /// Serves connections until `stop` is done; then lets running requests finish, no longer than the limit.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let graceful = GracefulShutdown::new();
        let places = Arc::new(Semaphore::new(self.limits.connections_max));
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
                    tokio::spawn(async move {
                        connection.await;
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
        let limit = self.limits.shutdown;
        if tokio::time::timeout(limit, graceful.shutdown()).await.is_err() {
            tracing::warn!("requests that still ran after {} s were cut off", limit.as_secs());
        }
        Ok(())
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, peer: SocketAddr, watcher: Watcher) {
        // Without it a small record of a stream waits for the client's acknowledgement of the last one.
        let _ = stream.set_nodelay(true);
        let local = stream.local_addr().unwrap_or(peer);
        let header_bytes_max = self.limits.header_bytes_max;
        let handle = service_fn(move |request| {
            let gateway = Arc::clone(&self);
            async move { Ok::<_, Infallible>(routes::handle(&gateway, request, peer, local).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_WAIT)
            .max_headers(HEADERS_MAX)
            .max_header_size(header_bytes_max)
            .serve_connection(TokioIo::new(stream), handle);
        // A client that breaks off is no news.
        let _ = watcher.watch(connection).await;
    }
}
