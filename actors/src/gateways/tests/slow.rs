//! Documents that take long, beside others.

use bytes::Bytes;
use orrery_protocol::lib0::put_var_uint;

use super::*;
use crate::fake::visitor::UPDATE;

/// Blocks of one hostile update, each in conflict with all others.
const CONFLICTS: u64 = 2_500;

/// Who wrote the text: its id is above all others, so that they go before it.
const AUTHOR: u64 = 1 << 40;

/// Text that gives each of the conflicting blocks a right neighbour of its own.
fn ground() -> Bytes {
    let mut bytes = vec![1, 1];
    put_var_uint(&mut bytes, AUTHOR);
    bytes.extend([0, 4, 1, 1, b't']);
    put_var_uint(&mut bytes, CONFLICTS);
    bytes.extend(vec![b'a'; CONFLICTS as usize]);
    bytes.push(0);
    bytes.into()
}

/// As many people write at the very beginning of the text, each of whom had seen another end of it: yrs compares every one
/// with all before it.
fn conflicts() -> Bytes {
    let mut bytes = Vec::new();
    put_var_uint(&mut bytes, CONFLICTS);
    for number in (0..CONFLICTS).rev() {
        bytes.push(1);
        // Far apart, so that clients do not collide; descending, as yrs takes them.
        put_var_uint(&mut bytes, 1_000 + number * 104_729);
        bytes.extend([0, 0x44]);
        put_var_uint(&mut bytes, AUTHOR);
        put_var_uint(&mut bytes, number);
        bytes.extend([1, b'b']);
    }
    bytes.push(0);
    bytes.into()
}

/// One worker thread, so whoever holds it holds up everybody.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_document_that_takes_long_holds_up_no_other() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let stored = |key: &DocumentKey| ganymede.world().documents.get(key).map_or(0, |document| document.last_seq);
    let (slow, quick) = (key(ORG, IO), DocumentKey { document: DocumentName::Named("quick".into()), ..key(ORG, IO) });
    let attacker = Visitor::join_document(&gateways, ALICE, slow.clone()).await;
    let writer = Visitor::join_document(&gateways, BOB, quick.clone()).await;
    attacker.push(ground());
    until("the text is stored", async || stored(&slow) == 1).await;

    attacker.push(conflicts());
    writer.write();
    until("the other room has stored its edit", async || stored(&quick) == 1).await;
    assert_eq!(stored(&slow), 1, "the attacker's document is still at work");
    until("it ends", async || stored(&slow) == 2).await;
}

/// It cannot be interrupted, and has not heard of its end. Meanwhile the next gateway opens the document.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_room_that_outlives_its_gateway_appends_nothing() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let slow = key(ORG, IO);
    let attacker = Visitor::join_document(&gateways, ALICE, slow.clone()).await;
    attacker.push(ground());
    until("the text is stored", async || ganymede.world().documents.contains_key(&slow)).await;
    attacker.push(conflicts());
    until("the room is at work", async || attacker.room.inbox().is_empty()).await;

    gateways.places.serving()[0].2.gateway.kill();
    until("the next gateway has the room", async || gateways.room(slow.clone()).await.is_ok()).await;
    let writer = Visitor::join_document(&gateways, BOB, slow.clone()).await;
    writer.write();
    let edit = Bytes::from_static(UPDATE);
    until("the edit is stored", async || ganymede.world().documents[&slow].updates.contains(&edit)).await;
    assert_eq!(attacker.closed().await, 1012, "the old room is done");
    let world = ganymede.world();
    assert_eq!(world.repeated, 0, "no number was given twice");
    assert!(world.documents[&slow].updates.contains(&edit));
}
