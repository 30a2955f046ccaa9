//! A gateway serves for as long as it renews; then somebody else does.

use std::time::Duration;

use orrery_ganymede::{
    clock::iso8601,
    pool::{RenewError, Route, SlotState, StopError},
    tokens::GatewayClaims,
};
use orrery_protocol::id::Epoch;
use tokio::time::timeout;

use crate::{
    support::{Scratch, on_both},
    world::{LEASE, Mood, World},
};

on_both!(
    a_gateway_that_renews_keeps_its_organization,
    an_organization_moves_when_its_gateway_falls_silent,
    who_was_too_late_stops,
    a_lost_organization_is_served_as_soon_as_a_slot_is_free,
    an_idle_organization_is_not_served_again,
    who_departs_is_replaced_at_once,
    a_stop_is_safe_to_repeat_and_ends_nobody_elses,
    a_gateway_gets_a_new_token_in_time,
    an_allocation_that_nobody_works_on_is_cleared_away,
    attempts_that_fail_are_spread,
    a_gateway_that_is_slow_to_start_holds_up_one_pass,
    a_lease_goes_on_while_the_data_base_is_away,
    who_sets_the_clock_ends_no_lease,
    who_sets_the_clock_back_keeps_nobody_waiting,
    a_token_that_a_set_clock_ends_early_is_replaced_in_time,
);

const DEADLINE: Duration = Duration::from_secs(30);

const RENEWAL: Duration = Duration::from_secs(5);

async fn a_gateway_that_renews_keeps_its_organization(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(2).await;
    let allocation = world.pool.start(org).await.unwrap();
    let claims = world.claims(&allocation);
    for _ in 0..20 {
        world.clock.pass(RENEWAL);
        let lease = world.pool.renew(&claims).await.unwrap();
        assert_eq!(lease.ttl_ms, 15_000);
        world.pass().await;
    }
    assert_eq!(world.pool.start(org).await.unwrap(), allocation);
    let report = &world.pool.slots().await.unwrap()[0];
    assert_eq!((report.state, report.renewed_at), (SlotState::Allocated, Some(world.clock.now())));
    assert_eq!((report.organization_id, report.epoch), (Some(org), Some(allocation.epoch)));
}

/// Fault 12 of earlier systems: a dead gateway stayed allocated for ever.
async fn an_organization_moves_when_its_gateway_falls_silent(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let first = world.pool.start(org).await.unwrap();
    let claims = world.claims(&first);
    world.clock.pass(LEASE);
    world.pass().await;
    assert_eq!(world.pool.start(org).await.unwrap(), first, "until its last moment it is left alone");
    world.gateway(1).await;
    world.hosts.set_mood(first.gateway, Mood::Dead);
    world.clock.pass(Duration::from_millis(1));
    world.pass().await;
    let second = world.pool.start(org).await.unwrap();
    assert!(second.gateway != first.gateway && second.epoch > first.epoch, "{second:?}");
    assert!(matches!(world.routes.get(org), Some(Route::Remote { gateway, .. }) if gateway == second.gateway));
    assert_eq!(world.pool.slots().await.unwrap()[0].state, SlotState::Lost);
    // The silent one wakes up.
    assert!(!world.fence.admits(org, first.epoch));
    assert!(matches!(world.pool.renew(&claims).await, Err(RenewError::Stale(_))));
    assert!(matches!(world.pool.stop(&claims).await, Err(StopError::Stale(_))));
    assert_eq!(world.pool.start(org).await.unwrap(), second);
}

/// A gateway has stopped by its own clock when its lease is over, whether the reaper has come by or not.
async fn who_was_too_late_stops(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let allocation = world.pool.start(org).await.unwrap();
    world.clock.pass(LEASE + Duration::from_millis(1));
    let late = world.pool.renew(&world.claims(&allocation)).await;
    assert!(matches!(late, Err(RenewError::Stale(_))), "{late:?}");
}

async fn a_lost_organization_is_served_as_soon_as_a_slot_is_free(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    let gateway = world.gateway(1).await;
    let first = world.pool.start(org).await.unwrap();
    world.hosts.set_mood(gateway.gateway, Mood::Dead);
    world.clock.pass(LEASE + RENEWAL);
    world.pass().await;
    assert_eq!(world.routes.get(org), None, "nobody waits in vain");
    world.pass().await;
    world.hosts.set_mood(gateway.gateway, Mood::Well);
    world.announce(&gateway, 1).await;
    world.pass().await;
    let route = world.routes.get(org).unwrap();
    assert!(route.epoch() > first.epoch, "nobody had to ask: {route:?}");
}

async fn an_idle_organization_is_not_served_again(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let allocation = world.pool.start(org).await.unwrap();
    world.pool.stop(&world.claims(&allocation)).await.unwrap();
    world.clock.pass(LEASE + RENEWAL);
    world.pass().await;
    assert_eq!((world.routes.get(org), world.pool.slots().await.unwrap()[0].state), (None, SlotState::Ready));
}

async fn who_departs_is_replaced_at_once(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let first = world.pool.start(org).await.unwrap();
    let second = world.gateway(1).await;
    world.pool.depart(&world.claims(&first)).await.unwrap();
    world.pool.depart(&world.claims(&first)).await.unwrap();
    assert!(!world.fence.admits(org, first.epoch));
    let states: Vec<_> = world.pool.slots().await.unwrap().iter().map(|slot| slot.state).collect();
    assert_eq!(states, [SlotState::Lost, SlotState::Ready], "its slot is gone with it");
    world.pass().await;
    let next = world.pool.start(org).await.unwrap();
    assert_eq!((next.gateway, next.epoch > first.epoch), (second.gateway, true), "nobody had to ask");
    assert!(matches!(world.pool.depart(&world.claims(&first)).await, Err(StopError::Stale(_))));
}

async fn a_stop_is_safe_to_repeat_and_ends_nobody_elses(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    let gateway = world.gateway(1).await;
    let first = world.pool.start(org).await.unwrap();
    let claims = world.claims(&first);
    let stranger = GatewayClaims { gateway: world.gateway(1).await.gateway, ..claims };
    assert!(matches!(world.pool.stop(&stranger).await, Err(StopError::Stale(_))), "a wrong pair");
    world.pool.stop(&claims).await.unwrap();
    world.pool.stop(&claims).await.unwrap();
    assert!(!world.fence.admits(org, first.epoch));
    let second = world.pool.start(org).await.unwrap();
    assert!(matches!(world.pool.stop(&claims).await, Err(StopError::Stale(_))));
    let future = GatewayClaims { epoch: Epoch(second.epoch.0 + 1), ..claims };
    assert!(matches!(world.pool.renew(&future).await, Err(RenewError::Stale(_))));
    assert_eq!(world.pool.start(org).await.unwrap(), second);
    assert_eq!(gateway.gateway, first.gateway);
}

async fn a_gateway_gets_a_new_token_in_time(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let allocation = world.pool.start(org).await.unwrap();
    let mut claims = world.claims(&allocation);
    let mut renewed = 0;
    // Three hours; a token lives for one.
    for _ in 0..3 * 3600 / 5 {
        world.clock.pass(RENEWAL);
        if let Some(token) = world.pool.renew(&claims).await.unwrap().gateway_token {
            claims = world.tokens.verifying().gateway(&token.0, world.clock.now()).unwrap();
            renewed += 1;
        }
    }
    assert_eq!(renewed, 6, "after half of its life");
}

/// The data base was away while a failing allocation was undone.
async fn an_allocation_that_nobody_works_on_is_cleared_away(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    let gateway = world.gateway(1).await;
    let insert = "INSERT INTO allocations \
        (id, org_id, slot_id, gateway_id, epoch, step, started_at, step_at, failover) \
        VALUES ('018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f', $1, 1, $2, 1, 'routed', 0, 0, 0)";
    let insert = sqlx::query(insert).bind(org.to_string()).bind(gateway.gateway.to_string());
    insert.execute(world.scratch.database.sqlx()).await.unwrap();
    assert_eq!(world.pool.slots().await.unwrap()[0].state, SlotState::Allocated);
    world.pass().await;
    assert_eq!(world.pool.slots().await.unwrap()[0].state, SlotState::Ready);
    assert_eq!(world.routes.get(org), None, "nobody was served, and nobody is");
}

async fn attempts_that_fail_are_spread(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    let gateway = world.gateway(1).await;
    world.pool.start(org).await.unwrap();
    world.clock.pass(LEASE + RENEWAL);
    world.hosts.set_mood(gateway.gateway, Mood::Stubborn);
    world.pool.reap().await.unwrap();
    world.announce(&gateway, 1).await;
    world.pass().await;
    world.hosts.set_mood(gateway.gateway, Mood::Well);
    world.pass().await;
    assert_eq!(world.routes.get(org), None, "not at once");
    world.clock.pass(Duration::from_secs(1));
    world.pass().await;
    assert!(world.routes.get(org).is_some());
}

/// There are so many passes at once and no more: each that waits is missing for all other organizations.
async fn a_gateway_that_is_slow_to_start_holds_up_one_pass(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let first = world.pool.start(org).await.unwrap();
    let slow = world.gateway(1).await.gateway;
    world.hosts.set_mood(first.gateway, Mood::Dead);
    world.hosts.set_mood(slow, Mood::Slow);
    world.clock.pass(LEASE + RENEWAL);
    world.pool.reap().await.unwrap();
    let pool = world.pool.clone();
    let waiting = tokio::spawn(async move { pool.failover().await });
    let asked = async {
        while world.hosts.handshakes.lock().unwrap().last().is_none_or(|(gateway, _)| *gateway != slow) {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, asked).await.expect("the slow one is asked");
    timeout(DEADLINE, world.pass()).await.expect("the next pass looks at all others");
    assert!(!waiting.is_finished());
    waiting.abort();
}

/// What people write needs no data base to be saved.
async fn a_lease_goes_on_while_the_data_base_is_away(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let allocation = world.pool.start(org).await.unwrap();
    let claims = world.claims(&allocation);
    world.scratch.database.close().await;
    for _ in 0..5 {
        world.clock.pass(RENEWAL);
        let lease = world.pool.renew(&claims).await.unwrap();
        assert_eq!((lease.ttl_ms, lease.version), (15_000, 0));
        assert!(world.fence.admits(org, allocation.epoch));
    }
}

/// Gateways count their leases by how much time passes. Were it otherwise here, two would serve one organization for a while.
async fn who_sets_the_clock_ends_no_lease(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(2).await;
    let allocation = world.pool.start(org).await.unwrap();
    let claims = world.claims(&allocation);
    for minutes in [10, -20, 600] {
        world.clock.set(minutes);
        world.pass().await;
        assert_eq!(world.pool.start(org).await.unwrap(), allocation, "{minutes}");
        assert!(world.fence.admits(org, allocation.epoch), "it writes on");
        world.clock.pass(RENEWAL);
        let lease = world.pool.renew(&claims).await.unwrap();
        assert_eq!((lease.ttl_ms, lease.expires_at), (15_000, iso8601(world.clock.now() + LEASE)));
        assert_eq!(world.pool.slots().await.unwrap()[0].renewed_at, Some(world.clock.now()));
    }
}

/// A gateway that dies is replaced as soon as ever, and what could not be served is tried again as soon.
async fn who_sets_the_clock_back_keeps_nobody_waiting(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    let gateway = world.gateway(1).await;
    let first = world.pool.start(org).await.unwrap();
    world.clock.set(-20);
    world.clock.pass(LEASE + RENEWAL);
    world.hosts.set_mood(gateway.gateway, Mood::Stubborn);
    world.pass().await;
    assert!(!world.fence.admits(org, first.epoch), "its lease is over");
    world.announce(&gateway, 1).await;
    world.pass().await;
    world.clock.set(-20);
    world.hosts.set_mood(gateway.gateway, Mood::Well);
    world.clock.pass(RENEWAL);
    world.pass().await;
    assert!(world.routes.get(org).is_some_and(|route| route.epoch() > first.epoch));
}

async fn a_token_that_a_set_clock_ends_early_is_replaced_in_time(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let claims = world.claims(&world.pool.start(org).await.unwrap());
    world.clock.pass(RENEWAL);
    assert_eq!(world.pool.renew(&claims).await.unwrap().gateway_token, None);
    world.clock.set(40);
    assert!(world.pool.renew(&claims).await.unwrap().gateway_token.is_some(), "of the hour, twenty minutes are left");
}
