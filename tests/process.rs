//! A process like any other: exit codes, signals, one line on what is wrong, and answers to whoever watches it.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt, symlink},
    process::Output,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{Peer, Server, Starting, run, step1, wait_for};

/// The one line that a failed command leaves.
fn complaint(output: &Output, code: i32) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{text}");
    let mut lines = text.lines().filter(|line| line.starts_with("orrery: "));
    let line = lines.next().unwrap_or_else(|| panic!("no complaint in {text:?}")).to_owned();
    assert_eq!(lines.next(), None, "one line");
    line
}

#[test]
fn sigterm_closes_peers_with_1012_and_exits_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start();
        let mut peer = Peer::join(&server.access(), "board", "");
        peer.fetch();
        server.signal(signal);
        assert_eq!(peer.close_code(), 1012);
        assert_eq!(server.ended().code(), Some(0));
    }
}

/// What each of them needs first is there and says nothing: a data base, or a control plane.
#[test]
fn whoever_is_stopped_before_it_serves_ends_well() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    silent.set_nonblocking(true).expect("a listener");
    let address = silent.local_addr().expect("a port");
    let (database, url) = (format!("postgres://u:p@{address}/orrery"), format!("http://{address}"));
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let data = data.to_str().expect("text");
    assert!(run(&["keys", "create", "--data", data], &[]).status.success());
    let of_ganymede = [("ORRERY_DATABASE", database.as_str())];
    let of_gateway = [("ORRERY_GATEWAY_GANYMEDE_URL", url.as_str()), ("ORRERY_GATEWAY_TOKEN", "token")];
    let roles = [("up", &of_ganymede[..]), ("ganymede", &of_ganymede), ("gateway", &of_gateway)];
    for signal in [Signal::TERM, Signal::INT] {
        for (role, environment) in roles {
            let starting = Starting::begin(&[role, "--data", data, "--listen", "127.0.0.1:0"], environment);
            let _asked = wait_for("it asks", || silent.accept().ok());
            let ended = starting.stop(signal);
            let log = String::from_utf8_lossy(&ended.stderr);
            assert_eq!((ended.status.code(), ended.stdout.len()), (Some(0), 0), "{role}, {signal:?}: {log}");
        }
    }
}

/// Organizations are to be served again, and the name server that is to know them says nothing.
#[test]
fn a_server_that_is_stopped_while_it_brings_gateways_back_announces_nothing() {
    let mut server = Server::start();
    server.access();
    assert_eq!(server.terminate().code(), Some(0));
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    silent.set_nonblocking(true).expect("a listener");
    let url = format!("http://{}", silent.local_addr().expect("a port"));
    let names = [
        ("ORRERY_DOMAIN", "team.example"),
        ("ORRERY_DNS_URL", url.as_str()),
        ("ORRERY_DNS_API_TOKEN", "token"),
        ("ORRERY_DNS_ADDRESS", "192.0.2.7"),
        ("ORRERY_ENGINE_ENABLED", "off"),
    ];
    let data = server.data().to_str().expect("text");
    let starting = Starting::begin(&["up", "--data", data, "--listen", "127.0.0.1:0"], &names);
    let _asked = wait_for("it asks", || silent.accept().ok());
    let ended = starting.stop(Signal::TERM);
    let log = String::from_utf8_lossy(&ended.stderr);
    assert_eq!((ended.status.code(), ended.stdout.len()), (Some(0), 0), "{log}");
    assert!(!server.data().join("running.json").exists(), "{log}");
}

#[test]
fn a_log_on_a_full_disk_costs_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    symlink("/dev/full", folder.path().join("log")).expect("a link");
    let data = folder.path().join("data");
    let mut server = Server::within(folder, data, &[("ORRERY_LOG_FILTER", "debug")]);
    let mut peer = Peer::join(&server.access(), "board", "");
    peer.fetch();
    server.signal(Signal::TERM);
    assert_eq!(peer.close_code(), 1012);
    assert_eq!(server.ended().code(), Some(0));
}

#[test]
fn what_is_wrong_is_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let data = data.to_str().expect("text");
    let up = |more: &[&str]| run(&[&["up", "--data", data], more].concat(), &[]);

    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("a port").to_string();
    let line = complaint(&up(&["--listen", &address]), 1);
    assert!(line.contains(&address) && line.contains("in use"), "{line}");

    let file = folder.path().join("orrery.toml");
    fs::write(&file, "listne = \"127.0.0.1:0\"\n").expect("a file");
    let line = complaint(&up(&["--config", file.to_str().expect("text")]), 1);
    assert!(line.contains("unknown key listne") && line.contains("orrery.toml"), "{line}");
    let line = complaint(&run(&["up", "--data", data], &[("ORRERY_LISTNE", "127.0.0.1:0")]), 1);
    assert!(line.contains("ORRERY_LISTNE"), "{line}");

    let line = complaint(&run(&["up", "--data", "/proc/no/such", "--listen", "127.0.0.1:0"], &[]), 1);
    assert!(line.contains("/proc/no/such") && line.contains("not writable"), "{line}");

    for usage in [&["up", "--no-such-flag"][..], &["no-such-command"], &[], &["up", "--listen", "nowhere"]] {
        assert_eq!(run(usage, &[]).status.code(), Some(2), "{usage:?}");
    }
}

#[test]
fn a_data_folder_serves_one_process() {
    let server = Server::start();
    let data = server.data().to_str().expect("text");
    let line = complaint(&run(&["up", "--data", data, "--listen", "127.0.0.1:0"], &[]), 1);
    assert!(line.contains("locked by another process") && line.contains(data), "{line}");
}

#[test]
fn nobody_else_reads_the_data() {
    let server = Server::start();
    let mode = fs::metadata(server.data()).expect("a folder").permissions().mode();
    assert_eq!(mode & 0o077, 0, "{mode:o}");
}

#[test]
fn check_and_doctor_and_keys_and_pool_answer() {
    let server = Server::start();
    let data = server.data().to_str().expect("text");
    let json = |output: &Output| serde_json::from_slice::<Value>(&output.stdout).expect("JSON");

    let doctor = run(&["doctor", "--json"], &[]);
    assert_eq!(doctor.status.code(), Some(0));
    assert!(json(&doctor).as_array().is_some_and(|findings| findings.len() >= 3));

    let check = run(&["check", "--json", "--data", data, "--listen", "127.0.0.1:0"], &[]);
    assert_eq!(check.status.code(), Some(1), "its data folder is in use");
    let report = json(&check);
    assert_eq!(report["config"]["data"], data);
    let failed: Vec<_> = report["checks"].as_array().expect("checks").iter().filter(|it| it["ok"] == false).collect();
    assert_eq!(failed.len(), 1, "{report}");

    let fresh = tempfile::tempdir().expect("a folder");
    let fresh = fresh.path().join("data");
    let fresh = fresh.to_str().expect("text");
    let check = run(&["check", "--data", fresh, "--listen", "127.0.0.1:0"], &[]);
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stdout));
    let config: toml::Table = String::from_utf8_lossy(&check.stdout).parse().expect("a configuration file");
    assert_eq!(config["data"].as_str(), Some(fresh));
    let away = [("ORRERY_ENGINE_ENABLED", "on"), ("ORRERY_ENGINE_SOCKET", "/nonexistent/docker.sock")];
    let check = run(&["check", "--json", "--data", fresh, "--listen", "127.0.0.1:0"], &away);
    assert_eq!(check.status.code(), Some(1), "an engine that has to be there is not");
    let report = json(&check);
    let engine = report["checks"].as_array().expect("checks").iter().find(|it| it["name"] == "container engine");
    assert_eq!(engine.map(|engine| &engine["ok"]), Some(&Value::Bool(false)), "{report}");
    let line = complaint(&run(&["pool", "list", "--data", fresh], &[]), 1);
    assert!(line.contains("--server"), "{line}");
    let line = complaint(&run(&["ganymede", "--data", fresh, "--listen", "127.0.0.1:0"], &[]), 1);
    assert!(line.contains("keys"), "{line}");

    let proxied = [("http_proxy", "http://127.0.0.1:1")];
    let status = json(&run(&["pool", "status", "--json", "--data", data], &proxied));
    assert_eq!((&status["total"], &status["ready"]), (&3.into(), &3.into()));
    let before = json(&run(&["keys", "list", "--json", "--data", data], &[]));
    let after = json(&run(&["keys", "rotate", "--json", "--data", data], &[]));
    let (old, new) = (before["signing"].as_array().expect("keys"), after["signing"].as_array().expect("keys"));
    assert_eq!((old.len(), new.len(), &new[1]), (1, 2, &old[0]));
}

#[test]
fn watchers_are_answered() {
    let server = Server::start();
    let mut peer = Peer::join(&server.access(), "board", "");
    peer.send(step1(&[0]));
    peer.is_served();

    let health = server.get("/api/health");
    assert_eq!((health.status, &health.json()["status"]), (200, &Value::from("ok")));
    assert!(health.json()["parts"].as_object().is_some_and(|parts| parts.values().all(|part| part["status"] == "ok")));

    assert!(server.get("/metrics").body.lines().any(|line| line.starts_with("orrery_")));
    assert_eq!((server.metric("orrery_peers"), server.metric("orrery_rooms")), (1.0, 1.0));

    let keys = server.get("/.well-known/jwks.json").json();
    let key = &keys["keys"][0];
    assert_eq!((&key["kty"], &key["crv"]), (&Value::from("OKP"), &Value::from("Ed25519")));
    assert!(key["kid"].is_string() && key["x"].is_string() && key["d"].is_null(), "{keys}");

    assert_eq!(server.get("/collab/ping").json(), serde_json::json!({}));
    let missing = server.get("/no/such/page");
    let error = missing.json()["error"].clone();
    assert_eq!((missing.status, &error["code"]), (404, &Value::from("NOT_FOUND")));
    assert!(error["message"].is_string() && error["request_id"].is_string(), "{error}");
}
