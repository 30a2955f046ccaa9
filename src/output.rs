//! What the commands print. The only place that writes to stdout.

use std::io::{self, Write};

use serde::Serialize;

/// One result. A reader that has gone away is not an error of ours.
pub(crate) fn line(text: impl std::fmt::Display) {
    writeln!(io::stdout().lock(), "{text}").ok();
}

/// One result, for machines.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Why a command failed: one line, its causes behind colons.
pub(crate) fn error(error: &anyhow::Error) {
    let text = format!("{error:#}").trim_end().replace('\n', " ");
    writeln!(io::stderr().lock(), "orrery: {text}").ok();
}
