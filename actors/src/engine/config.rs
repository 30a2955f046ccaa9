//! How an engine is found and used.

use std::path::PathBuf;

use orrery_protocol::container::plan::PlanClocks;
use serde::{Deserialize, Serialize};

/// Whether containers are run here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineUse {
    /// If there is an engine, now or later.
    #[default]
    Auto,
    /// An engine that is away is a fault.
    On,
    /// Containers are kept and none is run.
    Off,
}

/// How containers are reached from this process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ports {
    /// By their addresses, unless the engine says that it runs where these cannot be reached.
    #[default]
    Auto,
    /// By their addresses on their organization's network.
    Bridge,
    /// By ports of the loopback interface.
    Publish,
}

/// The container engine of this host. Configurable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineConfig {
    /// Whether containers are run here.
    pub enabled: EngineUse,
    /// The engine's socket.
    pub socket: PathBuf,
    /// How containers are reached.
    pub ports: Ports,
    /// How often what does not work is tried again, and what works is looked at.
    pub clocks: EngineClocks,
    /// How much of what a container prints is kept, in MiB, in each of two files.
    pub log_mb: u32,
}

/// The clocks of an engine, in milliseconds. Configurable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EngineClocks {
    /// All containers are looked at this often, whatever the engine tells of them.
    pub period_ms: u64,
    /// While one is on its way to what it shall be, this often.
    pub busy_period_ms: u64,
    /// What the engine tells is gathered for this long.
    pub gather_ms: u64,
    /// What fails is first tried again after this long, then after twice as long, and so on.
    pub retry_ms: u64,
    /// But never later than this.
    pub retry_ms_max: u64,
    /// Services are asked this often whether they answer.
    pub probe_ms: u64,
    /// One that has not answered since it started, this often.
    pub probe_starting_ms: u64,
    /// But only for this long; then like the others.
    pub starting_ms: u64,
    /// A service that takes longer does not answer.
    pub probe_limit_ms: u64,
    /// A registry that says nothing for so long while an image comes has gone.
    pub pull_silence_ms: u64,
    /// What belongs to nothing is removed after this long.
    pub orphan_ms: u64,
    /// What is stopped without anybody's wish may take this long.
    pub stop_grace_ms: u64,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            enabled: EngineUse::Auto,
            socket: PathBuf::from("/var/run/docker.sock"),
            ports: Ports::Auto,
            clocks: EngineClocks::default(),
            log_mb: 10,
        }
    }
}

impl Default for EngineClocks {
    fn default() -> Self {
        let plan = PlanClocks::default();
        Self {
            period_ms: 60_000,
            busy_period_ms: 1_000,
            gather_ms: 50,
            retry_ms: 1_000,
            retry_ms_max: 60_000,
            probe_ms: 30_000,
            probe_starting_ms: 1_000,
            starting_ms: 120_000,
            probe_limit_ms: 5_000,
            pull_silence_ms: 300_000,
            orphan_ms: plan.orphan_ms,
            stop_grace_ms: plan.stop_grace_ms,
        }
    }
}

impl EngineClocks {
    pub(super) fn plan(&self) -> PlanClocks {
        PlanClocks { orphan_ms: self.orphan_ms, stop_grace_ms: self.stop_grace_ms }
    }
}
