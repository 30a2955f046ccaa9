//! `orrery pool`: the gateway pool, seen and changed through the control plane's API.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, SystemTime},
};

use anyhow::{Context, bail, ensure};
use orrery_ganymede::tokens::TokenKeys;
use reqwest::{Client, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    cli::{PoolArgs, PoolCommand},
    config::Config,
    data::Reach,
    output,
};

/// How long the control plane may take to answer.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long a started gateway may take to be ready.
const READY_MAX: Duration = Duration::from_secs(30);
/// Ports in a row that others of this machine may listen on.
const TAKEN_MAX: usize = 100;

/// One slot, as `GET /api/pool` has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Slot {
    slot: u32,
    gateway_id: String,
    listen: Option<String>,
    state: String,
    org: Option<String>,
    epoch: Option<u64>,
    step: Option<String>,
    since: Option<String>,
    last_renewal: Option<String>,
}

#[derive(Deserialize)]
struct Slots {
    slots: Vec<Slot>,
}

/// A gateway process that may announce itself.
#[derive(Deserialize)]
struct Registered {
    gateway_id: String,
    token: String,
    port: u16,
}

/// A gateway process that was started.
#[derive(Serialize)]
struct Created {
    gateway_id: String,
    pid: u32,
    listen: String,
    log: PathBuf,
}

#[derive(Serialize)]
struct Status {
    total: usize,
    ready: usize,
    allocated: usize,
    draining: usize,
    lost: usize,
}

pub(crate) fn run(args: &PoolArgs, json: bool) -> anyhow::Result<ExitCode> {
    let config = Config::of_process(&args.config_args())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let api = Api::of(args, &config)?;
        match args.command {
            PoolCommand::Create { count } => show_created(&api.create(&config.data, count).await?, json),
            PoolCommand::List => show_slots(&api.slots().await?, json),
            PoolCommand::Status => show_status(&Status::of(&api.slots().await?), json),
            PoolCommand::Drain { slot } => show_slots(&api.drain(slot).await?, json),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

/// The control plane, with what opens it.
struct Api {
    client: Client,
    server: String,
    bearer: String,
}

impl Api {
    fn of(args: &PoolArgs, config: &Config) -> anyhow::Result<Self> {
        let server = match &args.server {
            Some(server) => server.trim_end_matches('/').to_owned(),
            None => Reach::load(&config.data)?
                .with_context(|| format!("nothing serves from {}; name a server with --server", config.data.display()))?
                .url(),
        };
        let bearer = match &args.api_key_file {
            Some(path) => fs::read_to_string(path).with_context(|| path.display().to_string())?.trim().to_owned(),
            None => {
                TokenKeys::load(&config.data)
                    .context("without --api-key-file, this needs the data folder's keys")?
                    .sign_operator(SystemTime::now())?
                    .0
            }
        };
        Ok(Self { client: Client::builder().timeout(PATIENCE).build()?, server, bearer })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let mut request = self.client.request(method, format!("{}{path}", self.server)).bearer_auth(&self.bearer);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.with_context(|| format!("{} does not answer", self.server))?;
        let status = answer.status();
        let text = answer.text().await.context("the answer broke off")?;
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let value: Value = serde_json::from_str(&text).with_context(|| format!("{path} answered no JSON"))?;
        if status.is_success() {
            return Ok(value);
        }
        let said = |field: &str| value["error"][field].as_str().unwrap_or("?").to_owned();
        match status {
            StatusCode::UNAUTHORIZED => bail!("{} does not accept this key: {}", self.server, said("message")),
            _ => bail!("{}: {}", said("code"), said("message")),
        }
    }

    async fn slots(&self) -> anyhow::Result<Vec<Slot>> {
        let answer = self.ask(Method::GET, "/api/pool", None).await?;
        Ok(serde_json::from_value::<Slots>(answer).context("/api/pool")?.slots)
    }

    /// The slots once the organization in this one is elsewhere.
    async fn drain(&self, slot: u32) -> anyhow::Result<Vec<Slot>> {
        self.ask(Method::POST, &format!("/api/pool/slots/{slot}/drain"), Some(json!({}))).await?;
        self.slots().await
    }

    /// Starts gateway processes and waits until each is ready.
    async fn create(&self, data: &Path, count: u16) -> anyhow::Result<Vec<Created>> {
        let mut created = Vec::new();
        for _ in 0..count {
            created.push(start(&self.server, data, self.register().await?)?);
        }
        let deadline = Instant::now() + READY_MAX;
        loop {
            let slots = self.slots().await?;
            let waiting = created.iter().find(|it| !slots.iter().any(|slot| slot.gateway_id == it.gateway_id));
            let Some(waiting) = waiting else { return Ok(created) };
            ensure!(Instant::now() < deadline, "{} is not ready; its log is {}", waiting.listen, waiting.log.display());
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Lets a new gateway process join, at a port that nobody on this machine listens on. Ports that are taken stay given out
    /// until a free one is found, so that none is given twice.
    async fn register(&self) -> anyhow::Result<Registered> {
        let mut taken = Vec::new();
        let free = loop {
            let answer = self.ask(Method::POST, "/api/pool/gateways", Some(json!({}))).await?;
            let registered: Registered = serde_json::from_value(answer).context("/api/pool/gateways")?;
            if TcpListener::bind((Ipv4Addr::LOCALHOST, registered.port)).is_ok() {
                break Some(registered);
            }
            taken.push(registered);
            if taken.len() == TAKEN_MAX {
                break None;
            }
        };
        for Registered { gateway_id, .. } in &taken {
            self.ask(Method::DELETE, &format!("/api/pool/gateways/{gateway_id}"), None).await?;
        }
        free.with_context(|| format!("{TAKEN_MAX} ports from {} on are taken", taken[0].port))
    }
}

/// Starts one gateway process that outlives this command.
fn start(server: &str, data: &Path, registered: Registered) -> anyhow::Result<Created> {
    let Registered { gateway_id, token, port } = registered;
    let folder = data.join("gateways");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let log = folder.join(format!("gw-pool-{port}.log"));
    let file = File::options().create(true).append(true).open(&log).with_context(|| log.display().to_string())?;
    let listen = format!("127.0.0.1:{port}");
    let mut command = Command::new(std::env::current_exe().context("this program")?);
    // The token goes by the environment: arguments can be read by everybody on this machine.
    command
        .args(["gateway", "--listen", &listen])
        .env("ORRERY_GATEWAY_GANYMEDE_URL", server)
        .env("ORRERY_GATEWAY_TOKEN", token)
        // One organization each: what goes wrong in a process concerns nobody else.
        .env("ORRERY_SLOTS", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(file)
        // A group of its own: Ctrl-C here does not end it.
        .process_group(0);
    let child = command.spawn().context("cannot start a gateway")?;
    Ok(Created { gateway_id, pid: child.id(), listen, log })
}

impl Status {
    fn of(slots: &[Slot]) -> Self {
        let count = |state: &str| slots.iter().filter(|slot| slot.state == state).count();
        Self {
            total: slots.len(),
            ready: count("ready"),
            allocated: count("allocated"),
            draining: count("draining"),
            lost: count("lost"),
        }
    }
}

fn show_created(created: &[Created], json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(&created);
    }
    for Created { gateway_id, pid, listen, log } in created {
        output::line(format_args!("{gateway_id}  process {pid}  {listen}  log {}", log.display()));
    }
    Ok(())
}

fn show_status(status: &Status, json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(status);
    }
    let Status { total, ready, allocated, draining, lost } = status;
    output::line(format_args!("{total} slots: {ready} ready, {allocated} allocated, {draining} draining, {lost} lost"));
    Ok(())
}

fn show_slots(slots: &[Slot], json: bool) -> anyhow::Result<()> {
    if json {
        return output::json(&slots);
    }
    output::line(format_args!(
        "{:<5} {:<10} {:<36} {:>6} {:<11} {:<24} {:<24} {}",
        "SLOT", "STATE", "ORGANIZATION", "EPOCH", "STEP", "SINCE", "RENEWED", "GATEWAY"
    ));
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    for slot in slots {
        output::line(format_args!(
            "{:<5} {:<10} {:<36} {:>6} {:<11} {:<24} {:<24} {}",
            slot.slot,
            slot.state,
            or_dash(&slot.org),
            slot.epoch.map_or_else(|| "-".to_owned(), |epoch| epoch.to_string()),
            or_dash(&slot.step),
            or_dash(&slot.since),
            or_dash(&slot.last_renewal),
            slot.listen.as_deref().unwrap_or("in this process"),
        ));
    }
    Ok(())
}
