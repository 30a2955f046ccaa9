//! A gateway's own routes: what its organization's members ask, and what Ganymede orders.
//!
//! | route | who | what proves it |
//! |---|---|---|
//! | `GET /collab/ping` | anybody | |
//! | `GET /collab/{project}/{document}` | a member | access token |
//! | `GET /collab/{project}/containers` | a member | access token |
//! | `GET /collab/{project}/user-container/{id}/logs` | a member | access token |
//! | `POST /collab/event` | a member | access token |
//! | the same, of itself | a container | container token |
//! | `POST /collab/start` | Ganymede | the handshake in the body |
//! | `POST /collab/stop`, `/collab/refresh` | Ganymede | order token |

mod containers;
mod events;
mod logs;
mod orders;
mod refusal;

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, State},
    routing::{get, post},
};
use orrery_protocol::{command::IdempotencyKey, id::ProjectId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{ToSchema, openapi::OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    address::OrgHint,
    admission::{Speaker, admit},
    error::{ApiError, ErrorBody},
    message::Message,
    socket,
    state::GatewayState,
};

/// What members ask, for each organization that is served here.
pub(crate) fn routes(state: GatewayState) -> Router {
    let body_bytes_max = state.process.edge.limits.body_bytes_max;
    Router::from(members()).layer(DefaultBodyLimit::max(body_bytes_max)).with_state(state)
}

fn members() -> OpenApiRouter<GatewayState> {
    OpenApiRouter::new()
        .routes(routes!(ping))
        .routes(routes!(event))
        .routes(routes!(containers::list))
        .routes(routes!(logs::show))
        .routes(routes!(socket::enter))
}

/// What there is to say of the routes for members.
pub(crate) fn described() -> OpenApi {
    members().into_openapi()
}

/// What there is to say of Ganymede's orders.
pub(crate) fn described_orders() -> OpenApi {
    orders::routes().into_openapi()
}

/// What containers may ask, and nobody else: for where only they can come.
pub(crate) fn porch(state: GatewayState) -> Router {
    let body_bytes_max = state.process.edge.limits.body_bytes_max;
    Router::new()
        .route("/collab/ping", get(ping))
        .route("/collab/event", post(event_of_container))
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .with_state(state)
}

/// What Ganymede orders a gateway in another process. Not to be had through an organization's address.
pub(crate) fn orders(state: GatewayState) -> Router {
    let body_bytes_max = state.process.edge.limits.body_bytes_max;
    Router::from(orders::routes()).layer(DefaultBodyLimit::max(body_bytes_max)).with_state(state)
}

/// Whether anybody answers.
#[utoipa::path(
    get,
    path = "/collab/ping",
    operation_id = "ping",
    tag = "collaboration",
    responses((status = 200, description = "somebody does", body = Object)),
    security(())
)]
async fn ping() -> Json<Value> {
    Json(json!({}))
}

/// A command, and for whom.
#[derive(Deserialize, ToSchema)]
#[schema(as = Command)]
struct Event {
    /// The only place that says which project a member's command is for. Of a container its token says so.
    #[serde(default)]
    #[schema(value_type = Option<uuid::Uuid>)]
    project_id: Option<ProjectId>,
    #[schema(value_type = events::EventForm)]
    event: Value,
    /// The same key with the same command is the same command: it is answered as the first time.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 128)]
    idempotency_key: Option<String>,
}

/// What the command answers, by its type.
#[derive(Serialize, ToSchema)]
#[schema(as = CommandResult)]
struct Done {
    result: Value,
}

async fn event_of_container(
    State(state): State<GatewayState>,
    named: Option<Extension<OrgHint>>,
    speaker: Speaker,
    Message(asked): Message<Event>,
) -> Result<Json<Done>, ApiError> {
    let Speaker::Container(container) = speaker else {
        return Err(ApiError::forbidden("only containers are heard here"));
    };
    let named = named.map(|Extension(hint)| hint);
    let result = containers::hear(&state, &container, named, asked.project_id, &asked.event).await?;
    Ok(Json(Done { result }))
}

/// A command to a project, or what a container says of itself.
#[utoipa::path(
    post,
    path = "/collab/event",
    operation_id = "command",
    tag = "collaboration",
    request_body = Event,
    responses(
        (status = 200, description = "done", body = Done),
        (status = 403, description = "the role does not allow it, or another container's", body = ErrorBody),
        (status = 404, description = "no such project or container, or not the caller's to see", body = ErrorBody),
        (status = 409, description = "the container is in another phase, or the key was another command's", body = ErrorBody),
        (status = 429, description = "too much at once; `Retry-After` says when to try again", body = ErrorBody),
        (status = 507, description = "there is room for no more", body = ErrorBody),
    ),
    security(("access" = []), ("container" = []))
)]
async fn event(
    State(state): State<GatewayState>,
    named: Option<Extension<OrgHint>>,
    speaker: Speaker,
    Message(asked): Message<Event>,
) -> Result<Json<Done>, ApiError> {
    let Event { project_id, event, idempotency_key } = asked;
    let named = named.map(|Extension(hint)| hint);
    let access = match speaker {
        Speaker::Person(access) => access,
        Speaker::Container(container) => {
            let result = containers::hear(&state, &container, named, project_id, &event).await?;
            return Ok(Json(Done { result }));
        }
    };
    let project_id = project_id.ok_or_else(|| ApiError::invalid("project_id", "is missing"))?;
    let principal = admit(&state.gateways, &access, named, project_id)?;
    let key = idempotency_key.map(|key| key.parse::<IdempotencyKey>()).transpose();
    let key = key.map_err(|error| ApiError::invalid("idempotency_key", error.to_string()))?;
    let result = state.gateways.command(principal, &event, key).await?;
    Ok(Json(Done { result }))
}
