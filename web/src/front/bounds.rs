//! How much one container is asked at a time, so that it does not take the connections of all others.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use orrery_protocol::id::ContainerId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Containers that are known before those that nobody asks any more are forgotten.
const SWEEP_AT: usize = 1_024;

/// A bound for each container.
pub(super) struct Bounds {
    connections_max: usize,
    known: Mutex<HashMap<ContainerId, Weak<Semaphore>>>,
}

impl Bounds {
    pub(super) fn new(connections_max: usize) -> Self {
        Self { connections_max: connections_max.min(Semaphore::MAX_PERMITS), known: Mutex::default() }
    }

    /// One more request or socket of a container, for as long as the permit lives; `None` if there are too many.
    pub(super) fn take(&self, container: ContainerId) -> Option<OwnedSemaphorePermit> {
        self.of(container).try_acquire_owned().ok()
    }

    fn of(&self, container: ContainerId) -> Arc<Semaphore> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bound) = known.get(&container).and_then(Weak::upgrade) {
            return bound;
        }
        if known.len() >= SWEEP_AT {
            known.retain(|_, bound| bound.strong_count() > 0);
        }
        let bound = Arc::new(Semaphore::new(self.connections_max));
        known.insert(container, Arc::downgrade(&bound));
        bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_container_takes_no_more_and_others_do() {
        let bounds = Bounds::new(2);
        let (one, other) = (ContainerId::from_random(1), ContainerId::from_random(2));
        let first = bounds.take(one).unwrap();
        let _second = bounds.take(one).unwrap();
        assert!(bounds.take(one).is_none());
        assert!(bounds.take(other).is_some());
        drop(first);
        assert!(bounds.take(one).is_some());
    }

    #[test]
    fn containers_that_nobody_asks_are_forgotten() {
        let bounds = Bounds::new(1);
        let held = bounds.take(ContainerId::from_random(0)).unwrap();
        for id in 1..=2 * SWEEP_AT as u128 {
            assert!(bounds.take(ContainerId::from_random(id)).is_some());
        }
        assert!(bounds.known.lock().unwrap().len() <= SWEEP_AT + 1);
        assert!(bounds.take(ContainerId::from_random(0)).is_none(), "what is held is not forgotten");
        drop(held);
    }
}
