//! Acknowledged means on disk: no kill, at any moment, loses what a peer was told is saved.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use rustix::process::Signal;
use serde_json::{Value, json};
use yrs::Map;

use crate::support::{
    Clients, Event, Heard, Peer, Random, Replica, Response, Server, SmallDisk, keys_of, saved_query, text_of, update,
    wait_for,
};

const KILLS: u64 = 16;

#[test]
fn nothing_acknowledged_is_lost_by_kill_9() {
    let mut random = Random::printed();
    let mut server = Server::with(&[("ORRERY_CLOCKS_SNAPSHOT_MS", "500"), ("ORRERY_STORE_SEGMENT_BYTES", "20000")]);
    let (clients, access) = (Clients::start(), server.access());
    // All three ways of being told: an update that comes back, a count (101), an echoed question (102).
    let kinds = [("echo", json!({}), false), ("ask", json!({}), true), ("count", json!({ "ext": "1" }), false)];
    let mut acknowledged: Vec<Value> = Vec::new();
    for kill in 0..KILLS {
        let typists: Vec<_> = kinds
            .iter()
            .map(|(kind, params, asking)| {
                let name = format!("{kind} {kill}");
                let typist = clients.open_with(&name, &access, "board", params.clone(), json!({}));
                typist.order("typeOn", json!({ "name": name, "everyMs": 2, "asking": asking }));
                typist
            })
            .collect();
        for typist in &typists {
            typist.order("confirmedTo", json!({ "clock": 1 + random.below(60) }));
        }
        server.kill();
        for typist in typists {
            acknowledged.push(typist.confirmed());
            typist.leave();
        }
        server.start_again();
        let reader = clients.open(&format!("reader {kill}"), &access, "board");
        acknowledged.iter().for_each(|confirmed| reader.lacks_nothing_of(confirmed));
        reader.leave();
    }
    let sum = |field: &str| acknowledged.iter().filter_map(|confirmed| confirmed[field].as_u64()).sum::<u64>();
    eprintln!("{KILLS} kills, {} items acknowledged, {} counts, {} echoes", sum("clock"), sum("counts"), sum("echoes"));
    assert!(sum("counts") >= KILLS && sum("echoes") >= 1);
}

#[test]
fn every_update_message_counts_once_it_is_durable() {
    let server = Server::start();
    let mut peer = Peer::join(&server.access(), "board", "&ext=1");
    let author = Replica::new();
    let first = author.write("one");
    // A duplicate adds nothing, and is as durable as the original.
    for message in [&first, &author.write("two"), &first, &author.write("three")] {
        peer.send(update(message));
    }
    peer.until("a count of four, and no echo", |event| match event {
        Event::Heard(Heard::SavedCount(count)) => {
            assert!(count <= 4, "{count}");
            (count == 4).then_some(())
        }
        Event::Heard(Heard::Update(echo)) => panic!("an echo: {echo:?}"),
        Event::Heard(_) | Event::Ping => None,
        Event::Closed(_) | Event::Gone => panic!("closed"),
    });
}

#[test]
fn a_malformed_update_is_never_confirmed() {
    let mut server = Server::start();
    let access = server.access();
    let mut peer = Peer::join(&access, "board", "&ext=1");
    let author = Replica::new();
    peer.send(update(&author.write("good")));
    peer.send(update(&[1, 1, 200, 1]));
    peer.send(update(&author.write("after it")));
    peer.send(saved_query(b"?"));
    let mut counts = Vec::new();
    let code = peer.until("the end", |event| match event {
        Event::Heard(Heard::SavedCount(count)) => {
            counts.push(count);
            None
        }
        Event::Heard(Heard::SavedEcho(_)) => panic!("the question behind it was answered"),
        Event::Closed(code) => Some(code),
        Event::Heard(_) | Event::Ping => None,
        Event::Gone => Some(1006),
    });
    assert_eq!(code, 4400);
    assert!(counts.iter().all(|&count| count <= 1), "{counts:?}");
    server.kill();
    server.start_again();
    assert_eq!(text_of(&Peer::join(&access, "board", "").fetch()), "good");
}

#[test]
fn a_refused_update_is_never_confirmed() {
    let server = Server::start();
    let access = server.access_as("viewer");
    for more in ["", "&ext=1"] {
        let mut peer = Peer::join(&access, "board", more);
        let author = Replica::new();
        for _ in 0..100 {
            peer.send(update(&author.write("x")));
            peer.send(saved_query(b"?"));
        }
        peer.until("the end, and no confirmation", |event| match event {
            Event::Heard(heard @ (Heard::SavedCount(_) | Heard::SavedEcho(_) | Heard::Update(_))) => {
                panic!("{heard:?} confirms what was refused")
            }
            Event::Closed(code) => {
                assert_eq!(code, 4403);
                Some(())
            }
            Event::Heard(_) | Event::Ping => None,
            Event::Gone => panic!("closed without a code"),
        });
    }
}

const LARGE_UPDATES: usize = 24;
const LARGE_BYTES: usize = 200_000;

fn large_updates() -> Vec<Vec<u8>> {
    let author = Replica::new();
    let write = |number: usize| {
        author.edit(|root, transaction| {
            root.insert(transaction, number.to_string(), "x".repeat(LARGE_BYTES));
        })
    };
    (0..LARGE_UPDATES).map(write).collect()
}

/// Leaves no space.
fn fill(place: &Path) {
    let mut filler = File::create(place.join("filler")).expect("a file");
    while filler.write_all(&[0; 512]).is_ok() {}
}

#[test]
fn a_full_disk_withholds_saved_and_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(disk) = SmallDisk::mount(&folder, "2m") else { return };
    let mut server = Server::within(folder, disk.place().join("data"), &[("ORRERY_STORE_RETRY_DELAY_MS_MAX", "200")]);
    let access = server.access();
    let mut writer = Peer::join(&access, "board", "&ext=1");
    let mut reader = Peer::join(&access, "board", "");
    reader.fetch();
    for message in large_updates() {
        writer.send(update(&message));
    }
    for _ in 0..LARGE_UPDATES {
        reader.until_heard("every edit", Heard::update);
    }
    fill(disk.place());
    let signup = json!({"email": "late@example.org", "password": "correct horse", "name": "Late"});
    let refusal = |answer: Response| {
        (answer.status, answer.json()["error"]["code"].clone(), answer.json()["error"]["message"].to_string())
    };
    let (status, code, message) = refusal(server.post("/api/auth/signup", &signup));
    assert_eq!((status, code), (503, "DATABASE_UNAVAILABLE".into()));
    assert!(message.contains("full"), "{message}");
    let path = format!("/-/gw/org-{}/collab/event", server.org());
    let event = json!({"type": "user-containers:new", "name": "Late", "image": "generic/busybox:1.36"});
    let event = json!({"project_id": access.project, "event": event});
    let bearer = format!("Bearer {}", access.token);
    let (status, code, message) = refusal(server.request("POST", &path, &[("Authorization", &bearer)], Some(&event)));
    assert_eq!((status, code), (503, "STORAGE_UNAVAILABLE".into()));
    assert!(message.contains("/api/health"), "{message}");

    let degraded = wait_for("health says so", || Some(server.get("/api/health")).filter(|it| it.status == 503)).json();
    assert_eq!((&degraded["status"], &degraded["parts"]["store"]["status"]), (&"degraded".into(), &"degraded".into()));
    let mut last = 0;
    while let Some(event) = writer.next_within(std::time::Duration::from_millis(500)) {
        if let Event::Heard(Heard::SavedCount(count)) = event {
            last = count;
        }
    }
    assert!((last as usize) < LARGE_UPDATES, "{last} saved on a disk of 2 MB");

    disk.enlarge();
    writer.until_heard("everything is saved", |heard| (heard.saved_count()? as usize == LARGE_UPDATES).then_some(()));
    wait_for("health recovers", || (server.get("/api/health").status == 200).then_some(()));
    server.kill();
    server.start_again();
    let stored = Peer::join(&access, "board", "").fetch();
    assert_eq!(keys_of(&stored), LARGE_UPDATES);
}

/// Nobody who sends updates may send so much at once, but for who sends the whole of a document.
#[test]
fn a_document_beyond_the_limit_of_updates_is_stored_as_a_whole_by_another_process() {
    let server = Server::ganymede(&[
        ("ORRERY_LIMITS_HTTP_DATA_BYTES_MAX", "4500000"),
        ("ORRERY_LIMITS_WIRE_FRAME_BYTES_MAX", "3000000"),
        ("ORRERY_CONTAINERS_VARIABLES_BYTES_MAX", "700000"),
    ]);
    let _gateway = server.gateway(1, &[("ORRERY_CLOCKS_SNAPSHOT_MS", "500")]);
    let access = server.access();
    let mut writer = Peer::join(&access, "board", "&ext=1");
    for message in large_updates() {
        writer.send(update(&message));
    }
    writer.until_heard("everything is saved", |heard| (heard.saved_count()? as usize == LARGE_UPDATES).then_some(()));
    let whole = (LARGE_UPDATES * LARGE_BYTES) as u64;
    assert!(whole > 4_500_000);
    let snapshots = server.data().join("store/documents");
    wait_for("all of it is a snapshot", || (largest_file(&snapshots) >= whole).then_some(()));
    let stored = Peer::join(&access, "board", "").fetch();
    assert_eq!(keys_of(&stored), LARGE_UPDATES);
}

/// The size of the largest file below a folder.
fn largest_file(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |path: &Path| if path.is_dir() { largest_file(path) } else { path.metadata().map_or(0, |it| it.len()) };
    entries.filter_map(|entry| Some(size(&entry.ok()?.path()))).max().unwrap_or(0)
}

#[test]
fn a_second_signal_ends_a_process_that_cannot_flush() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(disk) = SmallDisk::mount(&folder, "2m") else { return };
    let mut server = Server::within(folder, disk.place().join("data"), &[("ORRERY_STORE_RETRY_DELAY_MS_MAX", "200")]);
    let mut writer = Peer::join(&server.access(), "board", "");
    for message in large_updates() {
        writer.send(update(&message));
    }
    wait_for("the disk is full", || (server.get("/api/health").status == 503).then_some(()));
    server.signal(Signal::TERM);
    assert_eq!(writer.close_code(), 1012);
    server.signal(Signal::TERM);
    assert_eq!(server.ended().code(), Some(1));
}
