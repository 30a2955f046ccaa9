//! The gateway pool and the data of organizations, on SQLite and on PostgreSQL: each story is told on both. Gateways are
//! played by a host that does what a real one does to the pool; time passes when the story says so.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod documents;
mod gateways;
mod handshakes;
mod json;
mod leases;
mod moves;
#[expect(dead_code, reason = "stories about the zone alone need more of it")]
#[path = "../dns/name_server.rs"]
mod name_server;
mod names;
mod notes;
mod restarts;
mod starts;
#[path = "../control_plane/support.rs"]
mod support;
mod world;
mod writers;
