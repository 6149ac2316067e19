//! Counts of tokens that a provider makes itself.

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use http_body_util::{BodyExt, Limited};

use super::exchange::{ERROR_BYTES_MAX, judged};
use super::{Body, Errand, Relay, full};
use crate::catalogue::Target;
use crate::chat::{Failure, Fault};
use crate::dialect::Wire;

impl Relay {
    /// The target's own count of a request's tokens, or what is wrong with the request: the client is to know that. `None`: it
    /// doesn't speak this wire's dialect, or doesn't count just now, which is no matter of the client's.
    pub async fn count(
        &self,
        target: &Target,
        wire: Wire,
        path: &str,
        client: &HeaderMap,
        body: Bytes,
    ) -> Option<Result<Response<Body>, Failure>> {
        let body = full(body);
        let errand = Errand { dialect: wire.dialect(), method: Method::POST, path, client, body, is_slow: false };
        let response = self.forward(&target.provider, errand).await.ok()?;
        if response.status().is_success() {
            return Some(Ok(response));
        }
        let (head, body) = response.into_parts();
        let whole = Limited::new(body, ERROR_BYTES_MAX).collect().await.ok()?;
        let failure = judged(target, wire, head.status.as_u16(), &head.headers, whole.to_bytes());
        // A refused key has this status, too, with some providers.
        (failure.status == 400 && failure.fault == Fault::Client).then_some(Err(failure))
    }
}
