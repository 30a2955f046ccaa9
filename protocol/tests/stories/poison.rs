//! Updates that pass the guard and that yrs cannot take: they cost their sender, and nobody else anything.

use bytes::Bytes;
use orrery_protocol::{
    id::DocumentName,
    lib0::{put_var_str, put_var_uint},
    room::{CloseCode, Input, RoomConfig},
};

use crate::scene::*;

/// An item whose parent is Alice's first character.
fn poison() -> Bytes {
    let mut out = Vec::new();
    for number in [1, 1, 66, 0] {
        put_var_uint(&mut out, number);
    }
    // A string; its parent is an id: client 1, clock 0.
    out.extend_from_slice(&[4, 0, 1, 0]);
    put_var_str(&mut out, "x");
    out.push(0);
    out.into()
}

fn with_text() -> Scene {
    let mut scene = Scene::board();
    scene.enter(ALICE, EXTENDED);
    scene.enter(BOB, EDITOR);
    scene.types(ALICE, 0, "start");
    scene.save();
    scene.forget_what_was_heard();
    scene
}

#[test]
fn poison_costs_its_sender_and_nobody_else() {
    let mut scene = with_text();
    let before = scene.person(ALICE).types(5, " before");
    let after = scene.person(ALICE).types(0, "after ");
    scene.passes_ms(2_000);
    scene.forget_what_was_heard();
    scene.say_at_once(&[
        (ALICE, update(&before)),
        (BOB, update(&poison())),
        (ALICE, update(&after)),
        (ALICE, saved_query(&[1])),
    ]);
    assert_eq!((scene.reloads, scene.closed.as_slice()), (1, &[(BOB, CloseCode::Malformed)][..]));
    assert!(!scene.room.takes_input());
    assert_eq!(scene.appended, [before], "what came before it counts");
    // Meanwhile others come, ask and write.
    scene.join(CAROL, EDITOR);
    scene.says(CAROL, &step1(&[0]));
    scene.types(CAROL, 0, "meanwhile ");
    assert_eq!(scene.heard(CAROL), []);
    scene.passes_ms(20_000);
    scene.reload();
    assert!(scene.room.takes_input());
    scene.save();
    let heard = scene.heard(ALICE);
    assert!(heard.contains(&Heard::SavedCount(3)), "no update was counted twice: {heard:?}");
    assert!(heard.contains(&Heard::SavedEcho(vec![1])));
    let heard = scene.heard(CAROL);
    assert!(heard.iter().any(|heard| matches!(heard, Heard::Step1(_))), "asked once the room can");
    assert!(heard.iter().any(|heard| matches!(heard, Heard::Step2(_))));
    let text = scene.text();
    assert_eq!(text.len(), "meanwhile after start before".len());
    assert_eq!((scene.person(ALICE).text(), scene.person(CAROL).text()), (text.clone(), text.clone()));
    assert_eq!(scene.durable_text(), text);
}

/// What Alice wrote before she asked was not applied yet, let alone stored.
#[test]
fn a_saved_query_waits_for_what_poison_held_up() {
    let mut scene = with_text();
    let after = scene.person(ALICE).types(0, "after ");
    scene.passes_ms(2_000);
    scene.forget_what_was_heard();
    let query = saved_query(&[1]);
    scene.say_at_once(&[(BOB, update(&poison())), (ALICE, update(&after)), (ALICE, query)]);
    let echo = Heard::SavedEcho(vec![1]);
    assert!(!scene.room.takes_input() && !scene.heard(ALICE).contains(&echo));
    scene.reload();
    assert!(!scene.heard(ALICE).contains(&echo), "not before it is on disk");
    scene.save();
    assert!(scene.heard(ALICE).contains(&echo));
    assert_eq!(scene.durable_text(), "after start");
}

#[test]
fn a_broken_room_is_asked_nothing() {
    let mut scene = with_text();
    scene.stalls(ALICE);
    for _ in 0..3_000 {
        scene.types(BOB, 0, "x");
    }
    scene.says(BOB, &update(&poison()));
    scene.reads(ALICE);
    scene.handle(Input::Durable(scene.store.last_seq + scene.appended.len() as u64));
    assert_eq!(scene.heard(ALICE), [], "a diff of a broken document would be wrong");
    scene.passes_ms(1_000);
    scene.reload();
    assert_eq!(scene.person(ALICE).text(), scene.text());
}

#[test]
fn a_broken_room_drains_once_it_is_whole() {
    let mut scene = with_text();
    scene.says(BOB, &update(&poison()));
    scene.handle(Input::Drain);
    assert_eq!((scene.drained, scene.snapshots.len()), (0, 0));
    scene.reload();
    scene.store_snapshot();
    assert_eq!((scene.drained, scene.durable_text()), (1, "start".to_owned()));
}

#[test]
fn poison_in_the_store_is_left_out() {
    let mut scene = with_text();
    scene.store.updates.push(poison());
    scene.store.last_seq += 1;
    let alice = scene.person(ALICE).types(5, "!");
    scene.store.updates.push(alice);
    scene.store.last_seq += 1;
    let store = scene.store.clone();
    let (_, quarantined) = orrery_protocol::room::Room::open(0, DocumentName::Board, RoomConfig::default(), &store);
    assert_eq!(quarantined.iter().map(|left_out| left_out.position).collect::<Vec<_>>(), [Some(1)]);
    let mut scene = Scene::opened(DocumentName::Board, RoomConfig::default(), store);
    assert_eq!(scene.text(), "start!");
}

/// Alice's text, something that cannot be applied, and some more of Alice.
fn with_poison_in_the_store() -> Scene {
    let scene = with_text();
    let more = scene.person(ALICE).types(5, "!");
    let mut store = scene.store;
    store.updates.extend([poison(), more]);
    store.last_seq += 2;
    Scene::opened(DocumentName::Board, with_quick_snapshots(), store)
}

fn with_quick_snapshots() -> RoomConfig {
    let mut config = RoomConfig::default();
    config.clocks.snapshot_ms = 1_000;
    config
}

/// Time passes, and the store does all that it is asked.
fn settles(scene: &mut Scene) {
    for _ in 0..4 {
        scene.passes_ms(2_500);
        scene.save();
        while !scene.snapshots.is_empty() {
            scene.store_snapshot();
        }
    }
}

/// It was acknowledged once, and a later version may be able to apply it. But the journal must not grow behind it.
#[test]
fn what_is_left_out_stays_stored_and_nothing_else_has_to() {
    let mut scene = with_poison_in_the_store();
    assert_eq!(scene.room.report().left_out, 1);
    settles(&mut scene);
    assert_eq!((&scene.store.updates, scene.store.snapshot.is_some()), (&vec![poison()], true));
    scene.enter(ALICE, EDITOR);
    for _ in 0..2 {
        scene.types(ALICE, 0, "on ");
        scene.save();
        settles(&mut scene);
        assert_eq!(scene.store.updates, [poison()]);
    }
    let last_seq = scene.store.last_seq;
    scene.leaves(ALICE);
    scene.passes_ms(600_000);
    assert_eq!((scene.idle > 0, scene.appended.len(), scene.store.last_seq), (true, 0, last_seq), "it is at rest");
    let mut scene = Scene::opened(DocumentName::Board, RoomConfig::default(), scene.store);
    assert_eq!((scene.text().as_str(), scene.room.report().left_out), ("on on start!", 1));
}

#[test]
fn what_is_left_out_is_appended_again_before_a_snapshot_covers_it() {
    let mut scene = with_poison_in_the_store();
    scene.passes_ms(2_500);
    scene.store_snapshot();
    assert_eq!(scene.store.updates[0], poison(), "a snapshot of what lies before it");
    scene.passes_ms(2_500);
    assert_eq!(scene.appended, [poison()]);
    scene.passes_ms(10_000);
    assert_eq!((scene.appended.len(), scene.snapshots.len()), (1, 0), "not before that is durable");
    // Here the process ends: it lies there twice.
    scene.save();
    let mut scene = Scene::opened(DocumentName::Board, with_quick_snapshots(), scene.store);
    assert_eq!(scene.room.report().left_out, 1);
    settles(&mut scene);
    assert_eq!(scene.store.updates, [poison()]);
}

#[test]
fn what_is_left_out_outlasts_a_room_that_is_drained() {
    let mut scene = with_poison_in_the_store();
    scene.handle(Input::Drain);
    for _ in 0..4 {
        scene.save();
        if !scene.snapshots.is_empty() {
            scene.store_snapshot();
        }
    }
    assert_eq!((scene.drained, scene.store.updates), (1, vec![poison()]));
}

/// As if yrs took from a peer what it does not take from the store.
#[test]
fn what_is_left_out_of_a_document_that_broke_stays_stored_too() {
    for snapshot_on_its_way in [false, true] {
        let mut scene = Scene::opened(DocumentName::Board, with_quick_snapshots(), Default::default());
        scene.enter(ALICE, EDITOR);
        scene.enter(BOB, EDITOR);
        scene.types(ALICE, 0, "a");
        scene.save();
        if snapshot_on_its_way {
            scene.passes_ms(2_500);
            assert_eq!(scene.snapshots.len(), 1);
        }
        scene.store.updates[0] = poison();
        scene.says(BOB, &update(&poison()));
        scene.reload();
        assert_eq!(scene.left_out, 1);
        settles(&mut scene);
        assert_eq!(scene.store.updates, [poison()]);
    }
}

#[test]
fn a_room_does_not_go_on_without_its_snapshot() {
    let mut scene = with_text();
    scene.store.snapshot = Some(Bytes::from_static(b"no update"));
    scene.says(BOB, &update(&poison()));
    scene.reload();
    assert!(scene.unreadable && !scene.room.takes_input());
    scene.passes_ms(600_000);
    assert_eq!((scene.snapshots.len(), scene.appended.len()), (0, 0));
}

#[test]
fn who_nests_types_without_end_is_closed_and_the_room_goes_on() {
    let mut scene = with_text();
    scene.passes_ms(2_000);
    let mut out = Vec::new();
    // A hundred thousand arrays of client 66, each in the one before it.
    for number in [1, 100_000, 66, 0] {
        put_var_uint(&mut out, number);
    }
    out.extend_from_slice(&[7, 1, 1, b'r', 0]);
    for clock in 0..99_999 {
        out.extend_from_slice(&[7, 0, 66]);
        put_var_uint(&mut out, clock);
        out.push(0);
    }
    out.push(0);
    scene.says(BOB, &update(&out));
    assert_eq!((scene.closed.as_slice(), scene.reloads), (&[(BOB, CloseCode::Malformed)][..], 0));
    scene.types(ALICE, 0, "on ");
    scene.save();
    assert_eq!((scene.text(), scene.durable_text()), ("on start".to_owned(), "on start".to_owned()));
}
