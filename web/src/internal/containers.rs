//! What gateways keep and get for the containers of their organization.

use axum::{Json, extract::State};
use orrery_protocol::{
    container::ProjectNotes,
    control::{ContainerTokenAnswer, ContainerTokenRequest, NotesPull, NotesPush},
};
use serde_json::Value;

use super::{caller::Serving, done};
use crate::{error::ApiError, message::Message, state::GanymedeState};

/// What a container shows its gateway.
pub(super) async fn token(
    State(state): State<GanymedeState>,
    Serving(claims): Serving,
    Message(asked): Message<ContainerTokenRequest>,
) -> Result<Json<ContainerTokenAnswer>, ApiError> {
    let token = state.pool.container_token(&claims, &asked).await?;
    Ok(Json(ContainerTokenAnswer { token }))
}

/// What was kept of a project beside its documents.
pub(super) async fn pull(
    State(state): State<GanymedeState>,
    Serving(claims): Serving,
    Message(NotesPull { project }): Message<NotesPull>,
) -> Result<Json<ProjectNotes>, ApiError> {
    Ok(Json(state.data.notes(&claims, project).await?))
}

/// Keeps it; answered when it is durable.
pub(super) async fn push(
    State(state): State<GanymedeState>,
    Serving(claims): Serving,
    Message(NotesPush { project, notes }): Message<NotesPush>,
) -> Result<Json<Value>, ApiError> {
    state.data.store_notes(&claims, project, notes).await?;
    Ok(done())
}
