//! What the reconciler of containers reads, and whom it tells. It takes no other input.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::IpAddr,
    sync::Arc,
};

use async_trait::async_trait;
use orrery_protocol::{
    container::{Observation, Resources, ServiceName, VariableName, plan::Wanted},
    id::{ContainerId, OrgId, ProjectId},
    image::{ImageOptions, Reference},
    route::Address,
};

use crate::control_plane::ControlError;

/// What shall be, for one organization, all of it durable.
#[derive(Debug, Clone)]
pub struct World {
    /// What each container shall be doing.
    pub wanted: Wanted,
    /// How containers that may have to be made are made.
    pub blueprints: BTreeMap<ContainerId, Blueprint>,
    /// Projects that somebody looks at: what their containers use is reported once a second, and of no others.
    pub watched: BTreeSet<ProjectId>,
    /// The last [`Sightings`] that are taken into account here.
    pub pass: u64,
}

/// How one container is made. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blueprint {
    /// Of which project.
    pub project: ProjectId,
    /// The generation that it becomes.
    pub generation: u32,
    /// Its own host name: its slug.
    pub hostname: String,
    /// Its plain variables, with the defaults of its image, `PUBLIC_URL` and `ORG_HOST`.
    pub env: BTreeMap<String, String>,
    /// Variables that are secrets: [`Credentials`] has their values.
    pub secrets: Vec<VariableName>,
    /// What it may have of its host.
    pub limits: Resources,
    /// What its image needs beyond the ordinary.
    pub options: ImageOptions,
    /// Ports that it listens on, as far as they are known.
    pub ports: Vec<u16>,
    /// Whether it listens on what its image exposes, which is not known yet.
    pub ports_open: bool,
    /// How to know whether it answers: declared services, unless it reports by itself.
    pub probes: Vec<Probe>,
    /// What it is made from, as people wrote it.
    pub image: Option<Reference>,
}

/// A question that a service answers when it is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Which service.
    pub service: ServiceName,
    /// Where it listens in the container.
    pub port: u16,
    /// What is asked for, by `GET`. Anything below 500 is an answer.
    pub path: String,
}

/// What one pass saw.
#[derive(Debug, Clone)]
pub struct Sightings {
    /// Counts up.
    pub pass: u64,
    /// What was seen of containers that are known.
    pub observations: Vec<(ProjectId, ContainerId, Observation)>,
    /// Where all containers that run are reached; `None` if that is not known any better than before.
    pub addresses: Option<BTreeMap<ContainerId, Address>>,
}

/// Something that is so now and never enters a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Live {
    /// What a container uses of its host. Counters are totals since it was started.
    Usage {
        /// Processors, averaged since the last time.
        cpu: f64,
        /// Memory, without what could be given back at once.
        memory_bytes: u64,
        /// The most it may have.
        memory_limit_bytes: u64,
        /// Received.
        rx_bytes: u64,
        /// Sent.
        tx_bytes: u64,
        /// Read from disks.
        read_bytes: u64,
        /// Written to disks.
        written_bytes: u64,
        /// Processes and threads.
        pids: u64,
    },
    /// How much of its image has arrived.
    Pull {
        /// Which image.
        image: Reference,
        /// 0 to 100; `None` while that is not known.
        percent: Option<u8>,
    },
}

/// Whom the reconciler tells what it sees. Must not block.
pub trait Reports: Send + Sync + 'static {
    /// A pass listed the engine, or did not get an answer.
    fn sighted(&self, sightings: Sightings);

    /// For whoever looks.
    fn live(&self, project: ProjectId, container: ContainerId, live: Live);
}

/// What a container is given that stands in no document. Asked for just before it is made, never kept.
#[async_trait]
pub trait Credentials: Send + Sync + 'static {
    /// `ORRERY_TOKEN`, and the variables that are secrets.
    async fn environment(
        &self,
        project: ProjectId,
        container: ContainerId,
        generation: u32,
    ) -> Result<BTreeMap<String, String>, ControlError>;
}

/// Where containers reach their gateway.
#[async_trait]
pub trait Porch: Send + Sync + 'static {
    /// The way in for containers of an organization whose network has this address on the host. It is open for as long as it is
    /// kept: whoever serves them next, in this process or another, listens at the same place.
    async fn entrance(&self, org: OrgId, network_gateway: IpAddr) -> io::Result<Entrance>;
}

/// A way in for containers.
#[derive(Clone)]
pub struct Entrance {
    /// `ORRERY_URL`.
    pub url: String,
    /// What keeps it open; nothing where it is open anyway.
    pub open: Option<Arc<dyn Send + Sync>>,
}
