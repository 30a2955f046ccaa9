//! Who is here: awareness with clocks that the room owns.

use orrery_protocol::{
    id::{DocumentName, Epoch},
    room::{CloseCode, Input, Received},
};

use crate::scene::*;

/// The flush interval of the room, and a little.
const FLUSH_MS: u64 = 40;

fn both() -> Scene {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.enter(BOB, EDITOR);
    scene.says(ALICE, &awareness(&[(1, 1, r#"{"name":"alice"}"#)]));
    scene.says(BOB, &awareness(&[(2, 1, r#"{"name":"bob"}"#)]));
    scene.passes_ms(FLUSH_MS);
    scene.forget_what_was_heard();
    scene
}

/// All awareness entries that were heard, in order.
fn entries(heard: Vec<Heard>) -> Vec<(u64, u32, String)> {
    heard.into_iter().flat_map(|heard| if let Heard::Awareness(entries) = heard { entries } else { vec![] }).collect()
}

fn entry(client: u64, clock: u32, state: &str) -> (u64, u32, String) {
    (client, clock, state.to_owned())
}

#[test]
fn everybody_hears_of_everybody_else_but_never_of_itself() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.enter(BOB, VIEWER);
    scene.forget_what_was_heard();
    scene.says(ALICE, &awareness(&[(1, 5, r#"{"x":1}"#)]));
    scene.says(BOB, &awareness(&[(2, 9, r#"{"x":2}"#)]));
    scene.passes_ms(FLUSH_MS);
    assert_eq!(entries(scene.heard(ALICE)), [entry(2, 9, r#"{"x":2}"#)]);
    assert_eq!(entries(scene.heard(BOB)), [entry(1, 5, r#"{"x":1}"#)]);
    assert_eq!(scene.room.report().present, 2);
    scene.says(ALICE, &query_awareness());
    assert_eq!(entries(scene.heard(ALICE)), [entry(2, 9, r#"{"x":2}"#)]);
}

#[test]
fn a_query_is_answered_also_when_nobody_is_here() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.forget_what_was_heard();
    scene.says(ALICE, &query_awareness());
    assert_eq!(scene.heard(ALICE), [Heard::Awareness(vec![])]);
}

#[test]
fn the_snapshot_waits_for_the_first_announcement_or_a_moment() {
    let mut scene = both();
    scene.join(CAROL, EDITOR);
    scene.passes_ms(99);
    assert_eq!(entries(scene.heard(CAROL)), []);
    scene.passes_ms(1);
    assert_eq!(entries(scene.heard(CAROL)).len(), 2);
    scene.join_as_is(CAROL, EDITOR);
    scene.says(CAROL, &awareness(&[(3, 1, "{}")]));
    assert_eq!(entries(scene.heard(CAROL)).len(), 2, "at once");
}

#[test]
fn moves_collapse_to_the_last() {
    let mut scene = both();
    for clock in 2..50 {
        scene.says(ALICE, &awareness(&[(1, clock, &format!("{clock}"))]));
    }
    scene.passes_ms(FLUSH_MS);
    let heard = entries(scene.heard(BOB));
    assert!(heard.len() <= 2, "{heard:?}");
    assert_eq!(heard.last(), Some(&entry(1, 49, "49")));
    assert_eq!(scene.heard(ALICE), []);
}

#[test]
fn one_connection_has_one_id_and_speaks_for_no_other() {
    let mut scene = both();
    scene.says(ALICE, &awareness(&[(1, 2, "1"), (2, 70, "\"forged\""), (3, 1, "\"second\"")]));
    scene.says(ALICE, &awareness(&[(2, 99, "null")]));
    // Not even read: this is no JSON.
    scene.says(ALICE, &awareness(&[(2, 100, "forged"), (9, 1, "}")]));
    scene.passes_ms(FLUSH_MS);
    assert_eq!(entries(scene.heard(BOB)), [entry(1, 2, "1")]);
    assert_eq!(scene.heard(ALICE), []);
    assert_eq!((scene.closed.len(), scene.room.report().present), (0, 2));
}

#[test]
fn echoes_of_others_change_nothing() {
    let mut scene = both();
    // Stock clients send on every change they hear of.
    scene.says(BOB, &awareness(&[(1, 1, r#"{"name":"alice"}"#), (2, 1, r#"{"name":"bob"}"#)]));
    scene.passes_ms(FLUSH_MS);
    assert_eq!((scene.heard(ALICE), scene.heard(BOB)), (vec![], vec![]));
}

#[test]
fn who_leaves_is_gone_at_once() {
    let mut scene = both();
    scene.leaves(ALICE);
    scene.passes_ms(FLUSH_MS);
    assert_eq!(entries(scene.heard(BOB)), [entry(1, 1, "null")], "the clock it was known by");
    // Also who says goodbye, and comes back.
    scene.says(BOB, &awareness(&[(2, 2, "null")]));
    assert_eq!(scene.room.report().present, 0);
    scene.says(BOB, &awareness(&[(2, 3, "{}")]));
    assert_eq!(scene.room.report().present, 1);
}

#[test]
fn who_returns_is_seen_at_once() {
    let mut scene = both();
    scene.says(ALICE, &awareness(&[(1, 8, "8")]));
    scene.leaves(ALICE);
    scene.passes_ms(FLUSH_MS);
    let gone = entries(scene.heard(BOB)).pop().expect("gone");
    scene.enter(ALICE, EDITOR);
    // A client that kept its clock; it may even have started from anew.
    for clock in [8, 1] {
        scene.says(ALICE, &awareness(&[(1, clock, "\"back\"")]));
        scene.passes_ms(FLUSH_MS);
        let back = entries(scene.heard(BOB));
        let [(1, clock_out, state)] = back.as_slice() else { panic!("{back:?}") };
        assert!(*clock_out > gone.1 && state == "\"back\"", "{back:?} after {gone:?}");
        scene.leaves(ALICE);
        scene.enter(ALICE, EDITOR);
        scene.passes_ms(FLUSH_MS);
        scene.forget_what_was_heard();
    }
}

/// The clock at which `heard` has `client`.
fn clock_of(client: u64, heard: Vec<Heard>) -> u32 {
    let heard = entries(heard);
    heard.iter().find(|(id, ..)| *id == client).unwrap_or_else(|| panic!("{client} in {heard:?}")).1
}

#[test]
fn who_returns_sees_at_once_who_stayed() {
    let mut scene = both();
    let mut known = 1;
    // Stock clients forget states when their connection ends, and never clocks.
    for _ in 0..3 {
        scene.leaves(BOB);
        scene.enter(BOB, EDITOR);
        scene.says(BOB, &awareness(&[(2, 1, "{}")]));
        let told = clock_of(1, scene.heard(BOB));
        assert!(told > known, "{told} after {known}");
        known = told;
    }
    scene.enter(CAROL, EDITOR);
    scene.says(CAROL, &awareness(&[(3, 1, "{}")]));
    assert_eq!(clock_of(1, scene.heard(CAROL)), known, "nobody left, nobody needs to know more");
    scene.forget_what_was_heard();
    // What is said next is news to all of them.
    scene.says(ALICE, &awareness(&[(1, 2, "\"moved\"")]));
    scene.passes_ms(FLUSH_MS);
    assert!(clock_of(1, scene.heard(BOB)) > known && clock_of(1, scene.heard(CAROL)) > known);
}

#[test]
fn who_replaces_its_half_open_connection_sees_at_once_who_stayed() {
    let mut scene = Scene::board();
    let alice = Entrance { user: 7, ..EDITOR };
    scene.enter(ALICE, alice);
    scene.enter(BOB, EDITOR);
    scene.says(BOB, &awareness(&[(2, 3, "{}")]));
    scene.says(ALICE, &awareness(&[(1, 4, "{}")]));
    scene.passes_ms(FLUSH_MS);
    let known = clock_of(2, scene.heard(ALICE));
    scene.join(CAROL, alice);
    scene.says(CAROL, &awareness(&[(1, 4, "{}")]));
    assert!(clock_of(2, scene.heard(CAROL)) > known);
}

#[test]
fn after_a_move_everybody_is_seen_at_once() {
    let mut known = (0, 0);
    for epoch in 1..4 {
        let mut scene = Scene::board();
        scene.room = scene.room.of_epoch(Epoch(epoch));
        scene.enter(ALICE, EDITOR);
        scene.enter(BOB, EDITOR);
        // Nothing has happened to them but the move.
        scene.says(ALICE, &awareness(&[(1, 5, "{}")]));
        scene.says(BOB, &awareness(&[(2, 3, "{}")]));
        scene.passes_ms(FLUSH_MS);
        let told = (clock_of(1, scene.heard(BOB)), clock_of(2, scene.heard(ALICE)));
        assert!(told.0 > known.0 && told.1 > known.1, "{told:?} after {known:?}");
        // They hear more before the next move, of returns.
        known = (told.0 + 100, told.1 + 100);
    }
}

#[test]
fn whom_nobody_knows_from_before_keeps_its_own_clock() {
    let mut scene = both();
    scene.forget_what_was_heard();
    scene.enter(CAROL, EDITOR);
    scene.says(CAROL, &awareness(&[(3, 5, "{}")]));
    scene.passes_ms(FLUSH_MS);
    assert_eq!(clock_of(3, scene.heard(BOB)), 5);
    let mut scene = Scene::board();
    scene.room = scene.room.of_epoch(Epoch(9));
    scene.enter(BOB, EDITOR);
    scene.enter(CAROL, EDITOR);
    scene.says(CAROL, &awareness(&[(3, 0, "{}")]));
    scene.passes_ms(100);
    assert_eq!(clock_of(3, scene.heard(BOB)), 1, "a client that has only just begun");
}

/// Others have heard its clock, and what the room had added to that, and never forget.
#[test]
fn who_returns_after_it_was_forgotten_is_seen_at_once() {
    for epoch in [1, 3] {
        let mut scene = Scene::board();
        scene.room = scene.room.of_epoch(Epoch(epoch));
        scene.enter(BOB, EDITOR);
        scene.says(BOB, &awareness(&[(2, 1, "{}")]));
        let mut known = 0;
        for clock in [5, 6, 7] {
            scene.enter(ALICE, EDITOR);
            scene.says(ALICE, &awareness(&[(1, clock, "{}")]));
            scene.passes_ms(FLUSH_MS);
            let told = clock_of(1, scene.heard(BOB));
            assert!(told > known, "{told} after {known}");
            // Each time he comes back, he is told a higher one.
            for _ in 0..3 {
                scene.leaves(BOB);
                scene.enter(BOB, EDITOR);
                scene.says(BOB, &awareness(&[(2, 1, "{}")]));
            }
            known = clock_of(1, scene.heard(BOB));
            scene.leaves(ALICE);
            for _ in 0..60 {
                scene.passes_ms(20_000);
                scene.handle(Input::Received(vec![(BOB, Received::Pong)]));
            }
            scene.forget_what_was_heard();
        }
    }
}

#[test]
fn a_new_connection_of_the_same_user_takes_over() {
    let mut scene = Scene::board();
    let alice = Entrance { user: 7, ..EDITOR };
    scene.enter(ALICE, alice);
    scene.enter(BOB, EDITOR);
    scene.says(ALICE, &awareness(&[(1, 4, "\"old\"")]));
    scene.says(BOB, &awareness(&[(2, 1, "{}")]));
    scene.passes_ms(FLUSH_MS);
    scene.forget_what_was_heard();
    // The old socket is half open: nobody has noticed yet.
    scene.join(CAROL, alice);
    scene.says(CAROL, &awareness(&[(1, 4, "\"new\"")]));
    scene.passes_ms(FLUSH_MS);
    assert_eq!(entries(scene.heard(BOB)), [entry(1, 5, "\"new\"")]);
    scene.leaves(ALICE);
    scene.passes_ms(FLUSH_MS);
    assert_eq!(entries(scene.heard(BOB)), [], "its end does not take the id along");
    // Another user cannot do the same.
    let mallory = orrery_protocol::id::PeerId(66);
    scene.join(mallory, EDITOR);
    scene.says(mallory, &awareness(&[(1, 99, "\"stolen\"")]));
    scene.passes_ms(FLUSH_MS);
    assert_eq!(entries(scene.heard(BOB)), []);
}

#[test]
fn silence_expires_and_a_renewal_brings_back() {
    let mut scene = both();
    let renew = |scene: &mut Scene, clock| scene.says(BOB, &awareness(&[(2, clock, "{}")]));
    scene.passes_ms(15_000);
    renew(&mut scene, 2);
    scene.passes_ms(14_000);
    assert_eq!(scene.room.report().present, 2);
    renew(&mut scene, 3);
    scene.passes_ms(4_000);
    assert_eq!(scene.room.report().present, 1);
    assert_eq!(entries(scene.heard(BOB)).last(), Some(&entry(1, 1, "null")));
    scene.says(ALICE, &awareness(&[(1, 2, "\"here\"")]));
    scene.passes_ms(FLUSH_MS);
    assert_eq!(entries(scene.heard(BOB)), [entry(1, 2, "\"here\"")]);
}

#[test]
fn bad_json_ends_the_connection() {
    let mut scene = both();
    scene.passes_ms(2_000);
    scene.says(ALICE, &awareness(&[(1, 2, "not json")]));
    assert_eq!(scene.closed, [(ALICE, CloseCode::Malformed)]);
    scene.passes_ms(FLUSH_MS);
    assert_eq!(entries(scene.heard(BOB)), [entry(1, 1, "null")]);
}

#[test]
fn everybody_hears_something_within_twelve_seconds() {
    let mut scene = Scene::new(DocumentName::System);
    scene.enter(ALICE, VIEWER);
    scene.forget_what_was_heard();
    for _ in 0..10 {
        scene.passes_ms(12_000);
        assert!(!scene.heard(ALICE).is_empty());
        scene.handle(orrery_protocol::room::Input::Received(vec![(ALICE, orrery_protocol::room::Received::Pong)]));
    }
    assert_eq!(scene.closed, []);
}
