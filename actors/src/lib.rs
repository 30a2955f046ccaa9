//! The imperative shell of a gateway: mailboxes, sockets that can be written, the clock, the journal.
//!
//! ```text
//! Gateways ── one per organization ──> Gateway ── one per open document ──> Room ── drives ──> protocol::room::Room
//!                                                                            │  ^
//!                             peers' sockets <── Outbox (frames) ────────────┘  └── Inbox (what peers did) <── peers
//! ```
//! Handlers build the input, call `handle`, perform the effects; what is decided is decided in `orrery-protocol`.

mod clock;
mod gateway;
mod gateways;
mod inbox;
mod journal;
mod outbox;
mod room;

pub use clock::Clock;
pub use gateway::{GatewayConfig, GatewayReport, OpenError};
pub use gateways::Gateways;
pub use inbox::{Arrival, Inbox};
pub use journal::{Append, Journal, JournalError};
pub use outbox::{Flushed, Outbox};
pub use room::{RoomHandle, RoomStatus};
