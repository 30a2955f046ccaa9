//! The browser client: one page for all of its paths, and the files that this page loads, as `make ui` left them in
//! `web/ui/dist` when the binary was compiled. Knows nothing of who is signed in; the client asks the API.

use std::borrow::Cow;

use axum::{
    body::Body,
    extract::Path,
    response::{IntoResponse, Response},
    routing::get,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use rust_embed::RustEmbed;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::error::ApiError;

/// The paths beside `/` and [`BOARD`] at which the client has a page, as `web/ui/src/router/paths.ts` reads them. Everything
/// else is the API's, whose refusals stay JSON.
const PAGES: [&str; 6] = ["/sign-in", "/sign-up", "/account", "/pool", "/orgs/{org}", "/orgs/{org}/members"];

/// Where boards are.
const BOARD: &str = "/projects/{project}/board";

/// Scripts come from files of ours alone. Styles may stand in the page because CodeMirror writes its themes as style
/// elements, and cursors of others carry their colour as an attribute.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

/// The page names its files by their content, so that they never change.
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Kept, but asked for again each time: it names the files of this version.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// Shown by a binary that was compiled without the client.
const MISSING: &str = include_str!("ui/missing.html");

#[derive(RustEmbed)]
#[folder = "ui/dist"]
#[exclude = ".gitignore"]
struct Files;

/// The client's pages and files. Of its pages, the description of the API names the first.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> OpenApiRouter<S> {
    let described = OpenApiRouter::new().routes(routes!(page)).routes(routes!(example));
    let pages = PAGES.iter().fold(described, |router, path| router.route(path, get(page)));
    pages.route(BOARD, get(board)).route("/assets/{file}", get(asset))
}

/// The browser client. A program that asks for JSON at the path of a page is wrong there.
#[utoipa::path(
    get,
    path = "/",
    operation_id = "client",
    tag = "pages",
    responses((status = 200, description = "the page", body = String, content_type = "text/html; charset=utf-8")),
    security(())
)]
pub(crate) async fn page(headers: HeaderMap) -> Result<Response, ApiError> {
    html("index.html", &headers)
}

/// The same page, which names what a board needs beside: browsers fetch it with the rest.
async fn board(headers: HeaderMap) -> Result<Response, ApiError> {
    html("board.html", &headers)
}

fn html(name: &str, headers: &HeaderMap) -> Result<Response, ApiError> {
    if !takes_html(headers) {
        return Err(ApiError::not_found());
    }
    let page = file(name, headers).unwrap_or_else(|| {
        let kind = HeaderValue::from_static("text/html; charset=utf-8");
        ([(header::CONTENT_TYPE, kind)], MISSING).into_response()
    });
    Ok(([(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, ASK_AGAIN)], page).into_response())
}

/// A file that the page loads.
async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, ApiError> {
    let file = file(&format!("assets/{name}"), &headers).ok_or_else(ApiError::not_found)?;
    Ok(([(header::CACHE_CONTROL, FOR_EVER)], file).into_response())
}

/// A program that shows how a stock Yjs client connects to a project's board.
#[utoipa::path(
    get,
    path = "/board.mjs",
    operation_id = "board_example",
    tag = "pages",
    responses((status = 200, description = "a program for Node.js", body = String, content_type = "text/javascript; charset=utf-8")),
    security(())
)]
async fn example() -> Response {
    let kind = HeaderValue::from_static("text/javascript; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], include_str!("../../examples/javascript/board.mjs")).into_response()
}

/// A file of the client, compressed as the browser likes best.
fn file(path: &str, headers: &HeaderMap) -> Option<Response> {
    let kind = (header::CONTENT_TYPE, kind(path)?);
    let vary = (header::VARY, HeaderValue::from_static("accept-encoding"));
    for (coding, ending) in [("br", "br"), ("gzip", "gz")] {
        if takes_coding(headers, coding)
            && let Some(file) = Files::get(&format!("{path}.{ending}"))
        {
            let coding = (header::CONTENT_ENCODING, HeaderValue::from_static(coding));
            return Some(response([kind, vary, coding], file.data));
        }
    }
    Some(response([kind, vary], Files::get(path)?.data))
}

fn response<const N: usize>(headers: [(HeaderName, HeaderValue); N], data: Cow<'static, [u8]>) -> Response {
    (headers, Body::from(data)).into_response()
}

/// The media type of the files that a build has; compressed ones are not asked for by name.
fn kind(path: &str) -> Option<HeaderValue> {
    let (_, ending) = path.rsplit_once('.')?;
    let kind = match ending {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "woff2" => "font/woff2",
        "md" | "txt" => "text/plain; charset=utf-8",
        _ => return None,
    };
    Some(HeaderValue::from_static(kind))
}

/// Whether an answer in HTML is welcome (RFC 9110, 12.5.1). Whoever says nothing takes everything.
fn takes_html(headers: &HeaderMap) -> bool {
    let mut kinds = list(headers, &header::ACCEPT).peekable();
    kinds.peek().is_none() || kinds.any(|(kind, _)| matches!(kind, "text/html" | "text/*" | "*/*"))
}

/// Whether a coding is named as welcome (RFC 9110, 12.5.3).
fn takes_coding(headers: &HeaderMap, coding: &str) -> bool {
    list(headers, &header::ACCEPT_ENCODING).any(|(name, weight)| name.eq_ignore_ascii_case(coding) && weight > 0.0)
}

/// What a header lists, each with its weight.
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = (&'a str, f32)> {
    let texts = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(|entry| {
        let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        let weight = parameters.split(';').find_map(|it| it.trim().strip_prefix("q=")?.parse().ok());
        (name.trim(), weight.unwrap_or(1.0))
    })
}

#[cfg(test)]
mod tests {
    use http::Request;
    use tower::ServiceExt;

    use super::*;

    async fn ask(path: &str, headers: &[(HeaderName, &str)]) -> Response {
        let request = headers.iter().fold(Request::get(path), |request, (name, value)| request.header(name, *value));
        axum::Router::from(routes::<()>()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    async fn check(path: &str, accept: &str, status: u16) {
        let response = ask(path, &[(header::ACCEPT, accept)]).await;
        assert_eq!(response.status().as_u16(), status, "{path} as {accept}");
        if status == 200 {
            let header = |name| response.headers().get(name).unwrap();
            assert_eq!(header(header::CONTENT_TYPE), "text/html; charset=utf-8");
            assert_eq!((header(header::CACHE_CONTROL), header(header::CONTENT_SECURITY_POLICY)), (&ASK_AGAIN, &POLICY));
        }
    }

    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

    #[tokio::test]
    async fn browsers_get_the_page_at_the_client_s_paths_alone() {
        for path in ["/", BOARD].into_iter().chain(PAGES) {
            let path = path.replace(['{', '}'], "");
            check(&path, BROWSER, 200).await;
            check(&path, "*/*", 200).await;
            check(&path, "application/json", 404).await;
        }
        for path in
            ["/orgs", "/projects/p", "/sign-in/x", "/assets", "/assets/none.js", "/assets/.gitignore", "/api/orgs"]
        {
            check(path, BROWSER, 404).await;
        }
    }

    #[tokio::test]
    async fn whatever_a_page_names_is_there() {
        for page in ["index.html", "board.html"].into_iter().filter_map(Files::get) {
            let html = String::from_utf8(page.data.into_owned()).unwrap();
            for name in html.split("\"/assets/").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert_eq!(ask(&format!("/assets/{name}"), &[]).await.status().as_u16(), 200, "{name}");
            }
        }
    }

    #[test]
    fn the_weight_of_a_coding_counts() {
        let takes = |value: &str, coding| {
            let headers = HeaderMap::from_iter([(header::ACCEPT_ENCODING, value.parse().unwrap())]);
            takes_coding(&headers, coding)
        };
        assert!(takes("gzip, deflate, br", "br") && takes("gzip;q=0.5, BR;q=0.1", "br"));
        assert!(!takes("gzip, br;q=0", "br") && !takes("gzip", "br") && !takes("", "br"));
        assert!(!takes_coding(&HeaderMap::new(), "br"));
    }

    #[tokio::test]
    async fn each_file_of_the_build_is_kept_for_ever_and_comes_compressed() {
        for path in Files::iter().filter(|path| path.starts_with("assets/") && kind(path).is_some()) {
            let plain = ask(&format!("/{path}"), &[]).await;
            assert_eq!((plain.status().as_u16(), &plain.headers()[header::CACHE_CONTROL]), (200, &FOR_EVER), "{path}");
            assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
            if Files::get(&format!("{path}.br")).is_some() {
                let small = ask(&format!("/{path}"), &[(header::ACCEPT_ENCODING, "gzip, br")]).await;
                assert_eq!(small.headers()[header::CONTENT_ENCODING], "br", "{path}");
            }
        }
    }
}
