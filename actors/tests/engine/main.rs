//! The reconciler and its engines: one suite for an engine that is none and for a real Docker, stories with a small gateway
//! in between, and faults by chance.

mod conformance;
mod docker;
mod faults;
mod gateway;
mod stories;
mod tally;
mod with_docker;
mod with_fake;
