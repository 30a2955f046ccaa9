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
            // One that failed is replaced; its rooms are rebuilt from what is durable. One that has only just begun is
            // not: two gateways would open every document twice.
            Some(gateway) if has_ended(gateway) => None,
            found => found.cloned().map(Ok),
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

fn has_ended(gateway: &ActorRef<GatewayMessage>) -> bool {
    matches!(gateway.get_status(), ActorStatus::Stopping | ActorStatus::Stopped)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use bytes::Bytes;
    use orrery_protocol::{limits::GatewayLimits, record::StoredDocument, room::RoomConfig};

    use super::*;
    use crate::{
        clock::Clock,
        journal::{Append, Journal, JournalError},
    };

    /// For gateways that open nothing.
    struct Unused;

    #[async_trait]
    impl Journal for Unused {
        fn append(&self, _append: Append) {
            unreachable!("nothing is open");
        }

        async fn load(&self, _key: &DocumentKey) -> Result<StoredDocument, JournalError> {
            unreachable!("nothing is opened");
        }

        async fn store_snapshot(&self, _key: &DocumentKey, _seq: u64, _state: Bytes) -> Result<(), JournalError> {
            unreachable!("nothing is open");
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn all_who_come_first_at_once_find_the_same_gateway() {
        let journal = Arc::new(Unused);
        let (room, limits, clock) = (RoomConfig::default(), GatewayLimits::default(), Clock::new());
        let gateways = Gateways::new(GatewayConfig { room, limits, journal, clock });
        for number in 1..200 {
            let org = OrgId(number.to_string().repeat(36)[..32].parse().unwrap());
            let ask = |_| {
                let gateways = gateways.clone();
                tokio::spawn(async move { gateways.gateway(org).await.unwrap().get_id() })
            };
            let mut found = Vec::new();
            for task in (0..8).map(ask).collect::<Vec<_>>() {
                found.push(task.await.unwrap());
            }
            found.dedup();
            assert_eq!(found.len(), 1, "one organization, one gateway");
        }
    }
}
