//! Bodies that go to clients.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};

/// A body on its way to a client.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// The connection to the client is cut: there is no other way to say that the answer is not whole.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the answer broke off")]
pub struct BodyError;

/// A body that is all there.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// A body that a source makes piece by piece: `step` gives the next bytes, `None` at the end.
pub fn streamed<S, F, Fut>(source: S, step: F) -> Body
where
    S: Send + 'static,
    F: Fn(S) -> Fut + Send + Copy + 'static,
    Fut: Future<Output = Option<(Result<Bytes, BodyError>, S)>> + Send + 'static,
{
    let frames = futures_util::stream::unfold(source, move |source| async move {
        let (bytes, source) = step(source).await?;
        Some((bytes.map(Frame::data), source))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// A body that keeps something as long as it flows: what is kept is dropped with it, however it ends.
pub fn keeping<T: Send + Unpin + 'static>(body: Body, kept: T) -> Body {
    Keeping { body, _kept: kept }.boxed_unsync()
}

struct Keeping<T> {
    body: Body,
    _kept: T,
}

impl<T: Unpin> HttpBody for Keeping<T> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
