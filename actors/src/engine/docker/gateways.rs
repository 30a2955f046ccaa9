//! Gateway processes in containers of their own. The engine itself keeps them running; they belong to no organization, and
//! nothing that looks for containers of organizations sees them.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    path::PathBuf,
};

use bollard::{
    models::{
        ContainerCreateBody, ContainerSummary, HostConfig, Mount, MountType, RestartPolicy, RestartPolicyNameEnum,
    },
    query_parameters as query,
};
use futures_util::TryStreamExt;
use orrery_protocol::{container::plan::ObjectId, id::GatewayId, image::Reference};

use super::{ANSWER_LIMIT, Docker, WORK_LIMIT, body, done, within};
use crate::engine::runtime::{Runtime, RuntimeError};

/// Which gateway process a container is for.
const GATEWAY_LABEL: &str = "orrery.gateway";
/// What a gateway may take to bring everything to Ganymede before it is killed.
const GRACE_SECONDS: i64 = 60;
/// The only place that it may write to.
const SCRATCH: &str = "/tmp";

/// A gateway process that shall run in a container. It has the host's network: only there does it reach containers, and they it.
#[derive(Clone)]
pub struct GatewayMaking {
    /// Who it is.
    pub gateway: GatewayId,
    /// The container's name.
    pub name: String,
    /// What it is made from. Fetched if the engine does not have it.
    pub image: Reference,
    /// For the program of the image.
    pub arguments: Vec<String>,
    /// All of its variables, its token among them.
    pub environment: BTreeMap<String, String>,
    /// Files, folders and sockets of this host, and where it has them, to read.
    pub shared: Vec<(PathBuf, PathBuf)>,
    /// Groups of this host that it is in, beside its image's.
    pub groups: Vec<u32>,
}

impl fmt::Debug for GatewayMaking {
    /// Without the environment: it holds a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gateway, name, image, .. } = self;
        f.debug_struct("GatewayMaking")
            .field("gateway", gateway)
            .field("name", name)
            .field("image", image)
            .finish_non_exhaustive()
    }
}

/// The container of a gateway process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayContainer {
    /// As the engine calls it.
    pub id: ObjectId,
    /// As people do.
    pub name: String,
}

impl Docker {
    /// Makes and starts the container of a gateway process. `false` if its name is another's; then, as after an error, there
    /// is nothing of it.
    ///
    /// # Errors
    /// The image cannot be had, or the engine does not do it.
    pub async fn run_gateway(&self, making: &GatewayMaking) -> Result<bool, RuntimeError> {
        let made = match self.make_gateway(making).await {
            Err(RuntimeError::NotFound) => {
                self.pull(&making.image).try_for_each(|_| std::future::ready(Ok(()))).await?;
                self.make_gateway(making).await
            }
            made => made,
        };
        let object = match made {
            Err(RuntimeError::Conflict(_)) => return Ok(false),
            made => made?,
        };
        let started = self.start_as_it_is(&object).await;
        if started.is_err() {
            self.remove(&object).await?;
        }
        started.map(|()| true)
    }

    async fn make_gateway(&self, making: &GatewayMaking) -> Result<ObjectId, RuntimeError> {
        let options = query::CreateContainerOptionsBuilder::new().name(&making.name).build();
        let body = container(making, self.log_mb);
        let made = within(WORK_LIMIT, self.client()?.create_container(Some(options), body)).await?;
        Ok(ObjectId(made.id))
    }

    /// The containers of gateway processes, whether they run or not.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn gateways(&self) -> Result<BTreeMap<GatewayId, GatewayContainer>, RuntimeError> {
        let labels = HashMap::from([("label", vec![GATEWAY_LABEL.to_owned()])]);
        let options = query::ListContainersOptionsBuilder::new().all(true).filters(&labels).build();
        let summaries = within(ANSWER_LIMIT, self.client()?.list_containers(Some(options))).await?;
        Ok(summaries.into_iter().filter_map(gateway).collect())
    }

    /// Asks the gateway process in a container to end, and removes the container. Safe to repeat.
    ///
    /// # Errors
    /// The engine does not do it.
    pub async fn remove_gateway(&self, container: &GatewayContainer) -> Result<(), RuntimeError> {
        let grace_ms = u64::try_from(GRACE_SECONDS * 1_000).unwrap_or(u64::MAX);
        done(self.stop(&container.id, grace_ms).await, |error| *error == RuntimeError::NotFound)?;
        self.remove(&container.id).await
    }
}

/// Who a listed container is for; `None` if it does not say.
fn gateway(summary: ContainerSummary) -> Option<(GatewayId, GatewayContainer)> {
    let gateway = summary.labels?.get(GATEWAY_LABEL)?.parse().ok()?;
    let name = summary.names?.into_iter().next()?;
    let name = name.trim_start_matches('/').to_owned();
    Some((gateway, GatewayContainer { id: ObjectId(summary.id?), name }))
}

fn container(making: &GatewayMaking, log_mb: u32) -> ContainerCreateBody {
    let env = making.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    ContainerCreateBody {
        image: Some(making.image.to_string()),
        env: Some(env),
        cmd: Some(making.arguments.clone()),
        stop_timeout: Some(GRACE_SECONDS),
        labels: Some(HashMap::from([(GATEWAY_LABEL.to_owned(), making.gateway.to_string())])),
        host_config: Some(host(making, log_mb)),
        ..ContainerCreateBody::default()
    }
}

fn host(making: &GatewayMaking, log_mb: u32) -> HostConfig {
    let text = |path: &PathBuf| Some(path.to_string_lossy().into_owned());
    let mount = |(here, there): &(PathBuf, PathBuf)| Mount {
        source: text(here),
        target: text(there),
        typ: Some(MountType::BIND),
        read_only: Some(true),
        ..Mount::default()
    };
    HostConfig {
        network_mode: Some("host".to_owned()),
        readonly_rootfs: Some(true),
        tmpfs: Some(HashMap::from([(SCRATCH.to_owned(), String::new())])),
        mounts: Some(making.shared.iter().map(mount).collect()),
        group_add: Some(making.groups.iter().map(u32::to_string).collect()),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
        privileged: Some(false),
        init: Some(true),
        // Nobody else starts it again: after a crash, and with the engine.
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
            maximum_retry_count: None,
        }),
        auto_remove: Some(false),
        log_config: Some(body::log_config(log_mb)),
        ..HostConfig::default()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn summary(labels: &[(&str, &str)], names: &[&str]) -> ContainerSummary {
        ContainerSummary {
            id: Some("1".to_owned()),
            names: Some(names.iter().map(|&name| name.to_owned()).collect()),
            labels: Some(labels.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()),
            ..ContainerSummary::default()
        }
    }

    #[test]
    fn a_container_is_a_gateway_s_if_it_says_which() {
        let id = GatewayId(Uuid::from_u128(7));
        let text = id.to_string();
        let found = gateway(summary(&[(GATEWAY_LABEL, &text)], &["/gw-pool-1"]));
        let container = GatewayContainer { id: ObjectId("1".to_owned()), name: "gw-pool-1".to_owned() };
        assert_eq!(found, Some((id, container)));
        assert_eq!(gateway(summary(&[(GATEWAY_LABEL, "one")], &["/gw-pool-1"])), None);
        assert_eq!(gateway(summary(&[("orrery.org", &text)], &["/gw-pool-1"])), None);
        assert_eq!(gateway(summary(&[(GATEWAY_LABEL, &text)], &[])), None);
    }

    #[test]
    fn what_is_asked_of_the_engine_keeps_a_gateway_in_and_running() {
        let making = GatewayMaking {
            gateway: GatewayId(Uuid::from_u128(7)),
            name: "gw-pool-1".to_owned(),
            image: "orrery/orrery:1".parse().unwrap(),
            arguments: vec!["gateway".to_owned()],
            environment: BTreeMap::from([("TOKEN".to_owned(), "canary".to_owned())]),
            shared: vec![(PathBuf::from("/data/gw.toml"), PathBuf::from("/etc/gw.toml"))],
            groups: vec![7],
        };
        let body = container(&making, 10);
        assert_eq!(body.cmd, Some(vec!["gateway".to_owned()]));
        assert_eq!(body.env, Some(vec!["TOKEN=canary".to_owned()]));
        let host = body.host_config.unwrap();
        assert_eq!((host.readonly_rootfs, host.privileged), (Some(true), Some(false)));
        assert_eq!((host.cap_drop, host.group_add), (Some(vec!["ALL".to_owned()]), Some(vec!["7".to_owned()])));
        let mounts = host.mounts.unwrap();
        assert_eq!((mounts[0].source.as_deref(), mounts[0].read_only), (Some("/data/gw.toml"), Some(true)));
        assert!(!format!("{making:?}").contains("canary"));
    }
}
