//! The HTTP and WebSocket edge of Orrery.
//!
//! Owns what happens between the listening socket and an actor's mailbox: accepting, addressing, request ids, limits,
//! the form of every answer. Knows no document and no storage.
//!
//! ```text
//! TcpListener -> server (cap, TCP_NODELAY, hyper) -> envelope (id, time limit, headers) -> address (which org?) -> routes
//!                                                                                           └> front (which container?)
//! ```

pub mod address;
mod admission;
mod api;
mod authentication;
pub mod dispatch;
pub mod envelope;
pub mod error;
mod forward;
pub mod front;
mod gate;
mod gateway_api;
pub mod health;
mod internal;
pub mod limits;
mod message;
pub mod metrics;
mod openapi;
mod percent;
pub mod proxy;
pub mod public_url;
pub mod rate;
mod refusal;
pub mod routes;
pub mod server;
pub mod socket;
pub mod state;
mod tcp;
mod time;
mod ui;
