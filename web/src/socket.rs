//! The way of a WebSocket into a room: who may enter is decided before the upgrade, while HTTP can still say why.

mod peer;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Extension,
    extract::{Path, Query, Request, State},
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use orrery_actors::{Clock, RoomHandle};
use orrery_protocol::{
    id::{DocumentKey, InvalidId, PeerId},
    limits::WireLimits,
    room::Join,
};
use serde::Deserialize;
use sha1::{Digest, Sha1};
use tokio::net::TcpStream;

use crate::{
    address::OrgHint,
    admission::{admit, authenticate},
    error::{ApiError, ErrorBody, ErrorCode},
    server::Connection,
    state::GatewayState,
};
use peer::Peer;

/// RFC 6455, section 1.3.
const ACCEPT_GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// What sockets need of the process.
#[derive(Clone)]
pub struct Sockets {
    limits: Arc<WireLimits>,
    peers_max: usize,
    clock: Clock,
    next_peer: Arc<AtomicU64>,
}

impl Sockets {
    /// Sockets that lead into rooms of at most `peers_max` peers each.
    pub fn new(limits: WireLimits, peers_max: usize, clock: Clock) -> Self {
        Self { limits: Arc::new(limits), peers_max, clock, next_peer: Arc::default() }
    }
}

/// `/collab/{project}/{document}`. By name: on the bare way here the path was matched once before.
#[derive(Debug, Deserialize)]
pub(crate) struct Place {
    project: String,
    document: String,
}

/// `?token=ACCESS&ext=1`.
#[derive(Debug, Deserialize)]
pub(crate) struct Params {
    token: Option<String>,
    ext: Option<String>,
}

/// A document as a WebSocket: y-websocket framing, one message a frame.
#[utoipa::path(
    get,
    path = "/collab/{project}/{document}",
    operation_id = "open_document",
    tag = "collaboration",
    params(
        ("token" = Option<String>, Query, description = "an access token, of whoever cannot send headers"),
        ("ext" = Option<String>, Query, description = "`1`: counts what is durable, hears what passes"),
    ),
    responses(
        (status = 101, description = "entered"),
        (status = 400, description = "not an upgrade, or no name of a document", body = ErrorBody),
        (status = 429, description = "as many peers or documents as there may be", body = ErrorBody),
    ),
    security(("access" = []))
)]
pub(crate) async fn enter(
    State(state): State<GatewayState>,
    Path(Place { project, document }): Path<Place>,
    Query(params): Query<Params>,
    named: Option<Extension<OrgHint>>,
    Extension(connection): Extension<Connection>,
    request: Request,
) -> Result<Response, ApiError> {
    let access = authenticate(&state.verifier, params.token.as_deref(), request.headers()).await?;
    let project = project.parse().map_err(|_| ApiError::not_found())?;
    let principal = admit(&state.gateways, &access, named.map(|Extension(hint)| hint), project)?;
    let document = document.parse().map_err(|error: InvalidId| ApiError::invalid("document", error.to_string()))?;
    let accept = accept_key(request.headers())?;
    let upgrade = request.extensions().get::<OnUpgrade>().cloned().ok_or_else(not_an_upgrade)?;
    let sockets = &state.sockets;
    let key = DocumentKey { org: principal.org, project, document };
    let room = state.gateways.room(key.clone()).await?;
    if room.visitors() > sockets.peers_max {
        return Err(ApiError::new(ErrorCode::RateLimited, "the document has as many peers as it may").retry_after(5));
    }
    let peer = PeerId(sockets.next_peer.fetch_add(1, Ordering::Relaxed));
    // A socket outlives its token: what ends it is the end of the membership, which the room is told.
    let join = Join { peer, principal, extended: params.ext.as_deref() == Some("1") };
    tokio::spawn(run(upgrade, room, join, state.clone(), key, connection));
    let headers = [
        (header::UPGRADE, HeaderValue::from_static("websocket")),
        (header::CONNECTION, HeaderValue::from_static("upgrade")),
        (header::SEC_WEBSOCKET_ACCEPT, accept),
    ];
    Ok((StatusCode::SWITCHING_PROTOCOLS, headers).into_response())
}

fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, ApiError> {
    let says = |name, token: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value: &HeaderValue| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(token))
    };
    if !says(header::UPGRADE, "websocket") || !says(header::CONNECTION, "upgrade") {
        return Err(not_an_upgrade());
    }
    if !says(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err(ApiError::invalid("sec-websocket-version", "must be 13"));
    }
    let key =
        headers.get(header::SEC_WEBSOCKET_KEY).ok_or_else(|| ApiError::invalid("sec-websocket-key", "is missing"))?;
    let digest = Sha1::new().chain_update(key.as_bytes()).chain_update(ACCEPT_GUID).finalize();
    HeaderValue::try_from(STANDARD.encode(digest)).map_err(|_| not_an_upgrade())
}

fn not_an_upgrade() -> ApiError {
    ApiError::invalid("upgrade", "this address speaks WebSocket")
}

/// Takes the socket over from HTTP. The peer gets a task of its own: what the upgrade needed ends with this one.
async fn run(
    upgrade: OnUpgrade,
    room: RoomHandle,
    join: Join,
    state: GatewayState,
    key: DocumentKey,
    held: Connection,
) {
    let Ok(upgraded) = upgrade.await else { return };
    let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
        tracing::error!("an upgraded connection is not a TCP socket");
        return;
    };
    let id = join.peer;
    tracing::debug!(org = %key.org, project = %key.project, document = %key.document, peer = %id,
        user = %join.principal.user, role = %join.principal.role, "peer joined");
    let GatewayState { gateways, sockets, .. } = state;
    let principal = join.principal.clone();
    let mut peer = Peer::new(parts.io.into_inner(), room, id, sockets.limits, sockets.clock);
    peer.join(join);
    if !gateways.admits(&principal) {
        // What they may do changed on the way here; the room, which they had not joined yet, could not end it.
        peer.turn_away();
    }
    let read = parts.read_buf;
    tokio::spawn(async move {
        metrics::gauge!("orrery_peers").increment(1.0);
        peer.run(&read).await;
        metrics::gauge!("orrery_peers").decrement(1.0);
        tracing::debug!(peer = %id, "peer left");
        drop(held);
    });
}
