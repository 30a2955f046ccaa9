//! `orrery`, the binary: command line, configuration, wiring. No logic of the domain lives here.
//!
//! Exit codes: 0 fine, 1 failure, 2 wrong usage. Results go to stdout, logs and errors to stderr.

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

mod check;
mod cli;
mod config;
mod containers;
mod data;
mod dns;
mod doctor;
mod embedded;
mod gateway;
mod hosts;
mod keys;
mod logging;
mod modules;
mod nginx;
mod output;
mod parts;
mod pool;
mod porch;
mod process;
mod up;

/// An idle connection costs half of what it does on glibc's allocator: connections come in crowds, and what their
/// handshakes leave behind goes back to the system.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // clap itself ends the process with 2 on wrong usage, and with 0 after --help and --version.
    let cli = Cli::parse();
    let done = match cli.command {
        Command::Up(args) => up::run(up::Role::Everything, &args, cli.json),
        Command::Ganymede(args) => up::run(up::Role::Ganymede, &args, cli.json),
        Command::Gateway(args) => gateway::run(&args, cli.json),
        Command::Pool(args) => pool::run(&args, cli.json),
        Command::Keys(args) => keys::run(&args, cli.json),
        Command::Check(args) => check::run(&args, cli.json),
        Command::Dns(args) => dns::run(&args, cli.json),
        Command::Hosts(args) => hosts::run(&args, cli.json),
        Command::Doctor => doctor::run(cli.json),
    };
    done.unwrap_or_else(|error| {
        output::error(&error);
        ExitCode::FAILURE
    })
}
