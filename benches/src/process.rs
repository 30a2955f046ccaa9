//! What a server's process costs: CPU time and resident memory, of it and all its descendants.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// CPU time that `root` and its descendants have used, in user and system mode, threads that have ended included.
///
/// Read from the process's own CPU clock, which counts nanoseconds: the ticks of `/proc/PID/stat` are 10 ms each, more
/// than some of what is measured.
pub(crate) fn cpu(root: u32) -> Result<Duration> {
    tree(root)?.into_iter().try_fold(Duration::ZERO, |sum, pid| {
        let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid)?)).context("the server has ended")?;
        Ok(sum + Duration::from(clock.now()?))
    })
}

/// Resident memory of `root` and its descendants, in KiB.
pub(crate) fn resident_kib(root: u32) -> Result<u64> {
    tree(root)?.into_iter().try_fold(0, |sum, pid| {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).context("the server has ended")?;
        let rss = rollup.lines().find_map(|line| line.strip_prefix("Rss:")).context("smaps_rollup names no Rss")?;
        Ok(sum + rss.trim().trim_end_matches("kB").trim().parse::<u64>()?)
    })
}

/// What a process holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holdings {
    pub(crate) resident_kib: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
}

impl std::fmt::Display for Holdings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { resident_kib, descriptors, threads } = self;
        write!(f, "{:8.2} MB resident, {descriptors} descriptors, {threads} threads", *resident_kib as f64 / 1_024.0)
    }
}

/// What `root` and its descendants hold.
pub(crate) fn holdings(root: u32) -> Result<Holdings> {
    let entries = |folder: &str| {
        tree(root)?.into_iter().try_fold(0, |sum, pid| {
            let entries = fs::read_dir(format!("/proc/{pid}/{folder}")).context("the server has ended")?;
            anyhow::Ok(sum + entries.count() as u64)
        })
    };
    Ok(Holdings { resident_kib: resident_kib(root)?, descriptors: entries("fd")?, threads: entries("task")? })
}

/// `root` and everything that descends from it.
fn tree(root: u32) -> Result<Vec<u32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // A process may end while the folder is read; then it has no parent any more.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (pid, parent)));
    }
    let mut found = vec![root];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        found.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        at += 1;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_cpu_and_memory() {
        assert!(cpu(std::process::id()).unwrap() > Duration::ZERO);
        assert!(resident_kib(std::process::id()).unwrap() > 100);
    }

    #[test]
    fn a_child_belongs_to_the_tree() {
        let mut child = std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        assert!(tree(std::process::id()).unwrap().contains(&child.id()));
        drop(child.stdin.take());
        child.wait().unwrap();
    }
}
