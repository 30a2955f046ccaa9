//! The two kinds of token of the sign-in gate: a ticket takes a browser from Ganymede to a container's host, a visit keeps
//! it there.

use std::time::{Duration, SystemTime};

use orrery_protocol::{
    control::{SessionDigest, Token},
    id::UserId,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{GANYMEDE_AUDIENCE, TokenError, TokenKeys, VerifyingKeys, kinds::Kind};

/// `ticket`: whoever brings it to that host, with the cookie that they left it with, is that user. Good once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketClaims {
    /// Makes it unlike any other.
    pub jti: Uuid,
    /// Who.
    #[serde(rename = "sub")]
    pub user: UserId,
    /// By which session.
    pub session: SessionDigest,
    /// To which host of a container.
    pub host: String,
    /// Digest of what the cookie holds.
    pub nonce: String,
}

/// `visit`: this is that user, at that host, for as long as that session lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitClaims {
    /// Who.
    #[serde(rename = "sub")]
    pub user: UserId,
    /// By which session.
    pub session: SessionDigest,
}

impl Kind for TicketClaims {
    const NAME: &'static str = "ticket";
}

impl Kind for VisitClaims {
    const NAME: &'static str = "visit";
}

impl TicketClaims {
    /// How long a ticket lives.
    pub const TTL: Duration = Duration::from_secs(60);
}

impl VisitClaims {
    /// How long a visit lasts at most.
    pub const TTL: Duration = Duration::from_secs(7 * 24 * 3600);
}

/// The audience of visits at one host alone.
fn one_host(host: &str) -> String {
    format!("host:{host}")
}

impl TokenKeys {
    /// A ticket.
    ///
    /// # Errors
    /// The clock is before 1970, or the key does not sign.
    pub fn sign_ticket(&self, claims: &TicketClaims, now: SystemTime) -> Result<Token, TokenError> {
        self.sign(claims, &[GANYMEDE_AUDIENCE], now, TicketClaims::TTL)
    }

    /// A visit at `host` alone.
    ///
    /// # Errors
    /// The clock is before 1970, or the key does not sign.
    pub fn sign_visit(&self, claims: &VisitClaims, host: &str, now: SystemTime) -> Result<Token, TokenError> {
        self.sign(claims, &[&one_host(host)], now, VisitClaims::TTL)
    }
}

impl VerifyingKeys {
    /// What a ticket says, and when it ends. Whether it was used is for [`Visits`](crate::visits::Visits) to say.
    ///
    /// # Errors
    /// It is none of ours, or too old.
    pub fn ticket(&self, token: &str, now: SystemTime) -> Result<(TicketClaims, SystemTime), TokenError> {
        self.verify(token, &[GANYMEDE_AUDIENCE], now)
    }

    /// Who visits `host`, and until when at most. Whether the session lasts is Ganymede's to say.
    ///
    /// # Errors
    /// It is none of ours, for another host, or over.
    pub fn visit(&self, token: &str, host: &str, now: SystemTime) -> Result<(VisitClaims, SystemTime), TokenError> {
        self.verify(token, &[&one_host(host)], now)
    }
}
