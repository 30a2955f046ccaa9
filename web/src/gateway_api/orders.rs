//! What Ganymede orders: to serve an organization, to let it go, to look again at who belongs to it. Each order is safe to
//! repeat.

use std::time::SystemTime;

use axum::{Json, extract::FromRequestParts, extract::State};
use http::request::Parts;
use orrery_actors::ReleaseReason;
use orrery_ganymede::tokens::OrderClaims;
use orrery_protocol::{
    control::{Order, Start},
    id::OrgId,
};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

use crate::{
    admission::bearer,
    error::{ApiError, ErrorBody},
    message::Message,
    state::GatewayState,
};

/// All orders.
pub(super) fn routes() -> OpenApiRouter<GatewayState> {
    OpenApiRouter::new().routes(routes!(start)).routes(routes!(stop)).routes(routes!(refresh))
}

/// The form of [`Start`].
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its form is used")]
struct StartForm {
    organization_id: Uuid,
    /// Single-use: what the gateway fetches its configuration with.
    handshake: String,
}

/// The form of [`Order`].
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its form is used")]
struct OrderForm {
    organization_id: Uuid,
}

/// Served, and under which epoch.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its form is used")]
struct ServedShape {
    organization_id: Uuid,
    epoch: u64,
}

/// Ganymede, as its order token proves.
struct Ordered(OrderClaims);

impl FromRequestParts<GatewayState> for Ordered {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &GatewayState) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers).ok_or_else(|| ApiError::not_signed_in("no order token"))?;
        state.verifier.catch_up(token).await?;
        Ok(Self(state.verifier.order(token, state.gateway, SystemTime::now())?))
    }
}

impl Ordered {
    /// Refuses a body that is about another organization than the token.
    fn is_about(&self, org: OrgId) -> Result<(), ApiError> {
        if self.0.org == org { Ok(()) } else { Err(ApiError::forbidden("the order is about another organization")) }
    }
}

/// Serve the organization. The handshake proves that Ganymede asks, and Ganymede, when it is shown, that it was not used
/// before.
#[utoipa::path(
    post,
    path = "/collab/start",
    operation_id = "order_start",
    tag = "orders",
    request_body = StartForm,
    responses(
        (status = 200, description = "served", body = ServedShape),
        (status = 409, description = "it is served under a newer epoch", body = ErrorBody),
    ),
    security(("handshake" = []))
)]
async fn start(State(state): State<GatewayState>, Message(start): Message<Start>) -> Result<Json<Value>, ApiError> {
    let Start { organization_id, handshake } = start;
    state.verifier.catch_up(&handshake.0).await?;
    let claims = state.verifier.handshake(&handshake.0, state.gateway, SystemTime::now())?;
    if claims.org != organization_id {
        return Err(ApiError::not_signed_in("the handshake is for another organization"));
    }
    let epoch = state.gateways.start(organization_id, &handshake).await?;
    Ok(Json(json!({ "organization_id": organization_id, "epoch": epoch })))
}

/// Serve it no longer; answered when everything is stored. A newer epoch than the order's is left alone.
#[utoipa::path(
    post,
    path = "/collab/stop",
    operation_id = "order_stop",
    tag = "orders",
    request_body = OrderForm,
    responses(
        (status = 200, description = "let go, and everything is stored", body = Object),
        (status = 403, description = "the order is about another organization", body = ErrorBody),
    ),
    security(("order" = []))
)]
async fn stop(
    State(state): State<GatewayState>,
    order: Ordered,
    Message(Order { organization_id }): Message<Order>,
) -> Result<Json<Value>, ApiError> {
    order.is_about(organization_id)?;
    state.gateways.release(organization_id, order.0.epoch, ReleaseReason::Ordered).await;
    Ok(Json(json!({})))
}

/// Its members, roles or projects changed.
#[utoipa::path(
    post,
    path = "/collab/refresh",
    operation_id = "order_refresh",
    tag = "orders",
    request_body = OrderForm,
    responses(
        (status = 200, description = "it acts upon it", body = Object),
        (status = 403, description = "the order is about another organization", body = ErrorBody),
    ),
    security(("order" = []))
)]
async fn refresh(
    State(state): State<GatewayState>,
    order: Ordered,
    Message(Order { organization_id }): Message<Order>,
) -> Result<Json<Value>, ApiError> {
    order.is_about(organization_id)?;
    state.gateways.refetch(organization_id).await;
    Ok(Json(json!({})))
}
