//! A gateway learns of its organization once, with a token made for it.

use std::{sync::atomic::Ordering, time::Duration};

use orrery_ganymede::{
    pool::{ConfigError, StartError},
    tokens::{GatewayClaims, TokenError},
};
use orrery_protocol::{access::OrgRole, id::Epoch};

use crate::{
    support::{Scratch, on_both},
    world::{LEASE, Mood, World},
};

on_both!(
    a_handshake_tells_what_there_is_to_know,
    a_handshake_is_used_once,
    a_handshake_ends_with_its_allocation,
    a_handshake_is_for_one_gateway_and_not_for_long,
    a_brief_is_told_again_while_the_gateway_serves,
    a_change_reaches_the_gateway,
    a_gateway_that_did_not_hear_of_a_change_is_told_again,
    a_gateway_that_says_nothing_holds_nobody_up_for_ever,
);

async fn a_handshake_tells_what_there_is_to_know(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    let project = world.orgs.create_project(0, org, world.owner(), "Io").await.unwrap();
    world.gateway(1).await;
    let allocation = world.pool.start(org).await.unwrap();
    let brief = world.hosts.brief(allocation.gateway, org).unwrap();
    assert_eq!((brief.organization_id, brief.organization_name.as_str()), (org, "Moons"));
    assert_eq!((brief.epoch, brief.lease_ms), (allocation.epoch, 15_000));
    assert_eq!(brief.version, world.orgs.org(org).await.unwrap().unwrap().version);
    assert_eq!(brief.projects[0].id, project.id);
    assert_eq!((brief.members[0].user_id, brief.members[0].role), (world.owner(), OrgRole::Owner));
    assert!(!brief.disable_shutdown);
    world.claims(&allocation);
}

async fn a_handshake_is_used_once(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    world.pool.start(org).await.unwrap();
    let (gateway, handshake) = world.hosts.handshakes.lock().unwrap()[0].clone();
    let replayed = world.pool.handshake(gateway, &handshake.0).await;
    assert!(matches!(replayed, Err(ConfigError::HandshakeOver)), "{replayed:?}");
    assert!(world.pool.start(org).await.is_ok(), "the replay changed nothing");
}

async fn a_handshake_ends_with_its_allocation(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    let gateway = world.gateway(1).await;
    // The gateway gets a handshake and answers too late: the allocation was undone before it uses it.
    world.hosts.hold_handshakes(true);
    let failed = world.pool.start(org).await;
    assert!(matches!(failed, Err(StartError::Failed { .. })), "{failed:?}");
    let (_, handshake) = world.hosts.handshakes.lock().unwrap()[0].clone();
    let late = world.pool.handshake(gateway.gateway, &handshake.0).await;
    assert!(matches!(late, Err(ConfigError::HandshakeOver)), "{late:?}");
    world.hosts.hold_handshakes(false);
    world.pool.start(org).await.unwrap();
    let late = world.pool.handshake(gateway.gateway, &handshake.0).await;
    assert!(matches!(late, Err(ConfigError::HandshakeOver)), "nor the next one's: {late:?}");
}

async fn a_handshake_is_for_one_gateway_and_not_for_long(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    let (first, second) = (world.gateway(1).await, world.gateway(1).await);
    world.hosts.hold_handshakes(true);
    world.pool.start(org).await.unwrap_err();
    let (gateway, handshake) = world.hosts.handshakes.lock().unwrap()[0].clone();
    let other = if gateway == first.gateway { second.gateway } else { first.gateway };
    let stolen = world.pool.handshake(other, &handshake.0).await;
    assert!(matches!(stolen, Err(ConfigError::Token(TokenError::Invalid))), "{stolen:?}");
    world.clock.pass(Duration::from_secs(66));
    let late = world.pool.handshake(gateway, &handshake.0).await;
    assert!(matches!(late, Err(ConfigError::Token(TokenError::Expired))), "{late:?}");
}

async fn a_brief_is_told_again_while_the_gateway_serves(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let allocation = world.pool.start(org).await.unwrap();
    let claims = world.claims(&allocation);
    let before = world.pool.brief(&claims).await.unwrap();
    world.orgs.create_project(0, org, world.owner(), "Io").await.unwrap();
    let lease = world.pool.renew(&claims).await.unwrap();
    assert!(lease.version > before.version, "a renewal says that there is something new");
    let after = world.pool.brief(&claims).await.unwrap();
    assert_eq!((after.version, after.projects.len()), (lease.version, before.projects.len() + 1));
    let old = GatewayClaims { epoch: Epoch(claims.epoch.0 - 1), ..claims };
    assert!(matches!(world.pool.brief(&old).await, Err(ConfigError::Stale(_))));
    world.pool.stop(&claims).await.unwrap();
    world.clock.pass(LEASE);
    assert!(matches!(world.pool.brief(&claims).await, Err(ConfigError::Stale(_))));
}

async fn a_change_reaches_the_gateway(scratch: Scratch) {
    let world = World::new(scratch).await;
    let (served, other) = (world.org().await, world.org().await);
    world.gateway(1).await;
    world.pool.start(served).await.unwrap();
    world.pool.refresh(other).await;
    world.pool.refresh(served).await;
    assert_eq!(*world.hosts.refreshed.lock().unwrap(), [served], "who is not served has no gateway to tell");
}

/// Somebody was removed, and the connection on which that was told broke.
async fn a_gateway_that_did_not_hear_of_a_change_is_told_again(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let allocation = world.pool.start(org).await.unwrap();
    world.hosts.set_mood(allocation.gateway, Mood::Dead);
    let pool = world.pool.clone();
    let told = tokio::spawn(async move { pool.refresh(org).await });
    while world.hosts.unheard.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    world.hosts.set_mood(allocation.gateway, Mood::Well);
    told.await.unwrap();
    assert_eq!(*world.hosts.refreshed.lock().unwrap(), [org], "it is told again");
}

/// Somebody was removed, and waits for the answer.
async fn a_gateway_that_says_nothing_holds_nobody_up_for_ever(scratch: Scratch) {
    let world = World::new(scratch).await;
    let org = world.org().await;
    world.gateway(1).await;
    let allocation = world.pool.start(org).await.unwrap();
    world.hosts.set_mood(allocation.gateway, Mood::Clinging);
    world.pool.refresh(org).await;
    assert_eq!(world.hosts.unheard.load(Ordering::SeqCst), 1, "it was told");
    assert!(world.hosts.refreshed.lock().unwrap().is_empty(), "and has not answered yet");
}
