//! As many open documents as there may be.

use super::*;
use crate::fake::visitor::UPDATE;

fn named(name: &str) -> DocumentKey {
    DocumentKey { document: DocumentName::Named(name.to_owned()), ..key(ORG, IO) }
}

async fn join(gateways: &Gateways, name: &str) -> Visitor {
    Visitor::join_document(gateways, ALICE, named(name)).await
}

/// The open documents, and how many are in each.
async fn open(gateways: &Gateways) -> Vec<(String, usize)> {
    let rooms = gateways.inspect().await.remove(0).0.rooms;
    let mut open: Vec<_> =
        rooms.into_iter().map(|(key, status)| (key.document.to_string(), status.report.peers)).collect();
    open.sort();
    open
}

/// Leaves, and waits until that lies in the past.
async fn leave(gateways: &Gateways, visitor: Visitor, name: &str) {
    let clock = gateways.config.clock;
    visitor.leave();
    until("the room is empty", async || open(gateways).await.contains(&(format!("doc:{name}"), 0))).await;
    // The gateway hears it before it is asked this.
    gateways.inspect().await;
    let heard_ms = clock.now_ms();
    until("time passes", async || clock.now_ms() > heard_ms).await;
}

#[tokio::test]
async fn the_document_that_nobody_has_been_in_for_longest_gives_its_place() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |config| config.limits.documents_max = 3).await;
    let staying = join(&gateways, "staying").await;
    let (first, second) = (join(&gateways, "first").await, join(&gateways, "second").await);
    first.write();
    leave(&gateways, second, "second").await;
    leave(&gateways, first, "first").await;

    let third = join(&gateways, "third").await;
    let names = async || open(&gateways).await.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    assert_eq!(names().await, ["doc:first", "doc:staying", "doc:third"]);
    let fourth = join(&gateways, "fourth").await;
    assert_eq!(names().await, ["doc:fourth", "doc:staying", "doc:third"]);
    let stored = ganymede.world().documents[&named("first")].clone();
    assert_eq!((stored.snapshot.as_deref(), stored.last_seq), (Some(UPDATE), 1), "all of it is on disk");

    assert_eq!(gateways.room(named("fifth")).await.unwrap_err(), OpenError::TooManyDocuments(3));
    third.leave();
    until("there is a place", async || gateways.room(named("fifth")).await.is_ok()).await;
    assert!(staying.is_open() && fourth.is_open());
}

#[tokio::test]
async fn a_script_that_opens_one_document_after_another_shuts_nobody_out() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |config| config.limits.documents_max = 3).await;
    for number in 0..20 {
        gateways.room(named(&format!("n{number}"))).await.unwrap();
    }
    assert_eq!(open(&gateways).await.len(), 3);
}

#[tokio::test]
async fn a_document_that_failed_keeps_its_place_no_longer_than_it_rests() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let unreadable = StoredDocument { snapshot: Some(Bytes::from_static(b"no update")), ..StoredDocument::default() };
    ganymede.world().documents.insert(named("broken"), unreadable);
    let gateways = serve(&ganymede, |config| config.limits.documents_max = 1).await;
    let broken = gateways.room(named("broken")).await;
    assert!(matches!(broken, Err(OpenError::Resting { .. })), "{broken:?}");
    until("it has rested", async || gateways.room(named("other")).await.is_ok()).await;
}
