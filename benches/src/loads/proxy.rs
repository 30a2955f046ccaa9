//! Requests through the front door to a container on a real Docker, and through nginx to the same container, turn and turn
//! about: what a request costs either, beside the other. Who asks shows a visit, as browsers do; nginx asks nobody who they are.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;

use super::reader::p50_p99;
use super::{Outcome, scaled};
use crate::containers::{self, Commands, Container};
use crate::http::{self, Connection};
use crate::nginx::Nginx;
use crate::server::Server;
use crate::stats::{median, ms, us_each};
use crate::upstream;

const CONNECTIONS: usize = 16;
const ROUNDS: usize = 5;
/// In each round, through either.
const REQUESTS_SMALL: usize = 20_000;
const REQUESTS_LARGE: usize = 5_000;

/// How long the answers are.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Body {
    Small,
    /// 64 KiB.
    Large,
}

/// What both proxies are in front of.
pub(super) struct Behind {
    pub(super) container: Container,
    pub(super) nginx: Nginx,
}

/// What one round gave.
struct Round {
    cpu_us: f64,
    per_second: f64,
    latencies_ms: Vec<f64>,
}

pub(crate) async fn run(server: &Server, scale: f64, body: Body) -> Result<Outcome> {
    let behind = Behind::start(server).await?;
    let (path, requests) = match body {
        Body::Small => (upstream::SMALL_PATH, scaled(REQUESTS_SMALL, scale)),
        Body::Large => (upstream::LARGE_PATH, scaled(REQUESTS_LARGE, scale)),
    };
    let ask = |headers: String| http::prepare("GET", path, &headers, None);
    let (visit, bearer) = (ask(behind.container.visit(server).await?), ask(behind.container.bearer(server)?));
    let expected = upstream::body(path);
    let through_us =
        async |request: &[u8]| round(server.address(), request, &expected, requests, || server.cpu()).await;
    let nginx = behind.nginx.address();
    let through_nginx = async || round(nginx, &visit, &expected, requests, || behind.nginx.cpu()).await;

    // Not measured: both warm up.
    through_us(&visit).await?;
    through_nginx().await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(through_us(&visit).await?);
        theirs.push(through_nginx().await?);
    }
    let with_token = through_us(&bearer).await?;
    behind.nginx.stop().await?;
    let outcome = beside(&ours, &theirs)?;
    Ok(outcome.with("CPU us with an access token", with_token.cpu_us))
}

impl Behind {
    /// A container that answers at once, kept on the load's core, and nginx in front of it on the server's.
    pub(super) async fn start(server: &Server) -> Result<Self> {
        let program = std::env::current_exe()?;
        containers::build("benches/image/build.sh", &[program.to_str().context("an odd path")?])?;
        let places = server.places();
        let mut commands = Commands::open(server).await?;
        let container = commands.create("Upstream", "bench:upstream").await?;
        commands.until_running(&container).await?;
        container.until_served(server).await?;
        container.pin_to(places.load_core)?;
        let upstream = format!("{}:8080", container.address()?);
        Ok(Self { container, nginx: Nginx::start(&upstream, places.core, server.folder()).await? })
    }
}

/// So many requests over all connections, each after the answer to the one before it.
async fn round(
    address: SocketAddr,
    request: &[u8],
    expected: &[u8],
    requests: usize,
    cpu: impl Fn() -> Result<Duration>,
) -> Result<Round> {
    let mut connections = try_join_all((0..CONNECTIONS).map(|_| Connection::open(address))).await?;
    let latencies = RefCell::new(Vec::with_capacity(requests));
    let each = requests.div_ceil(CONNECTIONS);
    let (before, began) = (cpu()?, Instant::now());
    try_join_all(connections.iter_mut().map(|connection| ask_often(connection, request, expected, each, &latencies)))
        .await?;
    let (cpu, took) = (cpu()? - before, began.elapsed());
    let asked = each * CONNECTIONS;
    Ok(Round {
        cpu_us: us_each(cpu, asked as u64),
        per_second: asked as f64 / took.as_secs_f64(),
        latencies_ms: latencies.into_inner(),
    })
}

async fn ask_often(
    connection: &mut Connection,
    request: &[u8],
    expected: &[u8],
    times: usize,
    latencies_ms: &RefCell<Vec<f64>>,
) -> Result<()> {
    for _ in 0..times {
        let asked = Instant::now();
        let answer = connection.ask(request).await?;
        ensure!(answer.status == 200 && answer.body == expected, "answered {} with something else", answer.status);
        latencies_ms.borrow_mut().push(ms(asked.elapsed()));
    }
    Ok(())
}

/// Rounds that were taken in turn, beside each other.
fn beside(ours: &[Round], theirs: &[Round]) -> Result<Outcome> {
    let of = |rounds: &[Round], value: fn(&Round) -> f64| median(&mut rounds.iter().map(value).collect::<Vec<_>>());
    let p99 =
        |rounds: &[Round]| p50_p99(rounds.iter().flat_map(|round| round.latencies_ms.iter().copied()).collect()).1;
    let mut ratios: Vec<_> = ours.iter().zip(theirs).map(|(ours, theirs)| ours.cpu_us / theirs.cpu_us).collect();
    Ok(Outcome::of(median(&mut ratios).context("no rounds")?)
        .with("CPU us", of(ours, |round| round.cpu_us))
        .with("nginx CPU us", of(theirs, |round| round.cpu_us))
        .with("requests per second", of(ours, |round| round.per_second))
        .with("nginx requests per second", of(theirs, |round| round.per_second))
        .with("p99 ms", p99(ours))
        .with("nginx p99 ms", p99(theirs)))
}
