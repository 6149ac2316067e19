//! Several local servers that have the same model: which one is asked first, and when one that was asked is given up.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::future::join_all;
use http::Method;

use super::Relay;
use super::look::look_at_loaded;
use crate::catalogue::{Route, Target};
use crate::chat::{Class, Failure};

/// A look at what servers have loaded, before a request is sent, may take that long.
const LOOK_WAIT: Duration = Duration::from_millis(500);

/// A server that keeps a request waiting is asked every so often whether it is still there, and has that long to say so. It may
/// be loading a model, which takes minutes, but then it answers this.
const ALIVE_EVERY: Duration = Duration::from_secs(3);
const ALIVE_WAIT: Duration = Duration::from_secs(2);

impl Relay {
    /// The route with its local targets in the order in which they should be tried: who has the model loaded first, then who
    /// has the least to do. One target is left alone, and nothing is looked up for it.
    pub(super) async fn preferred(&self, mut route: Route) -> Route {
        let local = route.targets.partition_point(|target| target.provider.is_local);
        if local < 2 {
            return route;
        }
        let now = Instant::now();
        let unseen = route.targets.iter().take(local).filter(|target| self.servers.is_unseen(target, now));
        join_all(unseen.map(|target| self.look_whether_loaded(target))).await;
        self.servers.order(&mut route.targets, Instant::now());
        route
    }

    async fn look_whether_loaded(&self, target: &Target) {
        let looking = self.servers.looking(target);
        let look = async {
            let _looking = looking.lock().await;
            if self.servers.is_unseen(target, Instant::now()) {
                look_at_loaded(self, target, false).await;
            }
        };
        if tokio::time::timeout(LOOK_WAIT, look).await.is_err() {
            self.servers.rests(target, Instant::now());
        }
    }

    /// Waits until the target's server does not even say its version any more.
    pub(super) async fn silent(&self, target: &Target) -> Failure {
        loop {
            tokio::time::sleep(ALIVE_EVERY).await;
            if self.look(target, Method::GET, "/api/version", Bytes::new(), ALIVE_WAIT).await.is_none() {
                let name = &target.provider.prefix;
                return Failure::new(Class::Timeout, format!("provider '{name}': the server does not answer any more"));
            }
        }
    }
}
