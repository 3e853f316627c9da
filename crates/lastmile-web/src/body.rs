//! Request bodies under a cap and a pace, and reply bodies that tell when they are done.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use crate::Limits;
use crate::connections::Shared;
use crate::pace::Pace;
use crate::progress::{BadBody, Progress};

/// A request's body, bounded in size and time.
///
/// A handler that meets an error here may answer what it likes: the client gets 413 or 408, and the connection closes.
#[derive(Debug)]
pub struct RequestBody {
    inner: Incoming,
    left: u64,
    pace: Pace,
    shared: Arc<Shared>,
    progress: Arc<Progress>,
    failed: bool,
    ended: bool,
}

/// Why a request's body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It is longer than the limit.
    #[error("the request's body is longer than the limit")]
    TooLarge,
    /// It came too slowly, or stopped.
    #[error("the request's body came too slowly")]
    Stalled,
    /// The connection failed.
    #[error("the request's body could not be read")]
    Broken(#[source] hyper::Error),
}

impl RequestBody {
    pub(crate) fn new(inner: Incoming, shared: Arc<Shared>, progress: Arc<Progress>) -> Self {
        let Limits { body_bytes, body_stall, body_floor, .. } = shared.limits;
        let pace = Pace::new(body_stall, body_floor);
        Self { inner, left: body_bytes, pace, shared, progress, failed: false, ended: false }
    }

    fn fail(&mut self, error: BodyError) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.failed = true;
        match error {
            BodyError::TooLarge => self.progress.refuse_body(BadBody::TooLarge),
            BodyError::Stalled => {
                self.shared.count_time_out();
                self.progress.refuse_body(BadBody::Stalled);
            }
            BodyError::Broken(_) => {}
        }
        Poll::Ready(Some(Err(error)))
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.is_end_stream() {
            // Answered before it had said all: it may still be sending, and is to read the answer.
            self.progress.linger();
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if this.failed {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                this.pace.moved(length);
                match this.left.checked_sub(length as u64) {
                    Some(left) => this.left = left,
                    None => return this.fail(BodyError::TooLarge),
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => this.fail(BodyError::Broken(error)),
            Poll::Ready(None) => {
                this.ended = true;
                Poll::Ready(None)
            }
            Poll::Pending if this.pace.is_late(cx) => this.fail(BodyError::Stalled),
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.failed || self.ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A reply's body as it is sent: the service's own, or a short text of ours in its stead.
#[derive(Debug)]
pub struct ReplyBody<B> {
    content: Content<B>,
    /// The connection counts as busy until hyper lets go of this body; an upgraded one is not ours any more.
    busy: Option<Arc<Progress>>,
}

#[derive(Debug)]
enum Content<B> {
    Service(B),
    Ours(Option<Bytes>),
}

impl<B> ReplyBody<B> {
    pub(crate) const fn service(body: B, busy: Option<Arc<Progress>>) -> Self {
        Self { content: Content::Service(body), busy }
    }

    pub(crate) const fn ours(text: Bytes, busy: Arc<Progress>) -> Self {
        Self { content: Content::Ours(Some(text)), busy: Some(busy) }
    }
}

impl<B> Drop for ReplyBody<B> {
    fn drop(&mut self) {
        if let Some(progress) = &self.busy {
            progress.end();
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for ReplyBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.content {
            Content::Service(body) => Pin::new(body).poll_frame(cx),
            Content::Ours(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Service(body) => body.is_end_stream(),
            Content::Ours(text) => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Service(body) => body.size_hint(),
            Content::Ours(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
        }
    }
}
