//! Signing up, in and out; sessions, API keys and access tokens as proofs.

use http::{HeaderMap, Method, header};
use orrery_ganymede::people::{NewKey, Scope};
use serde_json::{Value, json};

use crate::installation::{Answer, Installation, PASSWORD, Proof};

/// What a browser does with `Set-Cookie`: the cookie it sends from then on, and its attributes.
fn cookie(answer: &Answer) -> (Proof, String) {
    let set = answer.headers[header::SET_COOKIE].to_str().unwrap();
    let (cookie, attributes) = set.split_once("; ").unwrap();
    (Proof::Cookie(cookie.to_owned()), attributes.to_owned())
}

#[tokio::test]
async fn signing_up_signs_in_and_signing_out_ends_it() {
    let installation = Installation::new().await;
    let form = json!({"email": " Alice@Example.ORG", "password": PASSWORD, "name": "Alice"});
    let signed_up = installation.post("/api/auth/signup", &Proof::None, &form).await.expect(201);
    let user = &signed_up.json()["user"];
    assert_eq!((&user["email"], &user["name"]), (&json!("alice@example.org"), &json!("Alice")));
    assert_eq!(user["administrator"], json!(true), "the first account");
    assert!(user["created_at"].as_str().unwrap().ends_with('Z'));
    assert!(!signed_up.body.contains(PASSWORD));

    let (session, attributes) = cookie(&signed_up);
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Path=/; Max-Age=7776000");
    let me = installation.get("/api/auth/me", &session).await.expect(200);
    assert_eq!(me.json()["user"], *user);

    let out = installation.post("/api/auth/logout", &session, &json!({})).await.expect(204);
    assert_eq!(out.headers[header::SET_COOKIE], "orrery_session=; HttpOnly; SameSite=Lax; Path=/; Max-Age=0");
    installation.get("/api/auth/me", &session).await.refused(401, "AUTHENTICATION_FAILED");
    installation.post("/api/auth/logout", &session, &json!({})).await.expect(204);
}

#[tokio::test]
async fn over_tls_the_cookie_belongs_to_this_host_alone() {
    let installation = Installation::at("https://orrery.example").await;
    let form = json!({"email": "alice@example.org", "password": PASSWORD, "name": "Alice"});
    let (session, attributes) = cookie(&installation.post("/api/auth/signup", &Proof::None, &form).await.expect(201));
    assert!(attributes.ends_with("; Path=/; Max-Age=7776000; Secure") && !attributes.contains("Domain"));
    let Proof::Cookie(text) = &session else { panic!("no cookie") };
    installation.get("/api/auth/me", &session).await.expect(200);
    let secret = text.strip_prefix("__Host-orrery_session=").expect("the prefix that browsers guard");
    let planted = Proof::Cookie(format!("orrery_session={secret}"));
    installation.get("/api/auth/me", &planted).await.refused(401, "AUTHENTICATION_FAILED");
}

#[tokio::test]
async fn a_planted_cookie_beside_ours_signs_nobody_out() {
    let installation = Installation::new().await;
    let alice = installation.sign_up("alice").await;
    let Proof::Cookie(ours) = installation.session(alice).await else { panic!("no cookie") };
    let both = Proof::Cookie(format!("orrery_session=planted; theme=dark; {ours}"));
    installation.get("/api/auth/me", &both).await.expect(200);
}

#[tokio::test]
async fn an_unknown_account_and_a_wrong_password_look_the_same() {
    let installation = Installation::new().await;
    installation.sign_up("alice").await;
    let mut answers = Vec::new();
    for (email, password) in [("alice@example.org", "not her password"), ("nobody@example.org", PASSWORD)] {
        let form = json!({"email": email, "password": password});
        let answer = installation.post("/api/auth/login", &Proof::None, &form).await;
        assert!(answer.headers.get(header::SET_COOKIE).is_none());
        let mut body = answer.refused(401, "AUTHENTICATION_FAILED");
        body["request_id"] = json!(null);
        answers.push(body);
    }
    assert_eq!(answers[0], answers[1]);
    let form = json!({"email": "ALICE@example.org ", "password": PASSWORD});
    installation.post("/api/auth/login", &Proof::None, &form).await.expect(200);
}

#[tokio::test]
async fn an_address_has_one_account() {
    let installation = Installation::new().await;
    installation.sign_up("alice").await;
    let form = json!({"email": "Alice@example.org", "password": PASSWORD, "name": "Mallory"});
    installation.post("/api/auth/signup", &Proof::None, &form).await.refused(409, "CONFLICT");
}

#[tokio::test]
async fn another_password_ends_every_session_but_the_new_one() {
    let installation = Installation::new().await;
    let alice = installation.sign_up("alice").await;
    let (here, elsewhere) = (installation.session(alice).await, installation.session(alice).await);
    let change = async |old: &str, new: &str| {
        let form = json!({"password": old, "new_password": new});
        installation.post("/api/auth/password", &here, &form).await
    };
    change("not her password", "another password").await.refused(403, "FORBIDDEN");
    let short = change(PASSWORD, "short").await.refused(400, "INVALID_INPUT");
    assert_eq!(short["details"]["fields"], json!({"new_password": "is 8 to 256 characters"}));
    installation.get("/api/auth/me", &elsewhere).await.expect(200);
    let (anew, _) = cookie(&change(PASSWORD, "another password").await.expect(200));
    for over in [&here, &elsewhere] {
        installation.get("/api/auth/me", over).await.refused(401, "AUTHENTICATION_FAILED");
    }
    installation.get("/api/auth/me", &anew).await.expect(200);
    let form = json!({"email": "alice@example.org", "password": PASSWORD});
    installation.post("/api/auth/login", &Proof::None, &form).await.refused(401, "AUTHENTICATION_FAILED");
}

#[tokio::test]
async fn a_key_is_shown_once_and_opens_what_its_scopes_say() {
    let installation = Installation::new().await;
    let alice = installation.sign_up("alice").await;
    let session = installation.session(alice).await;
    let form = json!({"name": "reader", "scopes": ["read"]});
    let created = installation.post("/api/api-keys", &session, &form).await.expect(201).json();
    let key = Proof::Bearer(created["key"].as_str().unwrap().to_owned());
    assert_eq!(created["scopes"], json!(["read"]));

    let listed = installation.get("/api/api-keys", &session).await.expect(200);
    assert!(!listed.body.contains(created["key"].as_str().unwrap()), "shown once");
    assert_eq!(listed.json()["api_keys"][0]["id"], created["id"]);

    installation.get("/api/orgs", &key).await.expect(200);
    installation.post("/api/orgs", &key, &json!({"name": "Moons"})).await.refused(403, "FORBIDDEN");
    let everything = installation.post("/api/api-keys", &session, &json!({"name": "all"})).await.expect(201).json();
    assert_eq!(everything["scopes"], json!(["read", "write", "admin"]));

    let path = format!("/api/api-keys/{}", created["id"].as_str().unwrap());
    installation.ask(Method::DELETE, &path, &session, None).await.expect(204);
    installation.ask(Method::DELETE, &path, &session, None).await.refused(404, "NOT_FOUND");
    installation.get("/api/orgs", &key).await.refused(401, "AUTHENTICATION_FAILED");
}

#[tokio::test]
async fn a_key_opens_nothing_from_the_time_on_that_was_asked_for() {
    let installation = Installation::new().await;
    let alice = installation.sign_up("alice").await;
    let session = installation.session(alice).await;
    let make = |expires_at: Value| {
        let (installation, session) = (&installation, &session);
        let form = json!({"name": "export", "expires_at": expires_at});
        async move { installation.post("/api/api-keys", session, &form).await }
    };
    let created = make(json!("9000-01-01T02:00:00+02:00")).await.expect(201).json();
    assert_eq!(created["expires_at"], json!("9000-01-01T00:00:00Z"));
    let key = Proof::Bearer(created["key"].as_str().unwrap().to_owned());
    installation.get("/api/orgs", &key).await.expect(200);
    assert_eq!(make(Value::Null).await.expect(201).json()["expires_at"], Value::Null, "never");

    for (bad, problem) in [
        (json!("2020-01-01T00:00:00Z"), "must lie in the future"),
        (json!("1960-01-01T00:00:00Z"), "must lie in the future"),
        (json!("in 90 days"), "is a time in ISO 8601, such as 2030-12-31T12:00:00Z"),
        (json!(90), "must be a text"),
    ] {
        let refused = make(bad).await.refused(400, "INVALID_INPUT");
        assert_eq!(refused["details"]["fields"], json!({ "expires_at": problem }));
    }

    // One whose time is over.
    let scopes = [Scope::Read].into_iter().collect();
    let new = NewKey { name: "over".to_owned(), scopes, expires_at_ms: Some(2) };
    let (_, over) = installation.people.create_key(1, alice, new).await.unwrap();
    let over = Proof::Bearer(over.expose().to_owned());
    installation.get("/api/orgs", &over).await.refused(401, "AUTHENTICATION_FAILED");
    let listed = installation.get("/api/api-keys", &session).await.expect(200).json();
    assert_eq!(listed["api_keys"][0]["expires_at"], json!("1970-01-01T00:00:00.002Z"), "{listed}");
}

#[tokio::test]
async fn somebody_sees_where_they_are_signed_in_and_ends_it() {
    let installation = Installation::new().await;
    let alice = installation.sign_up("alice").await;
    let (here, there) = (installation.session(alice).await, installation.session(alice).await);
    let listed = installation.get("/api/auth/sessions", &here).await.expect(200).json();
    let sessions = listed["sessions"].as_array().unwrap();
    let current: Vec<bool> = sessions.iter().map(|session| session["current"].as_bool().unwrap()).collect();
    assert_eq!(current.iter().filter(|current| **current).count(), 1, "{listed}");
    let other = sessions.iter().find(|session| session["current"] == false).unwrap();
    let path = format!("/api/auth/sessions/{}", other["id"].as_str().unwrap());
    let bob = installation.session(installation.sign_up("bob").await).await;
    installation.ask(Method::DELETE, &path, &bob, None).await.refused(404, "NOT_FOUND");
    installation.ask(Method::DELETE, &path, &here, None).await.expect(204);
    installation.get("/api/auth/me", &there).await.refused(401, "AUTHENTICATION_FAILED");
    let third = installation.session(alice).await;
    installation.ask(Method::DELETE, "/api/auth/sessions", &here, None).await.expect(204);
    installation.get("/api/auth/me", &third).await.refused(401, "AUTHENTICATION_FAILED");
    installation.get("/api/auth/me", &here).await.expect(200);
}

#[tokio::test]
async fn an_account_is_deleted_by_whoever_knows_its_password() {
    let installation = Installation::new().await;
    installation.sign_up("administrator").await;
    let alice = installation.sign_up("alice").await;
    let session = installation.session(alice).await;
    let key = installation.key(alice, [Scope::Read, Scope::Write, Scope::Admin]).await;
    let delete = |proof, password| {
        let (installation, body) = (&installation, json!({ "password": password }));
        async move { installation.ask(Method::DELETE, "/api/auth/me", proof, Some(&body)).await }
    };
    delete(&key, PASSWORD).await.refused(403, "FORBIDDEN");
    delete(&session, "another password").await.refused(403, "FORBIDDEN");
    let org = installation.post("/api/orgs", &session, &json!({"name": "Moons"})).await.expect(201).json();
    delete(&session, PASSWORD).await.refused(409, "CONFLICT");
    let path = format!("/api/orgs/{}", org["org"]["id"].as_str().unwrap());
    installation.ask(Method::DELETE, &path, &session, None).await.expect(204);
    installation.get(&path, &session).await.refused(404, "NOT_FOUND");
    let gone = delete(&session, PASSWORD).await.expect(204);
    assert!(gone.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
    installation.get("/api/auth/me", &session).await.refused(401, "AUTHENTICATION_FAILED");
    installation.get("/api/auth/me", &key).await.refused(401, "AUTHENTICATION_FAILED");
}

#[tokio::test]
async fn a_key_of_somebody_else_is_not_there() {
    let installation = Installation::new().await;
    let (alice, bob) = (installation.sign_up("alice").await, installation.sign_up("bob").await);
    installation.key(alice, [Scope::Read]).await;
    let id = installation.people.api_keys(alice).await.unwrap()[0].id.to_string();
    let path = format!("/api/api-keys/{id}");
    installation.ask(Method::DELETE, &path, &installation.session(bob).await, None).await.refused(404, "NOT_FOUND");
    assert_eq!(installation.people.api_keys(alice).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_access_token_asks_for_its_user_but_makes_no_credentials() {
    let installation = Installation::new().await;
    let alice = installation.sign_up("alice").await;
    let session = installation.session(alice).await;
    let answer = installation.post("/api/auth/token", &session, &json!({})).await.expect(200).json();
    assert_eq!(answer["expires_in"], json!(60), "as the installation says");
    let token = Proof::Bearer(answer["access_token"].as_str().unwrap().to_owned());
    assert_eq!(installation.get("/api/auth/me", &token).await.expect(200).json()["user"]["name"], json!("alice"));
    installation.post("/api/orgs", &token, &json!({"name": "Moons"})).await.expect(201);
    installation.post("/api/auth/token", &token, &json!({})).await.refused(403, "FORBIDDEN");
    installation.post("/api/api-keys", &token, &json!({"name": "mine"})).await.refused(403, "FORBIDDEN");
}

#[tokio::test]
async fn an_access_token_manages_no_more_than_the_key_that_got_it() {
    let installation = Installation::new().await;
    // The first account is the administrator.
    let alice = installation.sign_up("alice").await;
    let create = json!({"name": "Moons"});
    let org = installation.post("/api/orgs", &installation.session(alice).await, &create).await.expect(201).json();
    let org = format!("/api/orgs/{}", org["org"]["id"].as_str().unwrap());
    for (scopes, status) in [(vec![Scope::Write], 403), (vec![Scope::Write, Scope::Admin], 200)] {
        let key = installation.key(alice, scopes).await;
        let answer = installation.post("/api/auth/token", &key, &json!({})).await.expect(200).json();
        let token = Proof::Bearer(answer["access_token"].as_str().unwrap().to_owned());
        installation.post(&format!("{org}/projects"), &token, &json!({"name": "Io"})).await.expect(201);
        installation.ask(Method::PATCH, &org, &token, Some(&create)).await.expect(status);
        installation.get("/api/pool", &token).await.expect(status);
    }
}

#[tokio::test]
async fn what_proves_nothing_is_refused() {
    let installation = Installation::new().await;
    let alice = installation.sign_up("alice").await;
    let session = installation.session(alice).await;
    for text in ["", "ok_0123456789abcdef_x", "ok_", "eyJhbGciOiJub25lIn0.e30.", "x", "ä"] {
        let answer = installation.get("/api/auth/me", &Proof::Bearer(text.to_owned())).await;
        answer.refused(401, "AUTHENTICATION_FAILED");
    }
    // A browser never adds `Authorization` by itself: whoever sends a bad one does not mean the cookie.
    let Proof::Cookie(cookie) = session else { panic!("no cookie") };
    let mut headers = HeaderMap::from_iter([(header::COOKIE, cookie.parse().unwrap())]);
    headers.insert(header::AUTHORIZATION, "Basic YWxpY2U6cGFzc3dvcmQ=".parse().unwrap());
    let answer = installation.send(Method::GET, "/api/auth/me", headers, "").await;
    answer.refused(401, "AUTHENTICATION_FAILED");
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    let installation = Installation::new().await;
    let alice = installation.sign_up("alice").await;
    let Proof::Cookie(cookie) = installation.session(alice).await else { panic!("no cookie") };
    let from = |origin: &str| {
        let json = "application/json".parse().unwrap();
        let headers = [(header::COOKIE, cookie.parse().unwrap()), (header::CONTENT_TYPE, json)];
        let mut headers = HeaderMap::from_iter(headers);
        headers.insert(header::ORIGIN, origin.parse().unwrap());
        headers
    };
    let create = |origin| installation.send(Method::POST, "/api/orgs", from(origin), r#"{"name": "Moons"}"#);
    for origin in ["http://evil.test", "http://uc-x.org-y.localhost:7000", "null"] {
        create(origin).await.refused(403, "FORBIDDEN");
    }
    create("http://localhost:7000").await.expect(201);
    installation.send(Method::GET, "/api/orgs", from("http://evil.test"), "").await.expect(200);
    let form = json!({"email": "alice@example.org", "password": PASSWORD}).to_string();
    let mut headers = from("http://evil.test");
    headers.remove(header::COOKIE);
    let foreign = installation.send(Method::POST, "/api/auth/login", headers, &form).await;
    foreign.refused(403, "FORBIDDEN");
}

#[tokio::test]
async fn the_key_set_is_public() {
    let installation = Installation::new().await;
    let keys = installation.get("/.well-known/jwks.json", &Proof::None).await.expect(200).json();
    assert_eq!(keys["keys"][0]["crv"], json!("Ed25519"));
}
