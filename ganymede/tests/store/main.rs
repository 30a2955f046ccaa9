//! The document store through its public face, on a real disk.

#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

mod crash;
mod damage;
mod disk_full;
mod folder;
mod journal;
mod model;
#[cfg(feature = "object-storage")]
mod objects;
mod round_trip;
mod support;
