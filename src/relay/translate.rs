//! The provider speaks another wire than the client: requests and answers are read into the neutral form and written anew.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response};
use hyper::body::Incoming;
use jiff::Timestamp;
use tokio::time::Instant;

use super::body::{BodyError, streamed};
use super::exchange::{Exchange, failure_of, has_content};
use super::source::{Source, too_large};
use super::{Ask, Body, full, headers};
use crate::chat::{self, Class, Event, Failure, Thoughts};
use crate::dialect::{Decoder, Encoder, Framer, Record, Wire, Written};
use crate::json::Json;
use crate::observe::Meter;
use crate::provider::Provider;

/// The body to send. What can't be expressed is dropped, counted and said in the debug log, or refused where the operator
/// wants it strict.
pub(super) fn request(exchange: &Exchange<'_>, ask: &mut Ask) -> Result<Bytes, Failure> {
    let target = &exchange.attempt.target;
    let written = exchange.wire.write_request(ask.request_for(target)?, &target.provider.quirks)?;
    let (body, dropped) = ruled(exchange, written)?;
    exchange.meter.dropped(dropped);
    ask.leaves();
    Ok(body)
}

/// A written body after the provider's rules, and how many parameters were dropped.
pub(super) fn ruled(exchange: &Exchange<'_>, written: Written) -> Result<(Bytes, usize), Failure> {
    let target = &exchange.attempt.target;
    let provider = &target.provider;
    let ruled = provider.rules.apply(Bytes::from(written.body), &target.model, false);
    let dropped: Vec<String> = written.dropped.into_iter().chain(ruled.dropped).collect();
    if !dropped.is_empty() {
        let names = dropped.join(", ");
        if exchange.relay.is_strict {
            let message = format!("provider '{}' can't be asked for: {names} (strict is on)", provider.prefix);
            return Err(Failure::new(Class::UnsupportedParameter, message).with_param(names));
        }
        tracing::debug!(provider = provider.prefix, model = target.model, "dropped parameters: {names}");
    }
    Ok((ruled.body, dropped.len()))
}

/// The answer in the client's wire, once its start shows that it is one.
pub(super) async fn answer(
    exchange: &Exchange<'_>,
    ask: &Ask,
    response: Response<Incoming>,
) -> Result<Response<Body>, Failure> {
    let (head, body) = response.into_parts();
    let mut reader = Reader::new(exchange, ask, body);
    let body = if ask.stream {
        let events = reader.until_content(exchange, &head.headers).await?;
        streamed(flow(exchange, ask, reader, events)?, Flow::step)
    } else {
        let events = reader.all(exchange, &head.headers).await?;
        whole(exchange, ask, events)?
    };
    let mut answer = Response::new(body);
    *answer.headers_mut() = headers::of_answer(&head.headers, None, ask.wire, ask.stream);
    Ok(answer)
}

fn whole(exchange: &Exchange<'_>, ask: &Ask, events: Vec<Event>) -> Result<Body, Failure> {
    let answer = chat::fold(events).map_err(|failure| exchange.named(failure))?;
    let meter = exchange.meter;
    meter.content();
    meter.usage(Some(answer.usage));
    meter.finished();
    Ok(full(ask.wire.write_answer(&answer, &ask.reply(), Timestamp::now())))
}

fn flow(exchange: &Exchange<'_>, ask: &Ask, reader: Reader, events: Vec<Event>) -> Result<Flow, Failure> {
    let unserved = || Failure::new(Class::Unsupported, "streams in this dialect are not served");
    let encoder = ask.wire.encoder(ask.reply()).ok_or_else(unserved)?;
    let meter = Arc::clone(exchange.meter);
    Ok(Flow { reader, encoder, meter, events: events.into(), is_over: false })
}

/// Reads a provider's answer into events: a stream, or one body, whichever comes.
struct Reader {
    body: Source,
    framer: Framer,
    decoder: Box<dyn Decoder>,
    /// Set where thoughts may stand in the text.
    thoughts: Option<Thoughts>,
    /// What was read of a record, on its way through `thoughts`.
    found: Vec<Event>,
    wire: Wire,
    provider: Arc<Provider>,
    hold_until: Instant,
    hold_bytes_max: usize,
    body_bytes_max: usize,
    read: usize,
    is_ended: bool,
}

impl Reader {
    fn new(exchange: &Exchange<'_>, ask: &Ask, body: Incoming) -> Reader {
        let limits = &exchange.relay.limits;
        Reader {
            body: Source::new(body, limits.silence),
            framer: Framer::new(exchange.wire.framing(), limits.record_bytes_max),
            decoder: exchange.wire.decoder(),
            thoughts: thoughts(exchange, ask),
            found: Vec::new(),
            wire: exchange.wire,
            provider: Arc::clone(&exchange.attempt.target.provider),
            hold_until: Instant::now() + limits.hold,
            hold_bytes_max: limits.hold_bytes_max,
            body_bytes_max: limits.body_bytes_max,
            read: 0,
            is_ended: false,
        }
    }

    /// Events up to the first with content. A failure before it fails the try.
    async fn until_content(&mut self, exchange: &Exchange<'_>, headers: &HeaderMap) -> Result<Vec<Event>, Failure> {
        if self.body.is_one_body(headers, self.wire.framing(), self.hold_until).await {
            return self.one_body(exchange, headers).await;
        }
        let mut events = Vec::new();
        while !has_content(&events) {
            let hold_until = self.hold_until;
            let Ok(records) = tokio::time::timeout_at(hold_until, self.records()).await else { break };
            let is_end = self.is_ended;
            self.decode(records.map_err(|failure| exchange.named(failure))?, &mut events, exchange, headers)?;
            if is_end || self.read > self.hold_bytes_max {
                break;
            }
        }
        Ok(events)
    }

    /// All events of an answer that the client wants whole.
    async fn all(&mut self, exchange: &Exchange<'_>, headers: &HeaderMap) -> Result<Vec<Event>, Failure> {
        // Some servers stream whatever they are asked for.
        if self.body.is_one_body(headers, self.wire.framing(), self.hold_until).await {
            return self.one_body(exchange, headers).await;
        }
        let mut events = Vec::new();
        while !self.is_ended {
            let records = self.records().await.map_err(|failure| exchange.named(failure))?;
            self.decode(records, &mut events, exchange, headers)?;
            if self.read > self.body_bytes_max {
                return Err(exchange.named(too_large(self.body_bytes_max)));
            }
        }
        Ok(events)
    }

    /// The events of an answer that is one JSON value.
    async fn one_body(&mut self, exchange: &Exchange<'_>, headers: &HeaderMap) -> Result<Vec<Event>, Failure> {
        let whole = self.body.whole(self.body_bytes_max).await.map_err(|failure| exchange.named(failure))?;
        self.is_ended = true;
        let Ok(json) = Json::parse(whole.clone()) else { return Err(exchange.not_an_answer(&whole)) };
        let mut events = Vec::new();
        self.wire.read_answer(&json, &mut self.found);
        self.tell(&mut events);
        match failure_of(&events) {
            Some(failure) => Err(exchange.judged_inside(failure.clone(), headers, whole)),
            None => Ok(events),
        }
    }

    /// The next records, at least one unless the body is over.
    async fn records(&mut self) -> Result<Vec<Record>, Failure> {
        let mut records = Vec::new();
        while records.is_empty() && !self.is_ended {
            match self.body.next().await? {
                Some(bytes) => {
                    self.read += bytes.len();
                    let too_long = |e: crate::dialect::framing::TooLong| Failure::new(Class::BadAnswer, e.to_string());
                    self.framer.push(&bytes, &mut records).map_err(too_long)?;
                }
                None => {
                    self.is_ended = true;
                    self.framer.end(&mut records);
                }
            }
        }
        Ok(records)
    }

    /// Decodes records; a failure that comes before any content fails the try.
    fn decode(
        &mut self,
        records: Vec<Record>,
        events: &mut Vec<Event>,
        exchange: &Exchange<'_>,
        headers: &HeaderMap,
    ) -> Result<(), Failure> {
        for record in records {
            let before = events.len();
            self.record(&record, events);
            let failed = failure_of(&events[before..]);
            if let Some(failure) = failed.filter(|_| !has_content(events)) {
                return Err(exchange.judged_inside(failure.clone(), headers, record.data));
            }
        }
        if self.is_ended {
            self.end(events);
            if let Some(failure) = failure_of(events).filter(|_| !has_content(events)) {
                return Err(exchange.named(failure.clone()));
            }
        }
        Ok(())
    }

    /// The events of a record.
    fn record(&mut self, record: &Record, events: &mut Vec<Event>) {
        self.decoder.record(record, &mut self.found);
        self.tell(events);
    }

    /// The events of the end.
    fn end(&mut self, events: &mut Vec<Event>) {
        self.decoder.end(&mut self.found);
        self.tell(events);
    }

    /// The answer broke off.
    fn broke(&mut self, failure: Failure, events: &mut Vec<Event>) {
        self.found.push(Event::Failure(failure));
        self.tell(events);
    }

    /// Hands on what was found, thoughts apart from text.
    fn tell(&mut self, events: &mut Vec<Event>) {
        match &mut self.thoughts {
            Some(thoughts) => self.found.drain(..).for_each(|event| thoughts.event(event, events)),
            None => events.append(&mut self.found),
        }
    }
}

/// What takes thoughts out of the text. A client that wants no thinking gets the text as it is, as from Ollama; and a server
/// that has looked for thoughts itself has left in the text what belongs there.
fn thoughts(exchange: &Exchange<'_>, ask: &Ask) -> Option<Thoughts> {
    if exchange.wire.has_taken_thoughts_out() || ask.wants_no_thinking() {
        return None;
    }
    let target = &exchange.attempt.target;
    let is_begun = target.provider.quirks.begins_in_thought.as_ref().is_some_and(|models| models.fits(&target.model));
    let thoughts = if ask.stream { Thoughts::of_stream() } else { Thoughts::of_whole() };
    Some(thoughts.begun(is_begun))
}

/// A stream on its way from one wire to the other.
struct Flow {
    reader: Reader,
    encoder: Box<dyn Encoder>,
    meter: Arc<Meter>,
    events: VecDeque<Event>,
    is_over: bool,
}

/// Most records that are written fit in so much.
const OUT_BYTES: usize = 512;

impl Flow {
    async fn step(mut self) -> Option<(Result<Bytes, BodyError>, Flow)> {
        let mut out = Vec::with_capacity(OUT_BYTES);
        while out.is_empty() {
            if self.is_over {
                return None;
            }
            self.write(&mut out);
            if !out.is_empty() || self.is_over {
                continue;
            }
            if self.reader.is_ended {
                self.encoder.end(Timestamp::now(), &mut out);
                self.meter.finished();
                self.is_over = true;
                continue;
            }
            self.read().await;
        }
        Some((Ok(Bytes::from(out)), self))
    }

    /// Writes the events that wait.
    fn write(&mut self, out: &mut Vec<u8>) {
        while let Some(mut event) = self.events.pop_front() {
            match &mut event {
                Event::Delta { .. } => self.meter.content(),
                Event::Usage(usage) => self.meter.usage(Some(*usage)),
                Event::Failure(failure) => {
                    failure.message = self.reader.provider.pool.redacted(&failure.message);
                    self.meter.broken(failure);
                    self.is_over = true;
                }
                _ => {}
            }
            self.encoder.event(event, Timestamp::now(), out);
            if self.is_over {
                self.events.clear();
            }
        }
    }

    /// Reads on; trouble is one more event.
    async fn read(&mut self) {
        let mut events = Vec::new();
        match self.reader.records().await {
            Ok(records) => {
                for record in records {
                    self.reader.record(&record, &mut events);
                }
                if self.reader.is_ended {
                    self.reader.end(&mut events);
                }
            }
            Err(failure) => self.reader.broke(failure, &mut events),
        }
        self.events.extend(events);
    }
}
