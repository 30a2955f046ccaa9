//! The server against Yjs itself: after any history, in any order, it has what a Yjs document has that got everything.

use crate::support::{Random, Server, node};

const HISTORIES: u64 = 320;

#[test]
fn the_server_has_what_yjs_has() {
    let seed = Random::printed().below(1 << 31);
    let mut server = Server::with(&[("ORRERY_CLOCKS_SNAPSHOT_MS", "1")]);
    let access = server.access();
    let play = |phase: &str| {
        node(
            "differential.mjs",
            &[
                ("ORRERY_URL", &access.server_url()),
                ("ORRERY_TOKEN", &access.token),
                ("ORRERY_SEED", &seed.to_string()),
                ("ORRERY_HISTORIES", &HISTORIES.to_string()),
                ("ORRERY_PHASE", phase),
            ],
        )
    };
    let said = play("play");
    assert!(said.contains(&format!("{HISTORIES} histories")), "{said}");
    server.kill();
    server.start_again();
    play("check");
    assert_eq!(server.metric("orrery_room_quarantined_updates_total"), 0.0);
}
