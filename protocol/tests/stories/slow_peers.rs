//! Peers that read slowly lose their queue, never data.

use orrery_protocol::room::{CloseCode, Input};
use yrs::updates::decoder::Decode;

use crate::scene::*;

fn both(entrance: Entrance) -> Scene {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.enter(BOB, entrance);
    scene.types(ALICE, 0, "start ");
    scene.forget_what_was_heard();
    scene
}

#[test]
fn a_backlog_that_fits_is_read_as_it_was_sent() {
    let mut scene = both(EDITOR);
    scene.stalls(BOB);
    for _ in 0..10 {
        scene.types(ALICE, 0, "x");
    }
    scene.reads(BOB);
    let heard = scene.heard(BOB);
    assert_eq!(heard.len(), 10);
    assert!(heard.iter().all(|heard| matches!(heard, Heard::Update(_))));
    scene.assert_same(ALICE, BOB);
    assert_eq!(scene.room.report().counts.overflows, 0);
}

#[test]
fn a_dropped_queue_is_made_up_for_by_one_diff() {
    let mut scene = both(EDITOR);
    scene.stalls(BOB);
    for _ in 0..5_000 {
        scene.types(ALICE, 0, "x");
    }
    let erased = scene.person(ALICE).deletes(4_998, 4);
    scene.says(ALICE, &update(&erased));
    assert_eq!(scene.room.report().counts.overflows, 1);
    scene.reads(BOB);
    let heard = scene.heard(BOB);
    assert!(matches!(heard.as_slice(), [Heard::Step2(_)]), "{} messages", heard.len());
    scene.assert_same(ALICE, BOB);
    // And goes on as usual.
    scene.types(ALICE, 0, "y");
    assert!(matches!(scene.heard(BOB).as_slice(), [Heard::Update(_)]));
    scene.assert_same(ALICE, BOB);
}

#[test]
fn who_stalls_before_its_first_answer_still_gets_one() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.types(ALICE, 0, &"long ".repeat(2_000));
    scene.join(BOB, VIEWER);
    scene.stalls(BOB);
    scene.says(BOB, &step1(&[0]));
    for _ in 0..5_000 {
        scene.types(ALICE, 0, "x");
    }
    scene.reads(BOB);
    assert!(scene.heard(BOB).iter().any(|heard| matches!(heard, Heard::Step2(_))), "clients wait for it");
    scene.assert_same(ALICE, BOB);
}

#[test]
fn a_diff_does_not_confirm_what_is_not_durable() {
    let mut scene = both(EDITOR);
    scene.stalls(BOB);
    for _ in 0..5_000 {
        scene.types(ALICE, 0, "x");
    }
    scene.types(BOB, 0, "mine");
    scene.says(BOB, &saved_query(&[9]));
    scene.reads(BOB);
    assert_eq!(scene.heard(BOB), []);
    scene.save();
    let heard = scene.heard(BOB);
    assert!(matches!(heard.as_slice(), [Heard::Step2(_), Heard::SavedEcho(_)]), "{heard:?}");
    scene.assert_same(ALICE, BOB);
}

#[test]
fn a_counted_peer_gets_its_diff_before_its_count() {
    let mut scene = both(EXTENDED);
    scene.stalls(BOB);
    for _ in 0..5_000 {
        scene.types(ALICE, 0, "x");
    }
    scene.types(BOB, 0, "mine");
    scene.reads(BOB);
    assert!(matches!(scene.heard(BOB).as_slice(), [Heard::Step2(_), Heard::SavedCount(0)]));
    scene.save();
    assert_eq!(scene.heard(BOB), [Heard::SavedCount(1)]);
    scene.assert_same(ALICE, BOB);
}

#[test]
fn a_confirmation_that_was_dropped_with_the_queue_is_repeated() {
    let mut scene = both(EXTENDED);
    scene.types(BOB, 0, "mine");
    scene.says(BOB, &saved_query(&[9]));
    scene.stalls(BOB);
    scene.save();
    for _ in 0..5_000 {
        scene.types(ALICE, 0, "x");
    }
    scene.save();
    scene.reads(BOB);
    let heard = scene.heard(BOB);
    assert!(matches!(heard.as_slice(), [Heard::Step2(_), Heard::SavedCount(1), Heard::SavedEcho(_)]), "{heard:?}");
}

#[test]
fn an_echo_that_was_dropped_with_the_queue_is_in_the_diff() {
    let mut scene = both(EDITOR);
    let made = scene.person(BOB).types(0, "mine");
    scene.says(BOB, &update(&made));
    scene.stalls(BOB);
    for _ in 0..5_000 {
        scene.types(ALICE, 0, "x");
    }
    scene.save();
    scene.reads(BOB);
    let heard = scene.heard(BOB);
    let [Heard::Step2(diff)] = heard.as_slice() else { panic!("{heard:?}") };
    let mut other = Scene::board();
    other.join(CAROL, EDITOR);
    other.person(CAROL).applies(diff);
    let confirmed = yrs::Update::decode_v1(diff).expect("an update").state_vector_lower();
    assert_eq!(confirmed.get(&yrs::ClientID::new(BOB.0)), 0);
    assert!(confirmed.contains_client(&yrs::ClientID::new(BOB.0)), "its own update is in it");
}

#[test]
fn who_was_behind_hears_who_left_meanwhile() {
    let mut scene = both(EDITOR);
    scene.says(ALICE, &awareness(&[(1, 1, "{}")]));
    scene.says(BOB, &awareness(&[(2, 1, "{}")]));
    scene.passes_ms(200);
    scene.forget_what_was_heard();
    scene.stalls(BOB);
    for _ in 0..5_000 {
        scene.types(ALICE, 0, "x");
    }
    scene.leaves(ALICE);
    scene.passes_ms(200);
    scene.save();
    scene.reads(BOB);
    let gone = Heard::Awareness(vec![(1, 1, "null".to_owned())]);
    assert!(scene.heard(BOB).contains(&gone));
}

#[test]
fn only_who_stays_stuck_is_closed() {
    let mut scene = both(EDITOR);
    scene.stalls(BOB);
    scene.types(ALICE, 0, "x");
    scene.handle(Input::Stuck(BOB));
    assert_eq!(scene.closed, [(BOB, CloseCode::TooSlow)]);
    scene.types(ALICE, 0, "x");
    assert_eq!(scene.room.report().peers, 1);
}

/// Not only once the store has caught up, which may be never.
#[test]
fn who_asks_while_it_stalls_is_answered_in_time_once_it_reads() {
    let mut scene = both(EDITOR);
    scene.types(BOB, 0, "unsaved ");
    scene.passes_ms(2_000);
    scene.stalls(BOB);
    scene.types(ALICE, 0, "x");
    scene.says(BOB, &step1(&[0]));
    scene.reads(BOB);
    scene.forget_what_was_heard();
    scene.passes_ms(1_500);
    assert!(scene.heard(BOB).iter().any(|heard| matches!(heard, Heard::Step2(_))));
}
