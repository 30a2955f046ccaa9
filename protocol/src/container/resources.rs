//! How much of a host a container may have.

use serde::{Deserialize, Serialize};

/// Least and most that a container may be given. Configurable: the most is up to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResourceBounds {
    /// Most thousandths of a processor.
    pub cpu_millis_max: u32,
    /// Most memory, in MiB.
    pub memory_mb_max: u32,
    /// Most processes and threads.
    pub pids_max: u32,
}

/// Fewer thousandths of a processor are not enough to start anything.
const CPU_MILLIS_MIN: u32 = 50;
/// Docker takes no less than 6 MiB; no program of ours starts in so little.
const MEMORY_MB_MIN: u32 = 16;
const PIDS_MIN: u32 = 8;

impl Default for ResourceBounds {
    fn default() -> Self {
        Self { cpu_millis_max: 64_000, memory_mb_max: 256 << 10, pids_max: 32_768 }
    }
}

/// What one container may have. Swap is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resources {
    /// Thousandths of a processor.
    pub cpu_millis: u32,
    /// Memory, in MiB.
    pub memory_mb: u32,
    /// Processes and threads.
    pub pids: u32,
}

impl Default for Resources {
    fn default() -> Self {
        Self { cpu_millis: 2_000, memory_mb: 4_096, pids: 512 }
    }
}

/// A limit out of bounds: its name, and how it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {problem}")]
pub struct OutOfBounds {
    /// Which.
    pub field: &'static str,
    /// How it should be, to follow the name.
    pub problem: &'static str,
}

impl Resources {
    /// Whether a container may have this much.
    ///
    /// # Errors
    /// The first limit that is out of bounds.
    pub fn check(&self, bounds: &ResourceBounds) -> Result<(), OutOfBounds> {
        let checks = [
            ("cpus", self.cpu_millis, CPU_MILLIS_MIN, bounds.cpu_millis_max),
            ("memory_mb", self.memory_mb, MEMORY_MB_MIN, bounds.memory_mb_max),
            ("pids", self.pids, PIDS_MIN, bounds.pids_max),
        ];
        for (field, value, min, max) in checks {
            let problem = if value < min {
                "is less than a container needs"
            } else if value > max {
                "is more than a container may have"
            } else {
                continue;
            };
            return Err(OutOfBounds { field, problem });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processors_and_four_gigabytes_unless_said_otherwise() {
        let default = Resources::default();
        assert_eq!((default.cpu_millis, default.memory_mb), (2_000, 4_096));
        assert_eq!(default.check(&ResourceBounds::default()), Ok(()));
    }

    #[test]
    fn limits_are_bounded_on_both_sides() {
        let default = Resources::default();
        let check = |resources: Resources, field: &str| {
            let refused = resources.check(&ResourceBounds::default()).unwrap_err();
            assert_eq!(refused.field, field);
        };
        for cpu_millis in [0, 49, 64_001] {
            check(Resources { cpu_millis, ..default }, "cpus");
        }
        for memory_mb in [0, 15, 262_145] {
            check(Resources { memory_mb, ..default }, "memory_mb");
        }
        for pids in [0, 7, 32_769] {
            check(Resources { pids, ..default }, "pids");
        }
    }
}
