//! The token that goes along with what Ganymede passes on to a gateway in another process: what such a request says of who
//! asks, Ganymede said.

use std::time::{Duration, SystemTime};

use orrery_protocol::{control::Token, id::GatewayId};
use serde::{Deserialize, Serialize};

use super::{TokenError, TokenKeys, VerifyingKeys, kinds::Kind, verify::one_gateway};

/// `forward`: Ganymede passed this on to the gateway that it is for. Says nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForwardClaims {}

impl Kind for ForwardClaims {
    const NAME: &'static str = "forward";
}

impl ForwardClaims {
    /// How long it lives. It goes along with many requests.
    pub const TTL: Duration = Duration::from_secs(60);
}

impl TokenKeys {
    /// What goes along with requests to `gateway` alone.
    ///
    /// # Errors
    /// The clock is before 1970, or the key does not sign.
    pub fn sign_forward(&self, gateway: GatewayId, now: SystemTime) -> Result<Token, TokenError> {
        self.sign(&ForwardClaims {}, &[&one_gateway(gateway)], now, ForwardClaims::TTL)
    }
}

impl VerifyingKeys {
    /// Until when what comes with this token was passed on by Ganymede, to the gateway `me`.
    ///
    /// # Errors
    /// It is none of ours, for another gateway, or too old.
    pub fn forward(&self, token: &str, me: GatewayId, now: SystemTime) -> Result<SystemTime, TokenError> {
        self.verify::<ForwardClaims>(token, &[&one_gateway(me)], now).map(|(_, expires_at)| expires_at)
    }
}
