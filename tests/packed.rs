//! Promise: a request may come compressed, with gzip or zstd, and means the same; what can't be unpacked is said in words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::io::Write;

use serde_json::json;
use support::{Answer, Asked, Gateway, gateway, reply, upstream};

const LIMIT: usize = 1 << 20;

/// How a zstd frame begins: magic number, a descriptor that tells no size.
const ZSTD_HEAD: [u8; 5] = [0x28, 0xb5, 0x2f, 0xfd, 0];

/// A window of 1 KiB.
const SMALL_WINDOW: u8 = 0;

/// A window of 16 MiB: 10 and an exponent of 14.
const LARGE_WINDOW: u8 = 14 << 3;

/// One frame of one block that is not compressed; the block's header is its size behind three bits, of which one says that it
/// is the last.
fn frame(window: u8, content: &[u8]) -> Vec<u8> {
    let header = ((content.len() as u32) << 3 | 1).to_le_bytes();
    [&ZSTD_HEAD[..], &[window], &header[..3], content].concat()
}

fn zstd(content: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(content, ruzstd::encoding::CompressionLevel::Fastest)
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn ask(gw: &Gateway, encoding: &str, body: Vec<u8>) -> Answer {
    let asked = Asked::new("POST", "/v1/chat/completions").header("content-type", "application/json");
    gw.send(&asked.header("content-encoding", encoding).body(body))
}

#[test]
fn packed_requests_are_unpacked() {
    let up = upstream().models(&["m-1"]).answers(|_| {
        reply(json!({"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]}))
    });
    let gw = gateway().provider("openai", &up, &["k"]).start();
    let body = r#"{"model":"m-1","messages":[{"role":"user","content":"hi"}],"odd":[1.50]}"#.as_bytes();
    let (head, tail) = body.split_at(20);
    // Three bytes that are to be skipped, as RFC 8878 has it.
    let skipped = [0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    let forms = [
        ("gzip", gzip(body)),
        ("x-gzip", [gzip(head), gzip(tail)].concat()),
        ("zstd", zstd(body)),
        ("zstd", frame(SMALL_WINDOW, body)),
        ("ZSTD", [frame(SMALL_WINDOW, head), skipped.to_vec(), zstd(tail), skipped.to_vec()].concat()),
    ];
    for (number, (encoding, packed)) in forms.into_iter().enumerate() {
        let answer = ask(&gw, encoding, packed);
        assert_eq!(answer.status, 200, "{number}: {}", answer.everything());
        assert_eq!(up.last().body, body, "{number}");
        assert_eq!(up.last().header("content-encoding"), None);
    }
}

#[test]
fn what_can_not_be_unpacked_is_said_in_words() {
    let gw = gateway().env("POLYLLAMA_BODY_BYTES_MAX", &LIMIT.to_string()).start();
    let invalid = "the request body is not valid zstd";
    let window = "the request body's zstd window is larger than 8388608 bytes";
    let large = "the request body is larger than 1048576 bytes (limits.body_bytes_max)";
    let bomb = vec![b' '; LIMIT + 1];
    let half = vec![b' '; LIMIT / 2 + 1];
    let mut cut = zstd(b"{\"model\":\"m-1\",\"messages\":[]}");
    cut.truncate(cut.len() - 1);
    let cases = [
        ("zstd", b"{}".to_vec(), 400, invalid),
        ("zstd", cut, 400, invalid),
        ("zstd", [zstd(b"{}"), b"{}{}{}".to_vec()].concat(), 400, invalid),
        ("zstd", vec![0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1], 400, invalid),
        ("zstd", frame(LARGE_WINDOW, b"{}"), 400, window),
        ("zstd", zstd(&bomb), 413, large),
        ("zstd", [zstd(&half), zstd(&half)].concat(), 413, large),
        ("gzip", gzip(&bomb), 413, large),
        ("gzip", b"{}{}{}{}{}{}".to_vec(), 400, "the request body is not valid gzip: invalid gzip header"),
        (
            "br",
            b"{}".to_vec(),
            415,
            "the request body's content encoding 'br' is not supported; use gzip, zstd or none",
        ),
    ];
    for (number, (encoding, body, status, message)) in cases.into_iter().enumerate() {
        let answer = ask(&gw, encoding, body);
        assert_eq!(answer.status, status, "{number}: {}", answer.everything());
        assert_eq!(answer.json()["error"]["message"], message, "{number}");
    }
}
