//! Keeps a rate, catching up after a delay, so that the number of writes is what the load says.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

/// Ticks come no faster than timers can; several writes fall on one tick instead.
const TICK_MIN: Duration = Duration::from_millis(1);

/// A steady rate of writes.
pub(crate) struct Pace {
    interval: Interval,
    per_tick: usize,
}

impl Pace {
    /// `per_second` is a divisor or a multiple of 1,000.
    pub(crate) fn new(per_second: usize) -> Self {
        let per_tick = per_second.div_ceil(1_000);
        let period = (Duration::from_secs(1) * per_tick as u32 / per_second as u32).max(TICK_MIN);
        let mut interval = interval(period);
        interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
        Self { interval, per_tick }
    }

    /// Waits for the next tick; says how many writes it is worth.
    pub(crate) async fn tick(&mut self) -> usize {
        self.interval.tick().await;
        self.per_tick
    }
}
