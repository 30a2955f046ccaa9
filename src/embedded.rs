//! Ganymede and gateways in one process: what they ask each other over HTTP elsewhere are direct calls here. Only
//! translation.

use std::{
    error::Error,
    sync::{Arc, OnceLock},
};

use async_trait::async_trait;
use bytes::Bytes;
use orrery_actors::{Append, Ask, ControlError, ControlPlane, Gateways, Journal, JournalError, ReleaseReason, Tenure};
use orrery_ganymede::{
    data::{Data, JsonError, NotesError, StoreSnapshotError},
    pool::{ConfigError, ContainerTokenError, GatewayAddress, HostError, Pool, RenewError, SlotHost, StopError},
    store,
    tokens::GatewayClaims,
    visits::{VisitError, Visits},
};
use orrery_protocol::{
    container::ProjectNotes,
    control::{ContainerTokenRequest, Deleted, GatewayBrief, Lease, Start, Token, Visit, VisitRequest, VisitStanding},
    document,
    id::{ContainerId, DocumentKey, Epoch, GatewayId, OrgId, ProjectId},
    record::StoredDocument,
};

/// How the store folds a document that nobody opens: through yrs, which it does not know.
pub(crate) fn merge(snapshot: Option<&[u8]>, updates: &[Bytes]) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    Ok(document::merge(snapshot, updates)?)
}

/// Ganymede, as the gateways of the same process ask it.
pub(crate) struct LocalControlPlane {
    pool: Pool,
    data: Data,
    visits: Visits,
    /// Known once the pool has taken this process in.
    gateway: OnceLock<GatewayId>,
}

impl LocalControlPlane {
    pub(crate) fn new(pool: Pool, data: Data, visits: Visits) -> Self {
        Self { pool, data, visits, gateway: OnceLock::new() }
    }

    /// Who the gateways of this process are.
    pub(crate) fn is_gateway(&self, gateway: GatewayId) {
        self.gateway.set(gateway).ok();
    }

    fn gateway(&self) -> Result<GatewayId, ControlError> {
        self.gateway.get().copied().ok_or_else(|| ControlError::Unavailable("this process is starting".to_owned()))
    }

    fn claims(&self, tenure: &Tenure) -> Result<GatewayClaims, ControlError> {
        Ok(GatewayClaims { gateway: self.gateway()?, org: tenure.org(), epoch: tenure.epoch() })
    }
}

#[async_trait]
impl ControlPlane for LocalControlPlane {
    async fn config(&self, ask: Ask<'_>) -> Result<GatewayBrief, ControlError> {
        let brief = match ask {
            Ask::Handshake(Token(handshake)) => self.pool.handshake(self.gateway()?, handshake).await,
            Ask::Again(tenure) => self.pool.brief(&self.claims(tenure)?).await,
        };
        match brief {
            Ok(brief) => Ok(brief),
            Err(ConfigError::Stale(_)) => Err(ControlError::Stale),
            Err(ConfigError::Database(error)) => Err(ControlError::Unavailable(error.to_string())),
            Err(error) => Err(ControlError::Refused(error.to_string())),
        }
    }

    async fn renew(&self, tenure: &Tenure) -> Result<Lease, ControlError> {
        match self.pool.renew(&self.claims(tenure)?).await {
            Ok(lease) => Ok(lease),
            Err(RenewError::Stale(_)) => Err(ControlError::Stale),
            Err(error) => Err(ControlError::Unavailable(error.to_string())),
        }
    }

    async fn stop(&self, tenure: &Tenure) -> Result<(), ControlError> {
        match self.pool.stop(&self.claims(tenure)?).await {
            Ok(()) => Ok(()),
            Err(StopError::Stale(_)) => Err(ControlError::Stale),
            Err(error) => Err(ControlError::Unavailable(error.to_string())),
        }
    }

    /// The pool ends with this process, and remembers by itself whom it has to serve again.
    async fn leave(&self, _tenure: &Tenure) -> Result<(), ControlError> {
        Ok(())
    }

    async fn disable_shutdown(&self, tenure: &Tenure, disabled: bool) -> Result<(), ControlError> {
        match self.data.disable_shutdown(&self.claims(tenure)?, disabled).await {
            Ok(()) => Ok(()),
            Err(JsonError::Stale(_)) => Err(ControlError::Stale),
            Err(error) => Err(ControlError::Unavailable(error.to_string())),
        }
    }

    async fn container_token(
        &self,
        tenure: &Tenure,
        project: ProjectId,
        container: ContainerId,
        generation: u32,
    ) -> Result<Token, ControlError> {
        let asked = ContainerTokenRequest { project, container, generation };
        match self.pool.container_token(&self.claims(tenure)?, &asked).await {
            Ok(token) => Ok(token),
            Err(ContainerTokenError::Stale(_)) => Err(ControlError::Stale),
            Err(error @ ContainerTokenError::UnknownProject(_)) => Err(ControlError::Refused(error.to_string())),
            Err(error) => Err(ControlError::Unavailable(error.to_string())),
        }
    }

    async fn deleted(&self, asked: &Deleted) -> Result<Deleted, ControlError> {
        self.pool.deleted(asked).await.map_err(|error| ControlError::Unavailable(error.to_string()))
    }

    async fn notes(&self, tenure: &Tenure, project: ProjectId) -> Result<ProjectNotes, ControlError> {
        self.data.notes(&self.claims(tenure)?, project).await.map_err(notes_error)
    }

    async fn store_notes(&self, tenure: &Tenure, project: ProjectId, notes: &ProjectNotes) -> Result<(), ControlError> {
        self.data.store_notes(&self.claims(tenure)?, project, notes.clone()).await.map_err(notes_error)
    }

    async fn admit_visit(&self, tenure: &Tenure, request: &VisitRequest) -> Result<Visit, ControlError> {
        match self.visits.admit(tenure.org(), request).await {
            Ok(visit) => Ok(visit),
            Err(VisitError::Database(error)) => Err(ControlError::Unavailable(error.to_string())),
            Err(error) => Err(ControlError::Refused(error.to_string())),
        }
    }

    async fn visit_stands(&self, _tenure: &Tenure, standing: &VisitStanding) -> Result<bool, ControlError> {
        self.visits.stands(standing).await.map_err(|error| ControlError::Unavailable(error.to_string()))
    }

    fn journal(&self, tenure: &Arc<Tenure>) -> Arc<dyn Journal> {
        Arc::new(LocalJournal { data: self.data.clone(), tenure: tenure.clone() })
    }
}

fn notes_error(error: NotesError) -> ControlError {
    match error {
        NotesError::Stale(_) => ControlError::Stale,
        NotesError::UnknownProject(_) => ControlError::Refused(error.to_string()),
        NotesError::Unseal { .. } | NotesError::UnknownForm(_) | NotesError::Seal(_) | NotesError::Database(_) => {
            ControlError::Unavailable(error.to_string())
        }
    }
}

/// What is dropped with an append that was not stored and never will be. Those that follow would be refused as well: the tenure
/// ends, and whoever serves next loads what there is.
struct Refusal(Option<Arc<Tenure>>);

impl Refusal {
    /// It was stored.
    fn lift(mut self) {
        self.0 = None;
    }
}

impl Drop for Refusal {
    fn drop(&mut self) {
        self.0.iter().for_each(|tenure| tenure.fence());
    }
}

/// The store, under one epoch.
struct LocalJournal {
    data: Data,
    tenure: Arc<Tenure>,
}

#[async_trait]
impl Journal for LocalJournal {
    fn append(&self, append: Append) {
        let Append { key, first_seq, updates, durable } = append;
        let refusal = Refusal(Some(self.tenure.clone()));
        let durable = Box::new(move |seq| {
            refusal.lift();
            durable(seq);
        });
        // Refused here or later by the store, it is dropped.
        self.data.queue(store::Append { key, epoch: self.tenure.epoch().0, first_seq, updates, durable }).ok();
    }

    async fn load(&self, key: &DocumentKey) -> Result<StoredDocument, JournalError> {
        if !self.data.admits(self.tenure.org(), self.tenure.epoch()) {
            self.tenure.fence();
            return Err(JournalError(ControlError::Stale.to_string()));
        }
        self.data.load(key).await.map_err(|error| JournalError(error.to_string()))
    }

    async fn store_snapshot(&self, key: &DocumentKey, covers_seq: u64, state: Bytes) -> Result<(), JournalError> {
        let stored = self.data.store_snapshot(key, self.tenure.epoch(), covers_seq, state).await;
        if matches!(stored, Err(StoreSnapshotError::Stale(_))) {
            self.tenure.fence();
        }
        stored.map_err(|error| JournalError(error.to_string()))
    }
}

/// The gateways of this process, as the pool tells them what to do.
pub(crate) struct LocalHost(pub(crate) Gateways);

#[async_trait]
impl SlotHost for LocalHost {
    async fn start(&self, _gateway: &GatewayAddress, _epoch: Epoch, start: Start) -> Result<(), HostError> {
        let started = self.0.start(start.organization_id, &start.handshake).await;
        started.map(drop).map_err(|error| HostError::Refused(error.to_string()))
    }

    async fn stop(&self, _gateway: &GatewayAddress, organization_id: OrgId, epoch: Epoch) -> Result<(), HostError> {
        self.0.release(organization_id, epoch, ReleaseReason::Ordered).await;
        Ok(())
    }

    async fn refresh(&self, _gateway: &GatewayAddress, organization_id: OrgId, _epoch: Epoch) -> Result<(), HostError> {
        self.0.refetch(organization_id).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
