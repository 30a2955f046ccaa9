mod containers;
mod crowded;
mod engine;
mod lease;
mod members;
mod slow;

use bytes::Bytes;
use orrery_protocol::{
    id::{DocumentName, PeerId},
    record::StoredDocument,
    room::Join,
};
use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::{
    fake::{
        ALICE, BOB, FakeGanymede, IO, ORG, brief,
        visitor::{self, PATIENCE, Visitor, key, pair, until},
    },
    inbox::Arrival,
};

/// Another organization.
const OTHER: OrgId = OrgId(Uuid::from_u128(99));

fn config(ganymede: &FakeGanymede) -> GatewayConfig {
    visitor::config(Arc::new(ganymede.clone()))
}

/// Serves `ORG` under epoch 1.
async fn serve(ganymede: &FakeGanymede, change: impl FnOnce(&mut GatewayConfig)) -> Gateways {
    let mut config = config(ganymede);
    change(&mut config);
    let gateways = Gateways::new(config);
    gateways.serve(brief(ORG, 1)).await.unwrap();
    gateways
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn serving_one_epoch_fifty_times_is_serving_it_once() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = Gateways::new(config(&ganymede));
    let serve = |_| {
        let gateways = gateways.clone();
        tokio::spawn(async move { gateways.serve(brief(ORG, 1)).await })
    };
    for task in (0..50).map(serve).collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap(), Ok(()));
    }
    assert_eq!(gateways.inspect().await.len(), 1);
}

#[tokio::test]
async fn an_organization_that_was_not_allocated_is_not_served() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    assert_eq!(gateways.room(key(OTHER, IO)).await.unwrap_err(), OpenError::NotServing);
    assert_eq!(gateways.principal(OTHER, ALICE, IO), None);
    let unknown = ProjectId(Uuid::from_u128(77));
    assert_eq!(gateways.room(key(ORG, unknown)).await.unwrap_err(), OpenError::UnknownProject);
    assert_eq!((gateways.org_of(IO), gateways.org_of(unknown)), (Some(ORG), None));
}

#[tokio::test]
async fn there_are_no_more_organizations_than_slots() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |config| config.slots = 1).await;
    ganymede.allocate(&brief(OTHER, 1));
    assert_eq!(gateways.serve(brief(OTHER, 1)).await, Err(ServeError::NoFreeSlot(1)));
    gateways.release(ORG, Epoch(1), ReleaseReason::Ordered).await;
    assert_eq!(gateways.serve(brief(OTHER, 1)).await, Ok(()));
}

/// Lesson 14: Ganymede hears of a free slot before the old organization is quite gone.
#[tokio::test]
async fn a_slot_that_is_being_vacated_is_waited_for() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |config| config.slots = 1).await;
    ganymede.allocate(&brief(OTHER, 1));
    Visitor::join(&gateways, ALICE, IO).await.write();
    let leaving = gateways.release(ORG, Epoch(1), ReleaseReason::Ordered);
    let (served, ()) = tokio::join!(
        async {
            until("it is on its way out", async || gateways.room(key(ORG, IO)).await.is_err()).await;
            gateways.serve(brief(OTHER, 1)).await
        },
        leaving
    );
    assert_eq!(served, Ok(()));
}

#[tokio::test]
async fn a_newer_epoch_replaces_an_older_one_and_never_the_reverse() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    ganymede.allocate(&brief(ORG, 2));
    gateways.serve(brief(ORG, 2)).await.unwrap();
    assert_eq!(alice.closed().await, 1012);
    assert_eq!(gateways.epoch(ORG), Some(Epoch(2)));
    assert_eq!(gateways.serve(brief(ORG, 1)).await, Err(ServeError::Stale(Epoch(2))));
    gateways.release(ORG, Epoch(1), ReleaseReason::Ordered).await;
    assert_eq!(gateways.epoch(ORG), Some(Epoch(2)), "the order was for an older epoch");
}

/// What is left of it without the snapshot would soon take the snapshot's place.
#[tokio::test]
async fn a_document_whose_snapshot_cannot_be_read_is_not_opened_without_it() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let snapshot = Some(Bytes::from_static(b"no update"));
    let unreadable = StoredDocument { snapshot, updates: Vec::new(), last_seq: 3 };
    let keys = [key(ORG, IO), DocumentKey { document: DocumentName::System, ..key(ORG, IO) }];
    for key in &keys {
        ganymede.world().documents.insert(key.clone(), unreadable.clone());
    }
    let gateways = serve(&ganymede, |_| {}).await;
    for key in keys {
        let refused = gateways.room(key.clone()).await;
        assert!(matches!(refused, Err(OpenError::Resting { .. } | OpenError::Storage(_))), "{refused:?}");
        assert_eq!(ganymede.world().documents[&key], unreadable);
    }
    let list = gateways.containers(ORG, IO).await;
    assert!(matches!(list, Err(OpenError::Storage(_))), "{list:?}");
}

/// It is made anew of what was read, so that the rest would be gone for good.
#[tokio::test]
async fn a_system_document_is_read_as_a_whole_or_not_at_all() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let system = DocumentKey { document: DocumentName::System, ..key(ORG, IO) };
    let unreadable =
        StoredDocument { updates: vec![Bytes::from_static(b"no update")], last_seq: 1, ..Default::default() };
    ganymede.world().documents.insert(system.clone(), unreadable.clone());
    let gateways = serve(&ganymede, |_| {}).await;
    let list = gateways.containers(ORG, IO).await;
    assert!(matches!(list, Err(OpenError::Storage(_))), "{list:?}");
    let alice = gateways.principal(ORG, ALICE, IO).unwrap();
    let event = json!({"type": "user-containers:new", "name": "x", "image": "generic/busybox:1"});
    let given = gateways.command(alice, &event, None).await;
    assert!(matches!(given, Err(CommandError::Closed(OpenError::Storage(_)))), "{given:?}");
    assert_eq!(ganymede.world().documents[&system], unreadable);
}

#[tokio::test]
async fn a_handshake_starts_what_it_is_for() {
    let ganymede = FakeGanymede::default();
    for name in ["one", "two"] {
        ganymede.world().handshakes.insert(name.to_owned(), brief(ORG, 4));
    }
    let gateways = Gateways::new(config(&ganymede));
    let handshake = |name: &str| Token(name.to_owned());
    assert_eq!(gateways.start(OTHER, &handshake("one")).await, Err(ServeError::OtherOrganization(ORG)));
    assert_eq!(gateways.start(ORG, &handshake("two")).await, Ok(Epoch(4)));
    let again = gateways.start(ORG, &handshake("two")).await;
    assert!(matches!(again, Err(ServeError::Control(ControlError::Refused(_)))), "{again:?}");
}

#[tokio::test]
async fn nothing_of_a_released_organization_is_left_but_what_is_stored() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |config| config.slots = 1).await;
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    alice.write();
    let handle = gateways.room(key(ORG, IO)).await.unwrap();
    until("the edit is stored", async || ganymede.world().appends == 1).await;

    gateways.release(ORG, Epoch(1), ReleaseReason::Ordered).await;
    assert_eq!(alice.closed().await, 1012);
    assert_eq!((gateways.epoch(ORG), gateways.org_of(IO)), (None, None));
    assert_eq!(gateways.principal(ORG, ALICE, IO), None);
    assert_eq!(gateways.room(key(ORG, IO)).await.unwrap_err(), OpenError::NotServing);
    assert!(gateways.inspect().await.is_empty());
    until("the room is gone", async || !handle.inbox().push(&mut Vec::new())).await;
    {
        let world = ganymede.world();
        let stored = &world.documents[&key(ORG, IO)];
        assert_eq!((stored.last_seq, stored.updates.len(), world.snapshots), (1, 0, 1), "all of it in a snapshot");
        assert!(world.stopped.is_empty(), "whoever ordered it knows");
    }

    let mut moons = brief(OTHER, 1);
    moons.projects.clear();
    ganymede.allocate(&moons);
    gateways.serve(moons).await.unwrap();
    assert_eq!(gateways.room(key(OTHER, IO)).await.unwrap_err(), OpenError::UnknownProject);
    assert_eq!(gateways.room(key(ORG, IO)).await.unwrap_err(), OpenError::NotServing);
    gateways.release(ORG, Epoch(1), ReleaseReason::Ordered).await;
}

/// Each either gets in and is closed with 1012, or is refused before; none waits in a room that nobody serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_joins_during_a_release_never_land_on_a_dead_gateway() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let principal = gateways.principal(ORG, BOB, IO).unwrap();
    let join = |number: u64| {
        let (gateways, principal) = (gateways.clone(), principal.clone());
        tokio::spawn(async move {
            // Some documents are open, some are being opened, some are new.
            let document = DocumentName::Named(format!("d{}", number % 40));
            let room = match gateways.room(DocumentKey { document, ..key(ORG, IO) }).await {
                Ok(room) => room,
                Err(refused) => return Err(refused),
            };
            let (socket, outbox) = pair().await;
            let peer = PeerId(1_000_000 + number);
            let arrival = Arrival::Join(Join { peer, principal: principal.clone(), extended: false }, outbox.clone());
            if !room.inbox().push(&mut vec![arrival]) {
                return Ok(());
            }
            let visitor = Visitor { socket, room, peer, outbox, principal };
            assert_eq!(visitor.closed().await, 1012);
            Ok(())
        })
    };
    let mut joins: Vec<_> = (0..500).map(join).collect();
    until("rooms are open", async || gateways.inspect().await[0].0.rooms.len() >= 10).await;
    let releasing = tokio::spawn({
        let gateways = gateways.clone();
        async move { gateways.release(ORG, Epoch(1), ReleaseReason::Ordered).await }
    });
    joins.extend((500..1000).map(join));
    let mut entered = 0;
    for join in joins {
        match timeout(PATIENCE, join).await.expect("nobody waits for ever").unwrap() {
            Ok(()) => entered += 1,
            Err(refused) => assert!(matches!(refused, OpenError::Moving | OpenError::NotServing), "{refused:?}"),
        }
    }
    releasing.await.unwrap();
    assert!(entered > 0);
    assert_eq!(gateways.epoch(ORG), None);
}

#[tokio::test]
async fn a_gateway_that_fails_is_made_anew() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    alice.write();
    until("the edit is stored", async || ganymede.world().appends == 1).await;
    gateways.places.serving()[0].2.gateway.kill();
    assert_eq!(alice.closed().await, 1012);
    until("the room opens again", async || gateways.room(key(ORG, IO)).await.is_ok()).await;
    let reports = gateways.inspect().await;
    assert_eq!(reports[0].0.rooms[0].1.report.last_seq, 1);
}

#[tokio::test]
async fn shutting_down_stores_everything_and_takes_nobody_on() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    ganymede.allocate(&brief(OTHER, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    gateways.serve(brief(OTHER, 1)).await.unwrap();
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    alice.write();
    until("the edit is stored", async || ganymede.world().appends == 1).await;
    gateways.shutdown().await;
    assert_eq!(alice.closed().await, 1012);
    {
        let world = ganymede.world();
        assert_eq!((world.snapshots, world.stopped.len()), (1, 2), "others serve both organizations now");
    }
    assert_eq!(gateways.room(key(ORG, IO)).await.unwrap_err(), OpenError::Stopping);
    assert_eq!(gateways.serve(brief(ORG, 1)).await, Err(ServeError::Stopping));
}
