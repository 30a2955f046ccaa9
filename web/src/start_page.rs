//! The page at `/` until the browser client takes its place: says what runs here and how to connect. Static, without
//! script, so that its content security policy can forbid everything but its own style sheet.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};

use crate::state::{EdgeConfig, ProcessState};

const POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page that says what runs here.
#[utoipa::path(
    get,
    path = "/",
    operation_id = "start_page",
    tag = "pages",
    responses((status = 200, description = "the page", body = String, content_type = "text/html; charset=utf-8")),
    security(())
)]
pub(crate) async fn page(State(process): State<ProcessState>, headers: HeaderMap) -> Response {
    let page = include_str!("start_page/start.html").replace("{here}", &here(&process.edge, &headers));
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (headers, page).into_response()
}

/// The address that the reader came by, so that what the page says can be copied. Only from a closed alphabet: the page is
/// not escaped.
fn here(edge: &EdgeConfig, headers: &HeaderMap) -> String {
    let plain = |host: &&str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-[]".contains(&b));
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).filter(plain);
    match (&edge.public_url, host) {
        (Some(url), _) => url.to_string(),
        (None, Some(host)) => format!("http://{host}"),
        (None, None) => "http://127.0.0.1:7000".to_owned(),
    }
}

/// The program that the page tells of: the stock client on a project's board.
#[utoipa::path(
    get,
    path = "/board.mjs",
    operation_id = "board_example",
    tag = "pages",
    responses((status = 200, description = "a program for Node.js", body = String, content_type = "text/javascript; charset=utf-8")),
    security(())
)]
pub(crate) async fn example() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")];
    (headers, include_str!("../../examples/javascript/board.mjs")).into_response()
}

/// How that page looks.
#[utoipa::path(
    get,
    path = "/start.css",
    operation_id = "start_page_style",
    tag = "pages",
    responses((status = 200, description = "a style sheet", body = String, content_type = "text/css; charset=utf-8")),
    security(())
)]
pub(crate) async fn style() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/css; charset=utf-8"), (header::CACHE_CONTROL, "max-age=300")];
    (headers, include_str!("start_page/start.css")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_names_the_address_it_was_reached_by() {
        let edge = EdgeConfig::default();
        let from = |host: &str| {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            here(&edge, &headers)
        };
        assert_eq!(from("laptop.lan:7000"), "http://laptop.lan:7000");
        assert_eq!(from("[::1]:7000"), "http://[::1]:7000");
        assert_eq!(from("<script>"), "http://127.0.0.1:7000");
        let public = EdgeConfig { public_url: Some("https://team.example".parse().unwrap()), ..EdgeConfig::default() };
        assert_eq!(here(&public, &HeaderMap::new()), "https://team.example");
    }
}
