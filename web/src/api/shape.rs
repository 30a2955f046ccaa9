//! What the API answers: JSON forms, with times in ISO 8601 and ids as text.

use orrery_ganymede::{
    clock::iso8601,
    orgs::{Member, Org, Project, ProjectMember},
    people::{ApiKey, User},
    pool::{Allocation, SlotReport},
};
use orrery_protocol::access::{OrgRole, Role};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::time::iso;

/// Somebody with an account, as they see themselves.
#[derive(Serialize, ToSchema)]
pub(super) struct UserShape {
    id: Uuid,
    email: String,
    /// Shown to others.
    name: String,
    /// Whether they may see and change the installation itself.
    administrator: bool,
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<User> for UserShape {
    fn from(user: User) -> Self {
        let User { id, email, name, administrator, created_at_ms } = user;
        Self { id: id.0, email, name, administrator, created_at: iso(created_at_ms) }
    }
}

/// An organization, and what the caller is in it.
#[derive(Serialize, ToSchema)]
pub(super) struct OrgShape {
    id: Uuid,
    name: String,
    /// `member`, `admin` or `owner`.
    role: &'static str,
    #[schema(format = DateTime)]
    created_at: String,
}

impl From<(Org, OrgRole)> for OrgShape {
    fn from((org, role): (Org, OrgRole)) -> Self {
        Self { id: org.id.0, name: org.name, role: role.as_str(), created_at: iso(org.created_at_ms) }
    }
}

/// Somebody as other members see them.
#[derive(Serialize, ToSchema)]
pub(super) struct PersonShape {
    id: Uuid,
    email: String,
    name: String,
}

/// A member of an organization.
#[derive(Serialize, ToSchema)]
pub(super) struct MemberShape {
    user: PersonShape,
    /// `member`, `admin` or `owner`.
    role: &'static str,
    #[schema(format = DateTime)]
    added_at: String,
}

impl From<Member> for MemberShape {
    fn from(member: Member) -> Self {
        let Member { user, email, name, role, added_at_ms } = member;
        let user = PersonShape { id: user.0, email, name };
        Self { user, role: role.as_str(), added_at: iso(added_at_ms) }
    }
}

/// A project.
#[derive(Serialize, ToSchema)]
pub(super) struct ProjectShape {
    id: Uuid,
    organization_id: Uuid,
    name: String,
    /// Whether somebody started it and nobody stopped it since.
    active: bool,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    last_started_at: Option<String>,
    #[schema(format = DateTime)]
    last_activity_at: Option<String>,
}

impl From<Project> for ProjectShape {
    fn from(project: Project) -> Self {
        let Project { id, org, name, active, created_at_ms, last_started_at_ms, last_activity_at_ms } = project;
        Self {
            id: id.0,
            organization_id: org.0,
            name,
            active,
            created_at: iso(created_at_ms),
            last_started_at: last_started_at_ms.map(iso),
            last_activity_at: last_activity_at_ms.map(iso),
        }
    }
}

/// What somebody may do in a project.
#[derive(Serialize, ToSchema)]
pub(super) struct ProjectMemberShape {
    user: PersonShape,
    /// `viewer`, `editor` or `admin`: what holds, wherever it comes from.
    role: &'static str,
    /// The role that was given for this project, if any. It counts for members who are neither admin nor owner.
    given: Option<&'static str>,
    /// `member`, `admin` or `owner` of the organization.
    organization_role: &'static str,
}

impl From<ProjectMember> for ProjectMemberShape {
    fn from(member: ProjectMember) -> Self {
        let ProjectMember { user, email, name, org_role, given, role } = member;
        Self {
            user: PersonShape { id: user.0, email, name },
            role: role.as_str(),
            given: given.map(Role::as_str),
            organization_role: org_role.as_str(),
        }
    }
}

/// An API key without what makes it one.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyShape {
    id: String,
    name: String,
    /// Of `read`, `write` and `admin`; each includes those before it.
    scopes: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    last_used_at: Option<String>,
    #[schema(format = DateTime)]
    expires_at: Option<String>,
}

impl From<ApiKey> for KeyShape {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, name, scopes, created_at_ms, last_used_at_ms, expires_at_ms } = key;
        Self {
            id: id.to_string(),
            name,
            scopes: scopes.iter().map(ToString::to_string).collect(),
            created_at: iso(created_at_ms),
            last_used_at: last_used_at_ms.map(iso),
            expires_at: expires_at_ms.map(iso),
        }
    }
}

/// One slot of the pool.
#[derive(Serialize, ToSchema)]
pub(super) struct SlotShape {
    slot: u32,
    /// `ready`, `allocated`, `draining` or `lost`.
    state: &'static str,
    gateway_id: Uuid,
    /// Where its gateway listens; `null` for the one in Ganymede's own process.
    listen: Option<String>,
    /// The organization in it.
    org: Option<Uuid>,
    epoch: Option<u64>,
    /// How far the allocation has come.
    step: Option<String>,
    /// When it began.
    #[schema(format = DateTime)]
    since: Option<String>,
    /// When its gateway renewed the lease last.
    #[schema(format = DateTime)]
    last_renewal: Option<String>,
}

impl From<SlotReport> for SlotShape {
    fn from(report: SlotReport) -> Self {
        let SlotReport { slot, gateway, listen, state, organization_id, epoch, step, since, renewed_at } = report;
        Self {
            slot: slot.0,
            state: state.as_str(),
            gateway_id: gateway.0,
            listen,
            org: organization_id.map(|org| org.0),
            epoch: epoch.map(|epoch| epoch.0),
            step: step.map(|step| step.to_string()),
            since: since.map(iso8601),
            last_renewal: renewed_at.map(iso8601),
        }
    }
}

/// Where an organization is served.
#[derive(Serialize, ToSchema)]
pub(super) struct AllocationShape {
    organization_id: Uuid,
    slot: u32,
    gateway_id: Uuid,
    epoch: u64,
}

impl From<Allocation> for AllocationShape {
    fn from(allocation: Allocation) -> Self {
        let Allocation { organization_id, slot, gateway, epoch } = allocation;
        Self { organization_id: organization_id.0, slot: slot.0, gateway_id: gateway.0, epoch: epoch.0 }
    }
}
