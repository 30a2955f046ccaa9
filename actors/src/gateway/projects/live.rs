//! News of the moment, for who looks at a project now: what containers use, how far their images have come. None of it is
//! written anywhere.

use std::sync::atomic::Ordering;

use orrery_protocol::id::{ContainerId, ProjectId};
use serde_json::{Value, json};

use super::{Outcome, Projects, Slot};
use crate::engine::Live;

impl Projects {
    /// The engine tells something of a container that is so now.
    pub(in crate::gateway) fn tell_live(
        &mut self,
        id: ProjectId,
        container: ContainerId,
        live: Live,
        outcomes: &mut Vec<Outcome>,
    ) {
        self.live.fetch_sub(1, Ordering::Relaxed);
        let Some(slot) = self.slots.get(&id).filter(|_| self.watched.contains(&id)) else { return };
        if let Some(message) = slot.message(container, live, self.config.clock.unix_ms()) {
            outcomes.push(Outcome::Ephemeral(slot.key.clone(), message.to_string()));
        }
    }

    /// What a container told of its host is told on with its next figures.
    pub(super) fn note_system(&mut self, id: ProjectId, container: ContainerId, system: Value) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.systems.insert(container, system);
        }
    }
}

impl Slot {
    /// What is known of a container that is not there any more goes with it.
    pub(super) fn forget_systems(&mut self) {
        let super::State::Loaded(project) = &self.state else { return };
        self.systems.retain(|id, _| project.containers().get(*id).is_some());
    }

    fn message(&self, container: ContainerId, live: Live, now_ms: u64) -> Option<Value> {
        let entry = self.loaded()?.containers().get(container)?;
        Some(match live {
            Live::Usage {
                cpu,
                memory_bytes,
                memory_limit_bytes,
                rx_bytes,
                tx_bytes,
                read_bytes,
                written_bytes,
                pids,
            } => {
                let heartbeat = entry.vitals.watchdog_at_ms.map(|at_ms| now_ms.saturating_sub(at_ms));
                let mut message = json!({
                    "type": "container",
                    "id": container.to_string(),
                    "cpu": cpu,
                    "memory_bytes": memory_bytes,
                    "memory_limit_bytes": memory_limit_bytes,
                    "rx_bytes": rx_bytes,
                    "tx_bytes": tx_bytes,
                    "read_bytes": read_bytes,
                    "written_bytes": written_bytes,
                    "pids": pids,
                    "heartbeat_age_ms": heartbeat,
                });
                if let Some(system) = self.systems.get(&container) {
                    message["system"] = system.clone();
                }
                message
            }
            Live::Pull { image, percent } => json!({
                "type": "pull",
                "id": container.to_string(),
                "image": image.to_string(),
                "percent": percent,
            }),
        })
    }
}
