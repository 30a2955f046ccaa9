//! Everything at once: members give commands, the engine is hostile, the gateway is restarted and forgets what no document
//! holds. Then all of it ends, and everything has to become as the members want, for good.

use orrery_protocol::{
    container::{
        Containers, Desired, Observation, Phase, ProjectNotes,
        plan::{Action, ObjectState, Planner, Wanted},
    },
    id::{ContainerId, ProjectId},
};
use proptest::prelude::*;
use serde_json::json;
use uuid::Uuid;

use crate::{
    engine::Engine,
    scene::{ALICE, ORG, Scene},
};

const IO: ProjectId = ProjectId(Uuid::from_u128(1));

struct World {
    scene: Scene,
    engine: Engine,
    planner: Planner,
}

impl World {
    fn new(seed: u64) -> Self {
        Self { scene: Scene::new(), engine: Engine::new(seed), planner: Planner::default() }
    }

    fn ids(&self) -> Vec<ContainerId> {
        self.scene.containers.iter().map(|entry| entry.container.id).collect()
    }

    /// Some member wants something.
    fn command(&mut self) {
        let ids = self.ids();
        let which = self.engine.roll(6) as usize;
        let Some(&id) = ids.get(which) else {
            if ids.len() < 6 {
                self.scene.create(["jupyter:minimal", "generic/busybox:1"][which % 2]);
            }
            return;
        };
        let kind = ["start", "start", "stop", "restart", "restart"];
        let kind = match self.engine.roll(7) as usize {
            6 => return self.host(id, ["platform", "laptop"][which % 2]),
            5 => "user-containers:delete".to_owned(),
            at => format!("user-container:{}", kind[at]),
        };
        // What is being deleted takes no other command.
        let _answer = self.scene.tell(id, &kind);
    }

    fn host(&mut self, id: ContainerId, runner: &str) {
        let event = json!({"type": "user-containers:host", "user_container_id": id.to_string(), "runner": runner});
        let _answer = self.scene.give(ALICE, &event);
    }

    /// The gateway is killed and comes back with what is in the document.
    fn restart_gateway(&mut self) {
        let (containers, unreadable) = Containers::read(self.scene.document.values());
        assert_eq!(unreadable, []);
        self.scene.containers = containers;
        let change = self.scene.containers.recall(&ProjectNotes::default(), self.scene.now_ms);
        self.scene.apply(change);
        self.planner = Planner::default();
    }

    /// One pass of the reconciler, as the shell makes it: look, tell, plan, act.
    fn pass(&mut self) -> Vec<Action> {
        let seen = self.engine.listed();
        for id in self.ids() {
            let generation = self.scene.container(id).spec.generation;
            self.scene.see(id, &seen.index(ORG).observation(IO, id, generation));
            if self.scene.container(id).status.phase.is_up() {
                let answers = !self.engine.hostile || self.engine.roll(3) > 0;
                self.scene.see(id, &Observation::Probed { answers });
            }
        }
        let project = self.scene.containers.wanted(&self.scene.rules);
        let wanted = Wanted { org: ORG, projects: [(IO, project)].into() };
        let actions = self.planner.plan(self.scene.now_ms, &wanted, &seen);
        for action in &actions {
            self.engine.perform(action);
            if let Action::Adopt { container, object, .. } = action {
                self.scene.see(*container, &Observation::Adopted(object.clone()));
            }
        }
        self.engine.round();
        actions
    }

    fn check_converged(&self) {
        let seen = self.engine.truth();
        for object in &seen.objects {
            assert!(self.scene.containers.get(object.labels.container).is_some(), "no orphan: {object:?}");
        }
        for entry in self.scene.containers.iter() {
            let (id, spec, status) = (entry.container.id, &entry.container.spec, &entry.container.status);
            let its = seen.objects.iter().filter(|object| object.labels.container == id);
            let states: Vec<ObjectState> = its.map(|object| object.state).collect();
            match status.phase {
                Phase::Running => {
                    assert_eq!((&states[..], spec.desired), (&[ObjectState::Running][..], Desired::Running));
                }
                Phase::Stopped | Phase::Failed => {
                    assert!(states.len() <= 1 && !states.contains(&ObjectState::Running), "{states:?}");
                    assert_ne!(spec.desired, Desired::Deleted);
                }
                Phase::Pending | Phase::Starting | Phase::Unhealthy | Phase::Stopping | Phase::Deleted => {
                    panic!("{id} is still {}", status.phase)
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_runs_becomes_what_is_wanted(seed in any::<u64>(), hostile_rounds in 1_usize..80) {
        let mut world = World::new(seed);
        for _ in 0..hostile_rounds {
            if world.engine.roll(2) == 0 {
                world.command();
            }
            if world.engine.roll(15) == 0 {
                world.restart_gateway();
            }
            let ms = world.engine.roll(20_000);
            world.scene.pass(ms);
            world.pass();
        }
        world.engine.hostile = false;
        for id in world.ids() {
            world.host(id, "platform");
        }
        for _ in 0..60 {
            world.scene.pass(5_000);
            world.pass();
        }
        world.check_converged();
        let (updates, bytes) = (world.scene.updates, world.scene.document.encoded());
        for _ in 0..3 {
            world.scene.pass(3_600_000);
            prop_assert_eq!(world.pass(), vec![], "a second pass does nothing");
        }
        prop_assert_eq!((world.scene.updates, world.scene.document.encoded()), (updates, bytes));
    }
}

#[test]
fn twenty_at_once_run() {
    let mut world = World::new(20);
    world.engine.hostile = false;
    for _ in 0..20 {
        world.scene.create("jupyter:minimal");
    }
    for _ in 0..12 {
        world.scene.pass(1_000);
        world.pass();
    }
    world.check_converged();
    assert!(world.scene.containers.iter().all(|entry| entry.container.status.phase == Phase::Running));
}
