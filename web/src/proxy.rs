//! Passes a request on to another process and its answer back, WebSockets included. Owns the connections to other
//! processes and what travels over them; knows neither routes nor who is behind an address.
//!
//! Bodies are streamed both ways, never held. A WebSocket, once both ends agreed to it, leaves HTTP behind: two sockets and
//! a relay.

mod headers;
mod lines;
mod pulse;
mod relay;

use std::{future, pin::Pin, sync::Arc, time::Duration};

use axum::{body::Body, extract::Request};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Uri, Version, header};
use hyper::{
    body::Body as _,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, sync::OwnedSemaphorePermit};

pub use self::lines::Place;
pub(crate) use self::{
    headers::{Identity, claims_more, is_websocket, plain},
    lines::Answer,
};
use self::{
    headers::{Who, say_websocket, strip_hop_by_hop},
    lines::{AskError, Lines},
    relay::{End, relay},
};
use crate::{
    forward::{FORWARD, Vouched, Voucher},
    public_url::PublicUrl,
    rate::Origin,
    server::Connection,
    state::EdgeConfig,
    tcp::{self, KEEP_ALIVE},
};

/// A connection unused for this long is closed: before the other side does, so that hardly any request meets a closing one.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// The same to containers: what runs in them may close much earlier.
const CONTAINER_IDLE_MAX: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Nobody listens there, or the connection broke before an answer came.
    #[error("{address} does not answer")]
    Unreachable {
        /// The process that was asked.
        address: Place,
        /// What became of the connection.
        source: AskError,
    },
    /// The request names no path, so it is none that can be passed on.
    #[error("the request has no path")]
    NoPath,
    /// The answer agrees to an upgrade that nobody asked for.
    #[error("{address} answers with an upgrade that was not asked for")]
    UnaskedUpgrade {
        /// The process that was asked.
        address: Place,
    },
}

/// Which process is asked, and under which name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Where it listens.
    pub address: Place,
    /// Whether it sees the `Host` that the client named. Otherwise it sees its own address.
    pub keep_host: bool,
}

/// In the extensions of an answer that another process gave.
#[derive(Debug, Clone, Copy)]
pub struct Forwarded;

/// How a WebSocket goes on after the request that opened it.
pub(crate) struct Terms {
    /// Ends it as soon as this resolves.
    pub(crate) until: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// Lives as long as it.
    pub(crate) held: Option<Arc<OwnedSemaphorePermit>>,
    /// The client is pinged after this long without a word, so that what is between us does not take silence for the end.
    pub(crate) ping_after: Option<Duration>,
}

impl Default for Terms {
    /// As long as both ends want.
    fn default() -> Self {
        Self { until: Box::pin(future::pending()), held: None, ping_after: None }
    }
}

/// Connections to other processes; cheap to clone.
#[derive(Debug, Clone)]
pub struct Proxy {
    lines: Lines,
    /// How clients reach us, and whom to believe about them.
    edge: Arc<EdgeConfig>,
}

impl Proxy {
    /// None yet.
    pub fn new(edge: Arc<EdgeConfig>) -> Self {
        Self::with_idle(edge, IDLE_MAX)
    }

    /// To what runs in containers.
    pub(crate) fn to_containers(edge: Arc<EdgeConfig>) -> Self {
        Self::with_idle(edge, CONTAINER_IDLE_MAX)
    }

    fn with_idle(edge: Arc<EdgeConfig>, idle_max: Duration) -> Self {
        Self { lines: Lines::new(idle_max, KEEP_ALIVE), edge }
    }

    /// Passes `request` on to `upstream`, with the path and query that its URI has. A WebSocket goes on by itself after the
    /// answer, counting as one of our connections for as long as it is open.
    ///
    /// # Errors
    /// There is no answer to pass back. What was sent of the request may have been acted on.
    pub async fn forward(&self, upstream: &Upstream, request: Request) -> Result<Response<Body>, ProxyError> {
        Ok(self.pass(upstream, request, None, Terms::default).await?.map(Body::new))
    }

    /// The same, telling who asks if that is known, and with terms for a WebSocket.
    pub(crate) async fn pass(
        &self,
        upstream: &Upstream,
        request: Request,
        identity: Option<Identity>,
        terms: impl FnOnce() -> Terms,
    ) -> Result<Response<Answer>, ProxyError> {
        let (mut request, asker) = self.onward(upstream, request)?;
        let address = || upstream.address.clone();
        if let Some(identity) = identity {
            identity.write(request.headers_mut());
        }
        if asker.upgrade.is_some() {
            say_websocket(request.headers_mut());
        }
        let answer = self.lines.ask(&upstream.address, request).await;
        let mut answer = answer.map_err(|source| ProxyError::Unreachable { address: address(), source })?;
        let upgraded = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        let websocket = upgraded && is_websocket(answer.headers());
        strip_hop_by_hop(answer.headers_mut());
        // How it was said there is no matter here: by 1.0, a body of no length would end with the connection, broken or not.
        *answer.version_mut() = Version::HTTP_11;
        if upgraded {
            let unasked = || ProxyError::UnaskedUpgrade { address: address() };
            let client = asker.upgrade.filter(|_| websocket).ok_or_else(unasked)?;
            say_websocket(answer.headers_mut());
            tokio::spawn(connect(client, hyper::upgrade::on(&mut answer), asker.connection, terms()));
        }
        answer.extensions_mut().insert(Forwarded);
        Ok(answer)
    }

    /// The request as the other process gets it, and what stays here.
    fn onward(&self, upstream: &Upstream, request: Request) -> Result<(Request, Asker), ProxyError> {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().filter(|path| path.as_str().starts_with('/'));
        let path = path.cloned().ok_or(ProxyError::NoPath)?;
        let connection = head.extensions.remove::<Connection>();
        let upgrade = head.extensions.remove::<OnUpgrade>().filter(|_| is_websocket(&head.headers));
        strip_hop_by_hop(&mut head.headers);
        let vouched = head.extensions.remove::<Vouched>().is_some();
        let who = self.who_asks(connection.as_ref(), vouched, &head.headers);
        who.write(&mut head.headers, connection.as_ref());
        if let Some(Voucher(token)) = head.extensions.remove() {
            head.headers.insert(FORWARD, token);
        }
        if !upstream.keep_host || !head.headers.contains_key(header::HOST) {
            let host = HeaderValue::try_from(upstream.address.to_string()).expect("addresses are visible ASCII");
            head.headers.insert(header::HOST, host);
        }
        if body.size_hint().exact().is_none() {
            // Said for methods too that hardly ever have a body.
            head.headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let mut onward = Request::new(body);
        *onward.method_mut() = head.method;
        *onward.uri_mut() = Uri::from(path);
        *onward.version_mut() = Version::HTTP_11;
        *onward.headers_mut() = head.headers;
        Ok((onward, Asker { upgrade, connection }))
    }

    /// As far as it can be believed. What Ganymede passed on says of who asks what is known there.
    fn who_asks(&self, connection: Option<&Connection>, vouched: bool, headers: &HeaderMap) -> Who {
        let peer = connection.map(|connection| connection.remote.ip().to_canonical());
        let proxies = &self.edge.trusted_proxies;
        let is_proxy = peer.is_some_and(|peer| proxies.contains(&peer));
        let claimed = if vouched || is_proxy { Who::claimed(headers) } else { Who::default() };
        let address = match peer {
            Some(_) if vouched && claimed.address.is_some() => claimed.address,
            Some(peer) if is_proxy => Some(Origin::behind(peer, headers, proxies).address()),
            peer => peer,
        };
        let own = self.edge.public_url.as_ref().is_some_and(PublicUrl::is_tls);
        Who { address, tls: claimed.tls.or(Some(own)) }
    }
}

/// What does not travel.
struct Asker {
    /// Of a client that wants a WebSocket.
    upgrade: Option<OnUpgrade>,
    connection: Option<Connection>,
}

/// Joins two ends that both agreed to a WebSocket.
async fn connect(client: OnUpgrade, upstream: OnUpgrade, connection: Option<Connection>, terms: Terms) {
    let (client, upstream) = match tokio::try_join!(client, upstream) {
        Ok(ends) => ends,
        Err(error) => return tracing::debug!(%error, "an end was gone before the WebSocket began"),
    };
    let (Some(client), Some(upstream)) = (end(client), end(upstream)) else {
        return tracing::error!("an upgraded connection is not a TCP socket");
    };
    // A task of its own: what the upgrade needed ends with this one.
    tokio::spawn(async move {
        metrics::gauge!("orrery_proxied_sockets").increment(1.0);
        let Terms { until, held, ping_after } = terms;
        tokio::select! {
            () = relay(client, upstream, ping_after) => {}
            () = until => {}
        }
        metrics::gauge!("orrery_proxied_sockets").decrement(1.0);
        drop((connection, held));
    });
}

fn end(upgraded: Upgraded) -> Option<End> {
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().ok()?;
    let stream = parts.io.into_inner();
    // Silence is not the end of a WebSocket; an end that is gone is.
    if let Err(error) = tcp::keep_alive(&stream) {
        tracing::debug!(%error, "a socket cannot be kept alive");
    }
    Some(End { stream, read: parts.read_buf })
}

#[cfg(test)]
mod tests;
