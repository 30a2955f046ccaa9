//! API keys of the caller.

use axum::{Json, extract::State};
use http::StatusCode;
use orrery_ganymede::{
    clock::Moment,
    people::{ApiKeyId, NewKey, Scope},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    input::{Body, Fields, Form, Ids},
    name::NameText,
    shape::KeyShape,
};
use crate::{
    authentication::Caller,
    error::{ApiError, ErrorBody},
    state::GanymedeState,
    time::now_ms,
};

pub(super) fn routes() -> OpenApiRouter<GanymedeState> {
    OpenApiRouter::new().routes(routes!(list_keys, create_key)).routes(routes!(delete_key))
}

#[derive(ToSchema)]
struct KeyForm {
    #[schema(value_type = NameText)]
    name: String,
    /// What it may be used for; everything, if absent.
    #[schema(value_type = Option<Vec<ScopeName>>, nullable = false, min_items = 1)]
    scopes: Option<Vec<Scope>>,
    /// From when on it opens nothing, a time that is yet to come; never, if absent.
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Moment>,
}

/// Each includes those before it.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its form is used")]
enum ScopeName {
    Read,
    Write,
    Admin,
}

impl Form for KeyForm {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (name, scopes, expires_at) = (fields.text("name"), fields.list("scopes"), fields.optional("expires_at"));
        Some(Self { name: name?, scopes: scopes?, expires_at: expires_at? })
    }
}

#[derive(Serialize, ToSchema)]
struct Keys {
    api_keys: Vec<KeyShape>,
}

/// A key, this once with what makes it one.
#[derive(Serialize, ToSchema)]
struct CreatedKey {
    #[serde(flatten)]
    about: KeyShape,
    /// For `Authorization: Bearer`. It cannot be had again.
    key: String,
}

/// The caller's API keys, without what makes them keys.
#[utoipa::path(
    get,
    path = "/api/api-keys",
    tag = "API keys",
    responses((status = 200, description = "oldest first, expired ones too", body = Keys))
)]
async fn list_keys(State(state): State<GanymedeState>, caller: Caller) -> Result<Json<Keys>, ApiError> {
    let keys = state.people.api_keys(caller.user.id).await?;
    Ok(Json(Keys { api_keys: keys.into_iter().map(KeyShape::from).collect() }))
}

/// Makes an API key. It never allows more than its user may do.
#[utoipa::path(
    post,
    path = "/api/api-keys",
    tag = "API keys",
    request_body = KeyForm,
    responses(
        (status = 201, description = "the key, shown once", body = CreatedKey),
        (status = 409, description = "the user has as many keys as there may be", body = ErrorBody),
    ),
    security(("session" = []), ("api_key" = []))
)]
async fn create_key(
    State(state): State<GanymedeState>,
    caller: Caller,
    Body(form): Body<KeyForm>,
) -> Result<(StatusCode, Json<CreatedKey>), ApiError> {
    caller.has_own_proof()?;
    caller.needs(Scope::Admin)?;
    let scopes = form.scopes.unwrap_or_else(|| Scope::ALL.to_vec()).into_iter().collect();
    let new = NewKey { name: form.name, scopes, expires_at_ms: form.expires_at.map(|at| at.unix_ms) };
    let (key, secret) = state.people.create_key(now_ms(), caller.user.id, new).await?;
    Ok((StatusCode::CREATED, Json(CreatedKey { about: key.into(), key: secret.expose().to_owned() })))
}

/// Ends an API key.
#[utoipa::path(
    delete,
    path = "/api/api-keys/{key}",
    tag = "API keys",
    responses((status = 204, description = "it opens nothing any more"))
)]
async fn delete_key(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((key,)): Ids<(ApiKeyId,)>,
) -> Result<StatusCode, ApiError> {
    caller.needs(Scope::Admin)?;
    let deleted = state.people.delete_key(caller.user.id, &key).await?;
    if deleted { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}
