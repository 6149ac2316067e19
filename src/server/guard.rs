//! Who may ask: the Host that a request names, the web page that sent it, and its key.
//!
//! Host and Origin are judged as Ollama judges them (measured on a real server): on a loopback address only local Hosts pass,
//! so that a web page can't reach us through a name of its own (DNS rebinding); a page's Origin must be local, or listed in
//! `OLLAMA_ORIGINS`.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::reply;
use super::routes::is_allowed;
use crate::chat::{Class, Failure};
use crate::config::Config;
use crate::provider::address::{is_localhost, is_near};
use crate::relay::Body;

type Response = http::Response<Body>;

/// Headers that a page may send, as Ollama answers a preflight.
const ALLOWED_HEADERS: &str = "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta,X-Stainless-Arch,\
    X-Stainless-Async,X-Stainless-Custom-Poll-Interval,X-Stainless-Helper-Method,X-Stainless-Lang,X-Stainless-Os,\
    X-Stainless-Package-Version,X-Stainless-Poll-Helper,X-Stainless-Retry-Count,X-Stainless-Runtime,\
    X-Stainless-Runtime-Version,X-Stainless-Timeout";

/// More of them, for routes that Ollama's own pages don't use.
const ALLOWED_HEADERS_MORE: &str = ",X-Api-Key,Anthropic-Version,Anthropic-Beta,X-Goog-Api-Key,X-Goog-Api-Client";

/// Origins that pass by default, beside those of local pages.
const APP_SCHEMES: [&str; 5] = ["app://", "file://", "tauri://", "vscode-webview://", "vscode-file://"];

/// Hosts of local pages.
const LOCAL_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "0.0.0.0"];

/// Judges requests before they are routed.
#[derive(Debug)]
pub(super) struct Guard {
    keys: Vec<SecretString>,
    origins: Vec<String>,
    allowed_hosts: Vec<String>,
    checks_host: bool,
    machine: String,
}

/// What the guard says of a request.
pub(super) enum Verdict {
    /// It may go on; these headers belong to its answer.
    Pass(Vec<(HeaderName, HeaderValue)>),
    /// This is its answer.
    Answer(Response),
}

impl Guard {
    pub(super) fn new(config: &Config, address: SocketAddr) -> Guard {
        Guard {
            keys: config.access.keys.clone(),
            origins: config.access.origins.clone(),
            allowed_hosts: config.access.allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            checks_host: address.ip().is_loopback(),
            machine: gethostname::gethostname().to_string_lossy().to_ascii_lowercase(),
        }
    }

    /// Judges Host and Origin, and answers preflights. `allow`: the methods of the route, when it exists.
    pub(super) fn check(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        local: IpAddr,
        allow: Option<&str>,
    ) -> Verdict {
        let host = uri.authority().map(|a| a.as_str()).or_else(|| text(headers, &header::HOST)).unwrap_or_default();
        let origin = text(headers, &header::ORIGIN).filter(|origin| !origin.is_empty());
        let Some(origin) = origin.filter(|origin| !is_same(origin, host)) else {
            return self.without_origin(method, host, local, allow);
        };
        let Some(allowed) = self.allowed_origin(origin) else {
            return Verdict::Answer(forbidden(method, allow));
        };
        if *method == Method::OPTIONS {
            return Verdict::Answer(preflight(allowed, uri.path(), allow));
        }
        if !self.is_host_local(host, local) {
            return Verdict::Answer(forbidden(method, allow));
        }
        Verdict::Pass(origin_headers(allowed))
    }

    fn without_origin(&self, method: &Method, host: &str, local: IpAddr, allow: Option<&str>) -> Verdict {
        if !self.is_host_local(host, local) {
            return Verdict::Answer(forbidden(method, allow));
        }
        let is_name = bare_host(host).parse::<IpAddr>().is_err() && !host.is_empty();
        if *method == Method::OPTIONS && is_name && self.checks_host {
            let mut response = reply::empty(StatusCode::NO_CONTENT);
            insert(response.headers_mut(), header::ALLOW, allow);
            return Verdict::Answer(response);
        }
        Verdict::Pass(Vec::new())
    }

    /// What to answer as allowed origin.
    fn allowed_origin<'a>(&self, origin: &'a str) -> Option<&'a str> {
        if self.origins.iter().any(|allowed| allowed == "*") {
            return Some("*");
        }
        let is_app = APP_SCHEMES.iter().any(|scheme| origin.starts_with(scheme));
        let is_listed = self.origins.iter().any(|allowed| matches(allowed, origin));
        (is_app || is_local_page(origin) || is_listed).then_some(origin)
    }

    /// May a request name this host? Ollama's rule, as measured: it knows neither link-local addresses nor names without a dot or
    /// with one at the end, which a base URL may well have (`provider::address`).
    fn is_host_local(&self, host: &str, local: IpAddr) -> bool {
        if !self.checks_host || host.is_empty() {
            return true;
        }
        let host = bare_host(host).to_ascii_lowercase();
        if let Ok(address) = host.parse::<IpAddr>() {
            return is_near(address) || address == local || self.allowed_hosts.contains(&host);
        }
        is_localhost(&host)
            || host == self.machine
            || [".local", ".internal"].iter().any(|end| host.ends_with(end))
            || self.allowed_hosts.contains(&host)
    }

    /// Does the request show one of the inbound keys? Gives the key's number, from 1; 0 when none is needed. `asked`: the key in
    /// its query, where its dialect has one there.
    pub(super) fn identify(&self, headers: &HeaderMap, asked: Option<&str>) -> Result<usize, Failure> {
        if self.keys.is_empty() {
            return Ok(0);
        }
        let bearer = text(headers, &header::AUTHORIZATION).and_then(|value| {
            let (scheme, key) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
        });
        let named = ["x-api-key", "x-goog-api-key"].map(|name| text(headers, &HeaderName::from_static(name)));
        let shown = bearer.into_iter().chain(named.into_iter().flatten()).chain(asked);
        for key in shown {
            // All keys are compared, so that the time tells nothing.
            let matching = |found, (number, known)| if is_equal(known, key) { Some(number) } else { found };
            if let Some(number) = (1..).zip(&self.keys).fold(None, matching) {
                return Ok(number);
            }
        }
        let message =
            "unauthorized: this gateway asks for one of its keys (POLYLLAMA_API_KEYS) as `Authorization: Bearer KEY`";
        Err(Failure::new(Class::Unauthorized, message).with_code("invalid_api_key"))
    }
}

fn is_equal(known: &SecretString, shown: &str) -> bool {
    bool::from(known.expose_secret().as_bytes().ct_eq(shown.as_bytes()))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The page comes from this very server.
fn is_same(origin: &str, host: &str) -> bool {
    origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).is_some_and(|rest| rest == host)
}

fn is_local_page(origin: &str) -> bool {
    let Some(rest) = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")) else { return false };
    LOCAL_HOSTS.iter().any(|host| {
        rest.strip_prefix(host).is_some_and(|port| port.is_empty() || port.strip_prefix(':').is_some_and(is_number))
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// One entry of `OLLAMA_ORIGINS`, with at most one `*`.
fn matches(pattern: &str, origin: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == origin,
        Some((head, tail)) => {
            origin.len() >= head.len() + tail.len() && origin.starts_with(head) && origin.ends_with(tail)
        }
    }
}

/// A host without its port and without the brackets of IPv6.
fn bare_host(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    if host.matches(':').count() > 1 {
        return host;
    }
    host.split(':').next().unwrap_or(host)
}

fn origin_headers(allowed: &str) -> Vec<(HeaderName, HeaderValue)> {
    let Ok(value) = HeaderValue::from_str(allowed) else { return Vec::new() };
    let mut headers = vec![(header::ACCESS_CONTROL_ALLOW_ORIGIN, value)];
    if allowed != "*" {
        headers.push((header::VARY, HeaderValue::from_static("Origin")));
    }
    headers
}

/// An empty 403. Ollama's router has noted by then which methods there are, where the one that is asked for is not among them.
fn forbidden(method: &Method, allow: Option<&str>) -> Response {
    let mut refused = reply::empty(StatusCode::FORBIDDEN);
    let is_other = |methods: &&str| !is_allowed(methods, method);
    insert(refused.headers_mut(), header::ALLOW, allow.filter(is_other));
    refused
}

fn preflight(allowed: &str, path: &str, allow: Option<&str>) -> Response {
    let mut response = reply::empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    let needs_more = path.starts_with("/v1/messages") || path.starts_with("/v1beta");
    let names =
        if needs_more { format!("{ALLOWED_HEADERS}{ALLOWED_HEADERS_MORE}") } else { ALLOWED_HEADERS.to_owned() };
    insert(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, Some(&names));
    insert(headers, header::ACCESS_CONTROL_ALLOW_METHODS, Some("GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"));
    insert(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, Some(allowed));
    insert(headers, header::ACCESS_CONTROL_MAX_AGE, Some("43200"));
    insert(headers, header::ALLOW, allow);
    if allowed != "*" {
        for name in ["Origin", "Access-Control-Request-Method", "Access-Control-Request-Headers"] {
            headers.append(header::VARY, HeaderValue::from_static(name));
        }
    }
    response
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: Option<&str>) {
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(origins: &[&str]) -> Guard {
        Guard {
            keys: vec!["secret-one".to_owned().into(), "secret-two".to_owned().into()],
            origins: origins.iter().map(|o| (*o).to_owned()).collect(),
            allowed_hosts: vec!["llm.example.com".into()],
            checks_host: true,
            machine: "box".into(),
        }
    }

    #[test]
    fn hosts_of_this_machine_and_network_pass() {
        let local: IpAddr = [100, 64, 0, 7].into();
        let guard = guard(&[]);
        for host in [
            "",
            "localhost:11434",
            "LocalHost",
            "127.0.0.1:1",
            "[::1]:11434",
            "10.0.0.5",
            "box:80",
            "a.local",
            "host.docker.internal",
            "x.localhost",
            "0.0.0.0",
            "100.64.0.7:5",
            "llm.example.com:443",
        ] {
            assert!(guard.is_host_local(host, local), "{host}");
        }
        for host in ["example.com", "8.8.8.8", "localhost.", "127.0.0.1.example.com", "local", "localhost.evil.com"] {
            assert!(!guard.is_host_local(host, local), "{host}");
        }
    }

    #[test]
    fn origins_as_ollama_allows_them() {
        let guard = guard(&["chrome-extension://*", "https://site.example:8443"]);
        for origin in [
            "http://localhost",
            "https://127.0.0.1:3000",
            "app://obsidian.md",
            "vscode-webview://abc",
            "chrome-extension://abc",
            "https://site.example:8443",
        ] {
            assert_eq!(guard.allowed_origin(origin), Some(origin));
        }
        for origin in [
            "null",
            "http://[::1]",
            "https://example.com",
            "HTTP://localhost",
            "http://localhost:80x",
            "http://localhost.evil.com",
            "https://site.example",
        ] {
            assert_eq!(guard.allowed_origin(origin), None, "{origin}");
        }
        assert_eq!(super::tests::guard(&["*"]).allowed_origin("null"), Some("*"));
    }

    #[test]
    fn a_key_is_taken_wherever_its_dialect_puts_it() {
        let identify = |name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static(value));
            guard(&[]).identify(&headers, None).ok()
        };
        assert_eq!(identify("authorization", "Bearer secret-two"), Some(2));
        assert_eq!(identify("authorization", "bearer secret-one"), Some(1));
        assert_eq!(identify("x-api-key", "secret-one"), Some(1));
        assert_eq!(identify("x-goog-api-key", "secret-one"), Some(1));
        assert_eq!(identify("authorization", "Basic secret-one"), None);
        assert_eq!(identify("authorization", "Bearer secret-"), None);
        assert_eq!(identify("cookie", "secret-one"), None);
        assert_eq!(guard(&[]).identify(&HeaderMap::new(), Some("secret-two")).ok(), Some(2));
        assert!(guard(&[]).identify(&HeaderMap::new(), Some("secret")).is_err());
    }
}
