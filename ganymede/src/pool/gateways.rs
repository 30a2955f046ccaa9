//! Which gateways there are, and how many slots each has.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use orrery_protocol::{
    allocation::Step,
    control::{Ready, Token},
    id::{GatewayId, SlotId},
};
use uuid::Uuid;

use super::{
    AnnounceError, LocalGateway, Pool, RegisterError, SlotReport, SlotState,
    error::UnknownGateway,
    host::{GatewayAddress, SlotHost},
    leases::Now,
    table::SlotRow,
};
use crate::{clock::unix_ms, database::DatabaseError, tokens::PoolClaims};

/// Most slots of one gateway.
const SLOTS_MAX: u16 = 1024;
/// Longest address of a gateway, in bytes.
const LISTEN_BYTES_MAX: usize = 255;

/// A gateway process that may join the pool.
#[derive(Debug, Clone)]
pub struct Registered {
    /// Who it is.
    pub gateway: GatewayId,
    /// What it shows when it announces itself. Given once.
    pub token: Token,
    /// Its number, from 1. Free again only when it is revoked.
    pub number: u16,
    /// The port that it is to listen on. No other gateway has it.
    pub port: u16,
}

impl Pool {
    /// Makes this process a gateway with so many slots, and says who it is; the same after each start. At most once, and
    /// before [`recover`](Pool::recover).
    ///
    /// # Errors
    /// The data base does not answer.
    pub async fn open_local(&self, slots: u16, host: Arc<dyn SlotHost>) -> Result<GatewayId, DatabaseError> {
        let id = self.inner.table.local_gateway(self.now_ms()).await?;
        self.inner.table.set_slots(id, slots).await?;
        if self.inner.local.set(LocalGateway { id, host }).is_err() {
            tracing::error!("the gateway of this process was opened twice");
        }
        Ok(id)
    }

    /// The gateway in this process.
    pub fn local_gateway(&self) -> Option<GatewayId> {
        self.inner.local.get().map(|local| local.id)
    }

    /// Lets a new gateway process join: it gets an id, a token, and a port of its own.
    ///
    /// # Errors
    /// There are too many, or the data base does not answer.
    pub async fn register(&self) -> Result<Registered, RegisterError> {
        let gateway = GatewayId(Uuid::now_v7());
        let token = self.inner.parts.tokens.sign_pool(&PoolClaims { gateway }, self.now())?;
        let base = self.inner.parts.limits.port_base;
        let number = self.inner.table.register(gateway, u16::MAX - base, self.now_ms()).await?;
        let number = number.ok_or(RegisterError::TooMany)?;
        Ok(Registered { gateway, token, number, port: base + number })
    }

    /// A gateway process is ready to be allocated. Safe to repeat; a slot that was lost is ready again.
    ///
    /// # Errors
    /// It is not registered, or what it says of itself cannot be.
    pub async fn announce(&self, claims: &PoolClaims, ready: &Ready) -> Result<Vec<SlotId>, AnnounceError> {
        let Ready { gateway_id, slots, listen } = ready;
        if *gateway_id != claims.gateway {
            return Err(UnknownGateway(*gateway_id).into());
        }
        if !self.inner.table.is_registered(*gateway_id).await? {
            return Err(UnknownGateway(*gateway_id).into());
        }
        if !(1..=SLOTS_MAX).contains(slots) {
            return Err(AnnounceError::Slots(*slots));
        }
        let visible = listen.bytes().all(|byte| byte.is_ascii_graphic());
        if listen.is_empty() || listen.len() > LISTEN_BYTES_MAX || !visible {
            return Err(AnnounceError::Listen(listen.chars().take(80).collect()));
        }
        self.inner.table.announced(*gateway_id, listen, self.now_ms()).await?;
        Ok(self.inner.table.set_slots(*gateway_id, *slots).await?)
    }

    /// Takes a gateway process out of the pool for good: its token and its port are worth nothing any more, and what it
    /// serves moves elsewhere when its leases end, which are not renewed.
    ///
    /// # Errors
    /// There is no such gateway, or the data base does not answer.
    pub async fn revoke(&self, gateway: GatewayId) -> Result<(), AnnounceError> {
        if !self.inner.table.revoke(gateway, self.now_ms()).await? {
            return Err(UnknownGateway(gateway).into());
        }
        self.inner.leases.freeze_all_of(gateway);
        Ok(())
    }

    /// Every slot, and what it is doing.
    ///
    /// # Errors
    /// The data base does not answer.
    pub async fn slots(&self) -> Result<Vec<SlotReport>, DatabaseError> {
        let rows = self.inner.table.slots().await?;
        Ok(rows.into_iter().map(|row| self.report(row)).collect())
    }

    fn report(&self, row: SlotRow) -> SlotReport {
        let SlotRow { slot, gateway, ready, allocation } = row;
        let state = match (&allocation, ready) {
            (Some(used), _) if used.step == Step::Draining => SlotState::Draining,
            (Some(_), _) => SlotState::Allocated,
            (None, true) => SlotState::Ready,
            (None, false) => SlotState::Lost,
        };
        let listen = match &gateway {
            GatewayAddress::Local { .. } => None,
            GatewayAddress::Remote { listen, .. } => Some(listen.clone()),
        };
        SlotReport {
            slot,
            gateway: gateway.gateway(),
            listen,
            state,
            organization_id: allocation.as_ref().map(|used| used.org),
            epoch: allocation.as_ref().map(|used| used.epoch).filter(|epoch| epoch.0 > 0),
            step: allocation.as_ref().map(|used| used.step),
            since: allocation.as_ref().map(|used| UNIX_EPOCH + Duration::from_millis(used.started_at_ms)),
            renewed_at: allocation
                .and_then(|used| self.inner.leases.renewed_at(used.org, used.epoch))
                .and_then(|steady| self.time_of_day(steady)),
        }
    }

    /// How gateways at this address are reached.
    pub(super) fn host(&self, gateway: &GatewayAddress) -> &dyn SlotHost {
        match (gateway, self.inner.local.get()) {
            (GatewayAddress::Local { .. }, Some(local)) => &*local.host,
            // It answers that a gateway in another process cannot be one of this.
            (GatewayAddress::Local { .. } | GatewayAddress::Remote { .. }, _) => &*self.inner.parts.remote,
        }
    }

    pub(super) fn now(&self) -> SystemTime {
        (self.inner.parts.clock)()
    }

    pub(super) fn now_ms(&self) -> u64 {
        unix_ms(self.now())
    }

    /// By the clock that nobody sets.
    pub(super) fn steady_now(&self) -> SystemTime {
        (self.inner.parts.steady)()
    }

    pub(super) fn both_now(&self) -> Now {
        Now { steady: self.steady_now(), of_day: self.now() }
    }

    /// The time of day at which something was that is told by the clock that nobody sets.
    fn time_of_day(&self, steady: SystemTime) -> Option<SystemTime> {
        self.now().checked_sub(self.steady_now().duration_since(steady).unwrap_or_default())
    }
}
