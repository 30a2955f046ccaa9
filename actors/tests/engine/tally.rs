//! An engine whose changes are counted.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use async_trait::async_trait;
use orrery_actors::engine::{
    EngineVersion, Flow, Listing, LogLine, LogQuery, Making, Network, PullProgress, Runtime, RuntimeError, Tenants,
    Usage,
};
use orrery_protocol::{
    container::plan::{LocalImageId, ObjectId},
    id::OrgId,
    image::Reference,
};

#[derive(Clone)]
pub(crate) struct Tally {
    runtime: Arc<dyn Runtime>,
    changes: Arc<AtomicU64>,
}

impl Tally {
    pub(crate) fn new(runtime: Arc<dyn Runtime>) -> Self {
        Self { runtime, changes: Arc::new(AtomicU64::new(0)) }
    }

    /// How often the engine was asked to change something.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    fn change(&self) -> &dyn Runtime {
        self.changes.fetch_add(1, Ordering::SeqCst);
        &*self.runtime
    }
}

#[async_trait]
impl Runtime for Tally {
    async fn version(&self) -> Result<EngineVersion, RuntimeError> {
        self.runtime.version().await
    }

    async fn list(&self, org: OrgId) -> Result<Listing, RuntimeError> {
        self.runtime.list(org).await
    }

    async fn tenants(&self) -> Result<Tenants, RuntimeError> {
        self.runtime.tenants().await
    }

    async fn exposed(&self, image: &LocalImageId) -> Result<BTreeSet<u16>, RuntimeError> {
        self.runtime.exposed(image).await
    }

    fn pull(&self, image: &Reference) -> Flow<PullProgress> {
        self.change().pull(image)
    }

    async fn create(&self, making: Making) -> Result<ObjectId, RuntimeError> {
        self.change().create(making).await
    }

    async fn start(&self, object: &ObjectId) -> Result<(), RuntimeError> {
        self.change().start(object).await
    }

    async fn stop(&self, object: &ObjectId, grace_ms: u64) -> Result<(), RuntimeError> {
        self.change().stop(object, grace_ms).await
    }

    async fn resume(&self, object: &ObjectId) -> Result<(), RuntimeError> {
        self.change().resume(object).await
    }

    async fn remove(&self, object: &ObjectId) -> Result<(), RuntimeError> {
        self.change().remove(object).await
    }

    fn usage(&self, object: &ObjectId) -> Flow<Usage> {
        self.runtime.usage(object)
    }

    fn logs(&self, object: &ObjectId, query: LogQuery) -> Flow<LogLine> {
        self.runtime.logs(object, query)
    }

    fn events(&self, org: OrgId) -> Flow<()> {
        self.runtime.events(org)
    }

    async fn ensure_network(&self, org: OrgId) -> Result<Network, RuntimeError> {
        self.runtime.ensure_network(org).await
    }

    async fn remove_network(&self, org: OrgId) -> Result<(), RuntimeError> {
        self.change().remove_network(org).await
    }

    async fn answers(&self, address: SocketAddr, path: &str) -> bool {
        self.runtime.answers(address, path).await
    }
}
