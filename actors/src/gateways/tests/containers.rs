//! Containers as the gateway owns them: what is answered is durable, what is durable is shown, and the next gateway has it.

use orrery_protocol::{
    command::Refusal,
    container::{Rejection, ServiceState, Target},
    document::system::SystemDocument,
    id::{ContainerId, DocumentKey},
    record::StoredDocument,
};
use serde_json::Value;

use super::*;
use crate::fake::EUROPA;

fn system(project: ProjectId) -> DocumentKey {
    DocumentKey { document: DocumentName::System, ..key(ORG, project) }
}

fn new(image: &str) -> Value {
    serde_json::json!({"type": "user-containers:new", "name": "Notebook", "image": image})
}

fn about(kind: &str, id: ContainerId) -> Value {
    serde_json::json!({"type": kind, "user_container_id": id.to_string()})
}

async fn give(gateways: &Gateways, user: UserId, event: &Value) -> Result<Value, CommandError> {
    let principal = gateways.principal(ORG, user, IO).expect("a member");
    gateways.command(principal, event, None).await
}

async fn create(gateways: &Gateways, event: &Value) -> ContainerId {
    let result = give(gateways, ALICE, event).await.unwrap();
    result["user_container_id"].as_str().unwrap().parse().unwrap()
}

async fn hear(
    gateways: &Gateways,
    container: ContainerId,
    generation: u32,
    event: &Value,
) -> Result<Value, CommandError> {
    gateways.hear(&ContainerBearer { org: ORG, project: IO, container, generation }, event).await
}

async fn list(gateways: &Gateways) -> Vec<Value> {
    gateways.containers(ORG, IO).await.unwrap()["containers"].as_array().unwrap().clone()
}

fn stored(ganymede: &FakeGanymede) -> StoredDocument {
    ganymede.world().documents.get(&system(IO)).cloned().unwrap_or_default()
}

fn watchdog() -> Value {
    serde_json::json!({"type": "user-container:watchdog"})
}

fn map(name: &str, port: u16) -> Value {
    serde_json::json!({"type": "user-container:map-http-service", "name": name, "port": port})
}

#[tokio::test]
async fn a_container_that_was_answered_is_stored_and_listed() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    assert_eq!(list(&gateways).await, Vec::<Value>::new());
    assert_eq!(stored(&ganymede), StoredDocument::default(), "nobody has needed the document yet");
    let id = create(&gateways, &new("jupyter:minimal")).await;
    let listed = list(&gateways).await;
    assert_eq!((listed.len(), &listed[0]["id"]), (1, &Value::from(id.to_string())));
    assert_eq!((&listed[0]["status"]["phase"], &listed[0]["spec"]["generation"]), (&"pending".into(), &1.into()));
    let values = SystemDocument::stored_values(&stored(&ganymede));
    let roots: Vec<&str> = values.keys().map(String::as_str).collect();
    assert_eq!(roots, ["gateway", "images", "userContainers"]);
    give(&gateways, BOB, &about("user-container:stop", id)).await.unwrap();
    assert_eq!(list(&gateways).await[0]["status"]["phase"], "stopping");
}

#[tokio::test]
async fn what_is_refused_changes_no_byte() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let id = create(&gateways, &new("jupyter:minimal")).await;
    let before = stored(&ganymede);
    let gone = ContainerId::from_random(7);
    let refused = |rejection: Rejection| Err(CommandError::Refused(Refusal::Rejected(rejection)));
    assert_eq!(give(&gateways, ALICE, &about("user-container:start", gone)).await, refused(Rejection::NotFound(gone)));
    assert!(give(&gateways, ALICE, &new("no:such")).await.is_err());
    let not_for_members = Refusal::NotForMembers("user-container:watchdog");
    assert_eq!(give(&gateways, ALICE, &watchdog()).await, Err(not_for_members.into()));
    for (generation, event, expect) in [
        (2, watchdog(), Refusal::Gone),
        (1, about("user-container:watchdog", gone), Refusal::Foreign(gone)),
        (1, about("user-container:stop", id), Rejection::WrongCaller("user-container:stop").into()),
        (1, new("jupyter:minimal"), Rejection::WrongCaller("user-containers:new").into()),
    ] {
        assert_eq!(hear(&gateways, id, generation, &event).await, Err(expect.into()), "{event}");
    }
    assert_eq!(hear(&gateways, gone, 1, &watchdog()).await, Err(Refusal::Gone.into()));
    assert_eq!(stored(&ganymede), before);
}

#[tokio::test]
async fn a_key_given_twice_makes_one_container() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let alice = gateways.principal(ORG, ALICE, IO).unwrap();
    let once = || Some("once".parse::<IdempotencyKey>().unwrap());
    let event = new("jupyter:minimal");
    let [one, other] =
        [gateways.command(alice.clone(), &event, once()), gateways.command(alice.clone(), &event, once())];
    let (one, other) = tokio::join!(one, other);
    assert_eq!(one.unwrap(), other.unwrap());
    assert_eq!(list(&gateways).await.len(), 1);
}

/// Whoever did not hear the answer, because its gateway ended, asks the next one.
#[tokio::test]
async fn a_key_given_to_the_next_gateway_too_makes_one_container() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let key = |text: &str| Some(text.parse::<IdempotencyKey>().unwrap());
    let (alice, bob) = (gateways.principal(ORG, ALICE, IO).unwrap(), gateways.principal(ORG, BOB, IO).unwrap());
    let mut event = new("generic/busybox");
    event["env"] = serde_json::json!({"TOKEN": {"value": "hunter2", "secret": true}});
    let first = gateways.command(alice.clone(), &event, key("once")).await.unwrap();
    ganymede.allocate(&brief(ORG, 2));
    gateways.serve(brief(ORG, 2)).await.unwrap();
    assert_eq!(gateways.command(alice.clone(), &event, key("once")).await.unwrap(), first);
    assert_eq!(list(&gateways).await.len(), 1);
    for (who, name) in [(&bob, "once"), (&alice, "twice")] {
        assert_ne!(gateways.command(who.clone(), &event, key(name)).await.unwrap(), first, "a key is its user's");
    }
    ganymede.allocate(&brief(ORG, 3));
    gateways.serve(brief(ORG, 3)).await.unwrap();
    let other = gateways.command(alice, &new("jupyter:minimal"), key("once")).await.unwrap();
    assert_ne!(other, first, "what is asked for is something else");
    assert_eq!(list(&gateways).await.len(), 4);
}

#[tokio::test]
async fn the_next_gateway_has_the_same_list_and_older_replicas_are_stale() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let id = create(&gateways, &new("jupyter:minimal")).await;
    let before = list(&gateways).await;
    let alice = Visitor::join_document(&gateways, ALICE, system(IO)).await;
    ganymede.allocate(&brief(ORG, 2));
    gateways.serve(brief(ORG, 2)).await.unwrap();
    assert_eq!(alice.closed().await, 1012);
    assert_eq!(list(&gateways).await, before);
    give(&gateways, ALICE, &about("user-containers:delete", id)).await.unwrap();
    let values = SystemDocument::stored_values(&stored(&ganymede));
    assert!(format!("{values:?}").contains(r#""epoch": Number(2.0)"#));
}

#[tokio::test]
async fn secrets_and_ports_are_kept_beside_the_document_and_come_back() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let mut event = new("generic/busybox");
    event["env"] = serde_json::json!({"TOKEN": {"value": "canary-9", "secret": true}});
    let id = create(&gateways, &event).await;
    let secrets = ganymede.world().notes[&IO].secrets[&id].clone();
    assert!(secrets.values().any(|secret| secret.expose() == "canary-9"));
    hear(&gateways, id, 1, &map("web", 8080)).await.unwrap();
    assert_eq!(ganymede.world().notes[&IO].ports[&id][&"web".parse().unwrap()], 8080);
    let text = format!("{:?} {:?}", stored(&ganymede), list(&gateways).await);
    assert!(!text.contains("canary-9") && !text.contains("8080"));
    let bytes = stored(&ganymede);
    let all: Vec<u8> = bytes.snapshot.iter().chain(&bytes.updates).flat_map(|bytes| bytes.to_vec()).collect();
    assert!(!all.windows(8).any(|window| window == b"canary-9"));
    give(&gateways, ALICE, &about("user-containers:delete", id)).await.unwrap();
    until("its secrets are gone", async || ganymede.world().notes[&IO].secrets.is_empty()).await;
    assert!(hear(&gateways, id, 1, &watchdog()).await.is_err(), "its token is worth nothing any more");
}

/// Lesson 36, the other way round: what storage does not say yet is no empty list.
#[tokio::test]
async fn what_cannot_be_kept_is_not_answered_until_it_is() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let id = create(&gateways, &new("generic/busybox")).await;
    ganymede.world().faults.push_back(ControlError::Unavailable("the network is gone".to_owned()));
    hear(&gateways, id, 1, &map("web", 8080)).await.unwrap();
    assert_eq!(ganymede.world().notes[&IO].ports.len(), 1, "tried again, and only then answered");
}

#[tokio::test]
async fn a_deleted_project_takes_its_containers_along() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let id = create(&gateways, &new("jupyter:minimal")).await;
    let mut newer = brief(ORG, 1);
    newer.version = 2;
    newer.projects.retain(|project| project.id == EUROPA);
    gateways.refresh(newer);
    until("it is gone", async || gateways.containers(ORG, IO).await == Err(OpenError::UnknownProject)).await;
    assert_eq!(hear(&gateways, id, 1, &watchdog()).await, Err(Refusal::Gone.into()));
}

/// Its containers have hosts that are not in the table yet, and are not to be taken for gone.
#[tokio::test]
async fn a_table_says_whether_all_projects_are_in_it() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let unreadable = StoredDocument { snapshot: Some(Bytes::from_static(b"no update")), ..StoredDocument::default() };
    ganymede.world().documents.insert(system(EUROPA), unreadable);
    let gateways = serve(&ganymede, |_| {}).await;
    let id = create(&gateways, &new("jupyter:minimal")).await;
    let table = || gateways.route_tables().of(ORG).unwrap();
    assert!(table().find(&Target::Container(id, None)).is_some() && !table().whole);
    ganymede.world().documents.remove(&system(EUROPA));
    until("all are loaded", async || table().whole).await;
}

#[tokio::test]
async fn a_member_reads_what_containers_become() {
    let ganymede = FakeGanymede::with(&brief(ORG, 1));
    let gateways = serve(&ganymede, |_| {}).await;
    let bob = Visitor::join_document(&gateways, BOB, system(IO)).await;
    let id = create(&gateways, &new("jupyter:minimal")).await;
    bob.reads(&id.to_string()).await;
    assert_eq!(ServiceState::Withdrawn.as_str(), list(&gateways).await[0]["status"]["services"]["lab"]["state"]);
}
