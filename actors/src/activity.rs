//! When something last happened in each project. Peers write it on their way, without a lock; the keeper of the gateway
//! reads it when a clock may have run out.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use orrery_protocol::id::ProjectId;

/// When something last happened in one project. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastActive(Arc<AtomicU64>);

impl LastActive {
    /// Something happens now. Writes at most once a millisecond, so that busy threads do not fight for one cache line.
    pub(crate) fn touch(&self, now_ms: u64) {
        if self.0.load(Ordering::Relaxed) < now_ms {
            self.0.store(now_ms, Ordering::Relaxed);
        }
    }
}

/// The activity of one organization's projects. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Activity {
    /// Kept for projects that are unloaded too: somebody may hold one of these.
    projects: Arc<Mutex<BTreeMap<ProjectId, LastActive>>>,
}

impl Activity {
    /// That of `project`.
    pub(crate) fn of(&self, project: ProjectId) -> LastActive {
        self.lock().entry(project).or_default().clone()
    }

    /// Something happens in `project` now.
    pub(crate) fn touch(&self, project: ProjectId, now_ms: u64) {
        self.lock().entry(project).or_default().touch(now_ms);
    }

    /// When something last happened, in every project that was ever asked for.
    pub(crate) fn seen(&self) -> Vec<(ProjectId, u64)> {
        let read = |(&project, last): (&ProjectId, &LastActive)| (project, last.0.load(Ordering::Relaxed));
        self.lock().iter().map(read).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProjectId, LastActive>> {
        self.projects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use orrery_protocol::id::ProjectId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_last_one_counts_whoever_says_it() {
        let activity = Activity::default();
        let [io, europa] = [1, 2].map(|id| ProjectId(Uuid::from_u128(id)));
        assert_eq!(activity.seen(), []);
        let (one, other) = (activity.of(io), activity.of(io));
        activity.of(europa).touch(3);
        one.touch(7);
        other.touch(5);
        assert_eq!(activity.seen(), [(io, 7), (europa, 3)]);
        other.touch(9);
        assert_eq!(activity.seen(), [(io, 9), (europa, 3)]);
    }
}
