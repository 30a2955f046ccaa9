//! How long each gateway may go on. Kept in memory alone: after a restart every gateway is given one lease more, and a
//! gateway that cannot renew stops by its own clock before Ganymede gives its organization to another. Times are of a clock that
//! nobody sets, but for those of tokens.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use orrery_protocol::id::{Epoch, GatewayId, OrgId};
use tokio::sync::Notify;

use super::error::StaleEpoch;
use crate::tokens::GatewayClaims;

/// Of all organizations that are served.
#[derive(Debug, Default)]
pub(super) struct Leases {
    leases: Mutex<HashMap<OrgId, Lease>>,
    /// Wakes who waits for a lease to end.
    passed: Notify,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    gateway: GatewayId,
    epoch: Epoch,
    renewed_at: SystemTime,
    expires_at: SystemTime,
    /// At which time of day its gateway was given a token last.
    token_at: SystemTime,
    /// It runs out, whatever its gateway asks.
    frozen: bool,
}

/// What time it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Now {
    /// By the clock that nobody sets.
    pub(super) steady: SystemTime,
    /// Of day.
    pub(super) of_day: SystemTime,
}

/// A lease that was renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Renewal {
    /// Half of the life of the gateway's token is over. It counts as replaced.
    pub(super) token_due: bool,
}

impl Leases {
    /// Begins, together with a new token.
    pub(super) fn open(&self, org: OrgId, epoch: Epoch, gateway: GatewayId, now: Now, ttl: Duration) {
        let Now { steady, of_day } = now;
        let (renewed_at, expires_at) = (steady, steady + ttl);
        let lease = Lease { gateway, epoch, renewed_at, expires_at, token_at: of_day, frozen: false };
        self.leases().insert(org, lease);
    }

    /// Goes on. One that is over is not brought back: its gateway has stopped by its own clock.
    pub(super) fn renew(&self, claims: &GatewayClaims, now: Now, ttl: Duration) -> Result<Renewal, StaleEpoch> {
        let GatewayClaims { gateway, org, epoch } = *claims;
        let Now { steady, of_day } = now;
        let mut leases = self.leases();
        let ours = |lease: &&mut Lease| {
            lease.gateway == gateway && lease.epoch == epoch && !lease.frozen && steady <= lease.expires_at
        };
        let lease = leases.get_mut(&org).filter(ours).ok_or(StaleEpoch { organization_id: org, epoch })?;
        (lease.renewed_at, lease.expires_at) = (steady, steady + ttl);
        let token_due = of_day >= lease.token_at + GatewayClaims::TTL / 2;
        if token_due {
            lease.token_at = of_day;
        }
        Ok(Renewal { token_due })
    }

    /// Whether the gateway may go on, or could at least until lately.
    pub(super) fn holds(&self, org: OrgId, epoch: Epoch) -> bool {
        self.leases().get(&org).is_some_and(|lease| lease.epoch == epoch)
    }

    /// The same for the gateway that these claims are of.
    pub(super) fn is_held_by(&self, claims: &GatewayClaims) -> bool {
        let held = |lease: &Lease| lease.epoch == claims.epoch && lease.gateway == claims.gateway;
        self.leases().get(&claims.org).is_some_and(held)
    }

    /// Lets everything of a gateway run out, whatever it asks.
    pub(super) fn freeze_all_of(&self, gateway: GatewayId) {
        self.leases().values_mut().filter(|lease| lease.gateway == gateway).for_each(|lease| lease.frozen = true);
    }

    /// Lets it run out, whatever its gateway asks.
    pub(super) fn freeze(&self, org: OrgId, epoch: Epoch) {
        if let Some(lease) = self.leases().get_mut(&org)
            && lease.epoch == epoch
        {
            lease.frozen = true;
        }
    }

    /// Ends now.
    pub(super) fn close(&self, org: OrgId, epoch: Epoch) {
        let mut leases = self.leases();
        if leases.get(&org).is_some_and(|lease| lease.epoch == epoch) {
            leases.remove(&org);
        }
        drop(leases);
        self.passed.notify_waiters();
    }

    /// Whether there is none under this epoch that is still running.
    pub(super) fn is_over(&self, org: OrgId, epoch: Epoch, now: SystemTime) -> bool {
        !self.leases().get(&org).is_some_and(|lease| lease.epoch == epoch && lease.expires_at >= now)
    }

    /// When it was renewed last.
    pub(super) fn renewed_at(&self, org: OrgId, epoch: Epoch) -> Option<SystemTime> {
        self.leases().get(&org).filter(|lease| lease.epoch == epoch).map(|lease| lease.renewed_at)
    }

    /// Waits until none under this epoch is running. Looks whenever the [time passes](Self::pass).
    pub(super) async fn over(&self, org: OrgId, epoch: Epoch, now: impl Fn() -> SystemTime) {
        loop {
            let passed = self.passed.notified();
            if self.is_over(org, epoch, now()) {
                return;
            }
            passed.await;
        }
    }

    /// Time has passed: who waits for a lease to end looks again.
    pub(super) fn pass(&self) {
        self.passed.notify_waiters();
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<OrgId, Lease>> {
        // Every change is one assignment: a panic elsewhere leaves nothing half done.
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
