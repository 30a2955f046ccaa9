//! What can go wrong in the pool: one struct per fact, one enum per operation.

use std::time::Duration;

use orrery_protocol::{
    allocation::Step,
    id::{Epoch, GatewayId, OrgId, SlotId},
};

use crate::{database::DatabaseError, tokens::TokenError};

/// Who asks does not serve the organization any more, or never did. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("epoch {epoch} of organization {organization_id} is over")]
pub struct StaleEpoch {
    /// The organization.
    pub organization_id: OrgId,
    /// The epoch that was given.
    pub epoch: Epoch,
}

/// Why an organization is not served. The tables, the routes and the pool are as before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// Every slot is taken.
    #[error("no gateway slot is free")]
    PoolExhausted {
        /// When to ask again.
        retry_after: Duration,
    },
    /// There is no such organization.
    #[error("organization {0} does not exist")]
    UnknownOrg(OrgId),
    /// A step failed, and was undone.
    #[error("step {step} failed: {reason}")]
    Failed {
        /// Which.
        step: Step,
        /// Why; for logs.
        reason: String,
    },
    /// The data base does not answer.
    #[error("the data base failed: {0}")]
    Database(String),
}

impl From<DatabaseError> for StartError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error.to_string())
    }
}

/// Why a slot was not drained.
#[derive(Debug, thiserror::Error)]
pub enum DrainError {
    /// There is no such slot.
    #[error("slot {0} does not exist")]
    UnknownSlot(SlotId),
    /// No other slot is free. Nothing was changed.
    #[error("no other gateway slot is free")]
    PoolExhausted {
        /// When to ask again.
        retry_after: Duration,
    },
    /// A step failed before anything was changed for good. The organization stays where it is.
    #[error("the organization stays: {0}")]
    Failed(String),
    /// The organization left the slot and could not be served elsewhere at once; the pool keeps trying.
    #[error("the organization left the slot and is not served yet: {0}")]
    NotServed(#[source] StartError),
    /// The data base does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why a gateway is not told about an organization.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The handshake is none of ours, is for somebody else, or has expired.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The handshake was used before, or its allocation is over.
    #[error("the handshake was used before or is over")]
    HandshakeOver,
    /// The gateway does not serve the organization any more.
    #[error(transparent)]
    Stale(#[from] StaleEpoch),
    /// There is no such gateway, or it was revoked.
    #[error(transparent)]
    UnknownGateway(#[from] UnknownGateway),
    /// The organization was deleted meanwhile.
    #[error("organization {0} does not exist")]
    UnknownOrg(OrgId),
    /// What is stored of the organization cannot be read.
    #[error(transparent)]
    State(#[from] crate::data::StateError),
    /// The data base does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// A gateway that is not registered, or not any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("gateway {0} is not registered")]
pub struct UnknownGateway(pub GatewayId);

/// Why a lease was not renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The gateway does not serve the organization any more: it stops.
    #[error(transparent)]
    Stale(#[from] StaleEpoch),
    /// No new token could be signed.
    #[error(transparent)]
    Token(#[from] TokenError),
}

/// Why a stop was refused.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// The organization is served under another epoch. Nothing was changed.
    #[error(transparent)]
    Stale(#[from] StaleEpoch),
    /// The data base does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why no gateway was registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// No number is left for it.
    #[error("there are too many gateways")]
    TooMany,
    /// No token could be signed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The data base does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why a gateway was not taken into the pool.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// There is no such gateway, or it was revoked.
    #[error(transparent)]
    UnknownGateway(#[from] UnknownGateway),
    /// It announces more slots than a gateway may have, or none.
    #[error("{0} slots; a gateway has 1 to 1,024")]
    Slots(u16),
    /// It says that it listens nowhere.
    #[error("{0:?} is no address of a gateway")]
    Listen(String),
    /// The data base does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}
