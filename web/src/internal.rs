//! What gateways ask of Ganymede: to be taken into the pool, what there is to know of an organization, more time, and to keep
//! its documents. Only translation between HTTP and [`pool`](orrery_ganymede::pool) and [`data`](orrery_ganymede::data).
//!
//! | route | what proves who asks |
//! |---|---|
//! | `POST /gateway/ready` | pool token |
//! | `POST /gateway/deleted` | pool token |
//! | `POST /gateway/config` with a handshake | pool token, and the handshake in the body |
//! | everything else | gateway token, and `Orrery-Epoch` with the epoch that is in it |

mod caller;
mod containers;
mod data;
mod refusal;
mod shape;

use axum::{
    Json,
    extract::{DefaultBodyLimit, State},
};
use orrery_protocol::control::{ConfigRequest, GatewayBrief, Lease, Ready, Stop, Visit, VisitRequest, VisitStanding};
use serde_json::{Value, json};
use utoipa_axum::{router::OpenApiRouter, routes};

use self::{
    caller::{Either, Process, Serving},
    shape::{
        AnnouncedShape, BriefShape, ConfigForm, LeaseShape, Nothing, ReadyForm, StandingForm, StopForm, VisitForm,
        VisitShape,
    },
};
use crate::{
    error::{ApiError, ErrorBody},
    limits::HttpLimits,
    message::Message,
    state::GanymedeState,
};

/// Below these, bodies are what gateways keep: documents, and the notes of a project.
const KEPT_PREFIXES: [&str; 2] = ["/gateway/data/", "/gateway/notes/"];

/// The longest body to this path.
pub(crate) fn body_bytes_max(path: &str, limits: &HttpLimits) -> usize {
    if path == data::PUSH {
        return data::snapshots_bytes_max(limits);
    }
    let kept = KEPT_PREFIXES.iter().any(|prefix| path.starts_with(prefix));
    if kept { limits.data_bytes_max } else { limits.body_bytes_max }
}

/// All routes for gateways.
pub(crate) fn routes(state: &GanymedeState) -> OpenApiRouter<GanymedeState> {
    let limits = &state.process.edge.limits;
    let documents = OpenApiRouter::new()
        .routes(routes!(data::pull))
        .routes(routes!(data::append))
        .routes(routes!(data::push))
        .routes(routes!(containers::pull))
        .routes(routes!(containers::push))
        .layer(DefaultBodyLimit::max(limits.data_bytes_max));
    OpenApiRouter::new()
        .routes(routes!(ready))
        .routes(routes!(config))
        .routes(routes!(lease))
        .routes(routes!(stop))
        .routes(routes!(containers::token))
        .routes(routes!(containers::deleted))
        .routes(routes!(visit))
        .routes(routes!(visit_standing))
        .layer(DefaultBodyLimit::max(limits.body_bytes_max))
        .merge(documents)
}

/// A gateway process is ready to be allocated, with all its slots.
#[utoipa::path(
    post,
    path = "/gateway/ready",
    operation_id = "gateway_ready",
    tag = "internal",
    request_body = ReadyForm,
    responses(
        (status = 200, description = "the numbers of its slots", body = AnnouncedShape),
        (status = 403, description = "the body is another gateway's", body = ErrorBody),
    ),
    security(("pool" = []))
)]
async fn ready(
    State(state): State<GanymedeState>,
    Process(claims): Process,
    Message(ready): Message<Ready>,
) -> Result<Json<Value>, ApiError> {
    if ready.gateway_id != claims.gateway {
        return Err(ApiError::forbidden("the token is another gateway's"));
    }
    let slots = state.pool.announce(&claims, &ready).await?;
    Ok(Json(json!({ "slots": slots })))
}

/// What a gateway must know: with a handshake, of the organization that it is about to serve; without, of the one that it
/// serves, as it is now.
#[utoipa::path(
    post,
    path = "/gateway/config",
    operation_id = "gateway_config",
    tag = "internal",
    request_body = ConfigForm,
    responses(
        (status = 200, description = "the organization, its projects and its members", body = BriefShape),
        (status = 404, description = "the organization is not there any more", body = ErrorBody),
    ),
    security(("pool" = []), ("gateway" = []))
)]
async fn config(
    State(state): State<GanymedeState>,
    either: Either,
    Message(asked): Message<ConfigRequest>,
) -> Result<Json<GatewayBrief>, ApiError> {
    match (either, asked.handshake) {
        (Either::Process(Process(claims)), Some(handshake)) => {
            Ok(Json(state.pool.handshake(claims.gateway, &handshake.0).await?))
        }
        (Either::Serving(Serving(claims)), None) => Ok(Json(state.pool.brief(&claims).await?)),
        (Either::Process(_), None) => Err(ApiError::not_signed_in("without a handshake, a gateway token is needed")),
        (Either::Serving(_), Some(_)) => Err(ApiError::not_signed_in("with a handshake, the pool token is needed")),
    }
}

/// The gateway goes on.
#[utoipa::path(
    post,
    path = "/gateway/lease",
    operation_id = "gateway_lease",
    tag = "internal",
    responses((status = 200, description = "until when", body = LeaseShape)),
    security(("gateway" = []))
)]
async fn lease(State(state): State<GanymedeState>, Serving(claims): Serving) -> Result<Json<Lease>, ApiError> {
    Ok(Json(state.pool.renew(&claims).await?))
}

/// The gateway serves the organization no longer.
#[utoipa::path(
    post,
    path = "/gateway/stop",
    operation_id = "gateway_stop",
    tag = "internal",
    request_body = StopForm,
    responses(
        (status = 200, description = "let go; the same if asked again", body = Nothing),
        (status = 403, description = "the body is another gateway's", body = ErrorBody),
        (status = 404, description = "the body is about another organization than the token", body = ErrorBody),
    ),
    security(("gateway" = []))
)]
async fn stop(
    State(state): State<GanymedeState>,
    caller: Serving,
    Message(stop): Message<Stop>,
) -> Result<Json<Value>, ApiError> {
    caller.may_see(stop.organization_id)?;
    if let Some(gateway) = stop.gateway_id {
        caller.speaks_for(gateway)?;
    }
    if stop.elsewhere {
        state.pool.depart(&caller.0).await?
    } else {
        state.pool.stop(&caller.0).await?
    }
    Ok(done())
}

/// Somebody came back to a container's host.
#[utoipa::path(
    post,
    path = "/gateway/visit",
    operation_id = "gateway_visit",
    tag = "internal",
    request_body = VisitForm,
    responses(
        (status = 200, description = "they may enter", body = VisitShape),
        (status = 403, description = "the ticket does not open this host to this browser", body = ErrorBody),
    ),
    security(("gateway" = []))
)]
async fn visit(
    State(state): State<GanymedeState>,
    Serving(claims): Serving,
    Message(request): Message<VisitRequest>,
) -> Result<Json<Visit>, ApiError> {
    Ok(Json(state.visits.admit(claims.org, &request).await?))
}

/// Whether the session behind a visit lasts.
#[utoipa::path(
    post,
    path = "/gateway/visit/standing",
    operation_id = "gateway_visit_standing",
    tag = "internal",
    request_body = StandingForm,
    responses((status = 200, description = "whether it lasts", body = bool, content_type = "application/json")),
    security(("gateway" = []))
)]
async fn visit_standing(
    State(state): State<GanymedeState>,
    _: Serving,
    Message(standing): Message<VisitStanding>,
) -> Result<Json<bool>, ApiError> {
    Ok(Json(state.visits.stands(&standing).await?))
}

/// There is nothing to say but that it is done.
fn done() -> Json<Value> {
    Json(json!({}))
}
