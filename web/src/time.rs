//! The clock of the edge, and how times that Ganymede keeps are written.

use std::time::{Duration, SystemTime};

use orrery_ganymede::clock::{iso8601, unix_ms};

/// Unix time in milliseconds.
pub(crate) fn now_ms() -> u64 {
    unix_ms(SystemTime::now())
}

/// Unix milliseconds as ISO 8601 in UTC.
pub(crate) fn iso(unix_ms: u64) -> String {
    iso8601(SystemTime::UNIX_EPOCH + Duration::from_millis(unix_ms))
}
