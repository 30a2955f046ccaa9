//! What containers tell, and who hears it: figures, lines, and what they ask of the platform.

use serde_json::{Value, json};

use super::Place;
use crate::support::{Peer, request};

/// Where containers come to, only they are heard, and of themselves.
#[test]
fn nothing_but_containers_is_served_where_containers_reach_the_platform() {
    let Some(place) = Place::new(&[]) else { return };
    let (id, host) = place.create("reporter", json!({}));
    place.until(&id, "running");
    let (url, token) = (place.variable(&id, "ORRERY_URL"), place.variable(&id, "ORRERY_TOKEN"));
    let porch = url.strip_prefix("http://").and_then(|address| address.parse().ok()).expect("an address");
    let (org, project) = (place.server.org(), &place.access.project);
    let member = format!("Bearer {}", place.access.token);
    let container = format!("Bearer {token}");
    let ask = |method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>| {
        request(porch, method, path, headers, body)
    };
    ask("GET", "/collab/ping", &[], None).expect(200);
    for path in [
        "/",
        "/api/health",
        "/api/auth/me",
        "/api/pool",
        "/metrics",
        "/openapi.json",
        "/.well-known/jwks.json",
        &format!("/collab/{project}/containers"),
        &format!("/collab/{project}/system"),
        &format!("/collab/{project}/user-container/{id}/logs"),
        &format!("/-/gw/org-{org}/collab/{project}/containers"),
        "/gateway/lease",
    ] {
        for bearer in [&member, &container] {
            ask("GET", path, &[("Authorization", bearer)], None).expect(404);
        }
    }
    let through = ask("GET", "/", &[("Host", &host), ("Authorization", &member)], None);
    assert!(!through.body.contains("the container\n"), "{}", through.body);
    let watchdog = json!({"event": {"type": "user-container:watchdog"}});
    let delete = json!({"event": {"type": "user-containers:delete", "user_container_id": id}, "project_id": project});
    ask("POST", "/collab/event", &[], Some(&watchdog)).expect(401);
    ask("POST", "/collab/event", &[("Authorization", &member)], Some(&delete)).expect(403);
    ask("POST", "/collab/event", &[("Authorization", &container)], Some(&delete)).expect(403);
    ask("POST", "/collab/event", &[("Authorization", &container)], Some(&watchdog)).expect(200);
    // The way of containers whose gateway may be in any of several processes.
    let elsewhere = format!("/-/gw/org-{org}/collab/event");
    place.server.request("POST", &elsewhere, &[("Authorization", &container)], Some(&watchdog)).expect(200);
    place.about("user-containers:delete", &id);
    ask("POST", "/collab/event", &[("Authorization", &container)], Some(&watchdog)).expect(401);
}

#[test]
fn who_looks_sees_what_a_container_uses_and_says_of_its_host() {
    let Some(place) = Place::new(&[]) else { return };
    let (id, _) = place.create("reporter", json!({}));
    place.until(&id, "running");
    let mut looking = Peer::join(&place.access, "system", "&ext=1");
    let figures = looking.until_heard("figures with what it says itself", |heard| {
        let told = heard.now()?;
        // What it says before it is seen to run is no heartbeat yet.
        let reports = !told["system"].is_null() && !told["heartbeat_age_ms"].is_null();
        (told["type"] == "container" && reports).then_some(told)
    });
    assert_eq!((&figures["id"], &figures["system"]), (&Value::from(id), &json!({"cpu_count": 2})));
    for (field, at_least) in [("pids", 1), ("memory_bytes", 1), ("memory_limit_bytes", 1 << 20)] {
        assert!(figures[field].as_u64().is_some_and(|value| value >= at_least), "{field}: {figures}");
    }
    assert!(figures["heartbeat_age_ms"].as_u64().is_some_and(|age_ms| age_ms < 30_000), "{figures}");
    assert!(figures["cpu"].as_f64().is_some_and(|cpu| (0.0..64.0).contains(&cpu)), "{figures}");
}

/// A line that is longer than one event comes in pieces, which were all printed at one time.
#[test]
fn who_comes_back_for_logs_gets_what_they_have_not_had() {
    let Some(place) = Place::new(&[]) else { return };
    let (id, _) = place.create("long", json!({}));
    place.until(&id, "stopped");
    let path = format!("/-/gw/org-{}/collab/{}/user-container/{id}/logs", place.server.org(), place.access.project);
    let bearer = format!("Bearer {}", place.access.token);
    let read = |last: Option<&str>| {
        let mut headers = vec![("Authorization", bearer.as_str())];
        headers.extend(last.map(|id| ("Last-Event-ID", id)));
        let body = place.server.request("GET", &path, &headers, None).expect(200).body;
        let ids: Vec<String> = body.lines().filter_map(|line| line.strip_prefix("id: ")).map(str::to_owned).collect();
        // There is one in the name of the field, too.
        let letters = body.matches('x').count() - ids.len();
        (ids, letters)
    };
    let (ids, letters) = read(None);
    // One that ends before anybody looks is run once more.
    assert!(ids.len() >= 2 && letters == ids.len() / 2 * 100_000, "{letters} in {ids:?}");
    let (first_ns, other) = ids[0].split_once('o').expect("printed to stdout");
    assert_eq!(ids[1], format!("{first_ns}-1o{other}"), "both at one time");
    assert_eq!(read(Some(&ids[0])).1, letters - (64 << 10), "the rest of the line, and nothing twice");
    for (at, id) in ids.iter().enumerate() {
        assert_eq!(read(Some(id)).0, ids[at + 1..], "after {id}");
    }
    let headers = [("Authorization", bearer.as_str()), ("Last-Event-ID", "yesterday")];
    place.server.request("GET", &path, &headers, None).expect(400);
}
