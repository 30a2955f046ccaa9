//! Loads and measurements of Orrery beside its peers: one file per target in [`loads`], one table at the end.
//!
//! The load runs in this process, on one thread and one core, without threads of its own; each server runs as a process
//! on another core. `benches/README.md` says how to read the table.

mod client;
mod containers;
mod floor;
mod framing;
mod http;
mod loads;
mod nginx;
mod process;
mod reach;
mod report;
mod runner;
mod script;
mod server;
mod soak;
mod stats;
mod upstream;
mod websocket;
mod wire;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::runner::Plan;

#[derive(Parser)]
#[command(version, about = "Loads Orrery and its peers, and prints what each costs")]
struct Cli {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs loads on servers and prints the table.
    Run(Plan),
    /// Watches our server under steady use for a long time.
    Soak(soak::Plan),
    /// Serves the bare relay that stands for the kernel's cost.
    Floor {
        /// Port on this host.
        #[arg(long)]
        port: u16,
    },
    /// Serves what stands behind a proxy that is measured.
    Upstream {
        /// Port, on every interface.
        #[arg(long)]
        port: u16,
    },
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    match Cli::parse().command {
        Verb::Run(plan) => {
            pin_to(plan.load_core)?;
            local.block_on(&runtime, runner::run(plan))
        }
        Verb::Soak(plan) => {
            pin_to(plan.load_core)?;
            local.block_on(&runtime, soak::run(plan))
        }
        Verb::Floor { port } => local.block_on(&runtime, floor::serve(port)),
        Verb::Upstream { port } => local.block_on(&runtime, upstream::serve(port)),
    }
}

/// Keeps the load off the servers' core.
fn pin_to(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core)?;
    sched_setaffinity(Pid::from_raw(0), &cores).context("cannot pin the load to its core")
}
