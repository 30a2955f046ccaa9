//! A pool with gateways that do as they are told, or not.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use orrery_ganymede::{
    data::States,
    database::Database,
    dns::Dns,
    orgs::Orgs,
    people::{NewUser, PasswordHashing, People},
    pool::{
        Allocation, Faults, Fence, GatewayAddress, HostError, Pool, PoolLimits, PoolParts, Registered, Routes,
        SlotHost, SlotReport,
    },
    state_key::StateKey,
    tokens::{GatewayClaims, PoolClaims, TokenKeys},
};
use orrery_protocol::{
    allocation::Step,
    control::{GatewayBrief, Ready, Start, Token},
    id::{Epoch, GatewayId, OrgId, UserId},
};
use tempfile::TempDir;

use crate::support::Scratch;

/// When stories begin: 2026-11-21T18:00:00Z, in unix milliseconds.
const START_MS: u64 = 1_795_284_000_000;

pub(crate) const LEASE: Duration = Duration::from_secs(15);

/// Longer than any story waits for something.
const START_TIMEOUT: Duration = Duration::from_secs(600);

/// One process of Ganymede, and all gateways.
pub(crate) struct World {
    pub(crate) scratch: Scratch,
    pub(crate) orgs: Orgs,
    pub(crate) states: States,
    pub(crate) pool: Pool,
    pub(crate) fence: Fence,
    pub(crate) routes: Routes,
    pub(crate) tokens: Arc<TokenKeys>,
    pub(crate) hosts: Arc<Hosts>,
    pub(crate) faults: Arc<OneFault>,
    pub(crate) clock: Time,
    owner: UserId,
    _keys: Arc<TempDir>,
}

/// Clocks that the story turns.
#[derive(Clone)]
pub(crate) struct Time {
    steady_ms: Arc<AtomicU64>,
    of_day_ms: Arc<AtomicU64>,
}

impl Time {
    fn new() -> Self {
        let at = || Arc::new(AtomicU64::new(START_MS));
        Self { steady_ms: at(), of_day_ms: at() }
    }

    fn read(clock: &AtomicU64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(clock.load(Ordering::SeqCst))
    }

    /// The time of day.
    pub(crate) fn now(&self) -> SystemTime {
        Self::read(&self.of_day_ms)
    }

    pub(crate) fn pass(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap();
        self.steady_ms.fetch_add(ms, Ordering::SeqCst);
        self.of_day_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// Somebody sets the time of day so much later, or earlier.
    pub(crate) fn set(&self, minutes: i64) {
        let now_ms = self.of_day_ms.load(Ordering::SeqCst).checked_add_signed(minutes * 60_000).unwrap();
        self.of_day_ms.store(now_ms, Ordering::SeqCst);
    }
}

/// Makes one step fail, once or always.
#[derive(Default)]
pub(crate) struct OneFault(Mutex<Option<(Step, When)>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Before,
    After,
}

impl OneFault {
    pub(crate) fn set(&self, fault: Option<(Step, When)>) {
        *self.0.lock().unwrap() = fault;
    }

    fn is(&self, step: Step, when: When) -> bool {
        *self.0.lock().unwrap() == Some((step, when))
    }
}

impl Faults for OneFault {
    fn before(&self, step: Step) -> bool {
        self.is(step, When::Before)
    }

    fn after(&self, step: Step) -> bool {
        self.is(step, When::After)
    }
}

/// How a gateway behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Does what it is told.
    Well,
    /// Answers nobody.
    Dead,
    /// Refuses whatever it is told.
    Stubborn,
    /// Says yes and does nothing.
    Lazy,
    /// Does not answer when it is told to stop, or of a change; lives on otherwise.
    Clinging,
    /// Never answers when it is told to start, nor hangs up.
    Slow,
}

/// Plays every gateway.
#[derive(Default)]
pub(crate) struct Hosts {
    pool: OnceLock<Pool>,
    moods: Mutex<HashMap<GatewayId, Mood>>,
    served: Mutex<HashMap<(GatewayId, OrgId), GatewayBrief>>,
    /// Gateways keep handshakes instead of using them.
    holds: AtomicBool,
    /// Handshakes that were given out, in order.
    pub(crate) handshakes: Mutex<Vec<(GatewayId, Token)>>,
    pub(crate) refreshed: Mutex<Vec<OrgId>>,
    /// How often somebody was told to who does not hear.
    pub(crate) unheard: AtomicU64,
}

impl Hosts {
    pub(crate) fn set_mood(&self, gateway: GatewayId, mood: Mood) {
        self.moods.lock().unwrap().insert(gateway, mood);
    }

    /// Whether gateways keep the handshakes that they are given instead of using them.
    pub(crate) fn hold_handshakes(&self, hold: bool) {
        self.holds.store(hold, Ordering::SeqCst);
    }

    fn mood(&self, gateway: GatewayId) -> Mood {
        self.moods.lock().unwrap().get(&gateway).copied().unwrap_or(Mood::Well)
    }

    /// What a gateway was told of the organization that it serves.
    pub(crate) fn brief(&self, gateway: GatewayId, org: OrgId) -> Option<GatewayBrief> {
        self.served.lock().unwrap().get(&(gateway, org)).cloned()
    }

    /// How many gateways serve the organization, whatever the pool thinks.
    pub(crate) fn serving(&self, org: OrgId) -> usize {
        self.served.lock().unwrap().keys().filter(|(_, served)| *served == org).count()
    }
}

#[async_trait]
impl SlotHost for Hosts {
    async fn start(&self, gateway: &GatewayAddress, _epoch: Epoch, start: Start) -> Result<(), HostError> {
        let gateway = gateway.gateway();
        match self.mood(gateway) {
            Mood::Dead => return Err(HostError::Unreachable("dead".to_owned())),
            Mood::Stubborn => return Err(HostError::Refused("stubborn".to_owned())),
            Mood::Lazy => return Ok(()),
            Mood::Well | Mood::Clinging | Mood::Slow => {}
        }
        self.handshakes.lock().unwrap().push((gateway, start.handshake.clone()));
        if self.mood(gateway) == Mood::Slow {
            return std::future::pending().await;
        }
        if self.holds.load(Ordering::SeqCst) {
            return Ok(());
        }
        let brief = self.pool.get().unwrap().handshake(gateway, &start.handshake.0).await;
        let brief = brief.map_err(|error| HostError::Refused(error.to_string()))?;
        self.served.lock().unwrap().insert((gateway, start.organization_id), brief);
        Ok(())
    }

    async fn stop(&self, gateway: &GatewayAddress, organization_id: OrgId, epoch: Epoch) -> Result<(), HostError> {
        let gateway = gateway.gateway();
        match self.mood(gateway) {
            Mood::Dead | Mood::Clinging => return Err(HostError::Unreachable("no answer".to_owned())),
            Mood::Stubborn => return Err(HostError::Refused("stubborn".to_owned())),
            Mood::Well | Mood::Lazy | Mood::Slow => {}
        }
        let mut served = self.served.lock().unwrap();
        if served.get(&(gateway, organization_id)).is_some_and(|brief| brief.epoch == epoch) {
            served.remove(&(gateway, organization_id));
        }
        Ok(())
    }

    async fn refresh(&self, gateway: &GatewayAddress, organization_id: OrgId, _: Epoch) -> Result<(), HostError> {
        match self.mood(gateway.gateway()) {
            Mood::Dead => {
                self.unheard.fetch_add(1, Ordering::SeqCst);
                return Err(HostError::Unreachable("dead".to_owned()));
            }
            Mood::Clinging => {
                self.unheard.fetch_add(1, Ordering::SeqCst);
                return std::future::pending().await;
            }
            Mood::Well | Mood::Stubborn | Mood::Lazy | Mood::Slow => {}
        }
        self.refreshed.lock().unwrap().push(organization_id);
        Ok(())
    }
}

impl World {
    /// Nobody but an administrator, and no gateway.
    pub(crate) async fn new(scratch: Scratch) -> Self {
        Self::with_names(scratch, Dns::none()).await
    }

    /// The same, where a name server is told of host names.
    pub(crate) async fn with_names(scratch: Scratch, dns: Dns) -> Self {
        let keys = Arc::new(tempfile::tempdir().unwrap());
        let people = People::new(scratch.database.clone(), &quick()).unwrap();
        let password = "correct horse battery staple".to_owned();
        let new = NewUser { email: "alice@example.com".to_owned(), password, name: "Alice".to_owned() };
        let owner = people.sign_up(START_MS, new).await.unwrap().id;
        Self::process(scratch, keys, owner, Time::new(), Arc::default(), dns)
    }

    fn process(
        scratch: Scratch,
        keys: Arc<TempDir>,
        owner: UserId,
        clock: Time,
        faults: Arc<OneFault>,
        dns: Dns,
    ) -> Self {
        let tokens = Arc::new(TokenKeys::load_or_create(keys.path()).unwrap());
        let state_key = Arc::new(StateKey::load_or_create(keys.path()).unwrap());
        let (fence, routes) = (Fence::new(), Routes::new());
        let hosts = Arc::new(Hosts::default());
        let orgs = Orgs::new(scratch.database.clone());
        let states = States::new(scratch.database.clone(), state_key);
        let (of_day, steady) = (clock.clone(), clock.steady_ms.clone());
        let pool = Pool::new(PoolParts {
            database: scratch.database.clone(),
            orgs: orgs.clone(),
            states: states.clone(),
            tokens: Arc::clone(&tokens),
            routes: routes.clone(),
            fence: fence.clone(),
            dns,
            remote: Arc::clone(&hosts) as Arc<dyn SlotHost>,
            clock: Arc::new(move || of_day.now()),
            steady: Arc::new(move || Time::read(&steady)),
            limits: PoolLimits { lease: LEASE, start_timeout: START_TIMEOUT, ..PoolLimits::default() },
            faults: Arc::clone(&faults) as Arc<dyn Faults>,
        });
        hosts.pool.set(pool.clone()).ok().unwrap();
        Self { scratch, orgs, states, pool, fence, routes, tokens, hosts, faults, clock, owner, _keys: keys }
    }

    /// The process ends without a word, and another one begins with the same data base and keys. Gateways in other processes
    /// keep what they serve.
    pub(crate) async fn killed_and_restarted(self) -> Self {
        let Self { mut scratch, clock, owner, _keys: keys, hosts, .. } = self;
        // A new connection: nothing of the old process is left.
        scratch.database.close().await;
        scratch.database = Database::open(&scratch.url).await.unwrap();
        let next = Self::process(scratch, keys, owner, clock, Arc::default(), Dns::none());
        *next.hosts.served.lock().unwrap() = std::mem::take(&mut hosts.served.lock().unwrap());
        next
    }

    pub(crate) async fn org(&self) -> OrgId {
        self.orgs.create(START_MS, self.owner, "Moons").await.unwrap().id
    }

    /// The user who owns every organization here.
    pub(crate) fn owner(&self) -> UserId {
        self.owner
    }

    /// A gateway process with so many slots, in the pool.
    pub(crate) async fn gateway(&self, slots: u16) -> Registered {
        let registered = self.pool.register().await.unwrap();
        self.announce(&registered, slots).await;
        registered
    }

    pub(crate) async fn announce(&self, registered: &Registered, slots: u16) {
        let Registered { gateway, port, .. } = *registered;
        let ready = Ready { gateway_id: gateway, slots, listen: format!("127.0.0.1:{port}") };
        self.pool.announce(&PoolClaims { gateway }, &ready).await.unwrap();
    }

    /// What the gateway of an allocation shows.
    pub(crate) fn claims(&self, allocation: &Allocation) -> GatewayClaims {
        let Allocation { organization_id: org, gateway, epoch, .. } = *allocation;
        let brief = self.hosts.brief(gateway, org).unwrap();
        let claims = self.tokens.verifying().gateway(&brief.gateway_token.0, self.clock.now()).unwrap();
        assert_eq!(claims, GatewayClaims { gateway, org, epoch });
        claims
    }

    /// Everything that can be seen of pool and routes.
    pub(crate) async fn picture(&self, orgs: &[OrgId]) -> Picture {
        let routes = orgs.iter().map(|org| format!("{:?}", self.routes.get(*org))).collect();
        Picture { slots: self.pool.slots().await.unwrap(), routes }
    }

    /// One pass of the reaper and of failover.
    pub(crate) async fn pass(&self) {
        self.pool.reap().await.unwrap();
        self.pool.failover().await.unwrap();
    }
}

/// What was, to be compared with what is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) slots: Vec<SlotReport>,
    pub(crate) routes: Vec<String>,
}

/// The weakest hashes there are: these tests are about everything else.
fn quick() -> PasswordHashing {
    PasswordHashing { memory_kib: 8, iterations: 1, ..PasswordHashing::default() }
}
