//! When an organization that could not be served is tried again.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use orrery_protocol::id::OrgId;

const DELAY_FIRST: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_secs(60);

/// Of all organizations whose last attempt failed.
#[derive(Debug, Default)]
pub(super) struct Backoffs {
    backoffs: Mutex<HashMap<OrgId, Backoff>>,
}

#[derive(Debug, Clone, Copy)]
struct Backoff {
    delay: Duration,
    not_before: SystemTime,
}

impl Backoffs {
    /// Whether it is time for another attempt.
    pub(super) fn is_due(&self, org: OrgId, now: SystemTime) -> bool {
        self.backoffs().get(&org).is_none_or(|backoff| backoff.not_before <= now)
    }

    /// An attempt failed: the next one is twice as far away as this one was, up to a minute.
    pub(super) fn failed(&self, org: OrgId, now: SystemTime) {
        let mut backoffs = self.backoffs();
        let delay = backoffs.get(&org).map_or(DELAY_FIRST, |backoff| (backoff.delay * 2).min(DELAY_MAX));
        backoffs.insert(org, Backoff { delay, not_before: now + delay });
    }

    /// An attempt succeeded, or is not wanted any more.
    pub(super) fn forget(&self, org: OrgId) {
        self.backoffs().remove(&org);
    }

    fn backoffs(&self) -> MutexGuard<'_, HashMap<OrgId, Backoff>> {
        self.backoffs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_attempt_is_twice_as_far_away_as_the_one_before() {
        let org = OrgId(Uuid::from_u128(1));
        let backoffs = Backoffs::default();
        let mut now = SystemTime::UNIX_EPOCH;
        assert!(backoffs.is_due(org, now));
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            backoffs.failed(org, now);
            now += Duration::from_secs(seconds);
            assert!(!backoffs.is_due(org, now - Duration::from_millis(1)), "{seconds}");
            assert!(backoffs.is_due(org, now), "{seconds}");
        }
        backoffs.failed(org, now);
        backoffs.forget(org);
        assert!(backoffs.is_due(org, now));
    }
}
