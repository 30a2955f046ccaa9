//! The form of what gateways ask and Ganymede answers, for the description alone: what is read and written are the messages
//! of [`orrery_protocol::control`], and a test here holds each form against its message.

#![expect(dead_code, reason = "only their form is used")]

use std::collections::BTreeMap;

use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// A gateway process that is ready to be allocated, with all its slots.
#[derive(ToSchema)]
pub(super) struct ReadyForm {
    gateway_id: Uuid,
    /// How many organizations it can serve at once.
    #[schema(minimum = 1, maximum = 1024)]
    slots: u16,
    /// Where Ganymede reaches it: an address such as `127.0.0.1:7101`, or a URL.
    #[schema(min_length = 1, max_length = 255)]
    listen: String,
}

/// The numbers of its slots.
#[derive(ToSchema)]
pub(super) struct AnnouncedShape {
    slots: Vec<u32>,
}

#[derive(ToSchema)]
pub(super) struct ConfigForm {
    /// Of an allocation that begins. Without it the gateway token says which organization.
    handshake: Option<String>,
}

/// What a gateway knows of the organization that it serves.
#[derive(ToSchema)]
pub(super) struct BriefShape {
    organization_id: Uuid,
    organization_name: String,
    epoch: u64,
    /// Grows with each change of members, roles or projects.
    version: u64,
    /// What the gateway shows for this organization from now on.
    gateway_token: String,
    projects: Vec<BriefProject>,
    members: Vec<BriefMember>,
    /// Whether it keeps serving however long nobody does anything.
    disable_shutdown: bool,
    /// Whether the organization's host names lead to it.
    named: bool,
    /// How long the lease lasts from now.
    lease_ms: u64,
}

#[derive(ToSchema)]
pub(super) struct BriefProject {
    id: Uuid,
    name: String,
}

#[derive(ToSchema)]
pub(super) struct BriefMember {
    user_id: Uuid,
    name: String,
    /// `member`, `admin` or `owner` of the organization.
    role: String,
    /// `viewer`, `editor` or `admin` in single projects, where that was given.
    #[schema(required = false)]
    projects: BTreeMap<String, String>,
}

/// The gateway may serve on.
#[derive(ToSchema)]
pub(super) struct LeaseShape {
    /// By Ganymede's clock; a gateway counts `ttl_ms` on its own.
    #[schema(format = DateTime)]
    expires_at: String,
    ttl_ms: u64,
    /// Of the brief. Another than the gateway's: it asks for its configuration again.
    version: u64,
    /// Replaces the gateway's token, which would end soon.
    gateway_token: Option<String>,
}

#[derive(ToSchema)]
pub(super) struct StopForm {
    organization_id: Uuid,
    /// Who stops. Without it, the token says who.
    gateway_id: Option<Uuid>,
    /// Whether the organization is still wanted, because it is the gateway's process that ends.
    #[schema(required = false)]
    elsewhere: bool,
}

/// What a container is to be told apart by.
#[derive(ToSchema)]
pub(super) struct ContainerTokenForm {
    project: Uuid,
    #[schema(pattern = "^uc_[0-9a-z]{16}$")]
    container: String,
    generation: u32,
}

#[derive(ToSchema)]
pub(super) struct ContainerTokenShape {
    /// For the container alone.
    token: String,
}

#[derive(ToSchema)]
pub(super) struct NotesPullForm {
    project: Uuid,
}

#[derive(ToSchema)]
pub(super) struct NotesPushForm {
    project: Uuid,
    notes: NotesShape,
}

/// What is kept of a project beside its documents, by container.
#[derive(ToSchema)]
pub(super) struct NotesShape {
    /// Where services listen, by name.
    #[schema(required = false)]
    ports: BTreeMap<String, BTreeMap<String, u16>>,
    /// Containers that report.
    #[schema(required = false)]
    reporting: Vec<String>,
    /// Where containers listen that no definition describes: `{"said": port}` or `{"exposed": [port]}`.
    #[schema(required = false)]
    listening: BTreeMap<String, Value>,
    /// Values of variables that are secrets, by the number that the document has for them.
    #[schema(required = false)]
    secrets: BTreeMap<String, BTreeMap<String, String>>,
}

/// Organizations and projects: those that are asked about, and of these the ones that were deleted.
#[derive(ToSchema)]
pub(super) struct DeletedShape {
    #[schema(required = false)]
    organizations: Vec<Uuid>,
    #[schema(required = false)]
    projects: Vec<Uuid>,
}

/// Somebody came back from Ganymede to a container's host.
#[derive(ToSchema)]
pub(super) struct VisitForm {
    /// The ticket that they brought.
    code: String,
    /// The host that they came to.
    host: String,
    /// Of a cookie of that host: SHA-256 in base64url.
    nonce: String,
}

#[derive(ToSchema)]
pub(super) struct VisitShape {
    /// What they show at that host, and nowhere else.
    token: String,
    ttl_s: u64,
}

/// Whether a session is still one of that user.
#[derive(ToSchema)]
pub(super) struct StandingForm {
    user: Uuid,
    /// By its digest.
    session: String,
}

/// Of the whole organization, of one project, or of one document of it.
#[derive(ToSchema)]
pub(super) struct PullForm {
    organization_id: Uuid,
    project: Option<Uuid>,
    /// `system`, `board` or `doc:{name}`.
    #[schema(pattern = "^(system|board|doc:[A-Za-z0-9._-]{1,120})$")]
    document: Option<String>,
}

/// What is stored, whole boards in base64; `data` is `null` for an organization of which nothing is.
#[derive(ToSchema)]
pub(super) struct PulledShape {
    success: bool,
    #[schema(format = DateTime)]
    timestamp: Option<String>,
    data: Option<DataShape>,
}

#[derive(ToSchema)]
pub(super) struct PushForm {
    organization_id: Uuid,
    /// Who pushes. Without it, the token says who.
    gateway_id: Option<Uuid>,
    data: DataShape,
}

#[derive(ToSchema)]
pub(super) struct DataShape {
    /// The board of each project: a Yjs update in base64.
    #[schema(required = false)]
    yjs_state: BTreeMap<String, String>,
    gateway_state: Option<GatewayStateShape>,
}

/// What a gateway keeps beside documents. What is absent stays as it is.
#[derive(ToSchema)]
pub(super) struct GatewayStateShape {
    #[schema(required = false)]
    permissions: Value,
    #[schema(required = false)]
    oauth_clients: Value,
    #[schema(required = false)]
    container_tokens: Value,
    disable_shutdown: Option<bool>,
}

/// Every record of the body is durable.
#[derive(ToSchema)]
pub(super) struct AppendedShape {
    /// Of the last record.
    sequence: u64,
    records: u64,
}

/// The snapshots are durable.
#[derive(ToSchema)]
pub(super) struct PushedShape {
    success: bool,
    #[schema(format = DateTime)]
    stored_at: String,
    size_bytes: u64,
}

/// Records, one after the other, as `protocol/src/record/stream.rs` has them.
#[derive(ToSchema)]
#[schema(format = Binary)]
pub(super) struct Records(String);

/// There is nothing to say but that it is done.
#[derive(ToSchema)]
pub(super) struct Nothing {}

#[cfg(test)]
mod tests;
