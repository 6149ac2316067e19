//! Requests that a model answers: from the body to the answer, and the record of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use jiff::Timestamp;

use super::{Gateway, reply};
use crate::catalogue::{Route, Target};
use crate::chat::{Class, Failure, Reasoning};
use crate::dialect::{Accent, Dialect, Operation, Wire, anthropic, ollama};
use crate::observe::{Meter, Record, Recorder};
use crate::relay::{Ask, Body, Errand, keeping};

/// Without any list from the last run, the first requests wait that long for discovery.
const DISCOVERY_WAIT: Duration = Duration::from_secs(3);

/// A request that unloads a model is no longer: it has no messages.
const UNLOAD_BYTES_MAX: usize = 4096;

/// Of a longer model name the log has the beginning.
const NAME_CHARS_LOGGED: usize = 256;

/// A model's name, as far as the log has it.
pub(super) fn logged(name: &str) -> String {
    name.chars().take(NAME_CHARS_LOGGED).collect()
}

/// Says which provider answered.
pub(super) const PROVIDER: HeaderName = HeaderName::from_static("x-polyllama-provider");
const MODEL: HeaderName = HeaderName::from_static("x-polyllama-model");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-polyllama-attempts");
/// The same for clients of Anthropic's dialect.
const ANTHROPIC_REQUEST_ID: HeaderName = HeaderName::from_static(anthropic::error::REQUEST_ID);
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Waits for the first lists, and for new ones of local servers.
pub(super) async fn wait_for_lists(gateway: &Gateway) {
    gateway.discovery.ready_within(DISCOVERY_WAIT).await;
    gateway.discovery.refresh_local().await;
}

/// What a model's name means; one that is unknown may be known once the lists are there.
pub(super) async fn look_up(gateway: &Gateway, name: &str) -> Result<Route, Failure> {
    let discovery = &gateway.discovery;
    let at_once = discovery.catalogue().look_up(name);
    // A guess made before the lists are there would not be made after.
    if discovery.is_ready() && at_once.is_ok() {
        return at_once;
    }
    wait_for_lists(gateway).await;
    discovery.catalogue().look_up(name)
}

/// Answers a request in a wire that clients speak.
pub(super) async fn answer(
    gateway: &Gateway,
    wire: Wire,
    headers: &HeaderMap,
    body: Bytes,
    pending: &mut Pending,
) -> Response<Body> {
    match Ask::new_in(gateway.accent(), wire, body, headers.clone()) {
        Ok(ask) => answer_to(gateway, ask, pending).await,
        Err(failure) => reply::failure_in(gateway.accent(), wire.dialect(), &failure),
    }
}

/// Answers a request whose model and form are known.
pub(super) async fn answer_to(gateway: &Gateway, mut ask: Ask, pending: &mut Pending) -> Response<Body> {
    pending.record.model = logged(&ask.model);
    let (wire, is_stream) = (ask.wire, ask.stream);
    let found = look_up(gateway, &ask.model).await;
    let first = found.as_ref().ok().and_then(|route| route.targets.first());
    let accent = first.map_or(gateway.accent(), |target| target.provider.accent());
    ask.speak(accent);
    let answered = match found {
        Ok(route) => routed(gateway, ask, route, pending).await,
        Err(unknown) => Err(unknown_name(&mut ask, unknown)),
    };
    answered.unwrap_or_else(|failure| reply::completion_failure(wire, accent, is_stream, &failure))
}

/// A name means nothing here. What is wrong with the request comes before what is wrong with the name; but at options and
/// formats, whose faults are 500s to it, Ollama looks only when the model is there.
fn unknown_name(ask: &mut Ask, unknown: Failure) -> Failure {
    match ask.check() {
        Err(wrong) if ask.wire.dialect() != Dialect::Ollama || wrong.status != 500 => return wrong,
        Err(_) | Ok(()) => {}
    }
    match (ask.wire.dialect(), ask.accent) {
        (Dialect::OpenAi, Accent::OpenAi) | (Dialect::Gemini | Dialect::Anthropic, _) => unknown,
        (Dialect::Ollama | Dialect::OpenAi, _) if ask.wire.operation() == Operation::Embed => {
            ollama::name::unknown_to_embed(&ask.model, unknown)
        }
        (Dialect::Ollama | Dialect::OpenAi, _) => ollama::name::unknown(&ask.model, unknown, false),
    }
}

async fn routed(
    gateway: &Gateway,
    mut ask: Ask,
    route: Route,
    pending: &mut Pending,
) -> Result<Response<Body>, Failure> {
    if let Some(loaded) = load(gateway, &mut ask, &route)? {
        pending.meter.finished();
        return Ok(loaded);
    }
    check_thinking(gateway, &mut ask, &route)?;
    unload_elsewhere(gateway, &mut ask, &route).await;
    let keep_alive = keep_alive(&mut ask, &route)?;
    let (model, wire, accent, is_stream) = (ask.model.clone(), ask.wire, ask.accent, ask.stream);
    let answered = gateway.relay.answer(ask, route, Arc::clone(&pending.meter)).await;
    pending.record.reasons = answered.reasons;
    let target_notes = answered.target.as_ref().map(|target| {
        if !target.provider.is_local && answered.outcome.is_ok() {
            gateway.running.used(&model, keep_alive);
        }
        [(PROVIDER, target.provider.prefix.clone()), (MODEL, target.model.clone())]
    });
    let told = |failure: Failure| reply::completion_failure(wire, accent, is_stream, &failure);
    let mut response = answered.outcome.unwrap_or_else(told);
    let notes = target_notes.into_iter().flatten().chain([(ATTEMPTS, answered.attempts.to_string())]);
    for (name, value) in notes {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

/// Ollama's requests to load or unload a model: nothing to do for a model that runs elsewhere.
fn load(gateway: &Gateway, ask: &mut Ask, route: &Route) -> Result<Option<Response<Body>>, Failure> {
    let is_local = route.targets.first().is_some_and(|target| target.provider.is_local);
    if ask.wire.dialect() != Dialect::Ollama || is_local {
        return Ok(None);
    }
    let is_embed = ask.wire.operation() == Operation::Embed;
    let load = if is_embed { ollama::embed::load_of(ask.embed()?) } else { ollama::request::load_of(ask.request()?) };
    let Some(load) = load else { return Ok(None) };
    let keep_alive = keep_alive(ask, route)?;
    gateway.running.used(&ask.model, keep_alive);
    let body = match is_embed {
        true => ollama::embed::write_load(ask.wire, &ask.model),
        false => ollama::answer::write_load(ask.wire, &ask.model, load, Timestamp::now()),
    };
    Ok(Some(reply::content(200, reply::JSON_UTF8, body)))
}

/// Who unloads a model wants it gone from every server: the one that answers is only one of those that may have it loaded.
async fn unload_elsewhere(gateway: &Gateway, ask: &mut Ask, route: &Route) {
    let is_short = ask.body.len() <= UNLOAD_BYTES_MAX && route.targets.len() > 1;
    if !is_short || ask.wire.dialect() != Dialect::Ollama || ask.wire.operation() == Operation::Embed {
        return;
    }
    let load = ask.request().ok().and_then(ollama::request::load_of);
    if load != Some(ollama::request::Load::Unload) {
        return;
    }
    let unload = |target: &Target| {
        let (provider, body) = (Arc::clone(&target.provider), ollama::request::write_unload(&target.model));
        async move {
            let headers = HeaderMap::new();
            let errand = Errand::ollama(Method::POST, "/api/generate", &headers, body);
            gateway.relay.forward(&provider, errand).await.map(drop)
        }
    };
    join_all(route.targets.iter().filter(|target| target.provider.is_local).map(unload)).await;
}

/// How long an Ollama client wants a model to stay that no Ollama server answers for; a server sees to its own, and its
/// requests pass unread.
fn keep_alive(ask: &mut Ask, route: &Route) -> Result<Option<Duration>, Failure> {
    let is_local = route.targets.iter().all(|target| target.provider.is_local);
    if ask.wire.dialect() != Dialect::Ollama || is_local {
        return Ok(None);
    }
    Ok(match ask.wire.operation() {
        Operation::Embed => ollama::request::keep_alive(&ask.embed()?.extras),
        Operation::Chat | Operation::Complete => ollama::request::keep_alive(&ask.request()?.extras),
    })
}

/// Of a model that is known not to think, Ollama refuses thoughts; to be told not to think is fine with it. What nobody knows is
/// the provider's to judge.
fn check_thinking(gateway: &Gateway, ask: &mut Ask, route: &Route) -> Result<(), Failure> {
    let is_local = route.targets.first().is_some_and(|target| target.provider.is_local);
    if ask.wire.dialect() != Dialect::Ollama || ask.wire.operation() == Operation::Embed || is_local {
        return Ok(());
    }
    let Some(wish) = ask.request()?.reasoning.clone() else { return Ok(()) };
    let known = gateway.discovery.catalogue().model(&ask.model);
    if known.is_ok_and(|model| model.capabilities.thinking == Some(false)) {
        if wish != Reasoning::Off {
            return Err(ollama::name::cannot_think(&ask.model));
        }
        ask.cannot_think();
    }
    Ok(())
}

/// A request whose record is written when this is dropped: its body has gone, or its client has.
pub(super) struct Pending {
    pub(super) record: Record,
    pub(super) meter: Arc<Meter>,
    recorder: Recorder,
}

impl Pending {
    pub(super) fn new(gateway: &Gateway, record: Record) -> Pending {
        Pending { record, meter: Arc::default(), recorder: gateway.recorder.clone() }
    }

    /// The response with its id, and with this kept by its body.
    pub(super) fn answered(mut self, response: Response<Body>) -> Response<Body> {
        let (mut head, body) = response.into_parts();
        let told = [REQUEST_ID, ANTHROPIC_REQUEST_ID].iter().find_map(|name| head.headers.get(name)?.to_str().ok());
        if let Some(id) = told {
            self.record.id = id.to_owned();
        }
        if let Ok(id) = HeaderValue::from_str(&self.record.id) {
            let own = (self.record.dialect == Dialect::Anthropic.name()).then_some(ANTHROPIC_REQUEST_ID);
            for name in [REQUEST_ID].into_iter().chain(own) {
                head.headers.entry(name).or_insert(id.clone());
            }
        }
        self.record.status = head.status.as_u16();
        Response::from_parts(head, keeping(body, self))
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        let (record, meter) = (&mut self.record, &self.meter);
        (record.attempts, record.used) = meter.tries();
        record.outcome = meter.outcome();
        record.reasons.extend(meter.broken_class().map(Class::name));
        record.first_content = meter.first_content();
        record.total = meter.elapsed();
        (record.prompt_tokens, record.completion_tokens) = meter.tokens();
        record.dropped = meter.dropped_count();
        self.recorder.record(record.clone());
    }
}
