//! What is asked of an engine for a container and for a network. Every field that keeps a container in is set here.

use std::collections::HashMap;

use bollard::models::{
    self, ContainerCreateBody, HostConfig, HostConfigLogConfig, Ipam, IpamConfig, NetworkCreateRequest, PortBinding,
    PortMap, RestartPolicy, RestartPolicyNameEnum,
};
use orrery_protocol::{container::plan::Labels, id::OrgId, image::Capability};

use super::ORG_LABEL;
use crate::engine::runtime::{Making, Network, RuntimeError};

const MIB: i64 = 1 << 20;
/// So many files of what a container prints are kept.
const LOG_FILES: &str = "2";

/// One name for what is made for one generation: made twice, it is still one.
pub(super) fn object_name(labels: &Labels) -> String {
    format!("orrery-{}-{}", labels.container, labels.generation)
}

pub(super) fn network_name(org: OrgId) -> String {
    format!("orrery-{org}")
}

pub(super) fn container(making: &Making, publishes: bool, log_mb: u32) -> ContainerCreateBody {
    let blueprint = &making.blueprint;
    let env = making.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let command = &blueprint.options.command;
    ContainerCreateBody {
        image: Some(making.image.0.clone()),
        hostname: Some(blueprint.hostname.clone()),
        env: Some(env),
        cmd: (!command.is_empty()).then(|| command.clone()),
        exposed_ports: publishes.then(|| blueprint.ports.iter().map(|port| format!("{port}/tcp")).collect()),
        labels: Some(label_texts(&making.labels)),
        host_config: Some(host(making, publishes, log_mb)),
        ..ContainerCreateBody::default()
    }
}

fn host(making: &Making, publishes: bool, log_mb: u32) -> HostConfig {
    let (limits, options) = (&making.blueprint.limits, &making.blueprint.options);
    let memory = i64::from(limits.memory_mb) * MIB;
    let loopback = |_: &u16| Some(vec![PortBinding { host_ip: Some("127.0.0.1".to_owned()), host_port: None }]);
    let ports = making.blueprint.ports.iter().map(|port| (format!("{port}/tcp"), loopback(port)));
    HostConfig {
        // By name: the network may have to be made anew while this rests.
        network_mode: Some(network_name(making.labels.org)),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(options.capabilities.iter().map(|&capability| capability_name(capability).to_owned()).collect()),
        security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
        privileged: Some(false),
        nano_cpus: Some(i64::from(limits.cpu_millis) * 1_000_000),
        memory: Some(memory),
        // Memory and swap together: no swap.
        memory_swap: Some(memory),
        pids_limit: Some(i64::from(limits.pids)),
        // Reaps what a program leaves behind, and passes signals on to one that does not expect to be the first.
        init: Some(true),
        // Who is started again, and when, is decided by the gateway.
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        auto_remove: Some(false),
        port_bindings: publishes.then(|| ports.collect::<PortMap>()),
        log_config: Some(log_config(log_mb)),
        ..HostConfig::default()
    }
}

/// How much of what a container prints is kept.
pub(super) fn log_config(log_mb: u32) -> HostConfigLogConfig {
    let log = [("max-size", format!("{log_mb}m")), ("max-file", LOG_FILES.to_owned())];
    HostConfigLogConfig {
        typ: Some("json-file".to_owned()),
        config: Some(log.map(|(key, value)| (key.to_owned(), value)).into()),
    }
}

const fn capability_name(capability: Capability) -> &'static str {
    match capability {
        Capability::Chown => "CHOWN",
        Capability::DacOverride => "DAC_OVERRIDE",
        Capability::Fowner => "FOWNER",
        Capability::Kill => "KILL",
        Capability::NetBindService => "NET_BIND_SERVICE",
        Capability::Setgid => "SETGID",
        Capability::Setuid => "SETUID",
    }
}

fn label_texts(labels: &Labels) -> HashMap<String, String> {
    HashMap::from([
        (ORG_LABEL.to_owned(), labels.org.to_string()),
        ("orrery.project".to_owned(), labels.project.to_string()),
        ("orrery.container".to_owned(), labels.container.to_string()),
        ("orrery.generation".to_owned(), labels.generation.to_string()),
    ])
}

/// A range of 254 addresses in 10.64.0.0/10 for an organization, without the last number; another one for each attempt.
pub(super) fn subnet(org: OrgId, attempt: u8) -> String {
    let [.., high, low] = *org.0.as_bytes();
    format!("10.{}.{}", 64 + (high.wrapping_add(attempt) & 63), low)
}

/// One network for all containers of an organization, on which they do not reach each other.
pub(super) fn network_request(org: OrgId, subnet: Option<String>) -> NetworkCreateRequest {
    let options = HashMap::from([("com.docker.network.bridge.enable_icc".to_owned(), "false".to_owned())]);
    NetworkCreateRequest {
        name: network_name(org),
        driver: Some("bridge".to_owned()),
        options: Some(options),
        ipam: subnet.map(|subnet| {
            let (gateway, subnet) = (Some(format!("{subnet}.1")), Some(format!("{subnet}.0/24")));
            let config = IpamConfig { subnet, gateway, ..IpamConfig::default() };
            Ipam { config: Some(vec![config]), ..Ipam::default() }
        }),
        labels: Some(HashMap::from([(ORG_LABEL.to_owned(), org.to_string())])),
        ..NetworkCreateRequest::default()
    }
}

/// The network as the engine has it. One of the same name that somebody else made is not it.
pub(super) fn network(org: OrgId, found: models::Network) -> Result<Network, RuntimeError> {
    let label = found.labels.as_ref().and_then(|labels| labels.get(ORG_LABEL));
    if label != Some(&org.to_string()) {
        return Err(RuntimeError::Refused(
            "a network with the name of the organization's is somebody else's".to_owned(),
        ));
    }
    let configs = found.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
    let gateway = |text: String| text.split('/').next().and_then(|address| address.parse().ok());
    let gateway = configs.into_iter().filter_map(|config| config.gateway).find_map(gateway);
    match (found.id, gateway) {
        (Some(id), Some(gateway)) => Ok(Network { id, gateway }),
        _ => Err(RuntimeError::Failed("the network has no address on the host".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_attempt_is_another_range_of_the_same_addresses() {
        let org = OrgId(Uuid::from_u128(0xfe07));
        let subnets: BTreeSet<String> = (0..16).map(|attempt| subnet(org, attempt)).collect();
        assert_eq!(subnets.len(), 16);
        assert_eq!((subnet(org, 0).as_str(), subnet(org, 2).as_str()), ("10.126.7", "10.64.7"));
        assert!(subnets.iter().all(|subnet| subnet.ends_with(".7")));
    }
}
