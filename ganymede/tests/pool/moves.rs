//! From one slot to another while people work.

use std::time::Duration;

use orrery_ganymede::pool::{Allocation, DrainError, RenewError, Route, SlotState};
use orrery_protocol::{
    allocation::Step,
    id::{OrgId, SlotId},
};
use tokio::task::JoinHandle;

use crate::{
    support::{Scratch, on_both},
    world::{LEASE, Mood, When, World},
};

on_both!(
    an_organization_moves_to_another_slot,
    an_organization_that_cannot_move_stays,
    a_fault_before_the_old_gateway_stops_changes_nothing,
    an_organization_is_served_somewhere_even_if_the_new_slot_fails,
    a_gateway_that_does_not_let_go_has_until_its_lease_ends,
    a_gateway_that_says_itself_that_it_has_stopped_is_believed,
    an_empty_slot_has_nothing_to_move,
    a_released_organization_is_not_served_again,
);

async fn an_organization_moves_to_another_slot(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(2).await;
    let mut last = world.pool.start(org).await.unwrap();
    for _ in 0..20 {
        let old = world.claims(&last);
        let moved = world.pool.drain(last.slot).await.unwrap().unwrap();
        assert!(moved.slot != last.slot && moved.epoch > last.epoch, "{moved:?}");
        assert_eq!(world.pool.start(org).await.unwrap(), moved);
        assert_eq!(world.hosts.serving(org), 1);
        assert!(world.fence.admits(org, moved.epoch) && !world.fence.admits(org, last.epoch));
        assert!(matches!(world.pool.renew(&old).await, Err(RenewError::Stale(_))));
        let slots = world.pool.slots().await.unwrap();
        let left = slots.iter().find(|slot| slot.slot == last.slot).unwrap();
        assert_eq!(left.state, SlotState::Ready, "the next organization may have it at once");
        last = moved;
    }
}

async fn an_organization_that_cannot_move_stays(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let allocation = world.pool.start(org).await.unwrap();
    let before = world.picture(&[org]).await;
    let refused = world.pool.drain(allocation.slot).await;
    assert!(matches!(refused, Err(DrainError::PoolExhausted { .. })), "{refused:?}");
    assert_eq!(world.picture(&[org]).await, before);
    assert!(world.pool.renew(&world.claims(&allocation)).await.is_ok());
    let unknown = world.pool.drain(SlotId(99)).await;
    assert!(matches!(unknown, Err(DrainError::UnknownSlot(SlotId(99)))), "{unknown:?}");
}

async fn a_fault_before_the_old_gateway_stops_changes_nothing(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(2).await;
    let allocation = world.pool.start(org).await.unwrap();
    let before = world.picture(&[org]).await;
    for when in [When::Before, When::After] {
        world.faults.set(Some((Step::Draining, when)));
        let failed = world.pool.drain(allocation.slot).await;
        assert!(matches!(failed, Err(DrainError::Failed(_))), "{when:?}: {failed:?}");
        assert_eq!(world.picture(&[org]).await, before, "{when:?}");
        assert!(world.pool.renew(&world.claims(&allocation)).await.is_ok(), "{when:?}");
    }
}

async fn an_organization_is_served_somewhere_even_if_the_new_slot_fails(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let first = world.pool.start(org).await.unwrap();
    let bad = world.gateway(1).await;
    world.hosts.set_mood(bad.gateway, Mood::Dead);
    let moved = world.pool.drain(first.slot).await.unwrap().unwrap();
    assert_eq!((moved.slot, moved.gateway), (first.slot, first.gateway), "back where it was");
    assert!(moved.epoch > first.epoch);
    // Nobody at all can serve it: it is served when somebody can.
    world.announce(&bad, 1).await;
    world.faults.set(Some((Step::Serving, When::Before)));
    let failed = world.pool.drain(moved.slot).await;
    assert!(matches!(failed, Err(DrainError::NotServed(_))), "{failed:?}");
    assert_eq!(world.routes.get(org), None);
    world.faults.set(None);
    world.pass().await;
    assert!(world.routes.get(org).is_some());
}

async fn a_gateway_that_does_not_let_go_has_until_its_lease_ends(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    let (first, moving) = told_to_let_go(&world, org).await;
    world.pass().await;
    assert!(!moving.is_finished());
    assert!(matches!(world.routes.get(org), Some(Route::Moving { .. })), "requests wait");
    assert!(world.fence.admits(org, first.epoch), "what it still has to save, it may");
    assert_eq!(world.pool.slots().await.unwrap()[0].state, SlotState::Draining);
    world.clock.pass(LEASE + Duration::from_millis(1));
    world.pass().await;
    let moved = moving.await.unwrap().unwrap().unwrap();
    assert!(moved.gateway != first.gateway && !world.fence.admits(org, first.epoch));
    assert_eq!(world.pool.slots().await.unwrap()[0].state, SlotState::Lost);
}

async fn an_empty_slot_has_nothing_to_move(scratch: Scratch) {
    let world = World::new(scratch).await;
    world.gateway(2).await;
    let slot = world.pool.slots().await.unwrap()[0].slot;
    assert_eq!(world.pool.drain(slot).await.unwrap(), None);
}

async fn a_released_organization_is_not_served_again(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let allocation = world.pool.start(org).await.unwrap();
    world.pool.release(org).await.unwrap();
    world.pass().await;
    assert_eq!((world.hosts.serving(org), world.routes.get(org)), (0, None));
    assert!(!world.fence.admits(org, allocation.epoch));
    assert_eq!(world.pool.slots().await.unwrap()[0].state, SlotState::Ready);
    world.pool.release(org).await.unwrap();
}

/// The gateway was told to stop and its answer was lost; what it says itself is enough.
async fn a_gateway_that_says_itself_that_it_has_stopped_is_believed(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    let (first, moving) = told_to_let_go(&world, org).await;
    world.pool.stop(&world.claims(&first)).await.unwrap();
    let moved = moving.await.unwrap().unwrap().unwrap();
    assert!(moved.gateway != first.gateway && moved.epoch > first.epoch);
}

/// Where the organization was served, and its move away from there: its gateway was told to let go, and only clings.
async fn told_to_let_go(world: &World, org: OrgId) -> (Allocation, JoinHandle<Result<Option<Allocation>, DrainError>>) {
    let old = world.gateway(1).await;
    let first = world.pool.start(org).await.unwrap();
    let claims = world.claims(&first);
    world.gateway(1).await;
    world.hosts.set_mood(old.gateway, Mood::Clinging);
    let moving = tokio::spawn({
        let pool = world.pool.clone();
        async move { pool.drain(first.slot).await }
    });
    // It lives on and asks for more time; once it was told to stop it gets none.
    while world.pool.renew(&claims).await.is_ok() {
        tokio::task::yield_now().await;
    }
    (first, moving)
}
