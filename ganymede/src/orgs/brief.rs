//! What a gateway needs to know of an organization.

use std::collections::BTreeMap;

use orrery_protocol::{
    access::Role,
    control::{MemberBrief, ProjectBrief},
    id::{OrgId, ProjectId, UserId},
};

use super::{Org, Orgs, org_role};
use crate::database::{DatabaseError, Row, Tx};

/// An organization with its projects and its members, roles included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrgBrief {
    /// Which; with the version that the rest is at least as new as.
    pub org: Org,
    /// Oldest first.
    pub projects: Vec<ProjectBrief>,
    /// The first first. No e-mail addresses: a gateway has no use for them.
    pub members: Vec<MemberBrief>,
}

impl Orgs {
    /// Everything at once. `None` if the organization is not there.
    pub async fn brief(&self, org: OrgId) -> Result<Option<OrgBrief>, DatabaseError> {
        let mut tx = self.database.begin().await?;
        // The version first: what changes meanwhile makes the brief newer than it claims, so it is only fetched again.
        let select = sqlx::query("SELECT id, name, version, created_at FROM orgs WHERE id = $1").bind(org.to_string());
        let Some(row) = select.fetch_optional(&mut *tx).await? else { return Ok(None) };
        let brief = OrgBrief {
            org: Org::from_row(&row)?,
            projects: projects(&mut tx, org).await?,
            members: members(&mut tx, org).await?,
        };
        tx.commit().await?;
        Ok(Some(brief))
    }
}

async fn projects(tx: &mut Tx, org: OrgId) -> Result<Vec<ProjectBrief>, DatabaseError> {
    let select = sqlx::query("SELECT id, name FROM projects WHERE org_id = $1 ORDER BY created_at, id");
    let mut projects = Vec::new();
    for row in select.bind(org.to_string()).fetch_all(&mut **tx).await? {
        projects.push(ProjectBrief { id: row.parsed("id", "a project id")?, name: row.text("name")? });
    }
    Ok(projects)
}

async fn members(tx: &mut Tx, org: OrgId) -> Result<Vec<MemberBrief>, DatabaseError> {
    let mut given = project_roles(tx, org).await?;
    let select = "SELECT users.id, users.name, org_members.role \
                  FROM org_members JOIN users ON users.id = org_members.user_id \
                  WHERE org_members.org_id = $1 ORDER BY org_members.added_at, users.id";
    let rows = sqlx::query(select).bind(org.to_string()).fetch_all(&mut **tx).await?;
    let mut members = Vec::with_capacity(rows.len());
    for row in &rows {
        let user_id = row.parsed("id", "a user id")?;
        let projects = given.remove(&user_id).unwrap_or_default();
        members.push(MemberBrief { user_id, name: row.text("name")?, role: org_role(row)?, projects });
    }
    Ok(members)
}

async fn project_roles(tx: &mut Tx, org: OrgId) -> Result<BTreeMap<UserId, BTreeMap<ProjectId, Role>>, DatabaseError> {
    let select = sqlx::query("SELECT project_id, user_id, role FROM project_members WHERE org_id = $1");
    let mut given: BTreeMap<UserId, BTreeMap<ProjectId, Role>> = BTreeMap::new();
    for row in select.bind(org.to_string()).fetch_all(&mut **tx).await? {
        let given = given.entry(row.parsed("user_id", "a user id")?).or_default();
        given.insert(row.parsed("project_id", "a project id")?, row.parsed("role", "a role in a project")?);
    }
    Ok(given)
}
