//! What Ganymede's refusals are over HTTP. The one translation: handlers say `?`.

use std::error::Error;

use orrery_ganymede::{
    data::EraseError,
    database::DatabaseError,
    orgs::{AddMemberError, ChangeMemberError, CreateOrgError, CreateProjectError, ProjectRoleError, RenameOrgError},
    people::{
        Busy, ChangePasswordError, CreateKeyError, DeleteAccountError, OpenSessionError, SignInError, SignUpError,
        input::InvalidInput,
    },
    pool::{DrainError, RegisterError, StartError},
    tokens::{KeysUnavailable, TokenError},
};

use crate::error::{ApiError, ErrorCode};

/// When something that broke is worth another try, in seconds.
const RETRY_S: u64 = 1;

/// Something we need is not there. Its own words are for the log: they may name files, hosts and queries.
pub(crate) fn unavailable(cause: &'static str, error: &dyn Error) -> ApiError {
    tracing::error!(%error, cause, "cannot answer");
    ApiError::new(ErrorCode::Unavailable(cause), "something that is needed is not there; try again")
        .retry_after(RETRY_S)
}

impl From<DatabaseError> for ApiError {
    fn from(error: DatabaseError) -> Self {
        match error {
            // Whoever can say what is taken has said so before it comes to this.
            DatabaseError::Conflict(_) => Self::new(ErrorCode::Conflict, "somebody else was quicker; look again"),
            DatabaseError::Failed(_) if error.is_full() => {
                tracing::error!(%error, "cannot answer");
                let text = "the disk of the data base is full; try again once there is space on it";
                Self::new(ErrorCode::Unavailable("DATABASE_UNAVAILABLE"), text).retry_after(RETRY_S)
            }
            DatabaseError::Failed(_) => unavailable("DATABASE_UNAVAILABLE", &error),
            DatabaseError::Damaged { .. } => {
                tracing::error!(%error, "damaged");
                Self::new(ErrorCode::Internal, "something went wrong on our side")
            }
        }
    }
}

impl From<InvalidInput> for ApiError {
    fn from(error: InvalidInput) -> Self {
        Self::invalid_fields(error.fields.into_iter().map(|(field, problem)| (field.to_owned(), problem)))
    }
}

impl From<Busy> for ApiError {
    fn from(error: Busy) -> Self {
        Self::new(ErrorCode::Unavailable("BUSY"), error.to_string()).retry_after(RETRY_S)
    }
}

impl From<SignUpError> for ApiError {
    fn from(error: SignUpError) -> Self {
        match error {
            SignUpError::Invalid(invalid) => invalid.into(),
            SignUpError::EmailTaken => Self::new(ErrorCode::Conflict, error.to_string()),
            SignUpError::Busy(busy) => busy.into(),
            SignUpError::Database(error) => error.into(),
        }
    }
}

impl From<SignInError> for ApiError {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::Refused => Self::not_signed_in(error.to_string()),
            SignInError::Busy(busy) => busy.into(),
            SignInError::Database(error) => error.into(),
        }
    }
}

impl From<ChangePasswordError> for ApiError {
    fn from(error: ChangePasswordError) -> Self {
        match error {
            ChangePasswordError::Invalid(invalid) => invalid.into(),
            ChangePasswordError::Refused => Self::forbidden(error.to_string()),
            ChangePasswordError::Busy(busy) => busy.into(),
            ChangePasswordError::Database(error) => error.into(),
        }
    }
}

impl From<DeleteAccountError> for ApiError {
    fn from(error: DeleteAccountError) -> Self {
        match error {
            DeleteAccountError::Refused => Self::forbidden(error.to_string()),
            DeleteAccountError::LastOwner | DeleteAccountError::Administrator => {
                Self::new(ErrorCode::Conflict, error.to_string())
            }
            DeleteAccountError::Busy(busy) => busy.into(),
            DeleteAccountError::Database(error) => error.into(),
        }
    }
}

impl From<EraseError> for ApiError {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::Load(_) | EraseError::Snapshot(_) => unavailable("STORAGE_UNAVAILABLE", &error),
            EraseError::Database(error) => error.into(),
        }
    }
}

impl From<OpenSessionError> for ApiError {
    fn from(error: OpenSessionError) -> Self {
        match error {
            OpenSessionError::NoSuchUser => Self::not_signed_in(error.to_string()),
            OpenSessionError::Database(error) => error.into(),
        }
    }
}

impl From<CreateKeyError> for ApiError {
    fn from(error: CreateKeyError) -> Self {
        match error {
            CreateKeyError::Invalid(invalid) => invalid.into(),
            CreateKeyError::TooMany => Self::new(ErrorCode::Conflict, error.to_string()),
            CreateKeyError::NoSuchUser => Self::not_found(),
            CreateKeyError::Database(error) => error.into(),
        }
    }
}

impl From<TokenError> for ApiError {
    fn from(error: TokenError) -> Self {
        Self::not_signed_in(error.to_string())
    }
}

impl From<KeysUnavailable> for ApiError {
    fn from(error: KeysUnavailable) -> Self {
        unavailable("GANYMEDE_UNREACHABLE", &error)
    }
}

impl From<CreateOrgError> for ApiError {
    fn from(error: CreateOrgError) -> Self {
        match error {
            CreateOrgError::Invalid(invalid) => invalid.into(),
            CreateOrgError::NoSuchUser => Self::not_found(),
            CreateOrgError::TooManyOrgs => Self::new(ErrorCode::Conflict, error.to_string()),
            CreateOrgError::Database(error) => error.into(),
        }
    }
}

impl From<RenameOrgError> for ApiError {
    fn from(error: RenameOrgError) -> Self {
        match error {
            RenameOrgError::Invalid(invalid) => invalid.into(),
            RenameOrgError::Database(error) => error.into(),
        }
    }
}

impl From<AddMemberError> for ApiError {
    fn from(error: AddMemberError) -> Self {
        let text = error.to_string();
        match error {
            AddMemberError::NoSuchOrg => Self::not_found(),
            AddMemberError::NoSuchUser => Self::new(ErrorCode::NotFound, text),
            AddMemberError::AlreadyMember | AddMemberError::TooManyMembers | AddMemberError::TooManyOrgs => {
                Self::new(ErrorCode::Conflict, text)
            }
            AddMemberError::Database(error) => error.into(),
        }
    }
}

impl From<ChangeMemberError> for ApiError {
    fn from(error: ChangeMemberError) -> Self {
        match error {
            ChangeMemberError::NoSuchMember => Self::not_found(),
            ChangeMemberError::LastOwner | ChangeMemberError::TooManyOrgs => {
                Self::new(ErrorCode::Conflict, error.to_string())
            }
            ChangeMemberError::Database(error) => error.into(),
        }
    }
}

impl From<CreateProjectError> for ApiError {
    fn from(error: CreateProjectError) -> Self {
        match error {
            CreateProjectError::Invalid(invalid) => invalid.into(),
            CreateProjectError::NoSuchOrg => Self::not_found(),
            CreateProjectError::TooManyProjects => Self::new(ErrorCode::Conflict, error.to_string()),
            CreateProjectError::Database(error) => error.into(),
        }
    }
}

impl From<ProjectRoleError> for ApiError {
    fn from(error: ProjectRoleError) -> Self {
        match error {
            ProjectRoleError::NoSuchProject | ProjectRoleError::NoSuchMember => Self::not_found(),
            ProjectRoleError::Database(error) => error.into(),
        }
    }
}

impl From<StartError> for ApiError {
    fn from(error: StartError) -> Self {
        match error {
            StartError::PoolExhausted { retry_after } => {
                let refused = Self::new(ErrorCode::Unavailable("POOL_EXHAUSTED"), "no gateway slot is free");
                refused.retry_after(retry_after.as_secs().max(RETRY_S))
            }
            StartError::UnknownOrg(_) => Self::not_found(),
            StartError::Failed { .. } => unavailable("GATEWAY_FAILED", &error),
            StartError::Database(_) => unavailable("DATABASE_UNAVAILABLE", &error),
        }
    }
}

impl From<DrainError> for ApiError {
    fn from(error: DrainError) -> Self {
        match error {
            DrainError::UnknownSlot(_) => Self::not_found(),
            DrainError::PoolExhausted { retry_after } => {
                let refused = Self::new(ErrorCode::Unavailable("POOL_EXHAUSTED"), "no other gateway slot is free");
                refused.retry_after(retry_after.as_secs().max(RETRY_S))
            }
            DrainError::NotServed(_) | DrainError::Failed(_) => unavailable("GATEWAY_FAILED", &error),
            DrainError::Database(error) => error.into(),
        }
    }
}

impl From<RegisterError> for ApiError {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::TooMany => Self::new(ErrorCode::Conflict, error.to_string()),
            RegisterError::Token(_) => unavailable("SIGNING_KEYS", &error),
            RegisterError::Database(error) => error.into(),
        }
    }
}
