//! Ganymede over HTTP: the control plane and the journal of a gateway that is a process of its own. Owns the client's side
//! of the routes between the two; what the bodies are is in [`orrery_protocol::control`].

mod client;
mod difference;
mod journal;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use orrery_protocol::{
    container::ProjectNotes,
    control::{
        ConfigRequest, ContainerTokenAnswer, ContainerTokenRequest, Deleted, GatewayBrief, Lease, NotesPull, NotesPush,
        Ready, Stop, Token, Visit, VisitRequest, VisitStanding,
    },
    id::{ContainerId, GatewayId, ProjectId},
};
use serde_json::json;

use crate::{
    control_plane::{Ask, ControlError, ControlPlane, Tenure},
    journal::Journal,
};
use client::{Client, Shown};
use journal::RemoteJournal;

/// Where Ganymede is, and who asks.
#[derive(Debug, Clone)]
pub struct RemoteOptions {
    /// Ganymede's address, such as `http://127.0.0.1:7000`.
    pub url: String,
    /// This process.
    pub gateway: GatewayId,
    /// What it shows until it serves an organization.
    pub pool_token: Token,
}

/// No HTTP client could be made.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client for {url}: {reason}")]
pub struct RemoteError {
    /// Where Ganymede was said to be.
    pub url: String,
    /// Why.
    pub reason: String,
}

/// Ganymede in another process.
pub struct RemoteControlPlane {
    client: Arc<Client>,
    gateway: GatewayId,
    pool_token: Token,
}

impl RemoteControlPlane {
    /// A client for `options`. Nothing is sent yet.
    ///
    /// # Errors
    /// The address is none, or the system gives no client.
    pub fn new(options: RemoteOptions) -> Result<Self, RemoteError> {
        let RemoteOptions { url, gateway, pool_token } = options;
        let client = Client::new(&url).map_err(|reason| RemoteError { url, reason })?;
        Ok(Self { client: Arc::new(client), gateway, pool_token })
    }

    /// Announces that this process, with all its slots, is ready to be allocated.
    ///
    /// # Errors
    /// Ganymede refuses, or cannot be asked.
    pub async fn announce(&self, ready: &Ready) -> Result<(), ControlError> {
        self.client.tell("/gateway/ready", Shown::Pool(&self.pool_token), ready).await
    }

    async fn tell_stop(&self, tenure: &Tenure, elsewhere: bool) -> Result<(), ControlError> {
        let stop = Stop { organization_id: tenure.org(), gateway_id: Some(self.gateway), elsewhere };
        self.client.tell("/gateway/stop", Shown::Gateway(tenure), &stop).await
    }
}

#[async_trait]
impl ControlPlane for RemoteControlPlane {
    async fn config(&self, ask: Ask<'_>) -> Result<GatewayBrief, ControlError> {
        let (shown, handshake) = match ask {
            Ask::Handshake(handshake) => (Shown::Pool(&self.pool_token), Some(handshake.clone())),
            Ask::Again(tenure) => (Shown::Gateway(tenure), None),
        };
        self.client.ask("/gateway/config", shown, &ConfigRequest { handshake }).await
    }

    async fn renew(&self, tenure: &Tenure) -> Result<Lease, ControlError> {
        self.client.ask("/gateway/lease", Shown::Gateway(tenure), &json!({})).await
    }

    async fn stop(&self, tenure: &Tenure) -> Result<(), ControlError> {
        self.tell_stop(tenure, false).await
    }

    async fn leave(&self, tenure: &Tenure) -> Result<(), ControlError> {
        self.tell_stop(tenure, true).await
    }

    async fn disable_shutdown(&self, tenure: &Tenure, disabled: bool) -> Result<(), ControlError> {
        let state = json!({
            "organization_id": tenure.org(),
            "gateway_id": self.gateway,
            "data": {"gateway_state": {"disable_shutdown": disabled}},
        });
        self.client.tell("/gateway/data/push", Shown::Gateway(tenure), &state).await
    }

    async fn container_token(
        &self,
        tenure: &Tenure,
        project: ProjectId,
        container: ContainerId,
        generation: u32,
    ) -> Result<Token, ControlError> {
        let asked = ContainerTokenRequest { project, container, generation };
        let answer =
            self.client.ask::<ContainerTokenAnswer>("/gateway/container-token", Shown::Gateway(tenure), &asked);
        Ok(answer.await?.token)
    }

    async fn deleted(&self, asked: &Deleted) -> Result<Deleted, ControlError> {
        self.client.ask("/gateway/deleted", Shown::Pool(&self.pool_token), asked).await
    }

    async fn notes(&self, tenure: &Tenure, project: ProjectId) -> Result<ProjectNotes, ControlError> {
        self.client.ask("/gateway/notes/pull", Shown::Gateway(tenure), &NotesPull { project }).await
    }

    async fn store_notes(&self, tenure: &Tenure, project: ProjectId, notes: &ProjectNotes) -> Result<(), ControlError> {
        let push = NotesPush { project, notes: notes.clone() };
        self.client.tell("/gateway/notes/push", Shown::Gateway(tenure), &push).await
    }

    async fn admit_visit(&self, tenure: &Tenure, request: &VisitRequest) -> Result<Visit, ControlError> {
        self.client.ask("/gateway/visit", Shown::Gateway(tenure), request).await
    }

    async fn visit_stands(&self, tenure: &Tenure, standing: &VisitStanding) -> Result<bool, ControlError> {
        self.client.ask("/gateway/visit/standing", Shown::Gateway(tenure), standing).await
    }

    fn journal(&self, tenure: &Arc<Tenure>) -> Arc<dyn Journal> {
        Arc::new(RemoteJournal::new(self.client.clone(), tenure.clone()))
    }
}
