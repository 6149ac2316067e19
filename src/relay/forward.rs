//! Requests that go to one provider as they are, whatever they hold: Ollama's lists and details of its own models, and all that
//! manages them.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use http_body::Body as _;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;

use super::body::{BodyError, full, streamed};
use super::{Body, Relay, headers, upstream};
use crate::chat::{Class, Failure};
use crate::dialect::Dialect;
use crate::provider::Provider;
use crate::provider::credentials::{Choice, Credential};

/// Managing models takes as long as it takes (a pull that isn't streamed says nothing before its end); this only ends what
/// nobody will ever answer. A client that goes away ends it at once.
const MANAGING_WAIT: Duration = Duration::from_secs(24 * 3600);

/// An upload that its server no longer reads is read to its end for that long, so that its client sees the answer.
const DRAIN_WAIT: Duration = Duration::from_secs(600);

/// One request to hand on.
pub struct Errand<'a> {
    /// The face of the provider that gets it.
    pub(super) dialect: Dialect,
    /// Its method.
    pub(super) method: Method,
    /// Below the base URL of that face.
    pub(super) path: &'a str,
    /// The headers of the client's request that leads to it.
    pub(super) client: &'a HeaderMap,
    /// Its body.
    pub(super) body: Body,
    /// It may take hours, as managing models does; else the limits of completions hold.
    pub(super) is_slow: bool,
}

impl<'a> Errand<'a> {
    /// A question in Ollama's language.
    pub fn ollama(method: Method, path: &'a str, client: &'a HeaderMap, body: impl Into<Bytes>) -> Errand<'a> {
        Errand { dialect: Dialect::Ollama, method, path, client, body: full(body), is_slow: false }
    }

    /// The same, with all the time it needs.
    pub fn slow(self) -> Errand<'a> {
        Errand { is_slow: true, ..self }
    }

    /// The same with a body that is still coming.
    pub fn with_body(self, body: Body) -> Errand<'a> {
        Errand { body, ..self }
    }
}

impl Relay {
    /// Sends a request to a provider's own path; any status comes back as it is, its body as it flows. The headers
    /// that this dialect's clients send for the provider go along.
    pub async fn forward(&self, provider: &Provider, errand: Errand<'_>) -> Result<Response<Body>, Failure> {
        let face = provider.faces.iter().find(|face| face.dialect == errand.dialect);
        let missing = || Failure::new(Class::Unsupported, format!("provider '{}' does not have this", provider.prefix));
        let face = face.ok_or_else(missing)?;
        let credential = match provider.pool.choose("", &[], std::time::Instant::now()) {
            Choice::Use(_, credential) => credential,
            Choice::Resting(_) | Choice::Empty => Credential { secret: String::new().into(), is_token: false },
        };
        let mut headers = headers::authorised(provider, face, &credential)?;
        headers::hand_on(errand.client, &mut headers);
        headers.extend(of_client(&errand));
        upstream::Upstream::carry_hops(errand.client, &mut headers);
        let (first_byte, silence) = match errand.is_slow {
            true => (MANAGING_WAIT, MANAGING_WAIT),
            false => (self.limits.first_byte, self.limits.silence),
        };
        let late = || Failure::new(Class::Timeout, format!("the provider did not answer within {first_byte:?}"));
        let url = format!("{}{}", face.base_url, errand.path);
        let sending = self.upstream.send_body(errand.method, &url, headers, errand.body);
        let response = tokio::time::timeout(first_byte, sending).await.unwrap_or_else(|_| Err(late()))?;
        Ok(handed_on(response, silence))
    }

    /// A small JSON answer of a provider, whole.
    pub async fn fetch(&self, provider: &Provider, path: &str, client: &HeaderMap) -> Result<Bytes, Failure> {
        let response = self.forward(provider, Errand::ollama(Method::GET, path, client, Bytes::new())).await?;
        if !response.status().is_success() {
            return Err(Failure::new(
                Class::ProviderDown,
                format!("it answered with status {}", response.status().as_u16()),
            ));
        }
        let limited = Limited::new(response.into_body(), self.limits.record_bytes_max).collect().await;
        limited.map(|whole| whole.to_bytes()).map_err(|e| Failure::new(Class::BadAnswer, e.to_string()))
    }

    /// The body of a client's request that goes up while it still comes, however large: no more of it is held than the sockets
    /// hold. A client that breaks off breaks the request off. Where the answer comes before the end, the rest is read and dropped.
    pub fn upload(&self, body: Incoming) -> Body {
        let silence = self.limits.silence;
        streamed(Upload { rest: Some(body), silence }, |mut upload| async move {
            let bytes = upload.next().await?;
            Some((bytes, upload))
        })
    }
}

/// What goes up of the client's own headers: what the body is, and who asks, by which Ollama words some answers.
fn of_client(errand: &Errand<'_>) -> Vec<(http::HeaderName, HeaderValue)> {
    let usual = HeaderValue::from_static("application/json");
    let content_type = errand.client.get(header::CONTENT_TYPE).cloned().unwrap_or(usual);
    let mut headers = vec![(header::CONTENT_TYPE, content_type)];
    headers.extend(errand.client.get(header::USER_AGENT).map(|agent| (header::USER_AGENT, agent.clone())));
    // The length of a body that is all there is known without.
    let length = errand.client.get(header::CONTENT_LENGTH).filter(|_| errand.body.size_hint().exact().is_none());
    headers.extend(length.map(|length| (header::CONTENT_LENGTH, length.clone())));
    headers
}

/// The answer with the headers that the client gets too.
fn handed_on(response: Response<Incoming>, silence: Duration) -> Response<Body> {
    let (head, body) = response.into_parts();
    let body = streamed(body, move |mut body| async move {
        match upstream::next(&mut body, silence).await {
            Ok(None) => None,
            Ok(Some(bytes)) => Some((Ok(bytes), body)),
            Err(_) => Some((Err(BodyError), body)),
        }
    });
    let mut answer = Response::new(body);
    *answer.status_mut() = head.status;
    *answer.headers_mut() = headers::down(&head.headers);
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        if let Some(value) = head.headers.get(&name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    answer
}

/// A request's body on its way up.
struct Upload {
    /// `None` when it has all gone, or broke off.
    rest: Option<Incoming>,
    silence: Duration,
}

impl Upload {
    async fn next(&mut self) -> Option<Result<Bytes, BodyError>> {
        let next = next_of(self.rest.as_mut()?, self.silence).await;
        if !matches!(next, Some(Ok(_))) {
            self.rest = None;
        }
        next
    }
}

/// The next bytes of a request's body; `None` at its proper end.
async fn next_of(body: &mut Incoming, silence: Duration) -> Option<Result<Bytes, BodyError>> {
    loop {
        match tokio::time::timeout(silence, body.frame()).await {
            Ok(None) => return None,
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) => return Some(Ok(bytes)),
                Err(_trailers) => {}
            },
            Ok(Some(Err(_))) | Err(_) => return Some(Err(BodyError)),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let rest = self.rest.take().filter(|rest| !rest.is_end_stream());
        let (Some(mut rest), Ok(runtime)) = (rest, tokio::runtime::Handle::try_current()) else { return };
        let silence = self.silence;
        // Many clients look at no answer before they have sent all, and take a closed connection for a failure.
        runtime.spawn(tokio::time::timeout(DRAIN_WAIT, async move {
            while let Some(Ok(_)) = next_of(&mut rest, silence).await {}
        }));
    }
}
