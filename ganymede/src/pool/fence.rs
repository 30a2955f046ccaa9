//! Who may write for an organization now. The heart of the promise that no two gateways write for one.
//!
//! Whoever writes *enters* under its epoch and leaves when its write is queued. Closing an epoch first lets nobody enter
//! any more and then waits until all have left; only then may the next epoch open. So nothing of an old epoch is queued
//! after the new gateway has begun to read.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use orrery_protocol::id::{Epoch, OrgId};
use tokio::sync::Notify;

use super::error::StaleEpoch;

/// The fence of every organization. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Fence {
    gates: Arc<Mutex<HashMap<OrgId, Gate>>>,
}

/// One organization. Forgotten when it is closed and nobody is inside: without a gate nobody enters.
#[derive(Debug, Default)]
struct Gate {
    /// Who may enter.
    open: Option<Epoch>,
    /// How many are inside.
    inside: usize,
    /// Wakes who waits for the last one to leave.
    left: Arc<Notify>,
}

/// A writer inside the fence. It leaves when this is dropped.
#[derive(Debug)]
pub struct Entry {
    fence: Fence,
    org: OrgId,
}

impl Fence {
    /// A fence that lets nobody in.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets a writer in, if its epoch is the one that is open. Never waits.
    ///
    /// # Errors
    /// Another epoch is open, or none.
    pub fn enter(&self, org: OrgId, epoch: Epoch) -> Result<Entry, StaleEpoch> {
        match self.gates().get_mut(&org) {
            Some(gate) if gate.open == Some(epoch) => {
                gate.inside += 1;
                Ok(Entry { fence: self.clone(), org })
            }
            Some(_) | None => Err(StaleEpoch { organization_id: org, epoch }),
        }
    }

    /// Whether `epoch` is the one that is open.
    pub fn admits(&self, org: OrgId, epoch: Epoch) -> bool {
        self.gates().get(&org).is_some_and(|gate| gate.open == Some(epoch))
    }

    /// Lets writers of `epoch` in from now on, and of no other. Waits until all others have left.
    pub(super) async fn open(&self, org: OrgId, epoch: Epoch) {
        self.close(org).await;
        self.gates().entry(org).or_default().open = Some(epoch);
    }

    /// Lets nobody in any more, and waits until all have left.
    pub(super) async fn close(&self, org: OrgId) {
        loop {
            let left = {
                let mut gates = self.gates();
                let Some(gate) = gates.get_mut(&org) else { return };
                gate.open = None;
                if gate.inside == 0 {
                    gates.remove(&org);
                    return;
                }
                // Registered under the lock, so that a writer who leaves at once is not missed.
                Arc::clone(&gate.left).notified_owned()
            };
            left.await;
        }
    }

    /// As [`close`](Self::close), if `epoch` is the one that is open.
    pub(super) async fn close_epoch(&self, org: OrgId, epoch: Epoch) {
        if self.admits(org, epoch) {
            self.close(org).await;
        }
    }

    fn leave(&self, org: OrgId) {
        let mut gates = self.gates();
        let Some(gate) = gates.get_mut(&org) else { return };
        gate.inside -= 1;
        if gate.inside == 0 {
            gate.left.notify_waiters();
        }
    }

    fn gates(&self) -> MutexGuard<'_, HashMap<OrgId, Gate>> {
        // Every change is one assignment: a panic elsewhere leaves nothing half done.
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.fence.leave(self.org);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, AtomicU64, Ordering},
        thread,
    };

    use uuid::Uuid;

    use super::*;

    const ORG: OrgId = OrgId(Uuid::from_u128(1));
    const OTHER: OrgId = OrgId(Uuid::from_u128(2));

    #[tokio::test]
    async fn only_the_open_epoch_enters() {
        let fence = Fence::new();
        let stale = |epoch| StaleEpoch { organization_id: ORG, epoch: Epoch(epoch) };
        assert_eq!(fence.enter(ORG, Epoch(1)).unwrap_err(), stale(1));
        fence.open(ORG, Epoch(2)).await;
        drop(fence.enter(ORG, Epoch(2)).unwrap());
        for epoch in [1, 3] {
            assert_eq!(fence.enter(ORG, Epoch(epoch)).unwrap_err(), stale(epoch));
        }
        assert!(fence.enter(OTHER, Epoch(2)).is_err(), "each organization has its own");
        fence.close_epoch(ORG, Epoch(1)).await;
        assert!(fence.admits(ORG, Epoch(2)), "an older epoch closes nothing");
        fence.close(ORG).await;
        assert_eq!(fence.enter(ORG, Epoch(2)).unwrap_err(), stale(2));
        assert!(fence.gates().is_empty(), "nothing is kept of who is not served");
    }

    #[tokio::test]
    async fn closing_waits_for_who_is_inside() {
        let fence = Fence::new();
        fence.open(ORG, Epoch(1)).await;
        let entry = fence.enter(ORG, Epoch(1)).unwrap();
        let second = fence.enter(ORG, Epoch(1)).unwrap();
        let closing = tokio::spawn({
            let fence = fence.clone();
            async move { fence.open(ORG, Epoch(2)).await }
        });
        while fence.admits(ORG, Epoch(1)) {
            tokio::task::yield_now().await;
        }
        assert!(fence.enter(ORG, Epoch(1)).is_err(), "nobody follows");
        drop(entry);
        tokio::task::yield_now().await;
        assert!(!fence.admits(ORG, Epoch(2)), "one is still inside");
        drop(second);
        closing.await.unwrap();
        assert!(fence.admits(ORG, Epoch(2)));
    }

    /// Writers of every epoch on many threads: once an epoch is open, nothing of an older one is queued any more.
    #[test]
    fn nothing_of_an_old_epoch_is_queued_after_the_next_one_opened() {
        const EPOCHS: u64 = 100;
        const WRITERS: u64 = 4;
        let fence = Fence::new();
        let newest = AtomicU64::new(0);
        let ended = AtomicBool::new(false);
        let queue = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (fence, newest, ended, queue) = (&fence, &newest, &ended, &queue);
                scope.spawn(move || {
                    while !ended.load(Ordering::Relaxed) {
                        // Some are late by an epoch.
                        let epoch = newest.load(Ordering::Relaxed).saturating_sub(writer % 2);
                        if let Ok(entry) = fence.enter(ORG, Epoch(epoch)) {
                            queue.lock().unwrap().push(epoch);
                            drop(entry);
                        }
                    }
                });
            }
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            for epoch in 1..=EPOCHS {
                runtime.block_on(fence.open(ORG, Epoch(epoch)));
                // What a new gateway reads when it begins: from here on the queue may only grow by this epoch.
                queue.lock().unwrap().push(epoch);
                newest.store(epoch, Ordering::Relaxed);
                while queue.lock().unwrap().iter().rev().take_while(|&&queued| queued == epoch).count() < 4 {
                    thread::yield_now();
                }
            }
            ended.store(true, Ordering::Relaxed);
        });
        assert!(queue.into_inner().unwrap().is_sorted());
    }
}
