use std::collections::BTreeMap;

use async_trait::async_trait;
use axum::{
    extract::Query,
    routing::{get, post},
};
use http::Method;
use http_body_util::BodyExt;
use metrics_exporter_prometheus::PrometheusBuilder;
use serde_json::Value;

use crate::{
    health::{self, Part, Parts, Status},
    limits::HttpLimits,
    metrics as figures,
    routes::finish,
    state::ProcessState,
    ui,
};

use super::*;

const ORG: &str = "018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f";

struct Fixed(Status);

#[async_trait]
impl Parts for Fixed {
    async fn parts(&self) -> BTreeMap<&'static str, Part> {
        BTreeMap::from([
            ("gateway", Part { status: Status::Ok, detail: String::new() }),
            ("store", Part { status: self.0, detail: "as the test says".to_owned() }),
        ])
    }
}

fn edge() -> Arc<EdgeConfig> {
    let limits = HttpLimits { request_timeout_ms: 50, body_bytes_max: 10, ..HttpLimits::default() };
    Arc::new(EdgeConfig { limits, ..EdgeConfig::default() })
}

/// A process whose own routes are these, and that serves every organization.
fn site(store: Status) -> Site {
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    let state = ProcessState { edge: edge(), parts: Arc::new(Fixed(store)), metrics };
    let own = Router::new()
        .route("/", get(ui::page))
        .route("/api/health", get(health::show))
        .route("/metrics", get(figures::show))
        .with_state(state);
    let gateway = Router::new().route("/collab/ping", get(async || "pong"));
    Site::new(finish(own), finish(gateway), edge())
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

async fn ask(site: &Site, method: Method, host: &str, path: &str, body: &'static str) -> Answer {
    let request = Request::builder().method(method).uri(path).header(header::HOST, host);
    let request = request.header(header::CONTENT_LENGTH, body.len()).body(Body::from(body)).unwrap();
    let (head, body) = site.answer(request).await.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

async fn get_bare(site: &Site, path: &str) -> Answer {
    ask(site, Method::GET, "localhost:7000", path, "").await
}

/// The status and, for a refusal, its code.
async fn check(site: &Site, method: Method, host: &str, path: &str, expect: (u16, &str)) {
    let answer = ask(site, method, host, path, "").await;
    let code = if answer.status < 400 { Value::Null } else { answer.json()["error"]["code"].clone() };
    assert_eq!((answer.status, code.as_str().unwrap_or("")), expect, "{host}{path}");
}

#[tokio::test]
async fn each_address_has_its_own_routes() {
    let site = site(Status::Ok);
    let (bare, org_host) = ("localhost:7000", format!("org-{ORG}.localhost:7000"));
    let not_found = (404, "NOT_FOUND");
    for path in ["/", "/api/health", "/metrics"] {
        check(&site, Method::GET, bare, path, (200, "")).await;
    }
    check(&site, Method::GET, &org_host, "/collab/ping", (200, "")).await;
    check(&site, Method::GET, bare, &format!("/-/gw/org-{ORG}/collab/ping"), (200, "")).await;
    for path in ["/", "/api/health", "/metrics"] {
        check(&site, Method::GET, &org_host, path, not_found).await;
        check(&site, Method::GET, bare, &format!("/-/gw/org-{ORG}{path}"), not_found).await;
    }
    for path in ["/favicon.ico", "/api", "/api/health/", "/collab", "/-/gw/org-1/collab/ping", "/..%2fetc"] {
        check(&site, Method::GET, bare, path, not_found).await;
    }
    check(&site, Method::GET, "grafana.localhost", "/api/health", not_found).await;
    check(&site, Method::POST, bare, "/api/health", (405, "METHOD_NOT_ALLOWED")).await;
}

#[tokio::test]
async fn a_refusal_carries_the_request_s_id_and_nothing_of_ours() {
    let answer = get_bare(&site(Status::Ok), "/nowhere?token=s3cret").await;
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
    assert_eq!(answer.json()["error"]["request_id"].as_str().unwrap(), answer.headers[REQUEST_ID]);
    assert!(!answer.body.contains("s3cret"));
}

#[tokio::test]
async fn health_is_the_worst_part() {
    for (store, code, word) in
        [(Status::Ok, 200, "ok"), (Status::Degraded, 503, "degraded"), (Status::Down, 503, "down")]
    {
        let answer = get_bare(&site(store), "/api/health").await;
        assert_eq!((answer.status, &answer.json()["status"]), (code, &Value::from(word)));
        assert_eq!(answer.json()["parts"]["store"]["status"], word);
        assert_eq!(answer.json()["parts"]["gateway"]["status"], "ok");
    }
}

#[tokio::test]
async fn every_answer_has_safe_headers() {
    let site = site(Status::Ok);
    for path in ["/", "/api/health", "/nowhere"] {
        let answer = get_bare(&site, path).await;
        for (name, _) in SAFE_HEADERS {
            assert!(answer.headers.contains_key(&name), "{path} {name}");
        }
        assert!(answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'"));
    }
    let page = get_bare(&site, "/").await;
    let inline = page.body.split("<script").skip(1).any(|script| !script.split('>').next().unwrap().contains("src="));
    assert!(!inline, "the policy would block a script that stands in the page");
}

/// A site whose one route does `what`.
fn only(what: axum::routing::MethodRouter) -> Site {
    Site::new(Router::new().route("/", what), Router::new(), edge())
}

#[tokio::test]
async fn a_panic_is_an_internal_error_without_its_message() {
    async fn panics() -> Response {
        panic!("s3cret")
    }
    let answer = get_bare(&only(get(panics)), "/").await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (500, &Value::from("INTERNAL")));
    assert!(!answer.body.contains("s3cret"));
}

#[tokio::test]
async fn a_request_without_an_answer_ends() {
    let answer = get_bare(&only(get(std::future::pending::<Response>)), "/").await;
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (503, &Value::from("TIMED_OUT")));
}

#[tokio::test]
async fn a_large_body_is_refused_before_it_is_read() {
    let site = only(post(async |body: String| body));
    let fits = ask(&site, Method::POST, "localhost", "/", "0123456789").await;
    assert_eq!((fits.status, fits.body.as_str()), (200, "0123456789"));
    let large = ask(&site, Method::POST, "localhost", "/", "0123456789a").await;
    assert_eq!((large.status, &large.json()["error"]["code"]), (413, &Value::from("TOO_LARGE")));
}

#[tokio::test]
async fn what_gateways_keep_may_be_larger() {
    let site = Site::new(Router::new().fallback(async |body: String| body), Router::new(), edge());
    let body = "0123456789a";
    for path in ["/gateway/data/push", "/gateway/notes/push"] {
        let kept = ask(&site, Method::POST, "localhost", path, body).await;
        assert_eq!((kept.status, kept.body.as_str()), (200, body), "{path}");
    }
    for path in ["/gateway/lease", "/gateway/notes"] {
        assert_eq!(ask(&site, Method::POST, "localhost", path, body).await.status, 413, "{path}");
    }
}

#[tokio::test]
async fn a_refusal_by_the_framework_has_our_form_too() {
    let site = only(post(async |_: Query<Vec<(u8, u8)>>, body: String| body));
    let bad = ask(&site, Method::POST, "localhost", "/?a=b", "").await;
    assert_eq!((bad.status, &bad.json()["error"]["code"]), (400, &Value::from("INVALID_INPUT")));
    let site = only(get(async || axum::http::StatusCode::BAD_GATEWAY));
    let odd = get_bare(&site, "/").await;
    assert_eq!((odd.status, &odd.json()["error"]["code"]), (500, &Value::from("INTERNAL")));
}
