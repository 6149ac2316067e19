//! The HTTP client: pooled connections, TLS, proxies, time limits. It knows nothing of dialects and keys.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::chat::{Class, Failure};
use crate::config::{Config, ProxyVariables};

/// What we call ourselves; some providers refuse the names of common libraries.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("polyllama/", env!("CARGO_PKG_VERSION")));

/// An idle connection is kept that long; most servers keep theirs for 60 seconds or more.
const IDLE_MAX: Duration = Duration::from_secs(55);

/// Idle connections kept to one host.
const IDLE_PER_HOST_MAX: usize = 256;

/// The client for all providers.
#[derive(Clone, Debug)]
pub struct Upstream {
    client: Client<Connector, Full<Bytes>>,
    /// This gateway's own id in [`HOPS`].
    instance: Arc<str>,
}

/// Header with the ids of the gateways that a request has passed: no provider's base URL may lead back here. The answer to such
/// a request has the id of the gateway that gave it.
const HOPS: HeaderName = HeaderName::from_static("x-polyllama-hops");

impl Upstream {
    /// A client with the operator's proxies and certificates. Fails when a CA file can't be read.
    pub fn new(config: &Config) -> anyhow::Result<Upstream> {
        let connector = Connector::new(tls(&config.ca_files)?, &config.proxy, config.limits.connect);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Upstream { client, instance: format!("{:016x}", fastrand::u64(..)).into() })
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
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, Failure> {
        let uri: Uri = url.parse().map_err(|_| Failure::new(Class::Internal, "the provider's address is no URL"))?;
        headers.insert(header::USER_AGENT, USER_AGENT);
        if let Ok(hop) = HeaderValue::from_str(&self.instance) {
            headers.append(HOPS, hop);
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        self.client.request(request).await.map_err(|error| unreachable(&error))
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
            let message = format!("the provider said nothing for {} seconds", silence.as_secs());
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

fn unreachable(error: &ClientError) -> Failure {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let what = if error.is_connect() { "could not be reached" } else { "broke the connection off" };
    Failure::new(Class::ProviderDown, format!("the provider {what}: {cause}"))
}

fn tls(ca_files: &[std::path::PathBuf]) -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for file in ca_files {
        let fail = |e: rustls::pki_types::pem::Error| anyhow::anyhow!("can't read the CA file {}: {e}", file.display());
        for certificate in CertificateDer::pem_file_iter(file).map_err(fail)? {
            roots.add(certificate.map_err(fail)?)?;
        }
    }
    if roots.is_empty() {
        tracing::warn!(
            "no CA certificates were found on this machine; providers on https can't be trusted (set ca_files)"
        );
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Opens connections: straight, or through the proxy that the environment names for the host.
#[derive(Clone)]
struct Connector {
    direct: HttpsConnector<HttpConnector>,
    http: HttpConnector,
    tls: rustls::ClientConfig,
    proxies: Arc<Matcher>,
    timeout: Duration,
}

impl Connector {
    fn new(tls: rustls::ClientConfig, proxy: &ProxyVariables, timeout: Duration) -> Connector {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(Duration::from_secs(60)));
        http.set_connect_timeout(Some(timeout));
        let value = |variable: &Option<String>| variable.clone().unwrap_or_default();
        let proxies = Matcher::builder()
            .all(value(&proxy.all))
            .http(value(&proxy.http))
            .https(value(&proxy.https))
            .no(value(&proxy.no))
            .build();
        let direct = https(tls.clone()).wrap_connector(http.clone());
        Connector { direct, http, tls, proxies: Arc::new(proxies), timeout }
    }
}

fn https(tls: rustls::ClientConfig) -> HttpsConnectorBuilder<hyper_rustls::builderstates::WantsProtocols2> {
    HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1()
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.direct.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting: Self::Future = match self.proxies.intercept(&uri) {
            None => Box::pin(self.direct.call(uri)),
            Some(proxy) => {
                let mut tunnel = Tunnel::new(proxy.uri().clone(), self.http.clone());
                if let Some(auth) = proxy.basic_auth() {
                    tunnel = tunnel.with_auth(auth.clone());
                }
                Box::pin(https(self.tls.clone()).wrap_connector(tunnel).call(uri))
            }
        };
        let timeout = self.timeout;
        Box::pin(async move {
            let late = || BoxError::from(format!("no connection within {} seconds", timeout.as_secs()));
            tokio::time::timeout(timeout, connecting).await.unwrap_or_else(|_| Err(late()))
        })
    }
}
