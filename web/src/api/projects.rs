//! Projects: making, starting and stopping them, and who may do what in one.

use axum::{Json, extract::State};
use http::{HeaderMap, StatusCode};
use orrery_protocol::{
    access::{Permission, Role},
    id::{OrgId, ProjectId, UserId},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    input::{Body, Fields, Form, Ids},
    name::Name,
    reach::GatewayReach,
    shape::{ProjectMemberShape, ProjectShape},
};
use crate::{
    authentication::Caller,
    error::{ApiError, ErrorBody},
    state::GanymedeState,
    time::now_ms,
};

pub(super) fn routes() -> OpenApiRouter<GanymedeState> {
    OpenApiRouter::new()
        .routes(routes!(list_projects, create_project))
        .routes(routes!(show_project, rename_project, delete_project))
        .routes(routes!(list_project_members, set_project_role))
        .routes(routes!(unset_project_role))
        .routes(routes!(start_project))
        .routes(routes!(stop_project))
        .routes(routes!(start_gateway))
}

#[derive(ToSchema)]
struct NewProjectRole {
    /// Of a member of the organization.
    #[schema(format = Email, max_length = 1_000)]
    email: String,
    #[schema(value_type = RoleName)]
    role: Role,
}

impl Form for NewProjectRole {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (email, role) = (fields.text("email"), fields.parsed("role"));
        Some(Self { email: email?, role: role? })
    }
}

/// Each may do everything that those before it may.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its form is used")]
enum RoleName {
    Viewer,
    Editor,
    Admin,
}

#[derive(ToSchema)]
struct StartGateway {
    #[schema(value_type = uuid::Uuid)]
    organization_id: OrgId,
}

impl Form for StartGateway {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { organization_id: fields.parsed("organization_id")? })
    }
}

#[derive(Serialize, ToSchema)]
struct ProjectList {
    projects: Vec<ProjectShape>,
}

#[derive(Serialize, ToSchema)]
struct OneProject {
    project: ProjectShape,
}

#[derive(Serialize, ToSchema)]
struct StartedProject {
    project: ProjectShape,
    gateway: GatewayReach,
}

#[derive(Serialize, ToSchema)]
struct ProjectMembers {
    members: Vec<ProjectMemberShape>,
}

#[derive(Serialize, ToSchema)]
struct OneProjectMember {
    member: ProjectMemberShape,
}

/// The projects of an organization, whether or not a gateway serves it.
#[utoipa::path(
    get,
    path = "/api/orgs/{org}/projects",
    tag = "projects",
    responses((status = 200, description = "oldest first", body = ProjectList))
)]
async fn list_projects(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((org,)): Ids<(OrgId,)>,
) -> Result<Json<ProjectList>, ApiError> {
    caller.in_org(&state, org, Permission::ReadOrg).await?;
    let projects = state.orgs.projects(org).await?;
    Ok(Json(ProjectList { projects: projects.into_iter().map(ProjectShape::from).collect() }))
}

/// Makes a project.
#[utoipa::path(
    post,
    path = "/api/orgs/{org}/projects",
    tag = "projects",
    request_body = Name,
    responses(
        (status = 201, description = "made", body = OneProject),
        (status = 409, description = "the organization has as many as there may be", body = ErrorBody),
    )
)]
async fn create_project(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((org,)): Ids<(OrgId,)>,
    Body(Name { name }): Body<Name>,
) -> Result<(StatusCode, Json<OneProject>), ApiError> {
    caller.in_org(&state, org, Permission::CreateProjects).await?;
    let project = state.orgs.create_project(now_ms(), org, caller.user.id, &name).await?;
    state.refresh(org).await;
    Ok((StatusCode::CREATED, Json(OneProject { project: project.into() })))
}

/// One project.
#[utoipa::path(
    get,
    path = "/api/projects/{project}",
    tag = "projects",
    responses((status = 200, description = "the project", body = OneProject))
)]
async fn show_project(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((project,)): Ids<(ProjectId,)>,
) -> Result<Json<OneProject>, ApiError> {
    let project = caller.in_project(&state, project, Permission::ReadDocuments).await?;
    Ok(Json(OneProject { project: project.into() }))
}

/// Gives a project another name.
#[utoipa::path(
    patch,
    path = "/api/projects/{project}",
    tag = "projects",
    request_body = Name,
    responses((status = 200, description = "renamed", body = OneProject))
)]
async fn rename_project(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((project,)): Ids<(ProjectId,)>,
    Body(Name { name }): Body<Name>,
) -> Result<Json<OneProject>, ApiError> {
    caller.in_project(&state, project, Permission::ManageProject).await?;
    let project = state.orgs.rename_project(project, &name).await?.ok_or_else(ApiError::not_found)?;
    state.refresh(project.org).await;
    Ok(Json(OneProject { project: project.into() }))
}

/// Removes a project.
#[utoipa::path(
    delete,
    path = "/api/projects/{project}",
    tag = "projects",
    responses((status = 204, description = "not there any more"))
)]
async fn delete_project(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((project,)): Ids<(ProjectId,)>,
) -> Result<StatusCode, ApiError> {
    let project = caller.in_project(&state, project, Permission::ManageProject).await?;
    if !state.orgs.delete_project(project.id).await? {
        return Err(ApiError::not_found());
    }
    state.refresh(project.org).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Everybody in the project's organization, and what they may do in the project.
#[utoipa::path(
    get,
    path = "/api/projects/{project}/members",
    tag = "projects",
    responses((status = 200, description = "the first member first", body = ProjectMembers))
)]
async fn list_project_members(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((project,)): Ids<(ProjectId,)>,
) -> Result<Json<ProjectMembers>, ApiError> {
    caller.in_project(&state, project, Permission::ReadDocuments).await?;
    let members = state.orgs.project_members(project).await?;
    Ok(Json(ProjectMembers { members: members.into_iter().map(ProjectMemberShape::from).collect() }))
}

/// Gives a member of the organization a role in this project.
#[utoipa::path(
    post,
    path = "/api/projects/{project}/members",
    tag = "projects",
    request_body = NewProjectRole,
    responses((status = 201, description = "given", body = OneProjectMember))
)]
async fn set_project_role(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((project,)): Ids<(ProjectId,)>,
    Body(form): Body<NewProjectRole>,
) -> Result<(StatusCode, Json<OneProjectMember>), ApiError> {
    let project = caller.in_project(&state, project, Permission::ManageProject).await?;
    let user = state.people.by_email(&form.email).await?.ok_or_else(ApiError::not_found)?;
    state.orgs.set_project_role(project.id, user.id, Some(form.role)).await?;
    state.refresh(project.org).await;
    let members = state.orgs.project_members(project.id).await?;
    let member = members.into_iter().find(|member| member.user == user.id).ok_or_else(ApiError::not_found)?;
    Ok((StatusCode::CREATED, Json(OneProjectMember { member: member.into() })))
}

/// Takes a role in this project back; what follows from the membership holds again.
#[utoipa::path(
    delete,
    path = "/api/projects/{project}/members/{user}",
    tag = "projects",
    responses((status = 204, description = "taken back"))
)]
async fn unset_project_role(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((project, user)): Ids<(ProjectId, UserId)>,
) -> Result<StatusCode, ApiError> {
    let project = caller.in_project(&state, project, Permission::ManageProject).await?;
    state.orgs.set_project_role(project.id, user, None).await?;
    state.refresh(project.org).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Marks a project active and sees to it that a gateway serves its organization.
#[utoipa::path(
    post,
    path = "/projects/{project}/start",
    tag = "gateways",
    responses((status = 200, description = "served", body = StartedProject))
)]
async fn start_project(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((project,)): Ids<(ProjectId,)>,
    headers: HeaderMap,
) -> Result<Json<StartedProject>, ApiError> {
    let project = caller.in_project(&state, project, Permission::ReadDocuments).await?;
    state.pool.start(project.org).await?;
    let started = state.orgs.set_project_active(now_ms(), project.id, true).await?;
    let started = started.ok_or_else(ApiError::not_found)?;
    let gateway = GatewayReach::of(project.org, &state.process.edge, &headers);
    Ok(Json(StartedProject { project: started.into(), gateway }))
}

/// Marks a project inactive. The gateway goes by itself once nobody works in the organization.
#[utoipa::path(
    post,
    path = "/projects/{project}/stop",
    tag = "gateways",
    responses((status = 200, description = "inactive", body = OneProject))
)]
async fn stop_project(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((project,)): Ids<(ProjectId,)>,
) -> Result<Json<OneProject>, ApiError> {
    let project = caller.in_project(&state, project, Permission::ManageContainers).await?;
    let stopped = state.orgs.set_project_active(now_ms(), project.id, false).await?;
    Ok(Json(OneProject { project: stopped.ok_or_else(ApiError::not_found)?.into() }))
}

/// Sees to it that a gateway serves an organization.
#[utoipa::path(
    post,
    path = "/gateway/start",
    tag = "gateways",
    request_body = StartGateway,
    responses(
        (status = 200, description = "served", body = GatewayReach),
        (status = 404, description = "no organization of the caller", body = ErrorBody),
    )
)]
async fn start_gateway(
    State(state): State<GanymedeState>,
    caller: Caller,
    headers: HeaderMap,
    Body(StartGateway { organization_id }): Body<StartGateway>,
) -> Result<Json<GatewayReach>, ApiError> {
    caller.in_org(&state, organization_id, Permission::ReadOrg).await?;
    state.pool.start(organization_id).await?;
    Ok(Json(GatewayReach::of(organization_id, &state.process.edge, &headers)))
}
