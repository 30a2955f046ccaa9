//! Connections to other processes, kept for as long as they are used. Owns who drives each of them; knows no header.
//!
//! Whoever asks drives the connection, and whoever reads the answer: what comes wakes the one task that waits for it, and
//! nothing is handed from task to task. A request with a body leaves its connection to a task of its own, so that the body
//! goes out however slowly the answer is taken.

use std::{
    collections::HashMap,
    error::Error,
    fmt, future,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use axum::{body::Body, extract::Request};
use bytes::Bytes;
use http::{Response, StatusCode, Uri, uri::Authority};
use hyper::{
    body::{Body as _, Frame, Incoming, SizeHint},
    client::conn::{TrySendError, http1},
};
use hyper_util::client::legacy::connect::HttpConnector;
use tokio::{task::coop::unconstrained, time::sleep};
use tower::ServiceExt;

/// How long another process may take to accept a connection. It is near, or it is gone.
const CONNECT_MAX: Duration = Duration::from_secs(2);

/// Unused connections kept to one process.
const IDLE_CONNECTIONS_MAX: usize = 64;

/// Where another process listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// At an address.
    Socket(SocketAddr),
    /// At a port of a host that has a name.
    Named(Authority),
}

/// Why there is no answer.
pub(super) type AskError = Box<dyn Error + Send + Sync>;

/// Reads and writes; ends with the connection.
type Wire = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// One connection.
struct Line {
    sender: http1::SendRequest<Body>,
    /// `None` if it has a task of its own, or is over.
    wire: Option<Wire>,
}

/// All connections; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    connector: HttpConnector,
    kept: Arc<Kept>,
}

/// Connections that nobody uses now.
struct Kept {
    idle_max: Duration,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    /// The one used last is at the end.
    lines: HashMap<Place, Vec<(Line, Instant)>>,
    /// Whether a task takes care that none is kept for too long.
    swept: bool,
}

/// A connection until the answer that is on it has come whole.
struct Loan {
    line: Line,
    place: Place,
    kept: Arc<Kept>,
}

/// The body of an answer.
pub(crate) struct Answer {
    body: Incoming,
    loan: Option<Loan>,
}

impl Lines {
    /// None yet. One that is unused for `idle_max` is closed.
    pub(super) fn new(idle_max: Duration, keep_alive: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_MAX));
        connector.set_keepalive(Some(keep_alive));
        Self { connector, kept: Arc::new(Kept { idle_max, idle: Mutex::default() }) }
    }

    /// Asks the process at `place`. What was not sent because a kept connection had ended goes over another one. What was sent
    /// on one that was just being closed goes over a new one, once, if asking twice is as good as asking once.
    ///
    /// # Errors
    /// There is no answer. What was sent of the request may have been acted on.
    pub(super) async fn ask(&self, place: &Place, mut request: Request) -> Result<Response<Answer>, AskError> {
        let mut was_swallowed = false;
        loop {
            let kept = if was_swallowed { None } else { self.kept.take(place) };
            let was_kept = kept.is_some();
            let twin = if was_kept { twin_of(&request) } else { None };
            let mut line = match kept {
                Some(line) => line,
                None => self.open(place).await?,
            };
            if !request.body().is_end_stream() {
                line.leave();
            }
            match line.ask(request).await {
                Ok(answer) => return Ok(self.lend(answer, line, place)),
                Err(mut error) => match error.take_message().filter(|_| was_kept) {
                    Some(unsent) => request = unsent,
                    None => {
                        let error = error.into_error();
                        // What is no HTTP was an answer, and would be one again.
                        let Some(twin) = twin.filter(|_| !error.is_parse()) else { return Err(error.into()) };
                        (request, was_swallowed) = (twin, true);
                    }
                },
            }
        }
    }

    async fn open(&self, place: &Place) -> Result<Line, AskError> {
        // A box, because most requests never need this much state.
        Box::pin(async {
            let uri: Uri = format!("http://{place}").parse()?;
            let (sender, wire) = http1::handshake(self.connector.clone().oneshot(uri).await?).await?;
            Ok(Line { sender, wire: Some(Box::pin(wire.with_upgrades())) })
        })
        .await
    }

    fn lend(&self, answer: Response<Incoming>, mut line: Line, place: &Place) -> Response<Answer> {
        let upgraded = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        answer.map(|body| {
            if upgraded {
                // Hands the socket over, and ends.
                line.leave();
                return Answer { body, loan: None };
            }
            let loan = Loan { line, place: place.clone(), kept: self.kept.clone() };
            let mut answer = Answer { body, loan: Some(loan) };
            answer.end_if(answer.body.is_end_stream());
            answer
        })
    }
}

/// The same request, if it may be made twice: it has no body, and its method promises so (RFC 9110, section 9.2.2).
fn twin_of(request: &Request) -> Option<Request> {
    if !request.method().is_idempotent() || !request.body().is_end_stream() {
        return None;
    }
    let mut twin = Request::new(Body::empty());
    request.method().clone_into(twin.method_mut());
    request.uri().clone_into(twin.uri_mut());
    request.headers().clone_into(twin.headers_mut());
    *twin.version_mut() = request.version();
    Some(twin)
}

impl Line {
    /// Sends a request, and waits for the head of its answer.
    async fn ask(&mut self, request: Request) -> Result<Response<Incoming>, TrySendError<Request>> {
        // Not on the task's budget: what runs out of that is woken, and who drives the wire is asked with no waker.
        let mut answer = pin!(unconstrained(self.sender.try_send_request(request)));
        let wire = &mut self.wire;
        future::poll_fn(|context| {
            if drive(wire, context) { answer.as_mut().poll(&mut silent()) } else { answer.as_mut().poll(context) }
        })
        .await
    }

    /// Leaves the connection to a task of its own.
    fn leave(&mut self) {
        if let Some(wire) = self.wire.take() {
            tokio::spawn(wire);
        }
    }
}

/// Goes on with a connection that has no task, as far as that goes now; `false` if there is none to go on with.
fn drive(wire: &mut Option<Wire>, context: &mut Context<'_>) -> bool {
    let ended = wire.as_mut().is_some_and(|wire| wire.as_mut().poll(context).is_ready());
    if ended {
        // Whoever waits for something that it still owed is told now.
        *wire = None;
    }
    wire.is_some()
}

/// For what comes by itself while its connection is driven: a waker would have the task run once more for nothing.
fn silent() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

impl Loan {
    /// The answer has come whole: another request may follow, unless either side wants to close.
    fn give_back(self) {
        let Self { mut line, place, kept } = self;
        // Also so that the connection forgets who drove it.
        let driven = drive(&mut line.wire, &mut silent());
        if line.sender.is_ready() {
            kept.put(place, line);
        } else if !driven && !line.sender.is_closed() {
            // Its own task is about to be done with it.
            tokio::spawn(async move {
                if line.sender.ready().await.is_ok() {
                    kept.put(place, line);
                }
            });
        }
    }
}

impl Kept {
    fn take(&self, place: &Place) -> Option<Line> {
        let stale = {
            let mut idle = self.lock();
            let lines = idle.lines.get_mut(place)?;
            let (line, since) = lines.pop()?;
            if since.elapsed() < self.idle_max {
                return Some(line);
            }
            // So are all others, for longer still.
            (line, std::mem::take(lines))
        };
        drop(stale);
        None
    }

    fn put(self: &Arc<Self>, place: Place, line: Line) {
        let mut idle = self.lock();
        let lines = idle.lines.entry(place).or_default();
        if lines.len() < IDLE_CONNECTIONS_MAX {
            lines.push((line, Instant::now()));
        }
        if !std::mem::replace(&mut idle.swept, true) {
            tokio::spawn(sweep(Arc::downgrade(self), self.idle_max));
        }
    }

    /// Takes out what was kept for too long, and whether anything is left.
    fn expire(&self) -> (Vec<Vec<(Line, Instant)>>, bool) {
        let mut idle = self.lock();
        let mut expired = Vec::new();
        idle.lines.retain(|_, lines| {
            let fresh = lines.partition_point(|(_, since)| since.elapsed() >= self.idle_max);
            let left = lines.split_off(fresh);
            expired.push(std::mem::replace(lines, left));
            !lines.is_empty()
        });
        idle.swept = !idle.lines.is_empty();
        (expired, idle.swept)
    }

    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes what nobody used for `idle_max`, for as long as there is anything.
async fn sweep(kept: Weak<Kept>, idle_max: Duration) {
    loop {
        sleep(idle_max).await;
        let Some(kept) = kept.upgrade() else { return };
        let (expired, any_left) = kept.expire();
        drop(expired);
        if !any_left {
            return;
        }
    }
}

impl Answer {
    fn poll_body(&mut self, context: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let Self { body, loan } = self;
        let mut body = Pin::new(body);
        let Some(Loan { line: Line { wire: wire @ Some(_), .. }, .. }) = loan else { return body.poll_frame(context) };
        // What has been read comes first; asking for more has the wire read on.
        let here = body.as_mut().poll_frame(&mut silent());
        if here.is_ready() {
            return here;
        }
        if drive(wire, context) { body.poll_frame(&mut silent()) } else { body.poll_frame(context) }
    }

    fn end_if(&mut self, whole: bool) {
        if let Some(loan) = self.loan.take_if(|_| whole) {
            loan.give_back();
        }
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let polled = self.poll_body(context);
        let whole = match &polled {
            Poll::Ready(Some(Ok(_))) => self.body.is_end_stream(),
            Poll::Ready(None) => true,
            Poll::Ready(Some(Err(_))) | Poll::Pending => false,
        };
        self.end_if(whole);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            Self::Named(authority) => authority.fmt(f),
        }
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("idle_max", &self.idle_max).finish_non_exhaustive()
    }
}
