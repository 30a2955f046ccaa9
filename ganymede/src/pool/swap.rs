//! Moving an organization from one slot to another while people use it.
//!
//! Another slot is kept free first, so that an organization that cannot move stays where it is. Then requests wait, the old
//! gateway flushes and lets go, the old epoch is closed, and only then does the new one begin.

use orrery_protocol::{allocation::Step, id::SlotId};
use tokio::time::timeout;

use super::{
    Allocation, DrainError, Pool, StartError,
    host::HostError,
    routes::Route,
    table::{Allocated, End},
    turns::Turn,
};
use crate::database::DatabaseError;

impl Pool {
    /// Moves the organization in a slot to another slot, and says where it is now; `None` if nobody was served there. Goes on
    /// if the caller does not wait.
    ///
    /// # Errors
    /// No other slot is free, or the organization could not be taken out: then nothing was changed. Or it could not be served
    /// elsewhere at once.
    pub async fn drain(&self, slot: SlotId) -> Result<Option<Allocation>, DrainError> {
        let pool = self.clone();
        let drained = tokio::spawn(async move { pool.drain_slot(slot).await }).await;
        drained.unwrap_or_else(|_| Err(DrainError::Failed("the move crashed".to_owned())))
    }

    async fn drain_slot(&self, slot: SlotId) -> Result<Option<Allocation>, DrainError> {
        let Some(found) = self.inner.table.open_in(slot).await? else {
            let known = self.inner.table.has_slot(slot).await?;
            return if known { Ok(None) } else { Err(DrainError::UnknownSlot(slot)) };
        };
        let turn = self.inner.turns.take(found.org).await;
        // Before it was our turn it may have gone by itself.
        let open = self.inner.table.open_in(slot).await?.filter(|open| open.id == found.id);
        let Some(open) = open else { return Ok(None) };
        match open.step {
            Step::Serving | Step::Draining => self.move_out(&open, &turn).await,
            Step::Standby | Step::Reserved | Step::Routed | Step::Named | Step::Handshaken | Step::Pulled => {
                self.abandon(&open).await?;
                Ok(None)
            }
        }
    }

    async fn move_out(&self, open: &Allocated, turn: &Turn) -> Result<Option<Allocation>, DrainError> {
        let Allocated { org, slot, epoch, .. } = *open;
        let parts = &self.inner.parts;
        let Some(standby) = self.inner.table.standby(org, slot, self.now_ms()).await? else {
            return Err(DrainError::PoolExhausted { retry_after: parts.limits.retry_after });
        };
        if let Err(reason) = self.begin_draining(open).await {
            self.inner.table.advance(open.id, Step::Serving, self.now_ms()).await?;
            self.inner.table.end(standby.id, End::Undone, false, self.now_ms()).await?;
            parts.routes.set(org, open.route());
            return Err(DrainError::Failed(reason));
        }
        self.empty(open).await?;
        parts.fence.close_epoch(org, epoch).await;
        let Some(reserved) = self.inner.table.swap(open, &standby, self.now_ms()).await? else {
            // The organization was deleted meanwhile.
            self.inner.table.end(standby.id, End::Undone, false, self.now_ms()).await?;
            self.inner.leases.close(org, epoch);
            parts.routes.remove(org, epoch);
            return Ok(None);
        };
        self.inner.leases.close(org, epoch);
        tracing::info!(%org, from = %slot, to = %reserved.slot, epoch = %reserved.epoch, "an organization moves");
        match self.continue_from(reserved, turn).await {
            Ok(allocation) => Ok(Some(allocation)),
            // Any slot will do now, the old one too.
            Err(_) => self.allocate(org, turn).await.map(Some).map_err(|error| self.not_served(open, error)),
        }
    }

    fn not_served(&self, open: &Allocated, error: StartError) -> DrainError {
        self.inner.parts.routes.forget_moving(open.org);
        DrainError::NotServed(error)
    }

    /// `Err` says why it stays.
    async fn begin_draining(&self, open: &Allocated) -> Result<(), String> {
        let parts = &self.inner.parts;
        if parts.faults.before(Step::Draining) {
            return Err("a fault before it, on purpose".to_owned());
        }
        let written = self.inner.table.advance(open.id, Step::Draining, self.now_ms()).await;
        if !written.map_err(|error| error.to_string())? {
            return Err("the allocation was ended meanwhile".to_owned());
        }
        parts.routes.set(open.org, Route::Moving { epoch: open.epoch });
        if parts.faults.after(Step::Draining) { Err("a fault after it, on purpose".to_owned()) } else { Ok(()) }
    }

    /// Has the gateway let the organization go. One that does not answer has until the end of its lease, and gets no more.
    async fn empty(&self, open: &Allocated) -> Result<(), DatabaseError> {
        let Allocated { org, slot, ref gateway, epoch, .. } = *open;
        let stop = self.host(gateway).stop(gateway, org, epoch);
        let stopped = timeout(self.inner.parts.limits.stop_timeout, stop).await;
        let late = |_| HostError::Unreachable("it takes too long".to_owned());
        if let Err(error) = stopped.map_err(late).and_then(|stopped| stopped) {
            tracing::warn!(%org, %slot, %epoch, %error, "a gateway does not let go; its lease ends first");
            self.inner.leases.freeze(org, epoch);
            self.inner.leases.over(org, epoch, || self.steady_now()).await;
            self.inner.table.lose_slot(slot).await?;
        }
        Ok(())
    }

    /// Has the gateway let the organization go, and ends the allocation.
    pub(super) async fn leave(&self, open: &Allocated, end: End) -> Result<(), DatabaseError> {
        self.inner.parts.routes.set(open.org, Route::Moving { epoch: open.epoch });
        self.empty(open).await?;
        self.end(open, end, end == End::Drained).await?;
        Ok(())
    }
}
