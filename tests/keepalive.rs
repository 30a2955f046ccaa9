//! A connection that is alive shows it; one that is not goes. Clocks are scaled down.

use serde_json::json;

use crate::support::{Clients, Event, Heard, Peer, Server, awareness, wait_for};

#[test]
fn a_silent_peer_hears_something() {
    let server = Server::with(&[("ORRERY_CLOCKS_KEEP_ALIVE_MS", "300")]);
    let mut peer = Peer::join(&server.access(), "board", "");
    for _ in 0..2 {
        peer.until_heard("an empty awareness message", |heard| {
            matches!(heard, Heard::Awareness(entries) if entries.is_empty()).then_some(())
        });
    }
}

#[test]
fn a_stock_client_without_awareness_stays_connected() {
    let server = Server::with(&[("ORRERY_CLOCKS_KEEP_ALIVE_MS", "300"), ("ORRERY_CLOCKS_PING_MS", "600")]);
    let (clients, access) = (Clients::start(), server.access());
    let silent = clients.open_with("silent", &access, "board", json!({}), json!({ "mute": true }));
    let mut witness = Peer::join(&access, "board", "");
    for _ in 0..3 {
        witness.until("a ping", |event| (event == Event::Ping).then_some(()));
    }
    assert!(silent.closes().is_empty());
}

#[test]
fn pings_are_answered_and_sent() {
    let server = Server::with(&[("ORRERY_CLOCKS_PING_MS", "300")]);
    let mut peer = Peer::join(&server.access(), "board", "");
    peer.is_served();
    for _ in 0..3 {
        peer.until("a ping", |event| (event == Event::Ping).then_some(()));
    }
}

#[test]
fn a_half_open_connection_is_removed() {
    let server = Server::with(&[("ORRERY_CLOCKS_PING_MS", "300")]);
    let access = server.access();
    let mut observer = Peer::join(&access, "board", "");
    let mut peer = Peer::join(&access, "board", "");
    peer.send(awareness(&[(7, 1, "{}")]));
    assert_eq!(observer.until_awareness(7).1, "{}");
    // It reads no more, so it answers no ping.
    assert_eq!(observer.until_awareness(7).1, "null");
    wait_for("only the observer stays", || {
        observer.next_within(std::time::Duration::from_millis(10));
        (server.metric("orrery_peers") == 1.0).then_some(())
    });
}
