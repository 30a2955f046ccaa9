//! Where gateway processes of this machine run: as children that outlive the command, or as containers of its engine.

use std::{
    fs::{self, File, Permissions},
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{self, Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::Context;
use orrery_actors::engine::{Docker, GatewayMaking};
use orrery_protocol::{id::GatewayId, image::Reference};
use serde::Serialize;

use super::{Registered, Slot};
use crate::{config::Config, containers::answering_engine};

/// Where a container has its configuration, and what it may write to.
const SETTINGS: &str = "/etc/orrery/gateway.toml";
const SCRATCH: &str = "/tmp";

/// A gateway process that was started.
#[derive(Serialize)]
pub(super) struct Created {
    pub(super) gateway_id: GatewayId,
    pub(super) listen: String,
    #[serde(flatten)]
    pub(super) runs: Runs,
}

/// As what it runs.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Runs {
    Process { pid: u32, log: PathBuf },
    Container { container: String },
}

impl Created {
    /// Where what it logs is.
    pub(super) fn log(&self) -> String {
        match &self.runs {
            Runs::Process { log, .. } => log.display().to_string(),
            Runs::Container { container } => format!("docker logs {container}"),
        }
    }
}

/// Where this command starts gateway processes.
pub(super) struct Home {
    /// What they leave on this machine.
    folder: PathBuf,
    /// What all of them are configured with: what is theirs alone goes by the environment.
    settings: String,
    containers: Option<Containers>,
}

/// What containers of gateways have in common.
struct Containers {
    docker: Docker,
    image: Reference,
    /// What they have of this machine, at the same places.
    shared: Vec<PathBuf>,
    groups: Vec<u32>,
}

impl Home {
    /// Containers if the configuration names an image for them and an engine answers, else processes.
    pub(super) async fn of(config: &Config) -> anyhow::Result<Self> {
        let mut config = config.clone();
        if !config.containers.images.is_empty() {
            let images = path::absolute(&config.containers.images).context("containers.images")?;
            config.containers.images = images.display().to_string();
        }
        let containers = match config.pool.image()? {
            None => None,
            Some(image) => match answering_engine(&config.engine).await? {
                None => None,
                Some(docker) => Some(Containers::of(&config, docker, image)?),
            },
        };
        Ok(Self { folder: folder(&config), settings: config.of_gateways()?, containers })
    }

    /// Starts a gateway process that outlives this command. `None` if somebody else's container has its name.
    pub(super) async fn start(&self, server: &str, registered: Registered) -> anyhow::Result<Option<Created>> {
        fs::create_dir_all(&self.folder).with_context(|| self.folder.display().to_string())?;
        let name = format!("gw-pool-{}", registered.number);
        let settings = settings(&self.folder, &name);
        let named = || settings.display().to_string();
        fs::write(&settings, &self.settings).with_context(named)?;
        match &self.containers {
            None => self.start_process(server, registered, &name, &settings).map(Some),
            Some(containers) => {
                // The user of the image is nobody here; there is no secret in it.
                fs::set_permissions(&settings, Permissions::from_mode(0o644)).with_context(named)?;
                containers.start(server, registered, name, settings).await
            }
        }
    }

    fn start_process(
        &self,
        server: &str,
        registered: Registered,
        name: &str,
        settings: &Path,
    ) -> anyhow::Result<Created> {
        let log = self.folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log).with_context(|| log.display().to_string())?;
        let Registered { gateway_id, ref token, port, .. } = registered;
        let listen = format!("127.0.0.1:{port}");
        let mut command = Command::new(std::env::current_exe().context("this program")?);
        command
            .arg("gateway")
            .arg("--config")
            .arg(settings)
            .envs(environment(server, token, &listen, &self.folder.join(name)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            // A group of its own: Ctrl-C here does not end it.
            .process_group(0);
        let child = command.spawn().context("cannot start a gateway")?;
        Ok(Created { gateway_id, listen, runs: Runs::Process { pid: child.id(), log } })
    }
}

impl Containers {
    fn of(config: &Config, docker: Docker, image: Reference) -> anyhow::Result<Self> {
        let socket = &config.engine.socket;
        let group = fs::metadata(socket).with_context(|| socket.display().to_string())?.gid();
        let images = Some(PathBuf::from(&config.containers.images)).filter(|path| !path.as_os_str().is_empty());
        let shared = [Some(socket.clone()), images].into_iter().flatten().collect();
        Ok(Self { docker, image, shared, groups: vec![group] })
    }

    async fn start(
        &self,
        server: &str,
        registered: Registered,
        name: String,
        settings: PathBuf,
    ) -> anyhow::Result<Option<Created>> {
        let Registered { gateway_id, token, port, .. } = registered;
        let listen = format!("127.0.0.1:{port}");
        let settings = path::absolute(&settings).with_context(|| settings.display().to_string())?;
        let mut shared: Vec<_> = self.shared.iter().map(|path| (path.clone(), path.clone())).collect();
        shared.push((settings, PathBuf::from(SETTINGS)));
        let making = GatewayMaking {
            gateway: gateway_id,
            name: name.clone(),
            image: self.image.clone(),
            arguments: ["gateway", "--config", SETTINGS].map(str::to_owned).to_vec(),
            environment: environment(server, &token, &listen, Path::new(SCRATCH))
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            shared,
            groups: self.groups.clone(),
        };
        let is_made = self.docker.run_gateway(&making).await.with_context(|| name.clone())?;
        Ok(is_made.then_some(Created { gateway_id, listen, runs: Runs::Container { container: name } }))
    }
}

/// What one gateway process alone has. The token goes by the environment: arguments can be read by everybody on this machine.
fn environment(server: &str, token: &str, listen: &str, data: &Path) -> [(&'static str, String); 5] {
    [
        ("ORRERY_DATA", data.display().to_string()),
        ("ORRERY_GATEWAY_GANYMEDE_URL", server.to_owned()),
        ("ORRERY_GATEWAY_TOKEN", token.to_owned()),
        ("ORRERY_LISTEN", listen.to_owned()),
        // One organization each: what goes wrong in a process concerns nobody else.
        ("ORRERY_SLOTS", "1".to_owned()),
    ]
}

fn folder(config: &Config) -> PathBuf {
    config.data.join("gateways")
}

fn settings(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.toml"))
}

/// The slots, with the names of their containers.
pub(super) async fn named(config: &Config, mut slots: Vec<Slot>) -> anyhow::Result<Vec<Slot>> {
    let docker = if config.pool.image.is_empty() { None } else { answering_engine(&config.engine).await? };
    let Some(docker) = docker else { return Ok(slots) };
    let containers = docker.gateways().await?;
    for slot in &mut slots {
        slot.container = containers.get(&slot.gateway_id).map(|container| container.name.clone());
    }
    Ok(slots)
}

/// Ends a gateway process that runs in a container, which hands on what it serves, and removes the container. `false` if there
/// is none.
pub(super) async fn end(config: &Config, gateway: GatewayId) -> anyhow::Result<bool> {
    let Some(docker) = answering_engine(&config.engine).await? else { return Ok(false) };
    let Some(container) = docker.gateways().await?.remove(&gateway) else { return Ok(false) };
    docker.remove_gateway(&container).await.with_context(|| container.name.clone())?;
    // Where it was created on another machine's behalf, there is none.
    fs::remove_file(settings(&folder(config), &container.name)).ok();
    Ok(true)
}
