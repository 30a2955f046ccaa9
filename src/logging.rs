//! Where log lines go: stderr, as text or as JSON.

use std::io::{self, IsTerminal};

use crate::config::{Config, LogFormat};

/// Once per process.
pub(crate) fn init(config: &Config) -> anyhow::Result<()> {
    let filter = config.log_filter()?;
    // A line that cannot be written, because its reader has gone or the disk is full, is lost; saying so on stderr would panic.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).log_internal_errors(false);
    match config.log_format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
    Ok(())
}
