//! What the hot path costs: `make bench`.
//!
//! Clocks on shared machines lie, so each figure stands beside a baseline of the same run: checking the same bytes to be JSON
//! with serde_json, which builds nothing. Ratios can be compared between runs, nanoseconds can't.

#![allow(missing_docs, clippy::print_stdout, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use polyllama::dialect::{Framer, Quirks, Reply, Wire};
use polyllama::relay::Ask;

const CHUNKS: usize = 1000;
const ROUNDS: u32 = 7;
const ROUND: Duration = Duration::from_millis(150);

fn main() {
    println!("{:<44} {:>12} {:>12} {:>8}", "", "ns", "baseline ns", "ratio");
    let body = chat_body(50_000);
    row("look at a 50 KB chat request", &body, || Ask::new(Wire::OpenAiChat, body.clone(), HeaderMap::new()).is_ok());
    let ask = Ask::new(Wire::OpenAiChat, body.clone(), HeaderMap::new()).unwrap();
    row("splice its model", &body, || ask.spliced("another-model"));
    row("read it, and write it for Gemini", &body, || {
        let request = Wire::OpenAiChat.read_request(&body).unwrap();
        Wire::Gemini.write_request(&request, &Quirks::default()).unwrap()
    });
    for (name, wire, stream) in [
        ("OpenAI", Wire::OpenAiChat, openai_stream()),
        ("Ollama", Wire::OllamaChat, ollama_stream()),
        ("Gemini", Wire::Gemini, gemini_stream()),
    ] {
        row(&format!("decode {CHUNKS} records of {name}"), &stream, || decode(wire, &stream));
        row("… and write them for Ollama's clients", &stream, || translate(wire, Wire::OllamaChat, &stream));
    }
}

/// The median time of `work`, and of checking `bytes` to be JSON record by record.
fn row<T>(name: &str, bytes: &Bytes, mut work: impl FnMut() -> T) {
    let took = median(|| {
        black_box(work());
    });
    let baseline = median(|| {
        for record in bytes.split(|byte| *byte == b'\n') {
            let json = record.strip_prefix(b"data: ").unwrap_or(record);
            let _ = black_box(serde_json::from_slice::<serde::de::IgnoredAny>(json));
        }
    });
    println!("{name:<44} {took:>12.0} {baseline:>12.0} {:>8.2}", took / baseline);
}

fn median(mut work: impl FnMut()) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| round(&mut work)).collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}

/// Nanoseconds a time, over one round.
fn round(work: &mut impl FnMut()) -> f64 {
    let started = Instant::now();
    let mut times = 0u32;
    while started.elapsed() < ROUND {
        work();
        times += 1;
    }
    started.elapsed().as_nanos() as f64 / f64::from(times)
}

fn decode(wire: Wire, stream: &Bytes) -> usize {
    let mut events = Vec::new();
    let mut decoder = wire.decoder();
    for record in records(wire, stream) {
        decoder.record(&record, &mut events);
    }
    decoder.end(&mut events);
    events.len()
}

fn translate(from: Wire, to: Wire, stream: &Bytes) -> usize {
    let mut decoder = from.decoder();
    let mut encoder = to.encoder(Reply::default()).unwrap();
    let (mut events, mut out) = (Vec::new(), Vec::new());
    let now = Timestamp::now();
    for record in records(from, stream) {
        decoder.record(&record, &mut events);
        events.drain(..).for_each(|event| encoder.event(event, now, &mut out));
    }
    decoder.end(&mut events);
    events.drain(..).for_each(|event| encoder.event(event, now, &mut out));
    encoder.end(now, &mut out);
    out.len()
}

fn records(wire: Wire, stream: &Bytes) -> Vec<polyllama::dialect::Record> {
    let mut framer = Framer::new(wire.framing(), 1 << 20);
    let mut records = Vec::new();
    framer.push(stream, &mut records).unwrap();
    framer.end(&mut records);
    records
}

fn chat_body(size: usize) -> Bytes {
    let text = "What goes up must come down, or so they say. ".repeat(size / 45);
    Bytes::from(format!(r#"{{"model":"m","stream":true,"messages":[{{"role":"user","content":"{text}"}}]}}"#))
}

fn openai_stream() -> Bytes {
    let head = r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1760000000,"model":"m","choices":[{"index":0,"#;
    let chunk = format!("data: {head}\"delta\":{{\"content\":\" word\"}},\"finish_reason\":null}}]}}\n\n");
    let end = format!("data: {head}\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\ndata: [DONE]\n\n");
    Bytes::from(chunk.repeat(CHUNKS) + &end)
}

fn ollama_stream() -> Bytes {
    let head = r#"{"model":"m","created_at":"2026-01-02T03:04:05.678Z","message":{"role":"assistant","content":"#;
    let end = r#"},"done":true,"done_reason":"stop","total_duration":1,"prompt_eval_count":2,"eval_count":3}"#;
    Bytes::from(format!("{head}\" word\"}},\"done\":false}}\n").repeat(CHUNKS) + head + "\"\"" + end + "\n")
}

fn gemini_stream() -> Bytes {
    let chunk = |finish: &str| {
        format!(
            "data: {{\"candidates\":[{{\"content\":{{\"parts\":[{{\"text\":\" word\"}}],\"role\":\"model\"}}{finish},\"index\":0}}],\
             \"usageMetadata\":{{\"promptTokenCount\":2,\"candidatesTokenCount\":3,\"totalTokenCount\":5}}}}\r\n\r\n"
        )
    };
    Bytes::from(chunk("").repeat(CHUNKS) + &chunk(",\"finishReason\":\"STOP\""))
}
