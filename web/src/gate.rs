//! Ganymede's side of the sign-in gate: a browser that came from a container's host is sent back there with a ticket, if
//! it is signed in here. The session's cookie stays here; what the other host gets is good for that host alone (ADR 11).
//!
//! ```text
//! uc-….org-….D/x ──302──> D/gate/authorize ──302──> uc-….org-….D/-/orrery/enter ──302──> uc-….org-….D/x
//!  (cookie: nonce)         (cookie: session)          (cookie: nonce; gets: visit)
//! ```
//!
//! On one's own machine the control plane has two names, and a browser is signed in at the one that it used: who is not at
//! the first is sent to look at the second, before anybody has to sign in again.

mod arrival;
mod loopback;
mod return_path;

use std::sync::Arc;

use axum::{
    extract::{Query, State},
    middleware,
    response::Response,
};
use http::{HeaderMap, HeaderName, Uri, header, request::Parts};
use orrery_ganymede::people::session_digest;
use orrery_protocol::control::SessionDigest;
use serde::Deserialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use self::loopback::Loopback;
pub(crate) use self::{arrival::to_session, return_path::ReturnPath};
use crate::{
    address::{Address, ContainerHost, port_in},
    authentication::sessions,
    error::{ApiError, ErrorBody},
    front::{ENTER_PATH, Notice, is_nonce, redirect},
    percent, rate,
    refusal::unavailable,
    state::{EdgeConfig, GanymedeState},
    time::now_ms,
};

/// Where container hosts send who is not known to them.
pub(crate) const AUTHORIZE_PATH: &str = "/gate/authorize";

/// Where the browser client asks people to sign in.
const SIGN_IN_PATH: &str = "/sign-in";

/// What people are told when they cannot be sent back.
const PAGE: &str = "text/html; charset=utf-8";

const FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The gate's one route.
pub(crate) fn routes(state: &GanymedeState) -> OpenApiRouter<GanymedeState> {
    OpenApiRouter::new()
        .routes(routes!(authorize))
        .route_layer(middleware::from_fn_with_state(state.clone(), rate::by_address))
}

#[derive(Deserialize)]
struct Asked {
    host: String,
    nonce: String,
    #[serde(default, rename = "return")]
    back: String,
    /// The name of this machine that the browser was sent from, to see whether it is signed in at the other.
    #[serde(default)]
    from: Option<String>,
}

/// Sends a browser back to the container's host with a ticket, or to sign in first.
#[utoipa::path(
    get,
    path = AUTHORIZE_PATH,
    operation_id = "authorize_visit",
    tag = "pages",
    params(
        ("host" = String, Query, description = "the container's host"),
        ("nonce" = String, Query, description = "of a cookie of that host: SHA-256 in base64url"),
        ("return" = Option<String>, Query, description = "the path on that host to go on at"),
    ),
    responses(
        (status = 302, description = "to the container's host with a ticket, or to sign in", headers(("Location" = String))),
        (status = 400, description = "no container's host, or no digest", body = String, content_type = PAGE),
        (status = 403, description = "not for scripts", body = String, content_type = PAGE),
        (status = 404, description = "not the caller's to see", body = String, content_type = PAGE),
        (
            status = 429,
            description = "too many requests, from this address or by this person",
            content((ErrorBody = "application/json"), (String = "text/html; charset=utf-8"))
        ),
        (status = 503, description = "something that is needed is not there", body = String, content_type = PAGE),
    ),
    security((), ("session" = []))
)]
async fn authorize(State(state): State<GanymedeState>, head: Parts) -> Response {
    match ticket(&state, &head).await {
        Ok(response) => response,
        Err(error) => Notice::of(error).page("/"),
    }
}

async fn ticket(state: &GanymedeState, head: &Parts) -> Result<Response, ApiError> {
    let Parts { uri, headers, .. } = head;
    // A page cannot follow this in the background, for whatever reason it tries.
    if headers.get(FETCH_MODE).is_some_and(|mode| mode != "navigate") {
        return Err(ApiError::forbidden("this address is for browsers to go to"));
    }
    let edge = &state.process.edge;
    let Query(asked) = Query::<Asked>::try_from_uri(uri).map_err(|_| ApiError::invalid("host", "is missing"))?;
    let host = container_host(&asked.host, edge)?;
    if !is_nonce(&asked.nonce) {
        return Err(ApiError::invalid("nonce", "must be a digest"));
    }
    let back = ReturnPath::or_root(&asked.back);
    let Some((user, session)) = signed_in(state, headers).await? else {
        let again = format!(
            "{AUTHORIZE_PATH}?host={}&nonce={}&return={}",
            percent::encode(&host.name),
            asked.nonce,
            percent::encode(back.as_str())
        );
        return Ok(redirect(&match loopback::of(head, edge) {
            Some(Loopback::Name { other }) if asked.from.is_none() => format!("{other}{again}&from=localhost"),
            // It was not signed in there either: back to where it was asked.
            Some(Loopback::Address { name }) if asked.from.as_deref() == Some("localhost") => {
                format!("{name}{SIGN_IN_PATH}?return={}", percent::encode(&again))
            }
            Some(_) | None => format!("{SIGN_IN_PATH}?return={}", percent::encode(&again)),
        }));
    };
    state.quotas.user(user)?;
    // Which of the organization's containers they may see, its gateway knows.
    state.orgs.role(host.org, user).await?.ok_or_else(ApiError::not_found)?;
    let place = place_of(&host, edge, headers);
    let code = state.visits.ticket(user, session, host.name.clone(), asked.nonce);
    let code = code.map_err(|error| unavailable("SIGNING_KEYS", &error))?;
    Ok(redirect(&format!("{place}{ENTER_PATH}?code={}&return={}", code.0, percent::encode(back.as_str()))))
}

async fn signed_in(
    state: &GanymedeState,
    headers: &HeaderMap,
) -> Result<Option<(orrery_protocol::id::UserId, SessionDigest)>, ApiError> {
    for secret in sessions(headers, &state.process.edge) {
        if let Some(user) = state.people.session(now_ms(), secret).await?
            && let Some(session) = session_digest(secret)
        {
            return Ok(Some((user.id, session)));
        }
    }
    Ok(None)
}

fn container_host(host: &str, edge: &EdgeConfig) -> Result<Arc<ContainerHost>, ApiError> {
    match Address::of(Some(host), &Uri::from_static("/"), &edge.domain) {
        Address::Container(host) => Ok(host),
        Address::Bare | Address::Gateway(..) | Address::Unknown => {
            Err(ApiError::invalid("host", "must be the host of a container"))
        }
    }
}

/// The container's host as people reach it: under the same scheme and port as this one.
fn place_of(host: &ContainerHost, edge: &EdgeConfig, headers: &HeaderMap) -> String {
    let (scheme, port) = match &edge.public_url {
        Some(url) => (if url.is_tls() { "https" } else { "http" }, url.authority().port_u16()),
        None => ("http", headers.get(header::HOST).and_then(port_in)),
    };
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{scheme}://{}{port}", host.name)
}
