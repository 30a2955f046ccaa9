//! The guard: walks every message of a peer before anything else reads it. One linear pass, not recursive, allocating
//! nothing. What stock Yjs 13.6 writes is accepted; what is accepted, neither yrs nor Yjs stumbles over. Owns the wire
//! grammar and its bounds; knows nothing of documents, rooms or permissions.

pub mod any;
pub mod awareness;
mod clients;
pub mod message;
pub mod state_vector;
pub mod update;
mod visitor;

pub use awareness::{AwarenessEntry, scan_awareness, walk_awareness};
pub use message::{PeerMessage, read_messages};
pub use state_vector::walk_state_vector;
pub use update::walk_update;
pub use visitor::{Place, Structure, UpdateVisitor};

use std::fmt;

use crate::{id::ClientId, lib0::Reader};

/// The largest clock. yrs computes distances between clocks in `i32`.
pub const CLOCK_MAX: u32 = i32::MAX as u32;

/// Bytes of a peer that are not what they claim to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {offset}")]
pub struct Malformed {
    /// What is wrong.
    pub what: MalformedKind,
    /// Where, from the start of the bytes that were walked.
    pub offset: usize,
}

impl Malformed {
    /// The same fault in bytes that start at `start` of a larger message.
    pub(crate) const fn within(self, start: usize) -> Self {
        Self { what: self.what, offset: self.offset + start }
    }
}

/// What can be wrong with bytes of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MalformedKind {
    /// The bytes end inside a value.
    Truncated,
    /// Bytes follow the last value.
    Trailing,
    /// A number above 53 bits, or not in its shortest form.
    Varint,
    /// A text that is not UTF-8.
    Utf8,
    /// A claimed count that the bytes left cannot hold.
    Count,
    /// A count above its limit.
    TooMany,
    /// A name, key or state above its limit.
    TooLong,
    /// A clock, or a clock and length, above [`CLOCK_MAX`].
    Clock,
    /// A struct, section or range of length zero.
    Empty,
    /// Info bits that Yjs never writes.
    Info,
    /// A parent that is neither a root name nor an id.
    Parent,
    /// Content that is unknown, or that yrs and Yjs read differently.
    Content,
    /// A shared type that is unknown, or that yrs and Yjs read differently.
    TypeRef,
    /// A struct that depends on itself or on a later one of its own client.
    Reference,
    /// One client twice, too many clients in no order, or too many that were chosen to collide.
    Clients,
    /// Ranges of a delete set that overlap or do not ascend.
    Ranges,
    /// A value of unknown kind.
    Any,
    /// Values nested too deeply.
    Depth,
    /// A text that is not JSON.
    Json,
    /// A message type, or sub-type, that a peer may not send.
    MessageType,
    /// A frame without a message.
    EmptyFrame,
}

impl fmt::Display for MalformedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "unexpected end",
            Self::Trailing => "trailing bytes",
            Self::Varint => "number above 53 bits or not in its shortest form",
            Self::Utf8 => "text that is not utf-8",
            Self::Count => "count that the bytes left cannot hold",
            Self::TooMany => "count above its limit",
            Self::TooLong => "name, key or state above its limit",
            Self::Clock => "clock above 31 bits",
            Self::Empty => "length of zero",
            Self::Info => "unknown info bits",
            Self::Parent => "unknown kind of parent",
            Self::Content => "unknown or unsupported content",
            Self::TypeRef => "unknown or unsupported shared type",
            Self::Reference => "reference to itself or to a later struct",
            Self::Clients => "repeated, unordered or colliding clients",
            Self::Ranges => "overlapping or unordered delete ranges",
            Self::Any => "value of unknown kind",
            Self::Depth => "values nested too deeply",
            Self::Json => "text that is not json",
            Self::MessageType => "unexpected message type",
            Self::EmptyFrame => "empty frame",
        })
    }
}

/// Readings that every message shares.
impl<'a> Reader<'a> {
    /// A client id.
    #[inline]
    pub(crate) fn client(&mut self) -> Result<ClientId, Malformed> {
        let fault = self.malformed(MalformedKind::Varint);
        ClientId::new(self.var_uint()?).ok_or(fault)
    }

    /// A clock, or a number of clock ticks.
    #[inline]
    pub(crate) fn clock(&mut self) -> Result<u32, Malformed> {
        let fault = self.malformed(MalformedKind::Clock);
        match u32::try_from(self.var_uint()?) {
            Ok(clock) if clock <= CLOCK_MAX => Ok(clock),
            Ok(_) | Err(_) => Err(fault),
        }
    }

    /// A count of things of at least `bytes_min` bytes each, at most `max`.
    #[inline]
    pub(crate) fn count(&mut self, max: u64, bytes_min: usize) -> Result<u64, Malformed> {
        let at = self.position();
        let count = self.var_uint()?;
        let what = if count > (self.remaining() / bytes_min) as u64 {
            MalformedKind::Count
        } else if count > max {
            MalformedKind::TooMany
        } else {
            return Ok(count);
        };
        Err(Malformed { what, offset: at })
    }

    /// A text of at most `bytes_max` bytes.
    #[inline]
    pub(crate) fn bounded_str(&mut self, bytes_max: usize) -> Result<&'a str, Malformed> {
        let fault = self.malformed(MalformedKind::TooLong);
        let text = self.var_str()?;
        if text.len() <= bytes_max { Ok(text) } else { Err(fault) }
    }

    /// Nothing may follow.
    #[inline]
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.is_empty() { Ok(()) } else { Err(self.malformed(MalformedKind::Trailing)) }
    }
}

/// `clock + len`, at most [`CLOCK_MAX`].
#[inline]
fn clock_end(clock: u32, len: u32) -> Option<u32> {
    clock.checked_add(len).filter(|&end| end <= CLOCK_MAX)
}
