//! The body of a provider's answer, and what its beginning tells of its form.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, header};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::upstream;
use crate::chat::{Class, Failure};
use crate::dialect::Framing;
use crate::json::Json;

/// So much is looked at in search of a first byte or line; some providers send blanks to keep the connection.
const LOOK_MAX: usize = 64 << 10;

/// A body that can be looked at before it is read.
pub(super) struct Source {
    body: Incoming,
    silence: Duration,
    /// What was looked at.
    start: VecDeque<Result<Bytes, Failure>>,
}

impl Source {
    pub(super) fn new(body: Incoming, silence: Duration) -> Source {
        Source { body, silence, start: VecDeque::new() }
    }

    /// The next bytes; `None` at the proper end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self.start.pop_front() {
            Some(seen) => seen.map(Some),
            None => upstream::next(&mut self.body, self.silence).await,
        }
    }

    /// Takes in all that is left, up to a limit.
    pub(super) async fn whole(&mut self, bytes_max: usize) -> Result<Bytes, Failure> {
        let mut whole = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            if whole.len() + bytes.len() > bytes_max {
                return Err(too_large(bytes_max));
            }
            whole.extend_from_slice(&bytes);
        }
        Ok(whole.freeze())
    }

    /// Is it one JSON value, a page or a text, rather than a stream? The first byte that is no blank tells it where it can,
    /// since content types are wrong at times; lines of JSON begin as one value does, but have a whole value in their first line.
    pub(super) async fn is_one_body(&mut self, headers: &HeaderMap, framing: Framing, until: Instant) -> bool {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_json = content_type.starts_with("application/json");
        let is_called_so = is_json || content_type.starts_with("text/html");
        if framing == Framing::Ndjson {
            let lines = is_json && tokio::time::timeout_at(until, self.begins_with_a_line()).await.unwrap_or(false);
            return is_called_so && !lines;
        }
        match tokio::time::timeout_at(until, self.first()).await {
            Ok(Some(first)) if framing == Framing::Array => first != b'[',
            // How a comment, a field's name and a byte order mark begin.
            Ok(Some(first)) => !matches!(first, b':' | b'd' | b'e' | b'i' | b'r' | 0xef),
            Ok(None) | Err(_) => is_called_so && framing != Framing::Array,
        }
    }

    async fn first(&mut self) -> Option<u8> {
        let mut blanks = 0;
        while blanks < LOOK_MAX {
            let bytes = self.look().await?;
            blanks += bytes.len();
            if let Some(first) = bytes.trim_ascii_start().first() {
                return Some(*first);
            }
        }
        None
    }

    /// Is the first line a JSON value that is whole?
    async fn begins_with_a_line(&mut self) -> bool {
        let mut line = Vec::new();
        while line.len() < LOOK_MAX {
            let Some(bytes) = self.look().await else { return false };
            let end = memchr::memchr(b'\n', &bytes);
            line.extend_from_slice(bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default());
            if end.is_some() && !line.trim_ascii().is_empty() {
                return Json::parse(Bytes::from(line)).is_ok();
            }
        }
        false
    }

    /// Looks at the next bytes, which stay to be read; `None` at the end of the body or of the connection.
    async fn look(&mut self) -> Option<Bytes> {
        let next = upstream::next(&mut self.body, self.silence).await.transpose()?;
        let bytes = next.as_ref().ok().cloned();
        self.start.push_back(next);
        bytes
    }
}

/// The failure of a body beyond its limit.
pub(super) fn too_large(bytes_max: usize) -> Failure {
    Failure::new(Class::BadAnswer, format!("its answer is larger than {bytes_max} bytes"))
}
