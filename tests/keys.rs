//! Signing keys change while everything runs: who is connected stays, who signs in enters, what was signed before is valid.

use serde_json::json;

use crate::support::{Access, Heard, Peer, Replica, Server, run, update, wait_for};

/// Rotates the keys, and waits until the control plane signs with the new one.
fn rotate(server: &Server) {
    let answer = run(&["keys", "rotate", "--json", "--data", &server.data().to_string_lossy()], &[]);
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let names: serde_json::Value = serde_json::from_slice(&answer.stdout).expect("JSON");
    wait_for("it signs with the new key", || {
        let published = server.get("/.well-known/jwks.json").json();
        (published["keys"][0]["kid"] == names["signing"][0]).then_some(())
    });
}

/// What `writer` writes, `reader` hears, and it is saved.
fn edit(author: &Replica, writer: &mut Peer, reader: &mut Peer) {
    let edit = author.write("edit");
    writer.send(update(&edit));
    reader.until_heard("the edit", |heard| (heard.update()? == edit).then_some(()));
    writer.until_heard("saved", Heard::saved_count);
}

fn rotation(server: &Server) {
    let (access, author) = (server.access(), Replica::new());
    let mut connected = Peer::join(&access, "board", "&ext=1");
    connected.fetch();
    rotate(server);
    let newcomer = Access { token: server.administrator().token(), ..access.clone() };
    let mut late = Peer::join(&newcomer, "board", "");
    late.fetch();
    edit(&author, &mut connected, &mut late);
    let mut again = Peer::join(&access, "board", "");
    again.fetch();
    edit(&author, &mut connected, &mut again);
}

#[test]
fn a_rotation_needs_no_restart_and_nobody_notices() {
    rotation(&Server::start());
}

#[test]
fn a_rotation_reaches_gateways_in_other_processes() {
    let server = Server::ganymede(&[]);
    let _gateway = server.gateway(2, &[]);
    rotation(&server);
    // Orders, handshakes and what a gateway shows are signed too, and nobody has shown this key before they are.
    rotate(&server);
    let slots = server.pool();
    let used = slots.iter().find(|slot| slot["org"] == server.org()).expect("it is served");
    server.administrator().post(&format!("/api/pool/slots/{}/drain", used["slot"]), json!({})).expect(200);
    let mut peer = Peer::join(&server.access(), "board", "");
    peer.fetch();
}
