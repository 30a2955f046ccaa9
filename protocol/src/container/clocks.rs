//! The clocks of containers.

use serde::{Deserialize, Serialize};

/// How long what may last, in milliseconds, and how often what is tried. Configurable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContainerClocks {
    /// A container that reported and then does not for this long is unhealthy, its services are withdrawn.
    pub watchdog_ms: u64,
    /// A container whose services do not answer this long after it started is unhealthy.
    pub ready_ms: u64,
    /// What is to stop may take this long before it is killed.
    pub stop_grace_ms: u64,
    /// What has not stopped this long after it should have been killed is said not to stop.
    pub stop_overdue_ms: u64,
    /// What failed is first started again after this long, then after four times as long, and so on.
    pub restart_ms: u64,
    /// What ran for this long has not failed before.
    pub restart_window_ms: u64,
    /// How often what fails is started again.
    pub restarts_max: u32,
    /// How many probes in a row fail before a container is unhealthy, and before it is started anew for that.
    pub probe_failures_max: u32,
    /// What was deleted stays to be seen for this long.
    pub deleted_kept_ms: u64,
}

impl Default for ContainerClocks {
    fn default() -> Self {
        Self {
            watchdog_ms: 30_000,
            ready_ms: 120_000,
            stop_grace_ms: 10_000,
            stop_overdue_ms: 30_000,
            restart_ms: 1_000,
            restart_window_ms: 300_000,
            restarts_max: 3,
            probe_failures_max: 3,
            deleted_kept_ms: 60_000,
        }
    }
}
