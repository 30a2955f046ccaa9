//! Who belongs to an organization, and as what.

use orrery_protocol::{
    access::OrgRole,
    id::{OrgId, UserId},
};
use sqlx::any::AnyRow;

use super::{AddMemberError, ChangeMemberError, MEMBERS_MAX, Memberships, Orgs, org_role, touch};
use crate::{
    database::{DatabaseError, Row, Tx, stored},
    people::{input, lock_user},
};

/// One member of an organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// For other members to see; not for documents.
    pub email: String,
    /// The name shown to others. Chosen by the user: never render it as markup.
    pub name: String,
    /// The role in the organization.
    pub role: OrgRole,
    /// Since when.
    pub added_at_ms: u64,
}

impl Orgs {
    /// Everybody in an organization, the first first. Empty if it is not there.
    pub async fn members(&self, org: OrgId) -> Result<Vec<Member>, DatabaseError> {
        let select = "SELECT users.id, users.email, users.name, org_members.role, org_members.added_at \
                      FROM org_members JOIN users ON users.id = org_members.user_id \
                      WHERE org_members.org_id = $1 ORDER BY org_members.added_at, users.id";
        let rows = sqlx::query(select).bind(org.to_string()).fetch_all(self.database.sqlx()).await?;
        rows.iter().map(Member::from_row).collect()
    }

    /// One member.
    pub async fn member(&self, org: OrgId, user: UserId) -> Result<Option<Member>, DatabaseError> {
        let select = "SELECT users.id, users.email, users.name, org_members.role, org_members.added_at \
                      FROM org_members JOIN users ON users.id = org_members.user_id \
                      WHERE org_members.org_id = $1 AND org_members.user_id = $2";
        let row = sqlx::query(select)
            .bind(org.to_string())
            .bind(user.to_string())
            .fetch_optional(self.database.sqlx())
            .await?;
        row.as_ref().map(Member::from_row).transpose()
    }

    /// Takes somebody with an account in.
    pub async fn add_member(
        &self,
        now_ms: u64,
        org: OrgId,
        email: &str,
        role: OrgRole,
    ) -> Result<Member, AddMemberError> {
        let email = input::email(email).map_err(|_| AddMemberError::NoSuchUser)?;
        let mut tx = self.database.begin().await?;
        if !touch(&mut tx, org).await? {
            return Err(AddMemberError::NoSuchOrg);
        }
        let row = sqlx::query("SELECT id, name FROM users WHERE email = $1").bind(&email);
        let row = row.fetch_optional(&mut *tx).await?.ok_or(AddMemberError::NoSuchUser)?;
        let user = row.parsed("id", "a user id")?;
        let member = Member { user, email, name: row.text("name")?, role, added_at_ms: now_ms };
        if role_in(&mut tx, org, user).await?.is_some() {
            return Err(AddMemberError::AlreadyMember);
        }
        let count = sqlx::query("SELECT COUNT(*) AS count FROM org_members WHERE org_id = $1").bind(org.to_string());
        if count.fetch_one(&mut *tx).await?.number("count")? >= MEMBERS_MAX {
            return Err(AddMemberError::TooManyMembers);
        }
        lock_user(&mut tx, user).await?;
        if !Memberships::count(&mut tx, user).await?.may_join(role) {
            return Err(AddMemberError::TooManyOrgs);
        }
        insert(&mut tx, now_ms, org, user, role).await?;
        tx.commit().await?;
        Ok(member)
    }

    /// Gives a member another role. The last owner keeps theirs.
    pub async fn set_role(&self, org: OrgId, user: UserId, role: OrgRole) -> Result<(), ChangeMemberError> {
        let mut tx = self.database.begin().await?;
        let current = member_to_change(&mut tx, org, user, Some(role)).await?;
        if role == OrgRole::Owner && current != role {
            lock_user(&mut tx, user).await?;
            if !Memberships::count(&mut tx, user).await?.may_own() {
                return Err(ChangeMemberError::TooManyOrgs);
            }
        }
        let update = sqlx::query("UPDATE org_members SET role = $1 WHERE org_id = $2 AND user_id = $3");
        update.bind(role.as_str()).bind(org.to_string()).bind(user.to_string()).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Ends a membership, and with it the member's roles in projects. The last owner stays.
    pub async fn remove_member(&self, org: OrgId, user: UserId) -> Result<(), ChangeMemberError> {
        let mut tx = self.database.begin().await?;
        member_to_change(&mut tx, org, user, None).await?;
        let delete = sqlx::query("DELETE FROM org_members WHERE org_id = $1 AND user_id = $2");
        delete.bind(org.to_string()).bind(user.to_string()).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// Ends every membership of a user; of which organizations. Refused if one would be left without an owner.
pub(crate) async fn leave_all(tx: &mut Tx, user: UserId) -> Result<Vec<OrgId>, ChangeMemberError> {
    // In one order, or two who leave the same organizations could wait for each other.
    let select =
        sqlx::query("SELECT org_id FROM org_members WHERE user_id = $1 ORDER BY org_id").bind(user.to_string());
    let rows = select.fetch_all(&mut **tx).await?;
    let orgs: Result<Vec<OrgId>, _> = rows.iter().map(|row| row.parsed("org_id", "an organization id")).collect();
    let orgs = orgs?;
    for &org in &orgs {
        member_to_change(tx, org, user, None).await?;
        let delete = sqlx::query("DELETE FROM org_members WHERE org_id = $1 AND user_id = $2");
        delete.bind(org.to_string()).bind(user.to_string()).execute(&mut **tx).await?;
    }
    Ok(orgs)
}

impl Member {
    fn from_row(row: &AnyRow) -> Result<Self, DatabaseError> {
        Ok(Self {
            user: row.parsed("id", "a user id")?,
            email: row.text("email")?,
            name: row.text("name")?,
            role: org_role(row)?,
            added_at_ms: row.number("added_at")?,
        })
    }
}

/// What the member is whose role becomes `to`, once nobody else can change it. Refused if the organization would be left
/// without an owner.
async fn member_to_change(
    tx: &mut Tx,
    org: OrgId,
    user: UserId,
    to: Option<OrgRole>,
) -> Result<OrgRole, ChangeMemberError> {
    if !touch(tx, org).await? {
        return Err(ChangeMemberError::NoSuchMember);
    }
    let current = role_in(tx, org, user).await?.ok_or(ChangeMemberError::NoSuchMember)?;
    if current == OrgRole::Owner && to != Some(OrgRole::Owner) {
        let owners = "SELECT COUNT(*) AS count FROM org_members WHERE org_id = $1 AND role = 'owner'";
        let owners = sqlx::query(owners).bind(org.to_string()).fetch_one(&mut **tx).await?;
        if owners.number("count")? <= 1 {
            return Err(ChangeMemberError::LastOwner);
        }
    }
    Ok(current)
}

pub(super) async fn role_in(tx: &mut Tx, org: OrgId, user: UserId) -> Result<Option<OrgRole>, DatabaseError> {
    let select = sqlx::query("SELECT role FROM org_members WHERE org_id = $1 AND user_id = $2");
    let row = select.bind(org.to_string()).bind(user.to_string()).fetch_optional(&mut **tx).await?;
    row.as_ref().map(org_role).transpose()
}

pub(super) async fn insert(
    tx: &mut Tx,
    now_ms: u64,
    org: OrgId,
    user: UserId,
    role: OrgRole,
) -> Result<(), DatabaseError> {
    sqlx::query("INSERT INTO org_members (org_id, user_id, role, added_at) VALUES ($1, $2, $3, $4)")
        .bind(org.to_string())
        .bind(user.to_string())
        .bind(role.as_str())
        .bind(stored(now_ms))
        .execute(&mut **tx)
        .await?;
    Ok(())
}
