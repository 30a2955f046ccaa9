//! The command line. Owns names and help texts; what a flag means is in the configuration.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use orrery_protocol::{
    access::Role,
    id::{OrgId, ProjectId, UserId},
};
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
    /// Sign an access token with this data folder's key, and print a client that uses it.
    Token(TokenArgs),
    /// Print the effective configuration and test every dependency it names.
    Check(ConfigArgs),
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
pub(crate) struct TokenArgs {
    /// Organization [default: the first one of this data folder].
    #[arg(long, value_name = "UUID")]
    pub(crate) org: Option<OrgId>,
    /// Project [default: the first one of this data folder].
    #[arg(long, value_name = "UUID")]
    pub(crate) project: Option<ProjectId>,
    /// User [default: the first one of this data folder].
    #[arg(long, value_name = "UUID")]
    pub(crate) user: Option<UserId>,
    /// The name that other members see.
    #[arg(long, default_value = "Local administrator", value_parser = display_name)]
    pub(crate) name: String,
    /// viewer, editor or admin.
    #[arg(long, default_value = "editor")]
    pub(crate) role: Role,
    /// How long it is valid: a number and s, m, h or d.
    #[arg(long, default_value = "12h", value_parser = duration)]
    pub(crate) ttl: Duration,
    /// Data folder [default: the platform's].
    #[arg(long, value_name = "DIR")]
    pub(crate) data: Option<String>,
    /// Configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

impl TokenArgs {
    /// The configuration flags among them.
    pub(crate) fn config_args(&self) -> ConfigArgs {
        ConfigArgs { config: self.config.clone(), data: self.data.clone(), ..ConfigArgs::default() }
    }
}

/// `90s`, `30m`, `12h`, `7d`; at least a second and at most a year.
fn duration(text: &str) -> Result<Duration, String> {
    const YEAR_S: u64 = 365 * 86_400;
    let unit_s = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3_600,
        Some('d') => 86_400,
        Some(_) | None => return Err("a number and s, m, h or d, such as 12h".to_owned()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| "a whole number before the unit, such as 12h")?;
    match number.saturating_mul(unit_s) {
        seconds @ 1..=YEAR_S => Ok(Duration::from_secs(seconds)),
        _ => Err("from 1s to 365d".to_owned()),
    }
}

fn display_name(text: &str) -> Result<String, String> {
    let visible = !text.trim().is_empty() && !text.chars().any(char::is_control);
    if visible && text.chars().count() <= 80 {
        Ok(text.to_owned())
    } else {
        Err("1 to 80 visible characters".to_owned())
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

    #[test]
    fn durations_have_a_unit_and_an_end() {
        for (text, seconds) in [("1s", 1), ("30m", 1_800), ("12h", 43_200), ("365d", 31_536_000)] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "12", "h", "0s", "366d", "-1h", "1.5h", "18446744073709551615d", "5ü"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_visible() {
        assert!(display_name("Ada Lovelace").is_ok());
        for bad in ["", "  ", "a\nb", &"x".repeat(81)] {
            assert!(display_name(bad).is_err(), "{bad:?}");
        }
    }
}
