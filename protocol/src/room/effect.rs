//! What goes into a room and what comes out of it, as data.

use bytes::Bytes;

use crate::{
    access::{Principal, Role},
    document::Quarantined,
    guard::{Malformed, PeerMessage},
    id::{PeerId, UserId},
    record::StoredDocument,
};

/// Why the engine closes a peer. The numbers are WebSocket close codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum CloseCode {
    /// The room's gateway moves, restarts or shuts down: reconnect.
    Restarting = 1012,
    /// The peer reads too slowly, or what its updates build on is too slow to come: reconnect.
    TooSlow = 1013,
    /// A message above the limit.
    TooLarge = 1009,
    /// A message that is not what it claims to be.
    Malformed = 4400,
    /// The token expired or the membership ended.
    AccessEnded = 4401,
    /// The peer keeps writing what it may not write.
    Forbidden = 4403,
    /// A replica of `system` from before it was made anew: start from an empty document.
    Stale = 4410,
}

/// A peer that joins.
#[derive(Debug, Clone)]
pub struct Join {
    /// The connection.
    pub peer: PeerId,
    /// Who is behind it.
    pub principal: Principal,
    /// Whether it asked for Orrery's own messages 100 and 101.
    pub extended: bool,
}

/// What a peer did, in the order it did it.
#[derive(Debug, Clone)]
pub enum Received {
    /// A message that the guard accepted.
    Message(PeerMessage),
    /// A pong.
    Pong,
    /// Something that is not a message, and the code to close with.
    Fault(CloseCode, Fault),
    /// The connection is gone.
    Left,
}

/// What was wrong with what a peer sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Bytes that are not what they claim to be.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// WebSocket framing against RFC 6455, a text message, or a message above the limit.
    #[error("{0}")]
    Frame(String),
    /// An update that nests shared types more than [`crate::limits::NESTING_DEPTH_MAX`] deep.
    #[error("shared types nested too deeply")]
    TooDeep,
    /// An update that passed the guard and that the document could not take.
    #[error("update cannot be applied: {0}")]
    Poison(String),
}

/// Everything that can happen to a room.
#[derive(Debug)]
pub enum Input {
    /// A peer joins.
    Join(Join),
    /// What peers did since the last time, oldest first.
    Received(Vec<(PeerId, Received)>),
    /// A peer's socket took less than it was sent; the rest is queued. Handled before any further input.
    Backlogged(PeerId),
    /// A peer's queue was full and is dropped. Handled before any further input.
    Overflowed(PeerId),
    /// A backlogged peer's queue is empty again.
    Drained(PeerId),
    /// A backlogged peer made no progress for too long.
    Stuck(PeerId),
    /// Everything up to this sequence is on disk.
    Durable(u64),
    /// A snapshot was stored; it covers everything up to this sequence.
    SnapshotStored(u64),
    /// A snapshot could not be stored.
    SnapshotFailed,
    /// The document as it is on disk, for a room that asked to be rebuilt.
    Reloaded(StoredDocument),
    /// Updates of the gateway itself, durable already: for everybody to see, and nobody's to be confirmed.
    Publish(Vec<Bytes>),
    /// Something that is so now, as JSON: for extended peers that read, and lost on all others.
    Ephemeral(String),
    /// A member has this role now, or none any more. Connections that were made under another one end.
    Role(UserId, Option<Role>),
    /// Take no more peers or updates, bring everything to disk, then say so.
    Drain,
    /// Time passed.
    Tick,
}

/// Frames for all peers but those that `parts` name, which get all parts but their own.
#[derive(Debug, Clone)]
pub struct Broadcast {
    /// Whole WebSocket frames.
    pub frames: Bytes,
    /// Who sent which stretch: consecutive, in order, ends exclusive in bytes.
    pub parts: Vec<(PeerId, usize)>,
    /// Peers that must not get it, ascending: they will be brought up to date otherwise, or are being closed.
    pub except: Vec<PeerId>,
}

/// What a room wants done, in order.
#[derive(Debug)]
pub enum Effect {
    /// Frames for one peer.
    Send(PeerId, Bytes),
    /// Answers to state vectors, and the diff for a peer whose queue was dropped: to be appended to its queue whatever
    /// their size, and kept when that is dropped. They may be larger than a queue, and come only to peers that read.
    Resync(PeerId, Bytes),
    /// Frames for many peers.
    Broadcast(Broadcast),
    /// Updates for the journal, in order; the first has this sequence.
    Append {
        /// Sequence of the first update.
        first_seq: u64,
        /// The updates.
        updates: Vec<Bytes>,
    },
    /// A whole state for the store.
    Snapshot {
        /// Everything up to this sequence is in it, and durable; it may hold more.
        covers_seq: u64,
        /// The encoded document.
        state: Bytes,
    },
    /// A WebSocket ping.
    Ping(PeerId),
    /// Close the socket; the room has already forgotten the peer.
    Close(PeerId, CloseCode, String),
    /// The document is broken: load it again once everything appended is durable, and give it back as `Reloaded`.
    Reload,
    /// These stored updates could not be applied when it was loaded again. They stay stored.
    LeftOut(Vec<Quarantined>),
    /// The stored snapshot could not be applied, for this reason: without it the room must not go on.
    Unreadable(String),
    /// Drained: no peers, everything durable and in a snapshot.
    Drained,
    /// Nobody needs this room any more; it may be unloaded.
    Idle,
    /// Extended peers are here now, or are not any more.
    Watched(bool),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_for_clients_has_every_close_code() {
        let page = include_str!("../../../docs/clients.md");
        for code in [
            CloseCode::Restarting,
            CloseCode::TooSlow,
            CloseCode::TooLarge,
            CloseCode::Malformed,
            CloseCode::AccessEnded,
            CloseCode::Forbidden,
            CloseCode::Stale,
        ] {
            let row = format!("| `{}` |", code as u16);
            assert!(page.contains(&row), "docs/clients.md needs: {row}");
        }
    }
}
