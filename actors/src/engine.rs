//! Makes a container engine equal to what an organization wants of it. Owns the way to the engine; decides nothing: what to
//! do is planned in [`orrery_protocol::container::plan`].
//!
//! ```text
//! World ──> Reconciler ── list ──> Runtime (Docker, or none in tests)
//!   ^          │ report ──> Reports ──> gateway ──┐
//!   └──────────┼──────────────────────────────────┘  waits until the World has taken the report in
//!              └─ plan ──> act: pulls, and one task for each container
//! ```
//! Nothing is kept here that is not seen again in the next pass, so start, crash, drift and a change of gateways are one path.

mod backoff;
mod config;
mod docker;
#[cfg(any(test, feature = "fake-engine"))]
pub mod fake;
mod leftovers;
mod logs;
mod meter;
mod probe;
mod reconciler;
mod report;
mod runtime;
mod verdict;
mod world;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures_util::StreamExt;
use orrery_protocol::id::{ContainerId, OrgId, ProjectId};
use tokio::{sync::watch, task::JoinHandle};

pub use config::{EngineClocks, EngineConfig, EngineUse, Ports};
pub use docker::{Docker, GatewayContainer, GatewayMaking};
use reconciler::Reconciler;
use report::Reporter;
pub use runtime::{
    EngineVersion, Flow, Found, Listing, LogLine, LogQuery, LogSource, Making, Network, PullProgress, Runtime,
    RuntimeError, Tenants, Usage,
};
pub use world::{Blueprint, Credentials, Entrance, Live, Porch, Probe, Reports, Sightings, World};

/// A reconciler that failed by a defect begins anew after this long.
const DEFECT_REST: Duration = Duration::from_secs(5);

/// Milliseconds since 1970.
pub type WallClock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The container engine of this process, for all organizations that are served here. Clones share it.
#[derive(Clone)]
pub struct Engine {
    runtime: Arc<dyn Runtime>,
    porch: Arc<dyn Porch>,
    clocks: EngineClocks,
    now_ms: WallClock,
}

/// An organization's containers are being made what they shall be, until this is dropped. They run on then.
#[derive(Debug)]
#[must_use]
pub struct Reconciling(JoinHandle<()>);

impl Drop for Reconciling {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Until the gateway has gone. What fails by a defect begins anew: it keeps nothing that is not seen again.
async fn supervise(org: OrgId, reconciler: impl Fn() -> Reconciler) {
    loop {
        let mut running = Reconciling(tokio::spawn(reconciler().run()));
        let Err(defect) = (&mut running.0).await else { return };
        metrics::counter!("orrery_engine_defects_total").increment(1);
        tracing::error!(%org, %defect, "the reconciler of containers failed and begins anew");
        tokio::time::sleep(DEFECT_REST).await;
    }
}

impl Engine {
    /// The engine that `config` names. It need not be there: what needs it waits for it.
    pub fn connect(config: &EngineConfig, porch: Arc<dyn Porch>) -> Self {
        let now_ms = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        };
        Self::new(Arc::new(Docker::new(config)), porch, config.clocks.clone(), Arc::new(now_ms))
    }

    /// Any engine, under any clock.
    pub fn new(runtime: Arc<dyn Runtime>, porch: Arc<dyn Porch>, clocks: EngineClocks, now_ms: WallClock) -> Self {
        Self { runtime, porch, clocks, now_ms }
    }

    /// Which engine answers.
    ///
    /// # Errors
    /// None does, or it is too old.
    pub async fn version(&self) -> Result<EngineVersion, RuntimeError> {
        self.runtime.version().await
    }

    /// Begins to make the containers of an organization what `world` says, now and whenever it changes.
    pub fn reconcile(
        &self,
        org: OrgId,
        world: watch::Receiver<Arc<World>>,
        reports: Arc<dyn Reports>,
        credentials: Arc<dyn Credentials>,
    ) -> Reconciling {
        let engine = self.clone();
        // One that begins anew counts on from what the one before told, which need not be taken in yet.
        let reporter = Arc::new(Reporter::new(reports, world.borrow().pass));
        let reconciler =
            move || Reconciler::new(engine.clone(), org, world.clone(), reporter.clone(), credentials.clone());
        Reconciling(tokio::spawn(supervise(org, reconciler)))
    }

    /// What a container printed, oldest first; of the newest object, if there are several.
    ///
    /// # Errors
    /// The engine does not answer, or has nothing of that container.
    pub async fn logs(
        &self,
        org: OrgId,
        project: ProjectId,
        container: ContainerId,
        query: LogQuery,
    ) -> Result<Flow<LogLine>, RuntimeError> {
        let listing = self.runtime.list(org).await?;
        let its = listing.objects.iter().map(|found| &found.object);
        let its = its.filter(|object| object.labels.project == project && object.labels.container == container);
        let newest = its.max_by_key(|object| (object.labels.generation, object.id.clone()));
        let object = newest.ok_or(RuntimeError::NotFound)?;
        Ok(self.runtime.logs(&object.id, query).boxed())
    }
}
