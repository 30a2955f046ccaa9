//! What gateways keep and get for containers.

use axum::{Json, extract::State};
use orrery_protocol::{
    container::ProjectNotes,
    control::{ContainerTokenAnswer, ContainerTokenRequest, Deleted, NotesPull, NotesPush},
};
use serde_json::Value;

use super::{
    caller::{Process, Serving},
    done,
    shape::{ContainerTokenForm, ContainerTokenShape, DeletedShape, NotesPullForm, NotesPushForm, NotesShape, Nothing},
};
use crate::{
    error::{ApiError, ErrorBody, ErrorCode},
    message::Message,
    state::GanymedeState,
};

/// What a container shows its gateway.
#[utoipa::path(
    post,
    path = "/gateway/container-token",
    operation_id = "gateway_container_token",
    tag = "internal",
    request_body = ContainerTokenForm,
    responses(
        (status = 200, description = "the token", body = ContainerTokenShape),
        (status = 404, description = "the organization has no such project", body = ErrorBody),
    ),
    security(("gateway" = []))
)]
pub(super) async fn token(
    State(state): State<GanymedeState>,
    Serving(claims): Serving,
    Message(asked): Message<ContainerTokenRequest>,
) -> Result<Json<ContainerTokenAnswer>, ApiError> {
    let token = state.pool.container_token(&claims, &asked).await?;
    Ok(Json(ContainerTokenAnswer { token }))
}

/// Which organizations and projects were deleted: whoever asks has things of theirs, and serves none of them.
#[utoipa::path(
    post,
    path = "/gateway/deleted",
    operation_id = "gateway_deleted",
    tag = "internal",
    request_body = DeletedShape,
    responses(
        (status = 200, description = "those that were here and were deleted", body = DeletedShape),
        (status = 413, description = "more than 500", body = ErrorBody),
    ),
    security(("pool" = []))
)]
pub(super) async fn deleted(
    State(state): State<GanymedeState>,
    _: Process,
    Message(asked): Message<Deleted>,
) -> Result<Json<Deleted>, ApiError> {
    if asked.len() > Deleted::ASKED_MAX {
        return Err(ApiError::new(ErrorCode::TooLarge, "too many organizations and projects at once"));
    }
    Ok(Json(state.pool.deleted(&asked).await?))
}

/// What was kept of a project beside its documents.
#[utoipa::path(
    post,
    path = "/gateway/notes/pull",
    operation_id = "gateway_notes_pull",
    tag = "internal",
    request_body = NotesPullForm,
    responses(
        (status = 200, description = "nothing, if nothing was kept", body = NotesShape),
        (status = 404, description = "the organization has no such project", body = ErrorBody),
    ),
    security(("gateway" = []))
)]
pub(super) async fn pull(
    State(state): State<GanymedeState>,
    Serving(claims): Serving,
    Message(NotesPull { project }): Message<NotesPull>,
) -> Result<Json<ProjectNotes>, ApiError> {
    Ok(Json(state.data.notes(&claims, project).await?))
}

/// Keeps it; answered when it is durable.
#[utoipa::path(
    post,
    path = "/gateway/notes/push",
    operation_id = "gateway_notes_push",
    tag = "internal",
    request_body = NotesPushForm,
    responses(
        (status = 200, description = "kept", body = Nothing),
        (status = 404, description = "the organization has no such project", body = ErrorBody),
    ),
    security(("gateway" = []))
)]
pub(super) async fn push(
    State(state): State<GanymedeState>,
    Serving(claims): Serving,
    Message(NotesPush { project, notes }): Message<NotesPush>,
) -> Result<Json<Value>, ApiError> {
    state.data.store_notes(&claims, project, notes).await?;
    Ok(done())
}
