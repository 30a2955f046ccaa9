//! What the pool's and the data's refusals of a gateway are over HTTP. Handlers say `?`.

use std::error::Error;

use orrery_ganymede::{
    data::{AppendError, JsonError, MixedForms, NotesError, PullError, PushError},
    pool::{AnnounceError, ConfigError, ContainerTokenError, RenewError, StaleEpoch, StopError, UnknownGateway},
    store::SnapshotError,
    visits::VisitError,
};

use crate::error::{ApiError, ErrorCode};

impl From<StaleEpoch> for ApiError {
    fn from(error: StaleEpoch) -> Self {
        Self::new(ErrorCode::StaleEpoch, error.to_string())
    }
}

impl From<UnknownGateway> for ApiError {
    /// The token was ours; its gateway is registered no longer.
    fn from(_: UnknownGateway) -> Self {
        Self::not_signed_in("the gateway is not registered any more")
    }
}

impl From<AnnounceError> for ApiError {
    fn from(error: AnnounceError) -> Self {
        let text = error.to_string();
        match error {
            AnnounceError::UnknownGateway(unknown) => unknown.into(),
            AnnounceError::Slots(_) => Self::invalid("slots", text),
            AnnounceError::Listen(_) => Self::invalid("listen", text),
            AnnounceError::Database(error) => error.into(),
        }
    }
}

impl From<ConfigError> for ApiError {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::Token(error) => error.into(),
            ConfigError::HandshakeOver => Self::not_signed_in(error.to_string()),
            ConfigError::Stale(stale) => stale.into(),
            ConfigError::UnknownGateway(unknown) => unknown.into(),
            ConfigError::UnknownOrg(_) => Self::not_found(),
            ConfigError::State(error) => defect(&error),
            ConfigError::Database(error) => error.into(),
        }
    }
}

impl From<RenewError> for ApiError {
    fn from(error: RenewError) -> Self {
        match error {
            RenewError::Stale(stale) => stale.into(),
            RenewError::Token(error) => defect(&error),
        }
    }
}

impl From<StopError> for ApiError {
    fn from(error: StopError) -> Self {
        match error {
            StopError::Stale(stale) => stale.into(),
            StopError::Database(error) => error.into(),
        }
    }
}

impl From<VisitError> for ApiError {
    fn from(error: VisitError) -> Self {
        match error {
            // The gateway is known; whom it speaks for is not let in.
            VisitError::Token(_) | VisitError::Used | VisitError::SignedOut => Self::forbidden(error.to_string()),
            VisitError::Busy => Self::new(ErrorCode::Unavailable("BUSY"), error.to_string()).retry_after(1),
            VisitError::Database(error) => error.into(),
        }
    }
}

impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        let text = error.to_string();
        match error {
            AppendError::Stale(stale) => stale.into(),
            AppendError::Refused { .. } => Self::invalid("records", text),
            // Asked again, the store refuses again: what the gateway has is not what is stored.
            AppendError::Gap { .. } | AppendError::Dropped(_) => Self::new(ErrorCode::Conflict, text),
            AppendError::Mixed(mixed) => mixed.into(),
            AppendError::Load(_) => storage_unavailable(&error),
        }
    }
}

impl From<PushError> for ApiError {
    fn from(error: PushError) -> Self {
        let text = error.to_string();
        match error {
            PushError::Stale(stale) => stale.into(),
            PushError::Refused { .. } => Self::invalid("records", text),
            PushError::Mixed(mixed) => mixed.into(),
            PushError::Snapshot(error) => error.into(),
        }
    }
}

impl From<PullError> for ApiError {
    fn from(error: PullError) -> Self {
        match error {
            PullError::Stale(stale) => stale.into(),
            PullError::NoProject => Self::invalid("project", "is missing"),
            PullError::Load(_) => storage_unavailable(&error),
            PullError::TooLarge(_) => defect(&error),
            PullError::Database(error) => error.into(),
        }
    }
}

impl From<JsonError> for ApiError {
    fn from(error: JsonError) -> Self {
        let text = error.to_string();
        match error {
            JsonError::Stale(stale) => stale.into(),
            JsonError::UnknownProject(_) | JsonError::Malformed(_) => Self::invalid("data.yjs_state", text),
            JsonError::Mixed(mixed) => mixed.into(),
            JsonError::Snapshot(error) => error.into(),
            JsonError::Load(_) | JsonError::Dropped(_) => storage_unavailable(&error),
            JsonError::Unreadable { .. } | JsonError::State(_) => defect(&error),
            JsonError::Database(error) => error.into(),
        }
    }
}

impl From<NotesError> for ApiError {
    fn from(error: NotesError) -> Self {
        match error {
            NotesError::Stale(stale) => stale.into(),
            NotesError::UnknownProject(_) => Self::not_found(),
            NotesError::Unseal { .. } | NotesError::UnknownForm(_) | NotesError::Seal(_) => defect(&error),
            NotesError::Database(error) => error.into(),
        }
    }
}

impl From<ContainerTokenError> for ApiError {
    fn from(error: ContainerTokenError) -> Self {
        match error {
            ContainerTokenError::Stale(stale) => stale.into(),
            ContainerTokenError::UnknownProject(_) => Self::not_found(),
            ContainerTokenError::Token(error) => defect(&error),
            ContainerTokenError::Database(error) => error.into(),
        }
    }
}

impl From<SnapshotError> for ApiError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Ahead { .. } | SnapshotError::Unreadable(_) | SnapshotError::TooLarge(_) => {
                Self::invalid("records", error.to_string())
            }
            SnapshotError::Read(_) | SnapshotError::Closed(_) => storage_unavailable(&error),
        }
    }
}

impl From<MixedForms> for ApiError {
    fn from(error: MixedForms) -> Self {
        Self::new(ErrorCode::Conflict, error.to_string())
    }
}

/// Its words may name files; they are in the log.
fn storage_unavailable(error: &dyn Error) -> ApiError {
    tracing::error!(%error, "documents cannot be stored or read");
    ApiError::new(ErrorCode::Unavailable("STORAGE_UNAVAILABLE"), "documents cannot be stored or read now")
        .retry_after(1)
}

fn defect(error: &dyn Error) -> ApiError {
    tracing::error!(%error, "damaged");
    ApiError::new(ErrorCode::Internal, "something went wrong on our side")
}
