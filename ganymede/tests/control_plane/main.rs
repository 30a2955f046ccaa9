//! People, organizations and their tables, on SQLite and on PostgreSQL: each story is told on both.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod accounts;
mod api_keys;
mod database;
mod members;
mod projects;
mod sessions;
mod support;
mod world;
