//! The queue in front of a thread. Owns waiting and pacing; knows nothing of what is queued. Its callers bound it: appends
//! by the rooms' byte permits, everything else by the store's semaphores.

use std::{
    collections::VecDeque,
    mem,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub(super) struct Inbox<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    queue: VecDeque<T>,
    /// The thread has nothing to do and wants to be woken by the next item. While it paces itself it does not: a wake-up per
    /// append would cost more than the append.
    asleep: bool,
    closing: bool,
    shut: bool,
}

impl<T> Inbox<T> {
    pub(super) const fn new() -> Self {
        let state = State { queue: VecDeque::new(), asleep: false, closing: false, shut: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Gives the item back once the thread has ended.
    pub(super) fn push(&self, item: T) -> Result<(), T> {
        let mut state = self.lock();
        if state.shut {
            return Err(item);
        }
        state.queue.push_back(item);
        if mem::take(&mut state.asleep) {
            self.changed.notify_one();
        }
        Ok(())
    }

    /// Waits for an item, but not past `wake_at`; then until `not_before`, so that more may come; then moves everything into
    /// `items`. Closing cuts both short. True when closing.
    pub(super) fn take(&self, items: &mut VecDeque<T>, not_before: Instant, wake_at: Instant) -> bool {
        let mut state = self.lock();
        while state.queue.is_empty() && !state.closing {
            let Some(left) = left_until(wake_at) else { return false };
            state.asleep = true;
            state = self.wait_for(state, left);
            state.asleep = false;
        }
        while !state.closing
            && let Some(left) = left_until(not_before)
        {
            state = self.wait_for(state, left);
        }
        if items.is_empty() {
            mem::swap(&mut state.queue, items);
        } else {
            items.append(&mut state.queue);
        }
        state.closing
    }

    /// Waits this long, or until closing. True when closing.
    pub(super) fn pause(&self, delay: Duration) -> bool {
        let end = Instant::now() + delay;
        let mut state = self.lock();
        while !state.closing
            && let Some(left) = left_until(end)
        {
            state = self.wait_for(state, left);
        }
        state.closing
    }

    /// Asks the thread to finish what is queued and end.
    pub(super) fn close(&self) {
        self.lock().closing = true;
        self.changed.notify_all();
    }

    /// The thread takes no more; what it left comes back, and with it every waiting reply.
    pub(super) fn shut(&self) -> VecDeque<T> {
        let mut state = self.lock();
        state.shut = true;
        mem::take(&mut state.queue)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_for<'a>(&self, state: MutexGuard<'a, State<T>>, delay: Duration) -> MutexGuard<'a, State<T>> {
        self.changed.wait_timeout(state, delay).unwrap_or_else(PoisonError::into_inner).0
    }
}

fn left_until(end: Instant) -> Option<Duration> {
    end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
}
