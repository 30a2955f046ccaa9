//! `orrery up` and `orrery ganymede`: the control plane, with gateways in the same process or without. Only wiring: what
//! is opened in which order, and closed in the reverse.

use std::{net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use orrery_actors::{Clock, ControlPlane, GatewayConfig, Gateways};
use orrery_ganymede::{
    clock,
    data::{Data, DataParts, States},
    database::Database,
    dns::Dns,
    orgs::Orgs,
    people::People,
    pool::{Fence, NoFaults, Pool, PoolLimits, PoolParts, RemoteHost, Routes},
    state_key::StateKey,
    store::{Store, StoreOptions},
    tokens::TokenKeys,
    visits::Visits,
};
use orrery_protocol::room::RoomConfig;
use orrery_web::{
    metrics,
    rate::Quotas,
    routes,
    server::Listening,
    socket::Sockets,
    state::{EdgeConfig, GanymedeState, GatewayState, ProcessState},
};
use tokio::{
    sync::oneshot,
    task::{AbortHandle, spawn_blocking},
};

use crate::{
    cli::ConfigArgs,
    config::Config,
    containers::Containers,
    data::{DataFolder, Reach},
    embedded::{self, LocalControlPlane, LocalHost},
    logging,
    nginx::{Front, Standing},
    parts::OwnParts,
    process::{self, Signals, announce, raise_open_files},
};

/// Between two looks at leases and at organizations that lost their gateway.
const LOOK_AFTER_EVERY: Duration = Duration::from_millis(500);
/// Between two removals of sessions and keys that are over.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// Between two looks at the signing keys, which `orrery keys rotate` changes under us.
const KEYS_EVERY: Duration = Duration::from_secs(1);

/// What the process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The control plane with gateways in the same process.
    Everything,
    /// The control plane alone.
    Ganymede,
}

pub(crate) fn run(role: Role, args: &ConfigArgs, json: bool) -> anyhow::Result<ExitCode> {
    let config = Config::of_process(args)?;
    logging::init(&config)?;
    raise_open_files();
    process::run(serve(role, config, json))
}

/// The parts of the control plane, opened.
struct Ganymede {
    database: Database,
    store: Store,
    people: People,
    orgs: Orgs,
    routes: Routes,
    tokens: Arc<TokenKeys>,
    data: Data,
    pool: Pool,
    visits: Visits,
}

/// The gateways of this process.
struct Local {
    gateways: Gateways,
    containers: Containers,
    state: GatewayState,
}

async fn serve(role: Role, config: Config, json: bool) -> anyhow::Result<()> {
    let mut signals = Signals::listen()?;
    let folder = DataFolder::open(&config.data)?;
    let listening = Listening::bind(config.listen)?;
    let metrics = metrics::install()?;
    let process = process_state(&config, metrics)?;
    let opening = async {
        let ganymede = Ganymede::open(role, &config, &folder).await?;
        let local = match role {
            Role::Everything => Some(ganymede.open_gateways(&config, listening.address(), &process).await?),
            Role::Ganymede => None,
        };
        ganymede.pool.recover().await?;
        Ok((ganymede, local))
    };
    // What was given up here is found as after a kill, which loses nothing.
    let Some((ganymede, local)) = signals.unless_stopped(opening).await? else { return Ok(()) };
    let standing = Standing::default();
    let process = ProcessState { parts: Arc::new(ganymede.parts(local.as_ref(), standing.clone())), ..process };
    let state = ganymede.state(&config, process);
    let pool = ganymede.pool.clone();
    // Whoever is served again below waits for names.
    let names = tokio::spawn(async move { pool.look_after_names().await });
    let gateway = local.as_ref().map(|local| local.state.clone());
    let server = listening.serve(routes::ganymede(state, gateway));
    if let Some(local) = &local {
        local.containers.open(local.state.clone());
    }

    let reach = Reach { listen: server.address(), domain: config.domain.clone() };
    let front = Front::of_ganymede(&config, reach.near(), &ganymede.routes, &standing)?;
    folder.announce(&reach)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async {
        stopped.await.ok();
    }));
    // What was served when the last process ended is served before anybody is told that we are here. Gateways in other
    // processes answer through the address that is open now.
    let failover = async { Ok(ganymede.pool.failover().await?) };
    let mut kept = vec![names.abort_handle()];
    if signals.unless_stopped(failover).await?.is_some() {
        kept.push(ganymede.look_after());
        kept.extend(local.as_ref().map(|local| clear_leftovers(&local.gateways)));
        tracing::info!(listen = %reach.listen, data = %folder.path().display(), "serving");
        announce(&reach, json)?;
        signals.stopping().await;
    } else {
        signals.stopped();
    }
    ganymede.pool.close();
    drop(stop);
    serving.await.context("the server")?;
    kept.iter().for_each(AbortHandle::abort);
    if let Some(local) = &local {
        local.gateways.shutdown().await;
        local.containers.close().await;
    }
    if let Some(front) = front {
        front.close().await;
    }
    ganymede.close().await?;
    folder.withdraw();
    Ok(())
}

/// What every role has; its parts are told later.
pub(crate) fn process_state(config: &Config, metrics: PrometheusHandle) -> anyhow::Result<ProcessState> {
    let edge = EdgeConfig {
        domain: config.domain.clone(),
        public_url: config.public_url()?,
        limits: config.limits.http.clone(),
        rates: config.limits.rates.clone(),
        trusted_proxies: config.trusted_proxies.clone(),
    };
    Ok(ProcessState { edge: Arc::new(edge), parts: Arc::new(OwnParts::default()), metrics })
}

impl Ganymede {
    async fn open(role: Role, config: &Config, folder: &DataFolder) -> anyhow::Result<Self> {
        let (tokens, state_key) = keys(role, folder)?;
        let database = Database::open(&config.database_url()?).await?;
        let options = StoreOptions { limits: config.store.limits.clone(), merge: Arc::new(embedded::merge) };
        let (path, place) = (folder.path().join("store"), config.store.place()?);
        let opening = spawn_blocking(move || Store::open_at(&path, &place, options));
        let (store, recovery) = opening.await.context("the store")??;
        tracing::info!(
            segments = recovery.segments,
            updates = recovery.records,
            documents = recovery.documents,
            took_ms = recovery.duration.as_millis(),
            "store opened"
        );
        let (people, orgs) = (People::new(database.clone(), &config.passwords)?, Orgs::new(database.clone()));
        let (tokens, clock) = (Arc::new(tokens), clock::system());
        let visits = Visits::new(tokens.clone(), people.clone(), clock.clone());
        let (routes, fence) = (Routes::new(), Fence::new());
        let states = States::new(database.clone(), Arc::new(state_key));
        let data = Data::new(DataParts {
            store: store.clone(),
            fence: fence.clone(),
            orgs: orgs.clone(),
            states: states.clone(),
            clock: clock.clone(),
        });
        let pool = Pool::new(PoolParts {
            database: database.clone(),
            orgs: orgs.clone(),
            states,
            tokens: tokens.clone(),
            routes: routes.clone(),
            fence,
            dns: open_dns(config)?,
            remote: Arc::new(RemoteHost::new(tokens.clone(), clock.clone())?),
            clock,
            steady: clock::steady(),
            limits: pool_limits(config),
            faults: Arc::new(NoFaults),
        });
        Ok(Self { database, store, people, orgs, routes, tokens, data, pool, visits })
    }

    /// Makes this process a gateway with its slots.
    async fn open_gateways(
        &self,
        config: &Config,
        listen: SocketAddr,
        process: &ProcessState,
    ) -> anyhow::Result<Local> {
        let clock = Clock::new();
        let (pool, data, visits) = (self.pool.clone(), self.data.clone(), self.visits.clone());
        let control_plane = Arc::new(LocalControlPlane::new(pool, data, visits));
        let containers = Containers::of(config, listen)?;
        let gateways = Gateways::new(gateway_config(config, control_plane.clone(), clock, &containers));
        let gateway = self.pool.open_local(config.slots, Arc::new(LocalHost(gateways.clone()))).await?;
        control_plane.is_gateway(gateway);
        let sockets = Sockets::new(config.limits.wire.clone(), config.limits.room.peers_max, clock);
        let state = GatewayState {
            process: process.clone(),
            gateway,
            tables: gateways.route_tables().clone(),
            gateways: gateways.clone(),
            sockets,
            verifier: Arc::new(self.tokens.verifying().clone()),
        };
        Ok(Local { gateways, containers, state })
    }

    fn parts(&self, local: Option<&Local>, nginx: Standing) -> OwnParts {
        OwnParts {
            gateways: local.map(|local| local.gateways.clone()),
            store: Some(self.store.clone()),
            database: Some(self.database.clone()),
            pool: Some(self.pool.clone()),
            nginx,
        }
    }

    fn state(&self, config: &Config, process: ProcessState) -> GanymedeState {
        let quotas = Arc::new(Quotas::new(&process.edge.rates));
        GanymedeState {
            process,
            people: self.people.clone(),
            orgs: self.orgs.clone(),
            pool: self.pool.clone(),
            routes: self.routes.clone(),
            data: self.data.clone(),
            tokens: self.tokens.clone(),
            visits: self.visits.clone(),
            access_ttl: Duration::from_secs(config.tokens.access_ttl_s),
            quotas,
        }
    }

    /// Keeps leases, allocations, sessions and keys true until it is aborted.
    fn look_after(&self) -> AbortHandle {
        let (pool, people, tokens) = (self.pool.clone(), self.people.clone(), self.tokens.clone());
        tokio::spawn(async move {
            let sweep = async {
                let mut every = tokio::time::interval(SWEEP_EVERY);
                loop {
                    every.tick().await;
                    if let Err(error) = people.sweep(clock::unix_ms(std::time::SystemTime::now())).await {
                        tracing::error!(%error, "sessions that are over cannot be removed; trying again");
                    }
                }
            };
            tokio::join!(pool.run(LOOK_AFTER_EVERY), sweep, follow_keys(tokens));
        })
        .abort_handle()
    }

    async fn close(self) -> anyhow::Result<()> {
        self.pool.shutdown().await?;
        self.store.close().await.context("the store")?;
        self.database.close().await;
        Ok(())
    }
}

/// Only `orrery up` makes keys by itself.
fn keys(role: Role, folder: &DataFolder) -> anyhow::Result<(TokenKeys, StateKey)> {
    Ok(match role {
        Role::Everything => (TokenKeys::load_or_create(folder.path())?, StateKey::load_or_create(folder.path())?),
        Role::Ganymede => {
            let load = || anyhow::Ok((TokenKeys::load(folder.path())?, StateKey::load(folder.path())?));
            load().context("no keys to sign and seal with; `orrery keys create` makes them")?
        }
    })
}

/// Signs with what is in the key file, as it is now. A file that cannot be read changes nothing.
async fn follow_keys(tokens: Arc<TokenKeys>) {
    let mut every = tokio::time::interval(KEYS_EVERY);
    let mut readable = true;
    loop {
        every.tick().await;
        let tokens = tokens.clone();
        let refreshed = tokio::task::spawn_blocking(move || tokens.refresh().map(|new| new.then(|| tokens.names())));
        match refreshed.await {
            Ok(Ok(None)) => readable = true,
            Ok(Ok(Some(names))) => {
                readable = true;
                tracing::info!(keys = ?names, "the signing keys are others now; the first signs");
            }
            Ok(Err(error)) if readable => {
                readable = false;
                tracing::error!(%error, "the signing keys stay as they are");
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

/// Looks in this process' engine for what was deleted, until it is aborted.
pub(crate) fn clear_leftovers(gateways: &Gateways) -> AbortHandle {
    let gateways = gateways.clone();
    tokio::spawn(async move { gateways.clear_leftovers().await }).abort_handle()
}

/// What all gateways of a process are made with.
pub(crate) fn gateway_config(
    config: &Config,
    control_plane: Arc<dyn ControlPlane>,
    clock: Clock,
    containers: &Containers,
) -> GatewayConfig {
    let limits = &config.limits;
    GatewayConfig {
        room: RoomConfig { wire: limits.wire.clone(), room: limits.room.clone(), clocks: config.clocks.clone() },
        limits: limits.gateway.clone(),
        idle: config.idle.clone(),
        lease: config.lease.clone(),
        slots: config.slots,
        containers: containers.rules.clone(),
        engine: containers.engine.clone(),
        control_plane,
        clock,
    }
}

/// Who is told of host names.
fn open_dns(config: &Config) -> anyhow::Result<Dns> {
    let settings = config.dns()?;
    settings.map_or_else(|| Ok(Dns::none()), |settings| Ok(Dns::open(settings, Arc::new(rand::random))?))
}

fn pool_limits(config: &Config) -> PoolLimits {
    PoolLimits {
        lease: Duration::from_millis(config.pool.lease_ms),
        start_timeout: Duration::from_millis(config.pool.start_timeout_ms),
        stop_timeout: Duration::from_millis(config.pool.stop_timeout_ms),
        ..PoolLimits::default()
    }
}
