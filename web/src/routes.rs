//! Which path is answered by whom, in each role.

use axum::{Json, Router, extract::State, middleware};
use orrery_ganymede::tokens::Jwks;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    api,
    dispatch::Dispatch,
    envelope::Site,
    error::{ApiError, ErrorCode},
    front::Front,
    gate, gateway_api, health, internal, metrics, openapi,
    proxy::Proxy,
    state::{GanymedeState, GatewayState},
    ui,
};

/// Everything that Ganymede serves; `gateway` is the one in the same process, if there is one.
pub fn ganymede(state: GanymedeState, gateway: Option<GatewayState>) -> Site {
    let edge = state.process.edge.clone();
    let front = gateway.as_ref().map(Front::new);
    let here = gateway.map(gateway_api::routes).unwrap_or_default();
    let (routes, orgs, tokens) = (state.routes.clone(), state.orgs.clone(), state.tokens.clone());
    let gateways = Dispatch::new(finish(here), routes, orgs, tokens, Proxy::new(edge.clone()));
    let gateways = gateways.with_front(front);
    let pages = ui::routes().route_layer(middleware::from_fn_with_state(state.clone(), gate::to_session));
    let own = OpenApiRouter::new()
        .merge(pages)
        .routes(routes!(health::show))
        .routes(routes!(metrics::show))
        .routes(routes!(jwks))
        .merge(api::routes(&state))
        .merge(gate::routes(&state))
        .merge(internal::routes(&state));
    // What gateways answer is told of here too, with where they are: here, or each at an address of its own.
    let members = openapi::also_by_path(gateway_api::described());
    let orders = openapi::at_gateways(gateway_api::described_orders());
    let own = openapi::described(own, [members, orders]);
    let bare = gateways.clone().bare_routes(edge.limits.body_bytes_max);
    let own = own.with_state(state).merge(bare);
    Site::new(finish(own), gateways, edge)
}

/// Everything that a gateway in a process of its own serves.
pub fn gateway(state: GatewayState) -> Site {
    let edge = state.process.edge.clone();
    let own = OpenApiRouter::new().routes(routes!(health::show)).routes(routes!(metrics::show));
    let own = openapi::described(own, [gateway_api::described(), gateway_api::described_orders()]);
    let own = own.with_state(state.process.clone());
    let own = own.merge(gateway_api::orders(state.clone())).merge(gateway_api::routes(state.clone()));
    let front = Front::new(&state);
    let here = Dispatch::from(finish(gateway_api::routes(state))).with_front(Some(front));
    Site::new(finish(own), here, edge)
}

/// What containers reach of a gateway, at an address that only they come to: what their tokens are for, and nothing else.
pub fn porch(state: GatewayState) -> Site {
    let edge = state.process.edge.clone();
    let router = finish(gateway_api::porch(state));
    Site::new(router.clone(), router, edge)
}

/// What every router ends with.
pub(crate) fn finish(router: Router) -> Router {
    router
        .fallback(async || ApiError::not_found())
        .method_not_allowed_fallback(async || ApiError::new(ErrorCode::MethodNotAllowed, "not with this method"))
}

/// The public keys that tokens are verified with (RFC 7517).
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "jwks",
    tag = "operations",
    responses((status = 200, description = "every key that verifies", body = Object)),
    security(())
)]
async fn jwks(State(state): State<GanymedeState>) -> Json<Jwks> {
    Json(state.tokens.jwks())
}
