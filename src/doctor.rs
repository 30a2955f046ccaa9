//! `orrery doctor`: what is installed on this machine, whether it runs, and what to do. Asks the programs themselves, by
//! argument vector and with a time limit.

use std::{
    fs,
    path::Path,
    process::{ExitCode, Stdio},
    time::Duration,
};

use serde::Serialize;
use tokio::{process::Command, time::timeout};

use crate::output;

const PATIENCE: Duration = Duration::from_secs(5);

/// One program that Orrery can use.
struct Program {
    name: &'static str,
    /// Asks for the version without needing the service.
    version: [&'static str; 2],
    /// What stands before the number in the answer.
    before_number: &'static str,
    /// How it is called in the process list while it runs.
    process: &'static str,
    /// What Orrery uses it for.
    purpose: &'static str,
    install: &'static str,
    start: &'static str,
    /// What to do about what it says of itself; nothing if it will do.
    unfit: fn(&str) -> Option<String>,
}

const PROGRAMS: [Program; 3] = [
    Program {
        name: "Docker engine",
        version: ["docker", "--version"],
        before_number: "Docker version ",
        process: "dockerd",
        purpose: "user containers",
        install: "apt-get install docker.io",
        start: "systemctl start docker",
        unfit: |_| None,
    },
    Program {
        name: "nginx",
        version: ["nginx", "-V"],
        before_number: "nginx/",
        process: "nginx",
        purpose: "the nginx proxy driver (the built-in proxy needs nothing)",
        install: "apt-get install nginx-light",
        start: "nothing: the driver starts it (docs/nginx.md says how to use it)",
        unfit: unfit_nginx,
    },
    Program {
        name: "PowerDNS",
        version: ["pdns_server", "--version"],
        before_number: "PowerDNS Authoritative Server ",
        process: "pdns_server",
        purpose: "public host names (the domain localhost needs nothing)",
        install: "apt-get install pdns-server pdns-backend-sqlite3 sqlite3",
        start: "systemctl start pdns, then `orrery dns setup` (docs/dns.md says how)",
        unfit: |_| None,
    },
];

#[derive(Serialize)]
struct Finding {
    name: &'static str,
    purpose: &'static str,
    /// Nothing if it is not installed.
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
    output::line("`orrery up` serves boards and documents without any of them.");
    Ok(ExitCode::SUCCESS)
}

async fn examine(program: &Program) -> Finding {
    let said = ask(program.version).await;
    let running = is_running(program.process);
    let advice = match (&said, running) {
        (None, _) => Some(program.install.to_owned()),
        (Some(said), running) => (program.unfit)(said)
            .or_else(|| (!running).then(|| program.start.to_owned()))
            .or_else(|| is_headless(program.process).then(|| HEADLESS.to_owned())),
    };
    let version = said.map(|said| number(&said, program.before_number));
    Finding { name: program.name, purpose: program.purpose, version, running, advice }
}

/// What the program says of itself, on whichever stream. Servers are often installed where only root looks for them.
async fn ask([program, argument]: [&str; 2]) -> Option<String> {
    for place in ["", "/usr/sbin/", "/usr/local/sbin/"] {
        let mut command = Command::new(format!("{place}{program}"));
        let asked = command.arg(argument).stdin(Stdio::null()).kill_on_drop(true).output();
        if let Ok(Ok(said)) = timeout(PATIENCE, asked).await {
            let text = if said.stdout.is_empty() { &said.stderr } else { &said.stdout };
            return Some(String::from_utf8_lossy(text).into_owned());
        }
    }
    None
}

/// The version in what a program says of itself; its first line if there is none.
fn number(said: &str, before: &str) -> String {
    let found = said.split_once(before).and_then(|(_, rest)| rest.split([' ', ',', '\n']).next());
    found.unwrap_or_else(|| said.lines().next().unwrap_or_default()).trim().to_owned()
}

/// What the driver needs of nginx: to be told where to complain, and these parts.
fn unfit_nginx(said: &str) -> Option<String> {
    const OLDEST: [u32; 3] = [1, 19, 5];
    let version = said.lines().next()?.split_once("nginx/")?.1;
    let numbers = version.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse::<u32>().ok());
    if numbers.take(3).lt(OLDEST) {
        return Some("install nginx 1.19.5 or newer".to_owned());
    }
    let parts = ["http_auth_request_module", "http_realip_module", "http_ssl_module", "http_v2_module"];
    let missing: Vec<&str> = parts.into_iter().filter(|part| !said.contains(part)).collect();
    (!missing.is_empty()).then(|| format!("install an nginx that has {}", missing.join(", ")))
}

/// What to do about workers whose master was killed. The driver does it by itself where it starts nginx.
const HEADLESS: &str = "workers run without their master, and hear of no change: `kill -QUIT` them, and start it again";

/// Whether a worker of a program takes connections though nobody of that name looks after it.
fn is_headless(name: &str) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    let called = |process: &Path| fs::read_to_string(process.join("cmdline")).unwrap_or_default();
    let is_worker = |process: &Path| called(process).trim_end_matches(['\0', ' ']) == format!("{name}: worker process");
    let has_master = |process: &Path| {
        let status = fs::read_to_string(process.join("status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
        parent.is_none_or(|parent| {
            called(&Path::new("/proc").join(parent.trim())).starts_with(&format!("{name}: master"))
        })
    };
    processes.flatten().map(|process| process.path()).any(|process| is_worker(&process) && !has_master(&process))
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
    async fn a_program_that_is_not_there_says_nothing() {
        assert_eq!(ask(["orrery-no-such-program", "--version"]).await, None);
        assert!(ask(["cargo", "--version"]).await.is_some_and(|said| said.starts_with("cargo ")));
    }

    #[test]
    fn a_version_is_the_number_alone() {
        let dated = "Nov 22 11:35:50 PowerDNS Authoritative Server 4.7.3 (C) 2001-2022 PowerDNS.COM BV\n";
        assert_eq!(number(dated, "PowerDNS Authoritative Server "), "4.7.3");
        assert_eq!(number("Docker version 28.2.2, build e6534b4\n", "Docker version "), "28.2.2");
        assert_eq!(number("nginx version: nginx/1.22.1\nbuilt with\n", "nginx/"), "1.22.1");
        assert_eq!(number("podman 4.3.1\n", "Docker version "), "podman 4.3.1");
    }

    #[test]
    fn what_an_nginx_lacks_is_named() {
        let parts = "--with-http_ssl_module --with-http_realip_module --with-http_v2_module";
        let check = |version: &str, parts: &str, expect: Option<&str>| {
            let said = format!("nginx version: nginx/{version}\nconfigure arguments: {parts}");
            assert_eq!(unfit_nginx(&said).as_deref(), expect, "{version}");
        };
        let whole = format!("{parts} --with-http_auth_request_module");
        check("1.22.1 (Debian)", &whole, None);
        check("1.19.5", &whole, None);
        check("1.18.0 (Ubuntu)", &whole, Some("install nginx 1.19.5 or newer"));
        check("1.30.0", parts, Some("install an nginx that has http_auth_request_module"));
    }

    #[test]
    fn a_running_process_is_found() {
        let own = fs::read_to_string("/proc/self/comm").unwrap();
        assert!(is_running(own.trim_end()));
        assert!(!is_running("orrery-no-such-program"));
        assert!(!is_headless("orrery-no-such-program"));
    }
}
