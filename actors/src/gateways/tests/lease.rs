//! Leases that end, and slots that nobody needs.

use std::time::Duration;

use orrery_protocol::idle::IdleClocks;
use serde_json::json;

use super::*;
use crate::{clock::Clock, fake::EUROPA};

#[tokio::test]
async fn a_gateway_that_cannot_renew_stops_serving_and_stores_nothing_more() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let fault = ControlError::Unavailable("the network is gone".to_owned());
    ganymede.world().no_renewals = Some(fault);
    let gateways = Gateways::new(config(&ganymede));
    gateways.serve(GatewayBrief { lease_ms: 300, ..brief(ORG, 1) }).await.unwrap();
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    alice.write();
    until("the edit is stored", async || ganymede.world().appends == 1).await;
    assert_eq!(alice.closed().await, 1012);
    until("the place is free", async || gateways.epoch(ORG).is_none()).await;
    let world = ganymede.world();
    assert_eq!((world.snapshots, world.stopped.len()), (0, 0));
}

#[tokio::test]
async fn a_lease_that_is_renewed_goes_on() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    ganymede.world().lease_ms = Some(200);
    let gateways = Gateways::new(config(&ganymede));
    gateways.serve(GatewayBrief { lease_ms: 200, ..brief(ORG, 1) }).await.unwrap();
    until("many renewals", async || ganymede.world().renewals >= 10).await;
    assert_eq!(gateways.epoch(ORG), Some(Epoch(1)));
}

#[tokio::test]
async fn a_stale_epoch_ends_it_at_once_whoever_hears_of_it() {
    for by_renewal in [true, false] {
        let ganymede = FakeGanymede::with(&brief(ORG, 1));
        let gateways = Gateways::new(config(&ganymede));
        let lease_ms = if by_renewal { 300 } else { 60_000 };
        gateways.serve(GatewayBrief { lease_ms, ..brief(ORG, 1) }).await.unwrap();
        let alice = Visitor::join(&gateways, ALICE, IO).await;
        ganymede.allocate(&brief(ORG, 2));
        if !by_renewal {
            alice.write();
        }
        assert_eq!(alice.closed().await, 1012, "{by_renewal}");
        until("the place is free", async || gateways.epoch(ORG).is_none()).await;
        assert!(ganymede.world().documents.is_empty(), "nothing of epoch 1 is written");
    }
}

#[tokio::test]
async fn an_idle_gateway_gives_its_slot_back() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let idle = IdleClocks { project_ms: 1_000, gateway_ms: 1_000 };
    let gateways = serve(&ganymede, |config| config.idle = idle).await;
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    alice.write();
    assert_eq!(alice.closed().await, 1012, "the project is unloaded");
    until("the place is free", async || gateways.epoch(ORG).is_none()).await;
    let world = ganymede.world();
    assert_eq!((world.stopped.as_slice(), world.snapshots), ([(ORG, Epoch(1))].as_slice(), 1));
}

#[tokio::test]
async fn a_project_in_use_is_not_unloaded() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let idle = IdleClocks { project_ms: 1_000, gateway_ms: 60_000 };
    let clock = Clock::new();
    let change = |config: &mut GatewayConfig| {
        (config.idle, config.clock) = (idle, clock);
        config.lease.renew_ms = 100;
    };
    let gateways = serve(&ganymede, change).await;
    let [alice, bob] = [Visitor::join(&gateways, ALICE, IO).await, Visitor::join(&gateways, BOB, EUROPA).await];
    // Both came at the same time; Alice goes on when Bob is gone for doing nothing.
    let typing = async {
        loop {
            alice.room.touch(clock.now_ms());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = typing => {}
        code = bob.closed() => assert_eq!(code, 1012),
    }
    assert!(alice.is_open());
    assert_eq!(alice.closed().await, 1012, "after she stopped");
}

#[tokio::test]
async fn a_gateway_stays_for_who_uses_a_container() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let idle = IdleClocks { project_ms: 1_000, gateway_ms: 1_000 };
    let gateways = serve(&ganymede, |config| (config.idle, config.lease.renew_ms) = (idle, 100)).await;
    let bob = Visitor::join(&gateways, BOB, EUROPA).await;
    let using = async {
        loop {
            gateways.touch(ORG, IO);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = using => {}
        code = bob.closed() => assert_eq!(code, 1012, "the last project that anybody has open is unloaded"),
    }
    assert_eq!(gateways.epoch(ORG), Some(Epoch(1)));
    until("the place is free", async || gateways.epoch(ORG).is_none()).await;
}

#[tokio::test]
async fn a_slot_is_given_back_again_and_again_until_ganymede_hears_of_it() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let fault = || ControlError::Unavailable("the network is gone".to_owned());
    ganymede.world().faults.extend([fault(), fault()]);
    let _gateways = serve(&ganymede, |config| config.idle = IdleClocks { project_ms: 10, gateway_ms: 10 }).await;
    until("the slot is given back", async || ganymede.world().stopped == [(ORG, Epoch(1))]).await;
}

#[tokio::test]
async fn a_gateway_that_must_not_shut_down_stays() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let mut config = config(&ganymede);
    config.idle = IdleClocks { project_ms: 1_000, gateway_ms: 1_000 };
    // The keeper looks at idleness when it renews, too.
    config.lease.renew_ms = 100;
    let gateways = Gateways::new(config);
    gateways.serve(GatewayBrief { disable_shutdown: true, ..brief(ORG, 1) }).await.unwrap();
    let alice = Visitor::join(&gateways, ALICE, IO).await;
    assert_eq!(alice.closed().await, 1012, "its projects are unloaded all the same");
    let alice = gateways.principal(ORG, ALICE, IO).expect("served");
    let enable = json!({"type": "gateway:disable-shutdown", "disabled": false});
    gateways.command(alice, &enable, None).await.unwrap();
    until("the place is free", async || gateways.epoch(ORG).is_none()).await;
}
