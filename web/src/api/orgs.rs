//! Organizations of the caller.

use axum::{Json, extract::State};
use http::StatusCode;
use orrery_protocol::{access::OrgRole, access::Permission, id::OrgId};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    input::{Body, Ids},
    name::Name,
    shape::OrgShape,
};
use crate::{
    authentication::Caller,
    error::{ApiError, ErrorBody, ErrorCode},
    state::GanymedeState,
    time::now_ms,
};

pub(super) fn routes() -> OpenApiRouter<GanymedeState> {
    OpenApiRouter::new().routes(routes!(list_orgs, create_org)).routes(routes!(show_org, rename_org, delete_org))
}

#[derive(Serialize, ToSchema)]
struct OrgList {
    orgs: Vec<OrgShape>,
}

#[derive(Serialize, ToSchema)]
struct OneOrg {
    org: OrgShape,
}

/// The organizations that the caller is a member of.
#[utoipa::path(
    get,
    path = "/api/orgs",
    tag = "organizations",
    responses((status = 200, description = "oldest first", body = OrgList))
)]
async fn list_orgs(State(state): State<GanymedeState>, caller: Caller) -> Result<Json<OrgList>, ApiError> {
    let orgs = state.orgs.of(caller.user.id).await?;
    Ok(Json(OrgList { orgs: orgs.into_iter().map(OrgShape::from).collect() }))
}

/// Makes an organization, of which the caller is the owner.
#[utoipa::path(
    post,
    path = "/api/orgs",
    tag = "organizations",
    request_body = Name,
    responses(
        (status = 201, description = "made", body = OneOrg),
        (status = 409, description = "the caller has as many as there may be", body = ErrorBody),
    )
)]
async fn create_org(
    State(state): State<GanymedeState>,
    caller: Caller,
    Body(Name { name }): Body<Name>,
) -> Result<(StatusCode, Json<OneOrg>), ApiError> {
    let org = state.orgs.create(now_ms(), caller.user.id, &name).await?;
    Ok((StatusCode::CREATED, Json(OneOrg { org: (org, OrgRole::Owner).into() })))
}

/// One organization.
#[utoipa::path(
    get,
    path = "/api/orgs/{org}",
    tag = "organizations",
    responses((status = 200, description = "the organization", body = OneOrg))
)]
async fn show_org(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((org,)): Ids<(OrgId,)>,
) -> Result<Json<OneOrg>, ApiError> {
    let role = caller.in_org(&state, org, Permission::ReadOrg).await?;
    let org = state.orgs.org(org).await?.ok_or_else(ApiError::not_found)?;
    Ok(Json(OneOrg { org: (org, role).into() }))
}

/// Gives an organization another name.
#[utoipa::path(
    patch,
    path = "/api/orgs/{org}",
    tag = "organizations",
    request_body = Name,
    responses((status = 200, description = "renamed", body = OneOrg))
)]
async fn rename_org(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((org,)): Ids<(OrgId,)>,
    Body(Name { name }): Body<Name>,
) -> Result<Json<OneOrg>, ApiError> {
    let role = caller.in_org(&state, org, Permission::ManageOrg).await?;
    let renamed = state.orgs.rename(org, &name).await?.ok_or_else(ApiError::not_found)?;
    state.refresh(org).await;
    Ok(Json(OneOrg { org: (renamed, role).into() }))
}

/// Removes an organization with everything of it: its projects, their documents, its memberships. Whoever works in it is
/// sent away first. What it answers with an error can be asked again.
#[utoipa::path(
    delete,
    path = "/api/orgs/{org}",
    tag = "organizations",
    responses((status = 204, description = "not there any more")),
    security(("session" = []), ("api_key" = []))
)]
async fn delete_org(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((org,)): Ids<(OrgId,)>,
) -> Result<StatusCode, ApiError> {
    caller.in_org(&state, org, Permission::ManageOrg).await?;
    caller.has_own_proof()?;
    // Goes on if the caller does not wait: half of it would be worse than either.
    let dissolved = tokio::spawn(async move { state.pool.dissolve(org, state.data.erase(org)).await }).await;
    let crashed = |_| ApiError::new(ErrorCode::Internal, "something went wrong on our side");
    if dissolved.map_err(crashed)?? { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}
