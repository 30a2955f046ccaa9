//! Input that is refused, over the whole way: always our form, never a framework's text, never a 5xx.

use http::{HeaderMap, Method, header};
use serde_json::{Value, json};

use crate::installation::{Installation, Proof};

async fn check(installation: &Installation, body: &str, expect: Value) {
    let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, "application/json".parse().unwrap())]);
    let answer = installation.send(Method::POST, "/api/auth/signup", headers, body).await;
    assert_eq!(answer.refused(400, "INVALID_INPUT")["details"]["fields"], expect, "{body}");
}

#[tokio::test]
async fn every_bad_field_is_named() {
    let installation = Installation::new().await;
    check(
        &installation,
        r#"{"email": 1, "name": null, "admin": true}"#,
        json!({"email": "must be a text", "name": "must be a text", "password": "is missing", "admin": "is not known"}),
    )
    .await;
    check(
        &installation,
        &json!({"email": "alice", "password": "short", "name": "\u{202e}"}).to_string(),
        json!({
            "email": "is an e-mail address of at most 254 bytes",
            "name": "is 1 to 80 visible characters",
            "password": "is 8 to 256 characters",
        }),
    )
    .await;
    check(&installation, "{", json!({"body": "is not JSON at line 1, column 1"})).await;
    check(&installation, "\u{feff}{}", json!({"body": "is not JSON at line 1, column 1"})).await;
    check(&installation, "null", json!({"body": "must be a JSON object"})).await;
}

#[tokio::test]
async fn a_body_of_another_kind_or_size_is_refused() {
    let installation = Installation::new().await;
    let send = |kind: &'static str, body: String| {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind.parse().unwrap())]);
        let installation = &installation;
        async move { installation.send(Method::POST, "/api/auth/login", headers, &body).await }
    };
    send("text/plain", "{}".to_owned()).await.refused(415, "UNSUPPORTED_MEDIA_TYPE");
    let long = json!({"email": "a".repeat(70_000), "password": "x"}).to_string();
    send("application/json", long).await.refused(413, "TOO_LARGE");
}

#[tokio::test]
async fn what_is_no_id_names_nothing() {
    let installation = Installation::new().await;
    let alice = installation.sign_up("alice").await;
    let session = installation.session(alice).await;
    for id in
        ["x", "0", "018f4c1e2b7a7c3d9e4f5a6b7c8d9e0f", "..%2f..", "%00", "%ff", "018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f"]
    {
        for path in ["/api/orgs/{}", "/api/orgs/{}/members", "/api/projects/{}"] {
            installation.get(&path.replace("{}", id), &session).await.refused(404, "NOT_FOUND");
        }
        for path in ["/api/api-keys/{}", "/api/pool/slots/{}/drain"] {
            let method = if path.ends_with("drain") { Method::POST } else { Method::DELETE };
            let answer = installation.ask(method, &path.replace("{}", id), &session, None).await;
            answer.refused(404, "NOT_FOUND");
        }
    }
}

#[tokio::test]
async fn a_method_that_is_not_there_says_which_are() {
    let installation = Installation::new().await;
    let answer = installation.ask(Method::PUT, "/api/orgs", &Proof::None, None).await;
    let allowed = answer.headers[header::ALLOW].to_str().unwrap().to_owned();
    answer.refused(405, "METHOD_NOT_ALLOWED");
    assert!(allowed.contains("GET") && allowed.contains("POST") && !allowed.contains("PUT"), "{allowed}");
}
