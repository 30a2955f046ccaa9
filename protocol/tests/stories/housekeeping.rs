//! What time does to a room, and how it ends.

use orrery_protocol::{
    id::DocumentName,
    room::{CloseCode, Input, Received, RoomConfig},
};

use crate::scene::*;

#[test]
fn who_answers_no_ping_is_closed() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.enter(BOB, EDITOR);
    scene.says(ALICE, &awareness(&[(1, 1, "{}")]));
    scene.passes_ms(33_000);
    assert_eq!(scene.pinged, [ALICE, BOB]);
    scene.handle(Input::Received(vec![(BOB, Received::Pong)]));
    scene.passes_ms(33_000);
    assert_eq!(scene.closed, [(ALICE, CloseCode::TooSlow)]);
    assert_eq!((scene.room.report().present, scene.room.report().peers), (0, 1));
    assert_eq!(scene.pinged, [ALICE, BOB, BOB]);
}

#[test]
fn a_changed_room_is_snapshot_every_half_minute() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.passes_ms(60_000);
    assert!(scene.snapshots.is_empty(), "nothing is new");
    scene.enter(BOB, EDITOR);
    scene.types(BOB, 0, "one");
    scene.save();
    scene.passes_ms(3_000);
    assert_eq!(scene.snapshots.len(), 1);
    scene.types(BOB, 0, "two ");
    scene.save();
    scene.passes_ms(40_000);
    assert_eq!(scene.snapshots.len(), 1, "one at a time");
    scene.store_snapshot();
    scene.passes_ms(40_000);
    assert_eq!((scene.snapshots.len(), scene.snapshots[0].0), (1, 2));
    scene.store_snapshot();
    assert_eq!((scene.durable_text(), scene.store.updates.len()), ("two one".to_owned(), 0));
}

#[test]
fn a_room_that_never_rests_is_snapshot_too() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    for at in 0..40_u32 {
        scene.types(ALICE, at, "x");
        scene.save();
        scene.types(ALICE, at, "y");
        scene.handle(Input::Received(vec![(ALICE, Received::Pong)]));
        scene.passes_ms(1_000);
    }
    assert!(!scene.snapshots.is_empty());
    let covers_seq = scene.snapshots[0].0;
    assert!(covers_seq <= scene.store.last_seq, "nothing is covered that is not durable");
    scene.store_snapshot();
    scene.save();
    assert_eq!(scene.durable_text(), scene.person(ALICE).text());
}

#[test]
fn a_failed_snapshot_is_tried_again() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.types(ALICE, 0, "x");
    scene.save();
    scene.leaves(ALICE);
    scene.passes_ms(40_000);
    scene.snapshots.clear();
    scene.handle(Input::SnapshotFailed);
    scene.passes_ms(40_000);
    assert_eq!(scene.snapshots.len(), 1);
}

#[test]
fn an_abandoned_room_goes_once_it_is_clean() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.types(ALICE, 0, "x");
    scene.leaves(ALICE);
    scene.passes_ms(400_000);
    assert_eq!(scene.idle, 0, "never with unsaved updates");
    scene.save();
    scene.passes_ms(400_000);
    assert_eq!((scene.idle, scene.snapshots.len()), (0, 1), "nor before the snapshot is stored");
    scene.store_snapshot();
    scene.passes_ms(3_000);
    assert!(scene.idle > 0);
    // Somebody comes after all.
    scene.enter(BOB, EDITOR);
    scene.idle = 0;
    scene.passes_ms(20_000);
    assert_eq!((scene.idle, scene.person(BOB).text()), (0, "x".to_owned()));
}

#[test]
fn a_room_unloads_five_minutes_after_its_last_peer() {
    let mut scene = Scene::board();
    scene.enter(ALICE, VIEWER);
    scene.passes_ms(20_000);
    scene.leaves(ALICE);
    scene.passes_ms(299_000);
    assert_eq!(scene.idle, 0);
    scene.passes_ms(4_000);
    assert!(scene.idle > 0);
}

#[test]
fn draining_closes_peers_and_brings_everything_to_disk() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.types(ALICE, 0, "x");
    scene.handle(Input::Drain);
    assert_eq!((scene.closed.as_slice(), scene.drained), (&[(ALICE, CloseCode::Restarting)][..], 0));
    scene.join(BOB, EDITOR);
    assert_eq!(scene.closed[1], (BOB, CloseCode::Restarting));
    scene.save();
    assert_eq!((scene.drained, scene.snapshots.len()), (0, 1));
    scene.store_snapshot();
    assert_eq!(scene.drained, 1);
    scene.handle(Input::Durable(1));
    scene.handle(Input::Drain);
    assert_eq!(scene.drained, 1, "said once");
}

#[test]
fn draining_does_without_a_snapshot_that_fails() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.types(ALICE, 0, "x");
    scene.save();
    scene.handle(Input::Drain);
    scene.handle(Input::SnapshotFailed);
    assert_eq!(scene.drained, 1, "the journal has it all");
    let mut scene = Scene::board();
    scene.handle(Input::Drain);
    assert_eq!((scene.drained, scene.snapshots.len()), (1, 0), "nothing to do");
}

#[test]
fn clocks_are_configurable() {
    let mut config = RoomConfig::default();
    config.clocks.unload_ms = 0;
    let mut scene = Scene::opened(DocumentName::Board, config, Default::default());
    // Short clocks are honoured, but no room looks at its peers all the time.
    scene.passes_ms(49);
    assert_eq!(scene.idle, 0);
    scene.passes_ms(1);
    assert_eq!(scene.idle, 1);
}
