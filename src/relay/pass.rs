//! The client speaks the provider's own wire: bytes go through as they are.
//!
//! The start of an answer is held until its first content, since several providers report failures inside a 200; then it is
//! handed on as it came. From then on the bytes are only watched: for token counts, for the end, and for a cut.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, header};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::body::{BodyError, streamed};
use super::exchange::{Exchange, failure_of, has_content};
use super::source::Source;
use super::watch::{Watch, counts};
use super::{Ask, Body, full, headers};
use crate::catalogue::Target;
use crate::chat::{Class, Event, Failure};
use crate::dialect::{Decoder, Framer, Record, Reply, Wire};
use crate::json::Json;
use crate::observe::Meter;

/// The body to send: the client's own with the provider's name of the model, and what the provider's `must` rules change.
pub(super) fn request(ask: &Ask, target: &Target) -> Bytes {
    target.provider.rules.apply(ask.spliced(ask.name_at(target)), &target.model, true).body
}

/// The answer to hand on, once its start shows that it is one.
pub(super) async fn answer(
    exchange: &Exchange<'_>,
    ask: &Ask,
    response: Response<Incoming>,
) -> Result<Response<Body>, Failure> {
    let (head, body) = response.into_parts();
    let mut held = Held::new(body, exchange);
    // A stream was asked for, and one body may come: an error, a server that can't stream, Ollama's answer to a load request.
    let framing = ask.wire.framing();
    let is_stream = ask.stream && !held.body.is_one_body(&head.headers, framing, held.hold_until).await;
    let body = if is_stream {
        held.until_content(exchange, &head.headers).await?;
        let meter = Arc::clone(exchange.meter);
        streamed(held.flow(ask.wire, meter), Flow::step)
    } else {
        held.until_answer(exchange, &head.headers).await?;
        held.whole(ask.wire, Arc::clone(exchange.meter))
    };
    let mut answer = Response::new(body);
    *answer.status_mut() = head.status;
    let own_type = head.headers.get(header::CONTENT_TYPE);
    *answer.headers_mut() = headers::of_answer(&head.headers, own_type, ask.wire, is_stream);
    Ok(answer)
}

/// The start of an answer, kept back.
struct Held {
    body: Source,
    pieces: VecDeque<Bytes>,
    size: usize,
    is_ended: bool,
    hold_until: Instant,
    size_max: usize,
    record_bytes_max: usize,
}

impl Held {
    fn new(body: Incoming, exchange: &Exchange<'_>) -> Held {
        let limits = &exchange.relay.limits;
        Held {
            body: Source::new(body, limits.silence),
            pieces: VecDeque::new(),
            size: 0,
            is_ended: false,
            hold_until: Instant::now() + limits.hold,
            size_max: limits.hold_bytes_max,
            record_bytes_max: limits.record_bytes_max,
        }
    }

    /// The next piece, kept; `None` at the end of the body and when enough was kept or waited.
    async fn more(&mut self, exchange: &Exchange<'_>) -> Result<Option<Bytes>, Failure> {
        if self.is_ended || self.size >= self.size_max {
            return Ok(None);
        }
        let next = self.body.next();
        let Ok(next) = tokio::time::timeout_at(self.hold_until, next).await else { return Ok(None) };
        let Some(bytes) = next.map_err(|failure| exchange.named(failure))? else {
            self.is_ended = true;
            return Ok(None);
        };
        self.size += bytes.len();
        self.pieces.push_back(bytes.clone());
        Ok(Some(bytes))
    }

    /// Reads records until one has content; one that reports a failure fails the try.
    async fn until_content(&mut self, exchange: &Exchange<'_>, headers: &HeaderMap) -> Result<(), Failure> {
        let mut framer = Framer::new(exchange.wire.framing(), self.record_bytes_max);
        let mut decoder = exchange.wire.decoder();
        let mut records = Vec::new();
        while let Some(bytes) = self.more(exchange).await? {
            if framer.push(&bytes, &mut records).is_err() {
                return Ok(());
            }
            for record in records.drain(..) {
                if is_begun(decoder.as_mut(), &record, exchange, headers)? {
                    return Ok(());
                }
            }
        }
        if !self.is_ended {
            return Ok(());
        }
        framer.end(&mut records);
        for record in records.drain(..) {
            if is_begun(decoder.as_mut(), &record, exchange, headers)? {
                return Ok(());
            }
        }
        let mut events = Vec::new();
        decoder.end(&mut events);
        match failure_of(&events).cloned() {
            Some(_) if self.size > 0 && self.looks_wrong() => Err(exchange.not_an_answer(&self.joined())),
            Some(failure) => Err(exchange.named(failure)),
            None => Ok(()),
        }
    }

    /// Reads a whole answer until it is there, or so much of it that it is surely one.
    async fn until_answer(&mut self, exchange: &Exchange<'_>, headers: &HeaderMap) -> Result<(), Failure> {
        while self.more(exchange).await?.is_some() {}
        if !self.is_ended {
            return if self.looks_wrong() { Err(exchange.not_an_answer(&self.joined())) } else { Ok(()) };
        }
        let whole = self.joined();
        self.pieces = VecDeque::from([whole.clone()]);
        let Ok(json) = Json::parse(whole.clone()) else { return Err(exchange.not_an_answer(&whole)) };
        let mut events = Vec::new();
        if json.value().get("error").is_some() {
            exchange.wire.read_answer(&json, &mut events);
        }
        match failure_of(&events).cloned() {
            Some(failure) => Err(exchange.judged_inside(failure, headers, whole)),
            None => Ok(()),
        }
    }

    /// What begins so is a page or plain text, not a record of any wire.
    fn looks_wrong(&self) -> bool {
        let first = self.pieces.iter().flat_map(|piece| piece.iter()).find(|byte| !byte.is_ascii_whitespace());
        matches!(first, Some(b'<'))
    }

    fn joined(&self) -> Bytes {
        let pieces: Vec<&[u8]> = self.pieces.iter().map(AsRef::as_ref).collect();
        match pieces.as_slice() {
            [_] => self.pieces.front().cloned().unwrap_or_default(),
            pieces => Bytes::from(pieces.concat()),
        }
    }

    fn flow(self, wire: Wire, meter: Arc<Meter>) -> Flow {
        Flow {
            held: self,
            wire,
            meter,
            watch: Watch::default(),
            is_whole: false,
            line: BytesMut::new(),
            is_over: false,
        }
    }

    /// The answer in one piece where it is all there, else flowing.
    fn whole(self, wire: Wire, meter: Arc<Meter>) -> Body {
        if self.is_ended {
            let whole = self.joined();
            meter.usage(counts(&whole, wire));
            meter.finished();
            return full(whole);
        }
        let flow = Flow { is_whole: true, ..self.flow(wire, meter) };
        streamed(flow, Flow::step)
    }
}

/// Does the record carry content, or an end that is none the worse for having no content?
fn is_begun(
    decoder: &mut dyn Decoder,
    record: &Record,
    exchange: &Exchange<'_>,
    headers: &HeaderMap,
) -> Result<bool, Failure> {
    let mut events = Vec::new();
    decoder.record(record, &mut events);
    if has_content(&events) {
        return Ok(true);
    }
    match failure_of(&events) {
        None => Ok(false),
        Some(failure) => Err(exchange.judged_inside(failure.clone(), headers, record.data.clone())),
    }
}

/// An answer that flows through.
struct Flow {
    held: Held,
    wire: Wire,
    meter: Arc<Meter>,
    watch: Watch,
    /// One body rather than a stream: it has no place for an error of ours.
    is_whole: bool,
    /// A stream's last line, as long as its end has not come: half a record before our own would spoil that.
    line: BytesMut,
    is_over: bool,
}

impl Flow {
    async fn step(mut self) -> Option<(Result<Bytes, BodyError>, Flow)> {
        if self.is_over {
            return None;
        }
        loop {
            match self.next().await {
                Ok(Some(bytes)) => {
                    let whole = self.whole_lines(bytes);
                    if !whole.is_empty() {
                        return self.send(whole);
                    }
                }
                Ok(None) if !self.line.is_empty() => {
                    let last = self.line.split().freeze();
                    return self.send(last);
                }
                Ok(None) if self.is_whole || self.watch.saw_end() => {
                    self.meter.finished();
                    return None;
                }
                Ok(None) => {
                    let message = "the provider ended the stream before the answer was finished";
                    return self.broken(&Failure::new(Class::CutAnswer, message));
                }
                Err(failure) => return self.broken(&failure),
            }
        }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        if let Some(bytes) = self.held.pieces.pop_front() {
            return Ok(Some(bytes));
        }
        if self.held.is_ended {
            return Ok(None);
        }
        let next = self.held.body.next().await;
        self.held.is_ended = matches!(next, Ok(None));
        next
    }

    /// What can go now: all up to the end of the last line, or everything where a line grows too long to be kept.
    fn whole_lines(&mut self, bytes: Bytes) -> Bytes {
        let end = memchr::memrchr2(b'\n', b'\r', &bytes).map_or(0, |at| at + 1);
        if self.is_whole || (end == bytes.len() && self.line.is_empty()) {
            return bytes;
        }
        let whole = if end > 0 { self.line.len() + end } else { 0 };
        self.line.extend_from_slice(&bytes);
        let is_too_long = self.line.len() - whole > self.held.size_max;
        self.line.split_to(if is_too_long { self.line.len() } else { whole }).freeze()
    }

    fn send(mut self, bytes: Bytes) -> Option<(Result<Bytes, BodyError>, Flow)> {
        self.meter.content();
        self.watch.look(&bytes, self.wire, &self.meter);
        Some((Ok(bytes), self))
    }

    /// The stream's own form of an error, then the end; a whole answer can only be cut.
    fn broken(mut self, failure: &Failure) -> Option<(Result<Bytes, BodyError>, Flow)> {
        self.is_over = true;
        self.meter.broken(failure);
        if self.is_whole {
            return Some((Err(BodyError), self));
        }
        let mut record = self.watch.separator(self.wire.framing());
        if let Some(mut encoder) = self.wire.encoder(Reply { is_begun: true, ..Reply::default() }) {
            encoder.event(Event::Failure(failure.clone()), jiff::Timestamp::now(), &mut record);
        }
        Some((Ok(Bytes::from(record)), self))
    }
}
