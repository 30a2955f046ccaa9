//! What each kind of token says, to whom, and for how long.

use std::time::Duration;

use orrery_protocol::id::{ContainerId, Epoch, GatewayId, OrgId, ProjectId, SlotId, UserId};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use uuid::Uuid;

/// One kind of token.
pub(super) trait Kind: Serialize + DeserializeOwned {
    /// Its name, as the claim `kind`.
    const NAME: &'static str;
}

/// `access`: this is that user. What the user may do is not in it: whoever serves an organization knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Who.
    #[serde(rename = "sub")]
    pub user: UserId,
    /// The name shown to others. Chosen by the user: never trust it, never render it as markup.
    pub name: String,
    /// Whether it manages nothing, as the API key that got it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub only_uses: bool,
}

/// `pool`: this is that gateway process. It may announce itself and answer handshakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolClaims {
    /// Which.
    #[serde(rename = "sub")]
    pub gateway: GatewayId,
}

/// `gateway`: this gateway serves that organization under this epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayClaims {
    /// Which gateway.
    #[serde(rename = "sub")]
    pub gateway: GatewayId,
    /// Which organization.
    pub org: OrgId,
    /// Under which epoch.
    pub epoch: Epoch,
}

/// `container`: this is that generation of that container. Whether it is there is its gateway's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerClaims {
    /// Which.
    #[serde(rename = "sub")]
    pub container: ContainerId,
    /// Of which organization.
    pub org: OrgId,
    /// Of which project.
    pub project: ProjectId,
    /// Which generation of it.
    pub generation: u32,
}

/// `handshake`: the gateway that it is for may fetch the configuration of that organization, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandshakeClaims {
    /// Makes it unlike any other.
    pub jti: Uuid,
    /// Which organization.
    pub org: OrgId,
    /// Under which epoch.
    pub epoch: Epoch,
    /// In which slot.
    pub slot: SlotId,
}

/// `order`: Ganymede wants the gateway that it is for to stop or to refresh that organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderClaims {
    /// Which organization.
    pub org: OrgId,
    /// Under which epoch. A gateway that serves it under a newer one ignores the order.
    pub epoch: Epoch,
}

/// `operator`: whoever holds the signing keys of this installation. Ganymede gives it to nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct OperatorClaims {}

impl Kind for AccessClaims {
    const NAME: &'static str = "access";
}

impl Kind for PoolClaims {
    const NAME: &'static str = "pool";
}

impl Kind for GatewayClaims {
    const NAME: &'static str = "gateway";
}

impl Kind for ContainerClaims {
    const NAME: &'static str = "container";
}

impl Kind for HandshakeClaims {
    const NAME: &'static str = "handshake";
}

impl Kind for OrderClaims {
    const NAME: &'static str = "order";
}

impl Kind for OperatorClaims {
    const NAME: &'static str = "operator";
}

impl PoolClaims {
    // It stands in a file beside the gateway and nobody renews it there; who is to lose it is taken out of the pool.
    pub(super) const TTL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
}

impl GatewayClaims {
    /// How long a gateway's token lives.
    pub const TTL: Duration = Duration::from_secs(3600);
}

impl ContainerClaims {
    // What a container is given when it is made it keeps: there is no way to give it another one.
    pub(super) const TTL: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
}

impl HandshakeClaims {
    // Used at once, and once; the rest is for clocks that differ.
    pub(super) const TTL: Duration = Duration::from_secs(60);
}

impl OrderClaims {
    // Taken at once; the rest is for clocks that differ.
    pub(super) const TTL: Duration = Duration::from_secs(60);
}

impl OperatorClaims {
    pub(super) const TTL: Duration = Duration::from_secs(120);
}
