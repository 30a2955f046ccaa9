//! Gateways come into the pool, change, and go.

use std::time::Duration;

use orrery_ganymede::{
    pool::{AnnounceError, ConfigError, SlotState},
    tokens::PoolClaims,
};
use orrery_protocol::{
    control::Ready,
    id::{GatewayId, SlotId},
};
use uuid::Uuid;

use crate::{
    support::{Scratch, on_both},
    world::{LEASE, World},
};

on_both!(
    ports_and_slots_are_never_given_twice,
    a_gateway_has_as_many_slots_as_it_says,
    only_a_registered_gateway_gets_in,
    a_gateway_that_is_revoked_is_out_for_good,
    many_gateways_at_once_get_numbers_of_their_own,
);

/// Fault 15 of earlier systems: port = base + count collided after a deletion.
async fn ports_and_slots_are_never_given_twice(scratch: Scratch) {
    let world = World::new(scratch).await;
    let (first, second, third) = (world.gateway(1).await, world.gateway(2).await, world.gateway(1).await);
    assert_eq!([first.port, second.port, third.port], [7101, 7102, 7103]);
    world.pool.revoke(second.gateway).await.unwrap();
    let fourth = world.gateway(1).await;
    assert_eq!(fourth.port, 7102, "free again");
    assert_eq!(world.gateway(1).await.port, 7104);
    let slots: Vec<u32> = world.pool.slots().await.unwrap().iter().map(|slot| slot.slot.0).collect();
    assert_eq!(slots, [1, 4, 5, 6], "the numbers of slots that are gone stay theirs");
    let claims = world.tokens.verifying().pool(&fourth.token.0, world.clock.now());
    assert_eq!(claims, Ok(PoolClaims { gateway: fourth.gateway }));
}

async fn a_gateway_has_as_many_slots_as_it_says(scratch: Scratch) {
    let world = World::new(scratch).await;
    let gateway = world.gateway(2).await;
    let numbers = async || world.pool.slots().await.unwrap().iter().map(|slot| slot.slot).collect::<Vec<_>>();
    assert_eq!(numbers().await, [SlotId(1), SlotId(2)]);
    world.announce(&gateway, 2).await;
    assert_eq!(numbers().await, [SlotId(1), SlotId(2)], "safe to repeat");
    world.announce(&gateway, 3).await;
    let orgs = [world.org().await, world.org().await, world.org().await];
    for org in orgs {
        world.pool.start(org).await.unwrap();
    }
    world.announce(&gateway, 1).await;
    assert_eq!(numbers().await.len(), 3, "what is served there may stay");
    let claims = world.claims(&world.pool.start(orgs[2]).await.unwrap());
    world.pool.stop(&claims).await.unwrap();
    assert_eq!(numbers().await, [SlotId(1), SlotId(2)], "and nothing comes after it");
    assert!(world.pool.start(orgs[2]).await.is_err());
}

async fn only_a_registered_gateway_gets_in(scratch: Scratch) {
    let world = World::new(scratch).await;
    let registered = world.pool.register().await.unwrap();
    let stranger = GatewayId(Uuid::from_u128(1));
    let ready = |gateway_id, slots, listen: &str| Ready { gateway_id, slots, listen: listen.to_owned() };
    let claims = |gateway| PoolClaims { gateway };
    let announce = async |gateway, ready: Ready| world.pool.announce(&claims(gateway), &ready).await;
    let unknown = announce(stranger, ready(stranger, 1, "127.0.0.1:1")).await;
    assert!(matches!(unknown, Err(AnnounceError::UnknownGateway(_))), "{unknown:?}");
    let other = announce(registered.gateway, ready(stranger, 1, "127.0.0.1:1")).await;
    assert!(matches!(other, Err(AnnounceError::UnknownGateway(_))), "{other:?}");
    for slots in [0, 1025] {
        let refused = announce(registered.gateway, ready(registered.gateway, slots, "127.0.0.1:1")).await;
        assert!(matches!(refused, Err(AnnounceError::Slots(given)) if given == slots), "{refused:?}");
    }
    for listen in ["", "127.0.0.1:1\nx", "a b", &"a".repeat(256)] {
        let refused = announce(registered.gateway, ready(registered.gateway, 1, listen)).await;
        assert!(matches!(refused, Err(AnnounceError::Listen(_))), "{refused:?}");
    }
    assert_eq!(world.pool.slots().await.unwrap(), []);
}

async fn a_gateway_that_is_revoked_is_out_for_good(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    let gateway = world.gateway(1).await;
    let first = world.pool.start(org).await.unwrap();
    world.gateway(1).await;
    world.pool.revoke(gateway.gateway).await.unwrap();
    assert!(world.pool.revoke(gateway.gateway).await.is_err());
    assert!(world.pool.renew(&world.claims(&first)).await.is_err());
    let ready = Ready { gateway_id: gateway.gateway, slots: 1, listen: "127.0.0.1:1".to_owned() };
    let back = world.pool.announce(&PoolClaims { gateway: gateway.gateway }, &ready).await;
    assert!(matches!(back, Err(AnnounceError::UnknownGateway(_))), "{back:?}");
    let (_, handshake) = world.hosts.handshakes.lock().unwrap()[0].clone();
    let asked = world.pool.handshake(gateway.gateway, &handshake.0).await;
    assert!(matches!(asked, Err(ConfigError::UnknownGateway(_))), "{asked:?}");
    world.clock.pass(LEASE + Duration::from_millis(1));
    world.pass().await;
    assert!(world.pool.start(org).await.unwrap().gateway != gateway.gateway, "its organization is served elsewhere");
    let slots = world.pool.slots().await.unwrap();
    assert_eq!((slots.len(), slots[0].state), (1, SlotState::Allocated));
}

async fn many_gateways_at_once_get_numbers_of_their_own(scratch: Scratch) {
    let world = World::new(scratch).await;
    let mut registrations = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let pool = world.pool.clone();
        registrations.spawn(async move { pool.register().await.unwrap() });
    }
    let registered = registrations.join_all().await;
    let mut numbers: Vec<u16> = registered.iter().map(|registered| registered.number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=16).collect::<Vec<u16>>());
    for registered in &registered {
        world.announce(registered, 3).await;
    }
    assert_eq!(world.pool.slots().await.unwrap().len(), 48);
}
