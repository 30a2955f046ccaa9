//! Ganymede ends, with or without a word, and begins again.

use std::{sync::Arc, time::Duration};

use orrery_ganymede::pool::{Route, SlotHost, SlotState, StartError};
use orrery_protocol::allocation::Step;

use crate::{
    support::{Scratch, on_both},
    world::{LEASE, World},
};

on_both!(
    gateways_in_other_processes_go_on,
    a_gateway_that_ended_too_is_missed_after_one_lease,
    what_was_served_in_the_process_is_served_again,
    what_was_under_way_is_cleared_away,
    a_shutdown_is_a_restart_to_those_who_were_served,
    a_closed_pool_allocates_nothing,
    a_process_without_a_gateway_offers_no_slots_of_its_own,
    what_ended_long_ago_is_forgotten,
);

async fn local(world: &World, slots: u16) {
    world.pool.open_local(slots, Arc::clone(&world.hosts) as Arc<dyn SlotHost>).await.unwrap();
    world.pool.recover().await.unwrap();
}

async fn gateways_in_other_processes_go_on(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(2).await;
    let allocation = world.pool.start(org).await.unwrap();
    let claims = world.claims(&allocation);
    let world = world.killed_and_restarted().await;
    assert!(world.pool.renew(&claims).await.is_err(), "until it has looked around");
    world.pool.recover().await.unwrap();
    assert!(matches!(world.routes.get(org), Some(Route::Remote { epoch, .. }) if epoch == allocation.epoch));
    assert!(world.fence.admits(org, allocation.epoch));
    // Whatever time the restart took, the gateway has one lease.
    world.clock.pass(LEASE);
    world.pass().await;
    world.pool.renew(&claims).await.unwrap();
    assert_eq!(world.pool.start(org).await.unwrap(), allocation);
}

async fn a_gateway_that_ended_too_is_missed_after_one_lease(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let first = world.pool.start(org).await.unwrap();
    let world = world.killed_and_restarted().await;
    world.pool.recover().await.unwrap();
    world.gateway(1).await;
    world.clock.pass(LEASE + Duration::from_millis(1));
    world.pass().await;
    let second = world.pool.start(org).await.unwrap();
    assert!(second.gateway != first.gateway && second.epoch > first.epoch);
}

async fn what_was_served_in_the_process_is_served_again(scratch: Scratch) {
    let world = World::new(scratch).await;
    let (served, idle) = (world.org().await, world.org().await);
    local(&world, 3).await;
    let gateway = world.pool.local_gateway().unwrap();
    let first = world.pool.start(served).await.unwrap();
    let stopped = world.pool.start(idle).await.unwrap();
    world.pool.stop(&world.claims(&stopped)).await.unwrap();
    let world = world.killed_and_restarted().await;
    local(&world, 3).await;
    assert_eq!(world.pool.local_gateway(), Some(gateway), "the same gateway as before");
    assert_eq!(world.routes.get(served), None);
    world.pool.failover().await.unwrap();
    let route = world.routes.get(served).unwrap();
    assert!(matches!(route, Route::Local { epoch, .. } if epoch > first.epoch), "{route:?}");
    assert_eq!(world.routes.get(idle), None, "nobody was served there");
    assert_eq!(world.pool.slots().await.unwrap().len(), 3);
}

async fn what_was_under_way_is_cleared_away(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(2).await;
    // As if the process had ended between two steps: nothing is undone.
    for step in ["standby", "reserved", "routed", "named", "handshaken", "pulled"] {
        let insert = "INSERT INTO allocations \
            (id, org_id, slot_id, gateway_id, epoch, step, started_at, step_at, failover) \
            SELECT $1, $2, 1, gateway_id, 0, $3, 0, 0, 0 FROM slots WHERE id = 1";
        let id = uuid::Uuid::new_v4().to_string();
        let insert = sqlx::query(insert).bind(id).bind(org.to_string()).bind(step);
        insert.execute(world.scratch.database.sqlx()).await.unwrap();
        world.pool.recover().await.unwrap();
        let states: Vec<SlotState> = world.pool.slots().await.unwrap().iter().map(|slot| slot.state).collect();
        assert_eq!(states, [SlotState::Ready; 2], "{step}");
        assert_eq!(world.routes.get(org), None, "{step}");
    }
    world.pool.failover().await.unwrap();
    assert_eq!(world.routes.get(org), None);
    world.pool.start(org).await.unwrap();
}

async fn a_shutdown_is_a_restart_to_those_who_were_served(scratch: Scratch) {
    let world = World::new(scratch).await;
    let (flushed, open) = (world.org().await, world.org().await);
    local(&world, 2).await;
    let first = world.pool.start(flushed).await.unwrap();
    world.pool.start(open).await.unwrap();
    world.pool.close();
    // A gateway that shuts down stops what it serves; this one did not get to the second.
    world.pool.stop(&world.claims(&first)).await.unwrap();
    world.pool.shutdown().await.unwrap();
    assert!(world.routes.is_empty());
    assert!(!world.fence.admits(flushed, first.epoch));
    let world = world.killed_and_restarted().await;
    local(&world, 2).await;
    world.pool.failover().await.unwrap();
    assert_eq!(world.routes.len(), 2);
}

async fn a_closed_pool_allocates_nothing(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    world.pool.close();
    let refused = world.pool.start(org).await;
    assert!(matches!(refused, Err(StartError::Failed { step: Step::Reserved, .. })), "{refused:?}");
    assert_eq!(world.pool.slots().await.unwrap()[0].state, SlotState::Ready);
}

async fn a_process_without_a_gateway_offers_no_slots_of_its_own(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    local(&world, 2).await;
    world.pool.start(org).await.unwrap();
    let world = world.killed_and_restarted().await;
    world.pool.recover().await.unwrap();
    assert_eq!(world.pool.slots().await.unwrap(), []);
    let refused = world.pool.start(org).await;
    assert!(matches!(refused, Err(StartError::PoolExhausted { .. })), "{refused:?}");
}

async fn what_ended_long_ago_is_forgotten(scratch: Scratch) {
    let world = World::new(scratch).await;
    let (idle, lost) = (world.org().await, world.org().await);
    world.gateway(1).await;
    let first = world.pool.start(idle).await.unwrap();
    world.pool.stop(&world.claims(&first)).await.unwrap();
    world.pool.start(lost).await.unwrap();
    world.clock.pass(LEASE * 2);
    world.pool.reap().await.unwrap();
    let kept = async || {
        let count = sqlx::query("SELECT org_id FROM allocations").fetch_all(world.scratch.database.sqlx());
        count.await.unwrap().len()
    };
    world.clock.pass(Duration::from_secs(29 * 24 * 3600));
    world.pool.recover().await.unwrap();
    assert_eq!(kept().await, 2);
    world.clock.pass(Duration::from_secs(2 * 24 * 3600));
    world.pool.recover().await.unwrap();
    assert_eq!(kept().await, 1, "who lost its gateway is still to be served");
    world.gateway(1).await;
    let next = world.pool.start(idle).await.unwrap();
    assert!(next.epoch > first.epoch, "an epoch outlives its allocation");
}
