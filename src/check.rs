//! `orrery check`: the effective configuration, and whether what it names can be used. Changes nothing.

use std::{
    net::TcpListener,
    path::Path,
    process::{Command, ExitCode},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, ensure};
use orrery_actors::{
    engine::{EngineConfig, EngineUse},
    nginx::NginxSettings,
};
use orrery_ganymede::{
    database::Database,
    dns::{DnsSettings, PowerDns},
    state_key::StateKey,
    tokens::TokenKeys,
};
use serde::Serialize;

use crate::{
    cli::ConfigArgs,
    config::Config,
    containers::{answering_engine, platform_elsewhere},
    data::DataFolder,
    output,
};

/// How long a control plane may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

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
    let checks = checks(&config)?;
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

fn checks(config: &Config) -> anyhow::Result<Vec<Check>> {
    let mut results =
        vec![("data folder", data_folder(&config.data)), ("keys", keys(&config.data)), ("listen", listen(config))];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    results.push(("data base", runtime.block_on(database(config))));
    if !config.store.snapshots.is_empty() {
        results.push(("snapshots", snapshots(config)));
    }
    if !config.containers.images.is_empty() {
        results.push(("images", images(config)));
    }
    if config.engine.enabled != EngineUse::Off {
        results.push(("container engine", runtime.block_on(engine(&config.engine))));
    }
    if !config.gateway.ganymede_url.is_empty() {
        results.push(("control plane", runtime.block_on(control_plane(&config.gateway.ganymede_url))));
        results.push(("containers.orrery_url", Ok(platform_of_containers(config))));
    }
    if let Some(settings) = config.dns()? {
        results.push(("name server", runtime.block_on(name_server(&settings))));
    }
    if let Some(settings) = config.nginx()? {
        results.push(("nginx", nginx(&settings)));
    }
    let check = |(name, result): (_, anyhow::Result<String>)| match result {
        Ok(detail) => Check { name, ok: true, detail },
        Err(error) => Check { name, ok: false, detail: format!("{error:#}") },
    };
    Ok(results.into_iter().map(check).collect())
}

/// A file is not opened: it may be in use, and opening one makes it.
async fn database(config: &Config) -> anyhow::Result<String> {
    let url = config.database_url()?;
    if let Some(path) = url.sqlite_path() {
        return Ok(if path.exists() { format!("{} is there", path.display()) } else { "will be made".to_owned() });
    }
    let database = Database::open(&url).await?;
    database.check().await?;
    database.close().await;
    Ok("answers".to_owned())
}

fn snapshots(config: &Config) -> anyhow::Result<String> {
    config.store.place()?.reach()?;
    Ok(format!("{} lets us in", config.store.snapshots))
}

fn images(config: &Config) -> anyhow::Result<String> {
    config.containers.registry()?;
    Ok(format!("{} is understood", config.containers.images))
}

async fn engine(config: &EngineConfig) -> anyhow::Result<String> {
    let answers = answering_engine(config).await?.is_some();
    Ok(if answers { "answers" } else { "does not answer; containers wait until one does" }.to_owned())
}

async fn control_plane(url: &str) -> anyhow::Result<String> {
    // As the gateway asks: without a proxy.
    let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build()?;
    let answer = client.get(format!("{}/api/health", url.trim_end_matches('/'))).send().await?;
    Ok(format!("answers {}", answer.status()))
}

/// Where containers of a gateway process reach the platform.
fn platform_of_containers(config: &Config) -> String {
    platform_elsewhere(config).unwrap_or_else(|| {
        let port = config.containers.porch_port;
        format!("is not set: containers reach whichever gateway process of this machine serves them, at port {port} of their network")
    })
}

async fn name_server(settings: &DnsSettings) -> anyhow::Result<String> {
    let zone = settings.zone.name();
    let records = PowerDns::new(settings, Arc::new(rand::random))?.records(zone).await?;
    let missing = settings.zone.core().keys().filter(|key| !records.contains_key(key)).count();
    ensure!(missing == 0, "zone {zone} lacks names of this installation: run `orrery dns setup`");
    Ok(format!("has zone {zone}"))
}

fn nginx(settings: &NginxSettings) -> anyhow::Result<String> {
    let program = settings.program.display();
    let asked = Command::new(&settings.program).arg("-v").output().with_context(|| program.to_string())?;
    // It says its version where others complain.
    let version = String::from_utf8_lossy(&asked.stderr);
    Ok(version.trim().to_owned())
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
        return Ok("none yet: `orrery up` makes them by itself, `orrery keys create` for every other role".to_owned());
    }
    TokenKeys::load(data)?;
    StateKey::load(data)?;
    Ok("readable".to_owned())
}

fn listen(config: &Config) -> anyhow::Result<String> {
    TcpListener::bind(config.listen).with_context(|| format!("cannot listen on {}", config.listen))?;
    Ok(format!("{} is free", config.listen))
}
