//! The state machine under any input in any order: only listed transitions, a document that holds what is so, and nothing due
//! twice. The scene checks all of it whenever it applies a change.

use orrery_protocol::{
    container::{Caller, Observation, Phase, Reason, ReasonCode, plan::ObjectId},
    id::ContainerId,
};
use proptest::prelude::*;
use serde_json::json;

use crate::scene::{ALICE, Scene, ends};

/// One thing that happens, of any kind, to one of a few containers.
#[derive(Debug, Clone)]
struct Step {
    kind: u8,
    which: usize,
    number: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = (0_u8..24, 0_usize..4, 0_u64..200_000);
    proptest::collection::vec(step.prop_map(|(kind, which, number)| Step { kind, which, number }), 1..120)
}

const TOLD: [&str; 4] =
    ["user-container:start", "user-container:stop", "user-container:restart", "user-containers:delete"];

fn observation(step: &Step) -> Option<Observation> {
    let generation = (step.number % 3) as u32;
    Some(match step.kind {
        4..=6 => Observation::Runs { generation },
        7 | 8 => ends(step.number % 8, (step.number % 2) as i64),
        9 => Observation::Absent,
        10 => Observation::Unknown,
        11 => Observation::Idle { generation },
        12 => Observation::Between,
        13 => Observation::Probed { answers: true },
        14 => Observation::Probed { answers: false },
        15 => Observation::CannotRun {
            reason: Reason::new(ReasonCode::NoCapacity, "there is no room"),
            for_good: step.number.is_multiple_of(2),
        },
        16 => Observation::Adopted(ObjectId(step.number.to_string())),
        22 => Observation::Exposes((0..step.number % 4).map(|at| 8080 + at as u16).collect()),
        _ => return None,
    })
}

fn take(scene: &mut Scene, step: &Step) {
    let ids: Vec<ContainerId> = scene.containers.iter().map(|entry| entry.container.id).collect();
    let Some(&id) = ids.get(step.which) else {
        scene.create(["jupyter:minimal", "generic/busybox"][step.number as usize % 2]);
        return;
    };
    if let Some(observation) = observation(step) {
        return scene.see(id, &observation);
    }
    // Rejections are answers too.
    let _answer = match step.kind {
        kind @ 0..=3 => scene.tell(id, TOLD[usize::from(kind)]),
        17 => scene.report(id),
        18 => {
            let name = ["a", "b"][step.number as usize % 2];
            let event = json!({"type": "user-container:map-http-service", "name": name, "port": step.number % 9 + 1});
            scene.give(Caller::Container(id), &event)
        }
        19 => {
            let runner = ["platform", "laptop"][step.number as usize % 2];
            let event = json!({"type": "user-containers:host", "user_container_id": id.to_string(), "runner": runner});
            scene.give(ALICE, &event)
        }
        _ => {
            scene.pass(step.number);
            return;
        }
    };
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_listed_transitions_happen(steps in steps()) {
        let mut scene = Scene::new();
        for step in &steps {
            take(&mut scene, step);
            for entry in scene.containers.iter() {
                let status = &entry.container.status;
                prop_assert_eq!(status.stop_at_ms.is_some(), status.phase == Phase::Stopping);
                prop_assert!(status.phase.is_up() || entry.vitals.watchdog_at_ms.is_none());
                prop_assert!(!matches!(status.phase, Phase::Stopped | Phase::Failed) || status.reason.is_some());
            }
        }
    }

    #[test]
    fn what_was_seen_already_changes_nothing(steps in steps()) {
        let mut scene = Scene::new();
        for step in &steps {
            take(&mut scene, step);
            // How often in a row counts for some; the rest is as good once as twice.
            let counted = matches!(step.kind, 9 | 14);
            let Some(observation) = observation(step).filter(|_| !counted) else { continue };
            let ids: Vec<ContainerId> = scene.containers.iter().map(|entry| entry.container.id).collect();
            let Some(&id) = ids.get(step.which) else { continue };
            scene.see(id, &observation);
            let updates = scene.updates;
            scene.see(id, &observation);
            prop_assert_eq!(scene.updates, updates, "{:?}", observation);
        }
    }
}
