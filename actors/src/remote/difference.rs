//! How far this machine's wall clock is from Ganymede's. Leases do not depend on wall clocks; tokens do: too far apart, each
//! side takes what the other signs for expired, or for not signed yet, and nobody would guess why.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use reqwest::header::{DATE, HeaderMap};

/// What tokens bear: so much is not worth a word.
const DIFFERENCE_MAX_S: u64 = 40;
/// A difference that was told of is told of again when it has become so much another one.
const CHANGE_S: u64 = 30;

/// The difference that was last told of, in seconds; 0 if there is none.
#[derive(Debug, Default)]
pub(super) struct Difference {
    told_s: AtomicI64,
}

impl Difference {
    /// An answer of Ganymede's came at `now`. By its `Date`, which is in whole seconds, its clock is compared with ours.
    pub(super) fn heard(&self, answer: &HeaderMap, now: SystemTime) {
        let date = answer.get(DATE).and_then(|date| date.to_str().ok());
        let Some(theirs) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) else { return };
        let ours = now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
        let ahead_s = ours.saturating_sub(theirs.timestamp().as_second());
        metrics::gauge!("orrery_clock_ahead_seconds").set(ahead_s as f64);
        match self.news(ahead_s) {
            Some(0) => tracing::info!("the clock of this machine agrees with Ganymede's again"),
            Some(_) => tracing::warn!(
                ahead_s,
                "the clock of this machine is not Ganymede's: tokens are refused that are good; set both by NTP"
            ),
            None => {}
        }
    }

    /// What is to be told of a difference; 0 that there is none any more.
    fn news(&self, ahead_s: i64) -> Option<i64> {
        let now_s = if ahead_s.unsigned_abs() > DIFFERENCE_MAX_S { ahead_s } else { 0 };
        let told_s = self.told_s.load(Ordering::Relaxed);
        let is_news = if now_s == 0 { told_s != 0 } else { told_s == 0 || now_s.abs_diff(told_s) > CHANGE_S };
        is_news.then(|| {
            self.told_s.store(now_s, Ordering::Relaxed);
            now_s
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_told_once() {
        let difference = Difference::default();
        for (ahead_s, expect) in [
            (0, None),
            (40, None),
            (-40, None),
            (600, Some(600)),
            (601, None),
            (630, None),
            (631, Some(631)),
            (-631, Some(-631)),
            (3, Some(0)),
            (0, None),
            (-41, Some(-41)),
        ] {
            assert_eq!(difference.news(ahead_s), expect, "{ahead_s}");
        }
    }

    #[test]
    fn the_date_of_an_answer_is_its_senders_clock() {
        let difference = Difference::default();
        let at = |seconds: u64| UNIX_EPOCH + std::time::Duration::from_secs(784_111_777 + seconds);
        let dated = |date: &'static str| HeaderMap::from_iter([(DATE, date.parse().unwrap())]);
        difference.heard(&dated("Sun, 06 Nov 1994 08:49:37 GMT"), at(20));
        assert_eq!(difference.told_s.load(Ordering::Relaxed), 0);
        difference.heard(&dated("Sun, 06 Nov 1994 08:49:37 GMT"), at(600));
        difference.heard(&dated("yesterday"), at(0));
        difference.heard(&HeaderMap::new(), at(0));
        assert_eq!(difference.told_s.load(Ordering::Relaxed), 600);
    }
}
