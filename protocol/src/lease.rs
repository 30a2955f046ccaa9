//! A gateway's lease of an organization, as a value. Owns when to renew it and when to stop serving; knows no clock and
//! no Ganymede.
//!
//! The lease lasts at Ganymede from when it *answered*. The gateway counts from when it *asked*, which is earlier, and
//! leaves a margin: however long either message was under way, and however long the gateway was paused, it has stopped
//! before Ganymede can allocate the organization to somebody else. Only the rate of both clocks has to be the same.

use serde::{Deserialize, Serialize};

/// Clocks of leases, in milliseconds. Configurable so that tests need not wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LeaseClocks {
    /// From one successful renewal to the next.
    pub renew_ms: u64,
    /// From a failed renewal to the next.
    pub retry_ms: u64,
    /// How long before its end a lease is taken for over. At most a quarter of the lease counts.
    pub margin_ms: u64,
}

impl Default for LeaseClocks {
    fn default() -> Self {
        Self { renew_ms: 5_000, retry_ms: 1_000, margin_ms: 2_000 }
    }
}

/// What can happen to a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Ganymede answered this attempt: the lease lasts this long from when it was asked.
    Renewed {
        /// Which attempt.
        attempt: u64,
        /// In milliseconds.
        ttl_ms: u64,
    },
    /// Ganymede did not answer this attempt, or refused without saying that the epoch is stale.
    RenewalFailed {
        /// Which attempt.
        attempt: u64,
    },
    /// Ganymede said that the organization is served under a newer epoch.
    Stale,
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Ask Ganymede, and tell how it went with the same number. An attempt that is given up is a failed one.
    Renew {
        /// Counts from 1.
        attempt: u64,
    },
    /// Serve nobody from now on. Said once; nothing follows.
    StopServing(LeaseEnd),
}

/// Why a lease is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeaseEnd {
    /// It could not be renewed in time.
    #[error("the lease ran out")]
    Expired,
    /// The organization was allocated anew.
    #[error("the organization is served under a newer epoch")]
    Stale,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Renewal {
    Due { at_ms: u64 },
    UnderWay { attempt: u64, asked_ms: u64 },
}

/// The lease of one organization.
#[derive(Debug)]
pub struct Lease {
    clocks: LeaseClocks,
    /// When it is taken for over.
    ends_ms: u64,
    renewal: Renewal,
    attempts: u64,
    over: bool,
}

impl Lease {
    /// A lease of `ttl_ms` that was asked for at `asked_ms`.
    pub fn new(clocks: LeaseClocks, asked_ms: u64, ttl_ms: u64) -> Self {
        let mut lease =
            Self { clocks, ends_ms: 0, renewal: Renewal::Due { at_ms: asked_ms }, attempts: 0, over: false };
        lease.extend(asked_ms, ttl_ms);
        lease
    }

    /// The one verb: something happened at `now_ms`; the answer is what is to be done about it.
    pub fn handle(&mut self, now_ms: u64, input: Input) -> Option<Effect> {
        if self.over {
            return None;
        }
        match (input, self.renewal) {
            (Input::Stale, _) => return Some(self.end(LeaseEnd::Stale)),
            (Input::Renewed { attempt, ttl_ms }, Renewal::UnderWay { attempt: awaited, asked_ms })
                if attempt == awaited =>
            {
                self.extend(asked_ms, ttl_ms);
            }
            (Input::RenewalFailed { attempt }, Renewal::UnderWay { attempt: awaited, .. }) if attempt == awaited => {
                self.renewal = Renewal::Due { at_ms: now_ms + self.clocks.retry_ms };
            }
            // Of an attempt that was given up.
            (Input::Renewed { .. } | Input::RenewalFailed { .. }, Renewal::Due { .. } | Renewal::UnderWay { .. })
            | (Input::Tick, _) => {}
        }
        if now_ms >= self.ends_ms {
            return Some(self.end(LeaseEnd::Expired));
        }
        match self.renewal {
            Renewal::Due { at_ms } if at_ms <= now_ms => {
                self.attempts += 1;
                self.renewal = Renewal::UnderWay { attempt: self.attempts, asked_ms: now_ms };
                Some(Effect::Renew { attempt: self.attempts })
            }
            Renewal::Due { .. } | Renewal::UnderWay { .. } => None,
        }
    }

    /// When the lease next wants a `Tick`; `None` once it is over.
    pub fn deadline_ms(&self) -> Option<u64> {
        let due_ms = match self.renewal {
            Renewal::Due { at_ms } => at_ms,
            Renewal::UnderWay { .. } => self.ends_ms,
        };
        (!self.over).then(|| due_ms.min(self.ends_ms))
    }

    /// When the gateway stops serving unless the lease is renewed.
    pub fn ends_ms(&self) -> u64 {
        self.ends_ms
    }

    /// A later renewal never shortens what an earlier one gave: Ganymede counts from the last one that it answered.
    fn extend(&mut self, asked_ms: u64, ttl_ms: u64) {
        let margin_ms = self.clocks.margin_ms.min(ttl_ms / 4);
        self.ends_ms = self.ends_ms.max(asked_ms + ttl_ms - margin_ms);
        // A lease shorter than the usual one is renewed more often.
        self.renewal = Renewal::Due { at_ms: asked_ms + self.clocks.renew_ms.min(ttl_ms / 3) };
    }

    fn end(&mut self, why: LeaseEnd) -> Effect {
        self.over = true;
        Effect::StopServing(why)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TTL_MS: u64 = 15_000;

    fn lease() -> Lease {
        Lease::new(LeaseClocks::default(), 0, TTL_MS)
    }

    fn renewed(attempt: u64) -> Input {
        Input::Renewed { attempt, ttl_ms: TTL_MS }
    }

    const EXPIRED: Option<Effect> = Some(Effect::StopServing(LeaseEnd::Expired));

    #[test]
    fn renews_every_five_seconds_counted_from_asking() {
        let mut lease = lease();
        assert_eq!(lease.handle(4_999, Input::Tick), None);
        assert_eq!(lease.deadline_ms(), Some(5_000));
        assert_eq!(lease.handle(5_000, Input::Tick), Some(Effect::Renew { attempt: 1 }));
        assert_eq!(lease.handle(5_001, Input::Tick), None, "one attempt at a time");
        assert_eq!(lease.handle(7_000, renewed(1)), None);
        assert_eq!((lease.ends_ms(), lease.deadline_ms()), (18_000, Some(10_000)));
        assert_eq!(lease.handle(10_000, Input::Tick), Some(Effect::Renew { attempt: 2 }));
    }

    #[test]
    fn a_failed_renewal_is_repeated_until_the_lease_is_over() {
        let mut lease = lease();
        let mut attempts = 0;
        let mut now_ms = 0;
        while let Some(deadline_ms) = lease.deadline_ms() {
            now_ms = deadline_ms;
            if let Some(Effect::Renew { attempt }) = lease.handle(now_ms, Input::Tick) {
                attempts = attempt;
                assert_eq!(lease.handle(now_ms, Input::RenewalFailed { attempt }), None);
            }
        }
        assert_eq!((now_ms, attempts), (13_000, 8), "from 5 s on, once a second");
    }

    #[test]
    fn an_attempt_without_an_answer_does_not_keep_it() {
        let mut lease = lease();
        assert_eq!(lease.handle(5_000, Input::Tick), Some(Effect::Renew { attempt: 1 }));
        assert_eq!(lease.deadline_ms(), Some(13_000));
        assert_eq!(lease.handle(12_999, Input::Tick), None);
        assert_eq!(lease.handle(13_000, Input::Tick), EXPIRED);
        assert_eq!(lease.handle(13_001, renewed(1)), None, "too late");
        assert_eq!((lease.handle(20_000, Input::Tick), lease.deadline_ms()), (None, None));
    }

    /// SIGSTOP past the lease, then SIGCONT: whichever is seen first, the timer or the answer that had arrived meanwhile.
    #[test]
    fn a_paused_gateway_stops_when_it_wakes() {
        for input in [Input::Tick, renewed(1), Input::RenewalFailed { attempt: 1 }] {
            let mut lease = lease();
            assert_eq!(lease.handle(5_000, Input::Tick), Some(Effect::Renew { attempt: 1 }));
            assert_eq!(lease.handle(60_000, input), EXPIRED, "{input:?}");
        }
    }

    #[test]
    fn a_pause_within_the_lease_that_was_granted_meanwhile_is_survived() {
        let mut lease = lease();
        assert_eq!(lease.handle(5_000, Input::Tick), Some(Effect::Renew { attempt: 1 }));
        assert_eq!(lease.handle(14_000, renewed(1)), Some(Effect::Renew { attempt: 2 }), "and renewed at once");
        assert_eq!(lease.ends_ms(), 18_000);
    }

    #[test]
    fn a_stale_epoch_ends_it_at_once() {
        let mut lease = lease();
        assert_eq!(lease.handle(1, Input::Stale), Some(Effect::StopServing(LeaseEnd::Stale)));
        assert_eq!(lease.handle(2, Input::Stale), None, "said once");
    }

    #[test]
    fn an_answer_to_an_attempt_that_was_given_up_counts_for_nothing() {
        let mut lease = lease();
        assert_eq!(lease.handle(5_000, Input::Tick), Some(Effect::Renew { attempt: 1 }));
        assert_eq!(lease.handle(6_000, Input::RenewalFailed { attempt: 1 }), None);
        assert_eq!(lease.handle(7_000, Input::Tick), Some(Effect::Renew { attempt: 2 }));
        assert_eq!(lease.handle(7_500, renewed(1)), None);
        assert_eq!(lease.ends_ms(), 13_000);
    }

    #[test]
    fn a_short_lease_is_renewed_in_time() {
        let mut lease = Lease::new(LeaseClocks::default(), 0, 300);
        assert_eq!((lease.deadline_ms(), lease.ends_ms()), (Some(100), 225));
        assert_eq!(lease.handle(100, Input::Tick), Some(Effect::Renew { attempt: 1 }));
    }

    proptest! {
        /// Ganymede frees the organization when its lease ends there. Whatever is delayed, lost or paused, the gateway has
        /// been told to stop by then, or is not running; and when it next runs, it is told first of all.
        #[test]
        fn never_serves_after_the_lease_has_ended_at_ganymede(
            steps in prop::collection::vec((0_u64..4_000, 0_u64..4_000, 0_u64..20_000, any::<bool>()), 1..60),
        ) {
            let mut lease = lease();
            let (mut now_ms, mut granted_until_ms) = (0_u64, TTL_MS);
            for (there_ms, back_ms, pause_ms, lost) in steps {
                let Some(deadline_ms) = lease.deadline_ms() else { break };
                now_ms = now_ms.max(deadline_ms) + pause_ms * u64::from(pause_ms > 15_000);
                let effect = lease.handle(now_ms, Input::Tick);
                let Some(Effect::Renew { attempt }) = effect else {
                    prop_assert!(effect.is_none() || effect == EXPIRED);
                    continue;
                };
                prop_assert!(now_ms < granted_until_ms, "asks at {now_ms}, over since {granted_until_ms}");
                // Ganymede answers on the way there, so that its lease ends later than the gateway thinks.
                if now_ms + there_ms < granted_until_ms {
                    granted_until_ms = now_ms + there_ms + TTL_MS;
                }
                now_ms += there_ms + back_ms;
                let answer = if lost { Input::RenewalFailed { attempt } } else { renewed(attempt) };
                let effect = lease.handle(now_ms, answer);
                let serves = lease.deadline_ms().is_some();
                prop_assert!(!serves || now_ms < granted_until_ms, "serves at {now_ms}, over since {granted_until_ms}");
                prop_assert!(serves || effect == EXPIRED);
            }
        }
    }
}
