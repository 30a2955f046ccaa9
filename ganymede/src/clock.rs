//! What time it is, and how it is written.

use std::{
    str::FromStr,
    sync::Arc,
    time::{Instant, SystemTime},
};

use jiff::{Timestamp, Unit};

/// Reads the time. A test's clock moves when the test says so.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// The system's clock.
pub fn system() -> Clock {
    Arc::new(SystemTime::now)
}

/// A clock that nobody sets: it begins with the system's and goes on as time passes. It says how long something lasts, and may
/// not know what time of day it is.
pub fn steady() -> Clock {
    let (time, instant) = (SystemTime::now(), Instant::now());
    Arc::new(move || time + instant.elapsed())
}

/// ISO 8601 in UTC, to the millisecond. A time that no calendar has is written as the last one that it has.
pub fn iso8601(time: SystemTime) -> String {
    let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::MAX);
    timestamp.round(Unit::Millisecond).unwrap_or(timestamp).to_string()
}

/// A moment that somebody named in ISO 8601, with its offset from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Unix milliseconds; 0 before 1970.
    pub unix_ms: u64,
}

/// A text that names no moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is a time in ISO 8601, such as 2030-12-31T12:00:00Z")]
pub struct InvalidMoment;

impl FromStr for Moment {
    type Err = InvalidMoment;

    fn from_str(text: &str) -> Result<Self, InvalidMoment> {
        let timestamp: Timestamp = text.parse().map_err(|_| InvalidMoment)?;
        Ok(Self { unix_ms: u64::try_from(timestamp.as_millisecond()).unwrap_or_default() })
    }
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

    #[test]
    fn a_moment_is_read_with_its_offset() {
        let read = |text: &str| text.parse::<Moment>().map(|moment| moment.unix_ms);
        for text in ["2026-11-21T18:00:00.25Z", "2026-11-21T20:00:00.250+02:00", "2026-11-21T18:00:00.250400Z"] {
            assert_eq!(read(text), Ok(1_795_284_000_250), "{text}");
        }
        assert_eq!(read("1969-12-31T23:59:59Z"), Ok(0));
        for bad in ["", "tomorrow", "2026-11-21", "2026-11-21T18:00:00", "2026-02-30T00:00:00Z", "1795284000000"] {
            assert_eq!(read(bad), Err(InvalidMoment), "{bad}");
        }
    }
}
