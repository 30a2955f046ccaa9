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

use crate::{
    address::OrgHint,
    admission::{Speaker, admit},
    error::ApiError,
    message::Message,
    socket,
    state::GatewayState,
};

/// What members ask, for each organization that is served here.
pub(crate) fn routes(state: GatewayState) -> Router {
    let body_bytes_max = state.process.edge.limits.body_bytes_max;
    Router::new()
        .route("/collab/ping", get(ping))
        .route("/collab/event", post(event))
        .route("/collab/{project}/containers", get(containers::list))
        .route("/collab/{project}/user-container/{id}/logs", get(logs::show))
        .route("/collab/{project}/{document}", get(socket::enter))
        .layer(DefaultBodyLimit::max(body_bytes_max))
        .with_state(state)
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
    orders::routes().layer(DefaultBodyLimit::max(body_bytes_max)).with_state(state)
}

async fn ping() -> Json<Value> {
    Json(json!({}))
}

/// `POST /collab/event`.
#[derive(Deserialize)]
struct Event {
    /// The only place that says which project a member's command is for. Of a container its token says so.
    #[serde(default)]
    project_id: Option<ProjectId>,
    event: Value,
    #[serde(default)]
    idempotency_key: Option<String>,
}

#[derive(Serialize)]
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
