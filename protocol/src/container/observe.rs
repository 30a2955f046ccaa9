//! What engines and probes tell of containers, and what time does to them.

use std::collections::BTreeSet;

use super::{
    Change, Containers, Desired, Entry, Listening, Phase, Reason, ReasonCode, Rules, Run, plan::ObjectId,
    reduce::begin_stop,
};
use crate::id::ContainerId;

/// What was seen of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Observation {
    /// The engine has it, and it runs.
    Runs {
        /// The generation that it was made from.
        generation: u32,
    },
    /// The engine has it, and it has ended.
    Ended {
        /// The generation that it was made from.
        generation: u32,
        /// Which run ended: an end is counted once, however often it is seen.
        run: Run,
        /// What the program said; 0 is well.
        exit_code: i64,
        /// Whether it was killed for the memory it took.
        out_of_memory: bool,
    },
    /// The engine has it, and it has not been started, or never will be again.
    Idle {
        /// The generation that it was made from.
        generation: u32,
    },
    /// The engine has it, and it is on its way from one state to another.
    Between,
    /// The engine listed all it has, and not this.
    Absent,
    /// The engine did not answer, or does not say.
    Unknown,
    /// The engine cannot run it, now or ever.
    CannotRun {
        /// Why, for everybody to read.
        reason: Reason,
        /// Whether trying again is in vain.
        for_good: bool,
    },
    /// A service of it was asked whether it answers.
    Probed {
        /// Whether it did.
        answers: bool,
    },
    /// This is the object of the engine that it is from now on.
    Adopted(ObjectId),
    /// Its image exposes these ports.
    Exposes(BTreeSet<u16>),
}

impl Containers {
    /// Decides what an observation changes; nothing if the container is not known or not the platform's to run.
    pub fn observe(&self, rules: &Rules, now_ms: u64, id: ContainerId, observation: &Observation) -> Change {
        let mut change = Change::default();
        let Some(known) = self.get(id).filter(|entry| entry.container.spec.runner.is_none()) else { return change };
        let mut entry = known.clone();
        // Once the engine speaks again, its silence is no reason any more.
        let silent = entry.container.status.reason.as_ref().is_some_and(|why| why.code == ReasonCode::EngineUnknown);
        if silent && *observation != Observation::Unknown {
            entry.container.status.reason = None;
        }
        if *observation != Observation::Absent {
            entry.vitals.absences = 0;
        }
        match observation {
            Observation::Runs { generation } => runs(&mut entry, rules, now_ms, *generation),
            Observation::Ended { generation, run, exit_code, out_of_memory } => {
                entry.container.status.observed_generation = *generation;
                let end = End { run: *run, exit_code: *exit_code, out_of_memory: *out_of_memory };
                // What is left of an earlier generation goes by our own doing.
                let is_it = *generation >= entry.container.spec.generation;
                if is_it || entry.container.status.phase != Phase::Pending {
                    ended(&mut entry, rules, now_ms, &end);
                }
            }
            Observation::Idle { generation } => idle(&mut entry, now_ms, *generation),
            Observation::Between => {}
            Observation::Absent => absent(&mut entry, now_ms),
            Observation::Unknown => unknown(&mut entry),
            Observation::CannotRun { reason, for_good } => cannot_run(&mut entry, now_ms, reason, *for_good),
            Observation::Probed { answers } => probed(&mut entry, rules, now_ms, *answers),
            Observation::Adopted(object) => entry.vitals.object = Some(object.clone()),
            Observation::Exposes(ports) => exposes(&mut entry, rules, ports),
        }
        change.put(Some(known), entry);
        change
    }

    /// Decides what has become of all containers by now.
    pub fn tick(&self, rules: &Rules, now_ms: u64) -> Change {
        let mut change = Change::default();
        for known in self.iter() {
            let mut entry = known.clone();
            for (at_ms, due) in dues(known, rules) {
                if at_ms > now_ms {
                    continue;
                }
                match due {
                    Due::Forget => change.forget(known.container.id),
                    Due::Silent => entry.turn(now_ms, Phase::Unhealthy, why(ReasonCode::WatchdogSilent)),
                    Due::NotReady => entry.turn(now_ms, Phase::Unhealthy, why(ReasonCode::NotReady)),
                    Due::Overdue => entry.container.status.reason = why(ReasonCode::StopOverdue),
                    Due::Retry => entry.vitals.retry_at_ms = None,
                }
            }
            change.put(Some(known), entry);
        }
        change
    }

    /// When a tick next changes something; `None` if time changes nothing.
    pub fn deadline_ms(&self, rules: &Rules) -> Option<u64> {
        self.iter().flat_map(|entry| dues(entry, rules)).map(|(at_ms, _)| at_ms).min()
    }
}

/// What time does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Due {
    Forget,
    Silent,
    NotReady,
    Overdue,
    Retry,
}

/// What time will do to a container as it is, and when.
fn dues(entry: &Entry, rules: &Rules) -> impl Iterator<Item = (u64, Due)> {
    let (status, vitals, clocks) = (&entry.container.status, &entry.vitals, &rules.clocks);
    let is = |phase| status.phase == phase;
    let said = |code| status.reason.as_ref().is_some_and(|reason| reason.code == code);
    let silent = vitals.watchdog_at_ms.filter(|_| is(Phase::Running));
    let overdue = status.stop_at_ms.filter(|_| is(Phase::Stopping) && !said(ReasonCode::StopOverdue));
    [
        is(Phase::Deleted).then_some((status.since_ms + clocks.deleted_kept_ms, Due::Forget)),
        silent.map(|at_ms| (at_ms + clocks.watchdog_ms, Due::Silent)),
        is(Phase::Starting).then_some((status.since_ms + clocks.ready_ms, Due::NotReady)),
        overdue.map(|at_ms| (at_ms + clocks.stop_overdue_ms, Due::Overdue)),
        vitals.retry_at_ms.map(|at_ms| (at_ms, Due::Retry)),
    ]
    .into_iter()
    .flatten()
}

struct End {
    run: Run,
    exit_code: i64,
    out_of_memory: bool,
}

fn why(code: ReasonCode) -> Option<Reason> {
    let text = match code {
        ReasonCode::WatchdogSilent => "it has stopped reporting",
        ReasonCode::NotReady => "none of its services answers",
        ReasonCode::StopOverdue => "it does not stop",
        ReasonCode::ProbeFailed => "its services do not answer",
        ReasonCode::EngineUnknown => "the container engine does not answer",
        ReasonCode::Vanished => "it was removed from the engine",
        ReasonCode::NoPort => "its image exposes no port, and nobody said which one it listens on",
        ReasonCode::Manual
        | ReasonCode::Exited
        | ReasonCode::OutOfMemory
        | ReasonCode::ImageUnavailable
        | ReasonCode::NoCapacity
        | ReasonCode::Refused => "",
    };
    Some(Reason::new(code, text))
}

fn runs(entry: &mut Entry, rules: &Rules, now_ms: u64, generation: u32) {
    entry.container.status.observed_generation = generation;
    let is_it = generation >= entry.container.spec.generation;
    match entry.container.status.phase {
        Phase::Pending if is_it && entry.vitals.retry_at_ms.is_none() => {
            // Without a service to ask, running is all there is to see.
            if entry.is_asked() {
                entry.turn(now_ms, Phase::Starting, None);
            } else {
                let reason = entry.has_nothing_to_reach().then(|| why(ReasonCode::NoPort)).flatten();
                entry.turn(now_ms, Phase::Running, reason);
            }
        }
        // Somebody started it by hand; why it shall not run is still so.
        Phase::Stopped => {
            let reason = entry.container.status.reason.clone();
            begin_stop(entry, rules, now_ms, reason);
        }
        Phase::Pending
        | Phase::Starting
        | Phase::Running
        | Phase::Unhealthy
        | Phase::Stopping
        | Phase::Failed
        | Phase::Deleted => {}
    }
}

/// What its image exposes become its services, unless somebody said what they are.
fn exposes(entry: &mut Entry, rules: &Rules, ports: &BTreeSet<u16>) {
    if !entry.is_open(rules) {
        return;
    }
    entry.listen(&rules.site, Listening::Exposed(ports.clone()));
    let status = &mut entry.container.status;
    if status.phase == Phase::Running && status.reason.is_none() && status.services.is_empty() {
        status.reason = why(ReasonCode::NoPort);
    }
}

fn ended(entry: &mut Entry, rules: &Rules, now_ms: u64, end: &End) {
    let known = entry.vitals.ended.replace(end.run);
    match entry.container.status.phase {
        Phase::Stopping => match entry.container.spec.desired {
            Desired::Running => entry.turn(now_ms, Phase::Pending, None),
            Desired::Stopped => {
                let reason = entry.container.status.reason.clone();
                entry.turn(now_ms, Phase::Stopped, reason);
            }
            // Its end is not enough: it has to be gone.
            Desired::Deleted => {}
        },
        Phase::Starting | Phase::Running | Phase::Unhealthy if known != Some(end.run) => {
            failed_by_itself(entry, rules, now_ms, end);
        }
        // It started and ended between two looks. The first end that is seen at all may be from before.
        Phase::Pending if known.is_some_and(|run| run != end.run) => failed_by_itself(entry, rules, now_ms, end),
        Phase::Pending
        | Phase::Starting
        | Phase::Running
        | Phase::Unhealthy
        | Phase::Stopped
        | Phase::Failed
        | Phase::Deleted => {}
    }
}

/// It ended and nobody asked it to. What ended well stays so; what did not is started again, later each time.
fn failed_by_itself(entry: &mut Entry, rules: &Rules, now_ms: u64, end: &End) {
    let code = if end.out_of_memory { ReasonCode::OutOfMemory } else { ReasonCode::Exited };
    let reason = Some(Reason::new(code, &format!("exit code {}", end.exit_code)));
    if end.exit_code == 0 && !end.out_of_memory {
        return entry.turn(now_ms, Phase::Stopped, reason);
    }
    let clocks = &rules.clocks;
    let vitals = &mut entry.vitals;
    if vitals.up_since_ms.take().is_some_and(|since_ms| now_ms >= since_ms + clocks.restart_window_ms) {
        vitals.restarts = 0;
    }
    if vitals.restarts >= clocks.restarts_max {
        return entry.turn(now_ms, Phase::Failed, reason);
    }
    vitals.retry_at_ms =
        Some(now_ms.saturating_add(clocks.restart_ms.saturating_mul(4u64.saturating_pow(vitals.restarts))));
    vitals.restarts += 1;
    entry.turn(now_ms, Phase::Pending, reason);
}

fn absent(entry: &mut Entry, now_ms: u64) {
    entry.vitals.absences = entry.vitals.absences.saturating_add(1);
    let (phase, desired) = (entry.container.status.phase, entry.container.spec.desired);
    match (phase, desired) {
        (Phase::Deleted, _) => {}
        (_, Desired::Deleted) => entry.turn(now_ms, Phase::Deleted, entry.container.status.reason.clone()),
        (Phase::Stopping, Desired::Running) => entry.turn(now_ms, Phase::Pending, None),
        (Phase::Stopping, Desired::Stopped) => {
            entry.turn(now_ms, Phase::Stopped, entry.container.status.reason.clone());
        }
        // Absent for one moment is not gone.
        (Phase::Starting | Phase::Running | Phase::Unhealthy, _) if entry.vitals.absences >= 2 => {
            entry.turn(now_ms, Phase::Pending, why(ReasonCode::Vanished));
        }
        (
            Phase::Pending | Phase::Starting | Phase::Running | Phase::Unhealthy | Phase::Stopped | Phase::Failed,
            Desired::Running | Desired::Stopped,
        ) => {}
    }
    if !entry.container.status.phase.is_up() {
        entry.vitals.object = None;
    }
}

/// Nothing of it runs, and nothing of it has ended.
fn idle(entry: &mut Entry, now_ms: u64, generation: u32) {
    entry.container.status.observed_generation = generation;
    let reason = entry.container.status.reason.clone();
    match (entry.container.status.phase, entry.container.spec.desired) {
        (Phase::Stopping, Desired::Running) => entry.turn(now_ms, Phase::Pending, None),
        (Phase::Stopping, Desired::Stopped) => entry.turn(now_ms, Phase::Stopped, reason),
        (Phase::Starting | Phase::Running | Phase::Unhealthy, _) => {
            entry.turn(now_ms, Phase::Pending, why(ReasonCode::Vanished));
        }
        (Phase::Stopping | Phase::Pending | Phase::Stopped | Phase::Failed | Phase::Deleted, _) => {}
    }
}

/// Unknown is a state of its own: nothing is concluded from it, and a reason that is there says more.
fn unknown(entry: &mut Entry) {
    let status = &mut entry.container.status;
    match status.phase {
        Phase::Pending | Phase::Starting | Phase::Running | Phase::Unhealthy | Phase::Stopping => {
            status.reason = status.reason.take().or_else(|| why(ReasonCode::EngineUnknown));
        }
        Phase::Stopped | Phase::Failed | Phase::Deleted => {}
    }
}

fn cannot_run(entry: &mut Entry, now_ms: u64, reason: &Reason, for_good: bool) {
    if entry.container.status.phase == Phase::Pending {
        entry.turn(now_ms, if for_good { Phase::Failed } else { Phase::Pending }, Some(reason.clone()));
    }
}

fn probed(entry: &mut Entry, rules: &Rules, now_ms: u64, answers: bool) {
    let phase = entry.container.status.phase;
    if !phase.is_up() {
        return;
    }
    if answers {
        (entry.vitals.probe_failures, entry.vitals.renewed) = (0, false);
        let silent = entry.container.status.reason.as_ref().is_some_and(|why| why.code == ReasonCode::WatchdogSilent);
        // That it answers does not mean that it reports.
        if !silent {
            let reason = entry.container.status.reason.take().filter(|_| phase == Phase::Running);
            entry.turn(now_ms, Phase::Running, reason);
        }
        return;
    }
    // One that is still starting has the time that it was given.
    if phase == Phase::Starting {
        return;
    }
    entry.vitals.probe_failures += 1;
    if entry.vitals.probe_failures < rules.clocks.probe_failures_max {
        return;
    }
    entry.vitals.probe_failures = 0;
    if phase == Phase::Running {
        entry.turn(now_ms, Phase::Unhealthy, why(ReasonCode::ProbeFailed));
    } else if entry.vitals.renewed {
        entry.turn(now_ms, Phase::Failed, why(ReasonCode::ProbeFailed));
    } else {
        entry.vitals.renewed = true;
        begin_stop(entry, rules, now_ms, why(ReasonCode::ProbeFailed));
    }
}
