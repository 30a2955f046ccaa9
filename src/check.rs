//! `orrery check`: the effective configuration, and whether what it names can be used. Changes nothing.

use std::{net::TcpListener, path::Path, process::ExitCode};

use anyhow::Context;
use orrery_ganymede::tokens::TokenKeys;
use serde::Serialize;

use crate::{
    cli::ConfigArgs,
    config::Config,
    data::{DataFolder, First},
    output,
};

#[derive(Serialize)]
struct Report<'a> {
    config: &'a Config,
    checks: Vec<Check>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    ok: bool,
    detail: String,
}

pub(crate) fn run(args: &ConfigArgs, json: bool) -> anyhow::Result<ExitCode> {
    let config = Config::of_process(args)?;
    let checks = checks(&config);
    let ok = checks.iter().all(|check| check.ok);
    if json {
        output::json(&Report { config: &config, checks })?;
    } else {
        output::line(toml::to_string(&config)?);
        // Comments, so that the whole of it is a configuration file.
        for Check { name, ok, detail } in checks {
            output::line(format_args!("# {} {name}: {detail}", if ok { "ok    " } else { "FAILED" }));
        }
    }
    Ok(if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn checks(config: &Config) -> Vec<Check> {
    [("data folder", data_folder(&config.data)), ("signing keys", keys(&config.data)), ("listen", listen(config))]
        .into_iter()
        .map(|(name, result)| match result {
            Ok(detail) => Check { name, ok: true, detail },
            Err(error) => Check { name, ok: false, detail: format!("{error:#}") },
        })
        .collect()
}

fn data_folder(data: &Path) -> anyhow::Result<String> {
    if data.exists() {
        DataFolder::open(data)?;
        return Ok(format!("{} is writable and free", data.display()));
    }
    let parent = data.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    tempfile::tempfile_in(parent).with_context(|| format!("{} cannot be made", data.display()))?;
    Ok(format!("{} will be made", data.display()))
}

fn keys(data: &Path) -> anyhow::Result<String> {
    if !TokenKeys::path(data).exists() {
        return Ok("`orrery up` will make them".to_owned());
    }
    TokenKeys::load(data)?;
    First::load(data)?;
    Ok("readable".to_owned())
}

fn listen(config: &Config) -> anyhow::Result<String> {
    TcpListener::bind(config.listen).with_context(|| format!("cannot listen on {}", config.listen))?;
    Ok(format!("{} is free", config.listen))
}
