//! What of the pool is counted, by the names that dashboards know.

use orrery_protocol::allocation::Step;

use super::{Pool, SlotState};
use crate::database::DatabaseError;

const STATES: [SlotState; 4] = [SlotState::Ready, SlotState::Allocated, SlotState::Draining, SlotState::Lost];

/// An organization came to be served.
pub(super) fn served() {
    metrics::counter!("orrery_allocations_total").increment(1);
}

/// A step of an allocation failed, and what was done was undone.
pub(super) fn step_failed(step: Step) {
    metrics::counter!("orrery_allocation_failures_total", "step" => step.to_string()).increment(1);
}

/// An organization that lost its gateway is served again.
pub(super) fn failed_over() {
    metrics::counter!("orrery_failovers_total").increment(1);
}

impl Pool {
    /// How many slots are in each state.
    pub(super) async fn count_slots(&self) -> Result<(), DatabaseError> {
        let slots = self.slots().await?;
        for state in STATES {
            let count = slots.iter().filter(|slot| slot.state == state).count();
            metrics::gauge!("orrery_pool_slots", "state" => state.as_str()).set(count as f64);
        }
        Ok(())
    }
}
