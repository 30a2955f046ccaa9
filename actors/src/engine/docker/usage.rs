//! What an engine measures of a container.

use bollard::models::{ContainerBlkioStatEntry, ContainerCpuStats, ContainerMemoryStats, ContainerStatsResponse};

use crate::engine::runtime::Usage;

/// What a sample says; `None` if nothing runs any more.
pub(super) fn usage(sample: &ContainerStatsResponse) -> Option<Usage> {
    let pids = sample.pids_stats.as_ref()?.current.filter(|&pids| pids > 0)?;
    let memory = sample.memory_stats.as_ref();
    let networks = || sample.networks.iter().flat_map(|networks| networks.values());
    let written = |way: &str| {
        let entries = sample.blkio_stats.as_ref().and_then(|disks| disks.io_service_bytes_recursive.as_ref());
        let is_it =
            |entry: &&ContainerBlkioStatEntry| entry.op.as_ref().is_some_and(|found| found.eq_ignore_ascii_case(way));
        entries.into_iter().flatten().filter(is_it).filter_map(|entry| entry.value).sum()
    };
    Some(Usage {
        cpu: cpu(sample.cpu_stats.as_ref(), sample.precpu_stats.as_ref()).unwrap_or(0.0),
        memory_bytes: memory.map_or(0, memory_bytes),
        memory_limit_bytes: memory.and_then(|memory| memory.limit).unwrap_or(0),
        rx_bytes: networks().filter_map(|network| network.rx_bytes).sum(),
        tx_bytes: networks().filter_map(|network| network.tx_bytes).sum(),
        read_bytes: written("read"),
        written_bytes: written("write"),
        pids,
    })
}

/// Processors between two samples; `None` for the first one.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a second, shown with two digits")]
fn cpu(now: Option<&ContainerCpuStats>, before: Option<&ContainerCpuStats>) -> Option<f64> {
    let (now, before) = (now?, before?);
    let total = |stats: &ContainerCpuStats| stats.cpu_usage.as_ref()?.total_usage;
    let used = total(now)?.checked_sub(total(before)?)?;
    let host = now.system_cpu_usage?.checked_sub(before.system_cpu_usage.filter(|&usage| usage > 0)?)?;
    let processors = now.online_cpus.filter(|&cpus| cpus > 0)?;
    (host > 0).then(|| used as f64 / host as f64 * f64::from(processors))
}

/// Memory without files that are only kept because there is room. Version 1 of control groups names them differently.
fn memory_bytes(memory: &ContainerMemoryStats) -> u64 {
    let stat = |name: &str| memory.stats.as_ref().and_then(|stats| stats.get(name)).copied();
    let files = stat("total_inactive_file").or_else(|| stat("inactive_file")).unwrap_or(0);
    memory.usage.unwrap_or(0).saturating_sub(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(text: &str) -> ContainerStatsResponse {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_sample_is_read_whatever_it_lacks() {
        let full = sample(
            r#"{"cpu_stats":{"cpu_usage":{"total_usage":1500},"system_cpu_usage":8000,"online_cpus":4},
            "precpu_stats":{"cpu_usage":{"total_usage":500},"system_cpu_usage":4000},
            "memory_stats":{"usage":100,"limit":200,"stats":{"inactive_file":30}},
            "networks":{"a":{"rx_bytes":1,"tx_bytes":2},"b":{"rx_bytes":3}},
            "blkio_stats":{"io_service_bytes_recursive":[{"op":"Read","value":5},{"op":"write","value":6},{"op":"read"}]},
            "pids_stats":{"current":7}}"#,
        );
        let expect = Usage {
            cpu: 1.0,
            memory_bytes: 70,
            memory_limit_bytes: 200,
            rx_bytes: 4,
            tx_bytes: 2,
            read_bytes: 5,
            written_bytes: 6,
            pids: 7,
        };
        assert_eq!(usage(&full), Some(expect));
        let bare = sample(r#"{"pids_stats":{"current":1},"blkio_stats":{"io_service_bytes_recursive":null}}"#);
        assert_eq!(usage(&bare), Some(Usage { pids: 1, ..Usage::default() }));
        assert_eq!(usage(&sample(r#"{"pids_stats":{}}"#)), None, "nothing runs");
    }
}
