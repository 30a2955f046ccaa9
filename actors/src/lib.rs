//! The imperative shell of a gateway: mailboxes, sockets that can be written, the clock, the journal, Ganymede's client.
//!
//! ```text
//! Gateways ── one per organization that is allocated here ──> Keeper (lease, idleness, brief)
//!                                                               └──> Gateway ── one per open document ──> Room
//!                                                                     (rooms, commands)                   │  ^
//!                             peers' sockets <── Outbox (frames) ─────────────────────────────────────────┘  │
//!                                                Inbox (what peers did) <── peers ───────────────────────────┘
//! ```
//! Handlers build the input, call `handle`, perform the effects; what is decided is decided in `orrery-protocol`.

mod activity;
mod clock;
mod control_plane;
pub mod engine;
#[cfg(any(test, feature = "fake-ganymede"))]
pub mod fake;
mod gateway;
mod gateways;
mod inbox;
mod journal;
mod keeper;
pub mod nginx;
mod outbox;
mod places;
mod receipt;
mod remote;
mod room;
mod route_tables;

pub use clock::Clock;
pub use control_plane::{Ask, ControlError, ControlPlane, Tenure};
pub use gateway::{CommandError, ContainerRules, GatewayConfig, GatewayReport, OpenError};
pub use gateways::{ContainerBearer, Gateways, LogsError, ServeError};
pub use inbox::{Arrival, Inbox};
pub use journal::{Append, Journal, JournalError};
pub use keeper::{KeeperReport, ReleaseReason};
pub use outbox::{Flushed, Outbox};
pub use remote::{RemoteControlPlane, RemoteError, RemoteOptions};
pub use room::{RoomHandle, RoomStatus};
pub use route_tables::RouteTables;
