//! Keeps a slow document from holding up other rooms. What a room does is one call without a pause, and the runtime gives
//! a worker thread to all tasks in turn: a call that takes long is moved out of their way.
//!
//! Nobody can tell beforehand what an update will cost. yrs looks at every block that was written at the same place, so
//! 35 KB that were made for it take it many seconds; see `docs/security.md`.

use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};

/// From so many bytes on, work counts as long before it has begun.
const LARGE_BYTES: usize = 16 << 10;
/// Longer than this is slow.
const SLOW: Duration = Duration::from_millis(20);
/// A room that was slow is expected to be so for this many turns more.
const WARY_TURNS: u32 = 64;

/// Where one room works.
#[derive(Debug, Default)]
pub(super) struct Ground {
    wary: u32,
}

impl Ground {
    /// Does `work` on `bytes` of input: on this thread, whose other tasks go to another one first if it may take long.
    pub(super) fn turn<T>(&mut self, bytes: usize, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let done = if bytes >= LARGE_BYTES || self.wary > 0 { apart(work) } else { work() };
        let took = started.elapsed();
        self.wary = if took > SLOW { WARY_TURNS } else { self.wary.saturating_sub(1) };
        if took > SLOW {
            metrics::histogram!("orrery_room_slow_turn_seconds").record(took.as_secs_f64());
        }
        done
    }
}

/// Does `work` on this thread, after another one has taken over its other tasks.
fn apart<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // A runtime of one thread has nobody to hand over to.
        _ => work(),
    }
}
