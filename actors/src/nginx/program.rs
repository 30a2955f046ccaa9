//! The nginx program: asked whether a configuration is sound, started, told to read it again, ended. By argument vector and
//! with time limits; the running one is found by the file with its process id.
//!
//! A master that is killed leaves its workers behind. They go on as before, hear of no change, and keep the port from the
//! next master: they are let go before that one starts.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::Command,
    time::{Instant, sleep, timeout},
};

use super::{NginxError, config::NginxSettings, word::ConfigPath};

/// How long nginx may take to read a configuration.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nginx may take to let go of its connections before it is told to drop them.
const QUIT_PATIENCE: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// As the template names it.
const LOG: &str = "error.log";
/// The longest part of its complaint that is repeated, in characters.
const COMPLAINT_CHARS_MAX: usize = 500;

/// One nginx, running or not.
#[derive(Debug)]
pub(super) struct Program {
    settings: NginxSettings,
}

impl Program {
    pub(super) fn new(settings: NginxSettings) -> Self {
        Self { settings }
    }

    /// Whether nginx takes the configuration in this tree. Changes nothing that runs.
    pub(super) async fn test(&self, tree: &ConfigPath) -> Result<(), NginxError> {
        self.run(&["-t", "-q"], tree).await.map_err(NginxError::Broken)
    }

    /// Starts nginx from the live tree, in the place of whatever one left that was killed.
    pub(super) async fn start(&self) -> Result<(), NginxError> {
        self.let_orphans_go().await;
        self.run(&[], &self.settings.live()).await.map_err(NginxError::NotStarted)?;
        self.until(PATIENCE, |pid| pid.is_some()).await;
        self.pid().map(drop).ok_or_else(|| NginxError::NotStarted("it ended at once".to_owned()))
    }

    /// Makes the running one read its configuration again. `false` if none runs.
    pub(super) fn reload(&self) -> Result<bool, NginxError> {
        self.signal(Signal::HUP)
    }

    /// The running one.
    pub(super) fn pid(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.settings.run().as_path().join("nginx.pid")).ok()?;
        let pid = Pid::from_raw(text.trim().parse().ok()?)?;
        // Its number may be another's by now.
        let proc = Path::new("/proc");
        let ours = if proc.join("self").exists() {
            fs::read_to_string(proc.join(pid.to_string()).join("comm")).is_ok_and(|comm| comm.trim_end() == "nginx")
        } else {
            rustix::process::test_kill_process(pid).is_ok()
        };
        ours.then_some(pid)
    }

    /// Ends the running one: gracefully, and if that takes too long, not.
    pub(super) async fn stop(&self) -> Result<(), NginxError> {
        for signal in [Signal::QUIT, Signal::TERM] {
            if !self.signal(signal)? {
                return Ok(());
            }
            self.until(QUIT_PATIENCE, |pid| pid.is_none()).await;
        }
        Ok(())
    }

    /// Has workers without a master listen no more. What they have open they keep for as long as after a reload.
    async fn let_orphans_go(&self) {
        let mut orphans = self.orphans();
        if orphans.is_empty() {
            return;
        }
        tracing::warn!(
            workers = orphans.len(),
            "the master of nginx is gone, and its workers are not: they are let go"
        );
        let deadline = Instant::now() + QUIT_PATIENCE;
        signal_all(&orphans, Signal::QUIT);
        while !orphans.is_empty() && Instant::now() < deadline {
            sleep(LOOK_EVERY).await;
            orphans = self.orphans();
        }
        signal_all(&orphans, Signal::KILL);
    }

    /// Workers that take connections and whose master is not there. They are known by their log, which is in our folder.
    fn orphans(&self) -> Vec<Pid> {
        let (None, Ok(run)) = (self.pid(), self.settings.run().as_path().canonicalize()) else { return Vec::new() };
        let log = run.join(LOG);
        let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
        let processes = processes.flatten().map(|process| process.path());
        processes.filter(|process| is_working(process) && has_open(process, &log)).filter_map(pid_of).collect()
    }

    fn signal(&self, signal: Signal) -> Result<bool, NginxError> {
        let Some(pid) = self.pid() else { return Ok(false) };
        match kill_process(pid, signal) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::SRCH) => Ok(false),
            Err(error) => Err(NginxError::NotTold(error.into())),
        }
    }

    /// Waits until it is so, or for so long.
    async fn until(&self, patience: Duration, so: impl Fn(Option<Pid>) -> bool) {
        let deadline = Instant::now() + patience;
        while !so(self.pid()) && Instant::now() < deadline {
            sleep(LOOK_EVERY).await;
        }
    }

    async fn run(&self, arguments: &[&str], tree: &ConfigPath) -> Result<(), String> {
        let mut command = Command::new(&self.settings.program);
        command.args(arguments).arg("-p").arg(self.settings.folder.as_path());
        command.arg("-e").arg("stderr").arg("-c").arg(tree.as_path().join("nginx.conf"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let program = self.settings.program.display();
        let ran = timeout(PATIENCE, command.output()).await.map_err(|_| format!("{program} takes too long"))?;
        let ran = ran.map_err(|error| format!("{program}: {error}"))?;
        if ran.status.success() {
            return Ok(());
        }
        let complaint = String::from_utf8_lossy(&ran.stderr);
        Err(complaint.trim().chars().take(COMPLAINT_CHARS_MAX).collect())
    }
}

/// Whether a process is a worker of some nginx, and not on its way out.
fn is_working(process: &Path) -> bool {
    let called = fs::read_to_string(process.join("cmdline")).unwrap_or_default();
    called.trim_end_matches(['\0', ' ']) == "nginx: worker process"
}

fn has_open(process: &Path, file: &Path) -> bool {
    let Ok(open) = fs::read_dir(process.join("fd")) else { return false };
    open.flatten().any(|entry| fs::read_link(entry.path()).is_ok_and(|target| target == file))
}

fn pid_of(process: PathBuf) -> Option<Pid> {
    Pid::from_raw(process.file_name()?.to_str()?.parse().ok()?)
}

/// Who has ended meanwhile needs no signal.
fn signal_all(processes: &[Pid], signal: Signal) {
    for process in processes {
        kill_process(*process, signal).ok();
    }
}
