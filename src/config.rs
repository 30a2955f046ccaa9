//! The configuration: defaults < file < environment < flags. Owns every key and every rule about its value; the limits
//! themselves are declared where they are checked.

use std::{fmt, fs, net::SocketAddr, path::PathBuf};

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use orrery_ganymede::store::StoreLimits;
use orrery_protocol::limits::{GatewayLimits, RoomClocks, RoomLimits, WireLimits};
use orrery_web::limits::HttpLimits;
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::cli::ConfigArgs;

pub(crate) use environment::Environment;

mod environment;
mod layers;

/// Everything that can be configured, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Address to listen on.
    pub(crate) listen: SocketAddr,
    /// Data folder.
    pub(crate) data: PathBuf,
    /// Domain below which organizations have their host names.
    pub(crate) domain: String,
    /// Gateways that may be live at once.
    pub(crate) slots: u16,
    /// Form of the log lines on stderr.
    pub(crate) log_format: LogFormat,
    /// Which log lines: `tracing` directives, such as `info,orrery_actors=debug`.
    pub(crate) log_filter: String,
    /// Clocks of a room.
    pub(crate) clocks: RoomClocks,
    /// What may be how large.
    pub(crate) limits: Limits,
    /// Sizes and clocks of the embedded store.
    pub(crate) store: StoreLimits,
}

/// The `[limits]` tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) gateway: GatewayLimits,
    pub(crate) http: HttpLimits,
    pub(crate) room: RoomLimits,
    pub(crate) wire: WireLimits,
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// One line for people.
    Text,
    /// One object for machines.
    Json,
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl Config {
    /// The effective configuration of this process.
    pub(crate) fn of_process(args: &ConfigArgs) -> anyhow::Result<Self> {
        Self::load(args, &Environment::of_process()?)
    }

    /// The effective configuration for these flags in this environment.
    pub(crate) fn load(args: &ConfigArgs, environment: &Environment) -> anyhow::Result<Self> {
        let mut table = Table::try_from(Self::defaults(environment)).context("defaults")?;
        if let Some(path) = args.config.as_ref().map_or_else(|| environment.config_file(), |path| Some(path.clone())) {
            let origin = path.display().to_string();
            let text = fs::read_to_string(&path).with_context(|| origin.clone())?;
            let file: Table = text.parse().with_context(|| origin.clone())?;
            layers::merge(&mut table, file, &origin)?;
        }
        for (name, layer) in environment.layers(&table)? {
            layers::merge(&mut table, layer, &name)?;
        }
        layers::merge(&mut table, args.layer(), "flag")?;
        let config: Self = table.try_into().context("configuration")?;
        config.check()?;
        Ok(config)
    }

    fn defaults(environment: &Environment) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7000)),
            data: environment.data_folder(),
            domain: "localhost".to_owned(),
            slots: 3,
            log_format: LogFormat::Text,
            // ractor keeps a span for each actor, which would be entered for each message.
            log_filter: "info,ractor=warn".to_owned(),
            clocks: RoomClocks::default(),
            limits: Limits::default(),
            store: StoreLimits::default(),
        }
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.data.as_os_str().is_empty(), "data: no home folder is known; name a data folder");
        ensure!((1..=1000).contains(&self.slots), "slots: from 1 to 1000");
        check_domain(&self.domain)?;
        layers::check_positive(&Table::try_from(&self.limits)?, "limits")
    }
}

/// Host names are built from the domain and enter other systems' files, so its alphabet is closed. The bound leaves room for
/// the longest container host name within 253 octets.
fn check_domain(domain: &str) -> anyhow::Result<()> {
    let label = |label: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = label.as_bytes();
        let allowed = bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
        allowed && bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last())
    };
    if domain.len() <= 140 && domain.split('.').all(label) {
        return Ok(());
    }
    bail!("domain: {domain:?} is not a host name (labels of a-z, 0-9 and -, at most 140 characters)")
}

#[cfg(test)]
mod tests;
