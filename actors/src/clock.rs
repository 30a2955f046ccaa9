//! Time as rooms see it: milliseconds since the process began to serve, never backwards; and as people do.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A monotonic clock; copies agree.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that shows 0 now.
    #[expect(clippy::new_without_default, reason = "a clock is started on purpose, once")]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }

    /// Milliseconds since the clock was made.
    pub fn now_ms(self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Milliseconds since 1970, by the clock that people set: it may jump.
    pub fn unix_ms(self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// The instant that `ms` stands for.
    pub fn at(self, ms: u64) -> Instant {
        self.start + std::time::Duration::from_millis(ms)
    }
}
