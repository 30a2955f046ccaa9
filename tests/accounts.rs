//! People sign up, in and out; what they may see and do follows their roles, also on sockets that are open.

use serde_json::{Value, json};

use crate::support::{Clients, Person, Response, Server, wait_for};

fn login(server: &Server, email: &str, password: &str) -> Response {
    server.post("/api/auth/login", &json!({"email": email, "password": password}))
}

/// Everything but the request's id.
fn error(answer: &Response) -> Value {
    let mut error = answer.json()["error"].clone();
    error.as_object_mut().expect("an error").remove("request_id");
    error
}

#[test]
fn a_session_ends_when_its_owner_signs_out() {
    let server = Server::start();
    let person = server.administrator();
    let elsewhere = person.sign_in();
    assert_eq!(person.get("/api/auth/me").expect(200).json()["user"]["email"], person.email.as_str());
    person.post("/api/auth/logout", json!({})).expect(204);
    person.get("/api/auth/me").expect(401);
    elsewhere.get("/api/auth/me").expect(200);
}

#[test]
fn a_session_survives_a_kill() {
    let mut server = Server::start();
    let person = server.person();
    server.kill();
    server.start_again();
    person.get("/api/auth/me").expect(200);
}

#[test]
fn an_unknown_user_looks_like_a_wrong_password() {
    let server = Server::start();
    let known = server.administrator().email.clone();
    let wrong = login(&server, &known, "not the password").expect(401);
    let unknown = login(&server, "nobody@example.org", "not the password").expect(401);
    assert_eq!(error(&wrong), error(&unknown));
    assert_eq!(wrong.header("set-cookie"), None);
}

#[test]
fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
    let server = Server::start();
    let body = json!({"email": "cookie@example.org", "password": "a long password", "name": "Cookie"});
    let answer = server.post("/api/auth/signup", &body).expect(201);
    let cookie = answer.header("set-cookie").expect("a session");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"), "{cookie}");
    assert!(!cookie.contains("Domain"), "{cookie}");
    let value = cookie.split(';').next().expect("a cookie");
    let create = |origin: &str| {
        let headers = [("Cookie", value), ("Origin", origin)];
        server.request("POST", "/api/orgs", &headers, Some(&json!({"name": "Forged"})))
    };
    create("http://evil.example").expect(403);
    create(&format!("http://{}", server.address)).expect(201);
}

#[test]
fn the_first_account_is_the_administrator() {
    let server = Server::start();
    let me = |person: &Person| person.get("/api/auth/me").expect(200).json()["user"]["administrator"].clone();
    assert_eq!((me(server.administrator()), me(&server.person())), (true.into(), false.into()));
    server.person().get("/api/pool").expect(403);
}

#[test]
fn an_api_key_is_shown_once_and_can_be_taken_back() {
    let server = Server::start();
    let person = server.administrator();
    let created = person.post("/api/api-keys", json!({"name": "bot"})).expect(201).json();
    let key = created["key"].as_str().expect("a key");
    let bearer = format!("Bearer {key}");
    let with_key = || server.request("GET", "/api/auth/me", &[("Authorization", &bearer)], None);
    with_key().expect(200);
    let listed = person.get("/api/api-keys").expect(200);
    assert!(listed.body.contains("bot") && !listed.body.contains(key), "{}", listed.body);
    person.request("DELETE", &format!("/api/api-keys/{}", created["id"].as_str().expect("an id")), None).expect(204);
    with_key().expect(401);
}

#[test]
fn strangers_see_nothing_of_an_organization() {
    let server = Server::start();
    let (org, project, stranger) = (server.org(), server.project(), server.person());
    for path in
        [format!("/api/orgs/{org}/members"), format!("/api/orgs/{org}/projects"), format!("/api/projects/{project}")]
    {
        stranger.get(&path).expect(404);
        server.get(&path).expect(401);
    }
    stranger.post(&format!("/projects/{project}/start"), json!({})).expect(404);
    stranger.post("/gateway/start", json!({ "organization_id": org })).expect(404);
    assert_eq!(stranger.get("/api/orgs").expect(200).json()["orgs"], json!([]));
}

#[test]
fn who_is_removed_is_cut_off_and_does_not_come_back() {
    let server = Server::start();
    let clients = Clients::start();
    let (administrator, org, person) = (server.administrator(), server.org(), server.person());
    administrator.add_member(org, &person, "member");
    let stays = clients.open("stays", &server.access(), "board");
    let goes = clients.open("goes", &person.open(server.project()), "board");
    goes.write("while I could");
    stays.sees("while I could");
    administrator.request("DELETE", &format!("/api/orgs/{org}/members/{}", person.id), None).expect(204);
    goes.order("closedWith", json!({ "code": 4401 }));
    let url = format!("{}/{}/board?token={}", server.access().ws_url, server.project(), person.token());
    let refused = crate::support::Peer::connect(&url, None).err().expect("refused");
    assert_eq!(refused.status, 404);
    assert!(stays.closes().is_empty(), "others stay");
}

#[test]
fn a_new_role_holds_at_once() {
    let server = Server::start();
    let clients = Clients::start();
    let (administrator, org, project, person) =
        (server.administrator(), server.org(), server.project(), server.person());
    administrator.add_member(org, &person, "member");
    let theirs = clients.open("theirs", &person.open(project), "board");
    theirs.write("as an editor ");
    theirs.is_confirmed();
    administrator.set_project_role(project, &person, "viewer");
    theirs.order("closedWith", json!({ "code": 1012 }));
    theirs.is_synced();
    theirs.write("as a viewer");
    let reader = clients.open("reader", &server.access(), "board");
    reader.sees("as an editor ");
}

#[test]
fn projects_are_listed_without_a_gateway() {
    let server = Server::ganymede(&[]);
    let listed = server.administrator().get(&format!("/api/orgs/{}/projects", server.org())).expect(200).json();
    assert_eq!(listed["projects"].as_array().map(Vec::len), Some(1));
    let answer = server.administrator().post(&format!("/projects/{}/start", server.project()), json!({})).expect(503);
    assert_eq!(answer.json()["error"]["code"], "POOL_EXHAUSTED");
    assert!(answer.header("retry-after").is_some());
}

#[test]
fn nothing_secret_is_in_the_data_folder() {
    let mut server = Server::start();
    let key = server.administrator().api_key("bot");
    let secret = key.rsplit('_').next().expect("a secret").to_owned();
    wait_for("it stops", || Some(server.terminate()).filter(|status| status.success()));
    let mut folders = vec![server.data().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).expect("a file");
            for canary in [secret.as_bytes(), crate::support::PASSWORD.as_bytes()] {
                let found = bytes.windows(canary.len()).any(|window| window == canary);
                assert!(!found, "{} holds a secret", path.display());
            }
        }
    }
}
