//! An engine of a test's own.

use std::{
    fs::{self, File},
    ops::Deref,
    process::{Child, Command, Stdio, id},
    thread,
    time::Instant,
};

use rustix::process::{Pid, Signal, getuid, kill_process};
use tempfile::TempDir;

use crate::{Docker, LOOK_EVERY, PATIENCE, skip};

/// So many engines of tests have addresses of their own.
const POOLS: u32 = 128;

/// A Docker with its own socket, data and process. It leaves the rules of the host's network alone, so its containers are not
/// kept apart.
#[derive(Debug)]
pub struct PrivateDocker {
    docker: Docker,
    /// Its default bridge. Told to have none, it would remove the one that the machine's own engine has.
    bridge: String,
    /// Addresses for its bridge and one network more: for others, it has to be told which to take.
    pool: String,
    process: Option<Child>,
    folder: TempDir,
}

impl PrivateDocker {
    /// An engine with the image of the tests; `None`, said aloud, if it cannot be started here.
    ///
    /// # Panics
    /// It cannot be started in CI, or does not answer.
    pub fn start() -> Option<Self> {
        let installed = Command::new("dockerd").arg("--version").output().is_ok();
        if !getuid().is_root() || !installed {
            skip("a Docker engine of our own needs dockerd and root");
            return None;
        }
        let (number, bridge) =
            (0..POOLS).map(|number| (id() + number) % POOLS).find_map(bridge).expect("a bridge can be made");
        let folder = tempfile::Builder::new().prefix("orrery-docker").tempdir().expect("a folder");
        let docker = Docker::at(&folder.path().join("docker.sock"));
        let pool = format!("base=10.213.{}.0/23,size=24", number * 2);
        let mut private = Self { docker, bridge, pool, process: None, folder };
        private.run();
        private.build_image();
        Some(private)
    }

    /// Starts it again after it ended, and waits until it answers.
    ///
    /// # Panics
    /// It does not.
    pub fn run(&mut self) {
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let log = File::options().create(true).append(true).open(at("log")).expect("a file");
        let mut command = Command::new("dockerd");
        command.args(["--host", &self.host(), "--bridge", &self.bridge, "--iptables=false", "--ip-masq=false"]);
        command.args(["--data-root", &at("data"), "--exec-root", &at("run"), "--pidfile", &at("pid")]);
        command.args(["--default-address-pool", &self.pool]);
        command.stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().expect("dockerd starts"));
        let begun = Instant::now();
        while !self.answers() {
            // On a busy machine it gives its own helper up too early, and ends.
            if self.process.as_mut().is_some_and(|process| process.try_wait().is_ok_and(|ended| ended.is_some())) {
                self.process = Some(command.spawn().expect("dockerd starts"));
            }
            let log = fs::read_to_string(at("log")).unwrap_or_default();
            assert!(begun.elapsed() < PATIENCE, "dockerd does not answer: {log}");
            thread::park_timeout(LOOK_EVERY);
        }
    }

    /// As an administrator stops it: what runs in it ends.
    pub fn stop(&mut self) {
        // What is held hears nothing else.
        self.thaw();
        self.signal(Signal::TERM);
        self.wait();
    }

    /// As the kernel ends it; what runs in it does not know.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait();
    }

    /// From now on it answers nobody. What runs in it goes on.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// It goes on where it was held.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.process.as_ref().and_then(|process| Pid::from_raw(i32::try_from(process.id()).ok()?));
        if let Some(pid) = pid {
            // It may have ended by itself, which whoever asks it next is told.
            kill_process(pid, signal).ok();
        }
    }

    fn wait(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.wait().ok();
        }
    }
}

/// Takes a number that nobody has: names of bridges are given once, to whoever is first.
fn bridge(number: u32) -> Option<(u32, String)> {
    let name = format!("orrery-test-{number}");
    let made = Command::new("ip").args(["link", "add", &name, "type", "bridge"]).stderr(Stdio::null()).status();
    made.is_ok_and(|made| made.success()).then_some((number, name))
}

impl Deref for PrivateDocker {
    type Target = Docker;

    fn deref(&self) -> &Docker {
        &self.docker
    }
}

impl Drop for PrivateDocker {
    fn drop(&mut self) {
        self.thaw();
        if self.process.is_some() {
            // Networks outlive their engine.
            self.remove_labelled("orrery.org");
        }
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
