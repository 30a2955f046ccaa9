//! The Docker of this machine, and one of our own: how tests get at them past everything. Each test has organizations of its
//! own and removes what it made; nothing else is touched.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use orrery_actors::engine::{Docker, EngineConfig, Ports, Runtime, fake::Hand};
use orrery_protocol::{container::plan::ObjectId, id::OrgId, image::Reference};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{gateway::Gateway, stories::Place};

/// Where the test image is had from: nowhere.
const URI: &str = "orrery-test/program";
/// Builds it.
const BUILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/image/build.sh");
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct RealDocker {
    runtime: Arc<Docker>,
    /// `unix://` and its socket.
    host: String,
    /// Organizations that tests made, whose things go however a test ends.
    orgs: Mutex<Vec<OrgId>>,
}

fn is_ci() -> bool {
    std::env::vars().any(|(name, value)| name == "CI" && !value.is_empty())
}

/// A test that cannot be made here says so; in CI, it has to be.
fn skip(why: &str) {
    assert!(!is_ci(), "{why}, and in CI everything can be had");
    eprintln!("skipped: {why}; make test installs and starts what is missing");
}

impl Drop for RealDocker {
    fn drop(&mut self) {
        let orgs = self.orgs.get_mut().map(std::mem::take).unwrap_or_default();
        for org in orgs {
            let label = format!("label=orrery.org={org}");
            let left = self.command(&["ps", "--all", "--quiet", "--filter", &label]).output();
            let left = left.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
            for object in left.lines() {
                let _gone = self.command(&["rm", "--force", "--volumes", object]).output();
            }
            let _gone = self.command(&["network", "rm", &format!("orrery-{org}")]).output();
        }
    }
}

impl RealDocker {
    /// The engine of this machine, with the test images; `None` if there is none.
    pub(crate) fn here() -> Option<Self> {
        Self::reached_by(Ports::Auto)
    }

    /// The same engine as if it were one whose addresses cannot be reached from here.
    pub(crate) fn publishing() -> Option<Self> {
        Self::reached_by(Ports::Publish)
    }

    fn reached_by(ports: Ports) -> Option<Self> {
        static IMAGE: OnceLock<()> = OnceLock::new();
        let docker = Self::at(&EngineConfig::default().socket, ports);
        if !docker.answers() {
            skip("no Docker engine answers");
            return None;
        }
        IMAGE.get_or_init(|| docker.import_image());
        Some(docker)
    }

    fn at(socket: &Path, ports: Ports) -> Self {
        let config = EngineConfig { socket: socket.to_owned(), ports, ..EngineConfig::default() };
        Self {
            runtime: Arc::new(Docker::new(&config)),
            host: format!("unix://{}", socket.display()),
            orgs: Mutex::default(),
        }
    }

    fn answers(&self) -> bool {
        let mut command = self.command(&["version", "--format", "{{.Server.Version}}"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(["--host", &self.host]).args(arguments);
        command
    }

    /// What `docker` prints.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().expect("docker is installed");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    fn import_image(&self) {
        let status = Command::new(BUILD).env("DOCKER_HOST", &self.host).status();
        assert!(status.expect("the script runs").success(), "the test image cannot be built");
    }

    pub(crate) fn image() -> Reference {
        Self::tagged("1")
    }

    /// One of the test images.
    pub(crate) fn tagged(tag: &str) -> Reference {
        format!("{URI}:{tag}").parse().expect("a reference")
    }
}

#[async_trait]
impl Place for RealDocker {
    fn new_org(&self) -> OrgId {
        let org = OrgId(Uuid::new_v4());
        self.orgs.lock().expect("no test panics while it holds this").push(org);
        org
    }

    fn gateway(&self) -> Gateway {
        Gateway::new(self.new_org(), URI, self.runtime(), PATIENCE)
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        self.runtime.clone()
    }

    async fn by_hand(&self, hand: Hand, object: &ObjectId) {
        let verb: &[&str] = match hand {
            Hand::Kill => &["kill"],
            Hand::Start => &["start"],
            Hand::Pause => &["pause"],
            Hand::Remove => &["rm", "--force"],
        };
        self.ask(&[verb, &[object.0.as_str()]].concat());
    }

    async fn is_empty(&self, org: OrgId) -> bool {
        let label = format!("label=orrery.org={org}");
        let containers = self.ask(&["ps", "--all", "--quiet", "--filter", &label]);
        let networks = self.ask(&["network", "ls", "--quiet", "--filter", &label]);
        (containers + &networks).trim().is_empty()
    }
}

/// A Docker of this test's own, with its own socket, data and process: it can be killed and started again. It leaves the
/// rules of the host's network alone, so its containers are not kept apart.
pub(crate) struct PrivateDocker {
    folder: TempDir,
    /// Its default bridge. Told to have none, it would remove the one that the machine's own engine has.
    bridge: String,
    process: Option<Child>,
    pub(crate) docker: RealDocker,
}

impl PrivateDocker {
    /// `None` if it cannot be started here.
    pub(crate) fn start() -> Option<Self> {
        let root = Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n");
        let installed = Command::new("dockerd").arg("--version").output().is_ok();
        if !root || !installed {
            skip("a Docker engine of our own needs dockerd and root");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("orrery-docker").tempdir().expect("a folder");
        let docker = RealDocker::at(&folder.path().join("docker.sock"), Ports::Auto);
        let bridge = format!("orr{}", std::process::id());
        let made = Command::new("ip").args(["link", "add", &bridge, "type", "bridge"]).status();
        assert!(made.is_ok_and(|made| made.success()), "a bridge can be made");
        let mut private = Self { folder, bridge, process: None, docker };
        private.run();
        private.docker.import_image();
        Some(private)
    }

    pub(crate) fn run(&mut self) {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let log = fs::File::options().create(true).append(true).open(at("log")).expect("a file");
        let mut command = Command::new("dockerd");
        command.args(["--host", &self.docker.host, "--bridge", &self.bridge, "--iptables=false", "--ip-masq=false"]);
        command.args(["--data-root", &at("data"), "--exec-root", &at("run"), "--pidfile", &at("pid")]);
        // Addresses for its bridge and one network more: for others, it has to be told which to take.
        command.args(["--default-address-pool", "base=10.213.76.0/23,size=24"]);
        command.stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().expect("dockerd starts"));
        let begun = std::time::Instant::now();
        while !self.docker.answers() {
            let log = fs::read_to_string(at("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "dockerd does not answer: {log}");
            std::thread::yield_now();
        }
    }

    /// As an administrator stops it: what runs in it ends.
    pub(crate) fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        let _told = Command::new("kill").args(["-TERM", &process.id().to_string()]).status();
        let _ended = process.wait();
    }
}

impl Drop for PrivateDocker {
    fn drop(&mut self) {
        self.stop();
        let _gone = Command::new("ip").args(["link", "del", &self.bridge]).status();
        // What it had mounted and did not let go of stays in the way of its folder.
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let ours = self.folder.path().display().to_string();
        for point in mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(|point| point.starts_with(&ours)) {
            let _gone = Command::new("umount").args(["--lazy", point]).status();
        }
    }
}
