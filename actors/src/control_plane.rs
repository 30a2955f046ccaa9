//! What a gateway asks of Ganymede. In one process it is answered by direct calls; elsewhere, over HTTP.

use std::{fmt, sync::Arc};

use async_trait::async_trait;
use orrery_protocol::{
    container::ProjectNotes,
    control::{Deleted, GatewayBrief, Lease, Token, Visit, VisitRequest, VisitStanding},
    id::{ContainerId, Epoch, OrgId, ProjectId},
};
use tokio::sync::watch;

use crate::journal::Journal;

/// Why Ganymede did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The organization was allocated anew: whoever asks has nothing to do with it any more.
    #[error("the organization is served under a newer epoch")]
    Stale,
    /// Asking again with the same token is in vain.
    #[error("Ganymede refuses: {0}")]
    Refused(String),
    /// No answer, or one that is not an answer. Asking again may succeed.
    #[error("Ganymede cannot be asked: {0}")]
    Unavailable(String),
}

/// One allocation of an organization to this process: what its gateway acts under. Shared by all that act.
pub struct Tenure {
    org: OrgId,
    epoch: Epoch,
    token: watch::Sender<Token>,
    fenced: watch::Sender<bool>,
}

impl Tenure {
    /// The allocation that `brief` tells of.
    pub fn new(brief: &GatewayBrief) -> Self {
        Self {
            org: brief.organization_id,
            epoch: brief.epoch,
            token: watch::Sender::new(brief.gateway_token.clone()),
            fenced: watch::Sender::new(false),
        }
    }

    /// Whose gateway acts.
    pub fn org(&self) -> OrgId {
        self.org
    }

    /// Under which epoch.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What it shows Ganymede.
    pub fn token(&self) -> Token {
        self.token.borrow().clone()
    }

    /// From now on it shows `token`.
    pub fn replace_token(&self, token: Token) {
        self.token.send_replace(token);
    }

    /// Nothing more will be stored under this epoch: Ganymede refused something as stale, or refuses for good. The gateway
    /// stops serving at once.
    pub fn fence(&self) {
        self.fenced.send_replace(true);
    }

    /// Whether somebody has called [`Tenure::fence`].
    pub fn is_fenced(&self) -> bool {
        *self.fenced.borrow()
    }

    /// Waits until somebody calls [`Tenure::fence`].
    pub async fn until_fenced(&self) {
        let mut fenced = self.fenced.subscribe();
        // The sender is ours, so that it cannot be gone.
        fenced.wait_for(|fenced| *fenced).await.ok();
    }
}

impl fmt::Debug for Tenure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { org, epoch, .. } = self;
        write!(f, "Tenure({org}, epoch {epoch})")
    }
}

/// With what a configuration is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Ask<'a> {
    /// The single-use handshake of an allocation that begins.
    Handshake(&'a Token),
    /// An allocation that goes on: something about the organization changed.
    Again(&'a Tenure),
}

/// Ganymede as a gateway sees it. Each call has a time limit of its own.
#[async_trait]
pub trait ControlPlane: Send + Sync + 'static {
    /// What there is to know of an organization that this process serves, or is about to.
    async fn config(&self, ask: Ask<'_>) -> Result<GatewayBrief, ControlError>;

    /// Renews the lease. It lasts as long as the answer says, counted from when this was called.
    async fn renew(&self, tenure: &Tenure) -> Result<Lease, ControlError>;

    /// The gateway serves this organization no longer, and everything is stored. Idempotent.
    async fn stop(&self, tenure: &Tenure) -> Result<(), ControlError>;

    /// The same, because the process ends: the organization is still wanted, elsewhere. Idempotent.
    async fn leave(&self, tenure: &Tenure) -> Result<(), ControlError>;

    /// Keeps, beyond this allocation, whether the organization's gateway serves on however long nobody does anything.
    async fn disable_shutdown(&self, tenure: &Tenure, disabled: bool) -> Result<(), ControlError>;

    /// What a container of the organization shows its gateway. Worth nothing once that generation of it is not there.
    async fn container_token(
        &self,
        tenure: &Tenure,
        project: ProjectId,
        container: ContainerId,
        generation: u32,
    ) -> Result<Token, ControlError>;

    /// Which of these organizations and projects, at most [`Deleted::ASKED_MAX`], Ganymede had and deleted. What it does not
    /// know is none of them: it may be another installation's.
    async fn deleted(&self, asked: &Deleted) -> Result<Deleted, ControlError>;

    /// What was kept of a project beside its documents; nothing, if nothing was.
    async fn notes(&self, tenure: &Tenure, project: ProjectId) -> Result<ProjectNotes, ControlError>;

    /// Keeps it, beyond this allocation and instead of what was kept before. Sealed: there are secrets in it.
    async fn store_notes(&self, tenure: &Tenure, project: ProjectId, notes: &ProjectNotes) -> Result<(), ControlError>;

    /// Makes a visit of a ticket that somebody brought to a container's host.
    async fn admit_visit(&self, tenure: &Tenure, request: &VisitRequest) -> Result<Visit, ControlError>;

    /// Whether the session behind a visit lasts.
    async fn visit_stands(&self, tenure: &Tenure, standing: &VisitStanding) -> Result<bool, ControlError>;

    /// Durable storage under the epoch of `tenure`, and no other. What it stores late is refused as stale; then it calls
    /// [`Tenure::fence`].
    fn journal(&self, tenure: &Arc<Tenure>) -> Arc<dyn Journal>;
}
