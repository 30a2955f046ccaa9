//! A Ganymede that listens, and gateways that announce themselves to it, each with everything that it has in earnest.

use std::{
    collections::BTreeMap,
    error::Error,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use metrics_exporter_prometheus::PrometheusBuilder;
use orrery_actors::{Clock, ContainerRules, GatewayConfig, Gateways, RemoteControlPlane, RemoteOptions, RouteTables};
use orrery_ganymede::{
    clock,
    data::{Data, DataParts, States},
    database::{Database, DatabaseUrl},
    dns::Dns,
    orgs::Orgs,
    people::{NewUser, PasswordHashing, People, User},
    pool::{Fence, NoFaults, Pool, PoolLimits, PoolParts, RemoteHost, Routes, SlotHost},
    state_key::StateKey,
    store::{Store, StoreLimits, StoreOptions},
    tokens::{AccessClaims, TokenKeys},
    visits::Visits,
};
use orrery_protocol::{
    access::OrgRole,
    control::{Ready, Token},
    id::{GatewayId, OrgId, ProjectId},
    idle::IdleClocks,
    lease::LeaseClocks,
    limits::{GatewayLimits, WireLimits},
    room::RoomConfig,
};
use orrery_web::{
    envelope::Site,
    health::{Part, Parts, Status},
    limits::{HttpLimits, RateLimits},
    rate::Quotas,
    routes,
    server::Server,
    socket::Sockets,
    state::{EdgeConfig, GanymedeState, GatewayState, ProcessState},
};
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};

/// The control plane.
pub(crate) struct City {
    pub(crate) address: SocketAddr,
    pub(crate) site: Site,
    pub(crate) people: People,
    pub(crate) orgs: Orgs,
    pub(crate) pool: Pool,
    pub(crate) routes: Routes,
    pub(crate) tokens: Arc<TokenKeys>,
    _data: TempDir,
    _listening: Listening,
}

/// A gateway process, but for the process.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) id: GatewayId,
    pub(crate) pool_token: Token,
    pub(crate) gateways: Gateways,
    pub(crate) tables: RouteTables,
    listening: Listening,
}

/// An organization with one project, its owner and a viewer.
pub(crate) struct Org {
    pub(crate) id: OrgId,
    pub(crate) project: ProjectId,
    /// Access tokens.
    pub(crate) owner: String,
    pub(crate) viewer: String,
}

/// A server until it is stopped or dropped.
struct Listening {
    server: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Listening {
    fn begin(server: Server) -> Self {
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(server.run(async move { stopped.await.unwrap_or(()) }));
        Self { server, stop: Some(stop) }
    }

    async fn end(&mut self) {
        drop(self.stop.take());
        (&mut self.server).await.expect("the server ends");
    }
}

impl City {
    pub(crate) async fn new() -> Self {
        Self::with(HttpLimits::default(), None).await
    }

    /// One with these limits, which calls gateways by `host`.
    pub(crate) async fn with(limits: HttpLimits, host: Option<Arc<dyn SlotHost>>) -> Self {
        Self::open(EdgeConfig { limits, ..EdgeConfig::default() }, host).await
    }

    /// One with this edge.
    pub(crate) async fn open(edge: EdgeConfig, host: Option<Arc<dyn SlotHost>>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let url: DatabaseUrl = format!("sqlite:{}", data.path().join("ganymede.db").display()).parse().unwrap();
        let database = Database::open(&url).await.unwrap();
        let hashing = PasswordHashing { memory_kib: 8, iterations: 1, ..PasswordHashing::default() };
        let people = People::new(database.clone(), &hashing).unwrap();
        let orgs = Orgs::new(database.clone());
        let tokens = Arc::new(TokenKeys::load_or_create(data.path()).unwrap());
        let (routes, fence) = (Routes::new(), Fence::new());
        let states = States::new(database.clone(), Arc::new(StateKey::load_or_create(data.path()).unwrap()));
        let remote = || Arc::new(RemoteHost::new(tokens.clone(), clock::system()).unwrap());
        let pool = Pool::new(PoolParts {
            database,
            orgs: orgs.clone(),
            states: states.clone(),
            tokens: tokens.clone(),
            routes: routes.clone(),
            fence: fence.clone(),
            dns: Dns::none(),
            remote: host.unwrap_or_else(|| remote()),
            clock: clock::system(),
            limits: PoolLimits::default(),
            faults: Arc::new(NoFaults),
        });
        let options = StoreOptions { limits: StoreLimits::default(), merge: Arc::new(newest) };
        let (store, _) = Store::open(&data.path().join("store"), options).unwrap();
        let documents = DataParts { store, fence, orgs: orgs.clone(), states, clock: clock::system() };
        let state = GanymedeState {
            process: process(edge),
            people: people.clone(),
            orgs: orgs.clone(),
            pool: pool.clone(),
            routes: routes.clone(),
            data: Data::new(documents),
            visits: Visits::new(tokens.clone(), people.clone(), clock::system()),
            tokens: tokens.clone(),
            access_ttl: Duration::from_secs(60),
            quotas: Arc::new(Quotas::new(&RateLimits::default())),
        };
        let site = routes::ganymede(state, None);
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), site.clone()).unwrap();
        let address = server.address();
        let listening = Listening::begin(server);
        Self { address, site, people, orgs, pool, routes, tokens, _data: data, _listening: listening }
    }

    /// A gateway with one slot, announced.
    pub(crate) async fn gateway(&self) -> Gateway {
        self.gateway_with(HttpLimits::default()).await
    }

    /// One with these limits.
    pub(crate) async fn gateway_with(&self, limits: HttpLimits) -> Gateway {
        self.gateway_behind(EdgeConfig { limits, ..EdgeConfig::default() }, async |own: SocketAddr| own).await
    }

    /// One with this edge, announced at the address that `front` makes of its own.
    pub(crate) async fn gateway_behind(
        &self,
        edge: EdgeConfig,
        front: impl AsyncFnOnce(SocketAddr) -> SocketAddr,
    ) -> Gateway {
        let registered = self.pool.register().await.unwrap();
        let (id, pool_token) = (registered.gateway, registered.token);
        let url = format!("http://{}", self.address);
        let options = RemoteOptions { url, gateway: id, pool_token: pool_token.clone() };
        let ganymede = Arc::new(RemoteControlPlane::new(options).unwrap());
        let clock = Clock::new();
        let gateways = Gateways::new(GatewayConfig {
            containers: ContainerRules::default(),
            engine: None,
            room: RoomConfig::default(),
            limits: GatewayLimits::default(),
            idle: IdleClocks::default(),
            lease: LeaseClocks::default(),
            slots: 1,
            control_plane: ganymede.clone(),
            clock,
        });
        // Not those that its gateways publish: no engine runs here, and tests say where containers are.
        let tables = RouteTables::default();
        let state = GatewayState {
            process: process(edge),
            gateway: id,
            tables: tables.clone(),
            gateways: gateways.clone(),
            sockets: Sockets::new(WireLimits::default(), 10, clock),
            verifier: Arc::new(self.tokens.verifying().clone()),
        };
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), routes::gateway(state)).unwrap();
        let address = server.address();
        let listening = Listening::begin(server);
        let listen = front(address).await.to_string();
        ganymede.announce(&Ready { gateway_id: id, slots: 1, listen }).await.unwrap();
        Gateway { address, id, pool_token, gateways, tables, listening }
    }

    /// An organization of new people.
    pub(crate) async fn org(&self, name: &str) -> Org {
        let (owner, viewer) =
            (self.person(&format!("{name}-owner")).await, self.person(&format!("{name}-viewer")).await);
        let org = self.orgs.create(now_ms(), owner.id, name).await.unwrap();
        let project = self.orgs.create_project(now_ms(), org.id, owner.id, "project").await.unwrap();
        self.orgs.add_member(now_ms(), org.id, &viewer.email, OrgRole::Member).await.unwrap();
        let role = Some(orrery_protocol::access::Role::Viewer);
        self.orgs.set_project_role(project.id, viewer.id, role).await.unwrap();
        Org { id: org.id, project: project.id, owner: self.access_token(&owner), viewer: self.access_token(&viewer) }
    }

    pub(crate) async fn person(&self, name: &str) -> User {
        let local: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let (email, password) = (format!("{local}@example.org"), "correct horse battery staple".to_owned());
        self.people.sign_up(now_ms(), NewUser { email, password, name: name.to_owned() }).await.unwrap()
    }

    pub(crate) fn access_token(&self, user: &User) -> String {
        let claims = AccessClaims { user: user.id, name: user.name.clone() };
        self.tokens.sign_access(&claims, SystemTime::now(), Duration::from_secs(300)).unwrap().0
    }
}

impl Gateway {
    /// Nobody listens any more.
    pub(crate) async fn end(&mut self) {
        self.listening.end().await;
    }
}

impl Org {
    /// Where its gateway is, without DNS.
    pub(crate) fn path(&self, path: &str) -> String {
        format!("/-/gw/org-{}{path}", self.id)
    }

    /// Its project's board.
    pub(crate) fn board(&self) -> String {
        format!("/collab/{}/board?token={}", self.project, self.owner)
    }
}

struct Well;

#[async_trait]
impl Parts for Well {
    async fn parts(&self) -> BTreeMap<&'static str, Part> {
        BTreeMap::from([("edge", Part { status: Status::Ok, detail: "answers".to_owned() })])
    }
}

fn process(edge: EdgeConfig) -> ProcessState {
    ProcessState {
        edge: Arc::new(edge),
        parts: Arc::new(Well),
        metrics: PrometheusBuilder::new().build_recorder().handle(),
    }
}

/// Takes documents as they come: what they mean is not what these tests are about.
fn newest(snapshot: Option<&[u8]>, updates: &[Bytes]) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    let newest = updates.last().cloned().or(snapshot.map(Bytes::copy_from_slice));
    newest.ok_or_else(|| "nothing is there".into())
}

pub(crate) fn now_ms() -> u64 {
    clock::unix_ms(SystemTime::now())
}
