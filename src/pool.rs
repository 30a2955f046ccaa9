//! `orrery pool`: the gateway pool, seen and changed through the control plane's API.

mod home;
mod show;

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    process::ExitCode,
    time::{Duration, SystemTime},
};

use anyhow::{Context, bail, ensure};
use orrery_ganymede::tokens::TokenKeys;
use orrery_protocol::id::GatewayId;
use reqwest::{Client, Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::{
    cli::{PoolArgs, PoolCommand},
    config::Config,
    data::Reach,
};
use home::{Created, Home};

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
    gateway_id: GatewayId,
    listen: Option<String>,
    /// The container that its gateway process runs in, if it is one of this machine's engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    container: Option<String>,
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
    gateway_id: GatewayId,
    number: u16,
    token: String,
    port: u16,
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
    let mut config = Config::of_process(&args.config_args())?;
    let reach = if args.server.is_none() { Reach::load(&config.data)? } else { None };
    if let Some(reach) = &reach {
        config.domain.clone_from(&reach.domain);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let api = Api::of(args, &config, reach)?;
        let slots = match args.command {
            PoolCommand::Create { count } => {
                return show::created(&api.create(&Home::of(&config).await?, count).await?, json);
            }
            PoolCommand::Status => return show::status(&Status::of(&api.slots().await?), json),
            PoolCommand::List => api.slots().await?,
            PoolCommand::Drain { slot } => api.drain(slot).await?,
            PoolCommand::Remove { gateway } => {
                let ended = home::end(&config, gateway).await?;
                ensure!(api.revoke(gateway).await? || ended, "NOT_FOUND: there is no gateway process {gateway}");
                api.slots().await?
            }
        };
        show::slots(&home::named(&config, slots).await?, json)
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
    fn of(args: &PoolArgs, config: &Config, reach: Option<Reach>) -> anyhow::Result<Self> {
        let server = match &args.server {
            Some(server) => server.trim_end_matches('/').to_owned(),
            None => reach
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
        let client = Client::builder().timeout(PATIENCE);
        // What serves on this machine is not reached through the proxy that leads out of it.
        let client = if args.server.is_none() { client.no_proxy() } else { client };
        Ok(Self { client: client.build()?, server, bearer })
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        self.ask_about(method, path, body).await?.with_context(|| format!("NOT_FOUND: {path}"))
    }

    /// `None` if there is no such thing.
    async fn ask_about(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Option<Value>> {
        let mut request = self.client.request(method, format!("{}{path}", self.server)).bearer_auth(&self.bearer);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.with_context(|| format!("{} does not answer", self.server))?;
        let status = answer.status();
        let text = answer.text().await.context("the answer broke off")?;
        if status == StatusCode::NO_CONTENT {
            return Ok(Some(Value::Null));
        }
        let value: Value = serde_json::from_str(&text).with_context(|| format!("{path} answered no JSON"))?;
        if status.is_success() {
            return Ok(Some(value));
        }
        let said = |field: &str| value["error"][field].as_str().unwrap_or("?").to_owned();
        match status {
            StatusCode::NOT_FOUND => Ok(None),
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
    async fn create(&self, home: &Home, count: u16) -> anyhow::Result<Vec<Created>> {
        let mut created = Vec::new();
        for _ in 0..count {
            created.push(self.create_one(home).await?);
        }
        let deadline = Instant::now() + READY_MAX;
        loop {
            let slots = self.slots().await?;
            let waiting = created.iter().find(|it| !slots.iter().any(|slot| slot.gateway_id == it.gateway_id));
            let Some(waiting) = waiting else { return Ok(created) };
            ensure!(Instant::now() < deadline, "{} is not ready; its log: {}", waiting.listen, waiting.log());
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// One gateway process, under a number whose port and name nobody has. Numbers that somebody has stay given out until one
    /// is found that is free, so that none is given twice.
    async fn create_one(&self, home: &Home) -> anyhow::Result<Created> {
        let mut passed_over = Vec::new();
        let created = self.create_at_a_free_number(home, &mut passed_over).await;
        for gateway in passed_over {
            self.revoke(gateway).await?;
        }
        created
    }

    async fn create_at_a_free_number(&self, home: &Home, passed_over: &mut Vec<GatewayId>) -> anyhow::Result<Created> {
        for _ in 0..TAKEN_MAX {
            let answer = self.ask(Method::POST, "/api/pool/gateways", Some(json!({}))).await?;
            let registered: Registered = serde_json::from_value(answer).context("/api/pool/gateways")?;
            passed_over.push(registered.gateway_id);
            if TcpListener::bind((Ipv4Addr::LOCALHOST, registered.port)).is_err() {
                continue;
            }
            if let Some(created) = home.start(&self.server, registered).await? {
                passed_over.pop();
                return Ok(created);
            }
        }
        bail!("{TAKEN_MAX} ports or names in a row are taken")
    }

    /// What this gateway process was given is worth nothing any more. `false` if it was not in the pool.
    async fn revoke(&self, gateway: GatewayId) -> anyhow::Result<bool> {
        Ok(self.ask_about(Method::DELETE, &format!("/api/pool/gateways/{gateway}"), None).await?.is_some())
    }
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
