//! Faults by chance: the engine is as bad as it gets, members change their minds, somebody works by hand, the gateway comes
//! and goes. Then all of it ends, and everything has to be as it is wanted, for good.

use std::time::Duration;

use orrery_actors::engine::fake::{FakeObject, Hand, Hostility};
use orrery_protocol::container::{Desired, Phase, plan::ObjectState};
use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    gateway::Gateway,
    stories::{Place, clean_up},
    with_fake::Fake,
};

fn hostility(dice: &mut StdRng) -> Hostility {
    let mut chance = |most: f64| dice.random_range(0.0..most);
    let (fails, silent, doubles) = (chance(0.3), chance(0.2), chance(0.3));
    let (omits, vague) = (chance(0.2), chance(0.2));
    Hostility {
        away: dice.random_bool(0.15),
        slow_ms: dice.random_range(0..400),
        fails,
        silent,
        doubles,
        omits,
        vague,
        mute: dice.random_bool(0.3),
    }
}

fn member(gateway: &Gateway, dice: &mut StdRng) {
    let ids = gateway.ids();
    if ids.len() < 6 && dice.random_bool(0.4) {
        gateway.create(["serve", "idle", "stubborn"][dice.random_range(0..3)]);
    } else if let Some(&id) = ids.get(dice.random_range(0..6)) {
        let kind = ["start", "start", "stop", "restart", "delete"][dice.random_range(0..5)];
        // What is being deleted takes no other command.
        let _taken = gateway.tell(id, kind);
    }
}

fn somebody(fake: &Fake, dice: &mut StdRng) {
    let objects = fake.engine.objects();
    let Some(object) = objects.get(dice.random_range(0..8)) else { return };
    let hand = [Hand::Kill, Hand::Start, Hand::Pause, Hand::Remove][dice.random_range(0..4)];
    fake.engine.by_hand(hand, &object.id);
}

/// Whether everything is as its members want it.
fn is_as_wanted(gateway: &Gateway, objects: &[FakeObject]) -> bool {
    let known = gateway.ids();
    let settled = known.iter().filter_map(|&id| gateway.container(id)).all(|container| {
        let its = objects.iter().filter(|object| object.labels.container == container.id);
        let states: Vec<ObjectState> = its.map(|object| object.state).collect();
        let runs = states == [ObjectState::Running];
        let rests = states.len() <= 1 && !states.contains(&ObjectState::Running);
        match (container.spec.desired, container.status.phase) {
            (Desired::Running, Phase::Running) => runs && gateway.address(container.id).is_some(),
            (Desired::Stopped, Phase::Stopped) | (_, Phase::Failed) => rests,
            _ => false,
        }
    });
    settled && objects.iter().all(|object| known.contains(&object.labels.container))
}

async fn everything_becomes_as_it_is_wanted(seed: u64, rounds: usize) {
    let (fake, mut dice) = (Fake::new(), StdRng::seed_from_u64(seed));
    let mut gateway = fake.gateway();
    for _ in 0..rounds {
        match dice.random_range(0..10) {
            0..=3 => member(&gateway, &mut dice),
            4..=5 => somebody(&fake, &mut dice),
            6..=7 => fake.engine.set(hostility(&mut dice)),
            8 => fake.engine.restart(),
            _ => gateway.forget(),
        }
        tokio::time::sleep(Duration::from_millis(dice.random_range(0..3_000))).await;
    }
    fake.engine.set(Hostility::default());
    gateway.until("all is as wanted", || is_as_wanted(&gateway, &fake.engine.objects())).await;
    // Restarts that were counted may have their consequences yet.
    tokio::time::sleep(Duration::from_secs(10)).await;
    gateway.until("all is as wanted", || is_as_wanted(&gateway, &fake.engine.objects())).await;
    assert_eq!(gateway.changes_in_passes(3).await, 0, "what is as wanted is left alone");
    clean_up(&fake, &gateway).await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_ends_as_it_is_wanted(seed in any::<u64>(), rounds in 1_usize..60) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
        runtime.expect("a runtime").block_on(everything_becomes_as_it_is_wanted(seed, rounds));
    }
}
