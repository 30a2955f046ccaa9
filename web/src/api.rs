//! Ganymede's API for people and their programs. Owns the form of what is asked and answered; who may do what is decided
//! by [`orrery_protocol::access`] and asked for in [`standing`].
//!
//! ```text
//! request -> by_address (rate) -> same_origin (cookies) -> Caller (who, rate, scope) -> standing (may they?) -> Ganymede
//! ```

mod account;
mod input;
mod keys;
mod members;
mod name;
mod orgs;
mod pool;
mod projects;
mod reach;
mod same_origin;
mod sessions;
mod shape;
mod standing;

use axum::{extract::DefaultBodyLimit, middleware};
use utoipa_axum::router::OpenApiRouter;

use crate::{rate, state::GanymedeState};

/// All routes of the people's API.
pub(crate) fn routes(state: &GanymedeState) -> OpenApiRouter<GanymedeState> {
    OpenApiRouter::new()
        .merge(account::routes())
        .merge(sessions::routes())
        .merge(keys::routes())
        .merge(orgs::routes())
        .merge(members::routes())
        .merge(projects::routes())
        .merge(pool::routes())
        .layer(DefaultBodyLimit::max(input::JSON_BYTES_MAX))
        .route_layer(middleware::from_fn_with_state(state.clone(), same_origin::check))
        .route_layer(middleware::from_fn_with_state(state.clone(), rate::by_address))
}
