//! The command line. Owns names and help texts; what a flag means is in the configuration.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand};
use orrery_protocol::id::GatewayId;
use toml::{Table, Value};

use crate::config::LogFormat;

/// A self-hosted collaborative workspace in one binary.
#[derive(Debug, Parser)]
#[command(name = "orrery", version, about, propagate_version = true)]
pub(crate) struct Cli {
    /// Print results as JSON.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process, with its data on this machine.
    Up(ConfigArgs),
    /// Run the control plane alone: accounts, allocation, durable storage. Gateways announce themselves.
    Ganymede(ConfigArgs),
    /// Run gateways alone, for a control plane elsewhere.
    Gateway(ConfigArgs),
    /// Look at the gateway pool and change it, through the control plane.
    Pool(PoolArgs),
    /// The keys of a data folder: what signs tokens and what seals the state of gateways.
    Keys(KeysArgs),
    /// Print the effective configuration and test every dependency it names.
    Check(ConfigArgs),
    /// The name server's zone for public host names.
    Dns(DnsArgs),
    /// Lines for the hosts file of a machine that does not resolve this installation's host names.
    Hosts(HostsArgs),
    /// Say what is installed on this machine and what to do about the rest.
    Doctor,
}

/// Flags that win over the configuration file and the environment.
#[derive(Debug, Default, Args)]
pub(crate) struct ConfigArgs {
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Address to listen on [default: 127.0.0.1:7000].
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Data folder [default: the platform's].
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Domain below which organizations have their host names [default: localhost].
    #[arg(long)]
    domain: Option<String>,
    /// Gateways that may be live at once [default: 3].
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=1000))]
    slots: Option<u16>,
    /// Form of the log lines on stderr [default: text].
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
}

impl ConfigArgs {
    /// The flags that were given, as a layer of the configuration.
    pub(crate) fn layer(&self) -> Table {
        let given = [
            ("listen", self.listen.map(|listen| Value::String(listen.to_string()))),
            ("data", self.data.clone().map(Value::String)),
            ("domain", self.domain.clone().map(Value::String)),
            ("slots", self.slots.map(|slots| Value::Integer(slots.into()))),
            ("log_format", self.log_format.map(|format| Value::String(format.to_string()))),
        ];
        given.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
    }
}

#[derive(Debug, Args)]
pub(crate) struct PoolArgs {
    #[command(subcommand)]
    pub(crate) command: PoolCommand,
    /// The control plane [default: the one that serves from the data folder].
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) server: Option<String>,
    /// An administrator's API key [default: the data folder's own keys open its control plane].
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PoolCommand {
    /// Start this many gateway processes on this machine, as containers if the configuration names an image.
    Create {
        /// How many.
        #[arg(value_parser = clap::value_parser!(u16).range(1..=100))]
        count: u16,
    },
    /// Every slot: its state, and which organization it serves.
    List,
    /// How many slots are in which state.
    Status,
    /// Move what a slot serves to another one.
    Drain {
        /// The slot's number, as `list` prints it.
        slot: u32,
    },
    /// Take a gateway process out of the pool for good. One that is a container is ended first, and hands on what it serves.
    Remove {
        /// As `create` and `list --json` print it.
        gateway: GatewayId,
    },
}

#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make the keys of a data folder that has none.
    Create,
    /// Sign with a new key; a process that runs notices by itself. Tokens of the old ones stay valid until they expire.
    Rotate,
    /// The names of the signing keys, the one that signs first.
    List,
}

#[derive(Debug, Args)]
pub(crate) struct DnsArgs {
    #[command(subcommand)]
    pub(crate) command: DnsCommand,
    /// Configuration file (TOML).
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum DnsCommand {
    /// Make the zone, and the names of the installation in it. Run again it changes nothing.
    Setup,
}

impl DnsArgs {
    /// The configuration flags among them.
    pub(crate) fn config_args(&self) -> ConfigArgs {
        ConfigArgs { config: self.config.clone(), ..ConfigArgs::default() }
    }
}

#[derive(Debug, Args)]
pub(crate) struct HostsArgs {
    /// URLs or host names of containers, as the board shows them.
    #[arg(value_name = "URL")]
    pub(crate) urls: Vec<String>,
    /// Where all of them lead [default: dns.address, or the address to listen on].
    #[arg(long, value_name = "IP")]
    pub(crate) address: Option<IpAddr>,
    /// Domain below which organizations have their host names [default: localhost].
    #[arg(long)]
    domain: Option<String>,
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl HostsArgs {
    /// The configuration flags among them.
    pub(crate) fn config_args(&self) -> ConfigArgs {
        ConfigArgs { config: self.config.clone(), domain: self.domain.clone(), ..ConfigArgs::default() }
    }
}

/// Which data folder.
#[derive(Debug, Args)]
struct Place {
    /// Data folder [default: the platform's].
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<String>,
    /// Configuration file (TOML).
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Place {
    fn config_args(&self) -> ConfigArgs {
        ConfigArgs { config: self.config.clone(), data: self.data.clone(), ..ConfigArgs::default() }
    }
}

impl PoolArgs {
    /// The configuration flags among them.
    pub(crate) fn config_args(&self) -> ConfigArgs {
        self.place.config_args()
    }
}

impl KeysArgs {
    /// The configuration flags among them.
    pub(crate) fn config_args(&self) -> ConfigArgs {
        self.place.config_args()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
