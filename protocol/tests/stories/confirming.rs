//! Saved: nothing is confirmed before it is durable, everything durable is confirmed.

use bytes::Bytes;
use orrery_protocol::{
    id::{DocumentName, PeerId},
    record::StoredDocument,
    room::{CloseCode, RoomConfig},
};
use yrs::{Map, Text, WriteTxn};

use crate::scene::*;

/// Applied to an empty replica, do `echoes` have the effect of `made`?
#[track_caller]
fn check_same_effect(echoes: &[Heard], made: &[Bytes]) {
    let scene = |updates: &[Bytes]| {
        let mut scene = Scene::board();
        scene.enter(CAROL, EDITOR);
        updates.iter().for_each(|update| scene.person(CAROL).applies(update));
        scene.person(CAROL).state()
    };
    let echoed: Vec<Bytes> = echoes
        .iter()
        .map(|heard| if let Heard::Update(update) = heard { update.clone() } else { panic!("{heard:?}") })
        .collect();
    assert_eq!(scene(&echoed), scene(made));
}

#[test]
fn an_update_comes_back_once_it_is_durable() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.forget_what_was_heard();
    let made = scene.person(ALICE).types(0, "kept");
    scene.says(ALICE, &update(&made));
    assert_eq!(scene.heard(ALICE), []);
    scene.save();
    assert_eq!(scene.heard(ALICE), [Heard::Update(made)]);
}

#[test]
fn a_run_of_typing_comes_back_as_one_update() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.enter(BOB, EDITOR);
    scene.forget_what_was_heard();
    let made: Vec<Bytes> = ["a", "😀", "ß", "𝒳y"]
        .into_iter()
        .scan(0, |at, text| {
            let made = scene.person(ALICE).types(*at, text);
            *at += text.encode_utf16().count() as u32;
            Some(made)
        })
        .collect();
    made.iter().for_each(|made| scene.says(ALICE, &update(made)));
    scene.types(BOB, 0, "other ");
    scene.heard(ALICE);
    scene.save();
    let heard = scene.heard(ALICE);
    assert_eq!(heard.len(), 1, "{heard:?}");
    check_same_effect(&heard, &made);
}

#[test]
fn deletions_come_back_with_the_run() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.forget_what_was_heard();
    let alice = scene.person(ALICE);
    let made = [
        alice.types(0, "hello 😀 world"),
        alice.deletes(0, 2),
        alice.types(3, "xyz"),
        alice.deletes(1, 4),
        alice.deletes(0, 1),
        alice.types(0, "end"),
    ];
    made.iter().for_each(|made| scene.says(ALICE, &update(made)));
    scene.save();
    let heard = scene.heard(ALICE);
    assert_eq!(heard.len(), 1, "{heard:?}");
    check_same_effect(&heard, &made);
}

#[test]
fn updates_of_several_clients_come_back_as_they_were() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.forget_what_was_heard();
    // What two replicas did offline reaches the room over one connection.
    let other = PeerId(77);
    scene.enter(other, EDITOR);
    let made = [
        scene.person(ALICE).types(0, "a"),
        scene.person(other).types(0, "b"),
        scene.person(ALICE).edit(|txn| {
            txn.get_or_insert_map("map").insert(txn, "key", 1);
            txn.get_or_insert_text("text").remove_range(txn, 0, 1);
        }),
        scene.person(other).types(1, "c"),
    ];
    scene.forget_what_was_heard();
    made.iter().for_each(|made| scene.says(ALICE, &update(made)));
    scene.save();
    check_same_effect(&scene.heard(ALICE), &made);
}

#[test]
fn a_repeated_update_is_not_stored_again() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    scene.enter(BOB, EDITOR);
    let made = scene.person(ALICE).types(0, "once");
    scene.says(ALICE, &update(&made));
    scene.save();
    scene.forget_what_was_heard();
    let erased = scene.person(ALICE).deletes(0, 1);
    scene.says(ALICE, &update(&erased));
    scene.save();
    scene.forget_what_was_heard();
    for again in [&made, &erased] {
        scene.says(ALICE, &update(again));
    }
    assert_eq!((scene.appended.len(), scene.heard(BOB).len()), (0, 0));
    assert_eq!(scene.room.report().counts.duplicates, 2 + 2, "two here, two empty ones in handshakes");
}

#[test]
fn extended_peers_are_told_how_many_are_durable() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EXTENDED);
    scene.forget_what_was_heard();
    let made = [scene.person(ALICE).types(0, "a"), scene.person(ALICE).types(1, "b")];
    made.iter().for_each(|made| scene.says(ALICE, &update(made)));
    assert_eq!(scene.heard(ALICE), []);
    scene.save();
    assert_eq!(scene.heard(ALICE), [Heard::SavedCount(2)], "and no echo");
    // A repetition is durable already.
    scene.says(ALICE, &update(&made[0]));
    assert_eq!(scene.heard(ALICE), [Heard::SavedCount(3)]);
    // But not while what it repeats is on its way.
    let third = scene.person(ALICE).types(2, "c");
    scene.say_at_once(&[(ALICE, update(&third)), (ALICE, update(&third))]);
    assert_eq!(scene.heard(ALICE), []);
    scene.save();
    assert_eq!(scene.heard(ALICE), [Heard::SavedCount(5)]);
}

#[test]
fn the_count_stops_at_an_update_that_waits() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EXTENDED);
    scene.enter(BOB, EDITOR);
    let base = scene.person(BOB).types(0, "base ");
    scene.person(ALICE).applies(&base);
    let [after, own] = [scene.person(ALICE).types(5, "after"), scene.person(ALICE).types(0, "own ")];
    scene.forget_what_was_heard();
    scene.says(ALICE, &update(&after));
    scene.says(ALICE, &update(&own));
    scene.save();
    assert!(!scene.heard(ALICE).iter().any(|heard| matches!(heard, Heard::SavedCount(_))));
    scene.says(BOB, &update(&base));
    scene.heard(ALICE);
    scene.save();
    assert_eq!(scene.heard(ALICE), [Heard::SavedCount(2)]);
}

/// What was dropped is never confirmed, and nothing after it either. Whoever waits for that is told to come back, and sends it
/// again; nobody else pays.
#[test]
fn who_has_too_much_waiting_is_told_to_reconnect() {
    let mut config = RoomConfig::default();
    config.room.held_updates_max = 8;
    let mut scene = Scene::opened(DocumentName::Board, config, StoredDocument::default());
    scene.enter(ALICE, EXTENDED);
    scene.enter(BOB, EXTENDED);
    scene.passes_ms(2_000);
    let [early, late] = [scene.person(BOB).types(0, "b"), scene.person(BOB).types(1, "B")];
    scene.says(BOB, &update(&late));
    scene.person(ALICE).types(0, "never said ");
    (0..8).for_each(|_| scene.types(ALICE, 0, "a"));
    scene.says(ALICE, &saved_query(&[1]));
    assert_eq!(scene.closed, [(ALICE, CloseCode::TooSlow)]);
    assert_eq!((scene.room.report().waiting, scene.room.report().counts.held_dropped), (1, 8));
    scene.says(BOB, &update(&early));
    scene.forget_what_was_heard();
    scene.save();
    assert_eq!(scene.heard(BOB), [Heard::SavedCount(2)]);

    scene.closed.clear();
    scene.join_as_is(ALICE, EXTENDED);
    scene.shake_hands(ALICE);
    scene.says(ALICE, &saved_query(&[2]));
    scene.save();
    assert!(scene.heard(ALICE).contains(&Heard::SavedEcho(vec![2])));
    assert_eq!(scene.durable_text(), scene.person(ALICE).text());
}

#[test]
fn a_saved_query_is_echoed_once_all_before_it_is_durable() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EXTENDED);
    scene.forget_what_was_heard();
    scene.says(ALICE, &saved_query(&[1]));
    assert_eq!(scene.heard(ALICE), [Heard::SavedEcho(vec![1])], "nothing was unsaved");
    scene.types(ALICE, 0, "a");
    scene.says(ALICE, &saved_query(&[2]));
    scene.types(ALICE, 0, "b");
    assert_eq!(scene.heard(ALICE), []);
    scene.handle(orrery_protocol::room::Input::Durable(1));
    assert_eq!(scene.heard(ALICE), [Heard::SavedCount(1), Heard::SavedEcho(vec![2])]);
}

#[test]
fn a_saved_query_is_never_echoed_after_a_refusal() {
    let mut scene = Scene::board();
    scene.enter(ALICE, VIEWER);
    scene.says(ALICE, &saved_query(&[1]));
    assert!(scene.heard(ALICE).contains(&Heard::SavedEcho(vec![1])));
    scene.types(ALICE, 0, "not mine to write");
    scene.says(ALICE, &saved_query(&[2]));
    scene.save();
    assert!(matches!(scene.heard(ALICE).as_slice(), [Heard::Denied(_)]));
}

#[test]
fn a_saved_query_behind_an_update_that_waits_is_echoed_once_that_is_durable() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    let [first, second] = [scene.person(ALICE).types(0, "a"), scene.person(ALICE).types(1, "b")];
    scene.says(ALICE, &update(&second));
    scene.says(ALICE, &saved_query(&[1]));
    scene.save();
    scene.passes_ms(20_000);
    let echoes = |scene: &mut Scene| {
        let heard = scene.heard(ALICE).into_iter();
        let echo = |heard| if let Heard::SavedEcho(payload) = heard { Some(payload) } else { None };
        heard.filter_map(echo).collect::<Vec<Vec<u8>>>()
    };
    let none: [Vec<u8>; 0] = [];
    assert_eq!(echoes(&mut scene), none, "what it is about is nowhere");
    scene.says(ALICE, &update(&first));
    scene.says(ALICE, &saved_query(&[2]));
    assert_eq!(echoes(&mut scene), none, "it is on its way to disk");
    scene.save();
    assert_eq!(echoes(&mut scene), [vec![1], vec![2]]);
}

#[test]
fn of_many_saved_queries_that_wait_the_latest_are_echoed() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EDITOR);
    let [first, second] = [scene.person(ALICE).types(0, "a"), scene.person(ALICE).types(1, "b")];
    scene.says(ALICE, &update(&second));
    (0..200).for_each(|number| scene.says(ALICE, &saved_query(&[number])));
    scene.says(ALICE, &update(&first));
    scene.save();
    let heard = scene.heard(ALICE);
    assert!(heard.contains(&Heard::SavedEcho(vec![199])) && !heard.contains(&Heard::SavedEcho(vec![0])));
}

/// What adds nothing costs no disk, and what is asked costs none either: neither may cost memory without end.
#[test]
fn a_room_whose_store_fails_lets_wait_what_has_to_be_remembered() {
    for repeated in [None, Some(saved_query(&[7; 1_000]))] {
        let mut config = RoomConfig::default();
        config.room.unsaved_bytes_max = 64 << 10;
        let mut scene = Scene::opened(DocumentName::Board, config, StoredDocument::default());
        scene.enter(ALICE, EXTENDED);
        let made = scene.person(ALICE).types(0, "not on disk");
        scene.says(ALICE, &update(&made));
        let repeated = repeated.unwrap_or_else(|| update(&made));
        let taken = (0..10_000).take_while(|_| {
            scene.says(ALICE, &repeated);
            scene.room.takes_input()
        });
        assert!((10..9_000).contains(&taken.count()));
        scene.save();
        assert!(scene.room.takes_input());
    }
}

#[test]
fn a_failing_store_confirms_nothing() {
    let mut scene = Scene::board();
    scene.enter(ALICE, EXTENDED);
    scene.enter(BOB, EDITOR);
    scene.types(ALICE, 0, "not on disk");
    scene.forget_what_was_heard();
    scene.passes_ms(120_000);
    assert!(scene.heard(ALICE).iter().all(|heard| *heard == Heard::Awareness(vec![])), "signs of life only");
    assert!(scene.snapshots.is_empty());
    assert_eq!(scene.person(BOB).text(), "not on disk", "but peers see it");
}

#[test]
fn who_comes_back_is_not_told_that_unsaved_updates_are_saved() {
    for entrance in [Entrance { user: 7, ..EDITOR }, Entrance { user: 7, ..EXTENDED }] {
        let mut scene = Scene::board();
        scene.enter(ALICE, entrance);
        scene.types(ALICE, 0, "on its way to disk");
        scene.leaves(ALICE);
        scene.join(BOB, entrance);
        scene.says(BOB, &step1(&[0]));
        let answered = |scene: &mut Scene| scene.heard(BOB).iter().any(|heard| matches!(heard, Heard::Step2(_)));
        assert_eq!(answered(&mut scene), entrance.extended, "a stock client would take it for confirmed");
        scene.enter(CAROL, EDITOR);
        assert_eq!(scene.person(CAROL).text(), "on its way to disk", "others need not wait");
        scene.save();
        assert_eq!(scene.person(BOB).text(), "on its way to disk");
    }
}
