//! Buckets that fill up again with time, one for each key, in bounded memory.

use std::{
    collections::HashMap,
    fmt,
    hash::Hash,
    num::NonZeroU32,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use governor::{Quota, RateLimiter, clock::Clock, middleware::NoOpMiddleware, nanos::Nanos, state::StateStore};

use crate::error::{ApiError, ErrorCode};

/// Buckets that are remembered. Beyond it, those that are nearest to full are forgotten, which is what they would be
/// soon anyway.
const KEYS_MAX: usize = 50_000;

type Limiter<S, C> = RateLimiter<<S as StateStore>::Key, S, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// A bucket of one size for each key.
pub(super) struct Buckets<K: Clone + Eq + Hash, C: Clock> {
    what: &'static str,
    clock: C,
    take: Limiter<Levels<K>, C>,
    look: Limiter<Unchanged<K>, C>,
    /// One line in the log for each key and minute.
    told: Limiter<Levels<K>, C>,
}

impl<K: Clone + Eq + Hash + fmt::Debug, C: Clock + Clone> Buckets<K, C> {
    /// Buckets of `per_minute` requests, of somebody called `what` in the log.
    pub(super) fn new(what: &'static str, per_minute: NonZeroU32, clock: C) -> Self {
        let levels = Levels::new(KEYS_MAX);
        let quota = Quota::per_minute(per_minute);
        Self {
            what,
            take: RateLimiter::new(quota, levels.clone(), clock.clone()),
            look: RateLimiter::new(quota, Unchanged(levels), clock.clone()),
            told: RateLimiter::new(Quota::per_minute(NonZeroU32::MIN), Levels::new(KEYS_MAX), clock.clone()),
            clock,
        }
    }

    /// Takes one, or says when there will be one.
    pub(super) fn take(&self, key: &K) -> Result<(), ApiError> {
        self.take.check_key(key).map_err(|until| self.refusal(key, until.wait_time_from(self.clock.now())))
    }

    /// Whether there is one to take, without taking it.
    pub(super) fn look(&self, key: &K) -> Result<(), ApiError> {
        self.look.check_key(key).map_err(|until| self.refusal(key, until.wait_time_from(self.clock.now())))
    }

    fn refusal(&self, key: &K, wait: Duration) -> ApiError {
        metrics::counter!("orrery_http_rate_limited_total", "what" => self.what).increment(1);
        if self.told.check_key(key).is_ok() {
            tracing::warn!(what = self.what, ?key, "asks too often");
        }
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        ApiError::new(ErrorCode::RateLimited, "too many requests; try again later").retry_after(seconds.max(1))
    }
}

/// How empty each bucket is: the time at which it will be full again.
struct Levels<K> {
    known: Arc<Mutex<HashMap<K, Nanos>>>,
    keys_max: usize,
}

// Derived, it would ask for `K: Clone` of the handle.
impl<K> Clone for Levels<K> {
    fn clone(&self) -> Self {
        Self { known: self.known.clone(), keys_max: self.keys_max }
    }
}

impl<K: Clone + Eq + Hash> Levels<K> {
    fn new(keys_max: usize) -> Self {
        Self { known: Arc::default(), keys_max }
    }
}

impl<K: Clone + Eq + Hash> StateStore for Levels<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // The map is whole between any two of its calls, so a panic elsewhere leaves nothing half done.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (outcome, level) = measure(known.get(key).copied())?;
        if known.len() >= self.keys_max && !known.contains_key(key) {
            forget_a_quarter(&mut known);
        }
        known.insert(key.clone(), level);
        Ok(outcome)
    }
}

/// Forgets the buckets that are nearest to full. A quarter at once, so that it is rare.
fn forget_a_quarter<K: Eq + Hash>(known: &mut HashMap<K, Nanos>) {
    let mut levels: Vec<Nanos> = known.values().copied().collect();
    if !levels.is_empty() {
        let quarter = levels.len() / 4;
        let (_, limit, _) = levels.select_nth_unstable(quarter);
        known.retain(|_, level| *level > *limit);
    }
}

/// The same buckets for somebody who only looks.
struct Unchanged<K>(Levels<K>);

impl<K: Clone + Eq + Hash> StateStore for Unchanged<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        measure(known.get(key).copied()).map(|(outcome, _)| outcome)
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    #[test]
    fn memory_is_bounded() {
        let levels = Levels::new(100);
        let clock = FakeRelativeClock::default();
        let limiter: Limiter<_, _> =
            RateLimiter::new(Quota::per_minute(NonZeroU32::MIN), levels.clone(), clock.clone());
        for key in 0..1_000 {
            clock.advance(Duration::from_millis(1));
            assert!(limiter.check_key(&key).is_ok());
            assert!(levels.known.lock().unwrap().len() <= 100);
        }
        assert!(limiter.check_key(&999).is_err(), "the latest is remembered");
    }

    #[test]
    fn what_is_forgotten_first_is_nearest_to_full() {
        let mut known: HashMap<u64, Nanos> = (0..100).map(|level| (level, Nanos::new(level))).collect();
        forget_a_quarter(&mut known);
        let mut left: Vec<u64> = known.into_keys().collect();
        left.sort_unstable();
        assert_eq!(left, Vec::from_iter(26..100));
    }
}
