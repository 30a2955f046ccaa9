//! The body of an answer that is on its way: counts for its container until its end, and breaks off when its reader may
//! not stay.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use crate::proxy::Answer;

/// Frames that follow each other without a wait before the reader is looked at.
const FRAMES_MAX: u32 = 64;

/// Resolves when a visitor may not stay.
pub(super) type Over = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A body and what it holds.
pub(super) struct Held<F> {
    body: Answer,
    /// Made when there is something to wait for: most answers are there at once.
    watch: Option<F>,
    over: Option<Over>,
    frames: u32,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl<F> Held<F> {
    /// `watch` makes what resolves when the reader may not stay.
    pub(super) fn new(body: Answer, permit: Arc<OwnedSemaphorePermit>, watch: F) -> Self {
        Self { body, watch: Some(watch), over: None, frames: 0, _permit: permit }
    }
}

impl<F: FnOnce() -> Over + Unpin + Send + 'static> hyper::body::Body for Held<F> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context).map_err(axum::Error::new);
        if polled.is_ready() && self.frames < FRAMES_MAX {
            self.frames += 1;
            return polled;
        }
        self.frames = 0;
        if let Some(watch) = self.watch.take() {
            self.over = Some(watch());
        }
        match self.over.as_mut().map(|over| over.as_mut().poll(context)) {
            Some(Poll::Ready(())) => {
                self.over = None;
                Poll::Ready(Some(Err(axum::Error::new(io::Error::other("the reader may not stay")))))
            }
            Some(Poll::Pending) | None => polled,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
