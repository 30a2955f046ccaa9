//! The way of a request to the gateway of its organization: in this process, in another, or nowhere at the moment.
//!
//! ```text
//! org-{org}.{domain}/...  /-/gw/org-{org}/...      the address names the organization ─┐
//! /collab/{project}/...   /collab/event            the project does (bare form) ───────┴─> route ─> router here
//!                                                                                                └> proxy ─> other process
//! uc-….org-{org}.{domain}/...                      the same ways, to the front door of its containers
//! ```

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::{DefaultBodyLimit, Path, Request, State},
    response::{IntoResponse, Response},
    routing::{any, get, post},
};
use bytes::Bytes;
use http::{header, request::Parts, uri::Authority};
use orrery_ganymede::{
    orgs::Orgs,
    pool::{Route, Routes},
    tokens::TokenKeys,
};
use orrery_protocol::id::{GatewayId, OrgId, ProjectId};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt;

use crate::{
    address::{ContainerHost, OrgHint, gateway_path},
    error::{ApiError, ErrorCode},
    forward::Vouchers,
    front::{Front, Notice, VERIFY_PATH, reader_home, without_session},
    proxy::{Place as Address, Proxy, ProxyError, Upstream},
    state::EdgeConfig,
};

/// How long a request waits for an organization that is moving before it is told to come again.
const MOVE_MAX: Duration = Duration::from_secs(10);

/// Sends requests to gateways. Cheap to clone.
#[derive(Clone)]
pub struct Dispatch {
    /// What gateways of this process answer.
    here: Router,
    /// The containers of this process's organizations.
    front: Option<Front>,
    /// Ganymede knows who serves whom; a gateway process knows only itself.
    directory: Option<Directory>,
}

#[derive(Clone)]
struct Directory {
    routes: Routes,
    orgs: Orgs,
    proxy: Proxy,
    vouchers: Vouchers,
}

/// Who serves an organization.
enum Place {
    Here,
    Process(GatewayId, Authority),
}

impl From<Router> for Dispatch {
    /// Whatever comes is answered `here`: the way of a gateway process.
    fn from(here: Router) -> Self {
        Self { here, front: None, directory: None }
    }
}

impl Dispatch {
    /// Organizations go where `routes` says; `here` answers for those that are served in this process. `tokens` prove to
    /// other processes that what they get comes from here.
    pub fn new(here: Router, routes: Routes, orgs: Orgs, tokens: Arc<TokenKeys>, proxy: Proxy) -> Self {
        let directory = Directory { routes, orgs, proxy, vouchers: Vouchers::new(tokens) };
        Self { here, front: None, directory: Some(directory) }
    }

    /// Containers are behind this door.
    #[must_use]
    pub fn with_front(self, front: Option<Front>) -> Self {
        Self { front, ..self }
    }

    /// Answers a request for `org`. Its URI is what the gateway's own routes see.
    pub async fn answer(&self, org: OrgId, mut request: Request) -> Response {
        let Some(directory) = &self.directory else { return self.answer_here(org, request).await };
        match directory.place(org).await {
            Ok(Place::Here) => self.answer_here(org, request).await,
            Ok(Place::Process(_, address)) => {
                let Some(uri) = gateway_path(org, request.uri()) else { return ApiError::not_found().into_response() };
                *request.uri_mut() = uri;
                // Gateways take tokens. What a browser sends along by itself is the session here, and is nobody else's.
                request.headers_mut().remove(header::COOKIE);
                let upstream = Upstream { address: Address::Named(address), keep_host: false };
                let answer = directory.proxy.forward(&upstream, request).await;
                answer.unwrap_or_else(|error| unreachable(org, &error).into_response())
            }
            Err(refusal) => refusal.into_response(),
        }
    }

    /// Answers a request to a container's host.
    pub async fn answer_container(&self, host: &ContainerHost, mut request: Request, edge: &EdgeConfig) -> Response {
        let home = reader_home(edge, &request);
        let refusal = match self.place(host.org).await {
            Ok(Place::Here) => match &self.front {
                Some(front) => return front.answer(host, request).await,
                None => not_running(),
            },
            // What that says, only a proxy next to the gateway may ask.
            Ok(Place::Process(..)) if request.uri().path() == VERIFY_PATH => ApiError::not_found(),
            Ok(Place::Process(gateway, address)) => {
                let Some(directory) = &self.directory else { return ApiError::not_found().into_response() };
                match directory.vouchers.to(gateway) {
                    Ok(voucher) => drop(request.extensions_mut().insert(voucher)),
                    Err(error) => tracing::error!(%error, "nothing proves that what is passed on comes from here"),
                }
                let upstream = Upstream { address: Address::Named(address), keep_host: true };
                // The front door there reads cookies of its own; the session here, should it be sent, is not one of them.
                without_session(request.headers_mut());
                match directory.proxy.forward(&upstream, request).await {
                    Ok(answer) => return answer,
                    Err(error) => unreachable(host.org, &error),
                }
            }
            Err(refusal) => refusal,
        };
        Notice::of(refusal).answer(home.as_deref())
    }

    async fn place(&self, org: OrgId) -> Result<Place, ApiError> {
        match &self.directory {
            Some(directory) => directory.place(org).await,
            None => Ok(Place::Here),
        }
    }

    /// The bare form of the gateways' routes, for a process that knows who serves whom. A command's project is looked up here,
    /// for which it may have `body_bytes_max`. Beyond: 413.
    pub fn bare_routes(self, body_bytes_max: usize) -> Router {
        Router::new()
            .route("/collab/ping", get(ping))
            .route("/collab/event", post(event).layer(DefaultBodyLimit::max(body_bytes_max)))
            // Named unlike the gateways' own, which are matched after it.
            .route("/collab/{of_project}/{*rest}", any(in_project))
            .with_state(self)
    }

    async fn answer_here(&self, org: OrgId, mut request: Request) -> Response {
        request.extensions_mut().insert(OrgHint(org));
        let answer: Result<Response, Infallible> = self.here.clone().oneshot(request).await;
        answer.unwrap_or_else(|never| match never {})
    }

    async fn answer_in(&self, project: ProjectId, request: Request) -> Response {
        match self.org_of(project).await {
            Ok(org) => self.answer(org, request).await,
            Err(refusal) => refusal.into_response(),
        }
    }

    async fn org_of(&self, project: ProjectId) -> Result<OrgId, ApiError> {
        let directory = self.directory.as_ref().ok_or_else(ApiError::not_found)?;
        let found = directory.orgs.project(project).await?;
        found.map(|project| project.org).ok_or_else(ApiError::not_found)
    }
}

impl Directory {
    async fn place(&self, org: OrgId) -> Result<Place, ApiError> {
        let route = match self.routes.get(org) {
            Some(Route::Moving { .. }) => timeout(MOVE_MAX, self.routes.settled(org)).await.map_err(|_| moving())?,
            settled => settled,
        };
        match route {
            Some(Route::Local { .. }) => Ok(Place::Here),
            Some(Route::Remote { gateway, address, .. }) => match authority(&address) {
                Some(address) => Ok(Place::Process(gateway, address)),
                None => {
                    tracing::error!(%org, %address, "the gateway's address cannot be reached over HTTP");
                    Err(not_running())
                }
            },
            Some(Route::Moving { .. }) => Err(moving()),
            None => {
                let known = self.orgs.org(org).await?;
                Err(if known.is_some() { not_running() } else { ApiError::not_found() })
            }
        }
    }
}

async fn ping() -> Json<Value> {
    Json(json!({}))
}

/// Whatever belongs to a project. Documents, containers, logs: the gateway knows.
async fn in_project(
    State(dispatch): State<Dispatch>,
    Path((project, _)): Path<(String, String)>,
    request: Request,
) -> Response {
    match project.parse() {
        Ok(project) => dispatch.answer_in(project, request).await,
        Err(_) => ApiError::not_found().into_response(),
    }
}

/// A command says in its body which project it is for.
async fn event(State(dispatch): State<Dispatch>, head: Parts, body: Bytes) -> Response {
    #[derive(Deserialize)]
    struct Addressed {
        project_id: ProjectId,
    }
    match serde_json::from_slice(&body) {
        Ok(Addressed { project_id }) => {
            dispatch.answer_in(project_id, Request::from_parts(head, Body::from(body))).await
        }
        Err(_) => ApiError::invalid("project_id", "must be a project id (UUID)").into_response(),
    }
}

/// Where a gateway listens, as it announced itself: `host:port`, with `http://` or without.
fn authority(listen: &str) -> Option<Authority> {
    let bare = listen.strip_prefix("http://").unwrap_or(listen);
    bare.strip_suffix('/').unwrap_or(bare).parse().ok()
}

/// The organization has no gateway; its members can start one.
pub(crate) fn not_running() -> ApiError {
    let cause = ErrorCode::Unavailable("GATEWAY_NOT_RUNNING");
    ApiError::new(cause, "the organization has no running gateway; start one of its projects").retry_after(5)
}

/// The organization is between two gateways.
pub(crate) fn moving() -> ApiError {
    ApiError::new(ErrorCode::Unavailable("GATEWAY_MOVING"), "the organization's gateway is moving").retry_after(1)
}

fn unreachable(org: OrgId, error: &ProxyError) -> ApiError {
    if matches!(error, ProxyError::NoPath) {
        return ApiError::not_found();
    }
    // The address is nobody's business; it is in the log.
    tracing::warn!(%org, %error, "a gateway does not answer");
    let cause = ErrorCode::Unavailable("GATEWAY_UNREACHABLE");
    ApiError::new(cause, "the organization's gateway does not answer").retry_after(1)
}
