//! From a request and its route to an answer: the only part of a request's way that waits.
//!
//! [`Relay::answer`] asks [`attempts`] what to try, does it by `exchange`, and hands back either the head of an answer with
//! its body still flowing, or the failure to tell the client. What goes through unchanged is in `pass`, what is read and
//! written anew in `translate`, and embeddings that don't pass in `embed`. This module knows no client connection and no provider by name.

mod ask;
pub mod attempts;
mod body;
mod choose;
mod connect;
mod count;
pub mod discover;
mod embed;
mod exchange;
mod fit;
mod forward;
mod headers;
mod loaded;
mod look;
mod pass;
mod source;
mod translate;
pub mod upstream;
mod watch;

use std::sync::Arc;
use std::time::Instant;

use http::Response;

use crate::catalogue::{Route, Target};
use crate::chat::{Class, Failure};
use crate::config::{Config, Limits};
use crate::observe::Meter;
pub use ask::{Ask, as_typed};
use attempts::{Attempts, Next, Try};
pub use body::{Body, BodyError, full, keeping, streamed};
pub use forward::Errand;
use loaded::Servers;
use upstream::Upstream;

/// Sends requests on.
#[derive(Debug)]
pub struct Relay {
    upstream: Upstream,
    limits: Limits,
    is_strict: bool,
    /// Requests to local servers ask for a context that their prompt fits in.
    fits_context: bool,
    servers: Arc<Servers>,
}

/// An answer on its way, and what the log will say of it.
#[derive(Debug)]
pub struct Answered {
    /// The answer, or the failure to write in the client's dialect.
    pub outcome: Result<Response<Body>, Failure>,
    /// Where the last try went.
    pub target: Option<Target>,
    /// How many requests were sent.
    pub attempts: u32,
    /// Why earlier tries failed, a word each.
    pub reasons: Vec<&'static str>,
}

impl Relay {
    /// With the operator's limits.
    pub fn new(upstream: Upstream, config: &Config) -> Relay {
        Relay {
            upstream,
            limits: config.limits.clone(),
            is_strict: config.is_strict,
            fits_context: config.fits_context,
            servers: Arc::default(),
        }
    }

    /// The client for other uses of the same connections.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Tries the targets and keys of a route until one answers.
    pub async fn answer(&self, mut ask: Ask, route: Route, meter: Arc<Meter>) -> Answered {
        let route = self.preferred(route).await;
        let mut attempts = Attempts::new(route, ask.arrived + self.limits.request_total);
        let mut target = None;
        let outcome = loop {
            match attempts.next(Instant::now()) {
                Next::GiveUp(failure) => break Err(failure),
                Next::Send(attempt) => {
                    meter.tried(format!("{}:{}", attempt.target.provider.prefix, attempt.target.model));
                    target = Some(attempt.target.clone());
                    match self.attempt(&mut ask, &attempt, &meter).await {
                        Ok(response) => {
                            let pool = &attempt.target.provider.pool;
                            pool.worked(attempt.key, &attempt.target.model, Instant::now());
                            break Ok(response);
                        }
                        Err(failure) => {
                            tracing::debug!(
                                provider = attempt.target.provider.prefix,
                                model = attempt.target.model,
                                class = failure.class.name(),
                                status = failure.status,
                                "a try failed: {}",
                                failure.message
                            );
                            if attempt.target.provider.is_local {
                                self.servers.failed(&attempt.target, failure.class, Instant::now());
                            }
                            attempts.failed(attempt.key, failure, Instant::now());
                        }
                    }
                }
            }
        };
        Answered { outcome, target, attempts: attempts.count(), reasons: attempts.reasons() }
    }

    /// One try, no longer than what is left of the time for all.
    async fn attempt(&self, ask: &mut Ask, attempt: &Try, meter: &Arc<Meter>) -> Result<Response<Body>, Failure> {
        // The timer's grain is a millisecond, and it takes one even for a pause of none.
        if !attempt.pause.is_zero() {
            tokio::time::sleep(attempt.pause).await;
        }
        let left = (ask.arrived + self.limits.request_total).saturating_duration_since(Instant::now());
        let late = || Failure::new(Class::Timeout, "the time for this request is over");
        tokio::select! {
            tried = tokio::time::timeout(left, exchange::run(self, ask, attempt, meter)) => {
                tried.unwrap_or_else(|_| Err(late()))
            }
            failure = self.silent(&attempt.target), if attempt.has_other_server => Err(failure),
        }
    }
}
