//! Who may enter the containers of an organization, as its gateway and Ganymede tell each other: a one-time code becomes a
//! visit, and a visit lasts as long as the session that it came from.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Token;
use crate::id::UserId;

/// A browser's session at Ganymede, by what is stored of it: it names the session and opens nothing.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionDigest(pub String);

impl fmt::Debug for SessionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionDigest(..)")
    }
}

/// `POST /gateway/visit`: somebody came back from Ganymede to a container's host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitRequest {
    /// What they brought: a ticket.
    pub code: Token,
    /// The host that they came to.
    pub host: String,
    /// What a cookie of that host remembers of how they left: its digest, SHA-256 in base64url.
    pub nonce: String,
}

/// They may enter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visit {
    /// What they show from now on at that host, and nowhere else.
    pub token: Token,
    /// How long it lives at most, in seconds.
    pub ttl_s: u64,
}

/// `POST /gateway/visit/standing`: whether a session that a visit came from is still one of that user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitStanding {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub session: SessionDigest,
}
