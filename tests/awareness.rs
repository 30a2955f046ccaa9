//! Who is here, where their cursor is, and that they are gone: at once, and of nobody but themselves.

use serde_json::json;

use crate::support::{Clients, Peer, QUERY_AWARENESS, Server, awareness, wait_for};

const GONE: &str = "null";

#[test]
fn stock_clients_see_each_other_come_move_and_go() {
    let server = Server::start();
    let (clients, access) = (Clients::start(), server.access());
    let alice = clients.open("alice", &access, "board");
    let bob = clients.open("bob", &access, "board");
    let (at_one, at_two) = (json!({ "name": "bob", "cursor": 1 }), json!({ "name": "bob", "cursor": 2 }));
    alice.is_present(json!({ "name": "alice" }));
    bob.is_present(at_one.clone());
    alice.sees_states(&[(bob.id, at_one)]);
    bob.sees_states(&[(alice.id, json!({ "name": "alice" }))]);
    bob.is_present(at_two.clone());
    alice.sees_states(&[(bob.id, at_two.clone())]);

    let carol = clients.open("carol", &access, "board");
    carol.sees_states(&[(alice.id, json!({ "name": "alice" })), (bob.id, at_two)]);
    let (carol_id, bob_id) = (carol.id, bob.id);
    bob.leave();
    alice.sees_states(&[(carol_id, json!({}))]);
    assert_ne!(bob_id, carol_id);
    carol.leave();
    alice.sees_states(&[]);
}

#[test]
fn a_stock_client_that_was_cut_off_sees_and_is_seen_again() {
    let server = Server::start();
    let (clients, access) = (Clients::start(), server.access());
    let alice = clients.open("alice", &access, "board");
    let bob = clients.open("bob", &access, "board");
    alice.is_present(json!({ "name": "alice" }));
    bob.is_present(json!({ "name": "bob" }));
    for _ in 0..3 {
        alice.sees_states(&[(bob.id, json!({ "name": "bob" }))]);
        bob.sees_states(&[(alice.id, json!({ "name": "alice" }))]);
        bob.go_offline();
        alice.sees_states(&[]);
        bob.go_online();
    }
}

#[test]
fn a_killed_peer_is_gone_and_a_returning_one_visible_at_once() {
    let server = Server::start();
    let access = server.access();
    let mut observer = Peer::join(&access, "board", "");
    let mut last = 0;
    // It renews nothing and comes back with the clock it had: only the server's own clocks can make it visible.
    for _ in 0..5 {
        let mut peer = Peer::join(&access, "board", "");
        peer.send(awareness(&[(7, 5, r#"{"name":"bob"}"#)]));
        let (clock, state) = observer.until_awareness(7);
        assert!(clock > last && state.contains("bob"), "{clock} after {last}: {state}");
        peer.break_off();
        let (gone, state) = observer.until_awareness(7);
        assert_eq!(state, GONE);
        last = gone;
    }
}

#[test]
fn who_does_not_renew_is_removed() {
    let server = Server::with(&[("ORRERY_CLOCKS_AWARENESS_TIMEOUT_MS", "400")]);
    let access = server.access();
    let mut observer = Peer::join(&access, "board", "");
    let mut peer = Peer::join(&access, "board", "");
    peer.send(awareness(&[(7, 1, "{}")]));
    assert_eq!(observer.until_awareness(7).1, "{}");
    assert_eq!(observer.until_awareness(7).1, GONE);
    peer.send(awareness(&[(7, 2, "{}")]));
    assert_eq!(observer.until_awareness(7).1, "{}", "the socket stayed");
}

#[test]
fn nobody_hears_of_itself_and_nobody_speaks_for_others() {
    let server = Server::start();
    let access = server.access();
    let mut observer = Peer::join(&access, "board", "");
    let mut alice = Peer::join(&access, "board", "");
    alice.send(awareness(&[(1, 1, r#"{"name":"alice"}"#)]));
    assert!(observer.until_awareness(1).1.contains("alice"));

    let mut mallory = Peer::join(&access, "board", "");
    mallory.send(awareness(&[(2, 1, r#"{"name":"mallory"}"#), (1, 99, GONE), (3, 1, "{}")]));
    mallory.send(awareness(&[(1, 100, r#"{"name":"not alice"}"#)]));
    mallory.send(awareness(&[(2, 2, r#"{"name":"done"}"#)]));
    let mut seen = Vec::new();
    observer.until_heard("all of it", |heard| {
        seen.extend(heard.awareness()?);
        seen.iter().any(|(_, _, state)| state.contains("done")).then_some(())
    });
    assert!(seen.iter().all(|&(id, ..)| id == 2), "{seen:?}");

    // A question is answered with everybody else.
    for (peer, others) in [(&mut alice, vec![2]), (&mut mallory, vec![1]), (&mut observer, vec![1, 2])] {
        peer.send(QUERY_AWARENESS.to_vec());
        peer.until_heard("who is here", |heard| {
            let mut ids: Vec<u64> = heard.awareness()?.into_iter().map(|(id, ..)| id).collect();
            ids.sort_unstable();
            assert!(ids.iter().all(|id| others.contains(id)), "{ids:?} among {others:?}");
            (ids == others).then_some(())
        });
    }
}

#[test]
fn poisoned_awareness_costs_its_sender_the_connection() {
    let server = Server::start();
    let access = server.access();
    let mut observer = Peer::join(&access, "board", "");
    let large = format!("\"{}\"", "x".repeat(64 << 10));
    let deep = "[".repeat(10_000) + &"]".repeat(10_000);
    for poison in ["not json", "{\"a\":", "{} {}", &large, &deep] {
        let mut peer = Peer::join(&access, "board", "");
        peer.send(awareness(&[(7, 1, poison)]));
        assert_eq!(peer.close_code(), 4400, "{poison:.40}");
    }
    wait_for("only the observer stays", || (server.metric("orrery_peers") == 1.0).then_some(()));
    let mut peer = Peer::join(&access, "board", "");
    peer.send(awareness(&[(8, 1, "{}")]));
    observer.until_heard("the good one, and none of the bad", |heard| {
        let entries = heard.awareness()?;
        assert!(entries.iter().all(|&(id, ..)| id == 8), "{entries:?}");
        (!entries.is_empty()).then_some(())
    });
}
