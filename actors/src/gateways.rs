//! The way from an organization to its gateway. Starts gateways on first use and ends them together.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use orrery_protocol::id::{DocumentKey, OrgId, UserId};
use ractor::{Actor, ActorRef, ActorStatus, rpc::CallResult};

use crate::{
    gateway::{GatewayActor, GatewayConfig, GatewayMessage, GatewayReport, OpenError},
    room::RoomHandle,
};

/// How long opening a document may take before whoever asked is sent away.
const OPEN_MAX: Duration = Duration::from_secs(10);
/// How long a gateway may take to bring everything to disk.
const DRAIN_MAX: Duration = Duration::from_secs(35);
/// How long a gateway may take to say what it is doing.
const INSPECT_MAX: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Table {
    gateways: HashMap<OrgId, ActorRef<GatewayMessage>>,
    stopping: bool,
}

/// All gateways of this process; cheap to clone.
#[derive(Clone)]
pub struct Gateways {
    config: GatewayConfig,
    table: Arc<Mutex<Table>>,
}

impl Gateways {
    /// None yet.
    pub fn new(config: GatewayConfig) -> Self {
        Self { config, table: Arc::default() }
    }

    /// The room of a document, opened if need be.
    ///
    /// # Errors
    /// The document cannot be opened now.
    pub async fn room(&self, key: DocumentKey) -> Result<RoomHandle, OpenError> {
        let gateway = self.gateway(key.org).await?;
        let key = Arc::new(key);
        match gateway.call(|reply| GatewayMessage::Open(key, reply), Some(OPEN_MAX)).await {
            Ok(CallResult::Success(opened)) => opened,
            Ok(CallResult::Timeout) => Err(OpenError::Storage("loading takes too long".to_owned())),
            Ok(CallResult::SenderError) | Err(_) => Err(OpenError::Stopping),
        }
    }

    /// Ends a member's connections to one organization.
    pub fn revoke(&self, org: OrgId, user: UserId) {
        if let Some(gateway) = self.table().gateways.get(&org) {
            drop(gateway.cast(GatewayMessage::Revoke(user)));
        }
    }

    /// What may be observed of every gateway.
    pub async fn inspect(&self) -> Vec<GatewayReport> {
        let gateways: Vec<_> = self.table().gateways.values().cloned().collect();
        let calls = ractor::rpc::multi_call(&gateways, GatewayMessage::Inspect, Some(INSPECT_MAX)).await;
        calls.unwrap_or_default().into_iter().filter_map(|call| call.success_or(()).ok()).collect()
    }

    /// Closes every peer with 1012 and brings every room to disk.
    pub async fn shutdown(&self) {
        let gateways: Vec<_> = {
            let mut table = self.table();
            table.stopping = true;
            table.gateways.values().cloned().collect()
        };
        drop(ractor::rpc::multi_call(&gateways, GatewayMessage::Drain, Some(DRAIN_MAX)).await);
    }

    /// The gateway of `org`. Two who ask at once get the same: the table decides.
    async fn gateway(&self, org: OrgId) -> Result<ActorRef<GatewayMessage>, OpenError> {
        let known = |table: &Table| match table.gateways.get(&org) {
            _ if table.stopping => Some(Err(OpenError::Stopping)),
            Some(gateway) if gateway.get_status() == ActorStatus::Running => Some(Ok(gateway.clone())),
            // One that failed is replaced; its rooms are rebuilt from what is durable.
            Some(_) | None => None,
        };
        if let Some(answer) = known(&self.table()) {
            return answer;
        }
        let spawned = Actor::spawn(None, GatewayActor, (org, self.config.clone())).await;
        let (gateway, _) = spawned.map_err(|error| OpenError::Storage(error.to_string()))?;
        let mut table = self.table();
        if let Some(answer) = known(&table) {
            gateway.stop(None);
            return answer;
        }
        table.gateways.insert(org, gateway.clone());
        Ok(gateway)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
