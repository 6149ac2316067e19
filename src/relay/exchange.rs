//! One request to one provider with one key, up to the first content of its answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Response, header};
use hyper::body::Incoming;
use jiff::Timestamp;

use super::attempts::Try;
use super::body::keeping;
use super::fit::Fit;
use super::loaded::Turn;
use super::source::Source;
use super::{Ask, Body, Relay, embed, headers, pass, translate, upstream};
use crate::catalogue::Target;
use crate::chat::{Class, Event, Failure, Told};
use crate::dialect::{Framing, Operation, Wire};
use crate::json::Json;
use crate::observe::Meter;
use crate::provider::{Face, Way};

/// The most of an error body that is read.
pub(super) const ERROR_BYTES_MAX: usize = 1 << 20;

/// So much of a body that is no answer is searched for words to show.
const WORDS_BYTES_MAX: usize = 4096;

/// A whole error body should come at once.
const ERROR_WAIT: Duration = Duration::from_secs(20);

/// One try on its way: what its request is made by, and its answer read against.
pub(super) struct Exchange<'a> {
    pub(super) relay: &'a Relay,
    pub(super) attempt: &'a Try,
    /// The wire that the provider speaks here.
    pub(super) wire: Wire,
    pub(super) meter: &'a Arc<Meter>,
    /// What counts the request at a local server.
    pub(super) turn: Option<&'a Turn>,
}

/// Sends, and judges what comes back. A failure here has not reached the client.
pub(super) async fn run(
    relay: &Relay,
    ask: &mut Ask,
    attempt: &Try,
    meter: &Arc<Meter>,
) -> Result<Response<Body>, Failure> {
    let target = &attempt.target;
    let turn = target.provider.is_local.then(|| relay.servers.enter(target, Instant::now()));
    let answered = send(relay, ask, attempt, meter, turn.as_ref()).await;
    match turn {
        None => answered,
        Some(turn) => answered.map(|response| response.map(|body| keeping(body, turn))),
    }
}

async fn send(
    relay: &Relay,
    ask: &mut Ask,
    attempt: &Try,
    meter: &Arc<Meter>,
    turn: Option<&Turn>,
) -> Result<Response<Body>, Failure> {
    let provider = &attempt.target.provider;
    let Some(way) = provider.way(ask.wire, attempt.credential.is_token) else {
        let message = format!("provider '{}' can't serve this kind of request", provider.prefix);
        return Err(Failure::new(Class::Unsupported, message));
    };
    match way {
        Way::Pass(face) | Way::Translate(face) if embed::is_asked(ask, way, provider) => {
            ask.embed()?;
            let wire = face.dialect.wire(Operation::Embed);
            let exchange = Exchange { relay, attempt, wire, meter, turn };
            embed::answer(&exchange, ask, face).await.map_err(|failure| in_words(failure, wire, ask))
        }
        Way::Pass(face) => {
            let exchange = Exchange { relay, attempt, wire: ask.wire, meter, turn };
            let body = pass::request(ask, &attempt.target);
            let mut fit = Fit::of(&exchange, ask, &body).await?;
            loop {
                let answered = pass(&exchange, ask, face, fit.fitted(&body)).await;
                if let Some(answered) = fit.settled(answered).await {
                    return answered;
                }
            }
        }
        Way::Translate(face) => {
            let wire = face.wire(ask.request()?);
            let exchange = Exchange { relay, attempt, wire, meter, turn };
            let answered = match translated(&exchange, ask, face).await {
                Err(refused) if wire.dialect().refuses_thinking(&refused) && ask.gives_up_thinking() => {
                    meter.dropped(1);
                    translated(&exchange, ask, face).await
                }
                answered => answered,
            };
            answered.map_err(|failure| in_words(failure, wire, ask))
        }
    }
}

/// Asks in the words of the provider's wire, with the context that the prompt needs.
async fn translated(exchange: &Exchange<'_>, ask: &mut Ask, face: &Face) -> Result<Response<Body>, Failure> {
    let body = translate::request(exchange, ask)?;
    let mut fit = Fit::of(exchange, ask, &body).await?;
    loop {
        let answered = translate(exchange, ask, face, fit.fitted(&body)).await;
        if let Some(answered) = fit.settled(answered).await {
            return answered;
        }
    }
}

async fn pass(exchange: &Exchange<'_>, ask: &Ask, face: &Face, body: Bytes) -> Result<Response<Body>, Failure> {
    let response = exchange.send(ask, face, body, Some(&ask.headers)).await?;
    pass::answer(exchange, ask, response).await
}

async fn translate(exchange: &Exchange<'_>, ask: &Ask, face: &Face, body: Bytes) -> Result<Response<Body>, Failure> {
    let response = exchange.send(ask, face, body, None).await?;
    translate::answer(exchange, ask, response).await
}

impl Exchange<'_> {
    /// Sends a body and waits for the head of an answer that is no error.
    pub(super) async fn send(
        &self,
        ask: &Ask,
        face: &Face,
        body: Bytes,
        client: Option<&HeaderMap>,
    ) -> Result<Response<Incoming>, Failure> {
        let Try { target, credential, .. } = self.attempt;
        let url = format!("{}{}", face.base_url, self.wire.path(&target.model, ask.stream));
        let mut headers = headers::up(&target.provider, face, credential, self.wire, ask.stream, client)?;
        upstream::Upstream::carry_hops(&ask.headers, &mut headers);
        let sending = self.relay.upstream.send(Method::POST, &url, headers, body);
        let limit = self.relay.limits.first_byte;
        let late = || Failure::new(Class::Timeout, format!("the provider did not answer within {limit:?}"));
        let response = tokio::time::timeout(limit, sending).await.unwrap_or_else(|_| Err(late()));
        let response = response.map_err(|failure| self.named(failure))?;
        if response.status().is_success() { Ok(response) } else { Err(self.refused(response).await) }
    }

    /// The provider answered with an error status.
    async fn refused(&self, response: Response<Incoming>) -> Failure {
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        if head.status.is_redirection() {
            return self.moved(status, &head.headers);
        }
        let body = Source::new(body, ERROR_WAIT).whole(ERROR_BYTES_MAX).await.unwrap_or_default();
        self.judged(status, &head.headers, body)
    }

    /// The provider sends us elsewhere. The key was given for this address and goes to no other.
    fn moved(&self, status: u16, headers: &HeaderMap) -> Failure {
        let place = headers.get(header::LOCATION).and_then(|place| place.to_str().ok()).unwrap_or("an unnamed place");
        let message = format!(
            "it answered with a redirect ({status}) to {place}, which is not followed; set the base URL that is right"
        );
        self.named(Failure::new(Class::Unsupported, message).with_status(502))
    }

    /// What an error body means, with the provider's own words kept. `status` is 200 for an error inside an answer.
    pub(super) fn judged(&self, status: u16, headers: &HeaderMap, body: Bytes) -> Failure {
        judged(&self.attempt.target, self.wire, status, headers, body)
    }

    /// What a failure that a decoder found inside a 200 means: by the provider's rules where the body is an error and
    /// nothing else, else as the decoder found it (an answer that ended badly has no words but the decoder's).
    pub(super) fn judged_inside(&self, failure: Failure, headers: &HeaderMap, body: Bytes) -> Failure {
        if !matches!(body.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return self.not_an_answer(&body);
        }
        let names_error = Json::parse(body.clone()).is_ok_and(|json| json.value().get("error").is_some());
        let is_error_body = names_error || self.wire.dialect().read_error(200, &body).message == failure.message;
        if is_error_body && failure.class != Class::Blocked {
            return self.judged(200, headers, body);
        }
        self.named(failure)
    }

    /// A failure of the connection or of an answer's form, with the provider's name before it. It may quote the answer.
    pub(super) fn named(&self, failure: Failure) -> Failure {
        named(&self.attempt.target, failure)
    }

    /// A 200 whose body is not what the wire says, such as the page of a wrong address.
    pub(super) fn not_an_answer(&self, body: &[u8]) -> Failure {
        let words = String::from_utf8_lossy(body.get(..WORDS_BYTES_MAX).unwrap_or(body));
        // Before it is cut, since a part of a key is not found any more.
        let shown: String = self.attempt.target.provider.pool.redacted(&words).chars().take(200).collect();
        let message =
            format!("its answer is not the JSON that was expected (is the base URL right?): {}", shown.trim());
        self.named(Failure::new(Class::BadAnswer, message))
    }
}

/// What an error body of a target means that was asked in this wire.
pub(super) fn judged(target: &Target, wire: Wire, status: u16, headers: &HeaderMap, body: Bytes) -> Failure {
    let provider = &target.provider;
    // Before it is read, since what is read may be cut in the middle of a key.
    let words = String::from_utf8_lossy(&body);
    let clean = provider.pool.without_keys(&words);
    let is_clean = clean == words;
    let mut error = wire.dialect().read_error(status, &Bytes::from(clean.into_owned()));
    let has_own_form = error.has_own_form;
    error.message = provider.pool.redacted(&error.message);
    let mut failure = provider.rules.classify(status, headers, error, &target.model, Timestamp::now());
    failure.notes = headers::notes(headers);
    if !has_own_form {
        return named(target, failure);
    }
    if is_clean {
        drop(words);
        failure.told = Some(told(wire, status, failure.status, headers, body));
    }
    failure
}

/// An error as the provider told it. Inside a 200, Ollama's clients know it as a line of its own; others are better served by
/// the status that fits.
fn told(wire: Wire, status: u16, fitting: u16, headers: &HeaderMap, body: Bytes) -> Told {
    if status < 400 && wire.framing() == Framing::Sse {
        return Told { status: fitting, content_type: None, body };
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Told { status, content_type: content_type.map(str::to_owned), body }
}

fn named(target: &Target, mut failure: Failure) -> Failure {
    let provider = &target.provider;
    failure.message = format!("provider '{}': {}", provider.prefix, provider.pool.redacted(&failure.message));
    failure
}

/// Do the events hold content, or an end that is none the worse for having no content? Then the answer has begun.
pub(super) fn has_content(events: &[Event]) -> bool {
    events.iter().any(|e| matches!(e, Event::Delta { .. } | Event::BlockStart { .. } | Event::Finish { .. }))
}

/// The first failure that is told.
pub(super) fn failure_of(events: &[Event]) -> Option<&Failure> {
    events.iter().find_map(|event| match event {
        Event::Failure(failure) => Some(failure),
        _ => None,
    })
}

/// A body in another dialect than the client's can't be handed on as it is; its words are kept.
fn in_words(mut failure: Failure, wire: Wire, ask: &Ask) -> Failure {
    let status = failure.status;
    failure.told = failure.told.and_then(|told| wire.dialect().hand_on(told, status, ask.wire.dialect(), ask.accent));
    failure
}
