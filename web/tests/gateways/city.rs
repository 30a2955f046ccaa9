//! A Ganymede that listens, and gateways that announce themselves to it, each with everything that it has in earnest.

use std::{
    error::Error,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use orrery_actors::{Clock, ContainerRules, GatewayConfig, Gateways, RemoteControlPlane, RemoteOptions, RouteTables};
use orrery_ganymede::{
    orgs::Orgs,
    people::{NewUser, People, User},
    pool::{Pool, Routes, SlotHost},
    tokens::{AccessClaims, TokenKeys},
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
use orrery_test_ganymede::{Plan, now_ms, process};
use orrery_web::{
    envelope::Site,
    limits::HttpLimits,
    routes,
    server::Server,
    socket::Sockets,
    state::{EdgeConfig, GanymedeState, GatewayState},
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
    _folder: TempDir,
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
        let (state, folder) = orrery_test_ganymede::open(Plan { edge, remote: host, merge: Arc::new(newest) }).await;
        let GanymedeState { people, orgs, pool, routes, tokens, .. } = state.clone();
        let site = routes::ganymede(state, None);
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), site.clone()).unwrap();
        let address = server.address();
        let listening = Listening::begin(server);
        Self { address, site, people, orgs, pool, routes, tokens, _folder: folder, _listening: listening }
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
        let claims = AccessClaims { user: user.id, name: user.name.clone(), only_uses: false };
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

/// Takes documents as they come: what they mean is not what these tests are about.
fn newest(snapshot: Option<&[u8]>, updates: &[Bytes]) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    let newest = updates.last().cloned().or(snapshot.map(Bytes::copy_from_slice));
    newest.ok_or_else(|| "nothing is there".into())
}
