//! The page at `/` until the browser client takes its place: says what runs here and how to connect. Static, without
//! script, so that its content security policy can forbid everything but its own style sheet.

use axum::response::{IntoResponse, Response};
use http::header;

const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) async fn page() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (headers, include_str!("start_page/start.html")).into_response()
}

pub(crate) async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")];
    (headers, include_str!("start_page/start.css")).into_response()
}
