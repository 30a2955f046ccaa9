//! The real binary, started with a data folder of its own and stopped in every way a process can be.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{http, http::Response, wait_for};

/// Whom a token is for; what is not said is the data folder's first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Grant<'a> {
    pub(crate) role: Option<&'a str>,
    pub(crate) user: Option<&'a str>,
    pub(crate) project: Option<&'a str>,
    pub(crate) org: Option<&'a str>,
    pub(crate) ttl: Option<&'a str>,
}

/// The way in, as `orrery token --json` gives it.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    pub(crate) ws_url: String,
    pub(crate) project: String,
    pub(crate) token: String,
}

impl Access {
    /// What a stock client takes as its server URL.
    pub(crate) fn server_url(&self) -> String {
        format!("{}/{}", self.ws_url, self.project)
    }
}

/// One `orrery up`. Killed when it goes out of scope.
pub(crate) struct Server {
    child: Child,
    data: PathBuf,
    environment: Vec<(String, String)>,
    log: PathBuf,
    pub(crate) address: SocketAddr,
    _folder: tempfile::TempDir,
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

impl Server {
    /// Starts with every default.
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// Starts with these variables.
    pub(crate) fn with(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        Self::within(folder, data, environment)
    }

    /// Starts on a data folder that is there already.
    pub(crate) fn within(folder: tempfile::TempDir, data: PathBuf, environment: &[(&str, &str)]) -> Self {
        let environment: Vec<_> =
            environment.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        let log = folder.path().join("log");
        let (child, address) = spawn(&data, "127.0.0.1:0", &environment, &log);
        Self { child, data, environment, log, address, _folder: folder }
    }

    /// Starts again at the same address, after it ended.
    pub(crate) fn start_again(&mut self) {
        assert!(self.child.try_wait().expect("a child").is_some(), "it still runs");
        let (child, address) = spawn(&self.data, &self.address.to_string(), &self.environment, &self.log);
        assert_eq!(address, self.address);
        self.child = child;
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
    }

    /// Asks it to stop.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("it runs");
    }

    /// SIGTERM, and how it ended.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended()
    }

    /// Waits until it is gone.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        wait_for("the server ends", || self.child.try_wait().expect("a child"))
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// An editor of the first project.
    pub(crate) fn access(&self) -> Access {
        self.grant(Grant::default())
    }

    /// A token signed on the server's machine.
    pub(crate) fn grant(&self, grant: Grant<'_>) -> Access {
        let data = self.data.to_string_lossy().into_owned();
        let mut arguments = vec!["token", "--json", "--data", &data];
        let Grant { role, user, project, org, ttl } = grant;
        for (flag, value) in
            [("--role", role), ("--user", user), ("--project", project), ("--org", org), ("--ttl", ttl)]
        {
            arguments.extend(value.map(|value| [flag, value]).into_iter().flatten());
        }
        let output = run(&arguments, &[]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let field = |name: &str| answer[name].as_str().expect(name).to_owned();
        Access { ws_url: field("ws_url"), project: field("project"), token: field("token") }
    }

    /// `GET path`.
    pub(crate) fn get(&self, path: &str) -> Response {
        http::get(self.address, path, &[])
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

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(8_000);
            eprintln!("--- the server's log ---\n{}", String::from_utf8_lossy(&log.as_bytes()[tail..]));
        }
    }
}

fn spawn(data: &Path, listen: &str, environment: &[(String, String)], log: &Path) -> (Child, SocketAddr) {
    let log = File::options().create(true).append(true).open(log).expect("a log file");
    let mut child = command()
        .args(["up", "--listen", listen, "--data"])
        .arg(data)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .expect("the binary starts");
    let stdout = child.stdout.take().expect("it is piped");
    let url = BufReader::new(stdout).lines().map_while(Result::ok).last_url();
    let address = url.strip_prefix("http://").and_then(|address| address.parse().ok());
    (child, address.unwrap_or_else(|| panic!("not a URL: {url:?}")))
}

trait LastUrl {
    fn last_url(self) -> String;
}

impl<I: Iterator<Item = String>> LastUrl for I {
    /// The line that ends the start-up.
    fn last_url(mut self) -> String {
        self.find(|line| line.starts_with("http://")).expect("a URL once it serves")
    }
}
