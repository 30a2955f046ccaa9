//! Makes what is written down true: ends allocations that nobody keeps alive, and serves organizations that lost theirs.
//! Takes no input but the tables and the clock; the happy case, a crash and a restart take the same path.

use std::{sync::atomic::Ordering, time::Duration};

use orrery_protocol::{allocation::Step, id::OrgId};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

use super::{
    Pool, StartError, figures,
    host::GatewayAddress,
    routes::Route,
    table::{Allocated, End},
};
use crate::database::DatabaseError;

/// How long it can be looked up who served an organization.
const HISTORY_MS: u64 = 30 * 24 * 3600 * 1000;

/// Most passes that are under way at once.
const PASSES_MAX: usize = 8;

impl Pool {
    /// After a start of the process, before anybody is served: what the process that was here before left behind. Gateways in
    /// other processes get one lease more; what was served in this one is to be served again.
    ///
    /// # Errors
    /// The data base does not answer.
    pub async fn recover(&self) -> Result<(), DatabaseError> {
        for open in self.inner.table.open().await? {
            let served = open.step.has_served();
            match &open.gateway {
                GatewayAddress::Remote { .. } if served => self.resume(&open).await?,
                GatewayAddress::Remote { .. } => self.abandon(&open).await?,
                GatewayAddress::Local { .. } => {
                    self.end(&open, End::Restarted, served).await?;
                }
            }
        }
        if self.inner.local.get().is_none() {
            self.inner.table.retire_local().await?;
        }
        self.inner.table.forget_ended(self.now_ms().saturating_sub(HISTORY_MS)).await
    }

    async fn resume(&self, open: &Allocated) -> Result<(), DatabaseError> {
        let Allocated { id, org, epoch, .. } = *open;
        let parts = &self.inner.parts;
        self.inner.table.advance(id, Step::Serving, self.now_ms()).await?;
        parts.fence.open(org, epoch).await;
        self.inner.leases.open(org, epoch, open.gateway.gateway(), self.both_now(), parts.limits.lease);
        parts.routes.set(org, open.route());
        // What the gateway was told of its names may be old: nobody wrote down that they were pending.
        parts.dns.doubt(org);
        tracing::info!(%org, %epoch, "a gateway goes on after a restart of Ganymede");
        Ok(())
    }

    /// Ends what nobody keeps alive: leases that ran out, allocations that nobody works on.
    ///
    /// # Errors
    /// The data base does not answer.
    pub async fn reap(&self) -> Result<(), DatabaseError> {
        self.inner.leases.pass();
        let mut expired = JoinSet::new();
        for open in self.inner.table.open().await? {
            let over = self.inner.leases.is_over(open.org, open.epoch, self.steady_now());
            if over {
                let pool = self.clone();
                expired.spawn(async move { pool.reap_one(&open).await });
            }
        }
        while let Some(reaped) = expired.join_next().await {
            if let Ok(Err(error)) = reaped {
                return Err(error);
            }
        }
        Ok(())
    }

    async fn reap_one(&self, seen: &Allocated) -> Result<(), DatabaseError> {
        // Whoever has the turn sees to it.
        let Some(turn) = self.inner.turns.try_take(seen.org) else { return Ok(()) };
        let open = self.inner.table.open_in(seen.slot).await?.filter(|open| open.id == seen.id);
        let Some(open) = open else { return Ok(()) };
        let Allocated { org, slot, epoch, step, .. } = open;
        if !step.has_served() {
            return self.abandon(&open).await;
        }
        // Until the turn was ours it may have been renewed.
        if self.inner.leases.is_over(org, epoch, self.steady_now()) {
            tracing::warn!(%org, %slot, %epoch, "a gateway did not renew its lease");
            self.inner.parts.routes.set(org, Route::Moving { epoch });
            self.inner.table.lose_slot(slot).await?;
            self.end(&open, End::LeaseExpired, true).await?;
        }
        drop(turn);
        Ok(())
    }

    /// Ends an allocation that never served and that nobody works on. The caller has the organization's turn.
    pub(super) async fn abandon(&self, open: &Allocated) -> Result<(), DatabaseError> {
        self.end(open, End::Abandoned, false).await?;
        self.inner.parts.routes.remove(open.org, open.epoch);
        Ok(())
    }

    /// Serves every organization that lost its gateway while it was served and that nobody is about to serve. What cannot be
    /// served now is tried again, with growing pauses unless all it lacks is a slot.
    ///
    /// # Errors
    /// The data base does not answer.
    pub async fn failover(&self) -> Result<(), DatabaseError> {
        if self.is_closed() {
            return Ok(());
        }
        let mut starts = JoinSet::new();
        for org in self.inner.table.failovers().await? {
            // Were a start that takes long waited for by each pass, there would soon be no pass left for all others.
            if self.inner.flights.is_under_way(org) || !self.inner.backoffs.is_due(org, self.steady_now()) {
                continue;
            }
            let pool = self.clone();
            starts.spawn(async move { pool.start_again(org).await });
        }
        starts.join_all().await;
        Ok(())
    }

    async fn start_again(&self, org: OrgId) {
        match self.start(org).await {
            Ok(_) => {
                figures::failed_over();
                self.inner.backoffs.forget(org);
            }
            // Costs nothing, and each pass may find a slot.
            Err(StartError::PoolExhausted { .. }) => {}
            Err(error) => {
                tracing::warn!(%org, %error, "an organization that lost its gateway is not served yet");
                self.inner.backoffs.failed(org, self.steady_now());
            }
        }
    }

    /// Keeps the tables true for as long as it runs: one pass in each `period`. Ends when it is dropped.
    pub async fn run(&self, period: Duration) {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut passes = JoinSet::new();
        loop {
            ticks.tick().await;
            while passes.try_join_next().is_some() {}
            // A pass that waits for a slow gateway does not hold up the next one: turns keep them apart.
            if passes.len() < PASSES_MAX {
                let pool = self.clone();
                passes.spawn(async move { pool.pass().await });
            }
        }
    }

    async fn pass(&self) {
        let passed = async {
            self.reap().await?;
            self.failover().await?;
            self.count_slots().await
        };
        if let Err(error) = passed.await {
            tracing::error!(%error, "the pool cannot be looked after; trying again");
        }
    }

    /// Nothing is allocated any more; what gateways in this process stop from now on is to be served after the next start.
    /// Call it before they are shut down.
    pub fn close(&self) {
        self.inner.closed.store(true, Ordering::Release);
    }

    /// Ends what is still allocated in this process, to be served again after the next start. Call it after the gateways in
    /// it were shut down. Gateways in other processes go on.
    ///
    /// # Errors
    /// The data base does not answer.
    pub async fn shutdown(&self) -> Result<(), DatabaseError> {
        self.close();
        for open in self.inner.table.open().await? {
            if let GatewayAddress::Local { .. } = open.gateway {
                self.end(&open, End::Restarted, open.step.has_served()).await?;
                self.inner.parts.routes.remove(open.org, open.epoch);
            }
        }
        Ok(())
    }
}
