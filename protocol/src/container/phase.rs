//! What is wanted of a container, where it is on the way there, and why: one state machine.

use super::word::words;

words! {
    /// What members want of a container.
    Desired {
        /// It shall run.
        Running = "running",
        /// It shall not run, and keep what it has.
        Stopped = "stopped",
        /// It shall be gone, with all that it has.
        Deleted = "deleted",
    }
}

words! {
    /// Where a container is.
    Phase {
        /// It shall run, and nothing of it does: it waits for its image, for capacity, or to be started again.
        Pending = "pending",
        /// It runs, and none of its services has answered yet.
        Starting = "starting",
        /// It runs and answers.
        Running = "running",
        /// It runs, or so it seems, and does not answer.
        Unhealthy = "unhealthy",
        /// It is being stopped: to stay so, to start anew, or to be deleted.
        Stopping = "stopping",
        /// It does not run, and has what it had.
        Stopped = "stopped",
        /// It does not run and will not be tried again unless somebody says so.
        Failed = "failed",
        /// It is gone. Nothing follows.
        Deleted = "deleted",
    }
}

impl Phase {
    /// The phases that may follow this one.
    pub const fn next(self) -> &'static [Self] {
        use Phase::{Deleted, Failed, Pending, Running, Starting, Stopped, Stopping, Unhealthy};
        match self {
            Pending => &[Starting, Running, Stopping, Stopped, Failed, Deleted],
            Starting => &[Pending, Running, Unhealthy, Stopping, Stopped, Failed, Deleted],
            Running => &[Pending, Unhealthy, Stopping, Stopped, Failed, Deleted],
            Unhealthy => &[Pending, Running, Stopping, Stopped, Failed, Deleted],
            Stopping => &[Pending, Stopped, Deleted],
            Stopped | Failed => &[Pending, Stopping, Stopped, Deleted],
            Deleted => &[],
        }
    }

    /// Whether `next` may follow this phase.
    pub fn may_become(self, next: Self) -> bool {
        self.next().contains(&next)
    }

    /// Whether something of it runs, as far as is known.
    pub const fn is_up(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Unhealthy)
    }
}

words! {
    /// Why a container is in its phase, where that is not plain.
    ReasonCode {
        /// A member asked for it.
        Manual = "manual",
        /// The program ended by itself; the text has its exit code.
        Exited = "exited",
        /// The program took more memory than it may have.
        OutOfMemory = "out_of_memory",
        /// It is gone from the engine, and nobody here removed it.
        Vanished = "vanished",
        /// It used to report and does not any more.
        WatchdogSilent = "watchdog_silent",
        /// None of its services answered in time after it started.
        NotReady = "not_ready",
        /// A service that answered does not any more.
        ProbeFailed = "probe_failed",
        /// It was asked to stop, and has not.
        StopOverdue = "stop_overdue",
        /// The engine does not say what is with it.
        EngineUnknown = "engine_unknown",
        /// Its image cannot be had.
        ImageUnavailable = "image_unavailable",
        /// There is no room for it.
        NoCapacity = "no_capacity",
        /// The engine does not take it as it is.
        Refused = "refused",
        /// It runs, and nothing says where it listens, so that it has no URL.
        NoPort = "no_port",
    }
}

/// Why, for people too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// For programs.
    pub code: ReasonCode,
    /// For people; in the document for everybody to read, so never with a secret, an address or a port in it.
    pub text: String,
}

impl Reason {
    /// Longest text, in characters.
    const TEXT_CHARS_MAX: usize = 200;

    /// A reason; a text that is too long is cut.
    pub fn new(code: ReasonCode, text: &str) -> Self {
        Self { code, text: text.chars().filter(|letter| !letter.is_control()).take(Self::TEXT_CHARS_MAX).collect() }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn words_have_one_spelling() {
        for &phase in Phase::ALL {
            assert_eq!(phase.as_str().parse(), Ok(phase));
        }
        for bad in ["", "Running", "running ", "building"] {
            assert!(bad.parse::<Phase>().is_err(), "{bad:?}");
        }
        let refused = "gone".parse::<Desired>().unwrap_err();
        assert_eq!(refused.to_string(), "is not one of: running stopped deleted");
    }

    #[test]
    fn nothing_follows_deleted_and_no_phase_is_a_dead_end_before() {
        assert_eq!(Phase::Deleted.next(), []);
        for &phase in Phase::ALL.iter().filter(|phase| **phase != Phase::Deleted) {
            let mut reached = BTreeSet::from([phase]);
            while !reached.iter().all(|at| at.next().iter().all(|next| reached.contains(next))) {
                let further: Vec<Phase> = reached.iter().flat_map(|at| at.next()).copied().collect();
                reached.extend(further);
            }
            assert_eq!(reached.len(), Phase::ALL.len(), "everything can be reached from {phase}");
        }
    }

    #[test]
    fn a_container_that_is_being_stopped_does_not_run_before_it_has_stopped() {
        assert!(Phase::ALL.iter().all(|&next| Phase::Stopping.may_become(next)
            == matches!(next, Phase::Pending | Phase::Stopped | Phase::Deleted)));
        assert!(!Phase::Stopped.may_become(Phase::Running) && !Phase::Failed.may_become(Phase::Running));
    }

    #[test]
    fn the_text_of_a_reason_is_bounded() {
        let reason = Reason::new(ReasonCode::Refused, &"ä\n".repeat(10_000));
        assert_eq!(reason.text, "ä".repeat(200));
    }
}
