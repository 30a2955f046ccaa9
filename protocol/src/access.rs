//! Who a peer is and what it may do. Owns roles and permissions; knows nothing of tokens, passwords or sessions.
//!
//! A permission belongs to one of two scopes. What a member may do with an organization is asked of [`OrgRole`], what it
//! may do in a project is asked of the [`Role`] that [`effective_role`] gives it there. Asked of the role of the other
//! scope, the answer is no: a check that forgets the project grants nothing.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::id::{OrgId, ProjectId, UserId};

/// What a member may do in one project. Ordered: each role may do everything that a smaller one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads every document, writes none.
    Viewer,
    /// Writes the board and named documents.
    Editor,
    /// Also manages the project.
    Admin,
}

/// What a member may do with its organization. Ordered: each role may do everything that a smaller one may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrgRole {
    /// Sees the organization and works in its projects.
    Member,
    /// Also manages members and every project.
    Admin,
    /// Also decides about the organization itself and about its owners. An organization always has one.
    Owner,
}

/// Everything that is checked before it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Project: see it, open its documents, start it.
    ReadDocuments,
    /// Project: change the board and named documents.
    WriteDocuments,
    /// Project: create, start, stop and delete user containers; stop the project.
    ManageContainers,
    /// Project: rename or delete it, decide about the roles in it.
    ManageProject,
    /// Project: decide how long the gateway that serves it stays up.
    ControlGateway,
    /// Organization: see it, its members and its projects; start its gateway.
    ReadOrg,
    /// Organization: add a project to it.
    CreateProjects,
    /// Organization: add and remove members, give them roles below owner.
    ManageMembers,
    /// Organization: rename or delete it, decide about owners.
    ManageOrg,
}

impl Permission {
    /// Every permission, for tables.
    pub const ALL: [Self; 9] = [
        Self::ReadDocuments,
        Self::WriteDocuments,
        Self::ManageContainers,
        Self::ManageProject,
        Self::ControlGateway,
        Self::ReadOrg,
        Self::CreateProjects,
        Self::ManageMembers,
        Self::ManageOrg,
    ];
}

impl Role {
    /// Every role, smallest first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Admin];

    /// Whether this role in a project is enough for `permission` there. Never for a permission of the organization.
    pub const fn allows(self, permission: Permission) -> bool {
        match permission {
            Permission::ReadDocuments => true,
            Permission::WriteDocuments | Permission::ManageContainers => matches!(self, Self::Editor | Self::Admin),
            Permission::ManageProject | Permission::ControlGateway => matches!(self, Self::Admin),
            Permission::ReadOrg | Permission::CreateProjects | Permission::ManageMembers | Permission::ManageOrg => {
                false
            }
        }
    }

    /// Whether updates to member-writable documents are accepted. Nobody writes `system` but the gateway itself.
    pub const fn may_write(self) -> bool {
        self.allows(Permission::WriteDocuments)
    }

    /// As it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

impl OrgRole {
    /// Every role, smallest first.
    pub const ALL: [Self; 3] = [Self::Member, Self::Admin, Self::Owner];

    /// Whether this role is enough for `permission` on the organization. Never for a permission of a project: ask the
    /// [`effective_role`] in that project.
    pub const fn allows(self, permission: Permission) -> bool {
        match permission {
            Permission::ReadOrg | Permission::CreateProjects => true,
            Permission::ManageMembers => matches!(self, Self::Admin | Self::Owner),
            Permission::ManageOrg => matches!(self, Self::Owner),
            Permission::ReadDocuments
            | Permission::WriteDocuments
            | Permission::ManageContainers
            | Permission::ManageProject
            | Permission::ControlGateway => false,
        }
    }

    /// Whether this role may make another member's role `to` where it is `from`; `None` is no membership. Who may manage
    /// members may, but only an owner makes or unmakes owners.
    pub fn may_change(self, from: Option<Self>, to: Option<Self>) -> bool {
        let touches_owner = from == Some(Self::Owner) || to == Some(Self::Owner);
        self.allows(if touches_owner { Permission::ManageOrg } else { Permission::ManageMembers })
    }

    /// As it is written everywhere.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }
}

/// What a member of an organization may do in one of its projects. Admins and owners are admins of every project,
/// whatever is written there; a member is an editor unless the project says otherwise.
pub fn effective_role(org_role: OrgRole, project_role: Option<Role>) -> Role {
    match org_role {
        OrgRole::Admin | OrgRole::Owner => Role::Admin,
        OrgRole::Member => project_role.unwrap_or(Role::Editor),
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for OrgRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no role in a project.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a role is viewer, editor or admin")]
pub struct UnknownRole;

/// A text that names no role in an organization.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a role is member, admin or owner")]
pub struct UnknownOrgRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
    }
}

impl FromStr for OrgRole {
    type Err = UnknownOrgRole;

    fn from_str(text: &str) -> Result<Self, UnknownOrgRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(UnknownOrgRole)
    }
}

/// An authenticated member, as one project sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// Who.
    pub user: UserId,
    /// The name shown to others. Chosen by the user: never trust it, never render it as markup.
    pub name: String,
    /// What the member may do in `project`.
    pub role: Role,
    /// The tenant.
    pub org: OrgId,
    /// The only project that `role` holds in.
    pub project: ProjectId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_ordered_and_have_one_spelling() {
        assert!(Role::ALL.is_sorted() && OrgRole::ALL.is_sorted());
        for role in Role::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
        }
        for role in OrgRole::ALL {
            assert_eq!(role.to_string().parse(), Ok(role));
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
        }
        for bad in ["", "Viewer", "owner", "admin "] {
            assert_eq!(bad.parse::<Role>(), Err(UnknownRole), "{bad:?}");
        }
        for bad in ["", "Member", "editor", "owner "] {
            assert_eq!(bad.parse::<OrgRole>(), Err(UnknownOrgRole), "{bad:?}");
        }
    }

    /// The whole table, by hand: viewer, editor, admin of a project; member, admin, owner of an organization.
    #[test]
    fn each_permission_belongs_to_one_scope_and_grows_with_the_role() {
        let table = [
            (Permission::ReadDocuments, [true, true, true], [false; 3]),
            (Permission::WriteDocuments, [false, true, true], [false; 3]),
            (Permission::ManageContainers, [false, true, true], [false; 3]),
            (Permission::ManageProject, [false, false, true], [false; 3]),
            (Permission::ControlGateway, [false, false, true], [false; 3]),
            (Permission::ReadOrg, [false; 3], [true, true, true]),
            (Permission::CreateProjects, [false; 3], [true, true, true]),
            (Permission::ManageMembers, [false; 3], [false, true, true]),
            (Permission::ManageOrg, [false; 3], [false, false, true]),
        ];
        assert_eq!(table.map(|(permission, ..)| permission), Permission::ALL);
        for (permission, project, org) in table {
            assert_eq!(Role::ALL.map(|role| role.allows(permission)), project, "{permission:?}");
            assert_eq!(OrgRole::ALL.map(|role| role.allows(permission)), org, "{permission:?}");
        }
    }

    #[test]
    fn viewers_write_nothing() {
        assert_eq!(Role::ALL.map(Role::may_write), [false, true, true]);
    }

    #[test]
    fn a_project_role_counts_for_members_only() {
        let projects = [None, Some(Role::Viewer), Some(Role::Editor), Some(Role::Admin)];
        assert_eq!(
            projects.map(|role| effective_role(OrgRole::Member, role)),
            [Role::Editor, Role::Viewer, Role::Editor, Role::Admin]
        );
        for org_role in [OrgRole::Admin, OrgRole::Owner] {
            assert_eq!(projects.map(|role| effective_role(org_role, role)), [Role::Admin; 4]);
        }
    }

    #[test]
    fn only_owners_make_and_unmake_owners() {
        let states = [None, Some(OrgRole::Member), Some(OrgRole::Admin), Some(OrgRole::Owner)];
        for (from, to) in states.into_iter().flat_map(|from| states.map(|to| (from, to))) {
            let owner = from == Some(OrgRole::Owner) || to == Some(OrgRole::Owner);
            assert!(!OrgRole::Member.may_change(from, to), "{from:?} to {to:?}");
            assert_eq!(OrgRole::Admin.may_change(from, to), !owner, "{from:?} to {to:?}");
            assert!(OrgRole::Owner.may_change(from, to), "{from:?} to {to:?}");
        }
    }
}
