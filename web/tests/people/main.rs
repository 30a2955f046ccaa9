//! Ganymede's API for people, over the real routes and a real data base.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod access;
mod accounts;
mod description;
mod gateways;
mod input;
mod installation;
mod organizations;
mod rates;
