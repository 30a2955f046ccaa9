//! What peers did, on its way to their room: one ordered queue, bounded in bytes, drained whole.
//!
//! ractor's mailboxes are unbounded and hand over one message at a time. So peers put their work here, paid for with
//! permits, and the room gets one `Wake` however much there is: the busier it is, the more each wake brings.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use orrery_protocol::{
    id::PeerId,
    room::{CloseCode, Join, Received},
};
use tokio::sync::Semaphore;

use crate::outbox::Outbox;

/// Bytes that a message costs beside its payload, until the room has handled it: its place in the queue, its number, and
/// that it may have to be taken out of a joined update again.
const OVERHEAD_BYTES: usize = 256;

/// Something for a room to handle, in the order it happened.
#[derive(Debug)]
pub enum Arrival {
    /// A peer joins; what it does next follows in this same queue.
    Join(Join, Arc<Outbox>),
    /// A peer did something that cost this many permits.
    Received(PeerId, Received, u32),
    /// A peer's queue is empty again; the number is that of the backlog that ended.
    Drained(PeerId, u64),
}

/// The queue of one room.
pub struct Inbox {
    arrivals: Mutex<Vec<Arrival>>,
    /// Whether the room was told since it last looked.
    awake: AtomicBool,
    /// Whether the room is gone.
    closed: AtomicBool,
    budget: Semaphore,
    budget_bytes: u32,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inbox").field("free_bytes", &self.budget.available_permits()).finish_non_exhaustive()
    }
}

impl Inbox {
    /// An empty queue of at most `bytes_max` bytes; `wake` is called when it stops being empty.
    pub fn new(bytes_max: usize, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let budget_bytes = u32::try_from(bytes_max.min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        Self {
            arrivals: Mutex::default(),
            awake: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            budget: Semaphore::new(budget_bytes as usize),
            budget_bytes,
            wake: Box::new(wake),
        }
    }

    /// Waits until there is room for so many messages of `bytes` bytes together, and returns what they cost. What is above
    /// the whole budget passes when nothing else is in the queue.
    pub async fn admit(&self, messages: usize, bytes: usize) -> u32 {
        let cost = u32::try_from(bytes + messages * OVERHEAD_BYTES).unwrap_or(u32::MAX).min(self.budget_bytes);
        if let Ok(permit) = self.budget.acquire_many(cost).await {
            permit.forget();
        }
        cost
    }

    /// Queues `arrivals`, leaving them empty; `false` if the room is gone and nobody will look at them.
    #[must_use]
    pub fn push(&self, arrivals: &mut Vec<Arrival>) -> bool {
        {
            let mut queue = self.lock();
            if self.closed.load(Ordering::Acquire) {
                return false;
            }
            queue.append(arrivals);
        }
        if !self.awake.swap(true, Ordering::AcqRel) {
            (self.wake)();
        }
        true
    }

    /// The room is gone. Closes peers that were on their way in; all others are on its roster.
    pub(crate) fn close(&self) {
        let left = {
            let mut queue = self.lock();
            self.closed.store(true, Ordering::Release);
            std::mem::take(&mut *queue)
        };
        self.budget.close();
        for arrival in left {
            match arrival {
                Arrival::Join(_, outbox) => outbox.close(CloseCode::Restarting as u16, "room restarted"),
                Arrival::Received(..) | Arrival::Drained(..) => {}
            }
        }
    }

    /// Takes everything there is into `arrivals`, which must be empty.
    pub(crate) fn take(&self, arrivals: &mut Vec<Arrival>) {
        self.awake.store(false, Ordering::Release);
        std::mem::swap(&mut *self.lock(), arrivals);
    }

    /// Gives back what handled messages had cost.
    pub(crate) fn release(&self, cost: usize) {
        self.budget.add_permits(cost);
    }

    /// Whether the room has taken all there was.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        task::{Context, Waker},
    };

    use super::*;

    #[tokio::test]
    async fn what_is_beyond_the_budget_waits_until_something_is_handled() {
        let inbox = Inbox::new(1_000, || {});
        let first = inbox.admit(2, 100).await;
        assert_eq!(first as usize, 2 * OVERHEAD_BYTES + 100);
        let mut second = pin!(inbox.admit(1, 200));
        assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        inbox.release(first as usize);
        assert_eq!(second.await as usize, OVERHEAD_BYTES + 200);
    }

    #[tokio::test]
    async fn what_is_above_the_whole_budget_passes_alone() {
        let inbox = Inbox::new(1_000, || {});
        let small = inbox.admit(1, 0).await;
        let mut huge = pin!(inbox.admit(1, 16 << 20));
        assert!(huge.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        inbox.release(small as usize);
        assert_eq!(huge.await, 1_000);
    }
}
