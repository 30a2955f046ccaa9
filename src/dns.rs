//! `orrery dns`: the zone that host names are in.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use orrery_ganymede::dns::{PowerDns, set_up};

use crate::{
    cli::{DnsArgs, DnsCommand},
    config::Config,
    output,
};

pub(crate) fn run(args: &DnsArgs, json: bool) -> anyhow::Result<ExitCode> {
    let config = Config::of_process(&args.config_args())?;
    match args.command {
        DnsCommand::Setup => setup(&config, json),
    }
}

/// Makes the zone and the installation's own names in it.
fn setup(config: &Config, json: bool) -> anyhow::Result<ExitCode> {
    let settings = config.dns()?.context("dns.url (DNS_SERVER_URL): must be set; there is no name server to set up")?;
    let server = PowerDns::new(&settings, Arc::new(rand::random))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(set_up(&server, &settings.zone))?;
    if json {
        output::json(&done)?;
        return Ok(ExitCode::SUCCESS);
    }
    if done.zone_created {
        output::line(format_args!("zone {} made", settings.zone.name()));
    }
    for name in &done.names {
        output::line(format_args!("{name} leads to {}", config.dns.address));
    }
    if !done.zone_created && done.names.is_empty() {
        output::line(format_args!("zone {} is as it should be; nothing was changed", settings.zone.name()));
    }
    Ok(ExitCode::SUCCESS)
}
