//! Commands about containers through the public face: who may give which, what is refused, and that what was answered is there
//! whatever happens next. No engine runs here: containers wait in `pending`.

use serde_json::{Value, json};

use crate::support::{Access, Clients, Peer, Response, Server, step1, wait_for};

/// Gives an event with a token, by the path form of the organization's address.
fn give(server: &Server, token: Option<&str>, project: &str, event: &Value) -> Response {
    let path = format!("/-/gw/org-{}/collab/event", server.org());
    let bearer = token.map(|token| format!("Bearer {token}"));
    let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
    server.request("POST", &path, &headers, Some(&json!({"project_id": project, "event": event})))
}

fn by(server: &Server, access: &Access, event: &Value) -> Response {
    give(server, Some(&access.token), &access.project, event)
}

fn list(server: &Server, access: &Access) -> Response {
    let path = format!("/-/gw/org-{}/collab/{}/containers", server.org(), access.project);
    server.request("GET", &path, &[("Authorization", &format!("Bearer {}", access.token))], None)
}

fn containers(server: &Server, access: &Access) -> Vec<Value> {
    list(server, access).expect(200).json()["containers"].as_array().expect("containers").clone()
}

fn new(name: &str) -> Value {
    json!({"type": "user-containers:new", "name": name, "image": "generic/busybox:1.36"})
}

fn about(kind: &str, id: &Value) -> Value {
    json!({"type": kind, "user_container_id": id})
}

fn create(server: &Server, access: &Access, name: &str) -> Value {
    by(server, access, &new(name)).expect(200).json()["result"]["user_container_id"].clone()
}

fn refused(response: Response, status: u16, code: &str) -> Value {
    let refusal = response.expect(status).json();
    assert_eq!(refusal["error"]["code"], code, "{refusal}");
    refusal["error"]["details"]["fields"].clone()
}

/// What a newcomer gets of `system`, as bytes.
fn system(access: &Access) -> Vec<u8> {
    let mut peer = Peer::join(access, "system", "");
    peer.send(step1(&[0]));
    peer.until_heard("step 2", |heard| heard.step2())
}

#[test]
fn a_container_is_answered_listed_and_seen_by_two_browsers() {
    let server = Server::start();
    let (alice, bob) = (server.access(), server.access_as("editor"));
    let clients = Clients::start();
    let readers = [clients.open("alice", &alice, "system"), clients.open("bob", &bob, "system")];
    let answer = by(&server, &alice, &new("My Notebook")).expect(200).json()["result"].clone();
    let id = answer["user_container_id"].as_str().expect("an id").to_owned();
    let url = answer["url"].as_str().expect("a URL");
    assert!(url.contains(&format!("{}.org-{}.localhost", id.replace('_', "-"), server.org())), "{url}");
    assert!(answer["slug"].as_str().expect("a slug").starts_with("my-notebook-"));
    for reader in &readers {
        wait_for("the container is seen", || reader.system().contains(&id).then_some(()));
        assert!(reader.system().contains("jupyter:minimal"), "what there is to choose from is there too");
    }
    let listed = containers(&server, &bob);
    assert_eq!((listed.len(), &listed[0]["id"]), (1, &Value::from(id.as_str())));
    assert_eq!((&listed[0]["status"]["phase"], &listed[0]["spec"]["desired"]), (&"pending".into(), &"running".into()));
    let id = Value::from(id);
    for (kind, phase) in [
        ("user-container:stop", "stopping"),
        ("user-container:stop", "stopping"),
        ("user-container:start", "stopping"),
        ("user-containers:delete", "stopping"),
    ] {
        by(&server, &alice, &about(kind, &id)).expect(200);
        assert_eq!(containers(&server, &alice)[0]["status"]["phase"], phase, "{kind}");
    }
    refused(by(&server, &alice, &about("user-container:start", &id)), 409, "CONFLICT");
}

#[test]
fn who_may_not_changes_no_byte() {
    let server = Server::start();
    let admin = server.access();
    let viewer = server.access_as("viewer");
    let stranger = server.person();
    let (org, project) = (server.org(), server.project());
    let theirs = stranger.org("Elsewhere");
    let abroad = stranger.open(&stranger.project(&theirs, "Theirs"));
    let id = create(&server, &admin, "one");
    let before = system(&admin);
    let commands = [
        new("two"),
        about("user-containers:delete", &id),
        about("user-container:start", &id),
        about("user-container:stop", &id),
        about("user-container:restart", &id),
        json!({"type": "user-containers:host", "user_container_id": id, "runner": "laptop"}),
    ];
    let own = [
        json!({"type": "user-container:watchdog"}),
        json!({"type": "user-container:map-http-service", "name": "web", "port": 80}),
        json!({"type": "user-containers:activity", "last_activity": "2026-11-21T08:00:00Z"}),
    ];
    for event in commands.iter().chain(&own) {
        refused(give(&server, None, project, event), 401, "AUTHENTICATION_FAILED");
        refused(give(&server, Some("nonsense"), project, event), 401, "AUTHENTICATION_FAILED");
        refused(give(&server, Some(&abroad.token), project, event), 404, "NOT_FOUND");
        refused(by(&server, &viewer, event), 403, "FORBIDDEN");
    }
    for event in &own {
        refused(by(&server, &admin, event), 403, "FORBIDDEN");
    }
    assert_eq!(system(&admin), before, "of {org}");
    assert_eq!(containers(&server, &viewer).len(), 1, "a viewer reads");
    refused(list(&server, &Access { token: abroad.token, ..admin }), 404, "NOT_FOUND");
}

#[test]
fn bad_input_names_its_field_and_removed_events_are_unknown() {
    let server = Server::start();
    let access = server.access();
    let id = create(&server, &access, "one");
    let before = system(&access);
    let changed = |changes: Value| {
        let mut event = new("x");
        changes.as_object().expect("fields").iter().for_each(|(key, value)| event[key] = value.clone());
        event
    };
    for (event, field) in [
        (changed(json!({"name": 7})), "name"),
        (changed(json!({"image": "no:such"})), "image"),
        (changed(json!({"image": "generic"})), "image"),
        (changed(json!({"env": {"ORRERY_TOKEN": "x"}})), "env.ORRERY_TOKEN"),
        (changed(json!({"limits": {"memory_mb": 1}})), "limits.memory_mb"),
        (changed(json!({"port": 0})), "port"),
        (changed(json!({"image": "jupyter:minimal", "port": 80})), "port"),
        (changed(json!({"volume": "v"})), "volume"),
        (about("user-container:start", &json!("uc_x")), "user_container_id"),
    ] {
        let fields = refused(by(&server, &access, &event), 400, "INVALID_INPUT");
        assert!(fields[field].is_string(), "{fields}");
    }
    for kind in ["servers:new", "user-containers:start", "user-containers:new-volume", "constructor"] {
        refused(by(&server, &access, &about(kind, &id)), 400, "UNKNOWN_COMMAND");
    }
    refused(by(&server, &access, &about("user-container:start", &json!("uc_0000000000000000"))), 404, "NOT_FOUND");
    assert_eq!(system(&access), before);
}

#[test]
fn what_was_answered_survives_a_kill_and_older_replicas_do_not() {
    let mut server = Server::start();
    let access = server.access();
    let id = create(&server, &access, "kept");
    let before = containers(&server, &access);
    let clients = Clients::start();
    let reader = clients.open("reader", &access, "system");
    wait_for("it is seen", || reader.system().contains(id.as_str().expect("an id")).then_some(()));
    server.kill();
    server.start_again();
    let access = server.access();
    assert_eq!(containers(&server, &access), before);
    wait_for("the old replica is refused", || reader.closes().contains(&4410).then_some(()));
    let again = clients.open("again", &access, "system");
    assert!(again.system().contains(id.as_str().expect("an id")));
}

#[test]
fn a_hot_swap_keeps_the_list() {
    let server = Server::start();
    let access = server.access();
    create(&server, &access, "kept");
    let before = containers(&server, &access);
    let slot = server.pool().into_iter().find(|slot| slot["state"] != "ready").expect("it is served");
    let number = slot["slot"].as_u64().expect("a slot");
    server.administrator().post(&format!("/api/pool/slots/{number}/drain"), json!({})).expect(200);
    let after = wait_for("it is served again", || {
        let answer = list(&server, &server.access());
        if answer.status == 200 { answer.json()["containers"].as_array().cloned() } else { None }
    });
    assert_eq!(after, before);
}

/// I5: a secret goes to its container and nowhere else.
#[test]
fn a_secret_is_found_nowhere() {
    const CANARY: &str = "canary-8d1f2c";
    let mut server = Server::with(&[("ORRERY_LOG_FILTER", "trace,hyper=info,h2=info")]);
    let access = server.access();
    let mut event = new("secretive");
    event["env"] = json!({"TOKEN": {"value": CANARY, "secret": true}, "PLAIN": "seen"});
    let answer = by(&server, &access, &event).expect(200);
    let mut bad = event.clone();
    bad["env"]["BAD-NAME"] = json!({"value": CANARY, "secret": true});
    let refusal = by(&server, &access, &bad).expect(400);
    let listed = list(&server, &access).expect(200).body;
    assert!(listed.contains("seen") && listed.contains("\"secret\":\"sec_"), "{listed}");
    let is_clean = |bytes: &[u8]| !bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
    assert!(is_clean(&system(&access)));
    assert!(server.terminate().success());
    for text in [answer.body, refusal.body, listed, server.log()] {
        assert!(is_clean(text.as_bytes()));
    }
    let mut folders = vec![server.data().to_owned()];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                assert!(is_clean(&std::fs::read(&path).expect("a file")), "{}", path.display());
            }
        }
    }
    assert!(files > 3, "{files} files were looked at");
}
