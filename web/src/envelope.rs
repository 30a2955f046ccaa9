//! What every request gets, whatever its route: an id, a time limit, a body limit, an address, safe headers, the error
//! body, and one line in the log. Knows no route.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use tokio::time::{Instant, timeout};
use tower::ServiceExt;
use uuid::Uuid;

use crate::{
    address::{Address, OrgHint},
    dispatch::Dispatch,
    error::{ApiError, ErrorCode},
    front::{Notice, wants_page},
    internal,
    proxy::Forwarded,
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

/// The id of a request, in its extensions, in its answer's `x-request-id` and in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(pub Uuid);

/// In the extensions of an answer that is a page for people, refusal or not: no error body takes its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page;

/// All routes behind one listening address. Cheap to clone.
#[derive(Clone)]
pub struct Site {
    bare: Router,
    gateways: Dispatch,
    edge: Arc<EdgeConfig>,
}

impl Site {
    /// `bare` answers on the process's own host; `gateways` on an organization's host or path prefix.
    pub fn new(bare: Router, gateways: impl Into<Dispatch>, edge: Arc<EdgeConfig>) -> Self {
        Self { bare, gateways: gateways.into(), edge }
    }

    /// The edge's configuration.
    pub fn edge(&self) -> &EdgeConfig {
        &self.edge
    }

    /// Answers one request, always.
    pub async fn answer(&self, mut request: Request) -> Response {
        let id = Uuid::now_v7();
        let started = Instant::now();
        request.extensions_mut().insert(RequestId(id));
        let method = request.method().clone();
        // The query is never logged: it holds tokens.
        let path = request.uri().path().to_owned();
        let address = self.address(&request);
        // How long a container takes to answer is between it and who asks.
        let bounded = !matches!(address, Address::Container(_));
        let limit = Duration::from_millis(self.edge.limits.request_timeout_ms);
        let routed = AssertUnwindSafe(self.route(address, request)).catch_unwind();
        let routed = async { if bounded { timeout(limit, routed).await } else { Ok(routed.await) } };
        let mut response = match routed.await {
            Ok(Ok(response)) => response,
            Ok(Err(_panic)) => {
                tracing::error!(request_id = %id, %method, path, "a request panicked");
                ApiError::new(ErrorCode::Internal, "something went wrong on our side").into_response()
            }
            Err(_elapsed) => {
                ApiError::new(ErrorCode::Unavailable("TIMED_OUT"), "no answer in time").retry_after(1).into_response()
            }
        };
        // What another process answered is whole: its own status, headers and request id.
        if response.extensions().get::<Forwarded>().is_none() {
            if response.extensions().get::<Page>().is_none() {
                write_error_body(&mut response, id);
            }
            write_headers(&mut response, id);
        }
        let (status, took) = (response.status().as_u16(), started.elapsed());
        metrics::counter!("orrery_http_requests_total", "status" => status.to_string()).increment(1);
        metrics::histogram!("orrery_http_request_seconds").record(took);
        tracing::debug!(request_id = %id, %method, path, status, took_us = took.as_micros(), "answered");
        response
    }

    fn address(&self, request: &Request) -> Address {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let host = host.or(request.uri().authority().map(|authority| authority.as_str()));
        Address::of(host, request.uri(), &self.edge.domain)
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
            Address::Container(host) => self.gateways.answer_container(&host, request).await,
            Address::Unknown => unknown(&request),
        }
    }

    fn is_too_large(&self, address: &Address, request: &Request) -> bool {
        let limits = &self.edge.limits;
        let documents = *address == Address::Bare && request.uri().path().starts_with(internal::DATA_PREFIX);
        let bytes_max = if documents { limits.data_bytes_max } else { limits.body_bytes_max };
        claimed_length(request.headers()) > bytes_max as u64
    }
}

fn unknown(request: &Request) -> Response {
    let notice = Notice::of(ApiError::not_found());
    if wants_page(request.method(), request.headers()) { notice.page() } else { notice.error() }
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
