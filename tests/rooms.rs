//! Rooms open once, close without losing anybody, and fail alone.

use std::{collections::BTreeMap, sync::Barrier, thread};

use yrs::Map;

use crate::support::{Access, Peer, Random, Replica, Server, keys_of, update, wait_for};

/// Adds a key to the document's map.
fn put(replica: &Replica, key: &str) -> Vec<u8> {
    update(&replica.edit(|root, transaction| {
        root.insert(transaction, key, true);
    }))
}

/// Adds a key, and waits until it is saved.
fn put_durably(access: &Access, document: &str, key: &str) {
    let mut peer = Peer::join(access, document, "&ext=1");
    peer.send(put(&Replica::new(), key));
    peer.until_heard("saved", |heard| (heard.saved_count()? == 1).then_some(()));
}

#[test]
fn cold_documents_are_opened_once_however_many_come_at_once() {
    const DOCUMENTS: usize = 40;
    const JOINS: usize = 100;
    let mut random = Random::printed();
    let mut server = Server::start();
    let access = server.access();
    let name = |document: usize| format!("doc:cold-{document}");
    for document in 0..DOCUMENTS {
        put_durably(&access, &name(document), "before");
    }
    server.kill();
    server.start_again();

    let choices: Vec<usize> = (0..JOINS).map(|_| random.below(DOCUMENTS as u64) as usize).collect();
    let mut joins = BTreeMap::new();
    choices.iter().for_each(|&document| *joins.entry(document).or_insert(0) += 1);
    let together = Barrier::new(JOINS);
    thread::scope(|scope| {
        for (number, &document) in choices.iter().enumerate() {
            let (access, joins, together, name) = (&access, &joins, &together, &name);
            scope.spawn(move || {
                together.wait();
                let mut peer = Peer::join(access, &name(document), "");
                let replica = Replica::new();
                peer.send(crate::support::step1(&[0]));
                peer.send(put(&replica, &number.to_string()));
                // Two copies of one document would keep their peers apart.
                peer.until_heard("what everybody wrote", |heard| {
                    let update = if heard.is_step2() { heard.step2() } else { heard.update() };
                    replica.apply(&update?);
                    (replica.keys() == joins[&document] + 1).then_some(())
                });
            });
        }
    });
    for (&document, &peers) in &joins {
        assert_eq!(keys_of(&Peer::join(&access, &name(document), "").fetch()), peers + 1);
    }
}

#[test]
fn nobody_is_lost_when_a_join_meets_an_unload() {
    const DOCUMENTS: u64 = 24;
    const ROUNDS: u64 = 30;
    let mut random = Random::printed();
    let server = Server::with(&[("ORRERY_CLOCKS_UNLOAD_MS", "1"), ("ORRERY_CLOCKS_SNAPSHOT_MS", "1")]);
    let access = server.access();
    thread::scope(|scope| {
        for document in 0..DOCUMENTS {
            let (access, server, mut random) = (&access, &server, Random::from(random.next()));
            scope.spawn(move || {
                let name = format!("doc:brief-{document}");
                for round in 0..ROUNDS {
                    put_durably(access, &name, &round.to_string());
                    // Some come back at once, some when rooms have begun to go.
                    if round == ROUNDS / 2 || random.below(12) == 0 {
                        let open = server.metric("orrery_rooms");
                        wait_for("a room goes", || (server.metric("orrery_rooms") < open.max(1.0)).then_some(()));
                    }
                    let mut reader = Peer::join(access, &name, "");
                    assert_eq!(keys_of(&reader.fetch()) as u64, round + 1, "{name}");
                }
            });
        }
    });
    wait_for("all unload", || (server.metric("orrery_rooms") == 0.0).then_some(()));
}

#[test]
fn an_organization_has_so_many_open_documents_and_no_more() {
    let server = Server::with(&[("ORRERY_LIMITS_GATEWAY_DOCUMENTS_MAX", "3"), ("ORRERY_CLOCKS_UNLOAD_MS", "1")]);
    let access = server.access();
    let mut open: Vec<Peer> = (0..3).map(|number| Peer::join(&access, &format!("doc:{number}"), "")).collect();
    let url = format!("{}/doc:more?token={}", access.server_url(), access.token);
    let Err(refused) = Peer::connect(&url, None) else { panic!("a fourth document was opened") };
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (429, &"RATE_LIMITED".into()));
    assert!(refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
    Peer::join(&access, "doc:0", "").fetch();
    open.pop();
    wait_for("room for another", || Peer::connect(&url, None).ok());
    open.iter_mut().for_each(|peer| drop(peer.fetch()));
}

#[test]
fn a_document_has_so_many_peers_and_no_more() {
    let server = Server::with(&[("ORRERY_LIMITS_ROOM_PEERS_MAX", "2")]);
    let access = server.access();
    let url = format!("{}/board?token={}", access.server_url(), access.token);
    let mut first = Peer::join(&access, "board", "");
    let second = Peer::join(&access, "board", "");
    let Err(refused) = Peer::connect(&url, None) else { panic!("a third peer came in") };
    assert_eq!((refused.status, &refused.json()["error"]["code"]), (429, &"RATE_LIMITED".into()));
    second.break_off();
    wait_for("a place is free", || Peer::connect(&url, None).ok()).fetch();
    first.fetch();
}

#[cfg(feature = "fault-hooks")]
#[test]
fn a_room_that_panics_comes_back_and_nobody_else_notices() {
    use crate::support::{Clients, saved_query};

    let server = Server::start();
    let (clients, access) = (Clients::start(), server.access());
    let alice = clients.open("alice", &access, "board");
    let bob = clients.open("bob", &access, "board");
    let carol = clients.open("carol", &access, "doc:elsewhere");
    let dave = clients.open("dave", &access, "doc:elsewhere");
    alice.write("saved ");
    alice.is_confirmed();
    carol.write("untouched");
    dave.sees("untouched");
    for panic in 0..3 {
        Peer::join(&access, "board", "").send(saved_query(b"fault: panic"));
        alice.is_cut_off();
        alice.write(&format!("offline {panic} "));
        alice.is_synced();
        bob.is_synced();
        clients.converge(&[&alice, &bob]);
        carol.write(".");
        clients.converge(&[&carol, &dave]);
    }
    assert_eq!(bob.text(), "saved offline 0 offline 1 offline 2 ");
    assert_eq!(server.metric("orrery_room_failures_total"), 3.0);
    assert!(carol.closes().is_empty() && dave.closes().is_empty(), "another room noticed");
    assert!(alice.closes().iter().all(|&code| code == 1012), "{:?}", alice.closes());
}
