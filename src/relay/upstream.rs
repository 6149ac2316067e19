//! The HTTP client: pooled connections, TLS, proxies, time limits. It knows nothing of dialects and keys.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::body::{Body, full};
use super::connect::{Connector, Proxies, deepest, tls, without_password};
use crate::chat::{Class, Failure};
use crate::config::Config;

/// What we call ourselves; some providers refuse the names of common libraries.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("polyllama/", env!("CARGO_PKG_VERSION")));

/// An idle connection is kept that long; most servers keep theirs for 60 seconds or more.
const IDLE_MAX: Duration = Duration::from_secs(55);

/// Idle connections kept to one host.
const IDLE_PER_HOST_MAX: usize = 256;

/// The client for all providers.
#[derive(Clone, Debug)]
pub struct Upstream {
    client: Client<Connector, Body>,
    proxies: Arc<Proxies>,
    /// This gateway's own id in [`HOPS`].
    instance: Arc<str>,
}

/// Header with the ids of the gateways that a request has passed: no provider's base URL may lead back here. The answer to such
/// a request has the id of the gateway that gave it.
const HOPS: HeaderName = HeaderName::from_static("x-polyllama-hops");

impl Upstream {
    /// A client with the operator's proxies and certificates. Fails when a CA file can't be read.
    pub fn new(config: &Config) -> anyhow::Result<Upstream> {
        let proxies = Arc::new(Proxies::new(&config.proxy));
        let connector = Connector::new(tls(&config.ca_files)?, Arc::clone(&proxies), config.limits.connect);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Upstream { client, proxies, instance: format!("{:016x}", fastrand::u64(..)).into() })
    }

    /// Did a request of ours come back to us?
    pub fn check_hops(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let passed = headers.get_all(&HOPS).iter().filter_map(|value| value.to_str().ok());
        if passed.flat_map(|ids| ids.split(',')).any(|id| id.trim() == &*self.instance) {
            let message = "this request came back to the gateway that sent it: a provider's base URL leads here";
            return Err(Failure::new(Class::Loop, message).with_code(LOOP_CODE));
        }
        Ok(())
    }

    /// Copies the ids of gateways that a client's request has passed to the request that it leads to.
    pub fn carry_hops(client: &HeaderMap, headers: &mut HeaderMap) {
        headers.extend(client.get_all(&HOPS).iter().map(|value| (HOPS, value.clone())));
    }

    /// Lets a gateway that asks know that it asked one.
    pub fn mark_answer(&self, asked: &HeaderMap, answer: &mut HeaderMap) {
        if let Some(id) = HeaderValue::from_str(&self.instance).ok().filter(|_| asked.contains_key(&HOPS)) {
            answer.insert(HOPS, id);
        }
    }

    /// Sends a request and waits for the head of the answer.
    pub async fn send(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, Failure> {
        self.send_body(method, url, headers, full(body)).await
    }

    /// The same with a body that may still be coming.
    pub async fn send_body(
        &self,
        method: Method,
        url: &str,
        mut headers: HeaderMap,
        body: Body,
    ) -> Result<Response<Incoming>, Failure> {
        let uri: Uri = url.parse().map_err(|_| Failure::new(Class::Internal, "the provider's address is no URL"))?;
        headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
        if let Ok(hop) = HeaderValue::from_str(&self.instance) {
            headers.append(HOPS, hop);
        }
        if let Some(authorization) = self.proxies.authorization(&uri) {
            headers.insert(header::PROXY_AUTHORIZATION, authorization);
        }
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = uri.clone();
        *request.headers_mut() = headers;
        let response = self.client.request(request).await.map_err(|error| unreachable(&error, &uri))?;
        let is_refused = response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        if let Some(proxy) = self.proxies.of_plain(&uri).filter(|_| is_refused) {
            let place = without_password(proxy.uri());
            let message = format!("the proxy {place} wants other credentials than those in its URL, or any (407)");
            return Err(Failure::new(Class::ProviderDown, message));
        }
        Ok(response)
    }
}

/// Did a gateway give this answer?
pub fn is_of_gateway(answer: &HeaderMap) -> bool {
    answer.contains_key(&HOPS)
}

/// The code of [`Class::Loop`] failures.
pub const LOOP_CODE: &str = "loop_detected";

/// The next bytes of a body; `None` at its proper end.
pub async fn next(body: &mut Incoming, silence: Duration) -> Result<Option<Bytes>, Failure> {
    loop {
        let Ok(frame) = tokio::time::timeout(silence, body.frame()).await else {
            let message = format!("the provider said nothing for {silence:?}");
            return Err(Failure::new(Class::Timeout, message));
        };
        match frame {
            None => return Ok(None),
            Some(Err(_)) => {
                return Err(Failure::new(
                    Class::CutAnswer,
                    "the provider cut the connection before its answer was finished",
                ));
            }
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) if !bytes.is_empty() => return Ok(Some(bytes)),
                _ => {}
            },
        }
    }
}

fn unreachable(error: &ClientError, uri: &Uri) -> Failure {
    let cause = deepest(error);
    let hint = if is_untrusted(cause) {
        "; a certificate of your own network goes into ca_files (POLYLLAMA_CA_FILES)"
    } else {
        ""
    };
    let place = without_password(uri);
    let what = if error.is_connect() {
        format!("could not be reached at {place}")
    } else {
        "broke the connection off".to_owned()
    };
    Failure::new(Class::ProviderDown, format!("the provider {what}: {cause}{hint}"))
}

/// TLS works, but nobody that is trusted vouches for the server.
fn is_untrusted(mut cause: &(dyn std::error::Error + 'static)) -> bool {
    // An I/O error hides what it wraps from `source`.
    while let Some(wrapped) = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        cause = wrapped;
    }
    matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)))
}
