//! The gateway pool: which organization is served in which slot, under which epoch. Owns gateways, slots and allocations;
//! knows nothing of documents, sockets or HTTP.
//!
//! ```text
//!  start, drain, reap ──> one turn per organization ──> saga: reserve, route, name, handshake, pull, serve
//!                                                        │ each step is in the table before the next begins
//!          Routes  <── where requests go ────────────────┤
//!          Fence   <── who may still append ─────────────┤
//!          SlotHost <── start, stop, refresh ────────────┘     a gateway answers with config, lease, stop
//! ```
//!
//! - At most one allocation of an organization is open, and at most one in a slot: the tables' unique indexes say so,
//!   whatever this code does.
//! - A failed step undoes what its own allocation did, and nobody else's.
//! - Between the end of one epoch and the start of the next, the fence lets nobody append.
//! - Whoever waits for an allocation may go away: the saga runs on.

mod backoff;
mod config;
mod containers;
mod error;
mod faults;
mod fence;
mod figures;
mod gateways;
mod host;
mod leases;
mod reaper;
mod remote;
mod report;
mod roster;
mod routes;
mod saga;
mod swap;
mod table;
mod turns;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use orrery_protocol::id::{Epoch, GatewayId, OrgId, SlotId};
use tokio::time::{sleep, timeout};

pub(crate) use self::turns::{Turn, Turns};
use self::{backoff::Backoffs, leases::Leases, saga::Flights, table::Table};
pub use self::{
    containers::ContainerTokenError,
    error::{
        AnnounceError, ConfigError, DrainError, RegisterError, RenewError, StaleEpoch, StartError, StopError,
        UnknownGateway,
    },
    faults::{Faults, NoFaults},
    fence::{Entry, Fence},
    gateways::Registered,
    host::{GatewayAddress, HostError, SlotHost},
    remote::RemoteHost,
    report::{SlotReport, SlotState},
    routes::{Route, Routes},
};
use crate::{clock::Clock, data::States, database::Database, dns::Dns, orgs::Orgs, tokens::TokenKeys};

/// How long somebody who changed something waits for a gateway to act upon it.
const TOLD_WITHIN: Duration = Duration::from_secs(3);
/// A gateway that was not told of a change is told again after each of these pauses.
const TELL_AGAIN: [Duration; 3] = [Duration::from_millis(250), Duration::from_millis(750), Duration::from_secs(2)];

/// Clocks and sizes of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolLimits {
    /// How long a gateway may serve after its last renewal.
    pub lease: Duration,
    /// How long a gateway may take to start serving an organization.
    pub start_timeout: Duration,
    /// How long a gateway may take to flush and release an organization.
    pub stop_timeout: Duration,
    /// What a caller is told to wait when no slot is free.
    pub retry_after: Duration,
    /// The port of gateway process `n` is this plus `n`.
    pub port_base: u16,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            start_timeout: Duration::from_secs(10),
            stop_timeout: Duration::from_secs(10),
            retry_after: Duration::from_secs(5),
            port_base: 7100,
        }
    }
}

/// Everything a pool needs.
#[derive(Clone)]
pub struct PoolParts {
    /// Where gateways, slots and allocations are kept.
    pub database: Database,
    /// What a gateway is told of its organization.
    pub orgs: Orgs,
    /// What gateways store of an organization beside its documents.
    pub states: States,
    /// Signs handshakes, orders and gateways' tokens.
    pub tokens: Arc<TokenKeys>,
    /// Where requests for an organization go.
    pub routes: Routes,
    /// Who may append. The same one that [`crate::data::Data`] asks.
    pub fence: Fence,
    /// What sees to it that organizations' host names lead here.
    pub dns: Dns,
    /// How gateways in other processes are reached.
    pub remote: Arc<dyn SlotHost>,
    /// Reads the time of day: tokens are good by it, and what is written down bears it.
    pub clock: Clock,
    /// Reads the time that leases and pauses last by. Setting the time of day does not change it: leases would end before
    /// gateways that count their own, or long after them.
    pub steady: Clock,
    /// Clocks and sizes.
    pub limits: PoolLimits,
    /// What goes wrong on purpose. [`NoFaults`] outside tests.
    pub faults: Arc<dyn Faults>,
}

/// An organization's place, once it is served there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// The organization.
    pub organization_id: OrgId,
    /// Where it is served.
    pub slot: SlotId,
    /// By whom.
    pub gateway: GatewayId,
    /// Under which epoch.
    pub epoch: Epoch,
}

/// A handle to the pool. Clones share it.
#[derive(Clone)]
pub struct Pool {
    inner: Arc<Inner>,
}

struct Inner {
    parts: PoolParts,
    table: Table,
    /// The gateway in this process, if there is one.
    local: OnceLock<LocalGateway>,
    leases: Leases,
    turns: Turns,
    flights: Flights,
    backoffs: Backoffs,
    /// Nothing is allocated any more.
    closed: AtomicBool,
}

struct LocalGateway {
    id: GatewayId,
    host: Arc<dyn SlotHost>,
}

impl Pool {
    /// A pool that serves nobody yet.
    pub fn new(parts: PoolParts) -> Self {
        let table = Table::new(parts.database.clone());
        let inner = Inner {
            parts,
            table,
            local: OnceLock::new(),
            leases: Leases::default(),
            turns: Turns::default(),
            flights: Flights::default(),
            backoffs: Backoffs::default(),
            closed: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Where requests go.
    pub fn routes(&self) -> &Routes {
        &self.inner.parts.routes
    }

    /// The organization's members, roles or projects changed: its gateway is told, if it has one, to fetch its configuration
    /// again. Resolves when it acts upon it, or after [`TOLD_WITHIN`]. One that is not reached is told again before its next
    /// renewal, with which it learns it too; also if nobody waits for this any more.
    pub async fn refresh(&self, org: OrgId) {
        let pool = self.clone();
        let told = tokio::spawn(async move {
            let mut pauses = TELL_AGAIN.into_iter();
            while let Err(error) = pool.refresh_now(org).await {
                tracing::warn!(%org, %error, "a gateway was not told of a change");
                let Some(pause) = pauses.next() else { return };
                sleep(pause).await;
            }
        });
        timeout(TOLD_WITHIN, told).await.ok();
    }

    /// Keeps host names true for as long as it runs, and tells gateways when their organizations have them. Ends at once
    /// where nobody is to be told of host names.
    pub async fn look_after_names(&self) {
        self.inner.parts.dns.run(&self.inner.parts.orgs, |org| self.named(org)).await;
    }

    /// How many organizations wait for their host names, and why; `None` where nobody is told of host names.
    pub fn names(&self) -> Option<(usize, Option<String>)> {
        self.inner.parts.dns.status()
    }

    /// The organization has the host names that it waited for: what its gateway was told is old.
    fn named(&self, org: OrgId) {
        let pool = self.clone();
        tokio::spawn(async move {
            match pool.inner.parts.orgs.touch(org).await {
                Ok(()) => pool.refresh(org).await,
                Err(error) => {
                    tracing::warn!(%org, %error, "a gateway is not told that its names lead here; trying again");
                    pool.inner.parts.dns.doubt_again(org);
                }
            }
        });
    }

    async fn refresh_now(&self, org: OrgId) -> Result<(), String> {
        let open = self.inner.table.open_of(org).await.map_err(|error| error.to_string())?;
        let Some(open) = open else { return Ok(()) };
        let refreshed = self.host(&open.gateway).refresh(&open.gateway, org, open.epoch);
        match timeout(self.inner.parts.limits.start_timeout, refreshed).await {
            Ok(refreshed) => refreshed.map_err(|error| error.to_string()),
            Err(_) => Err("it takes too long".to_owned()),
        }
    }

    /// Whether nothing is allocated any more.
    fn is_closed(&self) -> bool {
        self.inner.closed.load(Ordering::Acquire)
    }
}
