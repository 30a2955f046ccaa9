//! Which path is answered by whom.

use axum::{Json, Router, extract::DefaultBodyLimit, routing::get};
use orrery_ganymede::tokens::Jwks;
use serde_json::{Value, json};

use crate::{
    envelope::Site,
    error::{ApiError, ErrorCode},
    health, metrics, socket, start_page,
    state::AppState,
};

/// Everything this process serves.
pub fn site(state: AppState) -> Site {
    let edge = state.edge.clone();
    let body_bytes_max = edge.limits.body_bytes_max;
    let finish = |router: Router<AppState>| {
        router
            .fallback(async || ApiError::not_found())
            .method_not_allowed_fallback(async || ApiError::new(ErrorCode::MethodNotAllowed, "not with this method"))
            .layer(DefaultBodyLimit::max(body_bytes_max))
            .with_state(state.clone())
    };
    // Without an organization in the address, a gateway route takes it from the token.
    let bare = finish(control_plane().merge(gateway()));
    let gateway = finish(gateway());
    Site::new(bare, gateway, edge)
}

/// Ganymede's routes, for people and operators.
fn control_plane() -> Router<AppState> {
    Router::new()
        .route("/", get(start_page::page))
        .route("/start.css", get(start_page::style))
        .route("/api/health", get(health::show))
        .route("/metrics", get(metrics::show))
        .route("/.well-known/jwks.json", get(jwks))
}

/// One organization's gateway.
fn gateway() -> Router<AppState> {
    Router::new().route("/collab/ping", get(ping)).route("/collab/{project}/{document}", get(socket::enter))
}

async fn jwks(axum::extract::State(state): axum::extract::State<AppState>) -> Json<Jwks> {
    Json(state.tokens.jwks())
}

async fn ping() -> Json<Value> {
    Json(json!({}))
}
