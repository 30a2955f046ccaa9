//! What an engine has to do so that what runs is what is wanted. Pure: it compares two states and remembers nothing but how
//! long each orphan has been one, so start, crash recovery, drift and a change of gateways are one code path.
//!
//! - What is as wanted is left alone: planned again on a world that has become as wanted, there is nothing to do.
//! - Nothing is concluded from what is not known: an object whose state the engine does not say is not touched, nor is
//!   any other of the same container.
//! - Projects that are not loaded keep what runs. Objects that belong to nothing that exists go after a time of grace.
//! - A restart is a stop and a start over two passes, by the phase that the container is in between; so no clock of an
//!   engine is ever compared with ours.

mod seen;

use std::collections::{BTreeMap, BTreeSet};

pub use seen::{Index, Labels, LocalImage, LocalImageId, Object, ObjectId, ObjectState, Seen};

use super::{Containers, Desired, Entry, Phase, Rules};
use crate::{
    id::{ContainerId, OrgId, ProjectId},
    image::Reference,
};
use seen::rank;

/// What is wanted of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedContainer {
    /// What it shall be doing.
    pub state: WantedState,
    /// What was made from an earlier one is not it.
    pub generation: u32,
    /// What it is made from; `None` if that cannot be had any more, and nothing new is made.
    pub image: Option<Reference>,
    /// When it will be ended if it has not stopped by then.
    pub stop_at_ms: Option<u64>,
    /// The object that it is taken to be.
    pub object: Option<ObjectId>,
}

/// What a container shall be doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedState {
    /// Run.
    Running,
    /// Not run, and keep what it has.
    AtRest,
    /// Not exist.
    Absent,
}

/// A project of the organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WantedProject {
    /// It exists; what it wants is not known here.
    Unloaded,
    /// It wants these and no others.
    Loaded(BTreeMap<ContainerId, WantedContainer>),
}

/// What is wanted of an engine for one organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The tenant. What others have is none of our business.
    pub org: OrgId,
    /// All of its projects.
    pub projects: BTreeMap<ProjectId, WantedProject>,
}

/// One thing for an engine to do. Each may be done twice as well as once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Have an image.
    Pull(Reference),
    /// Make an object for a container.
    Create {
        /// Of which project.
        project: ProjectId,
        /// Which.
        container: ContainerId,
        /// To label it with.
        generation: u32,
        /// What from.
        image: LocalImageId,
    },
    /// Take an object for the container that it was made for.
    Adopt {
        /// Of which project.
        project: ProjectId,
        /// Which.
        container: ContainerId,
        /// What it is.
        object: ObjectId,
    },
    /// Start what is made or has ended.
    Start(ObjectId),
    /// Let go on what was held by hand.
    Resume(ObjectId),
    /// Ask it to stop, and end it after some time, in milliseconds.
    Stop {
        /// Which.
        object: ObjectId,
        /// How long it may take.
        grace_ms: u64,
    },
    /// Remove what does not run.
    Remove(ObjectId),
}

/// How long what belongs to nothing may stay, and what is stopped without anybody's wish may take, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanClocks {
    /// An orphan is removed after having been one for this long.
    pub orphan_ms: u64,
    /// What is stopped may take this long unless its container says otherwise.
    pub stop_grace_ms: u64,
}

impl Default for PlanClocks {
    fn default() -> Self {
        Self { orphan_ms: 60_000, stop_grace_ms: 10_000 }
    }
}

/// Plans for one engine.
#[derive(Debug, Clone, Default)]
pub struct Planner {
    clocks: PlanClocks,
    /// Since when an object has belonged to nothing.
    orphans: BTreeMap<ObjectId, u64>,
}

impl Containers {
    /// What an engine shall do for the containers of a loaded project.
    pub fn wanted(&self, rules: &Rules) -> WantedProject {
        WantedProject::Loaded(self.iter().map(|entry| (entry.container.id, wanted(entry, rules))).collect())
    }
}

fn wanted(entry: &Entry, rules: &Rules) -> WantedContainer {
    let (spec, status) = (&entry.container.spec, &entry.container.status);
    let state = match status.phase {
        _ if spec.runner.is_some() || spec.desired == Desired::Deleted => WantedState::Absent,
        Phase::Deleted => WantedState::Absent,
        Phase::Pending if entry.vitals.retry_at_ms.is_some() => WantedState::AtRest,
        Phase::Pending | Phase::Starting | Phase::Running | Phase::Unhealthy => WantedState::Running,
        Phase::Stopping | Phase::Stopped | Phase::Failed => WantedState::AtRest,
    };
    WantedContainer {
        state,
        generation: spec.generation,
        image: rules.images.resolve(&spec.image).ok().map(|(_, reference)| reference),
        stop_at_ms: status.stop_at_ms,
        object: entry.vitals.object.clone(),
    }
}

impl Planner {
    /// Plans by these clocks.
    pub fn new(clocks: PlanClocks) -> Self {
        Self { clocks, orphans: BTreeMap::new() }
    }

    /// What is to be done now. Only for a world that was listed as a whole: with an engine that does not answer, there is
    /// nothing to plan.
    pub fn plan(&mut self, now_ms: u64, wanted: &Wanted, seen: &Seen) -> Vec<Action> {
        let index = seen.index(wanted.org);
        let mut pass = Pass { clocks: self.clocks, now_ms, seen, index, pulls: BTreeSet::new(), actions: Vec::new() };
        for (&project, containers) in &wanted.projects {
            let WantedProject::Loaded(containers) = containers else { continue };
            for (&container, wanted) in containers {
                pass.container(project, container, wanted);
            }
        }
        self.orphans(&mut pass, wanted);
        let pulls = pass.pulls.into_iter().map(Action::Pull);
        pulls.chain(pass.actions).collect()
    }

    fn orphans(&mut self, pass: &mut Pass<'_>, wanted: &Wanted) {
        let is_orphan = |object: &&Object| {
            let Labels { org, project, container, .. } = object.labels;
            org == wanted.org
                && match wanted.projects.get(&project) {
                    Some(WantedProject::Unloaded) => false,
                    Some(WantedProject::Loaded(containers)) => !containers.contains_key(&container),
                    None => true,
                }
        };
        let orphans: Vec<&Object> = pass.seen.objects.iter().filter(is_orphan).collect();
        let still: BTreeSet<&ObjectId> = orphans.iter().map(|object| &object.id).collect();
        self.orphans.retain(|known, _| still.contains(known));
        for object in orphans {
            let since_ms = *self.orphans.entry(object.id.clone()).or_insert(pass.now_ms);
            if pass.now_ms >= since_ms.saturating_add(self.clocks.orphan_ms) {
                pass.dispose(object, None);
            }
        }
    }

    /// When an orphan's time of grace is over; `None` if there is none.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.orphans.values().min().map(|since_ms| since_ms.saturating_add(self.clocks.orphan_ms))
    }
}

/// One pass over the world.
struct Pass<'a> {
    clocks: PlanClocks,
    now_ms: u64,
    seen: &'a Seen,
    index: Index<'a>,
    pulls: BTreeSet<Reference>,
    actions: Vec<Action>,
}

impl Pass<'_> {
    fn container(&mut self, project: ProjectId, container: ContainerId, wanted: &WantedContainer) {
        let objects = self.index.of(project, container).to_vec();
        let unknown = |object: &&Object| object.state == ObjectState::Unknown;
        // Something newer than what we know of is somebody's who knows more.
        let newer = |object: &&Object| object.labels.generation > wanted.generation;
        if objects.iter().any(|object| unknown(object) || newer(object)) {
            return;
        }
        if wanted.state == WantedState::Absent {
            return objects.into_iter().for_each(|object| self.dispose(object, wanted.stop_at_ms));
        }
        let keeps = |object: &&&Object| self.is_it(object, wanted);
        let kept = objects.iter().filter(keeps).min_by_key(|object| rank(object)).copied();
        let rest = wanted.state == WantedState::AtRest;
        // One of before rests as well as the next one; only to run it has to be made anew.
        let kept = kept.or_else(|| objects.iter().filter(|_| rest).min_by_key(|object| rank(object)).copied());
        for object in objects.iter().filter(|object| kept.is_none_or(|kept| kept.id != object.id)) {
            self.dispose(object, None);
        }
        let Some(kept) = kept else {
            // The old one goes before the new one comes: they would share what it keeps.
            if !rest && objects.is_empty() {
                self.create(project, container, wanted);
            }
            return;
        };
        if wanted.object.as_ref() != Some(&kept.id) {
            self.actions.push(Action::Adopt { project, container, object: kept.id.clone() });
        }
        if rest { self.rest(kept, wanted) } else { self.run(kept) }
    }

    /// Whether an object can be the container: of its generation, and not known to be made from another image. By which tag
    /// it was made says nothing: a tag means another image tomorrow, and what a container keeps would be lost.
    fn is_it(&self, object: &Object, wanted: &WantedContainer) -> bool {
        let pinned = wanted.image.as_ref().and_then(|image| image.digest.as_ref());
        let known = self.seen.images.get(&object.image).map(|image| &image.digests).filter(|known| !known.is_empty());
        let differs = pinned.zip(known).is_some_and(|(pinned, known)| !known.contains(pinned));
        object.labels.generation == wanted.generation && !differs && object.state != ObjectState::Dead
    }

    fn create(&mut self, project: ProjectId, container: ContainerId, wanted: &WantedContainer) {
        let Some(reference) = &wanted.image else { return };
        if let Some(image) = self.seen.resolve(reference) {
            let (generation, image) = (wanted.generation, image.clone());
            self.actions.push(Action::Create { project, container, generation, image });
        } else if !self.seen.pulling.contains(reference) {
            self.pulls.insert(reference.clone());
        }
    }

    fn run(&mut self, object: &Object) {
        match object.state {
            ObjectState::Created | ObjectState::Ended { .. } => self.actions.push(Action::Start(object.id.clone())),
            ObjectState::Paused => self.actions.push(Action::Resume(object.id.clone())),
            ObjectState::Running | ObjectState::Changing | ObjectState::Dead | ObjectState::Unknown => {}
        }
    }

    fn rest(&mut self, object: &Object, wanted: &WantedContainer) {
        match object.state {
            ObjectState::Running | ObjectState::Paused => self.stop(object, wanted.stop_at_ms),
            ObjectState::Created
            | ObjectState::Ended { .. }
            | ObjectState::Changing
            | ObjectState::Dead
            | ObjectState::Unknown => {}
        }
    }

    /// Takes the next step towards an object's end.
    fn dispose(&mut self, object: &Object, stop_at_ms: Option<u64>) {
        match object.state {
            ObjectState::Running | ObjectState::Paused => self.stop(object, stop_at_ms),
            ObjectState::Created | ObjectState::Ended { .. } | ObjectState::Dead => {
                self.actions.push(Action::Remove(object.id.clone()));
            }
            ObjectState::Changing | ObjectState::Unknown => {}
        }
    }

    fn stop(&mut self, object: &Object, stop_at_ms: Option<u64>) {
        let grace_ms = stop_at_ms.map_or(self.clocks.stop_grace_ms, |at_ms| at_ms.saturating_sub(self.now_ms));
        self.actions.push(Action::Stop { object: object.id.clone(), grace_ms });
    }
}
