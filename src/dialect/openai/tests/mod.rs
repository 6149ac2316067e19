//! What holds for the codec as a whole.

mod recorded;
mod requests;
mod round_trip;
mod table;

use bytes::Bytes;

use crate::chat::{Event, describe};
use crate::dialect::{Framer, Framing, Reply, Wire};

/// A byte stream, cut at `cuts`, as events.
fn decode(wire: Wire, stream: &[u8], cuts: &[usize]) -> Vec<Event> {
    let mut framer = Framer::new(Framing::Sse, 1 << 24);
    let mut decoder = wire.decoder();
    let mut records = Vec::new();
    let mut start = 0;
    for &cut in cuts {
        framer.push(&stream[start..cut], &mut records).unwrap();
        start = cut;
    }
    framer.push(&stream[start..], &mut records).unwrap();
    framer.end(&mut records);
    let mut events = Vec::new();
    records.iter().for_each(|record| decoder.record(record, &mut events));
    decoder.end(&mut events);
    events
}

/// A whole body as events.
fn read(wire: Wire, body: impl Into<Bytes>) -> Vec<Event> {
    let mut events = Vec::new();
    wire.read_answer(&crate::json::Json::parse(body.into()).unwrap(), &mut events);
    events
}

fn lines(events: &[Event]) -> Vec<String> {
    events.iter().map(describe).collect()
}

fn reply(stream_usage: bool) -> Reply {
    let started = jiff::Timestamp::from_second(1_700_000_000).unwrap();
    Reply { model: "m".to_owned(), started, stream_usage, ..Reply::default() }
}

fn encode(wire: Wire, reply: Reply, events: Vec<Event>) -> String {
    let mut encoder = wire.encoder(reply).unwrap();
    let mut out = Vec::new();
    let is_failed = events.iter().any(|event| matches!(event, Event::Failure(_)));
    let now = jiff::Timestamp::UNIX_EPOCH;
    events.into_iter().for_each(|event| encoder.event(event, now, &mut out));
    if !is_failed {
        encoder.end(now, &mut out);
    }
    String::from_utf8(out).unwrap()
}
