//! What members may do, as it changes while they are connected; and what they ask for.

use std::pin::pin;

use futures_util::poll;
use orrery_protocol::{
    access::{OrgRole, Role},
    command::Refusal,
};
use serde_json::json;
use tokio::sync::Semaphore;

use super::*;
use crate::fake::EUROPA;

#[tokio::test]
async fn a_removed_member_is_closed_and_nobody_else() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    let bobs = [Visitor::join(&gateways, BOB, IO).await, Visitor::join(&gateways, BOB, EUROPA).await];
    let mut newer = brief(ORG, 1);
    newer.version = 2;
    newer.members.retain(|member| member.user_id != BOB);
    gateways.refresh(newer);
    assert_eq!(gateways.principal(ORG, BOB, IO), None);
    for bob in bobs {
        assert_eq!(bob.closed().await, 4401);
    }
    assert!(alice.is_open());
}

#[tokio::test]
async fn a_member_who_was_on_the_way_in_when_removed_is_closed_too() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let principal = gateways.principal(ORG, BOB, IO).unwrap();
    let room = gateways.room(key(ORG, IO)).await.unwrap();
    let mut newer = brief(ORG, 1);
    newer.version = 2;
    newer.members.retain(|member| member.user_id != BOB);
    gateways.refresh(newer);
    // The gateway has acted upon it.
    assert!(!gateways.admits(&principal));
    until("the brief is known", async || gateways.inspect().await[0].1.version == 2).await;
    let (socket, outbox) = pair().await;
    let peer = PeerId(7);
    let join = Arrival::Join(Join { peer, principal: principal.clone(), extended: false }, outbox.clone());
    assert!(room.inbox().push(&mut vec![join]));
    assert_eq!(Visitor { socket, room, peer, outbox, principal }.closed().await, 4401);
}

#[tokio::test]
async fn a_changed_role_closes_and_is_there_on_return() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let [there, elsewhere] = [Visitor::join(&gateways, BOB, IO).await, Visitor::join(&gateways, BOB, EUROPA).await];
    let mut newer = brief(ORG, 1);
    newer.version = 2;
    newer.members[1].projects.insert(IO, Role::Viewer);
    gateways.refresh(newer.clone());
    let principal = there.principal.clone();
    assert!(!gateways.admits(&principal) && gateways.admits(&elsewhere.principal));
    assert_eq!(there.closed().await, 1012);
    assert!(elsewhere.is_open(), "the role in another project is what it was");
    let back = Visitor::join(&gateways, BOB, IO).await;
    assert_eq!(gateways.principal(ORG, BOB, IO).unwrap().role, Role::Viewer);
    let older = GatewayBrief { version: 1, ..brief(ORG, 1) };
    gateways.refresh(older);
    assert_eq!(gateways.principal(ORG, BOB, IO).unwrap().role, Role::Viewer, "an older brief changes nothing");
    assert!(back.is_open());
}

#[tokio::test]
async fn a_deleted_project_is_closed() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    let mut newer = brief(ORG, 1);
    newer.version = 2;
    newer.projects.retain(|project| project.id != IO);
    gateways.refresh(newer);
    assert_eq!(alice.closed().await, 1012);
    assert_eq!(gateways.room(key(ORG, IO)).await.unwrap_err(), OpenError::UnknownProject);
}

/// What was asked for before a change does not tell of it.
#[tokio::test]
async fn who_is_removed_while_a_brief_is_on_its_way_is_closed_without_waiting_for_a_renewal() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let bob = Visitor::join(&gateways, BOB, IO).await;
    let permits = Arc::new(Semaphore::new(0));
    {
        let mut world = ganymede.world();
        world.brief_permits = Some(permits.clone());
        world.no_renewals = Some(ControlError::Unavailable("the network is gone".to_owned()));
    }
    let mut newer = brief(ORG, 1);
    newer.version = 2;
    ganymede.allocate(&newer);
    let mut first = pin!(gateways.refetch(ORG));
    assert!(poll!(&mut first).is_pending());
    until("it is asked for", async || ganymede.world().asked_for_brief == 1).await;
    newer.version = 3;
    newer.members.retain(|member| member.user_id != BOB);
    ganymede.allocate(&newer);
    let mut second = pin!(gateways.refetch(ORG));
    assert!(poll!(&mut second).is_pending());
    assert_eq!(gateways.inspect().await.len(), 1, "it answers in order, and so has heard of it");
    permits.add_permits(1);
    first.await;
    assert!(bob.is_open(), "the first answer was made before");
    permits.add_permits(1);
    second.await;
    assert!(!bob.is_open(), "who waited for the second waited until it was acted upon");
    assert_eq!(bob.closed().await, 4401);
    assert_eq!(ganymede.world().asked_for_brief, 2);
}

/// The gateway is told again with its next renewal: nobody waits for that.
#[tokio::test]
async fn who_told_of_a_change_waits_no_longer_when_the_brief_is_refused() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    ganymede.world().faults.push_back(ControlError::Unavailable("the network is gone".to_owned()));
    gateways.refetch(ORG).await;
    gateways.refetch(OTHER).await;
    assert_eq!(gateways.inspect().await[0].1.version, 1);
}

#[tokio::test]
async fn a_lease_that_tells_of_a_newer_version_brings_the_brief() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    ganymede.world().lease_ms = Some(300);
    let gateways = Gateways::new(config(&ganymede));
    gateways.serve(GatewayBrief { lease_ms: 300, ..brief(ORG, 1) }).await.unwrap();
    let mut newer = brief(ORG, 1);
    newer.version = 2;
    newer.members[1].role = OrgRole::Admin;
    ganymede.allocate(&newer);
    let role = || gateways.principal(ORG, BOB, IO).map(|bob| bob.role);
    until("Bob is an admin", async || role() == Some(Role::Admin)).await;
}

#[tokio::test]
async fn a_command_is_done_once_by_who_may() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let [alice, bob] = [ALICE, BOB].map(|user| gateways.principal(ORG, user, IO).unwrap());
    let event = json!({"type": "gateway:disable-shutdown", "disabled": true});
    let key = || Some("once".parse::<IdempotencyKey>().unwrap());

    let refused = gateways.command(bob, &event, None).await;
    assert_eq!(refused, Err(Refusal::Forbidden("gateway:disable-shutdown").into()));
    assert_eq!(ganymede.world().shutdown_disabled, None);
    let unknown = gateways.command(alice.clone(), &json!({"type": "no:such"}), None).await;
    assert_eq!(unknown, Err(Refusal::Unknown("no:such".to_owned()).into()));

    let fault = ControlError::Unavailable("the network is gone".to_owned());
    ganymede.world().faults.push_back(fault.clone());
    assert_eq!(gateways.command(alice.clone(), &event, key()).await, Err(fault.into()));
    assert_eq!(gateways.command(alice.clone(), &event, key()).await, Ok(json!({"disabled": true})));
    assert_eq!(ganymede.world().shutdown_disabled.take(), Some(true));
    assert_eq!(gateways.command(alice.clone(), &event, key()).await, Ok(json!({"disabled": true})));
    assert_eq!(ganymede.world().shutdown_disabled, None, "answered, not done again");
    until("the clock is off", async || gateways.inspect().await[0].1.shutdown_disabled).await;

    gateways.release(ORG, Epoch(1), ReleaseReason::Ordered).await;
    assert_eq!(gateways.command(alice, &event, key()).await, Err(OpenError::NotServing.into()));
}
