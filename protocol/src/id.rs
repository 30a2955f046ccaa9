//! Identities. Owns how ids are written, parsed and bounded; knows nothing of what they name.

mod container;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::limits;
pub use container::{ContainerId, LABEL_BYTES_MAX, Slug};

/// A text that is not the id it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct InvalidId {
    /// What was given, cut to 80 characters so that a hostile id cannot fill a log.
    pub text: String,
    /// What was expected, as a noun phrase.
    pub expected: &'static str,
}

impl InvalidId {
    fn new(text: &str, expected: &'static str) -> Self {
        Self { text: text.chars().take(80).collect(), expected }
    }
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.as_hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                // Only the hyphenated form: one id has one spelling, in URLs, host names and files.
                match Uuid::try_parse(text) {
                    Ok(uuid) if text.len() == 36 => Ok(Self(uuid)),
                    Ok(_) | Err(_) => Err(InvalidId::new(text, $expected)),
                }
            }
        }
    };
}

uuid_id!(
    /// An organization: the tenant.
    OrgId, "an organization id (UUID)"
);
uuid_id!(
    /// A project of one organization.
    ProjectId, "a project id (UUID)"
);
uuid_id!(
    /// A person or a bot.
    UserId, "a user id (UUID)"
);

uuid_id!(
    /// A gateway process or the in-process pool: whatever announces slots to Ganymede.
    GatewayId, "a gateway id (UUID)"
);

/// A slot of the gateway pool. One number in the whole installation; capacity, never bound to an organization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SlotId(pub u32);

impl fmt::Display for SlotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for SlotId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        decimal(text).map(Self).ok_or_else(|| InvalidId::new(text, "a slot number"))
    }
}

/// Grows with each allocation of an organization. Whoever acts under an older one than the newest is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Epoch {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        decimal(text).map(Self).ok_or_else(|| InvalidId::new(text, "an epoch"))
    }
}

/// A number in its only spelling: digits, without a sign and without leading zeros.
fn decimal<N: FromStr>(text: &str) -> Option<N> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    if canonical { text.parse().ok() } else { None }
}

/// One WebSocket connection in a room. Unique while the process lives; never written to disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId(pub u64);

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "peer-{}", self.0)
    }
}

/// A Yjs client id: one editing replica. At most 53 bits, because JavaScript clients hold it in a double.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(u64);

impl ClientId {
    /// The largest id a JavaScript client can hold exactly.
    pub const MAX: u64 = (1 << 53) - 1;

    /// `None` above 53 bits.
    pub const fn new(id: u64) -> Option<Self> {
        if id <= Self::MAX { Some(Self(id)) } else { None }
    }

    /// The number on the wire.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which document of a project: the last segment of `/collab/{project}/{document}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DocumentName {
    /// Server-owned state: containers, images, gateway.
    System,
    /// The board: nodes, edges, layout, notes, chats.
    Board,
    /// `doc:{name}`: one editor each. The name is `[A-Za-z0-9._-]{1,120}`; `doc:` makes a file name of any of them.
    Named(String),
}

impl DocumentName {
    const EXPECTED: &'static str = "a document name (system, board, or doc: and 1 to 120 of [A-Za-z0-9._-])";
}

impl fmt::Display for DocumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => f.write_str("system"),
            Self::Board => f.write_str("board"),
            Self::Named(name) => write!(f, "doc:{name}"),
        }
    }
}

impl FromStr for DocumentName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let name = match text {
            "system" => return Ok(Self::System),
            "board" => return Ok(Self::Board),
            _ => text.strip_prefix("doc:").ok_or_else(|| InvalidId::new(text, Self::EXPECTED))?,
        };
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        let bounded = (1..=limits::DOCUMENT_NAME_BYTES_MAX).contains(&name.len());
        if bounded && name.bytes().all(allowed) {
            Ok(Self::Named(name.to_owned()))
        } else {
            Err(InvalidId::new(text, Self::EXPECTED))
        }
    }
}

/// One document of one project of one organization: the key of a room and of everything stored for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DocumentKey {
    /// The tenant.
    pub org: OrgId,
    /// The project.
    pub project: ProjectId,
    /// The document within the project.
    pub document: DocumentName,
}

impl fmt::Display for DocumentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.org, self.project, self.document)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_names_come_from_a_closed_alphabet() {
        let long = format!("doc:{}", "a".repeat(120));
        for good in ["system", "board", "doc:a", "doc:main.rs", "doc:A_b-9", "doc:.", "doc:..", long.as_str()] {
            assert_eq!(good.parse::<DocumentName>().map(|name| name.to_string()), Ok(good.to_owned()));
        }
        let long = format!("doc:{}", "a".repeat(121));
        for bad in ["", "System", "doc:", ".", "..", "doc:a/b", "doc:ä", "doc:a b", "notes", "doc:\n", long.as_str()] {
            assert!(bad.parse::<DocumentName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_uuid_has_one_spelling() {
        let text = "018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f";
        assert_eq!(text.parse::<OrgId>().map(|id| id.to_string()), Ok(text.to_owned()));
        for bad in ["", "018f4c1e2b7a7c3d9e4f5a6b7c8d9e0f", "{018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f}", "x"] {
            assert!(bad.parse::<OrgId>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_number_has_one_spelling() {
        for good in ["0", "7", "4294967295"] {
            assert_eq!(good.parse::<SlotId>().map(|slot| slot.to_string()), Ok(good.to_owned()));
            assert_eq!(good.parse::<Epoch>().map(|epoch| epoch.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "+7", "-7", "07", "00", " 7", "7 ", "0x7", "18446744073709551616"] {
            assert!(bad.parse::<SlotId>().is_err(), "{bad:?}");
            assert!(bad.parse::<Epoch>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn client_ids_fit_a_double() {
        assert!(ClientId::new(ClientId::MAX).is_some());
        assert!(ClientId::new(ClientId::MAX + 1).is_none());
    }
}
