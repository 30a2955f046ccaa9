//! Appends on their way to Ganymede, in order. Bounded by those who append: a room whose updates are not durable takes
//! nothing more from its peers beyond a limit.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use orrery_protocol::record::records_bytes_max;
use tokio::sync::{Notify, watch};

use crate::journal::Append;

#[derive(Default)]
struct Waiting {
    appends: VecDeque<Append>,
    /// Appends that were ever queued.
    queued: u64,
}

/// The queue of one organization. Any number append, one takes.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    news: Notify,
    closed: watch::Sender<bool>,
    /// Appends that are durable, or will never be.
    settled: watch::Sender<u64>,
}

impl Queue {
    pub(super) fn new() -> Self {
        let (closed, settled) = (watch::Sender::new(false), watch::Sender::new(0));
        Self { waiting: Mutex::default(), news: Notify::new(), closed, settled }
    }

    /// Queues at the end.
    pub(super) fn push(&self, append: Append) {
        let mut waiting = self.lock();
        waiting.queued += 1;
        waiting.appends.push_back(append);
        drop(waiting);
        self.news.notify_one();
    }

    /// Nothing will be pushed any more.
    pub(super) fn close(&self) {
        self.closed.send_replace(true);
        self.news.notify_one();
    }

    /// Waits for appends and takes those in front, of at most `bytes_max` bytes as records but at least one; `None` once the queue
    /// is closed and empty.
    pub(super) async fn take(&self, bytes_max: usize) -> Option<Vec<Append>> {
        loop {
            let batch = front(&mut self.lock().appends, bytes_max);
            if !batch.is_empty() {
                return Some(batch);
            }
            if *self.closed.borrow() {
                return None;
            }
            self.news.notified().await;
        }
    }

    /// Waits until the queue is closed.
    pub(super) async fn until_closed(&self) {
        // The sender is ours, so that the wait cannot fail.
        self.closed.subscribe().wait_for(|closed| *closed).await.ok();
    }

    /// What was taken is durable, or will never be.
    pub(super) fn settle(&self, appends: usize) {
        self.settled.send_modify(|settled| *settled += appends as u64);
    }

    /// Nothing that was or will be queued is ever sent.
    pub(super) fn settle_all(&self) {
        self.settled.send_replace(u64::MAX);
    }

    /// Waits until everything that was queued before this call is settled.
    pub(super) async fn until_settled(&self) {
        let queued = self.lock().queued;
        // The sender is ours, so that the wait cannot fail.
        self.settled.subscribe().wait_for(|settled| *settled >= queued).await.ok();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn front(appends: &mut VecDeque<Append>, bytes_max: usize) -> Vec<Append> {
    let mut bytes = 0;
    let mut taken = 0;
    for append in appends.iter() {
        bytes += records_bytes_max(&append.updates);
        if taken > 0 && bytes > bytes_max {
            break;
        }
        taken += 1;
    }
    appends.drain(..taken).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use orrery_protocol::{
        id::Epoch,
        record::{OVERHEAD_BYTES_MAX, stream::put_updates},
    };

    use super::*;
    use crate::fake::{IO, ORG, visitor::key};

    /// After Ganymede was away, there are more small ones than large ones.
    #[tokio::test]
    async fn what_is_taken_at_once_is_bounded_as_it_is_sent() {
        const BYTES_MAX: usize = 10 * OVERHEAD_BYTES_MAX;
        let queue = Queue::new();
        let key = Arc::new(key(ORG, IO));
        for first_seq in 1..=100 {
            let updates = vec![Bytes::from_static(b"a")];
            queue.push(Append { key: key.clone(), first_seq, updates, durable: Box::new(drop) });
        }
        queue.close();
        let mut taken = 0;
        while let Some(batch) = queue.take(BYTES_MAX).await {
            let mut body = Vec::new();
            for Append { key, first_seq, updates, .. } in &batch {
                put_updates(&mut body, Epoch(1), key, *first_seq, updates).unwrap();
            }
            assert!(body.len() <= BYTES_MAX, "{} bytes of {} appends", body.len(), batch.len());
            taken += batch.len();
        }
        assert_eq!(taken, 100);
    }

    #[tokio::test]
    async fn one_that_is_larger_is_taken_alone() {
        let queue = Queue::new();
        for first_seq in 1..=3 {
            let updates = vec![Bytes::from(vec![0; 4096])];
            queue.push(Append { key: Arc::new(key(ORG, IO)), first_seq, updates, durable: Box::new(drop) });
        }
        assert_eq!(queue.take(1000).await.map(|batch| batch.len()), Some(1));
    }
}
