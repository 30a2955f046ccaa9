//! Projects of an organization, and roles in them that differ from what the membership gives.

use orrery_protocol::{
    access::{OrgRole, Role, effective_role},
    id::{OrgId, ProjectId, UserId},
};
use sqlx::any::AnyRow;
use uuid::Uuid;

use super::{
    CreateProjectError, Orgs, PROJECTS_MAX, ProjectRoleError, members::role_in, org_role, touch, touch_by_project,
};
use crate::{
    database::{DatabaseError, Row, stored},
    people::input,
};

/// One project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Which.
    pub id: ProjectId,
    /// Of which organization.
    pub org: OrgId,
    /// As a member chose it.
    pub name: String,
    /// Whether it was started and not stopped since.
    pub active: bool,
    /// When it was made.
    pub created_at_ms: u64,
    /// When it was last started.
    pub last_started_at_ms: Option<u64>,
    /// When it was last started or stopped. Whoever opens its board starts it.
    pub last_activity_at_ms: Option<u64>,
}

/// A project as one member of its organization sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectAccess {
    /// Which.
    pub project: Project,
    /// What they are in the organization.
    pub org_role: OrgRole,
    /// What they are in the project, all taken together.
    pub role: Role,
}

/// One member, as a project sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectMember {
    /// Who.
    pub user: UserId,
    /// For other members to see; not for documents.
    pub email: String,
    /// The name shown to others. Chosen by the user: never render it as markup.
    pub name: String,
    /// What they are in the organization.
    pub org_role: OrgRole,
    /// The role that they were given in the project, if any.
    pub given: Option<Role>,
    /// What they are in the project, all taken together.
    pub role: Role,
}

impl Orgs {
    /// Makes a project. `creator`, a member, becomes its admin.
    pub async fn create_project(
        &self,
        now_ms: u64,
        org: OrgId,
        creator: UserId,
        name: &str,
    ) -> Result<Project, CreateProjectError> {
        let project = Project {
            id: ProjectId(Uuid::now_v7()),
            org,
            name: input::name(name)?,
            active: false,
            created_at_ms: now_ms,
            last_started_at_ms: None,
            last_activity_at_ms: None,
        };
        let mut tx = self.database.begin().await?;
        if !touch(&mut tx, org).await? || role_in(&mut tx, org, creator).await?.is_none() {
            return Err(CreateProjectError::NoSuchOrg);
        }
        let count = sqlx::query("SELECT COUNT(*) AS count FROM projects WHERE org_id = $1").bind(org.to_string());
        if count.fetch_one(&mut *tx).await?.number("count")? >= PROJECTS_MAX {
            return Err(CreateProjectError::TooManyProjects);
        }
        sqlx::query("INSERT INTO projects (id, org_id, name, active, created_at) VALUES ($1, $2, $3, 0, $4)")
            .bind(project.id.to_string())
            .bind(org.to_string())
            .bind(&project.name)
            .bind(stored(now_ms))
            .execute(&mut *tx)
            .await?;
        sqlx::query("INSERT INTO project_members (project_id, org_id, user_id, role) VALUES ($1, $2, $3, $4)")
            .bind(project.id.to_string())
            .bind(org.to_string())
            .bind(creator.to_string())
            .bind(Role::Admin.as_str())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(project)
    }

    /// The projects of an organization, oldest first. Empty if it is not there.
    pub async fn projects(&self, org: OrgId) -> Result<Vec<Project>, DatabaseError> {
        let select = "SELECT id, org_id, name, active, created_at, last_started_at, last_activity_at \
                      FROM projects WHERE org_id = $1 ORDER BY created_at, id";
        let rows = sqlx::query(select).bind(org.to_string()).fetch_all(self.database.sqlx()).await?;
        rows.iter().map(Project::from_row).collect()
    }

    /// One project.
    pub async fn project(&self, id: ProjectId) -> Result<Option<Project>, DatabaseError> {
        let select = "SELECT id, org_id, name, active, created_at, last_started_at, last_activity_at \
                      FROM projects WHERE id = $1";
        let row = sqlx::query(select).bind(id.to_string()).fetch_optional(self.database.sqlx()).await?;
        row.as_ref().map(Project::from_row).transpose()
    }

    /// A project, and what `user` may do in it. `None` for a project that is not there and for who is no member of its
    /// organization: the two look the same.
    pub async fn access(&self, user: UserId, project: ProjectId) -> Result<Option<ProjectAccess>, DatabaseError> {
        let select = "SELECT projects.id, projects.org_id, projects.name, projects.active, projects.created_at, \
                      projects.last_started_at, projects.last_activity_at, org_members.role, \
                      COALESCE(project_members.role, '') AS given \
                      FROM projects JOIN org_members ON org_members.org_id = projects.org_id \
                      LEFT JOIN project_members ON project_members.project_id = projects.id \
                      AND project_members.user_id = org_members.user_id \
                      WHERE projects.id = $1 AND org_members.user_id = $2";
        let row = sqlx::query(select)
            .bind(project.to_string())
            .bind(user.to_string())
            .fetch_optional(self.database.sqlx())
            .await?;
        let Some(row) = row else { return Ok(None) };
        let org_role = org_role(&row)?;
        let role = effective_role(org_role, given_role(&row)?);
        Ok(Some(ProjectAccess { project: Project::from_row(&row)?, org_role, role }))
    }

    /// Gives a project another name. `None` if it is not there.
    pub async fn rename_project(&self, id: ProjectId, name: &str) -> Result<Option<Project>, super::RenameOrgError> {
        let name = input::name(name)?;
        let mut tx = self.database.begin().await?;
        if touch_by_project(&mut tx, id).await?.is_none() {
            return Ok(None);
        }
        let update = sqlx::query("UPDATE projects SET name = $1 WHERE id = $2").bind(name).bind(id.to_string());
        update.execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(self.project(id).await?)
    }

    /// Removes a project and the roles in it. `false` if it is not there. Its documents are not touched.
    pub async fn delete_project(&self, id: ProjectId) -> Result<bool, DatabaseError> {
        let mut tx = self.database.begin().await?;
        if touch_by_project(&mut tx, id).await?.is_none() {
            return Ok(false);
        }
        sqlx::query("DELETE FROM projects WHERE id = $1").bind(id.to_string()).execute(&mut *tx).await?;
        super::tombstones::bury(&mut tx, id).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Notes that a project was started or stopped. `None` if it is not there.
    pub async fn set_project_active(
        &self,
        now_ms: u64,
        id: ProjectId,
        active: bool,
    ) -> Result<Option<Project>, DatabaseError> {
        let update = if active {
            "UPDATE projects SET active = 1, last_started_at = $1, last_activity_at = $1 WHERE id = $2"
        } else {
            "UPDATE projects SET active = 0, last_activity_at = $1 WHERE id = $2"
        };
        let update = sqlx::query(update).bind(stored(now_ms)).bind(id.to_string());
        update.execute(self.database.sqlx()).await?;
        self.project(id).await
    }

    /// Every member of the project's organization, and what they are in the project. Empty if it is not there.
    pub async fn project_members(&self, project: ProjectId) -> Result<Vec<ProjectMember>, DatabaseError> {
        let select = "SELECT users.id, users.email, users.name, org_members.role, \
                      COALESCE(project_members.role, '') AS given \
                      FROM projects JOIN org_members ON org_members.org_id = projects.org_id \
                      JOIN users ON users.id = org_members.user_id \
                      LEFT JOIN project_members ON project_members.project_id = projects.id \
                      AND project_members.user_id = org_members.user_id \
                      WHERE projects.id = $1 ORDER BY org_members.added_at, users.id";
        let rows = sqlx::query(select).bind(project.to_string()).fetch_all(self.database.sqlx()).await?;
        rows.iter().map(ProjectMember::from_row).collect()
    }

    /// Gives a member of the organization a role in one project, or takes it back: `None`.
    pub async fn set_project_role(
        &self,
        project: ProjectId,
        user: UserId,
        role: Option<Role>,
    ) -> Result<(), ProjectRoleError> {
        let mut tx = self.database.begin().await?;
        let org = touch_by_project(&mut tx, project).await?.ok_or(ProjectRoleError::NoSuchProject)?;
        if role_in(&mut tx, org, user).await?.is_none() {
            return Err(ProjectRoleError::NoSuchMember);
        }
        let delete = sqlx::query("DELETE FROM project_members WHERE project_id = $1 AND user_id = $2");
        delete.bind(project.to_string()).bind(user.to_string()).execute(&mut *tx).await?;
        if let Some(role) = role {
            sqlx::query("INSERT INTO project_members (project_id, org_id, user_id, role) VALUES ($1, $2, $3, $4)")
                .bind(project.to_string())
                .bind(org.to_string())
                .bind(user.to_string())
                .bind(role.as_str())
                .execute(&mut *tx)
                .await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

impl Project {
    /// From the columns of `projects`.
    fn from_row(row: &AnyRow) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.parsed("id", "a project id")?,
            org: row.parsed("org_id", "an organization id")?,
            name: row.text("name")?,
            active: row.truth("active")?,
            created_at_ms: row.number("created_at")?,
            last_started_at_ms: row.optional_number("last_started_at")?,
            last_activity_at_ms: row.optional_number("last_activity_at")?,
        })
    }
}

impl ProjectMember {
    fn from_row(row: &AnyRow) -> Result<Self, DatabaseError> {
        let (org_role, given) = (org_role(row)?, given_role(row)?);
        Ok(Self {
            user: row.parsed("id", "a user id")?,
            email: row.text("email")?,
            name: row.text("name")?,
            org_role,
            given,
            role: effective_role(org_role, given),
        })
    }
}

/// The column `given`, empty where no role was given.
fn given_role(row: &AnyRow) -> Result<Option<Role>, DatabaseError> {
    if row.text("given")?.is_empty() { Ok(None) } else { row.parsed("given", "a role in a project").map(Some) }
}
