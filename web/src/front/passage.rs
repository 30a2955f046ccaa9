//! The way of a request that may go on: what it is stripped of, what the container learns of its visitor, and how long the
//! visitor may stay.

use std::{sync::Arc, time::Duration};

use axum::{body::Body, extract::Request, response::Response};
use http::{Method, header};
use hyper::body::Body as _;
use orrery_protocol::{
    access::Principal,
    control::GatewayBrief,
    id::{OrgId, ProjectId},
};
use tokio::time::sleep;

use super::{
    Admitted, Front, Notice, Parts, cookies,
    held::{Held, Over},
    nonce::{self, digest_of, is_nonce},
    redirect,
    visitors::{Standing, Visitor},
    wants_page,
};
use crate::{
    address::ContainerHost,
    error::{ApiError, ErrorCode},
    gate::{AUTHORIZE_PATH, ReturnPath},
    percent,
    proxy::{Identity, Place, ProxyError, Terms, Upstream},
};

/// Looks at a visitor in a row that came to nothing before they have to go.
const UNKNOWN_MAX: u32 = 4;

/// How long a browser may be away to sign in, in seconds.
const NONCE_LIFE_S: u64 = 900;

impl Front {
    /// Passes a request on and its answer back.
    pub(super) async fn carry(
        &self,
        host: &ContainerHost,
        admitted: Admitted,
        mut request: Request,
    ) -> Result<Response, Notice> {
        let Admitted { lead, visitor } = admitted;
        let Some(address) = lead.upstream else { return Err(Notice::of_phase(&lead, None)) };
        let Some(permit) = self.parts.bounds.take(lead.container) else {
            let busy = ErrorCode::Unavailable("CONTAINER_BUSY");
            return Err(ApiError::new(busy, "the container is asked too much at once").retry_after(1).into());
        };
        let permit = Arc::new(permit);
        let identity = visitor.as_ref().map(|(_, principal)| Identity::of(principal));
        let named = request.headers().get(header::HOST).cloned();
        if visitor.is_some() {
            self.parts.gateways.touch(host.org, lead.project);
        }
        let token = visitor.as_ref().is_some_and(|(visitor, _)| visitor.is_meant());
        self.strip(host, &mut request, token);
        let stay = visitor.map(|(visitor, _)| {
            Arc::new(Stay { parts: self.parts.clone(), visitor, org: host.org, project: lead.project })
        });
        let terms = || Terms {
            until: boxed(stay.clone()),
            held: Some(permit.clone()),
            ping_after: Some(Duration::from_millis(self.parts.edge.limits.container_ping_ms)),
        };
        let upstream = Upstream { address: Place::Socket(address), keep_host: true };
        let answer = tokio::select! {
            biased;
            answer = self.parts.proxy.pass(&upstream, request, identity, terms) => answer,
            () = until(stay.clone()) => {
                return Err(Notice::of(ApiError::not_signed_in("you were signed out")).with_link("/", "Sign in"));
            }
        };
        let mut answer = answer.map_err(|error| {
            if matches!(error, ProxyError::NoPath) {
                return Notice::of(ApiError::not_found());
            }
            tracing::debug!(container = %lead.container, %error, "a container does not answer");
            let board = stay.is_some().then(|| self.board(&lead, named.as_ref()));
            Notice::unreachable(&lead, board.as_deref())
        })?;
        cookies::keep_to_host(answer.headers_mut());
        if answer.body().is_end_stream() {
            return Ok(answer.map(|_| Body::empty()));
        }
        Ok(answer.map(|body| Body::new(Held::new(body, permit, move || boxed(stay)))))
    }

    /// Sends a browser that nobody knows to Ganymede; `None` for what a browser does not go to by itself.
    pub(super) fn to_gate(&self, host: &ContainerHost, request: &Request) -> Option<Response> {
        let headers = request.headers();
        let navigates = headers.get("sec-fetch-mode").is_none_or(|mode| mode == "navigate");
        if request.method() != Method::GET || !navigates || !wants_page(request.method(), headers) {
            return None;
        }
        let names = self.parts.cookies;
        // Tabs that are opened together share it, so that each of them comes back.
        let kept = cookies::values(headers, names.nonce()).find(|nonce| is_nonce(nonce)).map(str::to_owned);
        let nonce = kept.unwrap_or_else(nonce::random);
        let back = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let to = format!(
            "{}{AUTHORIZE_PATH}?host={}&nonce={}&return={}",
            self.platform_of(headers),
            percent::encode(&host.name),
            digest_of(&nonce),
            percent::encode(ReturnPath::or_root(back).as_str())
        );
        let mut response = redirect(&to);
        response.headers_mut().append(header::SET_COOKIE, names.set(names.nonce(), &nonce, NONCE_LIFE_S));
        Some(response)
    }

    /// Takes off what is between the platform and its visitor. Whether it was an access token that let
    /// them in is known by then, and a signature is dear.
    fn strip(&self, host: &ContainerHost, request: &mut Request, token: bool) {
        let ours = token || self.parts.visitors.is_ours(request.headers());
        let headers = request.headers_mut();
        cookies::without_ours(headers);
        if ours {
            headers.remove(header::AUTHORIZATION);
        }
        // One host, and the one that was looked at.
        let mut named = headers.get_all(header::HOST).iter();
        let (first, others) = (named.next().cloned(), named.next().is_some());
        match first {
            Some(first) if others => drop(headers.insert(header::HOST, first)),
            Some(_) => {}
            None => drop(headers.insert(header::HOST, host.name.parse().expect("host names are plain ASCII"))),
        }
    }
}

/// A visitor who is connected.
struct Stay {
    parts: Arc<Parts>,
    visitor: Visitor,
    org: OrgId,
    project: ProjectId,
}

impl Stay {
    /// Resolves when the visitor may not stay.
    async fn over(&self) {
        tokio::select! {
            () = self.barred() => {}
            () = self.signed_out() => {}
        }
        tracing::debug!(org = %self.org, user = %self.visitor.user, "a visitor may not stay");
    }

    /// Resolves at once when the visitor is no member any more, or a member with too little a role.
    async fn barred(&self) {
        let Self { parts, visitor, org, project } = self;
        let barred = |brief: &GatewayBrief| !may_enter(brief.principal(visitor.user, *project));
        parts.gateways.until(*org, |brief| brief.is_some_and(barred)).await;
    }

    /// Resolves when the visitor has signed out, or cannot be looked at for long.
    async fn signed_out(&self) {
        let between = self.parts.visitors.fresh() / 2;
        let mut unknown = 0;
        while unknown < UNKNOWN_MAX {
            sleep(between).await;
            match self.standing().await {
                Standing::Stands => unknown = 0,
                Standing::Over => break,
                Standing::Unknown => unknown += 1,
            }
        }
    }

    async fn standing(&self) -> Standing {
        let Self { parts, visitor, org, project } = self;
        if parts.gateways.epoch(*org).is_none() {
            // On its way to another gateway, or back.
            return Standing::Unknown;
        }
        if !may_enter(parts.gateways.principal(*org, visitor.user, *project)) {
            return Standing::Over;
        }
        let standing = parts.visitors.standing(*org, visitor).await;
        if standing == Standing::Stands {
            parts.gateways.touch(*org, *project);
        }
        standing
    }
}

fn may_enter(principal: Option<Principal>) -> bool {
    principal.is_some_and(|principal| principal.role.allows(super::ENTER))
}

/// Whoever came through an open door may stay.
async fn until(stay: Option<Arc<Stay>>) {
    match stay {
        Some(stay) => stay.over().await,
        None => std::future::pending().await,
    }
}

fn boxed(stay: Option<Arc<Stay>>) -> Over {
    Box::pin(until(stay))
}
