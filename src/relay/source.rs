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

/// So many blanks are read in search of a first byte; some providers send them to keep the connection.
const BLANKS_MAX: usize = 64 << 10;

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

    /// All that is left, up to a limit.
    pub(super) async fn collect(&mut self, bytes_max: usize) -> Result<Bytes, Failure> {
        let mut whole = BytesMut::new();
        while let Some(bytes) = self.next().await? {
            whole.extend_from_slice(&bytes);
            if whole.len() > bytes_max {
                return Err(Failure::new(Class::BadAnswer, format!("its answer is larger than {bytes_max} bytes")));
            }
        }
        Ok(whole.freeze())
    }

    /// Is it one JSON value, a page or a text, rather than a stream? The first byte that is no blank tells it where it can,
    /// since content types are wrong at times; lines of JSON begin as one value does.
    pub(super) async fn is_one_body(&mut self, headers: &HeaderMap, framing: Framing, until: Instant) -> bool {
        let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_called_so = ["application/json", "text/html"].iter().any(|one| content_type.starts_with(one));
        if framing == Framing::Ndjson {
            return is_called_so;
        }
        match tokio::time::timeout_at(until, self.first()).await {
            // How a comment, a field's name and a byte order mark begin.
            Ok(Some(first)) => !matches!(first, b':' | b'd' | b'e' | b'i' | b'r' | 0xef),
            Ok(None) | Err(_) => is_called_so,
        }
    }

    async fn first(&mut self) -> Option<u8> {
        let mut blanks = 0;
        while blanks < BLANKS_MAX {
            let next = upstream::next(&mut self.body, self.silence).await.transpose()?;
            let first = next.as_ref().ok().map(|bytes| bytes.trim_ascii_start().first().copied());
            blanks += next.as_ref().map_or(BLANKS_MAX, Bytes::len);
            self.start.push_back(next);
            if let Some(Some(first)) = first {
                return Some(first);
            }
        }
        None
    }
}
