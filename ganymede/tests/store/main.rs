//! The document store through its public face, on a real disk.

mod crash;
mod damage;
mod disk_full;
mod folder;
mod journal;
mod model;
mod round_trip;
mod support;
