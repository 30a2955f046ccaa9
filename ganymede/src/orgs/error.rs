//! Why a change of an organization is refused: one enum per operation.

use super::{MEMBERS_MAX, MEMBERSHIPS_MAX, OWNED_ORGS_MAX, PROJECTS_MAX};
use crate::{database::DatabaseError, people::input::InvalidInput};

/// Why there is no new organization.
#[derive(Debug, thiserror::Error)]
pub enum CreateOrgError {
    /// Field `name`.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// No such account.
    #[error("there is no such account")]
    NoSuchUser,
    /// The user owns [`OWNED_ORGS_MAX`] or is a member of [`MEMBERSHIPS_MAX`].
    #[error("nobody owns more than {OWNED_ORGS_MAX} organizations or is a member of more than {MEMBERSHIPS_MAX}")]
    TooManyOrgs,
    /// The data base.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why an organization keeps its name.
#[derive(Debug, thiserror::Error)]
pub enum RenameOrgError {
    /// Field `name`.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The data base.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why nobody became a member.
#[derive(Debug, thiserror::Error)]
pub enum AddMemberError {
    /// No such organization.
    #[error("there is no such organization")]
    NoSuchOrg,
    /// Nobody has an account with this address.
    #[error("nobody with this e-mail address has an account")]
    NoSuchUser,
    /// They are one already; their role is as it was.
    #[error("they are a member already")]
    AlreadyMember,
    /// The organization has [`MEMBERS_MAX`].
    #[error("an organization has at most {MEMBERS_MAX} members")]
    TooManyMembers,
    /// The person owns [`OWNED_ORGS_MAX`] or is a member of [`MEMBERSHIPS_MAX`].
    #[error("nobody owns more than {OWNED_ORGS_MAX} organizations or is a member of more than {MEMBERSHIPS_MAX}")]
    TooManyOrgs,
    /// The data base.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why a member stays what they are.
#[derive(Debug, thiserror::Error)]
pub enum ChangeMemberError {
    /// No such organization, or no member of it.
    #[error("there is no such member")]
    NoSuchMember,
    /// An organization always has an owner.
    #[error("the last owner of an organization stays its owner")]
    LastOwner,
    /// The person owns [`OWNED_ORGS_MAX`].
    #[error("nobody owns more than {OWNED_ORGS_MAX} organizations")]
    TooManyOrgs,
    /// The data base.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why there is no new project.
#[derive(Debug, thiserror::Error)]
pub enum CreateProjectError {
    /// Field `name`.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// No such organization, or the one who makes it is no member of it.
    #[error("there is no such organization")]
    NoSuchOrg,
    /// The organization has [`PROJECTS_MAX`].
    #[error("an organization has at most {PROJECTS_MAX} projects")]
    TooManyProjects,
    /// The data base.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why a role in a project stays what it is.
#[derive(Debug, thiserror::Error)]
pub enum ProjectRoleError {
    /// No such project.
    #[error("there is no such project")]
    NoSuchProject,
    /// They are no member of the project's organization.
    #[error("there is no such member")]
    NoSuchMember,
    /// The data base.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// So that `?` takes what the driver says all the way.
macro_rules! from_driver {
    ($($error:ident),+) => {
        $(impl From<sqlx::Error> for $error {
            fn from(error: sqlx::Error) -> Self {
                Self::Database(error.into())
            }
        })+
    };
}

from_driver!(CreateOrgError, RenameOrgError, AddMemberError, ChangeMemberError, CreateProjectError, ProjectRoleError);
