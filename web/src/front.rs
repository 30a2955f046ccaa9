//! The front door of containers, at their gateway: which container a host leads to, who may enter, and what it and its
//! visitors may know of each other. Owns every host below an organization's own; knows no engine.
//!
//! ```text
//! host -> route table -> /-/orrery/? -> runs? -> who? (visit, access token) -> may? (brief) -> bound -> proxy -> container
//!           404 page       ours        503 page   302 to sign in, 401         403, 404       503
//! ```

mod bounds;
mod cookies;
mod entrance;
mod held;
mod nonce;
mod notice;
mod origin;
mod passage;
mod visitors;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    extract::Request,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, header, uri::Authority};
use orrery_actors::{Gateways, RouteTables};
use orrery_protocol::{
    access::{Permission, Principal},
    container::Phase,
    route::Lead,
};

use self::{
    bounds::Bounds,
    cookies::CookieNames,
    visitors::{Visitor, Visitors},
};
pub(crate) use self::{
    cookies::without_session,
    entrance::{ENTER_PATH, VERIFY_PATH},
    nonce::is_nonce,
    notice::{Notice, reader_home, wants_page},
};
use crate::{
    address::{ContainerHost, port_in},
    dispatch::{moving, not_running},
    error::{ApiError, ELSEWHERE, ErrorCode},
    forward::Vouching,
    proxy::Proxy,
    public_url::PublicUrl,
    state::{EdgeConfig, GatewayState},
};

/// What only just began to run may take this long to answer before that is worth a complaint.
const STARTING: Duration = Duration::from_secs(60);

/// What it takes to enter a container: it is a shell of the project's, so that it takes what managing it does (ADR 11).
const ENTER: Permission = Permission::ManageContainers;

/// The front door of one process. Cheap to clone.
#[derive(Clone)]
pub struct Front {
    parts: Arc<Parts>,
}

struct Parts {
    gateways: Gateways,
    tables: RouteTables,
    edge: Arc<EdgeConfig>,
    cookies: CookieNames,
    visitors: Visitors,
    bounds: Bounds,
    vouching: Vouching,
    proxy: Proxy,
}

/// Who may go on, and where to.
struct Admitted {
    lead: Arc<Lead>,
    /// `None` where the service is open to anybody.
    visitor: Option<(Visitor, Principal)>,
}

impl Front {
    /// For the organizations that are served in this process.
    pub fn new(state: &GatewayState) -> Self {
        let (gateways, edge) = (state.gateways.clone(), state.process.edge.clone());
        let fresh = Duration::from_millis(edge.limits.visit_fresh_ms);
        let parts = Parts {
            visitors: Visitors::new(gateways.clone(), state.verifier.clone(), fresh),
            cookies: CookieNames::new(edge.public_url.as_ref().is_some_and(PublicUrl::is_tls)),
            bounds: Bounds::new(edge.limits.container_connections_max),
            vouching: Vouching::new(state.gateway, state.verifier.clone()),
            proxy: Proxy::to_containers(edge.clone()),
            tables: state.tables.clone(),
            gateways,
            edge,
        };
        Self { parts: Arc::new(parts) }
    }

    /// Answers a request to a container's host.
    pub async fn answer(&self, host: &ContainerHost, mut request: Request) -> Response {
        if let Some(vouched) = self.parts.vouching.of(request.headers()).await {
            request.extensions_mut().insert(vouched);
        }
        let home = reader_home(&self.parts.edge, &request);
        let answer = if entrance::is_ours(request.uri().path()) {
            let (head, _) = request.into_parts();
            self.enter(host, &head).await
        } else {
            self.pass(host, request).await
        };
        answer.unwrap_or_else(|notice| notice.answer(home.as_deref()))
    }

    async fn pass(&self, host: &ContainerHost, request: Request) -> Result<Response, Notice> {
        let admitted = self.admit(host, request.method(), request.uri().path(), request.headers()).await;
        match admitted {
            Ok(admitted) => self.carry(host, admitted, request).await,
            Err(Refusal::Unknown) => match self.to_gate(host, &request) {
                Some(response) => Ok(response),
                None => Err(ApiError::not_signed_in("sign in, or send an access token").into()),
            },
            Err(Refusal::Told(notice)) => Err(*notice),
        }
    }

    /// Whether a request may go on. The order matters: who is not known learns whether there is a container, and nothing
    /// else about it.
    async fn admit(
        &self,
        host: &ContainerHost,
        method: &http::Method,
        path: &str,
        headers: &HeaderMap,
    ) -> Result<Admitted, Refusal> {
        let lead = self.lead(host)?;
        let board = || self.board(&lead, headers.get(header::HOST));
        let known = self.parts.visitors.of(host, headers, &self.parts.cookies).await;
        let is_same = |asking: &ContainerHost| self.is_same(&lead, host, asking);
        let is_meant = |visitor: &Visitor| {
            visitor.is_meant() || origin::may_ask(method, headers, &self.parts.edge.domain, is_same)
        };
        if lead.is_public(path) && lead.upstream.is_some() {
            let visitor = known.ok().flatten().filter(is_meant);
            let visitor = visitor.and_then(|visitor| self.seated(&lead, host, visitor, board).ok());
            return Ok(Admitted { lead, visitor });
        }
        let visitor = match known {
            Ok(Some(visitor)) => self.seated(&lead, host, visitor, board)?,
            Ok(None) if lead.upstream.is_none() => return Err(Notice::of_phase(&lead, None).into()),
            Ok(None) => return Err(Refusal::Unknown),
            Err(error) => return Err(Notice::of(error).into()),
        };
        if lead.upstream.is_none() {
            return Err(Notice::of_phase(&lead, Some(&board())).into());
        }
        if !is_meant(&visitor.0) {
            return Err(Notice::of(ApiError::forbidden("the request comes from a page of another origin")).into());
        }
        Ok(Admitted { lead, visitor: Some(visitor) })
    }

    fn lead(&self, host: &ContainerHost) -> Result<Arc<Lead>, Notice> {
        let table = self.parts.tables.of(host.org).ok_or_else(|| {
            let served = self.parts.gateways.epoch(host.org).is_some();
            Notice::of(if served { moving() } else { not_running() })
        })?;
        // What its gateway has not loaded yet is not gone.
        let unknown = || Notice::of(if table.whole { ApiError::not_found() } else { moving() });
        table.find(&host.target).cloned().ok_or_else(unknown)
    }

    /// The visitor as the container's project sees them. Who sees no more of it than its `board` is told where that is.
    fn seated(
        &self,
        lead: &Lead,
        host: &ContainerHost,
        visitor: Visitor,
        board: impl FnOnce() -> String,
    ) -> Result<(Visitor, Principal), Notice> {
        let principal = self.parts.gateways.principal(host.org, visitor.user, lead.project);
        let principal = principal.ok_or_else(|| Notice::of(ApiError::not_found()))?;
        if principal.role.allows(ENTER) {
            Ok((visitor, principal))
        } else {
            let why =
                format!("a project's {} sees its board, and does not open its containers", principal.role.as_str());
            Err(Notice::of(ApiError::forbidden(why)).with_board(Some(&board())))
        }
    }

    /// Whether a host leads to the same container.
    fn is_same(&self, lead: &Lead, host: &ContainerHost, asking: &ContainerHost) -> bool {
        let table = self.parts.tables.of(host.org);
        let other = table.as_ref().and_then(|table| table.find(&asking.target));
        asking.org == host.org && other.is_some_and(|other| other.container == lead.container)
    }

    /// Where the project of a container is shown, to whoever `asked` that host.
    fn board(&self, lead: &Lead, asked: Option<&HeaderValue>) -> String {
        format!("{}/projects/{}/board", self.parts.edge.platform(asked), lead.project)
    }

    /// The same for whoever came from one of its pages: on the machine itself these are reached by its loopback address as
    /// well, and a browser is signed in at the one name that it used.
    fn platform_of(&self, headers: &HeaderMap) -> String {
        let asked = headers.get(header::HOST);
        let local = self.parts.edge.public_url.is_none() && self.parts.edge.domain == "localhost";
        match loopback_of(headers).filter(|from| local && from.port_u16() == asked.and_then(port_in)) {
            Some(from) => format!("http://{from}"),
            None => self.parts.edge.platform(asked),
        }
    }
}

/// Why a request does not go on.
enum Refusal {
    /// Nobody knows who asks.
    Unknown,
    Told(Box<Notice>),
}

impl From<Notice> for Refusal {
    fn from(notice: Notice) -> Self {
        Self::Told(Box::new(notice))
    }
}

/// The container does not run, or not yet.
fn phase_error(phase: Phase) -> ApiError {
    let (cause, retry_s) = match phase {
        Phase::Pending | Phase::Starting => ("CONTAINER_STARTING", Some(2)),
        Phase::Running | Phase::Unhealthy => ("CONTAINER_UNHEALTHY", Some(5)),
        Phase::Stopping | Phase::Stopped => ("CONTAINER_STOPPED", None),
        Phase::Failed => ("CONTAINER_FAILED", None),
        Phase::Deleted => return ApiError::not_found(),
    };
    let error = ApiError::new(ErrorCode::Unavailable(cause), format!("the container {}", does(phase)));
    match retry_s {
        Some(seconds) => error.retry_after(seconds),
        None => error,
    }
}

/// What becomes of a container in a phase that nobody can enter it in.
fn does(phase: Phase) -> &'static str {
    match phase {
        Phase::Pending | Phase::Starting => "is starting",
        Phase::Running | Phase::Unhealthy => "does not answer",
        Phase::Stopping => "is stopping",
        Phase::Stopped => "is stopped",
        Phase::Failed => "has failed",
        Phase::Deleted => "is deleted",
    }
}

/// Whether a phase began only just.
fn is_recent(since_ms: u64) -> bool {
    let since = SystemTime::UNIX_EPOCH + Duration::from_millis(since_ms);
    SystemTime::now().duration_since(since).is_ok_and(|age| age < STARTING)
}

/// The loopback address that a page was at which led here, if it was at one.
fn loopback_of(headers: &HeaderMap) -> Option<Authority> {
    let from: http::Uri = headers.get(header::REFERER)?.to_str().ok()?.parse().ok()?;
    let authority = from.authority()?.clone();
    let is_loopback = matches!(authority.host(), "127.0.0.1" | "[::1]") && !authority.as_str().contains('@');
    (is_loopback && from.scheme_str() == Some("http")).then_some(authority)
}

/// Sends a browser elsewhere, by `GET`. The address may hold a code: it is never cached, and named to nobody.
pub(crate) fn redirect(to: &str) -> Response {
    match HeaderValue::try_from(to) {
        Ok(to) => (ELSEWHERE, [(header::LOCATION, to)]).into_response(),
        Err(_) => ApiError::not_found().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_gone_back_to() {
        let check = |referer: &'static str, expect: Option<&str>| {
            let headers = HeaderMap::from_iter([(header::REFERER, HeaderValue::from_static(referer))]);
            assert_eq!(loopback_of(&headers).as_ref().map(Authority::as_str), expect, "{referer}");
        };
        check("http://127.0.0.1:7000/", Some("127.0.0.1:7000"));
        check("http://[::1]:7000/projects/1/board", Some("[::1]:7000"));
        for other in ["http://evil.example/", "http://127.0.0.1.evil.example/", "http://u@127.0.0.1/", "127.0.0.1", ""]
        {
            check(other, None);
        }
        assert_eq!(loopback_of(&HeaderMap::new()), None);
    }
}
