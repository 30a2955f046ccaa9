//! From an organization without a gateway to one that is served.

use std::time::Duration;

use orrery_ganymede::pool::{Route, SlotState, StartError};
use orrery_protocol::{
    allocation::Step,
    id::{Epoch, OrgId},
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    support::{Scratch, on_both},
    world::{Mood, When, World},
};

on_both!(
    fifty_at_once_get_one_slot,
    every_organization_has_a_slot_of_its_own_until_none_is_free,
    a_fault_at_any_step_leaves_all_as_before,
    a_failing_start_touches_nobody_else,
    a_gateway_that_does_not_answer_is_lost_and_another_one_tried,
    a_gateway_that_only_says_yes_serves_nobody,
    an_unknown_organization_takes_no_slot,
    an_allocation_goes_on_without_its_caller,
    epochs_only_grow,
);

/// Fault 10 of earlier systems: two members opened one organization at the same moment and got two gateways.
async fn fifty_at_once_get_one_slot(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(3).await;
    let mut starts = JoinSet::new();
    for _ in 0..50 {
        let pool = world.pool.clone();
        starts.spawn(async move { pool.start(org).await.unwrap() });
    }
    let mut answers = starts.join_all().await;
    answers.dedup();
    assert_eq!(answers.len(), 1, "all got the same answer");
    assert_eq!(world.hosts.serving(org), 1);
    let states: Vec<SlotState> = world.pool.slots().await.unwrap().iter().map(|slot| slot.state).collect();
    assert_eq!(states, [SlotState::Allocated, SlotState::Ready, SlotState::Ready]);
    assert_eq!(world.pool.start(org).await.unwrap(), answers[0], "and later too");
}

async fn every_organization_has_a_slot_of_its_own_until_none_is_free(scratch: Scratch) {
    let world = World::new(scratch).await;
    for _ in 0..4 {
        world.gateway(5).await;
    }
    let mut starts = JoinSet::new();
    for _ in 0..20 {
        let (pool, org) = (world.pool.clone(), world.org().await);
        starts.spawn(async move { pool.start(org).await.unwrap() });
    }
    let mut allocations = starts.join_all().await;
    allocations.sort_by_key(|allocation| allocation.slot);
    allocations.dedup_by_key(|allocation| allocation.slot);
    assert_eq!(allocations.len(), 20);
    let one_more = world.org().await;
    let before = world.picture(&[one_more]).await;
    let refused = world.pool.start(one_more).await;
    assert_eq!(refused, Err(StartError::PoolExhausted { retry_after: Duration::from_secs(5) }));
    assert_eq!(world.picture(&[one_more]).await, before);
    let leaving = &allocations[7];
    world.pool.stop(&world.claims(leaving)).await.unwrap();
    assert_eq!(world.pool.start(one_more).await.unwrap().slot, leaving.slot);
}

async fn a_fault_at_any_step_leaves_all_as_before(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(2).await;
    let before = world.picture(&[org]).await;
    let steps = [Step::Reserved, Step::Routed, Step::Named, Step::Handshaken, Step::Pulled, Step::Serving];
    for step in steps {
        for when in [When::Before, When::After] {
            world.faults.set(Some((step, when)));
            let failed = world.pool.start(org).await.unwrap_err();
            assert!(matches!(failed, StartError::Failed { step: at, .. } if at == step), "{step} {when:?}: {failed}");
            assert_eq!(world.picture(&[org]).await, before, "{step} {when:?}");
            assert_eq!(world.hosts.serving(org), 0, "{step} {when:?}: the gateway let go");
            let admitted = (0..40).filter(|&epoch| world.fence.admits(org, Epoch(epoch))).count();
            assert_eq!(admitted, 0, "{step} {when:?}: nobody may write");
            world.pass().await;
            assert_eq!(world.picture(&[org]).await, before, "{step} {when:?}: there is nothing to clear away");
        }
    }
    world.faults.set(None);
    let allocation = world.pool.start(org).await.unwrap();
    assert_eq!(world.routes.get(org).unwrap().epoch(), allocation.epoch);
    assert!(world.fence.admits(org, allocation.epoch));
}

/// Fault 11: a failing start cleaned up whatever allocation there was.
async fn a_failing_start_touches_nobody_else(scratch: Scratch) {
    let world = World::new(scratch).await;
    let (served, failing) = (world.org().await, world.org().await);
    world.gateway(2).await;
    let allocation = world.pool.start(served).await.unwrap();
    let before = world.picture(&[served, failing]).await;
    for step in [Step::Routed, Step::Handshaken, Step::Serving] {
        world.faults.set(Some((step, When::After)));
        assert!(world.pool.start(failing).await.is_err());
        assert_eq!(world.picture(&[served, failing]).await, before, "{step}");
    }
    assert!(world.pool.renew(&world.claims(&allocation)).await.is_ok());
    assert_eq!(world.pool.start(served).await.unwrap(), allocation, "no step is left to fail");
}

async fn a_gateway_that_does_not_answer_is_lost_and_another_one_tried(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    let (dead, well) = (world.gateway(2).await, world.gateway(1).await);
    world.hosts.set_mood(dead.gateway, Mood::Dead);
    let allocation = world.pool.start(org).await.unwrap();
    assert_eq!(allocation.gateway, well.gateway);
    let states: Vec<SlotState> = world.pool.slots().await.unwrap().iter().map(|slot| slot.state).collect();
    assert_eq!(states, [SlotState::Lost, SlotState::Lost, SlotState::Allocated]);
    // It was only away for a while.
    world.hosts.set_mood(dead.gateway, Mood::Well);
    world.announce(&dead, 2).await;
    let other = world.org().await;
    assert_eq!(world.pool.start(other).await.unwrap().gateway, dead.gateway);
}

async fn a_gateway_that_only_says_yes_serves_nobody(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    let gateway = world.gateway(1).await;
    let before = world.picture(&[org]).await;
    for mood in [Mood::Lazy, Mood::Stubborn] {
        world.hosts.set_mood(gateway.gateway, mood);
        let failed = world.pool.start(org).await.unwrap_err();
        assert!(matches!(failed, StartError::Failed { step: Step::Handshaken, .. }), "{mood:?}: {failed}");
        assert_eq!(world.picture(&[org]).await, before, "{mood:?}");
    }
}

async fn an_unknown_organization_takes_no_slot(scratch: Scratch) {
    let world = World::new(scratch).await;
    world.gateway(1).await;
    let nobody = OrgId(Uuid::from_u128(1));
    assert_eq!(world.pool.start(nobody).await, Err(StartError::UnknownOrg(nobody)));
    assert_eq!(world.pool.slots().await.unwrap()[0].state, SlotState::Ready);
}

async fn an_allocation_goes_on_without_its_caller(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let caller = tokio::spawn({
        let pool = world.pool.clone();
        async move { pool.start(org).await }
    });
    while world.routes.get(org).is_none() && !caller.is_finished() {
        tokio::task::yield_now().await;
    }
    caller.abort();
    let route = world.routes.settled(org).await.unwrap();
    assert!(matches!(route, Route::Remote { .. }), "{route:?}");
    assert_eq!(world.pool.start(org).await.unwrap().epoch, route.epoch());
}

async fn epochs_only_grow(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let mut last = Epoch(0);
    for _ in 0..5 {
        let allocation = world.pool.start(org).await.unwrap();
        assert!(allocation.epoch > last, "{} after {last}", allocation.epoch);
        last = allocation.epoch;
        world.pool.stop(&world.claims(&allocation)).await.unwrap();
        assert_eq!(world.routes.get(org), None);
    }
}
