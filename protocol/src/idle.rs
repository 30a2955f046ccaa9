//! When nobody does anything any more, as a value. Owns the clocks of projects and of the gateway; knows neither rooms nor
//! sockets.
//!
//! A project is unloaded some time after its last activity: a join, a command, any message of a peer but a pong. The
//! gateway frees its slot some time after its last project, unless that is disabled. User containers are not its affair.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::ProjectId;

/// Clocks of idleness, in milliseconds. Configurable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdleClocks {
    /// A project unloads this long after its last activity.
    pub project_ms: u64,
    /// A gateway frees its slot this long after its last project.
    pub gateway_ms: u64,
}

impl Default for IdleClocks {
    fn default() -> Self {
        Self { project_ms: 300_000, gateway_ms: 300_000 }
    }
}

/// What idleness hears of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The last activity of a project so far was at this time.
    Active(ProjectId, u64),
    /// The gateway shall serve on however long nobody does anything, or shall not.
    DisableShutdown(bool),
    /// Time passed. What was active since the last time has been told before.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Bring the project's rooms to disk and close them.
    UnloadProject(ProjectId),
    /// Give the organization's slot back. Said once; nothing follows.
    FreeGateway,
}

#[derive(Debug, Clone, Copy)]
struct Project {
    /// When something last happened.
    active_ms: u64,
    loaded: bool,
}

/// The idleness of one organization's gateway.
#[derive(Debug)]
pub struct Idle {
    clocks: IdleClocks,
    /// All in which something ever happened.
    projects: BTreeMap<ProjectId, Project>,
    /// When the last project was unloaded, or serving began.
    since_ms: u64,
    disabled: bool,
    freed: bool,
}

impl Idle {
    /// A gateway that begins to serve, with no project loaded.
    pub fn new(clocks: IdleClocks, now_ms: u64, disabled: bool) -> Self {
        Self { clocks, projects: BTreeMap::new(), since_ms: now_ms, disabled, freed: false }
    }

    /// The one verb: something happened; `effects` gains what is to be done about it.
    pub fn handle(&mut self, now_ms: u64, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Active(project, at_ms) => self.active(project, at_ms),
            Input::DisableShutdown(disabled) => self.disabled = disabled,
            Input::Tick => self.tick(now_ms, effects),
        }
    }

    /// When idleness next wants a `Tick`; `None` if time changes nothing.
    pub fn deadline_ms(&self) -> Option<u64> {
        let loaded = self.projects.values().filter(|project| project.loaded);
        let first = loaded.map(|project| project.active_ms + self.clocks.project_ms).min();
        let free = || (!self.disabled && !self.freed).then_some(self.since_ms + self.clocks.gateway_ms);
        first.or_else(free)
    }

    /// Whether the gateway serves on however long nobody does anything.
    pub fn is_disabled(&self) -> bool {
        self.disabled
    }

    /// Only what is newer than everything heard before loads a project that was unloaded.
    fn active(&mut self, project: ProjectId, at_ms: u64) {
        let news = Project { active_ms: at_ms, loaded: true };
        let known = self.projects.entry(project).or_insert(news);
        if at_ms > known.active_ms {
            *known = news;
        }
    }

    fn tick(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        for (&id, project) in &mut self.projects {
            if project.loaded && project.active_ms + self.clocks.project_ms <= now_ms {
                project.loaded = false;
                self.since_ms = now_ms;
                effects.push(Effect::UnloadProject(id));
            }
        }
        let unused = self.projects.values().all(|project| !project.loaded);
        let free = unused && !self.disabled && self.since_ms + self.clocks.gateway_ms <= now_ms;
        if free && !self.freed {
            self.freed = true;
            effects.push(Effect::FreeGateway);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const IO: ProjectId = ProjectId(Uuid::from_u128(1));
    const EUROPA: ProjectId = ProjectId(Uuid::from_u128(2));

    fn idle() -> Idle {
        Idle::new(IdleClocks::default(), 0, false)
    }

    fn handle(idle: &mut Idle, now_s: u64, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        idle.handle(now_s * 1000, input, &mut effects);
        effects
    }

    fn active(idle: &mut Idle, now_s: u64, project: ProjectId) {
        assert_eq!(handle(idle, now_s, Input::Active(project, now_s * 1000)), []);
    }

    fn tick(idle: &mut Idle, now_s: u64) -> Vec<Effect> {
        handle(idle, now_s, Input::Tick)
    }

    #[test]
    fn a_project_stays_for_299_s_and_is_gone_after_301() {
        let mut idle = idle();
        active(&mut idle, 10, IO);
        assert_eq!(idle.deadline_ms(), Some(310_000));
        assert_eq!(tick(&mut idle, 10 + 299), []);
        assert_eq!(tick(&mut idle, 10 + 301), [Effect::UnloadProject(IO)]);
        assert_eq!(tick(&mut idle, 10 + 302), [], "said once");
    }

    #[test]
    fn a_gateway_stays_for_299_s_after_its_last_project_and_is_freed_after_301() {
        let mut idle = idle();
        active(&mut idle, 0, IO);
        active(&mut idle, 100, EUROPA);
        assert_eq!(tick(&mut idle, 300), [Effect::UnloadProject(IO)]);
        assert_eq!(tick(&mut idle, 400), [Effect::UnloadProject(EUROPA)]);
        assert_eq!(idle.deadline_ms(), Some(700_000));
        assert_eq!(tick(&mut idle, 400 + 299), []);
        assert_eq!(tick(&mut idle, 400 + 301), [Effect::FreeGateway]);
        assert_eq!((tick(&mut idle, 5000), idle.deadline_ms()), (vec![], None), "said once");
    }

    #[test]
    fn a_gateway_that_nobody_visits_is_freed_too() {
        let mut idle = idle();
        assert_eq!(tick(&mut idle, 299), []);
        assert_eq!(tick(&mut idle, 301), [Effect::FreeGateway]);
    }

    #[test]
    fn every_activity_arms_the_clock_again() {
        let mut idle = idle();
        for now_s in (0..3000).step_by(299) {
            active(&mut idle, now_s, IO);
            assert_eq!(tick(&mut idle, now_s + 298), []);
        }
    }

    #[test]
    fn activity_after_the_last_project_brings_it_back() {
        let mut idle = idle();
        active(&mut idle, 0, IO);
        assert_eq!(tick(&mut idle, 300), [Effect::UnloadProject(IO)]);
        active(&mut idle, 599, IO);
        assert_eq!(tick(&mut idle, 601), []);
        assert_eq!(tick(&mut idle, 899), [Effect::UnloadProject(IO)]);
        assert_eq!(tick(&mut idle, 1198), []);
        assert_eq!(tick(&mut idle, 1199), [Effect::FreeGateway]);
    }

    #[test]
    fn the_activity_that_was_seen_before_unloading_does_not_bring_a_project_back() {
        let mut idle = idle();
        active(&mut idle, 0, IO);
        assert_eq!(tick(&mut idle, 300), [Effect::UnloadProject(IO)]);
        assert_eq!(handle(&mut idle, 301, Input::Active(IO, 0)), []);
        assert_eq!(tick(&mut idle, 302), []);
        assert_eq!(idle.deadline_ms(), Some(600_000), "the gateway's");
    }

    #[test]
    fn the_flag_keeps_the_gateway_but_not_its_projects() {
        let mut idle = idle();
        assert_eq!(handle(&mut idle, 0, Input::DisableShutdown(true)), []);
        active(&mut idle, 0, IO);
        assert_eq!(tick(&mut idle, 301), [Effect::UnloadProject(IO)]);
        assert_eq!((tick(&mut idle, 100_000), idle.deadline_ms()), (vec![], None));
        assert_eq!(handle(&mut idle, 100_001, Input::DisableShutdown(false)), []);
        assert_eq!(tick(&mut idle, 100_001), [Effect::FreeGateway]);
    }

    /// Whoever reads the clocks may be late.
    #[test]
    fn activity_that_is_heard_of_too_late_is_still_followed_by_unloading() {
        let mut idle = idle();
        assert_eq!(handle(&mut idle, 1000, Input::Active(IO, 5_000)), []);
        assert_eq!(tick(&mut idle, 1000), [Effect::UnloadProject(IO)]);
        assert_eq!(tick(&mut idle, 1301), [Effect::FreeGateway]);
    }

    /// A laptop that slept: everything is over at once, in order.
    #[test]
    fn a_jump_in_time_unloads_first_and_frees_a_clock_later() {
        let mut idle = idle();
        active(&mut idle, 0, IO);
        active(&mut idle, 0, EUROPA);
        assert_eq!(tick(&mut idle, 9000), [Effect::UnloadProject(IO), Effect::UnloadProject(EUROPA)]);
        assert_eq!(tick(&mut idle, 9000 + 299), []);
        assert_eq!(tick(&mut idle, 9000 + 301), [Effect::FreeGateway]);
    }
}
