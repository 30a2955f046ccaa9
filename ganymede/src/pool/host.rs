//! What the pool asks of a gateway, whether it lives in this process or in another.

use async_trait::async_trait;
use orrery_protocol::{
    control::Start,
    id::{Epoch, GatewayId, OrgId},
};

/// Which gateway, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayAddress {
    /// In this process.
    Local {
        /// Which.
        gateway: GatewayId,
    },
    /// Another process.
    Remote {
        /// Which.
        gateway: GatewayId,
        /// As it announced itself: `127.0.0.1:7101`, or a URL.
        listen: String,
    },
}

impl GatewayAddress {
    /// Which gateway.
    pub const fn gateway(&self) -> GatewayId {
        match self {
            Self::Local { gateway } | Self::Remote { gateway, .. } => *gateway,
        }
    }
}

/// Why a gateway did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nobody answered in time, or the connection broke: it may have been done or not.
    #[error("the gateway does not answer: {0}")]
    Unreachable(String),
    /// It answered, and refused.
    #[error("the gateway refused: {0}")]
    Refused(String),
}

/// A gateway as the pool sees it. Each call is safe to repeat.
#[async_trait]
pub trait SlotHost: Send + Sync + 'static {
    /// Serve the organization: fetch the configuration with the handshake, make ready, and answer when requests may come.
    async fn start(&self, gateway: &GatewayAddress, epoch: Epoch, start: Start) -> Result<(), HostError>;

    /// Serve the organization no longer: stop accepting, close peers, flush and push, and answer when everything
    /// is with Ganymede. Not serving it under this epoch is fine.
    async fn stop(&self, gateway: &GatewayAddress, organization_id: OrgId, epoch: Epoch) -> Result<(), HostError>;

    /// The organization's members, roles or projects changed: fetch the configuration again, and answer when it is acted upon.
    async fn refresh(&self, gateway: &GatewayAddress, organization_id: OrgId, epoch: Epoch) -> Result<(), HostError>;
}
