//! Limits of the HTTP edge. Crossing one is a named outcome where it is checked.

use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

/// What connections and requests may cost. Configurable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpLimits {
    /// Most open connections, WebSockets included. Beyond: 503 `TOO_MANY_CONNECTIONS` before a request is read.
    pub connections_max: usize,
    /// A connection that has not sent its whole request head by then is closed, in milliseconds.
    pub head_timeout_ms: u64,
    /// A request that is not answered by then gets 503 `TIMED_OUT`, in milliseconds.
    pub request_timeout_ms: u64,
    /// Largest request head, in bytes. Beyond: 431 and the connection closes.
    pub head_bytes_max: usize,
    /// Largest request body, in bytes. Beyond: 413.
    pub body_bytes_max: usize,
    /// Most requests and WebSockets that one container is asked at a time. Beyond: 503 `CONTAINER_BUSY`.
    pub container_connections_max: usize,
    /// A WebSocket to a container on which nothing was said to the browser for this long is pinged, in milliseconds.
    pub container_ping_ms: u64,
    /// How long it is believed that a visitor's session lasts before it is asked for again, in milliseconds; half as long, who is
    /// connected to a container may stay after they signed out.
    pub visit_fresh_ms: u64,
    /// Largest body in which a gateway appends updates or stores notes, in bytes. Beyond: 413. A snapshot may be as large as
    /// a record.
    pub data_bytes_max: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections_max: 50_000,
            head_timeout_ms: 10_000,
            request_timeout_ms: 30_000,
            head_bytes_max: 32 << 10,
            body_bytes_max: 1 << 20,
            container_connections_max: 1_000,
            container_ping_ms: 25_000,
            visit_fresh_ms: 30_000,
            data_bytes_max: 128 << 20,
        }
    }
}

/// How often a caller may ask, per minute. Each is a bucket of that size which refills evenly. Crossing one: 429
/// `RATE_LIMITED` with `Retry-After`. Configurable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimits {
    /// Requests of one network address, before anybody asks who it is.
    pub address_per_minute: NonZeroU32,
    /// Sign-ins and sign-ups of one network address.
    pub sign_in_per_minute: NonZeroU32,
    /// Failed sign-ins to one account, whatever the address.
    pub failed_sign_in_per_minute: NonZeroU32,
    /// Requests of one user with a session or an access token.
    pub user_per_minute: NonZeroU32,
    /// Requests with one API key.
    pub key_per_minute: NonZeroU32,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            address_per_minute: per_minute(3_000),
            sign_in_per_minute: per_minute(60),
            failed_sign_in_per_minute: per_minute(10),
            user_per_minute: per_minute(600),
            key_per_minute: per_minute(100),
        }
    }
}

const fn per_minute(requests: u32) -> NonZeroU32 {
    NonZeroU32::new(requests).expect("a limit of nothing is no limit")
}
