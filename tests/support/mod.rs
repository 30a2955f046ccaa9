//! What every promise needs: a server of its own, stock clients, peers that speak raw frames, and patience.

mod belongings;
mod clients;
mod disk;
mod http;
mod peer;
mod people;
mod process;
mod registry;
mod relay;
mod replica;
mod server;
mod typists;
mod wall_clock;
mod wire;

use std::{
    thread,
    time::{Duration, Instant},
};

pub(crate) use belongings::Belongings;
pub(crate) use clients::{Client, Clients, node};
pub(crate) use disk::SmallDisk;
pub(crate) use http::{Response, request};
pub(crate) use peer::{Event, Peer};
pub(crate) use people::{Access, PASSWORD, Person};
pub(crate) use process::{Process, Starting, run};
pub(crate) use registry::Registry;
pub(crate) use relay::Relay;
pub(crate) use replica::{Replica, document, keys_of, text_of};
pub(crate) use server::{BRISK, Server};
pub(crate) use typists::{nothing_is_lost, types_on, typists};
pub(crate) use wall_clock::WallClock;
pub(crate) use wire::{Heard, QUERY_AWARENESS, awareness, put_var_uint, saved_query, step1, step2, update};

/// How long anything may take before a test gives up on it. Generous: the machine may be busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Between two looks at a condition that nobody announces.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Waits until `look` finds something.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::park_timeout(LOOK_EVERY);
    }
}

/// A small repeatable generator (SplitMix64): tests print its seed.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Seeded by `ORRERY_TEST_SEED`, or by the clock; says so.
    pub(crate) fn printed() -> Self {
        let given =
            std::env::vars().find(|(name, _)| name == "ORRERY_TEST_SEED").and_then(|(_, seed)| seed.parse().ok());
        let clock = || std::time::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_nanos() as u64 % 1_000_000_007);
        let seed = given.unwrap_or_else(clock);
        eprintln!("seed {seed}: again with ORRERY_TEST_SEED={seed}");
        Self(seed)
    }

    pub(crate) fn from(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
