//! The lines that a server sends while it does something, on their way to the client.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::{Response, header};
use http_body_util::BodyExt;

use super::Gateway;
use crate::dialect::ollama::manage;
use crate::provider::Provider;
use crate::relay::{Body, BodyError, streamed};

/// The answer of a server that did something: the list that a client asks for after it shows what was done.
pub(super) async fn changed(gateway: &Arc<Gateway>, server: &Arc<Provider>, answer: Response<Body>) -> Response<Body> {
    gateway.discovery.changes(server);
    if answer.headers().contains_key(header::CONTENT_LENGTH) {
        gateway.discovery.refresh_local().await;
        return answer;
    }
    let (gateway, server) = (Arc::clone(gateway), Arc::clone(server));
    answer.map(|body| {
        let progress = Progress { body, gateway, server, is_within_line: false, is_over: false };
        streamed(progress, Progress::next)
    })
}

struct Progress {
    body: Body,
    gateway: Arc<Gateway>,
    server: Arc<Provider>,
    is_within_line: bool,
    is_over: bool,
}

impl Progress {
    async fn next(mut self) -> Option<(Result<Bytes, BodyError>, Progress)> {
        let bytes = if self.is_over { None } else { next_of(&mut self.body).await };
        let Some(bytes) = bytes else {
            self.gateway.discovery.refresh_local().await;
            return None;
        };
        // Some clients go on at the line that tells of success, before the end.
        self.gateway.discovery.changes(&self.server);
        self.is_over = bytes.is_err();
        let bytes = bytes.unwrap_or_else(|_| manage::write_broken(self.is_within_line).into());
        self.is_within_line = !bytes.ends_with(b"\n");
        Some((Ok(bytes), self))
    }
}

/// So much of an answer is looked at.
const LOOK_BYTES: usize = 64 << 10;

/// Does an answer say this in its first two lines? And the answer, whole.
pub(super) async fn says(answer: Response<Body>, text: &str) -> (bool, Response<Body>) {
    let (head, mut body) = answer.into_parts();
    let mut looked = VecDeque::new();
    let mut start = Vec::new();
    while memchr::memchr_iter(b'\n', &start).count() < 2 && start.len() < LOOK_BYTES {
        let Some(bytes) = next_of(&mut body).await else { break };
        start.extend_from_slice(bytes.as_deref().unwrap_or_default());
        let is_cut = bytes.is_err();
        looked.push_back(bytes);
        if is_cut {
            break;
        }
    }
    let whole = streamed((looked, body), |(mut looked, mut body)| async move {
        let next = match looked.pop_front() {
            Some(bytes) => bytes,
            None => next_of(&mut body).await?,
        };
        Some((next, (looked, body)))
    });
    (memchr::memmem::find(&start, text.as_bytes()).is_some(), Response::from_parts(head, whole))
}

async fn next_of(body: &mut Body) -> Option<Result<Bytes, BodyError>> {
    Some(body.frame().await?.map(|frame| frame.into_data().unwrap_or_default()))
}
