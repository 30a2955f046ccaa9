//! The saga that gives an organization a slot: which step comes next, and what is undone in which order when one fails.
//! Pure; whoever performs the steps reports how each went.
//!
//! ```text
//!  begin ──> reserved ──> routed ──> named ──> handshaken ──> pulled ──> serving ──> draining
//!                │           │         │           │            │           │
//!  undone <──────┴───────────┴─────────┴───────────┴────────────┴───────────┘   a failed step is undone too
//! ```
//!
//! A step that failed may have happened in part, so that its own undoing comes first. Undoing goes on whatever fails on the
//! way: what is left then belongs to an allocation that is over, and whoever finds it may clear it away.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// How far an allocation has come. Ordered as they follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// The slot is kept free for an organization that is about to leave another one.
    Standby,
    /// The slot is the organization's, under a new epoch.
    Reserved,
    /// Requests for the organization wait for it, and gateways of older epochs write no more.
    Routed,
    /// The organization's name leads here.
    Named,
    /// The gateway has used its handshake: it has the configuration and a lease.
    Handshaken,
    /// The gateway is ready to serve what is stored.
    Pulled,
    /// Requests go to the gateway.
    Serving,
    /// The organization is about to leave the slot; requests wait.
    Draining,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 8] = [
        Self::Standby,
        Self::Reserved,
        Self::Routed,
        Self::Named,
        Self::Handshaken,
        Self::Pulled,
        Self::Serving,
        Self::Draining,
    ];

    /// As it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standby => "standby",
            Self::Reserved => "reserved",
            Self::Routed => "routed",
            Self::Named => "named",
            Self::Handshaken => "handshaken",
            Self::Pulled => "pulled",
            Self::Serving => "serving",
            Self::Draining => "draining",
        }
    }

    /// Whether people were let in: losing such an allocation means serving the organization elsewhere.
    pub const fn has_served(self) -> bool {
        matches!(self, Self::Serving | Self::Draining)
    }

    /// The step of a start that follows this one.
    const fn next(self) -> Option<Self> {
        match self {
            Self::Standby => Some(Self::Reserved),
            Self::Reserved => Some(Self::Routed),
            Self::Routed => Some(Self::Named),
            Self::Named => Some(Self::Handshaken),
            Self::Handshaken => Some(Self::Pulled),
            Self::Pulled => Some(Self::Serving),
            Self::Serving | Self::Draining => None,
        }
    }

    /// The step of a start before this one.
    const fn previous(self) -> Option<Self> {
        match self {
            Self::Standby | Self::Reserved => None,
            Self::Routed => Some(Self::Reserved),
            Self::Named => Some(Self::Routed),
            Self::Handshaken => Some(Self::Named),
            Self::Pulled => Some(Self::Handshaken),
            Self::Serving => Some(Self::Pulled),
            Self::Draining => Some(Self::Serving),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no step.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a step of an allocation")]
pub struct UnknownStep;

impl FromStr for Step {
    type Err = UnknownStep;

    fn from_str(text: &str) -> Result<Self, UnknownStep> {
        Self::ALL.into_iter().find(|step| step.as_str() == text).ok_or(UnknownStep)
    }
}

/// How what was to be done went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is done, and written down.
    Done,
    /// It was not done, or not wholly.
    Failed,
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Do this step, and write down that it is done.
    Perform(Step),
    /// Undo this step, as far as it happened.
    Undo(Step),
    /// The organization is served. Nothing follows.
    Served,
    /// All is as before; the step that failed. Nothing follows.
    Undone(Step),
}

/// One allocation on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saga {
    at: Step,
    failed: Option<Step>,
}

impl Saga {
    /// A new allocation.
    pub const fn begin() -> (Self, Effect) {
        Self::after_none(Step::Reserved)
    }

    /// An allocation whose slot was reserved otherwise: from a standby, when an organization moves.
    pub const fn reserved() -> (Self, Effect) {
        Self::after_none(Step::Routed)
    }

    const fn after_none(first: Step) -> (Self, Effect) {
        (Self { at: first, failed: None }, Effect::Perform(first))
    }

    /// What follows, now that the last effect went like this.
    pub fn handle(&mut self, outcome: Outcome) -> Effect {
        match (self.failed, outcome) {
            (None, Outcome::Done) => match self.at.next() {
                Some(next) => {
                    self.at = next;
                    Effect::Perform(next)
                }
                None => Effect::Served,
            },
            (None, Outcome::Failed) => {
                self.failed = Some(self.at);
                Effect::Undo(self.at)
            }
            (Some(failed), Outcome::Done | Outcome::Failed) => match self.at.previous() {
                Some(previous) => {
                    self.at = previous;
                    Effect::Undo(previous)
                }
                None => Effect::Undone(failed),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: [Step; 6] = [Step::Reserved, Step::Routed, Step::Named, Step::Handshaken, Step::Pulled, Step::Serving];

    /// Performs until `fails` or the end, and lists the effects.
    fn run((mut saga, mut effect): (Saga, Effect), fails: Option<Step>) -> Vec<Effect> {
        let mut effects = vec![effect];
        while !matches!(effect, Effect::Served | Effect::Undone(_)) {
            let outcome = match effect {
                Effect::Perform(step) if Some(step) == fails => Outcome::Failed,
                // What fails while undoing stops nothing.
                Effect::Undo(Step::Named) => Outcome::Failed,
                Effect::Perform(_) | Effect::Undo(_) | Effect::Served | Effect::Undone(_) => Outcome::Done,
            };
            effect = saga.handle(outcome);
            effects.push(effect);
        }
        effects
    }

    #[test]
    fn a_start_goes_through_all_steps_in_order() {
        let steps: Vec<Effect> = START.map(Effect::Perform).into_iter().chain([Effect::Served]).collect();
        assert_eq!(run(Saga::begin(), None), steps);
        assert_eq!(run(Saga::reserved(), None), steps[1..]);
    }

    #[test]
    fn whichever_step_fails_it_and_all_before_it_are_undone_in_reverse() {
        for (at, &failing) in START.iter().enumerate() {
            let done = START[..=at].iter().map(|&step| Effect::Perform(step));
            let undone = START[..=at].iter().rev().map(|&step| Effect::Undo(step));
            let expected: Vec<Effect> = done.chain(undone).chain([Effect::Undone(failing)]).collect();
            assert_eq!(run(Saga::begin(), Some(failing)), expected, "{failing}");
        }
    }

    /// The slot of an allocation that was reserved otherwise is given back too.
    #[test]
    fn a_moving_organization_gives_its_new_slot_back() {
        let effects = run(Saga::reserved(), Some(Step::Routed));
        assert_eq!(
            effects,
            [
                Effect::Perform(Step::Routed),
                Effect::Undo(Step::Routed),
                Effect::Undo(Step::Reserved),
                Effect::Undone(Step::Routed)
            ]
        );
    }

    #[test]
    fn a_step_has_one_spelling() {
        for step in Step::ALL {
            assert_eq!(step.to_string().parse(), Ok(step));
            assert_eq!(serde_json::to_string(&step).unwrap(), format!("\"{step}\""));
        }
        assert_eq!("Serving".parse::<Step>(), Err(UnknownStep));
        assert!(Step::ALL.is_sorted());
    }
}
