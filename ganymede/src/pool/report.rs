//! What the pool says of its slots.

use std::{fmt, time::SystemTime};

use orrery_protocol::{
    allocation::Step,
    id::{Epoch, GatewayId, OrgId, SlotId},
};

/// What a slot is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotState {
    /// Waits for an organization.
    Ready,
    /// Serves one, or is about to.
    Allocated,
    /// Gives one away.
    Draining,
    /// Its gateway did not renew or did not answer. Ready when the gateway announces itself again.
    Lost,
}

impl SlotState {
    /// As it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Allocated => "allocated",
            Self::Draining => "draining",
            Self::Lost => "lost",
        }
    }
}

impl fmt::Display for SlotState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One slot of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotReport {
    /// Its number in the installation.
    pub slot: SlotId,
    /// Whose it is.
    pub gateway: GatewayId,
    /// Where that gateway listens; `None` for the one in this process.
    pub listen: Option<String>,
    /// What it is doing.
    pub state: SlotState,
    /// The organization in it.
    pub organization_id: Option<OrgId>,
    /// The epoch of that organization.
    pub epoch: Option<Epoch>,
    /// How far the allocation has come.
    pub step: Option<Step>,
    /// When the allocation began.
    pub since: Option<SystemTime>,
    /// When its gateway renewed the lease last.
    pub renewed_at: Option<SystemTime>,
}
