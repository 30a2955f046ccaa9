//! Signed tokens. Owns the signing keys, the kinds of tokens, and the one place where a token becomes a statement.
//!
//! Only Ganymede signs. The kinds are a closed set; each has its own name, claims, audience and life, and its own verifying
//! function, so that none of them can stand in for another. The algorithm is pinned to EdDSA: what the header of a token
//! claims selects a key, never an algorithm.
//!
//! | kind | says | for | lives |
//! |---|---|---|---|
//! | `access` | this is that user | gateways and Ganymede | 15 min (`tokens.access_ttl_s`) |
//! | `pool` | this is that gateway | Ganymede | 10 years, while the gateway is registered |
//! | `gateway` | this gateway serves that organization under this epoch | Ganymede | 1 h, renewed with the lease |
//! | `handshake` | fetch the configuration of that organization, once | one gateway | 30 s |
//! | `container` | this is that generation of that container | gateways | 10 years, while it is there (ADR 12) |
//! | `order` | stop or refresh that organization | one gateway | 30 s |
//! | `forward` | Ganymede passed this request on | one gateway | 60 s |
//! | `ticket` | take this browser to that container's host, once | Ganymede | 60 s |
//! | `visit` | this is that user, by that session | one container's host | 7 days, while the session lasts |
//!
//! Time is the caller's: every function takes it.

mod believed;
mod follow;
mod forward;
mod gate;
mod keys;
mod kinds;
mod published;
mod verify;

#[cfg(test)]
mod tests;

pub use self::{
    follow::{FetchError, Follower, KeySource, KeysUnavailable},
    forward::ForwardClaims,
    gate::{TicketClaims, VisitClaims},
    keys::{Jwk, Jwks, KeyError, TokenKeys},
    kinds::{AccessClaims, ContainerClaims, GatewayClaims, HandshakeClaims, OrderClaims, PoolClaims},
    published::PublishedKeys,
    verify::{Access, VerifyingKeys},
};

/// Who signs.
pub const ISSUER: &str = "orrery-ganymede";

/// Gateways, all of them.
pub const GATEWAY_AUDIENCE: &str = "orrery-gateway";

/// Ganymede itself.
pub const GANYMEDE_AUDIENCE: &str = "orrery-ganymede";

/// Longest token that is looked at, in bytes. Ours are under 1,000.
pub const TOKEN_BYTES_MAX: usize = 4096;

/// Why a token is refused. Deliberately coarse: a peer learns nothing about keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of ours, whatever is wrong with it.
    #[error("the token is not valid")]
    Invalid,
    /// It was ours once.
    #[error("the token has expired")]
    Expired,
}
