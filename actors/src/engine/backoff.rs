//! When what failed is tried again: later each time, never later than some bound, and not all at the same moment.

use std::{collections::BTreeMap, time::Duration};

use rand::Rng;
use tokio::time::Instant;

/// Rests by what failed.
#[derive(Debug)]
pub(super) struct Backoff<K> {
    first: Duration,
    max: Duration,
    rests: BTreeMap<K, Rest>,
}

#[derive(Debug)]
struct Rest {
    failures: u32,
    until: Instant,
}

impl<K: Ord> Backoff<K> {
    pub(super) fn new(first_ms: u64, max_ms: u64) -> Self {
        Self { first: Duration::from_millis(first_ms), max: Duration::from_millis(max_ms), rests: BTreeMap::new() }
    }

    /// It failed: it rests for twice as long as the last time, give or take a quarter.
    pub(super) fn failed(&mut self, key: K, now: Instant) {
        let rest = self.rests.entry(key).or_insert(Rest { failures: 0, until: now });
        let doubled = self.first.saturating_mul(2u32.saturating_pow(rest.failures)).min(self.max);
        rest.failures = rest.failures.saturating_add(1);
        rest.until = now + doubled.mul_f64(rand::rng().random_range(0.75..=1.0));
    }

    /// It worked, or is not wanted any more.
    pub(super) fn forget(&mut self, key: &K) {
        self.rests.remove(key);
    }

    pub(super) fn rests(&self, key: &K, now: Instant) -> bool {
        self.rests.get(key).is_some_and(|rest| rest.until > now)
    }

    /// Whether it has not worked since it failed.
    pub(super) fn fails(&self, key: &K) -> bool {
        self.rests.contains_key(key)
    }

    /// When the next one has rested.
    pub(super) fn deadline(&self, now: Instant) -> Option<Instant> {
        self.rests.values().map(|rest| rest.until).filter(|&until| until > now).min()
    }

    /// Forgets what is nobody's any more.
    pub(super) fn retain(&mut self, keep: impl Fn(&K) -> bool) {
        self.rests.retain(|key, _| keep(key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rests_grow_to_a_bound_and_end_with_success() {
        let (mut backoff, start) = (Backoff::new(1_000, 5_000), Instant::now());
        for expect_ms in [1_000, 2_000, 4_000, 5_000, 5_000] {
            backoff.failed("a", start);
            let rest = backoff.deadline(start).unwrap() - start;
            let expect = Duration::from_millis(expect_ms);
            assert!(rest <= expect && rest >= expect.mul_f64(0.74), "{rest:?} instead of {expect:?}");
        }
        assert!(backoff.rests(&"a", start) && !backoff.rests(&"b", start));
        let later = start + Duration::from_secs(6);
        assert!(!backoff.rests(&"a", later) && backoff.deadline(later).is_none() && backoff.fails(&"a"));
        backoff.forget(&"a");
        assert!(!backoff.fails(&"a"));
        backoff.failed("a", start);
        assert!(backoff.deadline(start).unwrap() - start <= Duration::from_secs(1));
        backoff.retain(|_| false);
        assert_eq!(backoff.deadline(start), None);
    }
}
