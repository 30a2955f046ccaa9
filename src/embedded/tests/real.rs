//! The real Ganymede: on the same data base and the same store, by direct calls or at the other end of a socket.

use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use orrery_actors::{Ask, ControlPlane, RemoteControlPlane, RemoteOptions};
use orrery_ganymede::{
    people::{NewUser, People, Secret, session_digest},
    pool::{GatewayAddress, HostError, Pool, SlotHost},
    visits::Visits,
};
use orrery_protocol::{
    control::{GatewayBrief, Ready, Start, Token, VisitRequest, VisitStanding},
    id::{Epoch, OrgId, ProjectId, UserId},
};
use orrery_test_ganymede::{Plan, now_ms};
use orrery_web::{routes, server::Server, state::GanymedeState};
use tempfile::TempDir;

use super::{super::LocalControlPlane, Place};

pub(super) struct Real {
    plane: Arc<dyn ControlPlane>,
    gateway: Arc<Gateway>,
    pool: Pool,
    people: People,
    visits: Visits,
    owner: UserId,
    org: OrgId,
    project: ProjectId,
    session: Mutex<Option<Secret>>,
    _folder: TempDir,
}

/// A gateway that does what it is ordered, and shows what it was told.
#[derive(Default)]
struct Gateway {
    plane: OnceLock<Arc<dyn ControlPlane>>,
    last: Mutex<Option<(Token, GatewayBrief)>>,
}

#[async_trait]
impl SlotHost for Gateway {
    async fn start(&self, _: &GatewayAddress, _: Epoch, start: Start) -> Result<(), HostError> {
        let plane = self.plane.get().expect("told before anything starts");
        let brief = plane.config(Ask::Handshake(&start.handshake)).await;
        let brief = brief.map_err(|error| HostError::Refused(error.to_string()))?;
        *self.last.lock().unwrap() = Some((start.handshake, brief));
        Ok(())
    }

    async fn stop(&self, _: &GatewayAddress, _: OrgId, _: Epoch) -> Result<(), HostError> {
        Ok(())
    }

    async fn refresh(&self, _: &GatewayAddress, _: OrgId, _: Epoch) -> Result<(), HostError> {
        Ok(())
    }
}

impl Real {
    /// In this process.
    pub(super) async fn embedded() -> Self {
        Self::with(async |state, gateway| {
            let plane = LocalControlPlane::new(state.pool.clone(), state.data, state.visits);
            plane.is_gateway(state.pool.open_local(1, gateway).await.unwrap());
            Arc::new(plane)
        })
        .await
    }

    /// At the other end of a socket.
    pub(super) async fn remote() -> Self {
        Self::with(async |state, _| {
            let registered = state.pool.register().await.unwrap();
            let server = Server::bind("127.0.0.1:0".parse().unwrap(), routes::ganymede(state, None)).unwrap();
            let url = format!("http://{}", server.address());
            // Until the test's runtime ends.
            tokio::spawn(server.run(std::future::pending()));
            let gateway_id = registered.gateway;
            let options = RemoteOptions { url, gateway: gateway_id, pool_token: registered.token };
            let plane = RemoteControlPlane::new(options).unwrap();
            // Nobody listens there: its orders come from here.
            let ready = Ready { gateway_id, slots: 1, listen: "127.0.0.1:1".to_owned() };
            plane.announce(&ready).await.unwrap();
            Arc::new(plane)
        })
        .await
    }

    /// One whose gateway asks it as `connect` says.
    async fn with<P: ControlPlane>(connect: impl AsyncFnOnce(GanymedeState, Arc<Gateway>) -> Arc<P>) -> Self {
        let gateway = Arc::new(Gateway::default());
        let host: Arc<dyn SlotHost> = gateway.clone();
        let plan = Plan { remote: Some(host), merge: Arc::new(super::super::merge), ..Plan::default() };
        let (state, folder) = orrery_test_ganymede::open(plan).await;
        let GanymedeState { pool, people, orgs, visits, .. } = state.clone();
        let (email, password) = ("alice@example.org".to_owned(), "correct horse battery staple".to_owned());
        let alice = people.sign_up(now_ms(), NewUser { email, password, name: "Alice".to_owned() }).await.unwrap();
        let org = orgs.create(now_ms(), alice.id, "Moons").await.unwrap().id;
        let project = orgs.create_project(now_ms(), org, alice.id, "Io").await.unwrap().id;
        let plane: Arc<dyn ControlPlane> = connect(state, gateway.clone()).await;
        assert!(gateway.plane.set(plane.clone()).is_ok(), "told once");
        let (owner, session) = (alice.id, Mutex::default());
        Self { plane, gateway, pool, people, visits, owner, org, project, session, _folder: folder }
    }
}

#[async_trait]
impl Place for Real {
    fn ganymede(&self) -> Arc<dyn ControlPlane> {
        self.plane.clone()
    }

    fn org(&self) -> OrgId {
        self.org
    }

    fn project(&self) -> ProjectId {
        self.project
    }

    async fn allocate(&self) -> (Token, GatewayBrief) {
        self.pool.release(self.org).await.unwrap();
        self.pool.start(self.org).await.unwrap();
        self.gateway.last.lock().unwrap().take().expect("the gateway was ordered to start")
    }

    async fn sign_in(&self) -> VisitStanding {
        let secret = self.people.open_session(now_ms(), self.owner).await.unwrap();
        let session = session_digest(secret.expose()).expect("a secret of ours");
        *self.session.lock().unwrap() = Some(secret);
        VisitStanding { user: self.owner, session }
    }

    async fn sign_out(&self, _: &VisitStanding) {
        let secret = self.session.lock().unwrap().take().expect("signed in");
        self.people.close_session(secret.expose()).await.unwrap();
    }

    fn ticket(&self, standing: &VisitStanding, asked: VisitRequest) -> VisitRequest {
        let VisitRequest { host, nonce, .. } = asked;
        let code = self.visits.ticket(standing.user, standing.session.clone(), host.clone(), nonce.clone()).unwrap();
        VisitRequest { code, host, nonce }
    }
}
