//! What gateways keep of projects beside documents: where services of containers listen, and secrets of containers. The data
//! base gets it sealed; it goes to nobody but the gateway that serves the organization.

use orrery_protocol::{
    container::ProjectNotes,
    id::{OrgId, ProjectId},
};
use serde::{Deserialize, Serialize};

use super::Data;
use crate::{
    clock::unix_ms,
    database::{DatabaseError, Row, stored},
    pool::StaleEpoch,
    state_key::{SealError, UnsealError},
    tokens::GatewayClaims,
};

/// Why notes were not read or kept.
#[derive(Debug, thiserror::Error)]
pub enum NotesError {
    /// The gateway's epoch is over. Nothing was changed.
    #[error(transparent)]
    Stale(#[from] StaleEpoch),
    /// The organization has no such project.
    #[error("the organization has no project {0}")]
    UnknownProject(ProjectId),
    /// Sealed with another key, or changed.
    #[error("the notes of project {project}: {source}")]
    Unseal {
        /// Whose.
        project: ProjectId,
        /// Why they do not open.
        source: UnsealError,
    },
    /// They open, and are of no known form or another project's. The content stays out of the message.
    #[error("the notes of project {0} have an unknown form")]
    UnknownForm(ProjectId),
    /// The cipher refuses.
    #[error(transparent)]
    Seal(#[from] SealError),
    /// The data base does not answer.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// What is sealed: the project with it, so that nobody can put one project's notes in another's place.
#[derive(Serialize, Deserialize)]
struct Sealed {
    project: ProjectId,
    notes: ProjectNotes,
}

impl Data {
    /// What was kept of a project; nothing, if nothing was.
    ///
    /// # Errors
    /// The epoch is over, the project is none of the organization's, or what is kept does not open.
    pub async fn notes(&self, claims: &GatewayClaims, project: ProjectId) -> Result<ProjectNotes, NotesError> {
        let GatewayClaims { org, epoch, .. } = *claims;
        if !self.admits(org, epoch) {
            return Err(StaleEpoch { organization_id: org, epoch }.into());
        }
        self.check_project(org, project).await?;
        let states = &self.inner.parts.states;
        let select = sqlx::query("SELECT sealed FROM project_notes WHERE project_id = $1").bind(project.to_string());
        let row = select.fetch_optional(states.database.sqlx()).await.map_err(DatabaseError::from)?;
        let Some(row) = row else { return Ok(ProjectNotes::default()) };
        let unseal = |source| NotesError::Unseal { project, source };
        let plain = states.key.open(org, &row.text("sealed")?).map_err(unseal)?;
        let sealed: Sealed = serde_json::from_slice(&plain).map_err(|_| NotesError::UnknownForm(project))?;
        if sealed.project == project { Ok(sealed.notes) } else { Err(NotesError::UnknownForm(project)) }
    }

    /// Keeps notes of a project instead of what was kept before. Durable when it returns.
    ///
    /// # Errors
    /// The epoch is over, the project is none of the organization's, or the data base does not answer.
    pub async fn store_notes(
        &self,
        claims: &GatewayClaims,
        project: ProjectId,
        notes: ProjectNotes,
    ) -> Result<(), NotesError> {
        let GatewayClaims { org, epoch, .. } = *claims;
        let entry = self.inner.parts.fence.enter(org, epoch)?;
        self.check_project(org, project).await?;
        let states = &self.inner.parts.states;
        let plain = serde_json::to_vec(&Sealed { project, notes }).map_err(|_| NotesError::UnknownForm(project))?;
        let sealed = states.key.seal(org, &plain)?;
        let upsert = "INSERT INTO project_notes (project_id, org_id, sealed, updated_at) VALUES ($1, $2, $3, $4) \
                      ON CONFLICT (project_id) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at";
        let upsert = sqlx::query(upsert).bind(project.to_string()).bind(org.to_string()).bind(sealed);
        let upsert = upsert.bind(stored(unix_ms((self.inner.parts.clock)())));
        upsert.execute(states.database.sqlx()).await.map_err(DatabaseError::from)?;
        drop(entry);
        Ok(())
    }

    async fn check_project(&self, org: OrgId, project: ProjectId) -> Result<(), NotesError> {
        let known = self.inner.parts.orgs.project(project).await?;
        if known.is_some_and(|known| known.org == org) { Ok(()) } else { Err(NotesError::UnknownProject(project)) }
    }
}
