//! `orrery up`: everything in one process. Only wiring: what is opened in which order, and closed in the reverse.

use std::{
    process::{self, ExitCode},
    sync::Arc,
};

use anyhow::Context;
use orrery_actors::{Clock, GatewayConfig, Gateways};
use orrery_ganymede::{
    store::{Store, StoreOptions},
    tokens::TokenKeys,
};
use orrery_protocol::room::RoomConfig;
use orrery_web::{
    metrics, routes,
    server::Server,
    socket::Sockets,
    state::{AppState, EdgeConfig},
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
};

use crate::{
    cli::ConfigArgs,
    config::Config,
    data::{DataFolder, Reach},
    embedded::{self, OwnParts, StoreJournal},
    logging, output,
};

#[derive(Serialize)]
struct Started {
    url: String,
}

pub(crate) fn run(args: &ConfigArgs, json: bool) -> anyhow::Result<ExitCode> {
    let config = Config::of_process(args)?;
    logging::init(&config)?;
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(config, json))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(config: Config, json: bool) -> anyhow::Result<()> {
    let data = DataFolder::open(&config.data)?;
    let tokens = Arc::new(TokenKeys::load_or_create(data.path())?);
    data.first_or_create()?;
    let metrics = metrics::install()?;
    let options = StoreOptions { limits: config.store.clone(), merge: Arc::new(embedded::merge) };
    let (store, recovery) = Store::open(&data.path().join("store"), options)?;
    tracing::info!(
        segments = recovery.segments,
        updates = recovery.records,
        documents = recovery.documents,
        took_ms = recovery.duration.as_millis(),
        "store opened"
    );
    let clock = Clock::new();
    let gateways = gateways(&config, &store, clock);
    let peers_max = config.limits.room.peers_max;
    let sockets = Sockets::new(gateways.clone(), config.limits.wire.clone(), peers_max, clock);
    let edge = EdgeConfig { domain: config.domain.clone(), limits: config.limits.http.clone() };
    let parts = Arc::new(OwnParts { store: store.clone(), gateways: gateways.clone() });
    let state = AppState { tokens, sockets, edge: Arc::new(edge), parts, metrics };
    // Until here a signal ends the process at once, which loses nothing.
    let mut signals = Signals::listen()?;
    let server = Server::bind(config.listen, routes::site(state))?;

    let reach = Reach { listen: server.address(), domain: config.domain };
    data.announce(&reach)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async {
        stopped.await.ok();
    }));
    tracing::info!(listen = %reach.listen, data = %data.path().display(), "serving");
    announce(&reach, json)?;

    signals.next().await;
    tracing::info!("stopping");
    tokio::spawn(async move {
        signals.next().await;
        tracing::error!("stopped before everything was flushed");
        process::exit(1);
    });
    drop(stop);
    serving.await.context("the server")?;
    gateways.shutdown().await;
    store.close().await.context("the store")?;
    data.withdraw();
    Ok(())
}

fn gateways(config: &Config, store: &Store, clock: Clock) -> Gateways {
    let limits = &config.limits;
    let room = RoomConfig { wire: limits.wire.clone(), room: limits.room.clone(), clocks: config.clocks.clone() };
    let journal = Arc::new(StoreJournal(store.clone()));
    Gateways::new(GatewayConfig { room, limits: limits.gateway.clone(), journal, clock })
}

/// The last line of the start-up; as JSON it is one line too.
fn announce(reach: &Reach, json: bool) -> anyhow::Result<()> {
    let url = reach.url();
    if json {
        output::line(serde_json::to_string(&Started { url })?);
    } else {
        output::line(url);
    }
    Ok(())
}

/// What asks us to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// One descriptor per peer: the usual soft limit of 1,024 is far below what one process can serve.
fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::warn!(%error, ?current, "the limit of open files stays");
    }
}
