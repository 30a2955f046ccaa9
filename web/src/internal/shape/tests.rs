use orrery_ganymede::data::{DataBody, GatewayState, PullAnswer, PushBody};
use orrery_protocol::{
    access::{OrgRole, Role},
    container::ProjectNotes,
    control::{
        Appended, ConfigRequest, ContainerTokenAnswer, ContainerTokenRequest, Deleted, GatewayBrief, Lease,
        MemberBrief, NotesPull, NotesPush, ProjectBrief, Pull, Pushed, Ready, SessionDigest, Stop, Token, Visit,
        VisitRequest, VisitStanding,
    },
    id::{ContainerId, DocumentName, Epoch, GatewayId, OrgId, ProjectId, UserId},
};
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::{RefOr, schema::Schema};

use super::*;

const ORG: OrgId = OrgId(Uuid::from_u128(1));
const PROJECT: ProjectId = ProjectId(Uuid::from_u128(2));
const GATEWAY: GatewayId = GatewayId(Uuid::from_u128(3));
const USER: UserId = UserId(Uuid::from_u128(4));

/// A message with all its fields has those of the form; one with as few as may be, those that the form demands.
fn check<F: ToSchema>(most: &impl Serialize, least: &impl Serialize) {
    let RefOr::T(Schema::Object(form)) = F::schema() else { panic!("{} is no object", F::name()) };
    let fields = |message: &Value| message.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let (most, least) = (serde_json::to_value(most).unwrap(), serde_json::to_value(least).unwrap());
    let mut known: Vec<String> = form.properties.keys().cloned().collect();
    known.sort_unstable();
    assert_eq!(fields(&most), known, "{}", F::name());
    for field in &form.required {
        assert!(least.get(field).is_some(), "{} does not always have {field}", F::name());
    }
}

fn token() -> Token {
    Token("t".to_owned())
}

fn text() -> String {
    "text".to_owned()
}

#[test]
fn what_gateways_say_of_themselves_has_the_form_that_is_described() {
    let ready = Ready { gateway_id: GATEWAY, slots: 1, listen: text() };
    check::<ReadyForm>(&ready, &ready);
    check::<ConfigForm>(&ConfigRequest { handshake: Some(token()) }, &ConfigRequest::default());
    let stop = |gateway_id, elsewhere| Stop { organization_id: ORG, gateway_id, elsewhere };
    check::<StopForm>(&stop(Some(GATEWAY), true), &stop(None, false));
    let lease = |gateway_token| Lease { expires_at: text(), ttl_ms: 1, version: 1, gateway_token };
    check::<LeaseShape>(&lease(Some(token())), &json!({"expires_at": "", "ttl_ms": 1, "version": 1}));
    assert_eq!(serde_json::to_value(lease(None)).unwrap().as_object().unwrap().len(), 3);
}

#[test]
fn a_brief_has_the_form_that_is_described() {
    let project = ProjectBrief { id: PROJECT, name: text() };
    let member = |projects| MemberBrief { user_id: USER, name: text(), role: OrgRole::Member, projects };
    check::<BriefProject>(&project, &project);
    check::<BriefMember>(&member([(PROJECT, Role::Viewer)].into()), &member([].into()));
    let brief = GatewayBrief {
        organization_id: ORG,
        organization_name: text(),
        epoch: Epoch(1),
        version: 1,
        gateway_token: token(),
        projects: vec![],
        members: vec![],
        disable_shutdown: false,
        named: true,
        lease_ms: 1,
    };
    check::<BriefShape>(&brief, &brief);
}

#[test]
fn what_is_said_of_containers_has_the_form_that_is_described() {
    let container = ContainerId::from_random(7);
    let asked = ContainerTokenRequest { project: PROJECT, container, generation: 1 };
    check::<ContainerTokenForm>(&asked, &asked);
    check::<ContainerTokenShape>(&ContainerTokenAnswer { token: token() }, &ContainerTokenAnswer { token: token() });
    check::<NotesPullForm>(&NotesPull { project: PROJECT }, &NotesPull { project: PROJECT });
    let push = NotesPush { project: PROJECT, notes: ProjectNotes::default() };
    check::<NotesPushForm>(&push, &push);
    let notes = json!({
        "ports": {container.to_string(): {"web": 8080}},
        "reporting": [container],
        "listening": {container.to_string(): {"said": 8080}},
        "secrets": {container.to_string(): {}},
    });
    let notes: ProjectNotes = serde_json::from_value(notes).unwrap();
    check::<NotesShape>(&notes, &ProjectNotes::default());
    let deleted = Deleted { organizations: [ORG].into(), projects: [PROJECT].into() };
    check::<DeletedShape>(&deleted, &deleted);
    let visit = VisitRequest { code: token(), host: text(), nonce: text() };
    check::<VisitForm>(&visit, &visit);
    check::<VisitShape>(&Visit { token: token(), ttl_s: 1 }, &Visit { token: token(), ttl_s: 1 });
    let standing = VisitStanding { user: USER, session: SessionDigest(text()) };
    check::<StandingForm>(&standing, &standing);
}

#[test]
fn documents_travel_in_the_form_that_is_described() {
    let pull = |project, document| Pull { organization_id: ORG, project, document };
    check::<PullForm>(&pull(Some(PROJECT), Some(DocumentName::Board)), &pull(None, None));
    let state = GatewayState {
        permissions: Some(json!({})),
        oauth_clients: Some(json!({})),
        container_tokens: Some(json!({})),
        disable_shutdown: Some(true),
    };
    check::<GatewayStateShape>(&state, &GatewayState::default());
    let data = DataBody { yjs_state: [].into(), gateway_state: Some(state) };
    check::<DataShape>(&data, &DataBody::default());
    let push = |gateway_id| PushBody { organization_id: ORG, gateway_id, data: DataBody::default() };
    check::<PushForm>(&push(Some(GATEWAY)), &push(None));
    let pulled = PullAnswer { success: true, timestamp: None, data: None };
    check::<PulledShape>(&pulled, &pulled);
    let appended = Appended { sequence: 1, records: 1 };
    check::<AppendedShape>(&appended, &appended);
    let pushed = Pushed { success: true, stored_at: text(), size_bytes: 1 };
    check::<PushedShape>(&pushed, &pushed);
}
