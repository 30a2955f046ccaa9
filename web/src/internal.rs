//! What gateways ask of Ganymede: to be taken into the pool, what there is to know of an organization, more time, and to keep
//! its documents. Only translation between HTTP and [`pool`](orrery_ganymede::pool) and [`data`](orrery_ganymede::data).
//!
//! | route | what proves who asks |
//! |---|---|
//! | `POST /gateway/ready` | pool token |
//! | `POST /gateway/config` with a handshake | pool token, and the handshake in the body |
//! | everything else | gateway token, and `Orrery-Epoch` with the epoch that is in it |

mod caller;
mod containers;
mod data;
mod refusal;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    routing::post,
};
use orrery_protocol::control::{ConfigRequest, GatewayBrief, Lease, Ready, Stop, Visit, VisitRequest, VisitStanding};
use serde_json::{Value, json};

use self::caller::{Either, Process, Serving};
use crate::{error::ApiError, message::Message, state::GanymedeState};

/// Below it, bodies are documents.
pub(crate) const DATA_PREFIX: &str = "/gateway/data/";

/// All routes for gateways.
pub(crate) fn routes(state: &GanymedeState) -> Router<GanymedeState> {
    let limits = &state.process.edge.limits;
    let documents = Router::new()
        .route("/gateway/data/pull", post(data::pull))
        .route("/gateway/data/append", post(data::append))
        .route("/gateway/data/push", post(data::push))
        .route("/gateway/notes/pull", post(containers::pull))
        .route("/gateway/notes/push", post(containers::push))
        .layer(DefaultBodyLimit::max(limits.data_bytes_max));
    Router::new()
        .route("/gateway/ready", post(ready))
        .route("/gateway/config", post(config))
        .route("/gateway/lease", post(lease))
        .route("/gateway/stop", post(stop))
        .route("/gateway/container-token", post(containers::token))
        .route("/gateway/visit", post(visit))
        .route("/gateway/visit/standing", post(visit_standing))
        .layer(DefaultBodyLimit::max(limits.body_bytes_max))
        .merge(documents)
}

/// A gateway process is ready to be allocated, with all its slots.
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
async fn lease(State(state): State<GanymedeState>, Serving(claims): Serving) -> Result<Json<Lease>, ApiError> {
    Ok(Json(state.pool.renew(&claims).await?))
}

/// The gateway serves the organization no longer.
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
async fn visit(
    State(state): State<GanymedeState>,
    Serving(claims): Serving,
    Message(request): Message<VisitRequest>,
) -> Result<Json<Visit>, ApiError> {
    Ok(Json(state.visits.admit(claims.org, &request).await?))
}

/// Whether the session behind a visit lasts.
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
