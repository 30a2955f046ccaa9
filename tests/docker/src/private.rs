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
    /// Which of the engines of tests it is.
    number: u32,
    /// Its default bridge. Told to have none, it would remove the one that the machine's own engine has.
    bridge: String,
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
        remove_bridges(number);
        let folder = tempfile::Builder::new().prefix("orrery-docker").tempdir().expect("a folder");
        let docker = Docker::at(&folder.path().join("docker.sock"));
        let mut private = Self { docker, number, bridge, process: None, folder };
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
        // Addresses for its bridge and one network more: for others, it has to be told which to take.
        command.args(["--default-address-pool", &format!("base={}0/23,size=24", range(self.number)[0])]);
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

    /// Ends what looked after containers that an engine, killed while it started them, does not know of.
    fn end_shims(&self) {
        let ours = self.folder.path().display().to_string();
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        for process in processes {
            let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command);
            let pid = process.file_name().to_str().and_then(|name| Pid::from_raw(name.parse().ok()?));
            if let Some(pid) = pid.filter(|_| command.contains("containerd-shim") && command.contains(&ours)) {
                kill_process(pid, Signal::KILL).ok();
            }
        }
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

/// What the addresses begin with that an engine has of its own accord.
fn range(number: u32) -> [String; 2] {
    [number * 2, number * 2 + 1].map(|third| format!("10.213.{third}."))
}

/// Removes the bridges of networks from an engine's addresses: one that was killed leaves its own behind, and packets for the
/// next engine with this number would be sent there.
fn remove_bridges(number: u32) {
    let listed = Command::new("ip").args(["-oneline", "-4", "address", "show"]).output();
    let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let bridge = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let (name, address) = (words.next()?.to_owned(), words.nth(1)?);
        let is_ours = name.starts_with("br-") && range(number).iter().any(|start| address.starts_with(start));
        is_ours.then_some(name)
    };
    for name in listed.lines().filter_map(bridge) {
        let _gone = Command::new("ip").args(["link", "del", &name]).status();
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
        self.end_shims();
        remove_bridges(self.number);
        let _gone = Command::new("ip").args(["link", "del", &self.bridge]).status();
        // What it had mounted and did not let go of stays in the way of its folder.
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let ours = self.folder.path().display().to_string();
        for point in mounts.lines().filter_map(|line| line.split(' ').nth(1)).filter(|point| point.starts_with(&ours)) {
            let _gone = Command::new("umount").args(["--lazy", point]).status();
        }
    }
}
