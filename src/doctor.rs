//! `orrery doctor`: what is installed on this machine, whether it runs, and what to do. Asks the programs themselves, by
//! argument vector and with a time limit.

use std::{fs, process::ExitCode, process::Stdio, time::Duration};

use serde::Serialize;
use tokio::{process::Command, time::timeout};

use crate::output;

const PATIENCE: Duration = Duration::from_secs(5);

/// One program that Orrery can use.
struct Program {
    name: &'static str,
    /// Asks for the version without needing the service.
    version: [&'static str; 2],
    /// How it is called in the process list while it runs.
    process: &'static str,
    /// What Orrery uses it for.
    purpose: &'static str,
    install: &'static str,
    start: &'static str,
}

const PROGRAMS: [Program; 3] = [
    Program {
        name: "Docker engine",
        version: ["docker", "--version"],
        process: "dockerd",
        purpose: "user containers",
        install: "apt-get install docker.io",
        start: "systemctl start docker",
    },
    Program {
        name: "nginx",
        version: ["nginx", "-v"],
        process: "nginx",
        purpose: "the nginx proxy driver (the built-in proxy needs nothing)",
        install: "apt-get install nginx-light",
        start: "nothing: the driver starts it",
    },
    Program {
        name: "PowerDNS",
        version: ["pdns_server", "--version"],
        process: "pdns_server",
        purpose: "public host names (the domain localhost needs nothing)",
        install: "apt-get install pdns-server pdns-backend-sqlite3",
        start: "systemctl start pdns",
    },
];

#[derive(Serialize)]
struct Finding {
    name: &'static str,
    purpose: &'static str,
    /// What it says of itself; nothing if it is not installed.
    version: Option<String>,
    running: bool,
    /// What to do to be able to use it.
    advice: Option<String>,
}

pub(crate) fn run(json: bool) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let findings: Vec<Finding> = runtime.block_on(async {
        let mut findings = Vec::new();
        for program in &PROGRAMS {
            findings.push(examine(program).await);
        }
        findings
    });
    if json {
        output::json(&findings)?;
        return Ok(ExitCode::SUCCESS);
    }
    for Finding { name, purpose, version, running, advice } in findings {
        let state = match (&version, running) {
            (None, _) => "not installed",
            (Some(_), false) => "installed, not running",
            (Some(_), true) => "running",
        };
        output::line(format_args!("{name}: {state}"));
        output::line(format_args!("  for      {purpose}"));
        version.into_iter().for_each(|version| output::line(format_args!("  version  {version}")));
        advice.into_iter().for_each(|advice| output::line(format_args!("  to do    {advice}")));
    }
    output::line("None of them is needed by `orrery up` as it is today.");
    Ok(ExitCode::SUCCESS)
}

async fn examine(program: &Program) -> Finding {
    let version = version(program.version).await;
    let running = is_running(program.process);
    let advice = match (&version, running) {
        (None, _) => Some(program.install),
        (Some(_), false) => Some(program.start),
        (Some(_), true) => None,
    };
    Finding { name: program.name, purpose: program.purpose, version, running, advice: advice.map(str::to_owned) }
}

/// The first line that the program prints, on whichever stream.
async fn version([program, argument]: [&str; 2]) -> Option<String> {
    let asked = Command::new(program).arg(argument).stdin(Stdio::null()).kill_on_drop(true).output();
    let said = timeout(PATIENCE, asked).await.ok()?.ok()?;
    let text = String::from_utf8_lossy(if said.stdout.is_empty() { &said.stderr } else { &said.stdout }).into_owned();
    text.lines().next().map(|line| line.trim().to_owned())
}

/// Whether a process of that name is there.
fn is_running(name: &str) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    processes
        .flatten()
        .any(|process| fs::read_to_string(process.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_is_not_there_has_no_version() {
        assert_eq!(version(["orrery-no-such-program", "--version"]).await, None);
        assert!(version(["cargo", "--version"]).await.is_some_and(|line| line.starts_with("cargo ")));
    }

    #[test]
    fn a_running_process_is_found() {
        let own = fs::read_to_string("/proc/self/comm").unwrap();
        assert!(is_running(own.trim_end()));
        assert!(!is_running("orrery-no-such-program"));
    }
}
