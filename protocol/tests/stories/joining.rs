//! Joining, and how edits reach everybody else.

use bytes::Bytes;
use orrery_protocol::id::DocumentName;

use crate::scene::*;

const EMPTY: &[u8] = &[0, 0];

#[test]
fn the_room_asks_editors_and_answers_everybody() {
    for (name, entrance, is_asked) in [
        (DocumentName::Board, EDITOR, true),
        (DocumentName::Board, VIEWER, false),
        (DocumentName::System, EDITOR, false),
    ] {
        let mut scene = Scene::new(name);
        scene.join(ALICE, entrance);
        let asked = if is_asked { vec![Heard::Step1(Bytes::from_static(&[0]))] } else { vec![] };
        assert_eq!(scene.heard(ALICE), asked);
        scene.says(ALICE, &step1(&[0]));
        assert_eq!(scene.heard(ALICE), [Heard::Step2(Bytes::from_static(EMPTY))], "also when there is nothing to say");
    }
}

#[test]
fn a_late_joiner_gets_everything() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    for at in 0..500 {
        scene.types(ALICE, at, "x");
    }
    scene.enter(BOB, VIEWER);
    assert_eq!(scene.person(BOB).text(), "x".repeat(500));
    // Also from the middle of what it has.
    scene.enter(CAROL, EDITOR);
    let known = scene.person(CAROL).state_vector();
    scene.types(ALICE, 0, "y");
    scene.forget_what_was_heard();
    scene.save();
    scene.says(CAROL, &step1(&known));
    assert!(matches!(scene.heard(CAROL).as_slice(), [Heard::Step2(_)]));
    assert_eq!(scene.text(), scene.person(CAROL).text());
}

#[test]
fn a_second_window_is_answered_once_the_first_is_saved() {
    let mut scene = Scene::board();
    let same = Entrance { user: 7, ..EDITOR };
    scene.enter(ALICE, same);
    scene.types(ALICE, 0, "typing");
    // It might have written the same, and would take the answer for confirmed.
    scene.enter(BOB, same);
    assert_eq!(scene.person(BOB).text(), "");
    scene.save();
    assert_eq!(scene.person(BOB).text(), "typing", "though the first window is still there");
}

#[test]
fn the_accepted_bytes_reach_all_but_the_sender() {
    let mut scene = Scene::board();
    for peer in [ALICE, BOB, CAROL] {
        scene.enter(peer, EDITOR);
    }
    scene.forget_what_was_heard();
    let made = scene.person(ALICE).types(0, "hello");
    scene.says(ALICE, &update(&made));
    assert_eq!(scene.heard(ALICE), []);
    assert_eq!(scene.heard(BOB), [Heard::Update(made.clone())]);
    assert_eq!(scene.heard(CAROL), [Heard::Update(made.clone())]);
    assert_eq!(scene.appended, [made]);
}

#[test]
fn several_senders_in_one_batch_do_not_hear_themselves() {
    let mut scene = Scene::board();
    for peer in [ALICE, BOB, CAROL] {
        scene.enter(peer, EDITOR);
    }
    scene.forget_what_was_heard();
    let by_alice = [scene.person(ALICE).types(0, "a"), scene.person(ALICE).types(1, "b")];
    let by_bob = [scene.person(BOB).types(0, "1"), scene.person(BOB).types(1, "2")];
    scene.say_at_once(&[
        (ALICE, update(&by_alice[0])),
        (BOB, update(&by_bob[0])),
        (BOB, update(&by_bob[1])),
        (ALICE, update(&by_alice[1])),
    ]);
    let updates = |made: &[&Bytes]| made.iter().map(|&made| Heard::Update(made.clone())).collect::<Vec<_>>();
    // What Bob said in one go is one update for everybody else.
    let joined = Bytes::from_static(b"\x01\x01\x02\0\x04\x01\x04text\x0212\0");
    assert_eq!(scene.heard(ALICE), updates(&[&joined]));
    assert_eq!(scene.heard(BOB), updates(&[&by_alice[0], &by_alice[1]]));
    assert_eq!(scene.heard(CAROL), updates(&[&by_alice[0], &joined, &by_alice[1]]));
    assert_eq!(scene.person(ALICE).text(), scene.person(CAROL).text());
    assert_eq!(scene.person(BOB).text(), scene.person(CAROL).text());
}

#[test]
fn an_answer_comes_after_what_its_asker_said_before() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.enter(BOB, EDITOR);
    scene.forget_what_was_heard();
    let made = scene.person(ALICE).types(0, "hi");
    scene.say_at_once(&[(ALICE, update(&made)), (BOB, step1(&[0]))]);
    let heard = scene.heard(BOB);
    let is_synced_last = |heard: &[Heard]| {
        matches!(heard.last(), Some(Heard::Step2(_)))
            && heard.iter().filter(|heard| matches!(heard, Heard::Step2(_))).count() == 1
    };
    assert_eq!(heard[0], Heard::Update(made));
    assert!(is_synced_last(&heard), "clients trust what they see after a step 2: {heard:?}");
    // Alice's own answer would hold what is not durable yet.
    scene.says(ALICE, &step1(&[0]));
    assert_eq!(scene.heard(ALICE), []);
    scene.save();
    assert!(is_synced_last(&scene.heard(ALICE)));
}

#[test]
fn an_offline_edit_comes_in_with_the_handshake() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.join(BOB, EDITOR);
    scene.person(BOB).types(0, "written offline");
    scene.shake_hands(BOB);
    assert_eq!(scene.person(ALICE).text(), "written offline");
    scene.save();
    assert_eq!(scene.durable_text(), "written offline");
}

#[test]
fn an_update_that_came_too_early_waits_and_the_room_asks() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.enter(BOB, EDITOR);
    let [first, second] = [scene.person(ALICE).types(0, "a"), scene.person(ALICE).types(1, "b")];
    scene.forget_what_was_heard();
    scene.says(ALICE, &update(&second));
    assert_eq!(scene.heard(ALICE), [Heard::Step1(Bytes::from_static(&[0]))]);
    assert_eq!((scene.heard(BOB), scene.appended.len()), (vec![], 0), "neither relayed nor stored");
    scene.says(ALICE, &update(&first));
    assert_eq!(scene.heard(BOB), [Heard::Update(first), Heard::Update(second)]);
    assert_eq!(scene.person(BOB).text(), "ab");
}

#[test]
fn a_room_opens_with_what_is_stored() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.types(ALICE, 0, "kept");
    scene.save();
    let store = scene.store.clone();
    let mut scene = Scene::opened(DocumentName::Board, orrery_protocol::room::RoomConfig::default(), store);
    assert_eq!(scene.text(), "kept");
    scene.enter(BOB, EDITOR);
    scene.types(BOB, 4, "!");
    scene.save();
    assert_eq!(scene.durable_text(), "kept!");
}

#[test]
fn two_halves_of_a_character_can_be_asked_for() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.types(ALICE, 0, "a😀b");
    scene.save();
    for clock in 0..=4 {
        scene.join(BOB, EDITOR);
        scene.says(BOB, &step1(&[1, 1, clock]));
        assert!(scene.heard(BOB).iter().any(|heard| matches!(heard, Heard::Step2(_))), "from clock {clock}");
        scene.leaves(BOB);
    }
}
