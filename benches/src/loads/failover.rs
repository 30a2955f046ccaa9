//! The gateway process that serves an organization is killed: how long until another one serves it, and is reached. Most of
//! that is what is left of the lease.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use super::reader::p50_p99;
use super::{Outcome, scaled};
use crate::server::{Kind, Server, text};

const KILLS: usize = 5;
/// One serves, and one takes over.
const GATEWAYS: usize = 2;
/// As often as one person may ask.
const LOOK_EVERY: Duration = Duration::from_millis(200);
const DEADLINE: Duration = Duration::from_secs(60);

/// A gateway process with one slot. Dropping it kills it.
struct Gateway {
    id: String,
    child: Child,
}

pub(crate) async fn run(server: &Server, scale: f64) -> Result<Outcome> {
    let mut gateways = Vec::new();
    for _ in 0..GATEWAYS {
        gateways.push(Gateway::start(server).await?);
    }
    // The server's own gateway is busier than these.
    let org = text(&server.ask("POST", "/api/orgs", Some(&json!({"name": "Failover"}))).await?["org"]["id"])?;
    server.ask("POST", "/gateway/start", Some(&json!({ "organization_id": org }))).await?;
    let mut took_s = Vec::new();
    for _ in 0..scaled(KILLS, scale) {
        let serving = text(&slot(server, |slot| slot["org"] == org.as_str()).await?["gateway_id"])?;
        let at = gateways.iter().position(|gateway| gateway.id == serving).context("none of ours serves")?;
        let mut killed = gateways.swap_remove(at);
        let died = Instant::now();
        killed.child.kill().await?;
        let elsewhere = |slot: &Value| {
            slot["org"] == org.as_str() && slot["step"] == "serving" && slot["gateway_id"] != serving.as_str()
        };
        slot(server, elsewhere).await?;
        let ping = format!("/-/gw/org-{org}/collab/ping");
        while server.ask("GET", &ping, None).await.is_err() {
            ensure!(died.elapsed() < DEADLINE, "not reached within {DEADLINE:?}");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        took_s.push(died.elapsed().as_secs_f64());
        gateways.push(Gateway::start(server).await?);
    }
    let (p50, p99) = p50_p99(took_s);
    Ok(Outcome::of(p99.context("nothing was killed")?).with("p50 s", p50))
}

impl Gateway {
    /// Starts one and waits until its slot is ready.
    async fn start(server: &Server) -> Result<Self> {
        let registered = server.ask("POST", "/api/pool/gateways", Some(&json!({}))).await?;
        let (id, token) = (text(&registered["gateway_id"])?, text(&registered["token"])?);
        let program = server.places().program(Kind::Orrery).context("it is not installed")?;
        let mut command = Command::new(program);
        command.args(["gateway", "--listen", "127.0.0.1:0", "--slots", "1"]);
        command.arg("--data").arg(server.folder().join(&id));
        command.env("ORRERY_ENGINE_ENABLED", "off").env("ORRERY_GATEWAY_TOKEN", token);
        command.env("ORRERY_GATEWAY_GANYMEDE_URL", format!("http://{}", server.address()));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        let child = command.spawn().context("cannot run a gateway")?;
        slot(server, |slot| slot["gateway_id"] == id.as_str() && slot["state"] == "ready").await?;
        Ok(Self { id, child })
    }
}

/// Waits for a slot like that.
async fn slot(server: &Server, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
    let asked = Instant::now();
    loop {
        let pool = server.ask("GET", "/api/pool", None).await?;
        if let Some(slot) = pool["slots"].as_array().and_then(|slots| slots.iter().find(|slot| is_it(slot))) {
            return Ok(slot.clone());
        }
        ensure!(asked.elapsed() < DEADLINE, "no such slot within {DEADLINE:?}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
