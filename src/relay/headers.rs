//! Which headers go up to a provider and which come down to a client. What is named in neither list stays behind.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use secrecy::ExposeSecret;

use crate::chat::{Class, Failure};
use crate::dialect::{Dialect, Framing, Wire};
use crate::provider::credentials::Credential;
use crate::provider::{Auth, Face, Provider};

/// Go up where the provider has the client's dialect.
const UP: [&str; 7] = [
    "anthropic-version",
    "anthropic-beta",
    "openai-beta",
    "openai-organization",
    "openai-project",
    "idempotency-key",
    "traceparent",
];

/// Come down, beside those that begin with one of [`DOWN_PREFIXES`].
const DOWN: [&str; 8] = [
    "x-request-id",
    "request-id",
    "x-should-retry",
    "retry-after",
    "retry-after-ms",
    "openai-processing-ms",
    "openai-version",
    "inference-id",
];

const DOWN_PREFIXES: [&str; 3] = ["x-ratelimit-", "ratelimit-", "anthropic-ratelimit-"];

/// The headers of a request to a provider, its key among them. `client`: the client's headers, where its dialect goes up.
pub(super) fn up(
    provider: &Provider,
    face: &Face,
    credential: &Credential,
    wire: Wire,
    stream: bool,
    client: Option<&HeaderMap>,
) -> Result<HeaderMap, Failure> {
    let mut headers = authorised(provider, face, credential)?;
    if let Some(client) = client {
        hand_on(client, &mut headers);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let accept = match (stream, wire.framing()) {
        (true, Framing::Sse) => "text/event-stream",
        (true, Framing::Ndjson) => "application/x-ndjson",
        (false, _) | (true, Framing::Array) => "application/json",
    };
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    Ok(headers)
}

/// Hands on the client's headers that a provider of its dialect knows. One may stand there several times.
pub(super) fn hand_on(client: &HeaderMap, headers: &mut HeaderMap) {
    for name in UP.map(HeaderName::from_static) {
        if client.contains_key(&name) {
            headers.remove(&name);
        }
        for value in client.get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
    }
}

/// The provider's own headers and its key.
pub(super) fn authorised(provider: &Provider, face: &Face, credential: &Credential) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::with_capacity(12);
    headers.extend(provider.headers.iter().cloned());
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let secret = credential.secret.expose_secret();
    if secret.is_empty() {
        return Ok(headers);
    }
    let (name, value) = match (face.auth, credential.is_token) {
        (Auth::None, _) => return Ok(headers),
        (Auth::Bearer, _) | (_, true) => (header::AUTHORIZATION, format!("Bearer {secret}")),
        (Auth::XGoogApiKey, false) => (HeaderName::from_static("x-goog-api-key"), secret.to_owned()),
        (Auth::XApiKey, false) => (HeaderName::from_static("x-api-key"), secret.to_owned()),
        (Auth::ApiKey, false) => (HeaderName::from_static("api-key"), secret.to_owned()),
    };
    let unfit = |_| Failure::new(Class::KeyDead, "a key has characters that no header can carry");
    let mut value = HeaderValue::from_str(&value).map_err(unfit)?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(headers)
}

/// The headers of a provider's answer that the client gets too.
pub(super) fn down(provider: &HeaderMap) -> HeaderMap {
    let goes = |name: &str| DOWN.contains(&name) || DOWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    provider.iter().filter(|(name, _)| goes(name.as_str())).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The same of an error.
pub(super) fn notes(provider: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    down(provider).iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), text(value)?))).collect()
}

/// The headers of an answer in a client's `wire`. `own_type`: the content type that the provider gave the very bytes that are
/// handed on.
pub(super) fn of_answer(provider: &HeaderMap, own_type: Option<&HeaderValue>, wire: Wire, stream: bool) -> HeaderMap {
    let mut headers = down(provider);
    let usual = || HeaderValue::from_static(wire.content_type(stream));
    headers.insert(header::CONTENT_TYPE, own_type.cloned().unwrap_or_else(usual));
    if stream && matches!(wire.dialect(), Dialect::OpenAi | Dialect::Anthropic) {
        // Proxies between us and the client must not keep a stream back.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    headers
}
