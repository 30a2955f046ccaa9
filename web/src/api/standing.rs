//! What the caller may do in an organization or project. What it may not see does not exist for it; what it sees and may
//! not do is refused. What manages, rather than uses, takes the scope `admin` as well as the role.

use orrery_ganymede::{orgs::Project, people::Scope};
use orrery_protocol::{
    access::{OrgRole, Permission},
    id::{OrgId, ProjectId},
};

use crate::{authentication::Caller, error::ApiError, state::GanymedeState};

impl Caller {
    /// The caller's role in an organization, if it allows `permission`.
    pub(super) async fn in_org(
        &self,
        state: &GanymedeState,
        org: OrgId,
        permission: Permission,
    ) -> Result<OrgRole, ApiError> {
        let role = state.orgs.role(org, self.user.id).await?.ok_or_else(ApiError::not_found)?;
        self.may_use(permission)?;
        if role.allows(permission) { Ok(role) } else { Err(not_with(role.as_str())) }
    }

    /// A project, if the caller's role in it allows `permission`.
    pub(super) async fn in_project(
        &self,
        state: &GanymedeState,
        project: ProjectId,
        permission: Permission,
    ) -> Result<Project, ApiError> {
        let access = state.orgs.access(self.user.id, project).await?.ok_or_else(ApiError::not_found)?;
        self.may_use(permission)?;
        if access.role.allows(permission) { Ok(access.project) } else { Err(not_with(access.role.as_str())) }
    }

    fn may_use(&self, permission: Permission) -> Result<(), ApiError> {
        if manages(permission) { self.needs(Scope::Admin) } else { Ok(()) }
    }
}

/// Whether it is about who belongs to something, or about whether that is there at all.
fn manages(permission: Permission) -> bool {
    matches!(permission, Permission::ManageProject | Permission::ManageMembers | Permission::ManageOrg)
}

fn not_with(role: &str) -> ApiError {
    ApiError::forbidden(format!("the role `{role}` does not allow this"))
}
