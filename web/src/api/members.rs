//! Members of an organization. The gateway that serves it hears of each change at once.

use axum::{Json, extract::State};
use http::StatusCode;
use orrery_ganymede::people::Scope;
use orrery_protocol::{
    access::{OrgRole, Permission},
    id::{OrgId, UserId},
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    input::{Body, Fields, Form, Ids},
    shape::MemberShape,
};
use crate::{
    authentication::Caller,
    error::{ApiError, ErrorBody},
    state::GanymedeState,
    time::now_ms,
};

pub(super) fn routes() -> OpenApiRouter<GanymedeState> {
    OpenApiRouter::new().routes(routes!(list_members, add_member)).routes(routes!(change_member, remove_member))
}

#[derive(ToSchema)]
struct NewMember {
    /// Of an account that exists.
    #[schema(format = Email, max_length = 1_000)]
    email: String,
    #[schema(value_type = OrgRoleName)]
    role: OrgRole,
}

impl Form for NewMember {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (email, role) = (fields.text("email"), fields.parsed("role"));
        Some(Self { email: email?, role: role? })
    }
}

#[derive(ToSchema)]
struct NewRole {
    #[schema(value_type = OrgRoleName)]
    role: OrgRole,
}

impl Form for NewRole {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { role: fields.parsed("role")? })
    }
}

/// Each may do everything that those before it may.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "only its form is used")]
enum OrgRoleName {
    Member,
    Admin,
    Owner,
}

#[derive(Serialize, ToSchema)]
struct MemberList {
    members: Vec<MemberShape>,
}

#[derive(Serialize, ToSchema)]
struct OneMember {
    member: MemberShape,
}

/// Everybody in the organization.
#[utoipa::path(
    get,
    path = "/api/orgs/{org}/members",
    tag = "members",
    responses((status = 200, description = "the first first", body = MemberList))
)]
async fn list_members(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((org,)): Ids<(OrgId,)>,
) -> Result<Json<MemberList>, ApiError> {
    caller.in_org(&state, org, Permission::ReadOrg).await?;
    let members = state.orgs.members(org).await?;
    Ok(Json(MemberList { members: members.into_iter().map(MemberShape::from).collect() }))
}

/// Takes somebody with an account in. Only owners make owners.
#[utoipa::path(
    post,
    path = "/api/orgs/{org}/members",
    tag = "members",
    request_body = NewMember,
    responses(
        (status = 201, description = "a member now", body = OneMember),
        (status = 409, description = "a member already, or there is no room", body = ErrorBody),
    )
)]
async fn add_member(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((org,)): Ids<(OrgId,)>,
    Body(form): Body<NewMember>,
) -> Result<(StatusCode, Json<OneMember>), ApiError> {
    may_change(&state, &caller, org, None, Some(form.role)).await?;
    let member = state.orgs.add_member(now_ms(), org, &form.email, form.role).await?;
    state.refresh(org).await;
    Ok((StatusCode::CREATED, Json(OneMember { member: member.into() })))
}

/// Gives a member another role. Only owners make and unmake owners, and the last one stays.
#[utoipa::path(
    patch,
    path = "/api/orgs/{org}/members/{user}",
    tag = "members",
    request_body = NewRole,
    responses(
        (status = 200, description = "the role is another now", body = OneMember),
        (status = 409, description = "the last owner stays", body = ErrorBody),
    )
)]
async fn change_member(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((org, user)): Ids<(OrgId, UserId)>,
    Body(NewRole { role }): Body<NewRole>,
) -> Result<Json<OneMember>, ApiError> {
    caller.in_org(&state, org, Permission::ReadOrg).await?;
    let mut member = state.orgs.member(org, user).await?.ok_or_else(ApiError::not_found)?;
    may_change(&state, &caller, org, Some(member.role), Some(role)).await?;
    state.orgs.set_role(org, user, role).await?;
    state.refresh(org).await;
    member.role = role;
    Ok(Json(OneMember { member: member.into() }))
}

/// Ends a membership; the member's sockets close. Everybody may leave, but the last owner.
#[utoipa::path(
    delete,
    path = "/api/orgs/{org}/members/{user}",
    tag = "members",
    responses(
        (status = 204, description = "no member any more"),
        (status = 409, description = "the last owner stays", body = ErrorBody),
    )
)]
async fn remove_member(
    State(state): State<GanymedeState>,
    caller: Caller,
    Ids((org, user)): Ids<(OrgId, UserId)>,
) -> Result<StatusCode, ApiError> {
    caller.in_org(&state, org, Permission::ReadOrg).await?;
    let member = state.orgs.member(org, user).await?.ok_or_else(ApiError::not_found)?;
    caller.needs(Scope::Admin)?;
    if user != caller.user.id {
        may_change(&state, &caller, org, Some(member.role), None).await?;
    }
    state.orgs.remove_member(org, user).await?;
    state.refresh(org).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn may_change(
    state: &GanymedeState,
    caller: &Caller,
    org: OrgId,
    from: Option<OrgRole>,
    to: Option<OrgRole>,
) -> Result<(), ApiError> {
    let role = caller.in_org(state, org, Permission::ManageMembers).await?;
    if role.may_change(from, to) { Ok(()) } else { Err(ApiError::forbidden("only an owner makes and unmakes owners")) }
}
