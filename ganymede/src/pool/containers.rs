//! What a gateway asks for containers: what those of its organization are known by, and whose are nobody's any more.

use orrery_protocol::{
    control::{ContainerTokenRequest, Deleted, Token},
    id::ProjectId,
};

use super::{Pool, StaleEpoch};
use crate::{
    database::DatabaseError,
    tokens::{ContainerClaims, GatewayClaims, TokenError},
};

/// Why a container gets no token.
#[derive(Debug, thiserror::Error)]
pub enum ContainerTokenError {
    /// The gateway's epoch is over.
    #[error(transparent)]
    Stale(#[from] StaleEpoch),
    /// The organization has no such project.
    #[error("the organization has no project {0}")]
    UnknownProject(ProjectId),
    /// It cannot be signed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The data base does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl Pool {
    /// Which of these organizations and projects were deleted here: what is left of them can go.
    ///
    /// # Errors
    /// The data base does not answer.
    pub async fn deleted(&self, asked: &Deleted) -> Result<Deleted, DatabaseError> {
        self.inner.parts.orgs.deleted(asked).await
    }

    /// What a container shows the gateways of its organization, this one and those that follow.
    ///
    /// # Errors
    /// The gateway does not serve the organization under this epoch any more, or the project is none of its own.
    pub async fn container_token(
        &self,
        claims: &GatewayClaims,
        asked: &ContainerTokenRequest,
    ) -> Result<Token, ContainerTokenError> {
        let GatewayClaims { org, epoch, .. } = *claims;
        let ContainerTokenRequest { project, container, generation } = *asked;
        let parts = &self.inner.parts;
        if !parts.fence.admits(org, epoch) {
            return Err(StaleEpoch { organization_id: org, epoch }.into());
        }
        let known = parts.orgs.project(project).await?;
        if known.is_none_or(|known| known.org != org) {
            return Err(ContainerTokenError::UnknownProject(project));
        }
        let claims = ContainerClaims { container, org, project, generation };
        Ok(parts.tokens.sign_container(&claims, self.now())?)
    }
}
