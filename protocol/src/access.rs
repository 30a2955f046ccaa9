//! Who a peer is and what it may do. Owns roles; knows nothing of tokens, passwords or sessions.

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

impl Role {
    /// Whether updates to member-writable documents are accepted. Nobody writes `system` but the gateway itself.
    pub const fn may_write(self) -> bool {
        match self {
            Self::Viewer => false,
            Self::Editor | Self::Admin => true,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a role is viewer, editor or admin")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        [Self::Viewer, Self::Editor, Self::Admin].into_iter().find(|role| role.as_str() == text).ok_or(UnknownRole)
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
        assert!(Role::Viewer < Role::Editor && Role::Editor < Role::Admin);
        for role in [Role::Viewer, Role::Editor, Role::Admin] {
            assert_eq!(role.to_string().parse(), Ok(role));
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{role}\""));
        }
        for bad in ["", "Viewer", "owner", "admin "] {
            assert_eq!(bad.parse::<Role>(), Err(UnknownRole), "{bad:?}");
        }
    }

    #[test]
    fn viewers_write_nothing() {
        assert_eq!([Role::Viewer, Role::Editor, Role::Admin].map(Role::may_write), [false, true, true]);
    }
}
