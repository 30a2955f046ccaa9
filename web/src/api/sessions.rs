//! Where the caller is signed in.

use axum::{Json, extract::State};
use http::{HeaderMap, StatusCode};
use orrery_ganymede::people::{Scope, Session, SessionId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::input::Ids;
use crate::{
    authentication::{self, Caller},
    error::ApiError,
    state::GanymedeState,
    time::{iso, now_ms},
};

pub(super) fn routes() -> OpenApiRouter<GanymedeState> {
    OpenApiRouter::new().routes(routes!(list_sessions, end_other_sessions)).routes(routes!(end_session))
}

/// One browser that the caller is signed in with.
#[derive(Serialize, ToSchema)]
struct SessionShape {
    id: String,
    /// Whether it is the one that asks.
    current: bool,
    #[schema(format = DateTime)]
    created_at: String,
    /// To the hour.
    #[schema(format = DateTime)]
    last_used_at: String,
    /// When it ends, unless it is used.
    #[schema(format = DateTime)]
    expires_at: String,
}

#[derive(Serialize, ToSchema)]
struct SessionList {
    sessions: Vec<SessionShape>,
}

/// The sessions that a request carries.
fn current(state: &GanymedeState, headers: &HeaderMap) -> Vec<SessionId> {
    authentication::sessions(headers, &state.process.edge).filter_map(SessionId::of).collect()
}

/// The caller's sessions.
#[utoipa::path(
    get,
    path = "/api/auth/sessions",
    tag = "account",
    responses((status = 200, description = "the newest first", body = SessionList))
)]
async fn list_sessions(
    State(state): State<GanymedeState>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Json<SessionList>, ApiError> {
    let current = current(&state, &headers);
    let sessions = state.people.sessions_of(now_ms(), caller.user.id).await?;
    let shape = |session: Session| SessionShape {
        id: session.id.to_string(),
        current: current.contains(&session.id),
        created_at: iso(session.opened_at_ms),
        last_used_at: iso(session.used_at_ms),
        expires_at: iso(session.expires_at_ms),
    };
    Ok(Json(SessionList { sessions: sessions.into_iter().map(shape).collect() }))
}

/// Signs the caller out everywhere else.
#[utoipa::path(
    delete,
    path = "/api/auth/sessions",
    tag = "account",
    responses((status = 204, description = "all sessions ended but the one that asks"))
)]
async fn end_other_sessions(
    State(state): State<GanymedeState>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    caller.needs(Scope::Admin)?;
    state.people.end_sessions(caller.user.id, &current(&state, &headers)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends one session of the caller.
#[utoipa::path(
    delete,
    path = "/api/auth/sessions/{session}",
    tag = "account",
    responses((status = 204, description = "ended"))
)]
async fn end_session(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((session,)): Ids<(SessionId,)>,
) -> Result<StatusCode, ApiError> {
    caller.needs(Scope::Admin)?;
    let ended = state.people.end_session(caller.user.id, &session).await?;
    if ended { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}
