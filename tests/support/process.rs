//! One process of the real binary, stopped in every way a process can be.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::Arc,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Belongings, http, http::Response, wait_for};

/// More than any test logs.
const LOG_BYTES_MAX: u64 = 64 << 20;

/// How to start a process, and start it again.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) log: PathBuf,
}

/// A process that serves. Killed when it goes out of scope.
pub(crate) struct Process {
    child: Child,
    launch: Launch,
    pub(crate) address: SocketAddr,
    /// Let go once it is killed.
    _belongings: Arc<Belongings>,
}

/// A process that does not come to serve. Killed when it goes out of scope.
pub(crate) struct Starting(Child);

impl Starting {
    pub(crate) fn begin(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = command();
        command.args(arguments).envs(environment.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("the binary starts"))
    }

    /// How it ends on a signal, and what it has said by then.
    pub(crate) fn stop(mut self, signal: Signal) -> Output {
        send(&self.0, signal);
        let status = wait_for("the process ends", || self.0.try_wait().expect("a child"));
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        self.0.stdout.take().map(|mut pipe| pipe.read_to_end(&mut stdout));
        self.0.stderr.take().map(|mut pipe| pipe.read_to_end(&mut stderr));
        Output { status, stdout, stderr }
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

fn send(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).expect("a process id");
    kill_process(pid, signal).expect("it runs");
}

/// Runs the binary to its end.
pub(crate) fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    command().args(arguments).envs(environment.iter().copied()).output().expect("the binary runs")
}

/// The binary in an environment that says nothing.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orrery"));
    command.env_clear().env("HOME", "/nonexistent").stdin(Stdio::null());
    command
}

impl Process {
    /// Starts on a free port and waits until it serves. What it makes belongs to its installation.
    pub(crate) fn start(launch: Launch, belongings: Arc<Belongings>) -> Self {
        belongings.uses(&launch.environment);
        let (child, address) = spawn(&launch, "127.0.0.1:0");
        Self { child, launch, address, _belongings: belongings }
    }

    /// Starts again at the same address, after it ended.
    pub(crate) fn start_again(&mut self) {
        assert!(self.child.try_wait().expect("a child").is_some(), "it still runs");
        let (child, address) = spawn(&self.launch, &self.address.to_string());
        assert_eq!(address, self.address);
        self.child = child;
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        send(&self.child, signal);
    }

    /// SIGTERM, and how it ended.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Waits until it is gone.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait_for("the process ends", || self.child.try_wait().expect("a child"))
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        read(&self.launch.log)
    }

    /// `GET path`.
    pub(crate) fn get(&self, path: &str) -> Response {
        http::get(self.address, path, &[])
    }

    /// `POST path` by nobody.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Response {
        self.request("POST", path, &[], Some(body))
    }

    /// Any request.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Response {
        http::request(self.address, method, path, headers, body)
    }

    /// The sum over all labels of one metric.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").body;
        let value = |line: &str| {
            let rest = line.strip_prefix(name)?;
            let value = if rest.starts_with('{') { rest.split_once("} ")?.1 } else { rest.strip_prefix(' ')? };
            value.parse::<f64>().ok()
        };
        text.lines().filter_map(value).sum()
    }

    /// Its resident memory of its own, in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).expect("it runs");
        let line = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).expect("a line of it");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(8_000);
            let name = &self.launch.arguments[0];
            eprintln!("--- the log of {name} ---\n{}", String::from_utf8_lossy(&log.as_bytes()[tail..]));
        }
    }
}

/// Arguments that say where the data is.
pub(crate) fn on_data(command: &str, data: &Path) -> Vec<String> {
    [command, "--data", &data.to_string_lossy()].map(str::to_owned).to_vec()
}

/// What is in a log, which may be a device that has no end.
fn read(log: &Path) -> String {
    let mut bytes = Vec::new();
    File::open(log).and_then(|log| log.take(LOG_BYTES_MAX).read_to_end(&mut bytes)).ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn spawn(launch: &Launch, listen: &str) -> (Child, SocketAddr) {
    let log = File::options().create(true).append(true).open(&launch.log).expect("a log file");
    let mut child = command()
        .args(&launch.arguments)
        .args(["--listen", listen])
        .envs(launch.environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .expect("the binary starts");
    let stdout = child.stdout.take().expect("it is piped");
    // The line that ends the start-up.
    let url = BufReader::new(stdout).lines().map_while(Result::ok).find(|line| line.starts_with("http://"));
    let address = url.as_deref().and_then(|url| url.strip_prefix("http://")?.parse().ok());
    let address = address.unwrap_or_else(|| {
        let log = read(&launch.log);
        panic!("{:?} did not come to serve ({url:?}):\n{log}", launch.arguments)
    });
    (child, address)
}
