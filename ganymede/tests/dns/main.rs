//! Host names: against a real PowerDNS, asked by `dig`, and against name servers that misbehave.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod faults;
mod name_server;
mod registry;
mod zone;
