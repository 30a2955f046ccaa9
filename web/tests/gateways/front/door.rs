//! What people come to: the door that is built in, or a real nginx in front of Ganymede and another in front of the gateway.
//! Stories are told at both, and what differs is a fault.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use orrery_actors::nginx::{Applied, Nginx, NginxConfig, NginxSettings, Stage1Wanted, Stage2Wanted, Wanted};
use orrery_protocol::{container::Domain, id::OrgId, route::RouteTable};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::http::PATIENCE;

/// Tells each story at both doors.
macro_rules! at_both_doors {
    ($($story:ident),* $(,)?) => {
        mod built_in {
            $(#[tokio::test]
            async fn $story() {
                Box::pin(super::$story($crate::front::door::Door::BuiltIn)).await;
            })*
        }

        mod nginx {
            $(#[tokio::test]
            async fn $story() {
                if let Some(door) = $crate::front::door::Door::nginx() {
                    Box::pin(super::$story(door)).await;
                }
            })*
        }
    };
}
pub(super) use at_both_doors;

/// Which of the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Door {
    BuiltIn,
    Nginx { program: PathBuf },
}

impl Door {
    /// `None` where nginx is not installed; in CI it must be.
    pub(super) fn nginx() -> Option<Self> {
        let places = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/local/bin/nginx", "/opt/homebrew/bin/nginx"];
        let program = places.map(PathBuf::from).into_iter().find(|place| place.exists());
        if program.is_none() {
            assert!(!std::env::vars().any(|(name, _)| name == "CI"), "in CI there must be an nginx");
            eprintln!("skipped: nginx is not installed; make test installs it");
        }
        program.map(|program| Self::Nginx { program })
    }
}

/// One nginx, which ends with the test.
pub(super) struct Stage {
    pub(super) listen: SocketAddr,
    nginx: Nginx,
    settings: NginxSettings,
    _folder: TempDir,
}

impl Stage {
    /// `proxies` stand in front of it.
    fn new(program: &Path, proxies: &[SocketAddr]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Workers are somebody else if this is root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let listen = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let config = NginxConfig {
            enabled: true,
            program: program.to_str().unwrap().to_owned(),
            listen: listen.to_string(),
            trusted_proxies: proxies.iter().map(SocketAddr::ip).collect(),
            ..NginxConfig::default()
        };
        let settings = config.check(folder.path()).unwrap().unwrap();
        Self { listen, nginx: Nginx::open(settings.clone()).unwrap(), settings, _folder: folder }
    }

    /// In front of Ganymede, with the organization's gateway behind `gateway`.
    pub(super) async fn of_ganymede(program: &Path, ganymede: SocketAddr, org: OrgId, gateway: SocketAddr) -> Self {
        let mut stage = Self::new(program, &[]);
        let gateways = BTreeMap::from([(org, gateway)]);
        stage.apply(&Wanted::Stage1(Stage1Wanted { domain: domain(), ganymede, tls: None, gateways })).await;
        stage
    }

    /// In front of a gateway, and behind Ganymede or what is in front of that.
    pub(super) async fn of_gateway(program: &Path, ganymede: SocketAddr, gateway: SocketAddr) -> Self {
        let mut stage = Self::new(program, &[ganymede]);
        stage.apply(&Wanted::Stage2(Stage2Wanted::of(domain(), gateway, &BTreeMap::new()))).await;
        stage
    }

    /// Goes on with these routes. Who connects from now on meets no other.
    pub(super) async fn follow(&mut self, gateway: SocketAddr, table: &RouteTable) {
        let tables = BTreeMap::from([(table.org, table.clone().into())]);
        self.apply(&Wanted::Stage2(Stage2Wanted::of(domain(), gateway, &tables))).await;
    }

    async fn apply(&mut self, wanted: &Wanted) {
        let before = self.workers();
        if self.nginx.apply(wanted).await.unwrap() == Applied::Unchanged {
            return;
        }
        let replaced = async {
            loop {
                let now = self.workers();
                if !now.is_empty() && now.is_disjoint(&before) {
                    break;
                }
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, replaced).await.expect("new workers take over");
    }

    fn master(&self) -> Option<String> {
        let pid = fs::read_to_string(self.settings.folder.as_path().join("run/nginx.pid")).ok()?;
        let pid = pid.trim().to_owned();
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == "nginx").then_some(pid)
    }

    /// Those that take connections.
    fn workers(&self) -> BTreeSet<String> {
        let Some(master) = self.master() else { return BTreeSet::new() };
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap_or_default();
        let called = |worker: &str| fs::read_to_string(format!("/proc/{worker}/cmdline")).unwrap_or_default();
        let takes = |worker: &&str| called(worker).trim_end_matches(['\0', ' ']) == "nginx: worker process";
        children.split_whitespace().filter(takes).map(str::to_owned).collect()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(master) = self.master() {
            Command::new("kill").arg(master).status().unwrap();
        }
    }
}

fn domain() -> Domain {
    "localhost".parse().unwrap()
}
