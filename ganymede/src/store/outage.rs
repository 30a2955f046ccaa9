//! A service that keeps snapshots and is away. Owns the pauses between attempts; knows nothing of what is attempted.

use std::{
    mem,
    time::{Duration, Instant},
};

use super::error::{ObjectError, ReadError, SnapshotError};

const RETRY_DELAY_FIRST: Duration = Duration::from_millis(100);

/// Since the last success.
pub(super) struct Outage {
    last: Option<Failure>,
    next_delay: Duration,
    delay_max: Duration,
}

struct Failure {
    error: ObjectError,
    retry_at: Instant,
}

impl Outage {
    pub(super) fn new(delay_max: Duration) -> Self {
        Self { last: None, next_delay: RETRY_DELAY_FIRST, delay_max: delay_max.max(RETRY_DELAY_FIRST) }
    }

    /// When the service may be asked again; none while it answers.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.last.as_ref().map(|failure| failure.retry_at)
    }

    /// Whoever can come back is not made to wait for a service that was away a moment ago.
    pub(super) fn check(&self, now: Instant) -> Result<(), SnapshotError> {
        match &self.last {
            Some(Failure { error, retry_at }) if *retry_at > now => Err(ReadError::from(error.clone()).into()),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn failed(&mut self, error: &ObjectError, now: Instant) {
        let doubled = (self.next_delay * 2).min(self.delay_max);
        let retry_at = now + mem::replace(&mut self.next_delay, doubled);
        self.last = Some(Failure { error: error.clone(), retry_at });
    }

    /// True if it was away.
    pub(super) fn ended(&mut self) -> bool {
        self.next_delay = RETRY_DELAY_FIRST;
        self.last.take().is_some()
    }
}
