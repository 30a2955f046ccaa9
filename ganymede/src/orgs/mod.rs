//! Organizations, their members and their projects. Owns who belongs where and with which role; what a role allows is
//! said in [`access`](orrery_protocol::access). Whether the caller may do what it asks for is checked before it gets here.
//!
//! Every change of members, roles or projects makes the organization's version greater in the same transaction: a gateway
//! sees by it that what it knows is old. That statement comes first, and so changes of one organization follow each other.

mod brief;
mod error;
mod members;
mod projects;
mod tombstones;

use orrery_protocol::{
    access::OrgRole,
    id::{OrgId, ProjectId, UserId},
};
use sqlx::any::AnyRow;
use uuid::Uuid;

pub(crate) use self::members::leave_all;
pub use self::{
    brief::OrgBrief,
    error::{AddMemberError, ChangeMemberError, CreateOrgError, CreateProjectError, ProjectRoleError, RenameOrgError},
    members::Member,
    projects::{Project, ProjectAccess, ProjectMember},
};
use crate::{
    database::{Database, DatabaseError, Row, Tx, stored},
    people::{input, lock_user},
};

/// Most organizations that one user owns.
pub const OWNED_ORGS_MAX: u64 = 100;

/// Most organizations that one user is a member of, owned ones included.
pub const MEMBERSHIPS_MAX: u64 = 1_000;

/// Most members of one organization.
pub const MEMBERS_MAX: u64 = 1_000;

/// Most projects of one organization.
pub const PROJECTS_MAX: u64 = 1_000;

/// Organizations, members, projects. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Orgs {
    database: Database,
}

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Org {
    /// Which.
    pub id: OrgId,
    /// As a member chose it.
    pub name: String,
    /// Grows with each change of members, roles or projects.
    pub version: u64,
    /// When it was made.
    pub created_at_ms: u64,
}

impl Orgs {
    /// Over the tables of `database`.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// Makes an organization. `owner` becomes its only member.
    pub async fn create(&self, now_ms: u64, owner: UserId, name: &str) -> Result<Org, CreateOrgError> {
        let org = Org { id: OrgId(Uuid::now_v7()), name: input::name(name)?, version: 1, created_at_ms: now_ms };
        let mut tx = self.database.begin().await?;
        if !lock_user(&mut tx, owner).await? {
            return Err(CreateOrgError::NoSuchUser);
        }
        if !Memberships::count(&mut tx, owner).await?.may_join(OrgRole::Owner) {
            return Err(CreateOrgError::TooManyOrgs);
        }
        let insert = "INSERT INTO orgs (id, name, version, epoch, created_at) VALUES ($1, $2, $3, 0, $4)";
        sqlx::query(insert)
            .bind(org.id.to_string())
            .bind(&org.name)
            .bind(stored(org.version))
            .bind(stored(now_ms))
            .execute(&mut *tx)
            .await?;
        members::insert(&mut tx, now_ms, org.id, owner, OrgRole::Owner).await?;
        tx.commit().await?;
        Ok(org)
    }

    /// The organizations that somebody is a member of, oldest first, and as what.
    pub async fn of(&self, user: UserId) -> Result<Vec<(Org, OrgRole)>, DatabaseError> {
        let select = "SELECT orgs.id, orgs.name, orgs.version, orgs.created_at, org_members.role \
                      FROM org_members JOIN orgs ON orgs.id = org_members.org_id \
                      WHERE org_members.user_id = $1 ORDER BY orgs.created_at, orgs.id";
        let rows = sqlx::query(select).bind(user.to_string()).fetch_all(self.database.sqlx()).await?;
        rows.iter().map(|row| Ok((Org::from_row(row)?, org_role(row)?))).collect()
    }

    /// One organization.
    pub async fn org(&self, id: OrgId) -> Result<Option<Org>, DatabaseError> {
        let select = "SELECT id, name, version, created_at FROM orgs WHERE id = $1";
        let row = sqlx::query(select).bind(id.to_string()).fetch_optional(self.database.sqlx()).await?;
        row.as_ref().map(Org::from_row).transpose()
    }

    /// Every organization that was ever given a slot, in order.
    pub async fn once_served(&self) -> Result<Vec<OrgId>, DatabaseError> {
        let select = "SELECT id FROM orgs WHERE epoch > 0 ORDER BY id";
        let rows = sqlx::query(select).fetch_all(self.database.sqlx()).await?;
        rows.iter().map(|row| row.parsed("id", "an organization id")).collect()
    }

    /// Makes the organization's version greater: what its gateway knows is old. Does nothing if it is not there.
    pub async fn touch(&self, id: OrgId) -> Result<(), DatabaseError> {
        let update = sqlx::query("UPDATE orgs SET version = version + 1 WHERE id = $1");
        update.bind(id.to_string()).execute(self.database.sqlx()).await?;
        Ok(())
    }

    /// What `user` is in an organization; `None` for who is no member and for an organization that is not there.
    pub async fn role(&self, org: OrgId, user: UserId) -> Result<Option<OrgRole>, DatabaseError> {
        let select = "SELECT role FROM org_members WHERE org_id = $1 AND user_id = $2";
        let row = sqlx::query(select)
            .bind(org.to_string())
            .bind(user.to_string())
            .fetch_optional(self.database.sqlx())
            .await?;
        row.as_ref().map(org_role).transpose()
    }

    /// Gives an organization another name. `None` if it is not there.
    pub async fn rename(&self, id: OrgId, name: &str) -> Result<Option<Org>, RenameOrgError> {
        let name = input::name(name)?;
        let mut tx = self.database.begin().await?;
        if !touch(&mut tx, id).await? {
            return Ok(None);
        }
        let update = sqlx::query("UPDATE orgs SET name = $1 WHERE id = $2").bind(name).bind(id.to_string());
        update.execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(self.org(id).await?)
    }

    /// Removes an organization with its projects, memberships and everything else that the tables know of it. `false` if it
    /// is not there. Whoever serves it and its documents are the [pool](crate::pool)'s and the [data](crate::data)'s.
    pub(crate) async fn delete(&self, id: OrgId) -> Result<bool, DatabaseError> {
        let mut tx = self.database.begin().await?;
        let delete = sqlx::query("DELETE FROM orgs WHERE id = $1").bind(id.to_string());
        let deleted = delete.execute(&mut *tx).await?.rows_affected() == 1;
        if deleted {
            tombstones::bury(&mut tx, id).await?;
        }
        tx.commit().await?;
        Ok(deleted)
    }
}

impl Org {
    /// From the columns `id`, `name`, `version`, `created_at` of `orgs`.
    fn from_row(row: &AnyRow) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.parsed("id", "an organization id")?,
            name: row.text("name")?,
            version: row.number("version")?,
            created_at_ms: row.number("created_at")?,
        })
    }
}

fn org_role(row: &AnyRow) -> Result<OrgRole, DatabaseError> {
    row.parsed("role", "a role in an organization")
}

/// Makes the version greater and keeps the organization's row to the end of the transaction. `false` if it is not there.
async fn touch(tx: &mut Tx, org: OrgId) -> Result<bool, DatabaseError> {
    let update = sqlx::query("UPDATE orgs SET version = version + 1 WHERE id = $1").bind(org.to_string());
    Ok(update.execute(&mut **tx).await?.rows_affected() == 1)
}

/// The same for the organization of a project, and which one that is. `None` if the project is not there.
async fn touch_by_project(tx: &mut Tx, project: ProjectId) -> Result<Option<OrgId>, DatabaseError> {
    let update = "UPDATE orgs SET version = version + 1 WHERE id = (SELECT org_id FROM projects WHERE id = $1)";
    sqlx::query(update).bind(project.to_string()).execute(&mut **tx).await?;
    // Asked only now, when nobody else can take the project away any more.
    let row = sqlx::query("SELECT org_id FROM projects WHERE id = $1").bind(project.to_string());
    let row = row.fetch_optional(&mut **tx).await?;
    row.map(|row| row.parsed("org_id", "an organization id")).transpose()
}

/// How many organizations a user is in, and how many of them they own.
struct Memberships {
    all: u64,
    owned: u64,
}

impl Memberships {
    /// Of a user whose row is kept: nobody else changes them before the transaction ends.
    async fn count(tx: &mut Tx, user: UserId) -> Result<Self, DatabaseError> {
        let select = "SELECT COUNT(*) AS memberships, COUNT(CASE WHEN role = 'owner' THEN 1 END) AS owned \
                      FROM org_members WHERE user_id = $1";
        let row = sqlx::query(select).bind(user.to_string()).fetch_one(&mut **tx).await?;
        Ok(Self { all: row.number("memberships")?, owned: row.number("owned")? })
    }

    const fn may_join(&self, role: OrgRole) -> bool {
        self.all < MEMBERSHIPS_MAX && (self.may_own() || !matches!(role, OrgRole::Owner))
    }

    const fn may_own(&self) -> bool {
        self.owned < OWNED_ORGS_MAX
    }
}
