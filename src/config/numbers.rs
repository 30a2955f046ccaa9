//! What numbers may be. Zero, or a number that nobody means, would stop a clock, or end the process where it is used first.

use std::ops::RangeInclusive;

use anyhow::ensure;

/// A year, in seconds. What is to last longer is never over.
const YEAR_S: i64 = 366 * 24 * 3_600;

/// The least that argon2 takes (RFC 9106, section 3.1).
const PASSWORD_KIB_MIN: i64 = 8;

/// What a gateway sends at once, if there is so much: `limits.http.data_bytes_max` may not be less.
const DATA_BYTES_MIN: i64 = 4 << 20;

/// Keys for which zero means something: at once, or none.
const MAY_BE_ZERO: [&str; 8] = [
    "clocks.awareness_flush_ms",
    "clocks.awareness_grace_ms",
    "clocks.refusal_hold_ms",
    "clocks.unload_ms",
    "nginx.reload_ms",
    "passwords.waiting_max",
    "store.commit_interval_ms",
    "store.fold_after_ms",
];

/// Refuses a number that is not for `key`.
pub(super) fn check(key: &str, number: i64) -> anyhow::Result<()> {
    let allowed = allowed(key);
    let (first, last) = (allowed.start(), allowed.end());
    ensure!(allowed.contains(&number), "{key} must be from {first} to {last}, not {number}");
    Ok(())
}

fn allowed(key: &str) -> RangeInclusive<i64> {
    let first = match key {
        "limits.http.data_bytes_max" => DATA_BYTES_MIN,
        "passwords.memory_kib" => PASSWORD_KIB_MIN,
        _ => i64::from(!MAY_BE_ZERO.contains(&key)),
    };
    let last = match key {
        "slots" => 1_000,
        "containers.porch_port" => i64::from(u16::MAX),
        "dns.ttl_s" => 24 * 3_600,
        _ => last_of_unit(key),
    };
    first..=last
}

/// The unit stands at the end of a key, before what says that it is the most.
fn last_of_unit(key: &str) -> i64 {
    let name = key.strip_suffix("_max").unwrap_or(key);
    match name.rsplit('_').next() {
        Some("ms") => YEAR_S * 1_000,
        Some("s") => YEAR_S,
        Some("bytes") => 1 << 40,
        Some("kib") => 1 << 22,
        Some("mb") => 1 << 24,
        Some(_) | None => 1_000_000_000,
    }
}
