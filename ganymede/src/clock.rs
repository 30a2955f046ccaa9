//! What time it is, and how it is written.

use std::{sync::Arc, time::SystemTime};

use jiff::{Timestamp, Unit};

/// Reads the time. A test's clock moves when the test says so.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The system's clock.
pub fn system() -> Clock {
    Arc::new(SystemTime::now)
}

/// ISO 8601 in UTC, to the millisecond. A time that no calendar has is written as the last one that it has.
pub fn iso8601(time: SystemTime) -> String {
    let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::MAX);
    timestamp.round(Unit::Millisecond).unwrap_or(timestamp).to_string()
}

/// Unix milliseconds; 0 before 1970.
pub fn unix_ms(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_are_written_in_utc() {
        let at = |ms| SystemTime::UNIX_EPOCH + Duration::from_micros(ms);
        assert_eq!(iso8601(at(1_795_284_000_000_000)), "2026-11-21T18:00:00Z");
        assert_eq!(iso8601(at(1_795_284_000_250_400)), "2026-11-21T18:00:00.25Z");
        assert_eq!(unix_ms(at(1_795_284_000_250_400)), 1_795_284_000_250);
        assert_eq!(unix_ms(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), 0);
    }
}
