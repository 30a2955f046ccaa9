//! How often each caller may ask: by network address before anybody knows who it is, then by user or API key; and, much
//! stricter, who tries to sign in. Owns the buckets and how much memory they may take; the figures are in
//! [`crate::limits`].

mod bucket;
mod origin;

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use governor::clock::{Clock, MonotonicClock};
use orrery_ganymede::people::ApiKeyId;
use orrery_protocol::id::UserId;

use crate::{error::ApiError, limits::RateLimits, state::GanymedeState};

use bucket::Buckets;
pub(crate) use origin::Origin;

/// Every bucket of this process.
pub struct Quotas<C: Clock = MonotonicClock> {
    addresses: Buckets<IpAddr, C>,
    sign_ins: Buckets<IpAddr, C>,
    failures: Buckets<String, C>,
    users: Buckets<UserId, C>,
    keys: Buckets<ApiKeyId, C>,
}

impl Quotas {
    /// Full buckets.
    pub fn new(limits: &RateLimits) -> Self {
        Self::with_clock(limits, MonotonicClock)
    }
}

impl<C: Clock + Clone> Quotas<C> {
    /// Full buckets in the time of `clock`.
    pub fn with_clock(limits: &RateLimits, clock: C) -> Self {
        Self {
            addresses: Buckets::new("address", limits.address_per_minute, clock.clone()),
            sign_ins: Buckets::new("sign-in", limits.sign_in_per_minute, clock.clone()),
            failures: Buckets::new("failed sign-in", limits.failed_sign_in_per_minute, clock.clone()),
            users: Buckets::new("user", limits.user_per_minute, clock.clone()),
            keys: Buckets::new("API key", limits.key_per_minute, clock),
        }
    }

    /// One request with an API key.
    pub(crate) fn key(&self, key: &ApiKeyId) -> Result<(), ApiError> {
        self.keys.take(key)
    }

    /// One request of a user.
    pub(crate) fn user(&self, user: UserId) -> Result<(), ApiError> {
        self.users.take(&user)
    }

    /// One sign-in or sign-up, whatever comes of it.
    pub(crate) fn sign_in(&self, origin: Origin) -> Result<(), ApiError> {
        self.sign_ins.take(&origin.network())
    }

    /// Whether this account may be tried; takes nothing.
    pub(crate) fn may_try(&self, email: &str) -> Result<(), ApiError> {
        self.failures.look(&account(email))
    }

    /// A sign-in to this account failed. The account need not exist: that must not show.
    pub(crate) fn failed(&self, email: &str) {
        // Whether this was one too many is what the next attempt will hear.
        self.failures.take(&account(email)).ok();
    }
}

/// One spelling of an address, and bounded: it comes from outside.
fn account(email: &str) -> String {
    email.trim().chars().take(254).flat_map(char::to_lowercase).collect()
}

/// Everything that an address asks, before it is looked at.
pub(crate) async fn by_address(
    State(state): State<GanymedeState>,
    origin: Origin,
    request: Request,
    next: Next,
) -> Response {
    match state.quotas.addresses.take(&origin.network()) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

#[cfg(test)]
mod tests;
