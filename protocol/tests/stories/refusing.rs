//! Writes that are not allowed, and peers that do not behave.

use bytes::Bytes;
use orrery_protocol::{
    access::Role,
    id::{DocumentName, UserId},
    room::{CloseCode, Input},
};
use uuid::Uuid;

use crate::scene::*;

#[test]
fn a_refused_write_leaves_no_trace() {
    for (name, entrance) in [(DocumentName::Board, VIEWER), (DocumentName::System, EDITOR)] {
        let mut scene = Scene::new(name);
        scene.enter(BOB, entrance);
        scene.enter(ALICE, Entrance { extended: true, ..entrance });
        scene.forget_what_was_heard();
        scene.types(ALICE, 0, "forbidden");
        let reply = scene.heard(ALICE);
        assert!(matches!(reply.as_slice(), [Heard::Denied(reason)] if !reason.is_empty()), "{reply:?}");
        scene.save();
        assert_eq!((scene.heard(ALICE), scene.heard(BOB)), (vec![], vec![]));
        assert!(scene.store.updates.is_empty());
        assert_eq!(scene.text(), "");
        assert_eq!(scene.closed, [], "the socket stays");
    }
}

#[test]
fn a_hundred_refusals_end_the_connection() {
    let mut scene = Scene::board();
    scene.enter(ALICE, VIEWER);
    scene.forget_what_was_heard();
    let made = scene.person(ALICE).types(0, "again");
    for _ in 0..99 {
        scene.says(ALICE, &update(&made));
    }
    assert_eq!((scene.heard(ALICE).len(), scene.closed.len()), (99, 0));
    scene.says(ALICE, &update(&made));
    assert_eq!(scene.heard(ALICE).len(), 1);
    scene.passes_ms(1_000);
    assert_eq!(scene.closed, [(ALICE, CloseCode::Forbidden)]);
    assert_eq!(scene.room.report().peers, 0);
}

#[test]
fn what_adds_nothing_is_not_a_write() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.types(ALICE, 0, "some text");
    let erased = scene.person(ALICE).deletes(2, 3);
    scene.says(ALICE, &update(&erased));
    scene.enter(BOB, VIEWER);
    scene.forget_what_was_heard();
    // An empty step 2, the whole state with its whole delete set, and the delete set alone.
    let whole = scene.person(BOB).state();
    for known in [Bytes::from_static(&[0, 0]), whole, erased] {
        scene.says(BOB, &step2(&known));
        scene.says(BOB, &update(&known));
    }
    assert_eq!(scene.heard(BOB), []);
    assert_eq!(scene.room.report().counts.refused, 0);
    // One deletion more is a write.
    let more = scene.person(BOB).deletes(0, 1);
    scene.says(BOB, &step2(&more));
    assert!(matches!(scene.heard(BOB).as_slice(), [Heard::Denied(_)]));
    assert_eq!(scene.text(), scene.person(ALICE).text());
}

#[test]
fn a_replica_of_an_older_system_is_stale() {
    let mut scene = Scene::new(DocumentName::System);
    scene.join(ALICE, EDITOR);
    scene.person(ALICE).types(0, "of another life");
    let stale = scene.person(ALICE).state_vector();
    scene.says(ALICE, &step1(&stale));
    assert_eq!(scene.heard(ALICE), []);
    scene.passes_ms(999);
    assert_eq!(scene.closed, [], "sockets are held for a second");
    scene.passes_ms(1);
    assert_eq!(scene.closed, [(ALICE, CloseCode::Stale)]);
    // From an empty document it is welcome; elsewhere it always is.
    scene.enter(BOB, EDITOR);
    assert!(matches!(scene.heard(BOB).as_slice(), [Heard::Step2(_)]));
    let mut scene = Scene::board();
    scene.join(CAROL, VIEWER);
    scene.says(CAROL, &step1(&stale));
    assert!(matches!(scene.heard(CAROL).as_slice(), [Heard::Step2(_)]));
}

#[test]
fn a_malformed_frame_ends_its_sender_and_nobody_else() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.enter(BOB, EDITOR);
    scene.passes_ms(400);
    scene.says(ALICE, &Bytes::from_static(&[0, 2, 3, 9, 9, 9]));
    scene.forget_what_was_heard();
    scene.types(ALICE, 0, "nothing more is heard of it");
    scene.types(BOB, 0, "fine");
    assert_eq!((scene.heard(ALICE).len(), scene.person(BOB).text()), (0, "fine".to_owned()));
    scene.passes_ms(599);
    assert_eq!(scene.closed, []);
    scene.passes_ms(1);
    assert_eq!(scene.closed, [(ALICE, CloseCode::Malformed)]);
    // Who was there for longer goes at once.
    scene.says(BOB, &Bytes::new());
    assert_eq!(scene.closed, [(ALICE, CloseCode::Malformed), (BOB, CloseCode::Malformed)]);
}

#[test]
fn what_came_before_a_malformed_message_counts() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.enter(BOB, EDITOR);
    let mut frame = update(&scene.person(ALICE).types(0, "kept")).to_vec();
    frame.extend_from_slice(&[99]);
    scene.says(ALICE, &frame.into());
    assert_eq!(scene.person(BOB).text(), "kept");
    scene.passes_ms(1_000);
    assert_eq!(scene.closed, [(ALICE, CloseCode::Malformed)]);
}

#[test]
fn a_member_who_lost_access_is_gone_with_all_connections() {
    let mut scene = Scene::board();
    let member = Entrance { user: 7, ..EDITOR };
    scene.enter(ALICE, member);
    scene.enter(BOB, EDITOR);
    scene.passes_ms(5_000);
    scene.enter(CAROL, member);
    scene.handle(Input::Role(UserId(Uuid::from_u128(7)), None));
    scene.types(CAROL, 0, "one last word");
    scene.passes_ms(1_000);
    assert_eq!(scene.closed, [(ALICE, CloseCode::AccessEnded), (CAROL, CloseCode::AccessEnded)]);
    assert_eq!((scene.person(BOB).text(), scene.room.report().peers), (String::new(), 1));
}

#[test]
fn a_member_whose_role_changed_comes_back_under_the_new_one() {
    let mut scene = Scene::board();
    let user = UserId(Uuid::from_u128(7));
    scene.enter(ALICE, Entrance { user: 7, ..EDITOR });
    scene.enter(BOB, EDITOR);
    scene.handle(Input::Role(user, Some(Role::Editor)));
    assert_eq!(scene.closed, [], "it is the one they came with");
    scene.handle(Input::Role(user, Some(Role::Viewer)));
    assert_eq!(scene.closed, [(ALICE, CloseCode::Restarting)]);
    assert_eq!(scene.room.report().peers, 1);
}
