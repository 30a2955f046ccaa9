//! Ganymede and gateways as they meet: real listeners on loopback, the real client on each side, one process.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod city;
mod description;
mod documents;
mod front;
mod http;
mod proofs;
mod serving;
