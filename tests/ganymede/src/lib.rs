//! A control plane of a test's own: everything that Ganymede has in earnest, on a data base and a store in a folder that goes
//! with it. Owns how its parts are put together; who asks it, and over what, is its users' to say.

use std::{
    collections::BTreeMap,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use async_trait::async_trait;
use bytes::Bytes;
use metrics_exporter_prometheus::PrometheusBuilder;
use orrery_ganymede::{
    clock,
    data::{Data, DataParts, States},
    database::{Database, DatabaseUrl},
    dns::Dns,
    orgs::Orgs,
    people::{PasswordHashing, People},
    pool::{Fence, NoFaults, Pool, PoolLimits, PoolParts, RemoteHost, Routes, SlotHost},
    state_key::StateKey,
    store::{Merge, Store, StoreLimits, StoreOptions},
    tokens::TokenKeys,
    visits::Visits,
};
use orrery_protocol::document;
use orrery_web::{
    health::{Part, Parts, Status},
    rate::Quotas,
    state::{EdgeConfig, GanymedeState, ProcessState},
};
use tempfile::TempDir;

/// How long an access token opens sockets.
const ACCESS_TTL: Duration = Duration::from_secs(60);

/// What tests decide.
pub struct Plan {
    /// Where it is reached, and what it allows.
    pub edge: EdgeConfig,
    /// How gateways elsewhere are ordered; over HTTP, as they are in earnest, if `None`.
    pub remote: Option<Arc<dyn SlotHost>>,
    /// How the store folds documents.
    pub merge: Arc<Merge>,
}

impl Default for Plan {
    fn default() -> Self {
        let merge = |snapshot: Option<&[u8]>, updates: &[Bytes]| Ok(document::merge(snapshot, updates)?);
        Self { edge: EdgeConfig::default(), remote: None, merge: Arc::new(merge) }
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan").field("edge", &self.edge).finish_non_exhaustive()
    }
}

/// Opens one, and the folder that it lives in for as long as that is kept. Passwords are hashed quickly.
///
/// # Panics
/// The folder cannot be made, or something that it needs cannot be opened in it.
pub async fn open(plan: Plan) -> (GanymedeState, TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let database = database(&folder).await;
    let hashing = PasswordHashing { memory_kib: 8, iterations: 1, ..PasswordHashing::default() };
    let people = People::new(database.clone(), &hashing).expect("parameters of hashing");
    let orgs = Orgs::new(database.clone());
    let tokens = Arc::new(TokenKeys::load_or_create(folder.path()).expect("keys"));
    let state_key = StateKey::load_or_create(folder.path()).expect("a key");
    let states = States::new(database.clone(), Arc::new(state_key));
    let (routes, fence) = (Routes::new(), Fence::new());
    let by_http = || Arc::new(RemoteHost::new(tokens.clone(), clock::system()).expect("a client"));
    let pool = Pool::new(PoolParts {
        database,
        orgs: orgs.clone(),
        states: states.clone(),
        tokens: tokens.clone(),
        routes: routes.clone(),
        fence: fence.clone(),
        dns: Dns::none(),
        remote: plan.remote.unwrap_or_else(|| by_http()),
        clock: clock::system(),
        steady: clock::steady(),
        limits: PoolLimits::default(),
        faults: Arc::new(NoFaults),
    });
    let options = StoreOptions { limits: StoreLimits::default(), merge: plan.merge };
    let (store, _) = Store::open(&folder.path().join("store"), options).expect("a store");
    let state = GanymedeState {
        quotas: Arc::new(Quotas::new(&plan.edge.rates)),
        process: process(plan.edge),
        data: Data::new(DataParts { store, fence, orgs: orgs.clone(), states, clock: clock::system() }),
        visits: Visits::new(tokens.clone(), people.clone(), clock::system()),
        people,
        orgs,
        pool,
        routes,
        tokens,
        access_ttl: ACCESS_TTL,
    };
    (state, folder)
}

/// A process of any role, which is well.
pub fn process(edge: EdgeConfig) -> ProcessState {
    let metrics = PrometheusBuilder::new().build_recorder().handle();
    ProcessState { edge: Arc::new(edge), parts: Arc::new(Well), metrics }
}

/// Now, as Ganymede counts time: in milliseconds.
pub fn now_ms() -> u64 {
    clock::unix_ms(SystemTime::now())
}

async fn database(folder: &TempDir) -> Database {
    let url = format!("sqlite:{}", folder.path().join("ganymede.db").display());
    let url: DatabaseUrl = url.parse().expect("a URL of a file");
    Database::open(&url).await.expect("a data base")
}

struct Well;

#[async_trait]
impl Parts for Well {
    async fn parts(&self) -> BTreeMap<&'static str, Part> {
        BTreeMap::from([("edge", Part { status: Status::Ok, detail: "answers".to_owned() })])
    }
}
