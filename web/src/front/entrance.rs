//! What is ours on a container's host, below `/-/orrery/`: the way in with a ticket, the way out, and what another proxy
//! asks about each of its requests. The container never sees any of it.

use axum::{
    extract::Query,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request::Parts};
use orrery_actors::ControlError;
use orrery_protocol::control::{Token, VisitRequest};
use serde::Deserialize;

use super::{Admitted, Front, Notice, Refusal, cookies, nonce::digest_of, redirect};
use crate::{
    address::ContainerHost,
    error::{ApiError, ErrorCode},
    gate::ReturnPath,
    proxy::{Identity, claims_more},
    server::Connection,
};

const PREFIX: &str = "/-/orrery/";

/// Where Ganymede sends a browser back to.
pub(crate) const ENTER_PATH: &str = "/-/orrery/enter";
const LEAVE_PATH: &str = "/-/orrery/leave";

/// What a proxy in front of containers asks; nothing of it goes from Ganymede to a gateway.
pub(crate) const VERIFY_PATH: &str = "/-/orrery/verify";

/// The request that a proxy asks about, as it got it.
const ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const ORIGINAL_UPGRADE: HeaderName = HeaderName::from_static("x-original-upgrade");

/// Tells that proxy which header was for us and must not go on.
const TOOK: HeaderName = HeaderName::from_static("x-orrery-took");

/// What a browser comes back with.
#[derive(Deserialize)]
struct Brought {
    #[serde(default)]
    code: String,
    #[serde(default, rename = "return")]
    back: String,
}

/// Whether a path is none of the container's.
pub(super) fn is_ours(path: &str) -> bool {
    path.starts_with(PREFIX)
}

impl Front {
    /// Answers below `/-/orrery/`.
    pub(super) async fn enter(&self, host: &ContainerHost, head: &Parts) -> Result<Response, Notice> {
        match (head.uri.path(), &head.method) {
            (ENTER_PATH, &Method::GET) => self.take_ticket(host, head).await,
            (LEAVE_PATH, &Method::GET | &Method::POST) => Ok(self.leave(&head.headers)),
            (VERIFY_PATH, _) => self.verify(host, head).await,
            (ENTER_PATH | LEAVE_PATH, _) => {
                Err(ApiError::new(ErrorCode::MethodNotAllowed, "not with this method").into())
            }
            _ => Err(ApiError::not_found().into()),
        }
    }

    /// A ticket, and the cookie that it was given for, become a visit.
    async fn take_ticket(&self, host: &ContainerHost, head: &Parts) -> Result<Response, Notice> {
        let (names, headers) = (self.parts.cookies, &head.headers);
        let brought = Query::<Brought>::try_from_uri(&head.uri);
        let Query(Brought { code, back }) = brought.map_err(|_| ApiError::invalid("code", "is missing"))?;
        let back = ReturnPath::or_root(&back);
        let again = |why: &str| {
            let notice = Notice::of(ApiError::forbidden(why));
            Err(notice.with_link(back.as_str(), "Try again"))
        };
        let Some(nonce) = cookies::values(headers, names.nonce()).next() else {
            // Another tab was quicker, or this browser never left from here.
            return match self.parts.visitors.of(host, headers, &names).await {
                Ok(Some(_)) => Ok(redirect(back.as_str())),
                Ok(None) | Err(_) => again("this browser did not ask to sign in here, or too long ago"),
            };
        };
        let asked = VisitRequest { code: Token(code), host: host.name.clone(), nonce: digest_of(nonce) };
        match self.parts.gateways.admit_visit(host.org, &asked).await {
            Ok(visit) => {
                let mut response = redirect(back.as_str());
                let headers = response.headers_mut();
                headers.append(header::SET_COOKIE, names.set(names.visit(), &visit.token.0, visit.ttl_s));
                headers.append(header::SET_COOKIE, names.set(names.nonce(), "", 0));
                Ok(response)
            }
            Err(ControlError::Refused(_)) => again("signing in took too long, or was tried twice"),
            Err(error @ (ControlError::Stale | ControlError::Unavailable(_))) => {
                tracing::warn!(org = %host.org, %error, "nobody can be let in now");
                let cause = ErrorCode::Unavailable("GANYMEDE_UNREACHABLE");
                let error = ApiError::new(cause, "nobody can be let in now; try again").retry_after(1);
                Err(Notice::of(error).with_link(back.as_str(), "Try again"))
            }
        }
    }

    /// Forgets the visitor on this host, and nowhere else.
    fn leave(&self, headers: &HeaderMap) -> Response {
        let names = self.parts.cookies;
        let mut response = redirect(&format!("{}/", self.parts.edge.platform(headers.get(header::HOST))));
        response.headers_mut().append(header::SET_COOKIE, names.set(names.visit(), "", 0));
        response
    }

    /// Whether a request that another proxy holds may go on, and as whose.
    async fn verify(&self, host: &ContainerHost, head: &Parts) -> Result<Response, Notice> {
        if !self.is_trusted(head) {
            return Err(ApiError::not_found().into());
        }
        let headers = &head.headers;
        let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let method = text(&ORIGINAL_METHOD).and_then(|method| method.parse::<Method>().ok());
        let uri = text(&ORIGINAL_URI).and_then(|uri| uri.parse::<Uri>().ok());
        let (Some(method), Some(uri)) = (method, uri) else {
            return Err(ApiError::invalid("x-original-uri", "is missing, or x-original-method").into());
        };
        let mut original = headers.clone();
        if let Some(upgrade) = headers.get(ORIGINAL_UPGRADE) {
            original.insert(header::UPGRADE, upgrade.clone());
            original.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        }
        match self.admit(host, &method, uri.path(), &original).await {
            Ok(_) if claims_more(headers) || stays_open(&original) => {
                Err(ApiError::forbidden("this request is for the gateway itself to pass on").into())
            }
            Ok(admitted) => Ok(self.verified(host, &admitted, headers)),
            Err(Refusal::Unknown) => Err(ApiError::not_signed_in("sign in, or send an access token").into()),
            Err(Refusal::Told(notice)) => Err(*notice),
        }
    }

    fn verified(&self, host: &ContainerHost, admitted: &Admitted, asked: &HeaderMap) -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        if let Some((_, principal)) = &admitted.visitor {
            self.parts.gateways.touch(host.org, admitted.lead.project);
            Identity::of(principal).write(headers);
        }
        if self.parts.visitors.is_ours(asked) {
            headers.insert(TOOK, HeaderValue::from_static("authorization"));
        }
        response
    }

    /// Only a proxy on this machine, or one that is configured, says what the original request was.
    fn is_trusted(&self, head: &Parts) -> bool {
        let peer = head.extensions.get::<Connection>().map(|connection| connection.remote.ip().to_canonical());
        peer.is_some_and(|peer| peer.is_loopback() || self.parts.edge.trusted_proxies.contains(&peer))
    }
}

/// Whether what a request begins outlives the look at who sent it: somebody has to look again while it is open. Also
/// whatever is to become another protocol, because only the door here knows which ones may.
fn stays_open(original: &HeaderMap) -> bool {
    let accepted = original.get_all(header::ACCEPT).into_iter().filter_map(|accept| accept.to_str().ok());
    original.contains_key(header::UPGRADE)
        || accepted.into_iter().any(|accept| accept.to_ascii_lowercase().contains("text/event-stream"))
}
