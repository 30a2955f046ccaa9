//! Every limit of the engine, in one place. Crossing one is a named outcome where it is checked.

use serde::{Deserialize, Serialize};

/// Longest document name after `doc:`, in bytes of its closed alphabet.
pub const DOCUMENT_NAME_BYTES_MAX: usize = 120;

/// Deepest nesting of `Any` values and of JSON that a peer may send. Decoders behind the guard recurse.
pub const VALUE_DEPTH_MAX: usize = 64;

/// Deepest nesting of shared types in a document. yrs and Yjs delete them by recursion.
pub const NESTING_DEPTH_MAX: u32 = 1_000;

/// How many times the size of a fresh copy the `system` document may reach before it is made anew.
pub const SYSTEM_GROWTH_MAX: usize = 4;

/// Longest name of a root type or key of a map, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;

/// Most messages in one frame. Stock clients send one. A message of one byte costs its reader many, so without a limit a
/// frame would grow in memory by a factor of a hundred.
pub const FRAME_MESSAGES_MAX: usize = 256;

/// Most bytes that wait for one room, however much of it may be unsaved. A room takes all of it at once and for a moment
/// holds each byte several times: as it came, joined, framed, and on its way to disk.
pub const INBOX_BYTES_MAX: usize = 1 << 20;

/// What one peer message may cost. Configurable; the defaults are those of the contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WireLimits {
    /// Largest WebSocket message, in bytes. Larger: close 1009.
    pub frame_bytes_max: usize,
    /// Largest awareness state of one client, in bytes of JSON. Larger: close 4400.
    pub awareness_entry_bytes_max: usize,
    /// Most entries of one awareness message.
    pub awareness_entries_max: u64,
    /// Most client sections of one update or state vector.
    pub clients_max: u64,
    /// Most structs (items, garbage-collected runs, skips) of one update, and most ranges of its delete set.
    pub structs_max: u64,
}

impl Default for WireLimits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 16 << 20,
            awareness_entry_bytes_max: 64 << 10,
            awareness_entries_max: 4096,
            clients_max: 1 << 18,
            structs_max: 4 << 20,
        }
    }
}

/// What one room may hold for its peers. Configurable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoomLimits {
    /// Bytes accepted from peers and not yet durable; beyond them the room's peers are not read.
    pub unsaved_bytes_max: usize,
    /// Bytes queued for one peer beside what its socket holds; beyond them the queue is replaced by a diff.
    pub peer_queue_bytes_max: usize,
    /// Bytes of updates held because something they depend on has not arrived; beyond them the oldest go.
    pub held_bytes_max: usize,
    /// Number of such updates.
    pub held_updates_max: usize,
    /// Refused writes of one peer before it is closed with 4403.
    pub refusals_max: u32,
    /// Most peers of one room. Beyond: 429 before the upgrade.
    pub peers_max: usize,
}

impl Default for RoomLimits {
    fn default() -> Self {
        Self {
            unsaved_bytes_max: 8 << 20,
            peer_queue_bytes_max: 256 << 10,
            held_bytes_max: 4 << 20,
            held_updates_max: 4096,
            refusals_max: 100,
            peers_max: 10_000,
        }
    }
}

/// Clocks of a room, in milliseconds. Configurable so that tests need not wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoomClocks {
    /// A peer that heard nothing for this long is sent an empty awareness message (stock clients give up at 30 s).
    pub keep_alive_ms: u64,
    /// Between two WebSocket pings; without a pong for a further interval the peer is closed.
    pub ping_ms: u64,
    /// Awareness that was not renewed for this long is removed.
    pub awareness_timeout_ms: u64,
    /// Shortest time between two awareness broadcasts of a room.
    pub awareness_flush_ms: u64,
    /// How long a joining peer's first awareness announcement is awaited before it gets the snapshot.
    pub awareness_grace_ms: u64,
    /// A peer whose queue made no progress for this long is closed with 1013.
    pub stuck_ms: u64,
    /// Longest time between two snapshots of a room that changed.
    pub snapshot_ms: u64,
    /// A room without peers and commands unloads after this long.
    pub unload_ms: u64,
    /// A socket is held at least this long before a refusal closes it (stock clients reset their back-off on open).
    pub refusal_hold_ms: u64,
}

impl Default for RoomClocks {
    fn default() -> Self {
        Self {
            keep_alive_ms: 9_000,
            ping_ms: 30_000,
            awareness_timeout_ms: 30_000,
            awareness_flush_ms: 33,
            awareness_grace_ms: 100,
            stuck_ms: 30_000,
            snapshot_ms: 30_000,
            unload_ms: 300_000,
            refusal_hold_ms: 1_000,
        }
    }
}

/// Limits of one organization's gateway. Configurable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayLimits {
    /// Most open documents of one organization. Beyond: one that nobody is in closes; with somebody in each, 429 before the
    /// upgrade.
    pub documents_max: usize,
}

impl Default for GatewayLimits {
    fn default() -> Self {
        Self { documents_max: 1_000 }
    }
}
