//! What is left in an engine of organizations and projects that were deleted. Nobody serves it, so that no reconciler removes
//! it. Who was deleted is said by whoever knows; here nothing is concluded from not being known.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt, stream};
use orrery_protocol::{
    container::plan::{Object, ObjectState},
    id::{OrgId, ProjectId},
};

use super::{Engine, EngineClocks, RuntimeError, Tenants};

/// So many objects are ended at once.
const ENDS_MAX: usize = 16;

impl Engine {
    /// How soon, at first, and how often what may have been left is looked for.
    pub(crate) fn pace(&self) -> (Duration, Duration) {
        let EngineClocks { busy_period_ms, period_ms, .. } = self.clocks;
        (Duration::from_millis(busy_period_ms.min(period_ms)), Duration::from_millis(period_ms))
    }

    /// Whose things the engine has.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn tenants(&self) -> Result<Tenants, RuntimeError> {
        self.runtime.tenants().await
    }

    /// Stops and removes everything of an organization: objects with what they kept, and its network. Idempotent.
    ///
    /// # Errors
    /// Something is left. It can be tried again.
    pub async fn remove_org(&self, org: OrgId) -> Result<(), RuntimeError> {
        self.end(org, None).await?;
        self.runtime.remove_network(org).await
    }

    /// The same for some projects of an organization that is still there.
    ///
    /// # Errors
    /// Something is left. It can be tried again.
    pub async fn remove_projects(&self, org: OrgId, projects: &BTreeSet<ProjectId>) -> Result<(), RuntimeError> {
        self.end(org, Some(projects)).await
    }

    /// Ends all objects of an organization, or those of some projects.
    async fn end(&self, org: OrgId, projects: Option<&BTreeSet<ProjectId>>) -> Result<(), RuntimeError> {
        let listed = self.runtime.list(org).await?.objects.into_iter().map(|found| found.object);
        let goes = |object: &Object| projects.is_none_or(|projects| projects.contains(&object.labels.project));
        let ends: Vec<_> = listed.filter(goes).map(|object| self.end_one(object)).collect();
        let ended: Vec<Result<(), RuntimeError>> = stream::iter(ends).buffer_unordered(ENDS_MAX).collect().await;
        ended.into_iter().collect()
    }

    async fn end_one(&self, object: Object) -> Result<(), RuntimeError> {
        match object.state {
            ObjectState::Running | ObjectState::Paused => {
                match self.runtime.stop(&object.id, self.clocks.stop_grace_ms).await {
                    // Somebody was faster.
                    Ok(()) | Err(RuntimeError::NotFound) => {}
                    Err(error) => return Err(error),
                }
            }
            ObjectState::Created
            | ObjectState::Changing
            | ObjectState::Ended { .. }
            | ObjectState::Dead
            | ObjectState::Unknown => {}
        }
        self.runtime.remove(&object.id).await
    }
}
