//! A real PowerDNS for one test, and `dig` to ask it.

use std::{
    path::PathBuf,
    process::{Command, Output},
    time::{Duration, Instant},
};

use orrery_ganymede::dns::{DnsConfig, DnsDriver, DnsSettings};
use tempfile::TempDir;

/// The domain below which everything is in these stories.
pub(crate) const DOMAIN: &str = "team.example";

/// Where host names lead.
pub(crate) const ADDRESS: &str = "192.0.2.7";

const PATIENCE: Duration = Duration::from_secs(20);

/// A server with nothing in it. Ends with the test.
pub(crate) struct NameServer {
    folder: TempDir,
    url: String,
    key: String,
    port: u16,
}

impl NameServer {
    /// `None` where it is not installed; in CI it must be.
    pub(crate) fn start() -> Option<Self> {
        if !script(&["installed"]).status.success() {
            assert!(!std::env::vars().any(|(name, _)| name == "CI"), "in CI there must be a PowerDNS");
            eprintln!(
                "skipped: PowerDNS, its SQLite backend, sqlite3 or dig is not installed; make test installs them"
            );
            return None;
        }
        let mut server = Self { folder: tempfile::tempdir().unwrap(), url: String::new(), key: String::new(), port: 0 };
        server.start_on(None);
        Some(server)
    }

    /// The machine it runs on dies.
    pub(crate) fn kill(&self) {
        assert!(script(&["stop", self.folder()]).status.success());
    }

    /// The same server, with what it had on its disk.
    pub(crate) fn start_again(&mut self) {
        let ports = format!("{} {}", self.url.rsplit_once(':').unwrap().1, self.port);
        self.start_on(Some(&ports));
    }

    fn start_on(&mut self, ports: Option<&str>) {
        let folder = self.folder.path().to_str().unwrap().to_owned();
        let mut arguments = vec!["start", &folder];
        arguments.extend(ports);
        let said = script(&arguments);
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        let said = String::from_utf8(said.stdout).unwrap();
        let [url, key, port] = said.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{said}") };
        (self.url, self.key, self.port) = (url.to_owned(), key.to_owned(), port.parse().unwrap());
    }

    pub(crate) fn settings(&self) -> DnsSettings {
        self.config().check(&DOMAIN.parse().unwrap()).unwrap().unwrap()
    }

    /// The key of its API.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn config(&self) -> DnsConfig {
        DnsConfig {
            driver: DnsDriver::PowerDns,
            url: self.url.clone(),
            api_token: self.key.as_str().into(),
            address: ADDRESS.to_owned(),
            ..DnsConfig::default()
        }
    }

    /// What the server answers, one record a line.
    pub(crate) fn dig(&self, name: &str, kind: &str) -> Vec<String> {
        let port = self.port.to_string();
        let asked = ["@127.0.0.1", "-p", &port, "+short", "+tries=1", "+time=2", name, kind];
        let said = Command::new("dig").args(asked).output().unwrap();
        String::from_utf8(said.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// Waits until the server answers so. There is a limit.
    pub(crate) fn answers(&self, name: &str, expect: &[&str]) {
        let start = Instant::now();
        while self.dig(name, "A") != expect {
            assert!(start.elapsed() < PATIENCE, "{name}: {:?}, not {expect:?}", self.dig(name, "A"));
        }
    }

    fn folder(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        script(&["stop", self.folder()]);
    }
}

fn script(arguments: &[&str]) -> Output {
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../scripts/pdns.sh");
    Command::new(script).args(arguments).output().unwrap()
}
