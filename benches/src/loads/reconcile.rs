//! Passes of a gateway's reconciler over 500 containers that are all as they should be, on an engine that is none: what one
//! takes, and that it asks the engine for nothing.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tokio::process::Command;

use super::{Outcome, scaled};
use crate::server::Server;

const CONTAINERS: usize = 500;
const PASSES: usize = 1_000;

/// What `actors/examples/reconcile.rs` prints.
#[derive(Deserialize)]
struct Measured {
    time_us: f64,
    cpu_us: f64,
    actions: u64,
    running: usize,
}

pub(crate) async fn run(server: &Server, scale: f64) -> Result<Outcome> {
    let places = server.places();
    let containers = scaled(CONTAINERS, scale);
    let program = places.orrery.with_file_name("examples").join("reconcile");
    let mut command = Command::new("taskset");
    command.arg("-c").arg(places.core.to_string()).arg(&program);
    command.arg(containers.to_string()).arg(scaled(PASSES, scale).to_string());
    command.stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
    let output = command.output().await.context("cannot run taskset")?;
    ensure!(output.status.success(), "{} failed", program.display());
    let measured: Measured = serde_json::from_slice(&output.stdout).context("it printed something else")?;
    let Measured { time_us, cpu_us, actions, running } = measured;
    let fault = (actions > 0 || running != containers).then(|| format!("{actions} actions with {running} containers"));
    Ok(Outcome::of(cpu_us / 1e3).with("time ms", time_us / 1e3).with("actions", actions as f64).fault(fault))
}
