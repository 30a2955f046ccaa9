//! What deleted organizations and projects leave in the container engine of this process: nobody serves them, so this looks for
//! it, at first, from time to time, and soon after an organization was let go, because it may have been deleted.

use std::collections::BTreeSet;

use orrery_protocol::{
    control::Deleted,
    id::{OrgId, ProjectId},
};
use tokio::time::timeout;

use super::Gateways;
use crate::{
    control_plane::ControlError,
    engine::{Engine, RuntimeError, Tenants},
};

/// Why something may be left.
#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Engine(#[from] RuntimeError),
    #[error(transparent)]
    Control(#[from] ControlError),
}

impl Gateways {
    /// Removes what is left of what was deleted, for as long as it runs. Ends at once where no containers are run.
    pub async fn clear_leftovers(&self) {
        let Some(engine) = &self.config.engine else { return };
        let (soon, period) = engine.pace();
        let mut rest = soon;
        loop {
            let served = self.places.orgs();
            match self.sweep(engine, &served).await {
                Ok(()) => {}
                // Whoever serves organizations complains of an engine that is away.
                Err(SweepError::Engine(error)) => tracing::debug!(%error, "the engine is not searched for leftovers"),
                Err(SweepError::Control(error)) => {
                    tracing::warn!(%error, "it is not known whose containers can go; trying again");
                }
            }
            let left = timeout(rest, self.places.until_one_left(&served)).await.is_ok();
            rest = if left { soon } else { rest.saturating_mul(2).min(period) };
        }
    }

    async fn sweep(&self, engine: &Engine, served: &BTreeSet<OrgId>) -> Result<(), SweepError> {
        let mut tenants = engine.tenants().await?;
        tenants.retain(|org, _| !served.contains(org));
        let deleted = self.deleted_of(&tenants).await?;
        let mut last = Ok(());
        for (org, projects) in tenants {
            let of_it: BTreeSet<ProjectId> = projects.intersection(&deleted.projects).copied().collect();
            let removed = if deleted.organizations.contains(&org) {
                engine.remove_org(org).await
            } else if of_it.is_empty() {
                continue;
            } else {
                engine.remove_projects(org, &of_it).await
            };
            match removed {
                Ok(()) => tracing::info!(%org, "what was left of what was deleted is removed"),
                Err(error) => last = Err(error.into()),
            }
        }
        last
    }

    /// Which of these Ganymede deleted, asked so many at once as it answers for.
    async fn deleted_of(&self, tenants: &Tenants) -> Result<Deleted, ControlError> {
        let mut deleted = Deleted::default();
        let mut asked = Deleted::default();
        for (&org, projects) in tenants {
            asked.organizations.insert(org);
            for &project in projects {
                if asked.len() >= Deleted::ASKED_MAX {
                    self.ask_for_deleted(&mut asked, &mut deleted).await?;
                }
                asked.projects.insert(project);
            }
            if asked.len() >= Deleted::ASKED_MAX {
                self.ask_for_deleted(&mut asked, &mut deleted).await?;
            }
        }
        self.ask_for_deleted(&mut asked, &mut deleted).await?;
        Ok(deleted)
    }

    async fn ask_for_deleted(&self, asked: &mut Deleted, deleted: &mut Deleted) -> Result<(), ControlError> {
        let asked = std::mem::take(asked);
        if asked.is_empty() {
            return Ok(());
        }
        let Deleted { organizations, projects } = self.config.control_plane.deleted(&asked).await?;
        deleted.organizations.extend(organizations);
        deleted.projects.extend(projects);
        Ok(())
    }
}
