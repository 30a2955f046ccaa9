//! Runs every load on every server, several times over, interleaved, each on a fresh process.

use std::io::Write as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum as _};

use crate::loads::{Load, Outcome};
use crate::report::Report;
use crate::server::{Kind, Places, Server};

/// No load takes longer than this, whatever its server does.
const LOAD_DEADLINE: Duration = Duration::from_secs(180);

/// What to run, and where.
#[derive(Args)]
pub(crate) struct Plan {
    /// Loads to run; all of them if none is named.
    #[arg(long, value_delimiter = ',')]
    loads: Vec<Load>,
    /// Servers to run them on; every one that is installed if none is named.
    #[arg(long, value_delimiter = ',')]
    servers: Vec<Kind>,
    /// How often each pair is run; the table shows medians.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Part of the full load, for a quick look. Figures of different scales must not be compared.
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// Core of the servers.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// Core of the load.
    #[arg(long, default_value_t = 1)]
    pub(crate) load_core: usize,
    /// Folder with the peers' servers.
    #[arg(long, default_value = "benches/peers")]
    peers: PathBuf,
    /// Our server's binary.
    #[arg(long, default_value = "target/release/orrery")]
    orrery: PathBuf,
    /// Folder for data and logs of the servers; on the disk that the durable load shall be measured on.
    #[arg(long, default_value = "target/bench")]
    data: PathBuf,
    /// Also writes every figure of every run to this file, as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Runs the plan and prints the report on stdout; progress goes to stderr.
pub(crate) async fn run(plan: Plan) -> Result<()> {
    ensure!((0.001..=1.0).contains(&plan.scale), "the scale is above 0 and at most 1");
    ensure!(plan.server_core != plan.load_core, "the load must not share the servers' core");
    std::fs::create_dir_all(&plan.data).context("cannot make the data folder")?;
    let places = Rc::new(Places {
        peers: plan.peers.clone(),
        orrery: plan.orrery.clone(),
        data: plan.data.clone(),
        core: plan.server_core,
        load_core: plan.load_core,
    });
    let loads = if plan.loads.is_empty() { Load::value_variants().to_vec() } else { plan.loads.clone() };
    let wanted = if plan.servers.is_empty() { Kind::value_variants().to_vec() } else { plan.servers.clone() };
    let (servers, absent): (Vec<_>, Vec<_>) = wanted.into_iter().partition(|kind| places.program(*kind).is_some());

    let mut report = Report::new(plan.runs, plan.scale, absent.iter().map(|kind| kind.name()).collect());
    for run in 0..plan.runs {
        for &load in &loads {
            for &kind in servers.iter().filter(|kind| load.applies_to(**kind)) {
                let outcome = measure(load, kind, &places, plan.scale).await;
                let mut progress = std::io::stderr().lock();
                writeln!(progress, "run {} {:<16} {:<12} {outcome}", run + 1, load.name(), kind.name())?;
                report.add(load, kind, outcome);
            }
        }
    }
    write!(std::io::stdout().lock(), "{report}")?;
    if let Some(path) = &plan.json {
        std::fs::write(path, report.json()?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// One load on one fresh server. What goes wrong is the outcome, not an error: it belongs in the table.
async fn measure(load: Load, kind: Kind, places: &Rc<Places>, scale: f64) -> Outcome {
    let server = match Server::start(kind, load.engine(), places).await {
        Ok(server) => server,
        Err(error) => return Outcome::failed(format!("does not start: {error:#}")),
    };
    let outcome = match tokio::time::timeout(LOAD_DEADLINE, load.run(&server, scale)).await {
        Ok(Ok(outcome)) => outcome.with("resident MB", server.resident_kib().ok().map(|kib| kib as f64 / 1_024.0)),
        Ok(Err(error)) => Outcome::failed(format!("{error:#}")),
        Err(_) => Outcome::failed(format!("did not end within {LOAD_DEADLINE:?}")),
    };
    match server.stop().await {
        Ok(()) => outcome,
        Err(error) => Outcome::failed(format!("{error:#}")),
    }
}
