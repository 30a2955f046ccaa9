//! The listening socket. Owns connections until they are upgraded or over; knows no route.
//!
//! A connection that is upgraded leaves nothing of HTTP behind: its task ends, and whoever upgraded it gets the raw
//! socket back by `Upgraded::downcast::<TokioIo<TcpStream>>()`. What stays is its [`Connection`], which counts it.

mod upload;

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use axum::body::Body;
use http::HeaderValue;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{sleep, timeout},
};
use uuid::Uuid;

use self::upload::Upload;
use crate::{
    address::ContainerHost,
    envelope::Site,
    error::{ApiError, ErrorCode},
    proxy::plain,
    tcp,
};

/// Connections the kernel keeps for us while we are busy.
const BACKLOG: u32 = 4096;

/// After a failed accept (out of file descriptors), so that the loop does not spin.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How long requests under way may take to finish when the server stops.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// The listening address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

/// One accepted connection, in the extensions of each of its requests. A socket that outlives HTTP keeps a clone for as
/// long as it is open, so that it goes on counting against `connections_max`.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The other end.
    pub remote: SocketAddr,
    kept: Arc<Kept>,
}

/// What one connection has for all of its requests. Boxes, because most connections never are about a container.
#[derive(Debug)]
struct Kept {
    #[expect(dead_code, reason = "held, not read: its drop is what counts")]
    permit: OwnedSemaphorePermit,
    /// Who names a container's host mostly names it again.
    container: Mutex<Option<Box<Named>>>,
    address: OnceLock<Box<HeaderValue>>,
}

/// A container's host as a request named it.
#[derive(Debug)]
struct Named {
    text: HeaderValue,
    host: Arc<ContainerHost>,
}

/// An address that was taken, before anything is served on it.
pub struct Listening {
    listener: TcpListener,
    address: SocketAddr,
}

/// A bound server that does not yet accept.
pub struct Server {
    listening: Listening,
    site: Site,
}

impl Connection {
    fn new(remote: SocketAddr, permit: OwnedSemaphorePermit) -> Self {
        let kept = Kept { permit, container: Mutex::default(), address: OnceLock::new() };
        Self { remote, kept: Arc::new(kept) }
    }

    /// The other end's address as it is told.
    pub(crate) fn address(&self) -> HeaderValue {
        let told = self.kept.address.get_or_init(|| Box::new(plain(self.remote.ip().to_canonical())));
        HeaderValue::clone(told)
    }

    /// What `named` is, if it is what the last request for a container named.
    pub(crate) fn container(&self, named: &HeaderValue) -> Option<Arc<ContainerHost>> {
        let last = self.kept.container.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|last| last.text == *named).map(|last| last.host.clone())
    }

    /// `named` is this one, here and on any other connection.
    pub(crate) fn remember(&self, named: HeaderValue, host: Arc<ContainerHost>) {
        let mut last = self.kept.container.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Box::new(Named { text: named, host }));
    }
}

impl Listening {
    /// Takes the address, so that whoever binds learns at once whether it is free.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let bind = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_reuseaddr(true)?;
            // Whoever waits for an answer is silent, and may have gone.
            tcp::keep_alive(&socket)?;
            socket.bind(address)?;
            let listener = socket.listen(BACKLOG)?;
            let address = listener.local_addr()?;
            Ok((listener, address))
        };
        let (listener, address) = bind().map_err(|source| BindError { address, source })?;
        Ok(Self { listener, address })
    }

    /// Where it listens; differs from what was asked for if that was port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is served here.
    pub fn serve(self, site: Site) -> Server {
        Server { listening: self, site }
    }
}

impl Server {
    /// Takes the address for `site`.
    pub fn bind(address: SocketAddr, site: Site) -> Result<Self, BindError> {
        Ok(Listening::bind(address)?.serve(site))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// Accepts until `stop` resolves, then lets requests under way finish, for a short while.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let (stopping, stopped) = watch::channel(());
        let slots = Arc::new(Semaphore::new(self.site.edge().limits.connections_max.min(Semaphore::MAX_PERMITS)));
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                accepted = self.listening.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, remote)) => accept(stream, remote, &slots, &self.site, &stopped),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_RETRY).await;
                }
            }
        }
        drop((self.listening, stopped));
        stopping.send(()).ok();
        if timeout(DRAIN_MAX, stopping.closed()).await.is_err() {
            tracing::warn!(left = stopping.receiver_count(), "requests were cut off");
        }
    }
}

fn accept(stream: TcpStream, remote: SocketAddr, slots: &Arc<Semaphore>, site: &Site, stopped: &watch::Receiver<()>) {
    let Ok(permit) = slots.clone().try_acquire_owned() else { return refuse(&stream) };
    if let Err(error) = stream.set_nodelay(true) {
        // The other end is gone already.
        tracing::debug!(%error, %remote, "connection lost");
        return;
    }
    let connection = Connection::new(remote, permit);
    tokio::spawn(serve(stream, connection, site.clone(), stopped.clone()));
}

async fn serve(stream: TcpStream, connection: Connection, site: Site, mut stopped: watch::Receiver<()>) {
    let limits = &site.edge().limits;
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits.head_timeout_ms))
        .max_header_size(limits.head_bytes_max)
        .half_close(false);
    let remote = connection.remote;
    // Every request holds it; what is in it is many parts.
    let site = Arc::new(site);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let (mut head, body) = request.into_parts();
        head.extensions.insert(connection.clone());
        let body = Body::new(Upload::new(body, &head.headers));
        let site = site.clone();
        async move { Ok::<_, Infallible>(site.answer(hyper::Request::from_parts(head, body)).await) }
    });
    let mut served = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let ended = tokio::select! {
        ended = served.as_mut() => ended,
        _ = stopped.changed() => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %remote, "connection ended");
    }
}

/// Says why, without waiting for a request: a full server must not be held by who does not send one.
fn refuse(stream: &TcpStream) {
    let error = ApiError::new(ErrorCode::Unavailable("TOO_MANY_CONNECTIONS"), "too many connections; try again later");
    let body = error.body(Uuid::now_v7());
    let mut answer = format!(
        "HTTP/1.1 {}\r\ncontent-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n",
        error.code().status(),
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(&body);
    metrics::counter!("orrery_http_connections_refused_total").increment(1);
    // A new socket's buffer is empty, so this either goes out whole or the other end is gone.
    stream.try_write(&answer).ok();
}

#[cfg(test)]
mod tests;
