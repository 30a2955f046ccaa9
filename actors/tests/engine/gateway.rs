//! A gateway in small: the containers of one project, decided by the real reducers, and nothing around them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use orrery_actors::{
    ControlError,
    engine::{
        Blueprint, Credentials, Engine, EngineClocks, Entrance, Live, Porch, Probe, Reconciling, Reports, Runtime,
        Sightings, WallClock, World,
    },
};
use orrery_protocol::{
    command::ContainerCommand,
    container::{
        Caller, Change, Container, ContainerClocks, Containers, Entry, Listening, Phase, ProjectNotes, ResourceBounds,
        Rules, Site, Target, plan::Wanted,
    },
    id::{ContainerId, OrgId, ProjectId, UserId},
    image::{ContainerImage, ImageRegistry},
    route::{Address, RouteTable},
};
use serde_json::json;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, interval, timeout},
};
use uuid::Uuid;

use crate::tally::Tally;

/// When tests begin: 2026-11-21, 08:00 UTC.
const BEGIN_MS: u64 = 1_795_248_000_000;
/// A secret that must be nowhere but in its container.
pub(crate) const CANARY: &str = "canary-7f3a91";

/// Programs by the names of their images: `test:{name}`.
const PROGRAMS: [(&str, &[&str]); 8] = [
    ("serve", &["serve", "8080"]),
    ("deaf", &["deaf", "8080"]),
    ("idle", &["idle"]),
    ("crash", &["exit", "3", "300"]),
    ("done", &["exit", "0", "300"]),
    ("eat", &["eat"]),
    ("stubborn", &["stubborn"]),
    ("missing", &["no-such-program"]),
];

/// The clocks of containers and of the engine, short enough for a real engine.
pub(crate) fn quick() -> (ContainerClocks, EngineClocks) {
    let containers = ContainerClocks {
        ready_ms: 3_000,
        stop_grace_ms: 2_000,
        restart_ms: 100,
        deleted_kept_ms: 500,
        ..ContainerClocks::default()
    };
    let engine = EngineClocks {
        period_ms: 2_000,
        busy_period_ms: 300,
        retry_ms: 200,
        retry_ms_max: 2_000,
        probe_ms: 500,
        probe_starting_ms: 100,
        probe_limit_ms: 1_000,
        orphan_ms: 1_000,
        stop_grace_ms: 1_000,
        ..EngineClocks::default()
    };
    (containers, engine)
}

struct State {
    rules: Rules,
    containers: Containers,
    addresses: BTreeMap<ContainerId, Address>,
    live: Vec<(ContainerId, Live)>,
    watched: bool,
    pass: u64,
    passes: u64,
    next: u128,
}

struct Inner {
    org: OrgId,
    project: ProjectId,
    state: Mutex<State>,
    world: watch::Sender<Arc<World>>,
    now_ms: WallClock,
}

/// What one reconciler reports to. Its tasks may end a little after it, and a gateway that is gone hears nothing of them.
struct Term {
    inner: Arc<Inner>,
    over: AtomicBool,
}

/// The gateway, with its reconciler at work until it is dropped.
pub(crate) struct Gateway {
    inner: Arc<Inner>,
    engine: Engine,
    pub(crate) tally: Tally,
    pub(crate) doorstep: Arc<Doorstep>,
    reconciling: Option<Reconciling>,
    term: Arc<Term>,
    ticks: JoinHandle<()>,
    patience: Duration,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.ticks.abort();
    }
}

impl Gateway {
    /// A project of `org`, all of whose programs come from the image `uri` with the tag `1`.
    pub(crate) fn new(org: OrgId, uri: &str, runtime: Arc<dyn Runtime>, patience: Duration) -> Self {
        let (clocks, engine_clocks) = quick();
        let begin = Instant::now();
        let now_ms: WallClock =
            Arc::new(move || BEGIN_MS + u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX));
        let (tally, doorstep) = (Tally::new(runtime), Arc::<Doorstep>::default());
        let engine = Engine::new(Arc::new(tally.clone()), doorstep.clone(), engine_clocks, now_ms.clone());
        let project = ProjectId(Uuid::from_u128(org.0.as_u128() ^ 1));
        let state = State {
            rules: rules(org, uri, clocks),
            containers: Containers::default(),
            addresses: BTreeMap::new(),
            live: Vec::new(),
            watched: false,
            pass: 0,
            passes: 0,
            next: org.0.as_u128(),
        };
        let wanted = Wanted { org, projects: BTreeMap::new() };
        let world = World { wanted, blueprints: BTreeMap::new(), watched: BTreeSet::new(), pass: 0 };
        let inner =
            Inner { org, project, state: Mutex::new(state), world: watch::Sender::new(Arc::new(world)), now_ms };
        let inner = Arc::new(inner);
        inner.publish(&inner.state());
        let ticks = tokio::spawn(tick(inner.clone()));
        let term = Arc::new(Term { inner: inner.clone(), over: AtomicBool::new(false) });
        let mut gateway = Self { inner, engine, tally, doorstep, reconciling: None, term, ticks, patience };
        gateway.begin();
        gateway
    }

    /// The reconciler begins, anew if it was at work.
    pub(crate) fn begin(&mut self) {
        self.end();
        self.term = Arc::new(Term { inner: self.inner.clone(), over: AtomicBool::new(false) });
        let (world, reports) = (self.inner.world.subscribe(), self.term.clone());
        self.reconciling = Some(self.engine.reconcile(self.inner.org, world, reports, Arc::new(Vault)));
    }

    /// The reconciler ends.
    pub(crate) fn end(&mut self) {
        self.term.over.store(true, Ordering::SeqCst);
        self.reconciling = None;
    }

    /// The gateway forgets what neither the document nor its notes hold.
    pub(crate) fn forget(&mut self) {
        self.end();
        {
            let mut state = self.inner.state();
            let known: Vec<Container> = state.containers.iter().map(|entry| entry.container.clone()).collect();
            let values = known
                .iter()
                .map(|container| (container.id.to_string(), orrery_protocol::container::value_of(container)));
            let root = orrery_protocol::document::system::Value::Map(values.collect());
            let (containers, unreadable) =
                Containers::read(&[(orrery_protocol::container::ROOT.to_owned(), root)].into());
            assert_eq!(unreadable, []);
            let mut notes = ProjectNotes::default();
            notes.follow(&state.containers);
            state.containers = containers;
            let change = state.containers.recall(&notes, (self.inner.now_ms)());
            state.apply(change);
            self.inner.publish(&state);
        }
        self.begin();
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(crate) fn org(&self) -> OrgId {
        self.inner.org
    }

    pub(crate) fn project(&self) -> ProjectId {
        self.inner.project
    }

    /// A member gives a command; whether it was taken.
    fn give(&self, event: &serde_json::Value) -> Option<serde_json::Value> {
        let command = ContainerCommand::parse(event).expect("a command");
        let now_ms = (self.inner.now_ms)();
        let mut state = self.inner.state();
        let mut next = state.next;
        let caller = Caller::Member(UserId(Uuid::from_u128(1)));
        let mut random = || {
            next = next.wrapping_mul(0xda94_2042_e4dd_58b5).wrapping_add(0x9e37_79b9_7f4a_7c15);
            next ^ (next >> 64)
        };
        let change = state.containers.reduce(&state.rules, caller, &command, now_ms, &mut random);
        state.next = next;
        let change = change.ok()?;
        let result = change.result.clone();
        state.apply(change);
        self.inner.publish(&state);
        Some(result)
    }

    /// A container of `test:{program}`.
    pub(crate) fn create(&self, program: &str) -> ContainerId {
        self.create_limited(&format!("test:{program}"), &json!({}))
    }

    pub(crate) fn create_limited(&self, image: &str, limits: &serde_json::Value) -> ContainerId {
        self.create_with(&json!({"name": image, "image": image, "limits": limits}))
    }

    /// A container with these fields of the command.
    pub(crate) fn create_with(&self, fields: &serde_json::Value) -> ContainerId {
        let mut event = fields.clone();
        event["type"] = "user-containers:new".into();
        let result = self.give(&event).expect("a good command");
        result["user_container_id"].as_str().and_then(|id| id.parse().ok()).expect("an id")
    }

    /// `user-container:{kind}` or `user-containers:delete`; whether it was taken.
    pub(crate) fn tell(&self, id: ContainerId, kind: &str) -> bool {
        let kind =
            if kind == "delete" { "user-containers:delete".to_owned() } else { format!("user-container:{kind}") };
        self.give(&json!({"type": kind, "user_container_id": id.to_string()})).is_some()
    }

    pub(crate) fn ids(&self) -> Vec<ContainerId> {
        self.inner.state().containers.iter().map(|entry| entry.container.id).collect()
    }

    pub(crate) fn container(&self, id: ContainerId) -> Option<Container> {
        self.inner.state().containers.get(id).map(|entry| entry.container.clone())
    }

    pub(crate) fn address(&self, id: ContainerId) -> Option<Address> {
        self.inner.state().addresses.get(&id).cloned()
    }

    /// Where requests for its plain URL go.
    pub(crate) fn upstream(&self, id: ContainerId) -> Option<SocketAddr> {
        let state = self.inner.state();
        let mut table = RouteTable::new(self.inner.org);
        table.add(self.inner.project, &state.containers, &state.rules, &state.addresses);
        table.find(&Target::Container(id, None))?.upstream
    }

    pub(crate) fn live(&self, id: ContainerId) -> Vec<Live> {
        self.inner.state().live.iter().filter(|(of, _)| *of == id).map(|(_, live)| live.clone()).collect()
    }

    /// How many passes have been reported.
    pub(crate) fn passes(&self) -> u64 {
        self.inner.state().passes
    }

    /// Somebody looks, or nobody does any more.
    pub(crate) fn watch(&self, watched: bool) {
        let mut state = self.inner.state();
        state.watched = watched;
        self.inner.publish(&state);
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let wait = async {
            let mut ticks = interval(Duration::from_millis(20));
            while !is_so() {
                ticks.tick().await;
            }
        };
        if timeout(self.patience, wait).await.is_err() {
            let state = self.inner.state();
            let containers: Vec<_> =
                state.containers.iter().map(|entry| (&entry.container.status, &entry.vitals)).collect();
            panic!("never: {what}; {containers:#?}");
        }
    }

    pub(crate) async fn phase(&self, id: ContainerId, phase: Phase) {
        let is_it = || self.container(id).is_some_and(|container| container.status.phase == phase);
        self.until(&format!("{id} is {phase}"), is_it).await;
    }

    /// Waits until it is deleted, and forgotten.
    pub(crate) async fn gone(&self, id: ContainerId) {
        self.until(&format!("{id} is gone"), || self.container(id).is_none()).await;
    }

    /// Waits until so many further passes have been made, then says how many changes they asked the engine for.
    pub(crate) async fn changes_in_passes(&self, passes: u64) -> u64 {
        let (changes, begun) = (self.tally.changes(), self.passes());
        self.until("further passes", || self.passes() >= begun + passes).await;
        self.tally.changes() - changes
    }
}

impl State {
    fn apply(&mut self, change: Change) {
        for after in change.containers() {
            let Some(before) = self.containers.get(after.id) else { continue };
            let (from, to) = (before.container.status.phase, after.status.phase);
            assert!(from == to || from.may_become(to), "{to} after {from}");
        }
        let _writes = self.containers.apply(change);
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no test panics while it holds this")
    }

    fn publish(&self, state: &State) {
        let projects = [(self.project, state.containers.wanted(&state.rules))].into();
        let blueprints = state.containers.iter().map(|entry| (entry.container.id, self.blueprint(state, entry)));
        let world = World {
            wanted: Wanted { org: self.org, projects },
            blueprints: blueprints.collect(),
            watched: state.watched.then_some(self.project).into_iter().collect(),
            pass: state.pass,
        };
        self.world.send_replace(Arc::new(world));
    }

    fn blueprint(&self, state: &State, entry: &Entry) -> Blueprint {
        let container = &entry.container;
        let (image, reference) = state.rules.images.resolve(&container.spec.image).expect("a known image");
        let probes = image.services.iter().map(|service| Probe {
            service: service.name.clone(),
            port: service.port,
            path: service.probe.clone(),
        });
        let listening: Vec<_> = entry.vitals.listening.iter().flat_map(Listening::services).collect();
        let asked = if matches!(entry.vitals.listening, Some(Listening::Said(_))) { &listening[..] } else { &[] };
        let asked = asked.iter().cloned().map(|(service, port)| Probe { service, port, path: "/".to_owned() });
        Blueprint {
            project: self.project,
            generation: container.spec.generation,
            hostname: container.spec.slug.to_string(),
            env: [("PUBLIC_URL".to_owned(), state.rules.site.url(container.id, None))].into(),
            secrets: vec!["PASSWORD".parse().expect("a name")],
            limits: container.spec.limits,
            options: image.options.clone(),
            ports: image.ports.iter().copied().chain(listening.iter().map(|(_, port)| *port)).collect(),
            ports_open: entry.is_open(&state.rules),
            probes: probes.chain(asked).collect(),
            image: Some(reference),
        }
    }
}

impl Reports for Term {
    fn sighted(&self, sightings: Sightings) {
        if !self.over.load(Ordering::SeqCst) {
            self.inner.sighted(sightings);
        }
    }

    fn live(&self, project: ProjectId, container: ContainerId, live: Live) {
        if !self.over.load(Ordering::SeqCst) {
            self.inner.live(project, container, live);
        }
    }
}

impl Inner {
    fn sighted(&self, sightings: Sightings) {
        let now_ms = (self.now_ms)();
        let mut state = self.state();
        assert!(sightings.pass > state.pass, "passes count up");
        state.pass = sightings.pass;
        state.passes += u64::from(sightings.addresses.is_some());
        for (project, id, observation) in sightings.observations {
            assert_eq!(project, self.project);
            let change = state.containers.observe(&state.rules, now_ms, id, &observation);
            state.apply(change);
        }
        state.addresses = sightings.addresses.unwrap_or_else(|| state.addresses.clone());
        self.publish(&state);
    }

    fn live(&self, project: ProjectId, container: ContainerId, live: Live) {
        assert_eq!(project, self.project);
        self.state().live.push((container, live));
    }
}

async fn tick(inner: Arc<Inner>) {
    let mut ticks = interval(Duration::from_millis(50));
    loop {
        ticks.tick().await;
        let now_ms = (inner.now_ms)();
        let mut state = inner.state();
        let change = state.containers.tick(&state.rules, now_ms);
        if !change.is_empty() {
            state.apply(change);
            inner.publish(&state);
        }
    }
}

fn rules(org: OrgId, uri: &str, clocks: ContainerClocks) -> Rules {
    let mut images = ImageRegistry::new(vec!["*".to_owned()]);
    for (name, command) in PROGRAMS {
        let served = command.len() > 1 && command[1] == "8080";
        let service = if served { "[[services]]\nname = \"web\"\nport = 8080" } else { "" };
        let text = format!(
            "id = \"test:{name}\"\nname = \"{name}\"\nuri = \"{uri}\"\ntag = \"1\"\ncategory = \"other\"\nports = [8080]\n\
             {service}\n[options]\ncommand = {command:?}\nmemoryMb = 32\n"
        );
        images.register(ContainerImage::from_toml(&text).expect("a definition")).expect("one of a name");
    }
    let generic = "id = \"generic\"\nname = \"Any\"\ncategory = \"other\"\n";
    images.register(ContainerImage::from_toml(generic).expect("a definition")).expect("one of a name");
    Rules {
        images,
        site: Site { org, domain: "localhost".parse().expect("a domain"), tls: false, port: Some(7000) },
        clocks,
        bounds: ResourceBounds::default(),
        containers_max: 100,
        variables_bytes_max: 64 << 10,
    }
}

struct Vault;

#[async_trait]
impl Credentials for Vault {
    async fn environment(
        &self,
        _project: ProjectId,
        container: ContainerId,
        generation: u32,
    ) -> Result<BTreeMap<String, String>, ControlError> {
        let token = format!("token-{container}-{generation}");
        Ok([("ORRERY_TOKEN".to_owned(), token), ("PASSWORD".to_owned(), CANARY.to_owned())].into())
    }
}

/// Where containers reach the gateway, unless another process has the place.
#[derive(Default)]
pub(crate) struct Doorstep {
    taken: AtomicBool,
    asked: AtomicU64,
}

impl Doorstep {
    /// Whether another process has it from now on.
    pub(crate) fn set_taken(&self, taken: bool) {
        self.taken.store(taken, Ordering::SeqCst);
    }

    /// How often somebody wanted to listen there.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Porch for Doorstep {
    async fn entrance(&self, _org: OrgId, network_gateway: IpAddr) -> io::Result<Entrance> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.taken.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        Ok(Entrance { url: format!("http://{network_gateway}:7001"), open: None })
    }
}
