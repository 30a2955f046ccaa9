//! The `system` document as its readers see it: the gateway writes it elsewhere, the room shows it.

use bytes::Bytes;
use orrery_protocol::{
    document::system::{Change, Fields, SystemDocument, Value},
    id::{ClientId, DocumentName},
    record::StoredDocument,
    room::{Input, RoomConfig},
};
use yrs::{Map, Out, ReadTxn, Transact};

use crate::scene::*;

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn system() -> SystemDocument {
    let fields = Fields::from([("phase".to_owned(), text("pending"))]);
    let roots = Fields::from([("userContainers".to_owned(), Value::Map(fields))]);
    SystemDocument::fresh(ClientId::new(9_000).expect("a small number"), &roots)
}

fn turn(document: &mut SystemDocument, phase: &str) -> Bytes {
    let path = ["userContainers", "phase"].map(str::to_owned).to_vec();
    document.write(vec![Change { path, value: Some(text(phase)) }]).expect("another phase")
}

fn opened(document: &SystemDocument) -> Scene {
    let stored = StoredDocument { snapshot: Some(document.encoded()), ..StoredDocument::default() };
    Scene::opened(DocumentName::System, RoomConfig::default(), stored)
}

fn phase(person: &Person) -> Option<String> {
    let txn = person.doc.try_transact().expect("no write is open");
    let Out::Any(phase) = txn.get_map("userContainers")?.get(&txn, "phase")? else {
        panic!("a phase is a leaf");
    };
    Some(phase.to_string())
}

#[test]
fn everybody_sees_it_and_nothing_is_stored_or_confirmed() {
    let mut document = system();
    let mut scene = opened(&document);
    scene.enter(ALICE, EDITOR);
    scene.enter(BOB, VIEWER);
    scene.forget_what_was_heard();
    let updates = vec![turn(&mut document, "starting"), turn(&mut document, "running")];
    let heard: Vec<Heard> = updates.iter().cloned().map(Heard::Update).collect();
    scene.handle(Input::Publish(updates));
    for person in [ALICE, BOB] {
        assert_eq!(phase(scene.person(person)).as_deref(), Some("running"));
        assert_eq!(scene.heard(person), heard);
    }
    assert!(scene.appended.is_empty());
    scene.enter(CAROL, VIEWER);
    assert_eq!(phase(scene.person(CAROL)).as_deref(), Some("running"), "who comes later too");
    scene.passes_ms(120_000);
    assert!(scene.snapshots.is_empty() && scene.appended.is_empty());
}

#[test]
fn a_room_that_only_shows_is_idle_and_drains_by_itself() {
    let mut document = system();
    let mut scene = opened(&document);
    scene.enter(ALICE, VIEWER);
    scene.handle(Input::Publish(vec![turn(&mut document, "running")]));
    scene.leaves(ALICE);
    scene.passes_ms(400_000);
    assert!(scene.idle > 0);
    scene.handle(Input::Drain);
    assert_eq!((scene.drained, scene.snapshots.len()), (1, 0));
}

#[test]
fn what_does_not_fit_is_loaded_again_and_nobody_is_shown_half_of_it() {
    let mut document = system();
    let mut scene = opened(&document);
    scene.enter(ALICE, VIEWER);
    scene.forget_what_was_heard();
    turn(&mut document, "starting");
    let later = turn(&mut document, "running");
    scene.handle(Input::Publish(vec![later]));
    assert_eq!((scene.reloads, scene.heard(ALICE)), (1, vec![]), "it needs what was never shown");
    let stored = StoredDocument { snapshot: Some(document.encoded()), ..StoredDocument::default() };
    scene.handle(Input::Reloaded(stored));
    scene.handle(Input::Publish(vec![turn(&mut document, "stopping")]));
    scene.enter(BOB, VIEWER);
    assert_eq!(phase(scene.person(BOB)).as_deref(), Some("stopping"));
}

#[test]
fn a_slow_reader_catches_up_and_hears_nothing_that_is_over() {
    let mut document = system();
    let mut scene = opened(&document);
    scene.enter(ALICE, EXTENDED);
    scene.enter(BOB, VIEWER);
    assert!(scene.watched);
    scene.forget_what_was_heard();
    let live = |cpu: u32| format!("{{\"cpu\":{cpu}}}");
    scene.handle(Input::Ephemeral(live(1)));
    assert_eq!(scene.heard(ALICE), [Heard::Ephemeral(live(1))]);
    assert_eq!(scene.heard(BOB), [], "he did not ask for it");
    scene.stalls(ALICE);
    scene.handle(Input::Publish(vec![turn(&mut document, "running")]));
    scene.handle(Input::Ephemeral(live(2)));
    scene.reads(ALICE);
    let heard = scene.heard(ALICE);
    assert!(!heard.iter().any(|heard| matches!(heard, Heard::Ephemeral(_))), "{heard:?}");
    assert_eq!(phase(scene.person(ALICE)).as_deref(), Some("running"));
    scene.handle(Input::Ephemeral(live(3)));
    assert_eq!(scene.heard(ALICE), [Heard::Ephemeral(live(3))]);
    scene.leaves(ALICE);
    assert!(!scene.watched);
}
