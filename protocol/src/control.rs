//! What Ganymede and a gateway tell each other: the bodies of the routes between them, and what a gateway knows of the
//! organization it serves. Unknown fields are let pass, so that the two may be of different versions for a while.
//!
//! Append, push and pull carry [records](crate::record::stream) instead.

mod changes;
mod visit;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use crate::{
    access::{OrgRole, Principal, Role, effective_role},
    container::ProjectNotes,
    id::{ContainerId, DocumentName, Epoch, GatewayId, OrgId, ProjectId, UserId},
};
pub use changes::BriefChanges;
pub use visit::{SessionDigest, Visit, VisitRequest, VisitStanding};

/// Header of every call of a gateway: the epoch it acts under.
pub const EPOCH_HEADER: &str = "orrery-epoch";

/// Content type of bodies that are records.
pub const RECORDS_CONTENT_TYPE: &str = "application/octet-stream";

/// A signed token. It opens something, so it is never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// `POST /gateway/ready`: a gateway is ready to be allocated, with all its slots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Who it is; the pool token says so too.
    pub gateway_id: GatewayId,
    /// How many organizations it can serve at once.
    pub slots: u16,
    /// Where Ganymede reaches it: an address such as `127.0.0.1:7101`, or a URL.
    pub listen: String,
}

/// `POST /collab/start`, Ganymede to a gateway: serve this organization.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Which.
    pub organization_id: OrgId,
    /// Single-use: what the gateway fetches its configuration with.
    pub handshake: Token,
}

/// `POST /collab/stop` and `POST /collab/refresh`, Ganymede to a gateway; the order token says under which epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Which organization to release, or to fetch the configuration of again.
    pub organization_id: OrgId,
}

/// `POST /gateway/config`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigRequest {
    /// Taken from a [`Start`]. Without one the gateway token says who asks, and for which organization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshake: Option<Token>,
}

/// What a gateway knows of the organization it serves. The only source of what a member may do there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayBrief {
    /// Which organization.
    pub organization_id: OrgId,
    /// Its name, as its owner chose it.
    pub organization_name: String,
    /// The epoch under which it is served.
    pub epoch: Epoch,
    /// Grows with each change of members, roles or projects.
    pub version: u64,
    /// What the gateway shows when it calls Ganymede for this organization.
    pub gateway_token: Token,
    /// All projects.
    pub projects: Vec<ProjectBrief>,
    /// All members.
    pub members: Vec<MemberBrief>,
    /// Whether the gateway keeps serving however long nobody does anything.
    #[serde(default)]
    pub disable_shutdown: bool,
    /// Whether the organization's host names lead to it; if not, its containers run and their URLs do not yet.
    #[serde(default = "is_named")]
    pub named: bool,
    /// How long the lease lasts from now, in milliseconds.
    pub lease_ms: u64,
}

/// Who knows nothing of host names has not asked for any.
const fn is_named() -> bool {
    true
}

/// One project of a [`GatewayBrief`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectBrief {
    /// Which.
    pub id: ProjectId,
    /// Its name, as a member chose it.
    pub name: String,
}

/// One member of a [`GatewayBrief`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberBrief {
    /// Who.
    pub user_id: UserId,
    /// The name shown to others.
    pub name: String,
    /// The role in the organization.
    pub role: OrgRole,
    /// Roles in single projects, where they were given.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub projects: BTreeMap<ProjectId, Role>,
}

impl GatewayBrief {
    /// `user` as `project` sees them; `None` for who is no member, and for what is no project of the organization.
    pub fn principal(&self, user: UserId, project: ProjectId) -> Option<Principal> {
        let member = self.members.iter().find(|member| member.user_id == user)?;
        self.projects.iter().find(|known| known.id == project)?;
        Some(Principal {
            user,
            name: member.name.clone(),
            role: effective_role(member.role, member.projects.get(&project).copied()),
            org: self.organization_id,
            project,
        })
    }
}

/// `POST /gateway/lease` was answered: the gateway may serve on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// When the lease ends by Ganymede's clock, ISO 8601. For people: a gateway counts `ttl_ms` on its own clock.
    pub expires_at: String,
    /// How long it lasts from when it was answered, in milliseconds.
    pub ttl_ms: u64,
    /// Of the brief, as Ganymede has it now. Another than the gateway's: it fetches its configuration again.
    pub version: u64,
    /// Replaces the gateway's token, which would end soon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_token: Option<Token>,
}

/// `POST /gateway/stop`: the gateway serves this organization no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Which.
    pub organization_id: OrgId,
    /// Who stops. Without it, the token says who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway_id: Option<GatewayId>,
    /// Whether the organization is still wanted, because it is the gateway's process that ends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
}

/// `POST /gateway/data/pull`: everything stored, of an organization, of one project or of one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// Of which organization.
    pub organization_id: OrgId,
    /// Only of this project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectId>,
    /// Only this document of the project, as in URLs.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "document_name")]
    pub document: Option<DocumentName>,
}

/// `POST /gateway/data/append` was answered: every record of the body is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appended {
    /// Sequence number of the last record.
    pub sequence: u64,
    /// How many records there were.
    pub records: u64,
}

/// `POST /gateway/data/push` was answered: the snapshots are durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    /// Always true: a failure is an error.
    pub success: bool,
    /// When, ISO 8601.
    pub stored_at: String,
    /// Bytes of the snapshots.
    pub size_bytes: u64,
}

/// `POST /gateway/container-token`: what a container shows its gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerTokenRequest {
    /// Of which project.
    pub project: ProjectId,
    /// Which.
    pub container: ContainerId,
    /// Which generation of it.
    pub generation: u32,
}

/// The answer to a [`ContainerTokenRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerTokenAnswer {
    /// For the container alone.
    pub token: Token,
}

/// `POST /gateway/deleted`: which of these did Ganymede have, and delete? Answered with those.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// Organizations.
    #[serde(default)]
    pub organizations: BTreeSet<OrgId>,
    /// Projects.
    #[serde(default)]
    pub projects: BTreeSet<ProjectId>,
}

impl Deleted {
    /// Most organizations and projects that are asked about at once.
    pub const ASKED_MAX: usize = 500;

    /// How many there are.
    pub fn len(&self) -> usize {
        self.organizations.len() + self.projects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// `POST /gateway/notes/pull`: what was kept of a project beside its documents; answered with [`ProjectNotes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotesPull {
    /// Of which project.
    pub project: ProjectId,
}

/// `POST /gateway/notes/push`: keep this instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotesPush {
    /// Of which project.
    pub project: ProjectId,
    /// What.
    pub notes: ProjectNotes,
}

/// A document's name as in URLs.
mod document_name {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use crate::id::DocumentName;

    pub(super) fn serialize<S: Serializer>(name: &Option<DocumentName>, serializer: S) -> Result<S::Ok, S::Error> {
        match name {
            Some(name) => serializer.collect_str(name),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DocumentName>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    const ORG: OrgId = OrgId(Uuid::from_u128(1));
    const PROJECT: ProjectId = ProjectId(Uuid::from_u128(2));
    const OTHER: ProjectId = ProjectId(Uuid::from_u128(3));
    const ALICE: UserId = UserId(Uuid::from_u128(10));
    const BOB: UserId = UserId(Uuid::from_u128(11));
    const CAROL: UserId = UserId(Uuid::from_u128(12));

    fn brief() -> GatewayBrief {
        let project = |id, name: &str| ProjectBrief { id, name: name.to_owned() };
        let member = |user_id, name: &str, role, projects: &[(ProjectId, Role)]| MemberBrief {
            user_id,
            name: name.to_owned(),
            role,
            projects: projects.iter().copied().collect(),
        };
        GatewayBrief {
            organization_id: ORG,
            organization_name: "Moons".to_owned(),
            epoch: Epoch(4),
            version: 9,
            gateway_token: Token("secret".to_owned()),
            projects: vec![project(PROJECT, "Io"), project(OTHER, "Europa")],
            members: vec![
                member(ALICE, "Alice", OrgRole::Owner, &[(PROJECT, Role::Viewer)]),
                member(BOB, "Bob", OrgRole::Member, &[(PROJECT, Role::Viewer)]),
            ],
            disable_shutdown: false,
            named: true,
            lease_ms: 15_000,
        }
    }

    fn check<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(value: &T, expect: Value) {
        assert_eq!(serde_json::to_value(value).unwrap(), expect);
        let mut newer = expect;
        newer.as_object_mut().unwrap().insert("from_a_newer_version".to_owned(), json!([1]));
        assert_eq!(&serde_json::from_value::<T>(newer).unwrap(), value);
    }

    #[test]
    fn bodies_have_the_names_of_the_contract() {
        let gateway_id = GatewayId(Uuid::from_u128(5));
        let (org, gateway) = (ORG.to_string(), gateway_id.to_string());
        check(
            &Ready { gateway_id, slots: 3, listen: "127.0.0.1:7101".to_owned() },
            json!({"gateway_id": gateway, "slots": 3, "listen": "127.0.0.1:7101"}),
        );
        check(
            &Start { organization_id: ORG, handshake: Token("h".to_owned()) },
            json!({"organization_id": org, "handshake": "h"}),
        );
        check(&Order { organization_id: ORG }, json!({"organization_id": org}));
        check(&ConfigRequest { handshake: Some(Token("h".to_owned())) }, json!({"handshake": "h"}));
        check(&ConfigRequest { handshake: None }, json!({}));
        check(&Stop { organization_id: ORG, gateway_id: None, elsewhere: false }, json!({"organization_id": org}));
        check(
            &Stop { organization_id: ORG, gateway_id: Some(gateway_id), elsewhere: true },
            json!({"organization_id": org, "gateway_id": gateway, "elsewhere": true}),
        );
        check(&Pull { organization_id: ORG, project: None, document: None }, json!({"organization_id": org}));
        let named = DocumentName::Named("main.rs".to_owned());
        check(
            &Pull { organization_id: ORG, project: Some(PROJECT), document: Some(named) },
            json!({"organization_id": org, "project": PROJECT.to_string(), "document": "doc:main.rs"}),
        );
        check(&Appended { sequence: 7, records: 2 }, json!({"sequence": 7, "records": 2}));
        check(
            &Pushed { success: true, stored_at: "2026-11-21T18:00:00Z".to_owned(), size_bytes: 12 },
            json!({"success": true, "stored_at": "2026-11-21T18:00:00Z", "size_bytes": 12}),
        );
        check(
            &Lease { expires_at: "2026-11-21T18:00:00Z".to_owned(), ttl_ms: 15_000, version: 9, gateway_token: None },
            json!({"expires_at": "2026-11-21T18:00:00Z", "ttl_ms": 15_000, "version": 9}),
        );
        check(
            &brief(),
            json!({
                "organization_id": org, "organization_name": "Moons", "epoch": 4, "version": 9, "gateway_token": "secret",
                "projects": [{"id": PROJECT.to_string(), "name": "Io"}, {"id": OTHER.to_string(), "name": "Europa"}],
                "members": [
                    {"user_id": ALICE.to_string(), "name": "Alice", "role": "owner",
                        "projects": {PROJECT.to_string(): "viewer"}},
                    {"user_id": BOB.to_string(), "name": "Bob", "role": "member",
                        "projects": {PROJECT.to_string(): "viewer"}},
                ],
                "disable_shutdown": false, "lease_ms": 15_000, "named": true,
            }),
        );
    }

    #[test]
    fn a_document_outside_the_closed_alphabet_is_refused() {
        let pull = json!({"organization_id": ORG.to_string(), "document": "../../etc/passwd"});
        assert!(serde_json::from_value::<Pull>(pull).is_err());
    }

    #[test]
    fn a_brief_says_what_a_member_may_do() {
        let brief = brief();
        let role = |user, project| brief.principal(user, project).map(|principal| principal.role);
        assert_eq!(role(ALICE, PROJECT), Some(Role::Admin), "an owner is never less");
        assert_eq!(role(BOB, PROJECT), Some(Role::Viewer), "as given for this project");
        assert_eq!(role(BOB, OTHER), Some(Role::Editor), "a member is an editor elsewhere");
        assert_eq!(role(CAROL, PROJECT), None, "no member");
        assert_eq!(role(ALICE, ProjectId(Uuid::from_u128(99))), None, "no project of the organization");
        let bob = brief.principal(BOB, OTHER).unwrap();
        assert_eq!((bob.user, bob.name.as_str(), bob.org, bob.project), (BOB, "Bob", ORG, OTHER));
    }

    #[test]
    fn tokens_are_never_printed() {
        let start = Start { organization_id: ORG, handshake: Token("secret".to_owned()) };
        for printed in [format!("{start:?}"), format!("{:?}", brief())] {
            assert!(!printed.contains("secret"), "{printed}");
        }
    }
}
