//! What every request gets, whatever its route: an id, a time limit, a body limit, an address, safe headers, the error
//! body, and one line in the log. Knows no route.

use std::{
    cell::LazyCell,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use metrics::{Counter, Histogram};
use tokio::time::{Instant, timeout};
use tower::ServiceExt;
use uuid::Uuid;

use crate::{
    address::{Address, OrgHint},
    dispatch::Dispatch,
    error::{ApiError, ErrorCode},
    front::{Notice, reader_home},
    internal,
    proxy::Forwarded,
    server::Connection,
    state::EdgeConfig,
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Sent with every answer but an upgrade. A route may set a content security policy or caching of its own.
const SAFE_HEADERS: [(HeaderName, HeaderValue); 7] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// In the extensions of an answer that is a page for people, refusal or not: no error body takes its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page;

/// All routes behind one listening address. Cheap to clone.
#[derive(Clone)]
pub struct Site {
    bare: Router,
    gateways: Dispatch,
    edge: Arc<EdgeConfig>,
    meters: Arc<Meters>,
}

/// What is counted of every request, found once: looking a metric up costs more than counting.
struct Meters {
    seconds: Histogram,
    /// By status, from 100 on.
    requests: [OnceLock<Counter>; 900],
}

impl Meters {
    fn new() -> Self {
        let seconds = metrics::histogram!("orrery_http_request_seconds");
        Self { seconds, requests: [const { OnceLock::new() }; 900] }
    }

    fn answered(&self, status: StatusCode, took: Duration) {
        let status = status.as_u16();
        if let Some(requests) = self.requests.get(usize::from(status).wrapping_sub(100)) {
            let counter = || metrics::counter!("orrery_http_requests_total", "status" => status.to_string());
            requests.get_or_init(counter).increment(1);
        }
        self.seconds.record(took);
    }
}

impl Site {
    /// `bare` answers on the process's own host; `gateways` on an organization's host or path prefix.
    pub fn new(bare: Router, gateways: impl Into<Dispatch>, edge: Arc<EdgeConfig>) -> Self {
        Self { bare, gateways: gateways.into(), edge, meters: Arc::new(Meters::new()) }
    }

    /// The edge's configuration.
    pub fn edge(&self) -> &EdgeConfig {
        &self.edge
    }

    /// Answers one request, always.
    pub async fn answer(&self, request: Request) -> Response {
        // Drawn when it is told: of what another process answered, it never is.
        let id = LazyCell::new(Uuid::now_v7);
        let started = Instant::now();
        let method = request.method().clone();
        // The query is never logged: it holds tokens.
        let path = request.uri().path().to_owned();
        let address = self.address(&request);
        // How long a container takes to answer is between it and who asks.
        let bounded = !matches!(address, Address::Container(_));
        let limit = Duration::from_millis(self.edge.limits.request_timeout_ms);
        // Pinned here: it holds whatever a request may need, and is moved nowhere.
        let mut routed = pin!(AssertUnwindSafe(self.route(address, request)).catch_unwind());
        let routed = if bounded { timeout(limit, routed.as_mut()).await } else { Ok(routed.await) };
        let mut response = match routed {
            Ok(Ok(response)) => response,
            Ok(Err(_panic)) => {
                tracing::error!(request_id = %*id, %method, path, "a request panicked");
                ApiError::new(ErrorCode::Internal, "something went wrong on our side").into_response()
            }
            Err(_elapsed) => {
                ApiError::new(ErrorCode::Unavailable("TIMED_OUT"), "no answer in time").retry_after(1).into_response()
            }
        };
        // What another process answered is whole: its own status, headers and request id.
        if response.extensions().get::<Forwarded>().is_none() {
            if response.extensions().get::<Page>().is_none() {
                write_error_body(&mut response, *id);
            }
            write_headers(&mut response, *id);
        }
        let took = started.elapsed();
        self.meters.answered(response.status(), took);
        let status = response.status().as_u16();
        tracing::debug!(request_id = %*id, %method, path, status, took_us = took.as_micros(), "answered");
        response
    }

    fn address(&self, request: &Request) -> Address {
        let named = request.headers().get(header::HOST);
        let connection = request.extensions().get::<Connection>();
        if let Some(host) = named.zip(connection).and_then(|(named, connection)| connection.container(named)) {
            return Address::Container(host);
        }
        let host = named.and_then(|host| host.to_str().ok());
        let host = host.or(request.uri().authority().map(|authority| authority.as_str()));
        let address = Address::of(host, request.uri(), &self.edge.domain);
        if let (Address::Container(host), Some(named), Some(connection)) = (&address, named, connection) {
            connection.remember(named.clone(), host.clone());
        }
        address
    }

    async fn route(&self, address: Address, mut request: Request) -> Response {
        if !matches!(address, Address::Container(_)) && self.is_too_large(&address, &request) {
            return ApiError::new(ErrorCode::TooLarge, "the request body is too large").into_response();
        }
        match address {
            Address::Bare => match self.bare.clone().oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Address::Gateway(OrgHint(org), uri) => {
                *request.uri_mut() = uri;
                self.gateways.answer(org, request).await
            }
            Address::Container(host) => self.gateways.answer_container(&host, request, &self.edge).await,
            Address::Unknown => Notice::of(ApiError::not_found()).answer(reader_home(&self.edge, &request).as_deref()),
        }
    }

    fn is_too_large(&self, address: &Address, request: &Request) -> bool {
        let limits = &self.edge.limits;
        let bytes_max = match address {
            Address::Bare => internal::body_bytes_max(request.uri().path(), limits),
            Address::Gateway(..) | Address::Container(_) | Address::Unknown => limits.body_bytes_max,
        };
        claimed_length(request.headers()) > bytes_max as u64
    }
}

fn claimed_length(headers: &HeaderMap) -> u64 {
    headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok()).unwrap_or(0)
}

fn write_error_body(response: &mut Response, id: Uuid) {
    let json = |value: &HeaderValue| value == "application/json";
    if response.extensions().get::<ApiError>().is_none()
        && !response.headers().get(header::CONTENT_TYPE).is_some_and(json)
        && let Some(error) = ApiError::foreign(response.status())
    {
        *response = error.into_response();
    }
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        *response.body_mut() = Body::from(error.body(id));
        // Whoever had the empty body in hand may have counted it.
        response.headers_mut().remove(header::CONTENT_LENGTH);
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
}

fn write_headers(response: &mut Response, id: Uuid) {
    let upgrade = response.status().is_informational();
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        headers.insert(REQUEST_ID, id);
    }
    if !upgrade {
        for (name, value) in SAFE_HEADERS {
            headers.entry(name).or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests;
