//! A real nginx for one test.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Command,
    time::Duration,
};

use orrery_actors::nginx::{Nginx, NginxConfig, NginxSettings, Stage2Wanted, Wanted};
use orrery_protocol::{
    container::{Domain, HostName, Target},
    id::{ContainerId, OrgId},
};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

pub(crate) const ORG: OrgId = OrgId(Uuid::from_u128(0x018f_4c1e_2b7a_7c3d_9e4f_5a6b_7c8d_9e0f));

/// How its gateway's host is called.
pub(crate) const ORG_HOST: &str = "org-018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f.team.example";

const PATIENCE: Duration = Duration::from_secs(60);

/// A folder and ports. Whatever nginx runs from it is ended with the test.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) settings: NginxSettings,
}

impl Place {
    /// `None` where nginx is not installed; in CI it must be.
    pub(crate) fn new() -> Option<Self> {
        Self::with(|_| {})
    }

    pub(crate) fn with(change: impl FnOnce(&mut NginxConfig)) -> Option<Self> {
        let Some(program) = program() else {
            assert!(!std::env::vars().any(|(name, _)| name == "CI"), "in CI there must be an nginx");
            eprintln!("skipped: nginx is not installed; make test installs it");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        // Workers are somebody else if this is root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut config = NginxConfig {
            enabled: true,
            program: program.to_str().unwrap().to_owned(),
            listen: free_address().to_string(),
            ..NginxConfig::default()
        };
        change(&mut config);
        let settings = config.check(folder.path()).unwrap().unwrap();
        Some(Self { folder, settings })
    }

    pub(crate) fn nginx(&self) -> Nginx {
        Nginx::open(self.settings.clone()).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.settings.folder.as_path().join(name)
    }

    /// The process id of the master.
    pub(crate) fn master(&self) -> Option<u32> {
        let text = fs::read_to_string(self.path("run/nginx.pid")).ok()?;
        let pid: u32 = text.trim().parse().ok()?;
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == "nginx").then_some(pid)
    }

    /// How many workers the master has, old ones too.
    pub(crate) fn workers(&self) -> usize {
        self.worker_ids().len()
    }

    /// Their process ids.
    pub(crate) fn worker_ids(&self) -> Vec<u32> {
        let master = self.master().unwrap();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
        children.split_whitespace().map(|worker| worker.parse().unwrap()).collect()
    }

    pub(crate) fn signal_master(&self, signal: &str) {
        let master = self.master().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &master]).status().unwrap().success());
    }

    /// Whether nginx itself finds what is live sound, as at a cold start.
    pub(crate) fn live_is_sound(&self) -> bool {
        let prefix = self.settings.folder.as_path();
        let mut test = Command::new(&self.settings.program);
        test.arg("-t").arg("-q").arg("-p").arg(prefix).arg("-c").arg(self.path("live/nginx.conf"));
        test.output().unwrap().status.success()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(master) = self.master() {
            Command::new("kill").arg(master.to_string()).status().unwrap();
        }
    }
}

fn program() -> Option<PathBuf> {
    let places = ["/usr/sbin/nginx", "/usr/local/sbin/nginx", "/usr/local/bin/nginx", "/opt/homebrew/bin/nginx"];
    places.map(PathBuf::from).into_iter().find(|place| place.exists())
}

/// Where nobody listens. Below the ports that the kernel gives to connections, of which one may have it before nginx comes.
pub(crate) fn free_address() -> SocketAddr {
    let ports = std::iter::repeat_with(|| rand::random_range(10_000..32_000));
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).ok()?.local_addr().ok();
    ports.take(1_000).find_map(free).expect("a free port")
}

/// Waits until it is so. There is a limit.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < deadline, "{what}: not in time");
        sleep(Duration::from_millis(10)).await;
    }
}

pub(crate) fn domain() -> Domain {
    "team.example".parse().unwrap()
}

/// The host of a container's first service.
pub(crate) fn container(n: u128) -> HostName {
    HostName { org: ORG, target: Target::Container(ContainerId::from_random(n), None) }
}

/// As it is asked for.
pub(crate) fn host(name: &HostName) -> String {
    name.under(&domain())
}

/// A gateway with these containers.
pub(crate) fn stage2<'a>(
    gateway: SocketAddr,
    services: impl IntoIterator<Item = (&'a HostName, SocketAddr)>,
) -> Wanted {
    let mut of_org: BTreeMap<SocketAddr, BTreeSet<HostName>> = BTreeMap::new();
    for (name, upstream) in services {
        of_org.entry(upstream).or_default().insert(name.clone());
    }
    let services = BTreeMap::from([(ORG, of_org)]);
    Wanted::Stage2(Stage2Wanted { domain: domain(), gateway, services })
}
