//! When the next pass is due.

use std::time::Duration;

use orrery_protocol::{
    container::{
        Observation,
        plan::{Index, Seen, WantedContainer, WantedState},
    },
    id::{ContainerId, ProjectId},
};
use tokio::time::Instant;

use super::{Away, Key, Reconciler, loaded};
use crate::engine::World;

impl Reconciler {
    /// When the next pass is due if nothing happens before; soon if this one was made because something had.
    pub(super) fn due(&self, world: &World, seen: &Seen, index: &Index<'_>, now_ms: u64, told: bool) -> Instant {
        let (now, clocks) = (Instant::now(), &self.engine.clocks);
        let busy = told || self.events.is_none() || loaded(world).any(|at| self.is_on_its_way(seen, index, at));
        let period_ms = if busy { clocks.busy_period_ms.min(clocks.period_ms) } else { clocks.period_ms };
        let orphans = self.planner.deadline_ms().map(|at_ms| now + Duration::from_millis(at_ms.saturating_sub(now_ms)));
        // One whose time has come and who is still there is not waited for more closely than anything else.
        let orphans = orphans.filter(|&at| at > now);
        let period = now + Duration::from_millis(period_ms);
        let rested = [self.backoff.deadline(now), self.away.deadline(now)];
        [Some(period), orphans].into_iter().chain(rested).flatten().min().unwrap_or(period)
    }

    /// Whether a container is not what it shall be, and nothing else will say when it is.
    pub(super) fn is_on_its_way(
        &self,
        seen: &Seen,
        index: &Index<'_>,
        (project, container, wanted): (ProjectId, ContainerId, &WantedContainer),
    ) -> bool {
        let now = Instant::now();
        let rests = [Key::Make(container), Key::End(container)].iter().any(|key| self.backoff.rests(key, now));
        let waits = wanted.image.as_ref().is_none_or(|image| {
            seen.pulling.contains(image)
                || self.pulls.is_running(image)
                || self.backoff.rests(&Key::Pull(image.clone()), now)
        });
        let porch = wanted.state == WantedState::Running && self.away.rests(&Away::Porch, now);
        if rests || porch || self.works.is_busy(container) {
            return false;
        }
        match (wanted.state, index.observation(project, container, wanted.generation)) {
            (WantedState::Running, Observation::Runs { .. }) | (WantedState::Absent, Observation::Absent) => false,
            (WantedState::Running, Observation::Absent) => !waits || wanted.object.is_some(),
            (WantedState::AtRest, observation) => {
                !matches!(observation, Observation::Absent | Observation::Ended { .. } | Observation::Idle { .. })
            }
            (WantedState::Running | WantedState::Absent, _) => true,
        }
    }
}
