//! `GET /api/health`: whether this process can do its work, part by part.

use std::collections::BTreeMap;

use async_trait::async_trait;
use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{error::report_status, state::ProcessState};

/// How one part is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Does its work.
    Ok,
    /// Works with something withheld (edits accepted, not yet saved) and tries to repair itself.
    Degraded,
    /// Does not work.
    Down,
}

/// What one part says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Part {
    /// How it is.
    pub status: Status,
    /// One line for people; never a secret.
    pub detail: String,
}

/// The parts of this process, by name. Implemented where the parts are put together.
#[async_trait]
pub trait Parts: Send + Sync {
    /// How each part is now. Called for every request: whatever it asks must answer within a bound.
    async fn parts(&self) -> BTreeMap<&'static str, Part>;
}

#[derive(Serialize, ToSchema)]
struct Health {
    /// The worst of the parts.
    status: Status,
    #[schema(value_type = BTreeMap<String, Part>)]
    parts: BTreeMap<&'static str, Part>,
}

/// Whether this process can do its work, part by part.
#[utoipa::path(
    get,
    path = "/api/health",
    operation_id = "health",
    tag = "operations",
    responses(
        (status = 200, description = "every part does its work", body = Health),
        (status = 503, description = "at least one does not, or withholds something", body = Health),
    ),
    security(())
)]
pub(crate) async fn show(State(state): State<ProcessState>) -> Response {
    let parts = state.parts.parts().await;
    let status = parts.values().map(|part| part.status).max().unwrap_or(Status::Ok);
    // Degraded answers 503 too: whoever polls must learn that something is withheld.
    (report_status(status == Status::Ok), Json(Health { status, parts })).into_response()
}
