//! `orrery gateway`: organizations' gateways in a process of their own, for a control plane elsewhere. Only wiring.

use std::{
    process::ExitCode,
    sync::Arc,
    time::{Duration, SystemTime},
};

use anyhow::{Context, ensure};
use orrery_actors::{Clock, Gateways, RemoteControlPlane, RemoteOptions};
use orrery_ganymede::tokens::{Follower, PublishedKeys, VerifyingKeys};
use orrery_protocol::control::{Ready, Token};
use orrery_web::{
    metrics, routes,
    server::Listening,
    socket::Sockets,
    state::{GatewayState, ProcessState},
};
use tokio::{sync::oneshot, time::sleep};

use crate::{
    cli::ConfigArgs,
    config::Config,
    containers::Containers,
    data::Reach,
    logging,
    nginx::{Front, Standing},
    parts::OwnParts,
    process::{self, Signals, announce, raise_open_files},
    up::{clear_leftovers, gateway_config, process_state},
};

/// Between two attempts to reach the control plane when the process starts.
const RETRY_EVERY: Duration = Duration::from_secs(1);
/// Between two announcements. The control plane takes a gateway that it has not heard of for longer as lost.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(3);

pub(crate) fn run(args: &ConfigArgs, json: bool) -> anyhow::Result<ExitCode> {
    let config = Config::of_process(args)?;
    logging::init(&config)?;
    raise_open_files();
    process::run(serve(config, json))
}

async fn serve(config: Config, json: bool) -> anyhow::Result<()> {
    let role = &config.gateway;
    ensure!(!role.ganymede_url.is_empty(), "gateway.ganymede_url: say where the control plane is");
    ensure!(
        !role.token.expose().is_empty(),
        "gateway.token: `orrery pool create` or POST /api/pool/gateways gives one"
    );
    let mut signals = Signals::listen()?;
    let listening = Listening::bind(config.listen)?;
    let containers = Containers::of(&config, listening.address())?;
    let metrics = metrics::install()?;
    let keys = verifying_keys(&role.ganymede_url);
    let Some((verifier, follower)) = signals.unless_stopped(keys).await? else { return Ok(()) };
    let claims = verifier.pool(role.token.expose(), SystemTime::now()).context("gateway.token")?;
    let control_plane = Arc::new(RemoteControlPlane::new(RemoteOptions {
        url: role.ganymede_url.clone(),
        gateway: claims.gateway,
        pool_token: Token(role.token.expose().to_owned()),
    })?);
    let clock = Clock::new();
    let gateways = Gateways::new(gateway_config(&config, control_plane.clone(), clock, &containers));
    let standing = Standing::default();
    let parts = OwnParts { gateways: Some(gateways.clone()), nginx: standing.clone(), ..OwnParts::default() };
    let state = GatewayState {
        process: ProcessState { parts: Arc::new(parts), ..process_state(&config, metrics)? },
        gateway: claims.gateway,
        tables: gateways.route_tables().clone(),
        gateways: gateways.clone(),
        sockets: Sockets::new(config.limits.wire.clone(), config.limits.room.peers_max, clock),
        verifier: Arc::new(verifier),
    };
    containers.open(state.clone());
    let server = listening.serve(routes::gateway(state));
    let reach = Reach { listen: server.address(), domain: config.domain.clone() };
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.run(async {
        stopped.await.ok();
    }));
    let front = Front::of_gateways(&config, reach.near(), gateways.route_tables(), &standing)?;
    let advertised = if role.advertise.is_empty() { reach.near().to_string() } else { role.advertise.clone() };
    let ready = Ready { gateway_id: claims.gateway, slots: config.slots, listen: advertised };
    let following = tokio::spawn(follower.run());
    let announcing = tokio::spawn(async move {
        // Where nginx is announced, nobody answers before it does.
        standing.first_followed().await;
        announce_again_and_again(control_plane, ready).await;
    });
    let leftovers = clear_leftovers(&gateways);
    tracing::info!(listen = %reach.listen, gateway = %claims.gateway, slots = config.slots, "serving");
    announce(&reach, json)?;

    signals.stopping().await;
    leftovers.abort();
    announcing.abort();
    following.abort();
    drop(stop);
    serving.await.context("the server")?;
    gateways.shutdown().await;
    containers.close().await;
    if let Some(front) = front {
        front.close().await;
    }
    Ok(())
}

/// A control plane that was restarted, or had given this process up, learns that its slots can be allocated.
async fn announce_again_and_again(control_plane: Arc<RemoteControlPlane>, ready: Ready) {
    let mut reached = false;
    loop {
        match control_plane.announce(&ready).await {
            Ok(()) => {
                if !reached {
                    tracing::info!("announced at the control plane");
                }
                reached = true;
            }
            Err(error) => {
                tracing::warn!(%error, "the control plane was not told that this gateway is ready");
                reached = false;
            }
        }
        sleep(ANNOUNCE_EVERY).await;
    }
}

/// The public keys of the control plane, once it answers, and what keeps them true.
async fn verifying_keys(url: &str) -> anyhow::Result<(VerifyingKeys, Follower)> {
    let source = Arc::new(PublishedKeys::at(url)?);
    loop {
        match Follower::start(source.clone()).await {
            Ok(started) => return Ok(started),
            Err(error) => tracing::warn!(%error, "the control plane does not answer yet"),
        }
        sleep(RETRY_EVERY).await;
    }
}
