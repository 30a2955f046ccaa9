//! What Ganymede orders: to serve an organization, to let it go, to look again at who belongs to it. Each order is safe to
//! repeat.

use std::time::SystemTime;

use axum::{Json, Router, extract::FromRequestParts, extract::State, routing::post};
use http::request::Parts;
use orrery_actors::ReleaseReason;
use orrery_ganymede::tokens::OrderClaims;
use orrery_protocol::{
    control::{Order, Start},
    id::OrgId,
};
use serde_json::{Value, json};

use crate::{admission::bearer, error::ApiError, message::Message, state::GatewayState};

/// All orders.
pub(super) fn routes() -> Router<GatewayState> {
    Router::new()
        .route("/collab/start", post(start))
        .route("/collab/stop", post(stop))
        .route("/collab/refresh", post(refresh))
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
async fn refresh(
    State(state): State<GatewayState>,
    order: Ordered,
    Message(Order { organization_id }): Message<Order>,
) -> Result<Json<Value>, ApiError> {
    order.is_about(organization_id)?;
    state.gateways.refetch(organization_id);
    Ok(Json(json!({})))
}
