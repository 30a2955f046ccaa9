//! Containers on an engine that is none, through the gateway: from a command to a route, and what is left when those are deleted
//! whose they were.

use std::{collections::BTreeSet, net::IpAddr};

use async_trait::async_trait;
use orrery_protocol::{
    container::Target,
    control::Deleted,
    id::{ContainerId, DocumentKey},
};
use serde_json::{Value, json};

use super::*;
use crate::{
    engine::{
        Engine, EngineClocks, Entrance, Porch,
        fake::{FakeEngine, Hand},
    },
    fake::EUROPA,
};

struct Doorstep;

#[async_trait]
impl Porch for Doorstep {
    async fn entrance(&self, org: OrgId, network_gateway: IpAddr) -> std::io::Result<Entrance> {
        Ok(Entrance { url: format!("http://{network_gateway}:7001/{org}"), open: None })
    }
}

/// A city with one engine.
struct City {
    fake: FakeEngine,
    ganymede: FakeGanymede,
    gateways: Gateways,
}

impl City {
    /// One organization is served, and one image is there.
    async fn new() -> Self {
        let fake = FakeEngine::new(1);
        fake.add_image(&"web:1".parse().unwrap());
        let clocks = EngineClocks {
            period_ms: 100,
            busy_period_ms: 20,
            gather_ms: 1,
            retry_ms: 20,
            retry_ms_max: 100,
            probe_ms: 20,
            probe_starting_ms: 10,
            orphan_ms: 100,
            stop_grace_ms: 20,
            ..EngineClocks::default()
        };
        let clock = crate::clock::Clock::new();
        let now_ms = Arc::new(move || clock.unix_ms());
        let engine = Engine::new(Arc::new(fake.clone()), Arc::new(Doorstep), clocks, now_ms);
        let ganymede = FakeGanymede::with(&brief(ORG, 1));
        let mut config = config(&ganymede);
        config.engine = Some(engine);
        let gateways = Gateways::new(config);
        gateways.serve(brief(ORG, 1)).await.unwrap();
        Self { fake, ganymede, gateways }
    }

    async fn create(&self, org: OrgId, project: ProjectId, port: u16) -> ContainerId {
        let event = json!({"type": "user-containers:new", "name": "x", "image": "generic/web:1", "port": port});
        let principal = self.gateways.principal(org, ALICE, project).expect("a member");
        let result = self.gateways.command(principal, &event, None).await.unwrap();
        result["user_container_id"].as_str().unwrap().parse().unwrap()
    }

    async fn container(&self, org: OrgId, project: ProjectId, id: ContainerId) -> Value {
        let list = self.gateways.containers(org, project).await.unwrap();
        let found = list["containers"].as_array().unwrap().iter().find(|container| container["id"] == id.to_string());
        found.cloned().unwrap_or_default()
    }

    async fn until_state(&self, project: ProjectId, id: ContainerId, state: &str) {
        let is_so = async || self.container(ORG, project, id).await["status"]["services"]["main"]["state"] == state;
        until(&format!("its service is {state}"), is_so).await;
    }

    /// Whose objects the engine has.
    fn owners(&self) -> BTreeSet<(OrgId, ProjectId)> {
        self.fake.objects().iter().map(|object| (object.labels.org, object.labels.project)).collect()
    }

    fn sweeper(&self) -> tokio::task::AbortHandle {
        let gateways = self.gateways.clone();
        tokio::spawn(async move { gateways.clear_leftovers().await }).abort_handle()
    }
}

#[tokio::test]
async fn a_host_that_nobody_knows_of_yet_says_so_and_is_up_once_they_do() {
    let city = City::new().await;
    let mut nameless = brief(ORG, 1);
    (nameless.version, nameless.named) = (2, false);
    city.gateways.refresh(nameless.clone());
    let id = city.create(ORG, IO, 8080).await;
    city.until_state(IO, id, "dns_pending").await;
    let upstream = || city.gateways.route_tables().of(ORG)?.find(&Target::Container(id, None))?.upstream;
    until("it is routed all the same", async || upstream().is_some()).await;
    let (version, named) = (3, true);
    city.gateways.refresh(GatewayBrief { version, named, ..nameless });
    city.until_state(IO, id, "up").await;
    assert_eq!(upstream().map(|upstream| upstream.port()), Some(8080));
    let environment = city.fake.objects().remove(0).environment;
    assert_eq!(environment["ORRERY_URL"], format!("http://10.9.0.1:7001/{ORG}"));
}

#[tokio::test]
async fn containers_of_a_deleted_project_go_and_those_of_others_stay() {
    let city = City::new().await;
    let (io, europa) = (city.create(ORG, IO, 8080).await, city.create(ORG, EUROPA, 8080).await);
    city.until_state(IO, io, "up").await;
    city.until_state(EUROPA, europa, "up").await;
    let mut newer = brief(ORG, 1);
    newer.version = 2;
    newer.projects.retain(|project| project.id == EUROPA);
    city.gateways.refresh(newer);
    until("they are removed", async || city.owners() == [(ORG, EUROPA)].into()).await;
    city.until_state(EUROPA, europa, "up").await;
    let table = city.gateways.route_tables().of(ORG).unwrap();
    assert!(table.find(&Target::Container(io, None)).is_none(), "its host is gone");
    assert!(table.find(&Target::Container(europa, None)).is_some());
}

/// A pass of the reconciler is over once every project has stored what it saw. One that is gone stores nothing any more.
#[tokio::test]
async fn a_project_that_is_deleted_while_it_waits_for_storage_holds_up_no_other() {
    let city = City::new().await;
    let io = city.create(ORG, IO, 8080).await;
    city.until_state(IO, io, "up").await;
    // Deleted, and the gateway does not know yet: what belongs to its containers is not kept any more.
    let mut newer = brief(ORG, 1);
    newer.projects.retain(|project| project.id == EUROPA);
    city.ganymede.allocate(&newer);
    let says = json!({"type": "user-container:map-http-service", "name": "web", "port": 9090});
    let bearer = ContainerBearer { org: ORG, project: IO, container: io, generation: 1 };
    let lists = city.fake.lists();
    let meanwhile = async {
        until("a pass waits behind it", async || city.fake.lists() > lists).await;
        city.gateways.refresh(GatewayBrief { version: 2, ..newer });
    };
    let (heard, ()) = tokio::join!(city.gateways.hear(&bearer, &says), meanwhile);
    assert_eq!(heard, Err(OpenError::UnknownProject.into()), "and nobody waits in vain");
    let europa = city.create(ORG, EUROPA, 8080).await;
    city.until_state(EUROPA, europa, "up").await;
    until("its containers go", async || city.owners() == [(ORG, EUROPA)].into()).await;
}

/// Whatever an editor puts into one project, and however long Ganymede does not keep it.
#[tokio::test]
async fn a_project_of_which_nothing_can_be_kept_holds_up_no_other() {
    let city = City::new().await;
    let (io, europa) = (city.create(ORG, IO, 8080).await, city.create(ORG, EUROPA, 8080).await);
    city.until_state(IO, io, "up").await;
    city.until_state(EUROPA, europa, "up").await;
    let refused = ControlError::Refused("413 Payload Too Large".to_owned());
    city.ganymede.world().no_notes.insert(IO, refused);
    let event = json!({"type": "user-containers:new", "name": "x", "image": "generic/web:1", "port": 8080,
        "env": {"TOKEN": {"value": "hunter2", "secret": true}}});
    let (gateways, principal) = (city.gateways.clone(), city.gateways.principal(ORG, ALICE, IO).expect("a member"));
    let asking = tokio::spawn(async move { gateways.command(principal, &event, None).await });
    until("it cannot be kept", async || city.ganymede.world().notes_refused > 0).await;
    // What becomes of its containers meanwhile is taken in later.
    let objects = city.fake.objects();
    let object = objects.iter().find(|object| object.labels.container == io).expect("it runs");
    city.fake.by_hand(Hand::Kill, &object.id);
    let other = city.create(ORG, EUROPA, 8080).await;
    city.until_state(EUROPA, other, "up").await;
    assert_eq!(city.container(ORG, IO, io).await["status"]["phase"], "running", "as far as it is stored");
    city.ganymede.world().no_notes.clear();
    let up = async || {
        let list = city.gateways.containers(ORG, IO).await.unwrap();
        let states = list["containers"].as_array().unwrap().iter().map(|it| &it["status"]["services"]["main"]["state"]);
        states.filter(|state| **state == "up").count()
    };
    until("it is made, and the other one runs again", async || up().await == 2).await;
    asking.abort();
}

#[tokio::test]
async fn what_an_organization_had_goes_once_ganymede_says_that_it_was_deleted() {
    let city = City::new().await;
    city.ganymede.allocate(&brief(OTHER, 1));
    city.gateways.serve(brief(OTHER, 1)).await.unwrap();
    let id = city.create(ORG, IO, 8080).await;
    city.create(OTHER, IO, 8080).await;
    city.until_state(IO, id, "up").await;
    until("both run", async || city.owners().len() == 2).await;
    city.gateways.release(ORG, Epoch(1), ReleaseReason::Ordered).await;
    city.gateways.release(OTHER, Epoch(1), ReleaseReason::Idle).await;
    let sweeper = city.sweeper();
    let asked = || city.ganymede.world().asked_for_deleted;
    until("it was asked whose they are", async || asked() >= 3).await;
    assert_eq!(city.owners(), [(ORG, IO), (OTHER, IO)].into(), "what Ganymede does not say is not so");
    city.ganymede.world().deleted.organizations.insert(ORG);
    until("they are removed", async || city.owners() == [(OTHER, IO)].into()).await;
    until("the network too", async || city.fake.networks() == [OTHER]).await;
    sweeper.abort();
}

#[tokio::test]
async fn projects_that_were_deleted_while_nobody_served_them_leave_nothing() {
    let city = City::new().await;
    let (io, europa) = (city.create(ORG, IO, 8080).await, city.create(ORG, EUROPA, 8080).await);
    city.until_state(IO, io, "up").await;
    city.until_state(EUROPA, europa, "up").await;
    city.ganymede.world().deleted = Deleted { projects: [IO].into(), ..Deleted::default() };
    let sweeper = city.sweeper();
    city.gateways.release(ORG, Epoch(1), ReleaseReason::Idle).await;
    until("they are removed", async || city.owners() == [(ORG, EUROPA)].into()).await;
    assert_eq!(city.fake.networks(), [ORG]);
    sweeper.abort();
}

#[tokio::test]
async fn a_control_plane_that_is_away_is_asked_again() {
    let city = City::new().await;
    let id = city.create(ORG, IO, 8080).await;
    city.until_state(IO, id, "up").await;
    city.gateways.release(ORG, Epoch(1), ReleaseReason::Ordered).await;
    {
        let mut world = city.ganymede.world();
        world.deleted.organizations.insert(ORG);
        world.faults.extend([ControlError::Unavailable("away".to_owned()), ControlError::Stale]);
    }
    let sweeper = city.sweeper();
    until("it has been away", async || city.ganymede.world().faults.is_empty()).await;
    until("it is removed", async || city.owners().is_empty() && city.fake.networks().is_empty()).await;
    sweeper.abort();
}

#[tokio::test]
async fn where_it_listens_is_kept_beside_the_document() {
    let city = City::new().await;
    city.fake.expose(&"web:1".parse().unwrap(), &[8080]);
    let event = json!({"type": "user-containers:new", "name": "x", "image": "generic/web:1"});
    let principal = city.gateways.principal(ORG, ALICE, IO).expect("a member");
    let result = city.gateways.command(principal, &event, None).await.unwrap();
    let id: ContainerId = result["user_container_id"].as_str().unwrap().parse().unwrap();
    city.until_state(IO, id, "up").await;
    until("it is kept", async || {
        city.ganymede.world().notes.get(&IO).is_some_and(|notes| notes.listening.contains_key(&id))
    })
    .await;
    let system = DocumentKey { document: DocumentName::System, ..key(ORG, IO) };
    let shown = city.container(ORG, IO, id).await;
    let stored = format!("{:?} {shown}", city.ganymede.world().documents[&system]);
    assert!(!stored.contains("8080"), "{stored}");
    city.ganymede.allocate(&brief(ORG, 2));
    city.gateways.serve(brief(ORG, 2)).await.unwrap();
    city.until_state(IO, id, "up").await;
    let upstream = || city.gateways.route_tables().of(ORG)?.find(&Target::Container(id, None))?.upstream;
    until("the next gateway routes to it", async || upstream().is_some_and(|upstream| upstream.port() == 8080)).await;
}
