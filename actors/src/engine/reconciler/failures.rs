//! What did not work: who is told, and how long it rests.

use std::collections::BTreeSet;

use orrery_protocol::{
    container::{
        Observation,
        plan::{WantedContainer, WantedState},
    },
    id::ContainerId,
    image::Reference,
};
use tokio::time::Instant;

use super::{
    Away, Key, Reconciler, loaded,
    pulls::{self, Pulled},
    work::Worked,
};
use crate::engine::{
    RuntimeError, World,
    verdict::{WorkError, pull_verdict, verdict},
};

impl Reconciler {
    /// The engine does not answer; returns when it is looked for again. Nothing is known of any container until then.
    pub(super) fn lost(&mut self, error: &RuntimeError) -> Instant {
        if !self.is_away {
            tracing::warn!(org = %self.org, %error, "the container engine is away");
        }
        self.is_away = true;
        self.events = None;
        let world = self.world.borrow().clone();
        let sights = self.sights(&world, |_, _, _| Observation::Unknown);
        self.reporter.tell(sights, None);
        let now = Instant::now();
        self.away.failed(Away::Engine, now);
        self.away.deadline(now).unwrap_or(now)
    }

    pub(super) fn worked(&mut self, worked: Worked) {
        let Worked { project, container, key, error, entrance } = worked;
        if entrance.is_some() {
            self.entrance = entrance;
            self.away.forget(&Away::Porch);
        }
        let Some(error) = error else {
            // What succeeds and has to be done again and again rests as if it failed.
            if !self.works.repeated(container) {
                self.backoff.forget(&key);
            }
            return;
        };
        metrics::counter!("orrery_engine_failures_total").increment(1);
        tracing::warn!(org = %self.org, %container, %error, "a container is not what it should be");
        self.works.forget(container);
        if let WorkError::Porch(_) = error {
            self.porch_is_taken();
        } else {
            self.backoff.failed(key.clone(), Instant::now());
        }
        let told = verdict(&error).filter(|_| matches!(key, Key::Make(_)));
        let Some((observation, project)) = told.zip(project) else { return };
        if matches!(observation, Observation::CannotRun { for_good: true, .. }) {
            self.backoff.forget(&key);
        }
        self.reporter.tell(vec![(project, container, observation)], None);
    }

    /// Whatever needs the porch waits for it together, and is not held against any of them.
    pub(super) fn porch_is_taken(&mut self) {
        let now = Instant::now();
        if !self.away.rests(&Away::Porch, now) {
            self.away.failed(Away::Porch, now);
        }
    }

    pub(super) fn pulled(&mut self, pulled: Pulled) {
        let Pulled { image, error } = pulled;
        let key = Key::Pull(image.clone());
        let Some(error) = error else { return self.backoff.forget(&key) };
        metrics::counter!("orrery_engine_failures_total").increment(1);
        tracing::warn!(org = %self.org, %image, %error, "an image does not come");
        let observation = pull_verdict(&error);
        let for_good = matches!(observation, Some(Observation::CannotRun { for_good: true, .. }));
        if !for_good {
            self.backoff.failed(key, Instant::now());
        }
        let Some(observation) = observation else { return };
        let world = self.world.borrow().clone();
        let told = pulls::waiting(&world, &image).map(|(project, container)| (project, container, observation.clone()));
        self.reporter.tell(told.collect(), None);
    }

    /// What is not wanted any more does not rest: wanted again, it is done at once.
    pub(super) fn forget_rests(&mut self, world: &World) {
        let running = |wanted: &WantedContainer| wanted.state == WantedState::Running;
        let made: BTreeSet<ContainerId> =
            loaded(world).filter(|(_, _, wanted)| running(wanted)).map(|(_, container, _)| container).collect();
        let images: BTreeSet<&Reference> = loaded(world)
            .filter(|(_, _, wanted)| running(wanted))
            .filter_map(|(_, _, wanted)| wanted.image.as_ref())
            .collect();
        let exists: BTreeSet<ContainerId> = self.listed.iter().map(|found| found.object.labels.container).collect();
        self.backoff.retain(|key| match key {
            Key::Make(container) => made.contains(container),
            Key::End(container) => exists.contains(container),
            Key::Pull(image) => images.contains(image),
            Key::Events | Key::Network => true,
        });
    }
}
