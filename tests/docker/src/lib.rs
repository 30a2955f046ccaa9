//! Docker engines for tests, asked by their own command past everything: the one of this machine, and private ones that can be
//! stopped, killed and held. What tests make bears an organization's label and is removed by it; nothing else is touched.

mod private;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

pub use private::PrivateDocker;

/// The image that tests make containers from; nothing but [`BUILD`] has it.
pub const IMAGE: &str = "orrery-test/program:1";

/// Where the engine of this machine listens.
pub const SOCKET: &str = "/var/run/docker.sock";
const BUILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../image/build.sh");
/// How long an engine may take to come, or to let go.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at an engine.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// What has not been seen for so many looks does not come any more.
const QUIET_LOOKS: u32 = 3;
/// What bears labels, in the order in which it can be removed.
const KINDS: [Kind; 2] = [
    Kind { list: &["ps", "--all", "--quiet"], remove: &["rm", "--force", "--volumes"] },
    Kind { list: &["network", "ls", "--quiet"], remove: &["network", "rm"] },
];

/// How one kind of things is listed and removed.
struct Kind {
    list: &'static [&'static str],
    remove: &'static [&'static str],
}

impl Kind {
    fn list<'a>(&'a self, filter: &'a str) -> Vec<&'a str> {
        [self.list, &["--filter", filter]].concat()
    }
}

/// An engine behind a socket.
#[derive(Debug, Clone)]
pub struct Docker {
    socket: PathBuf,
}

impl Docker {
    /// The engine of this machine, with the image of the tests; `None`, said aloud, if there is none.
    ///
    /// # Panics
    /// There is none in CI, where everything can be had, or the image cannot be built.
    pub fn here() -> Option<Self> {
        static IMAGE: OnceLock<()> = OnceLock::new();
        let docker = Self::at(Path::new(SOCKET));
        if !docker.answers() {
            skip("no Docker engine answers");
            return None;
        }
        IMAGE.get_or_init(|| docker.build_image());
        Some(docker)
    }

    /// Whatever listens, or will, at a socket.
    pub fn at(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// `unix://` and its socket.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Whether it does.
    pub fn answers(&self) -> bool {
        let mut command = self.command(&["version", "--format", "{{.Server.Version}}"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
    }

    /// What `docker` prints.
    ///
    /// # Panics
    /// It fails.
    pub fn ask(&self, arguments: &[&str]) -> String {
        let output = self.output(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same of what may have gone meanwhile.
    pub fn try_ask(&self, arguments: &[&str]) -> Option<String> {
        let output = self.output(arguments);
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// The words that `docker` prints, such as ids.
    ///
    /// # Panics
    /// It fails.
    pub fn words(&self, arguments: &[&str]) -> Vec<String> {
        self.ask(arguments).split_whitespace().map(str::to_owned).collect()
    }

    /// Whether nothing bears a label.
    ///
    /// # Panics
    /// It does not answer.
    pub fn has_nothing_of(&self, label: &str) -> bool {
        let filter = format!("label={label}");
        KINDS.iter().all(|kind| self.words(&kind.list(&filter)).is_empty())
    }

    /// Removes what bears a label, such as `orrery.org=…`: containers with what is in them, then networks. Whoever makes such
    /// things has ended; what was begun last may still come, so it is looked for more than once.
    ///
    /// # Panics
    /// The engine answers and does not let go of something.
    pub fn remove_labelled(&self, label: &str) {
        let (begun, mut quiet) = (Instant::now(), 0);
        while quiet < QUIET_LOOKS {
            let found = KINDS.iter().map(|kind| self.remove_kind(kind, label)).sum::<usize>();
            quiet = if found == 0 { quiet + 1 } else { 0 };
            if begun.elapsed() > PATIENCE {
                assert!(thread::panicking(), "{found} things with {label} cannot be removed");
                return;
            }
            thread::park_timeout(LOOK_EVERY);
        }
    }

    /// How many there were. An engine that does not answer has none.
    fn remove_kind(&self, kind: &Kind, label: &str) -> usize {
        let filter = format!("label={label}");
        let found = self.try_ask(&kind.list(&filter)).unwrap_or_default();
        let found: Vec<&str> = found.split_whitespace().collect();
        for id in &found {
            let _gone = self.try_ask(&[kind.remove, &[*id]].concat());
        }
        found.len()
    }

    fn build_image(&self) {
        let status = Command::new(BUILD).env("DOCKER_HOST", self.host()).status();
        assert!(status.expect("the script runs").success(), "the image of the tests cannot be built");
    }

    fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("docker is installed")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(["--host", &self.host()]).args(arguments);
        command
    }
}

/// A test that cannot be made here says so; in CI, it has to be.
fn skip(why: &str) {
    let is_ci = std::env::vars().any(|(name, value)| name == "CI" && !value.is_empty());
    assert!(!is_ci, "{why}, and in CI everything can be had");
    eprintln!("skipped: {why}; make test installs and starts what is missing");
}
