//! The gateway pool, for administrators.

use axum::{Json, extract::State};
use http::StatusCode;
use orrery_ganymede::pool::{AnnounceError, Registered};
use orrery_protocol::id::{GatewayId, SlotId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use super::{
    input::Ids,
    shape::{AllocationShape, SlotShape},
};
use crate::{
    authentication::Administrator,
    error::{ApiError, ErrorBody},
    state::GanymedeState,
};

pub(super) fn routes() -> OpenApiRouter<GanymedeState> {
    OpenApiRouter::new()
        .routes(routes!(show_pool))
        .routes(routes!(drain_slot))
        .routes(routes!(register_gateway))
        .routes(routes!(revoke_gateway))
}

#[derive(Serialize, ToSchema)]
struct PoolShape {
    slots: Vec<SlotShape>,
}

/// A slot that serves nobody.
#[derive(Serialize, ToSchema)]
struct Drained {
    slot: u32,
    /// Where its organization is served now; `null` if none was served there.
    allocation: Option<AllocationShape>,
}

/// What a new gateway process needs to begin.
#[derive(Serialize, ToSchema)]
struct RegisteredGateway {
    gateway_id: Uuid,
    /// Its number among gateway processes, from 1.
    number: u16,
    /// What it shows to Ganymede. It cannot be had again.
    token: String,
    /// The port that it should listen on.
    port: u16,
}

/// Every slot: its state, its organization, and how far an allocation has come.
#[utoipa::path(
    get,
    path = "/api/pool",
    tag = "pool",
    responses((status = 200, description = "by number", body = PoolShape)),
    security(("session" = []), ("api_key" = []), ("access" = []), ("operator" = []))
)]
async fn show_pool(State(state): State<GanymedeState>, _: Administrator) -> Result<Json<PoolShape>, ApiError> {
    let slots = state.pool.slots().await?;
    Ok(Json(PoolShape { slots: slots.into_iter().map(SlotShape::from).collect() }))
}

/// Moves the organization of a slot elsewhere. Answers when it is served there.
#[utoipa::path(
    post,
    path = "/api/pool/slots/{slot}/drain",
    tag = "pool",
    responses((status = 200, description = "the slot is empty", body = Drained)),
    security(("session" = []), ("api_key" = []), ("access" = []), ("operator" = []))
)]
async fn drain_slot(
    State(state): State<GanymedeState>,
    _: Administrator,
    Ids((slot,)): Ids<(SlotId,)>,
) -> Result<Json<Drained>, ApiError> {
    let allocation = state.pool.drain(slot).await?;
    Ok(Json(Drained { slot: slot.0, allocation: allocation.map(AllocationShape::from) }))
}

/// Registers a gateway process that is about to be started.
#[utoipa::path(
    post,
    path = "/api/pool/gateways",
    tag = "pool",
    responses(
        (status = 201, description = "what the process needs", body = RegisteredGateway),
        (status = 409, description = "there are as many as there may be", body = ErrorBody),
    ),
    security(("session" = []), ("api_key" = []), ("access" = []), ("operator" = []))
)]
async fn register_gateway(
    State(state): State<GanymedeState>,
    _: Administrator,
) -> Result<(StatusCode, Json<RegisteredGateway>), ApiError> {
    let registered = state.pool.register().await?;
    let Registered { gateway, token, number, port } = registered;
    Ok((StatusCode::CREATED, Json(RegisteredGateway { gateway_id: gateway.0, number, token: token.0, port })))
}

/// Takes a gateway process out of the pool for good. What it serves moves elsewhere when its leases end.
#[utoipa::path(
    delete,
    path = "/api/pool/gateways/{gateway}",
    tag = "pool",
    responses((status = 204, description = "its token opens nothing any more")),
    security(("session" = []), ("api_key" = []), ("access" = []), ("operator" = []))
)]
async fn revoke_gateway(
    State(state): State<GanymedeState>,
    _: Administrator,
    Ids((gateway,)): Ids<(GatewayId,)>,
) -> Result<StatusCode, ApiError> {
    match state.pool.revoke(gateway).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(AnnounceError::UnknownGateway(_)) => Err(ApiError::not_found()),
        Err(error) => Err(error.into()),
    }
}
