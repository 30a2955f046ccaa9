//! Faults on purpose: what tests use to make any step fail.

use orrery_protocol::allocation::Step;

/// Decides which steps fail.
pub trait Faults: Send + Sync + 'static {
    /// Whether `step` fails before anything of it is done.
    fn before(&self, step: Step) -> bool;

    /// Whether `step` fails after it was done and written down.
    fn after(&self, step: Step) -> bool;
}

/// Nothing fails on purpose.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFaults;

impl Faults for NoFaults {
    fn before(&self, _step: Step) -> bool {
        false
    }

    fn after(&self, _step: Step) -> bool {
        false
    }
}
