//! Looks at a local server beside the requests that go to it: what it has loaded, what a model is, whether it is still there.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Limited};

use super::{Errand, Relay};
use crate::catalogue::Target;
use crate::dialect::ollama::window::{read_facts, read_loaded};
use crate::json::{Json, Style, Writer};

/// A look at a server must not take longer: the request goes on without.
const LOOK_WAIT: Duration = Duration::from_secs(2);

/// The largest details of a model seen are some hundred kilobytes.
const LOOK_BYTES_MAX: usize = 8 << 20;

/// Looks what a server has loaded. `is_asking`: for a request that is under way there already.
pub(super) async fn look_at_loaded(relay: &Relay, target: &Target, is_asking: bool) {
    let told = relay.look(target, Method::GET, "/api/ps", Bytes::new(), LOOK_WAIT).await;
    let loaded = told.map(|json| read_loaded(&json));
    relay.servers.saw_loaded(target, loaded, is_asking, Instant::now());
}

/// Asks a server what a model of its is.
pub(super) async fn look_at_facts(relay: &Relay, target: &Target) {
    let mut writer = Writer::new(Style::Plain);
    writer.object(|w| w.key("model").str(&target.model));
    let body = Bytes::from(writer.into_bytes());
    let told = relay.look(target, Method::POST, "/api/show", body, LOOK_WAIT).await;
    relay.servers.saw_facts(target, told.map(|json| read_facts(&json)), Instant::now());
}

impl Relay {
    /// A small answer of a local server, if it comes in time.
    pub(super) async fn look(
        &self,
        target: &Target,
        method: Method,
        path: &str,
        body: Bytes,
        limit: Duration,
    ) -> Option<Json> {
        let headers = HeaderMap::new();
        let asking = async {
            let forwarded = self.forward(&target.provider, Errand::ollama(method, path, &headers, body));
            let response = forwarded.await.ok().filter(|response| response.status().is_success())?;
            let whole = Limited::new(response.into_body(), LOOK_BYTES_MAX).collect().await.ok()?;
            Json::parse(whole.to_bytes()).ok()
        };
        let told = tokio::time::timeout(limit, asking).await.ok().flatten();
        if told.is_none() {
            tracing::debug!(provider = target.provider.prefix, "did not answer {path} in time, or not well");
        }
        told
    }
}
