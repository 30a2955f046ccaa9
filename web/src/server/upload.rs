//! What comes after the head of a request. Whatever is left of it when nobody wants more is read and thrown away: a socket that
//! is closed with unread input resets the connection, and a client that sends before it listens would never see the answer.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::{runtime::Handle, time::timeout};

/// How long a client may go on sending what nobody wants.
const UNWANTED_MAX: Duration = Duration::from_secs(30);

/// How long it may be silent meanwhile.
const SILENCE_MAX: Duration = Duration::from_secs(3);

/// The body of a request.
pub(super) struct Upload {
    /// `None` once all of it was read.
    body: Option<Incoming>,
    /// Whether the client sends without being asked, or was asked.
    comes: bool,
}

impl Upload {
    /// The body that follows a head with these fields.
    pub(super) fn new(body: Incoming, headers: &HeaderMap) -> Self {
        Self { body: Some(body), comes: !headers.contains_key(header::EXPECT) }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        self.comes = true;
        let polled = self.body.as_mut().map_or(Poll::Ready(None), |body| Pin::new(body).poll_frame(context));
        if matches!(polled, Poll::Ready(None)) {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let rest = self.body.take().filter(|body| self.comes && !body.is_end_stream());
        // Without a runtime, its connections are gone too.
        if let (Some(rest), Ok(runtime)) = (rest, Handle::try_current()) {
            runtime.spawn(timeout(UNWANTED_MAX, discard(rest)));
        }
    }
}

async fn discard(mut rest: Incoming) {
    while let Ok(Some(Ok(_))) = timeout(SILENCE_MAX, rest.frame()).await {}
}
