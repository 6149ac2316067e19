//! How connections to providers are opened: straight or by a proxy, with TLS and the certificates that are trusted.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Uri, uri::Scheme};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::config::ProxyVariables;

/// The system's certificates and those of these files.
pub(super) fn tls(ca_files: &[std::path::PathBuf]) -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for file in ca_files {
        add_certificates(&mut roots, file)
            .map_err(|error| anyhow::anyhow!("can't read the CA file {}: {error}", file.display()))?;
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

fn add_certificates(roots: &mut rustls::RootCertStore, file: &Path) -> anyhow::Result<()> {
    let pem = std::fs::read(file)?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots.add(certificate?)?;
        count += 1;
    }
    anyhow::ensure!(count > 0, "there is no certificate in it (PEM was expected)");
    Ok(())
}

/// Which proxy leads to an address, as the operator's variables say.
#[derive(Debug)]
pub(super) struct Proxies(Matcher);

impl Proxies {
    pub(super) fn new(variables: &ProxyVariables) -> Proxies {
        let value = |variable: &Option<String>| variable.clone().unwrap_or_default();
        let matcher = Matcher::builder().all(value(&variables.all)).http(value(&variables.http));
        Proxies(matcher.https(value(&variables.https)).no(value(&variables.no)).build())
    }

    /// The proxy for an address. A proxy elsewhere can't reach this machine's own servers, so they never have one.
    fn of(&self, uri: &Uri) -> Option<Intercept> {
        if uri.host().is_some_and(is_this_machine) { None } else { self.0.intercept(uri) }
    }

    /// The proxy for an address in plain HTTP. It gets the request itself, and answers where it won't pass it on.
    pub(super) fn of_plain(&self, uri: &Uri) -> Option<Intercept> {
        self.of(uri).filter(|_| uri.scheme() == Some(&Scheme::HTTP))
    }

    /// What a request in plain HTTP has to show to its proxy; for HTTPS it is shown when the tunnel is opened.
    pub(super) fn authorization(&self, uri: &Uri) -> Option<HeaderValue> {
        self.of_plain(uri)?.basic_auth().cloned()
    }
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    let is_loopback = bare.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    is_loopback || bare == "localhost" || bare.ends_with(".localhost")
}

/// Opens connections. HTTPS goes through a tunnel of the proxy; plain HTTP is asked of the proxy itself, since few proxies
/// open tunnels to other ports than that of HTTPS.
#[derive(Clone)]
pub(super) struct Connector {
    direct: HttpsConnector<HttpConnector>,
    http: HttpConnector,
    tls: rustls::ClientConfig,
    proxies: Arc<Proxies>,
    timeout: Duration,
}

impl Connector {
    pub(super) fn new(tls: rustls::ClientConfig, proxies: Arc<Proxies>, timeout: Duration) -> Connector {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        http.set_keepalive(Some(Duration::from_secs(60)));
        http.set_connect_timeout(Some(timeout));
        let direct = https(tls.clone()).wrap_connector(http.clone());
        Connector { direct, http, tls, proxies, timeout }
    }

    fn connect(&mut self, uri: Uri) -> Connecting<Stream> {
        let Some(proxy) = self.proxies.of(&uri) else {
            let connecting = self.direct.call(uri);
            return Box::pin(async move { Ok(Stream { inner: connecting.await?, is_proxied: false }) });
        };
        let is_tunnel = uri.scheme() != Some(&Scheme::HTTP);
        let mut by_proxy = ByProxy { http: self.http.clone(), proxy, is_tunnel };
        if !is_tunnel {
            let connecting = by_proxy.call(uri);
            return Box::pin(async move {
                Ok(Stream { inner: MaybeHttpsStream::Http(connecting.await?), is_proxied: true })
            });
        }
        let connecting = https(self.tls.clone()).wrap_connector(by_proxy).call(uri);
        Box::pin(async move { Ok(Stream { inner: connecting.await?, is_proxied: false }) })
    }
}

fn https(tls: rustls::ClientConfig) -> HttpsConnectorBuilder<hyper_rustls::builderstates::WantsProtocols2> {
    HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1()
}

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = BoxError;
    type Future = Connecting<Stream>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.direct.poll_ready(context)
    }

    fn call(&mut self, uri: Uri) -> Connecting<Stream> {
        let (connecting, timeout) = (self.connect(uri), self.timeout);
        Box::pin(async move {
            let late = || BoxError::from(format!("no connection within {timeout:?}"));
            tokio::time::timeout(timeout, connecting).await.unwrap_or_else(|_| Err(late()))
        })
    }
}

/// Connects to a proxy, and has it open a tunnel where one is wanted. Its errors name the proxy, never its password.
#[derive(Clone)]
struct ByProxy {
    http: HttpConnector,
    proxy: Intercept,
    is_tunnel: bool,
}

impl Service<Uri> for ByProxy {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Connecting<TokioIo<TcpStream>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let place = self.proxy.uri().clone();
        let shown = without_password(&place);
        if place.scheme() != Some(&Scheme::HTTP) {
            let kind = place.scheme_str().unwrap_or_default().to_owned();
            let message = format!("the proxy {shown} is a {kind} proxy, and only those on http:// are supported");
            return Box::pin(async move { Err(message.into()) });
        }
        if !self.is_tunnel {
            let connecting = self.http.call(place);
            return Box::pin(async move { connecting.await.map_err(|error| by_proxy(&shown, &error)) });
        }
        let mut tunnel = Tunnel::new(place, self.http.clone());
        if let Some(authorization) = self.proxy.basic_auth() {
            tunnel = tunnel.with_auth(authorization.clone());
        }
        let connecting = tunnel.call(uri);
        Box::pin(async move { connecting.await.map_err(|error| by_proxy(&shown, &error)) })
    }
}

/// Host and port of an address.
pub(super) fn without_password(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    uri.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn by_proxy(proxy: &str, error: &(dyn std::error::Error + 'static)) -> BoxError {
    let cause = match deepest(error).to_string() {
        refused if refused.ends_with("proxy authorization required") => {
            "wants other credentials than those in its URL, or any (407)".to_owned()
        }
        refused if refused.ends_with("unsuccessful") => "refused to open a tunnel".to_owned(),
        other => format!("failed: {other}"),
    };
    format!("the proxy {proxy} {cause}").into()
}

/// The first cause of an error.
pub(super) fn deepest<'a>(error: &'a (dyn std::error::Error + 'static)) -> &'a (dyn std::error::Error + 'static) {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause
}

/// A connection, and whether it ends at a proxy that wants to hear whole addresses.
pub(super) struct Stream {
    inner: MaybeHttpsStream<TokioIo<TcpStream>>,
    is_proxied: bool,
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.inner.connected().proxy(self.is_proxied)
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl Write for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_no_proxy_and_others_have() {
        let variables = ProxyVariables { all: Some("http://u:p@proxy:1".into()), ..ProxyVariables::default() };
        let proxies = Proxies::new(&variables);
        for near in
            ["http://localhost:1/", "https://127.1.2.3/", "http://[::1]:1/", "http://x.localhost/", "http://LOCALHOST/"]
        {
            assert!(proxies.of(&Uri::from_static(near)).is_none(), "{near}");
        }
        for far in ["http://10.0.0.1/", "https://localhost.evil.example/", "http://[2001:db8::1]/"] {
            assert!(proxies.of(&Uri::from_static(far)).is_some(), "{far}");
        }
        assert!(proxies.authorization(&Uri::from_static("https://a.example")).is_none());
        assert_eq!(proxies.authorization(&Uri::from_static("http://a.example")).unwrap(), "Basic dTpw");
    }
}
