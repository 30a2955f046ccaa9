//! Limits of the HTTP edge. Crossing one is a named outcome where it is checked.

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
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connections_max: 50_000,
            head_timeout_ms: 10_000,
            request_timeout_ms: 30_000,
            head_bytes_max: 32 << 10,
            body_bytes_max: 1 << 20,
        }
    }
}
