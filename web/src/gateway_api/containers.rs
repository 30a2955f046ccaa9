//! User containers: what members read of them, and what they say of themselves.

use axum::{
    Extension, Json,
    extract::{Path, State},
};
use orrery_actors::ContainerBearer;
use orrery_protocol::id::ProjectId;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    address::OrgHint,
    admission::{Asker, admit},
    error::ApiError,
    state::GatewayState,
};

/// `/collab/{project}/containers`. By name: on the bare way here the path was matched once before.
#[derive(Deserialize)]
pub(super) struct Place {
    project: String,
}

/// Every container of a project, as the `system` document has it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its form is used")]
struct ContainerList {
    containers: Vec<Value>,
}

/// The containers of a project, the same as in its `system` document.
#[utoipa::path(
    get,
    path = "/collab/{project}/containers",
    operation_id = "list_containers",
    tag = "collaboration",
    responses((status = 200, description = "those that are there", body = ContainerList)),
    security(("access" = []))
)]
pub(super) async fn list(
    State(state): State<GatewayState>,
    Path(Place { project }): Path<Place>,
    named: Option<Extension<OrgHint>>,
    Asker(access): Asker,
) -> Result<Json<Value>, ApiError> {
    let project = project.parse().map_err(|_| ApiError::not_found())?;
    let principal = admit(&state.gateways, &access, named.map(|Extension(hint)| hint), project)?;
    Ok(Json(state.gateways.containers(principal.org, project).await?))
}

/// What a container says of itself. Its token says which one it is; whatever else names another one is refused.
pub(super) async fn hear(
    state: &GatewayState,
    container: &ContainerBearer,
    named: Option<OrgHint>,
    project: Option<ProjectId>,
    event: &Value,
) -> Result<Value, ApiError> {
    if named.is_some_and(|OrgHint(org)| org != container.org) {
        return Err(ApiError::not_found());
    }
    if project.is_some_and(|project| project != container.project) {
        return Err(ApiError::forbidden("the token is for a container of another project"));
    }
    Ok(state.gateways.hear(container, event).await?)
}
