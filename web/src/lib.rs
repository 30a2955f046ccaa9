//! The HTTP and WebSocket edge of Orrery.
//!
//! Owns what happens between the listening socket and an actor's mailbox: accepting, addressing, request ids, limits,
//! the form of every answer. Knows no document and no storage.
//!
//! ```text
//! TcpListener -> server (cap, TCP_NODELAY, hyper) -> envelope (id, time limit, headers) -> address (which org?) -> routes
//! ```

pub mod address;
pub mod envelope;
pub mod error;
pub mod health;
pub mod limits;
pub mod metrics;
pub mod routes;
pub mod server;
pub mod socket;
mod start_page;
pub mod state;
