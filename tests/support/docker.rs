//! The Docker engine of this machine, asked by its own command past everything.

use std::process::{Command, Output, Stdio};

/// The image that tests make containers from; nothing but its script has it.
pub(crate) const IMAGE: &str = "orrery-test/program:1";

const HOST: &str = "unix:///var/run/docker.sock";
const BUILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/image/build.sh");

/// The engine, with the image of the tests in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Docker(());

impl Docker {
    /// `None`, said aloud, if there is none. In CI, where everything can be had, there has to be one.
    pub(crate) fn here() -> Option<Self> {
        let docker = Self(());
        if docker.try_ask(&["version"]).is_none() {
            let is_ci = std::env::vars().any(|(name, value)| name == "CI" && !value.is_empty());
            assert!(!is_ci, "no Docker engine answers, and in CI everything can be had");
            eprintln!("skipped: no Docker engine answers; make test installs and starts one");
            return None;
        }
        let built = Command::new(BUILD).env("DOCKER_HOST", HOST).stdout(Stdio::null()).status();
        assert!(built.expect("the script runs").success(), "the image of the tests cannot be built");
        Some(docker)
    }

    /// What `docker` prints.
    pub(crate) fn ask(self, arguments: &[&str]) -> String {
        let output = output(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The same of what may be refused.
    pub(crate) fn try_ask(self, arguments: &[&str]) -> Option<String> {
        let output = output(arguments);
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

fn output(arguments: &[&str]) -> Output {
    Command::new("docker").args(["--host", HOST]).args(arguments).output().expect("docker is installed")
}
