//! What a gateway's refusals are over HTTP. Handlers say `?`.

use orrery_actors::{CommandError, ControlError, OpenError, ServeError};
use orrery_protocol::{command::Refusal, container::Rejection};

use crate::{
    dispatch::{moving, not_running},
    error::{ApiError, ErrorCode},
};

impl From<OpenError> for ApiError {
    fn from(error: OpenError) -> Self {
        let text = error.to_string();
        match error {
            OpenError::NotServing => not_running(),
            OpenError::Moving => moving(),
            OpenError::UnknownProject => Self::not_found(),
            OpenError::TooManyDocuments(_) => Self::new(ErrorCode::RateLimited, text).retry_after(30),
            // What storage says may name files; it is in the log.
            OpenError::Storage(_) => {
                Self::new(ErrorCode::Unavailable("STORAGE_UNAVAILABLE"), "what is stored cannot be loaded now")
                    .retry_after(5)
            }
            OpenError::Resting { retry_ms } => {
                Self::new(ErrorCode::Unavailable("DOCUMENT_FAILED"), text).retry_after(retry_ms.div_ceil(1000))
            }
            OpenError::Stopping => Self::new(ErrorCode::Unavailable("STOPPING"), text).retry_after(1),
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let text = refusal.to_string();
        match refusal {
            Refusal::Unknown(_) => Self::new(ErrorCode::UnknownCommand, text),
            Refusal::Invalid { field, problem } => Self::invalid(&field, problem),
            Refusal::Forbidden(_) | Refusal::NotForMembers(_) | Refusal::Foreign(_) => Self::forbidden(text),
            Refusal::Gone => Self::not_signed_in(text),
            Refusal::Rejected(rejection) => rejection.into(),
            Refusal::KeyReused => Self::new(ErrorCode::Conflict, text),
            Refusal::Busy => Self::new(ErrorCode::RateLimited, text).retry_after(1),
        }
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let text = rejection.to_string();
        match rejection {
            Rejection::NotFound(_) => Self::new(ErrorCode::NotFound, text),
            Rejection::WrongCaller(_) => Self::forbidden(text),
            Rejection::Image(unavailable) => Self::invalid("image", unavailable.to_string()),
            Rejection::Invalid { field, problem } => Self::invalid(&field, problem),
            Rejection::TooMany(_) | Rejection::TooMuch(_) | Rejection::TooManyServices => {
                Self::new(ErrorCode::NoCapacity, text)
            }
            Rejection::WrongPhase { .. } | Rejection::BeingDeleted(_) => Self::new(ErrorCode::Conflict, text),
            Rejection::NoId => Self::new(ErrorCode::Internal, "something went wrong on our side"),
        }
    }
}

impl From<CommandError> for ApiError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Closed(error) => error.into(),
            CommandError::Refused(refusal) => refusal.into(),
            // The epoch that is over is the gateway's, not the member's.
            CommandError::Failed(ControlError::Stale) => moving(),
            CommandError::Failed(error @ (ControlError::Refused(_) | ControlError::Unavailable(_))) => {
                unreachable_ganymede(&error)
            }
            CommandError::Unsaved => {
                let text = "nothing can be stored now, for which /api/health of the control plane has the cause; it is carried \
                            out once it can";
                Self::new(ErrorCode::Unavailable("STORAGE_UNAVAILABLE"), text).retry_after(5)
            }
        }
    }
}

impl From<ServeError> for ApiError {
    fn from(error: ServeError) -> Self {
        let text = error.to_string();
        match error {
            ServeError::Stopping => OpenError::Stopping.into(),
            ServeError::Stale(_) | ServeError::Control(ControlError::Stale) => Self::new(ErrorCode::StaleEpoch, text),
            ServeError::Released => Self::new(ErrorCode::Conflict, text),
            ServeError::NoFreeSlot(_) => Self::new(ErrorCode::Unavailable("POOL_EXHAUSTED"), text).retry_after(5),
            ServeError::OtherOrganization(_) => Self::not_signed_in("the handshake is for another organization"),
            ServeError::Control(ControlError::Refused(_)) => Self::not_signed_in("Ganymede refuses the handshake"),
            ServeError::Control(error @ ControlError::Unavailable(_)) => unreachable_ganymede(&error),
            ServeError::Failed(_) => {
                tracing::error!(%error, "an organization cannot be served");
                Self::new(ErrorCode::Internal, "something went wrong on our side")
            }
        }
    }
}

/// Its words may name hosts; they are in the log.
fn unreachable_ganymede(error: &ControlError) -> ApiError {
    tracing::warn!(%error, "Ganymede does not do what is needed");
    ApiError::new(ErrorCode::Unavailable("GANYMEDE_UNREACHABLE"), "the control plane does not answer").retry_after(1)
}
