//! Where requests for the containers of an organization go. One table for all of its projects: a project adds to it and
//! cannot take from it what another one added. Holds typed names and addresses only, so that whatever renders it cannot be
//! told anything else.

mod public_path;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

pub use self::public_path::{InvalidPublicPath, PublicPath};

use crate::{
    container::{Container, ContainerName, Containers, Entry, Phase, Reason, Rules, ServiceName, Target},
    id::{ContainerId, OrgId, ProjectId},
};

/// Where a running container is reached from its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Of the container, on the network it shares with its host.
    pub host: IpAddr,
    /// Its ports that are published on the host's loopback address, where `host` cannot be reached from here.
    pub published: BTreeMap<u16, u16>,
}

/// Where a host name leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// The project that its container is in: who may not see that may not see this.
    pub project: ProjectId,
    /// The container.
    pub container: ContainerId,
    /// Its name for people.
    pub name: ContainerName,
    /// Which of its services; `None` if it has none yet.
    pub service: Option<ServiceName>,
    /// What it is doing.
    pub phase: Phase,
    /// Since when, in milliseconds since 1970.
    pub since_ms: u64,
    /// Why, where that is not plain.
    pub reason: Option<Reason>,
    /// What of it is reached without signing in.
    pub public_paths: Vec<PublicPath>,
    /// What answers; `None` if nothing does now.
    pub upstream: Option<SocketAddr>,
}

/// Every host name of an organization's containers, and where it leads now. A clone shares everything; a change copies the
/// leaves that it is in, so that its cost does not grow with the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTable {
    /// The tenant.
    pub org: OrgId,
    /// Whether all of its projects are known: otherwise a host name that is not in here may lead somewhere all the same.
    pub whole: bool,
    leaves: [Arc<Leaf>; LEAVES],
}

type Leaf = BTreeMap<Target, Arc<Lead>>;

/// Each holds some tens of host names, if there are thousands.
const LEAVES: usize = 64;

impl Address {
    /// Where a port of the container is reached.
    pub fn of(&self, port: u16) -> SocketAddr {
        match self.published.get(&port) {
            Some(&published) => SocketAddr::from(([127, 0, 0, 1], published)),
            None => SocketAddr::new(self.host, port),
        }
    }
}

impl Lead {
    /// Whether the path of a request, as it was sent, is reached without signing in.
    pub fn is_public(&self, path: &str) -> bool {
        self.public_paths.iter().any(|public| public.covers(path))
    }
}

impl RouteTable {
    /// No containers, and nothing else to be known of.
    pub fn new(org: OrgId) -> Self {
        Self { org, whole: true, leaves: std::array::from_fn(|_| Arc::default()) }
    }

    /// Adds the containers of a project. Those that are not listed in `addresses` are known and not reached.
    pub fn add(
        &mut self,
        project: ProjectId,
        containers: &Containers,
        rules: &Rules,
        addresses: &BTreeMap<ContainerId, Address>,
    ) {
        for entry in containers.iter() {
            self.put(project, entry, rules, addresses.get(&entry.container.id));
        }
    }

    /// Adds one container of a project; without an `address` it is known and not reached.
    pub fn put(&mut self, project: ProjectId, entry: &Entry, rules: &Rules, address: Option<&Address>) {
        let container = &entry.container;
        if container.status.phase == Phase::Deleted {
            return;
        }
        let mut leads: BTreeMap<Target, Lead> =
            targets(container).map(|target| (target, lead(project, container))).collect();
        for (target, lead) in &mut leads {
            if let Target::Container(_, service) = target {
                lead.service.clone_from(service);
            }
        }
        for (at, route) in entry.routes(rules).enumerate() {
            let upstream = address.map(|address| address.of(route.port));
            let mut targets = vec![Target::Container(container.id, Some(route.service.clone()))];
            if at == 0 {
                targets.push(Target::Container(container.id, None));
                targets.push(Target::Alias(container.spec.slug.clone()));
            }
            let public_paths = rules.images.get(&container.spec.image.image).and_then(|image| {
                let declared = image.services.iter().find(|declared| declared.name == *route.service)?;
                Some(declared.public_paths.clone())
            });
            for target in targets {
                if let Some(lead) = leads.get_mut(&target) {
                    lead.service = Some(route.service.clone());
                    lead.public_paths = public_paths.clone().unwrap_or_default();
                    lead.upstream = upstream;
                }
            }
        }
        leads.into_iter().for_each(|(target, lead)| self.insert(target, lead));
    }

    /// Takes out what [`Self::put`] added for a container as it was then.
    pub fn take(&mut self, entry: &Entry) {
        let is_its = |lead: &&Arc<Lead>| lead.container == entry.container.id;
        for target in targets(&entry.container) {
            let leaf = &mut self.leaves[leaf_of(&target)];
            if leaf.get(&target).filter(is_its).is_some() {
                Arc::make_mut(leaf).remove(&target);
            }
        }
    }

    /// Adds one host name, in the place of what it led to.
    pub fn insert(&mut self, target: Target, lead: Lead) {
        let leaf = &mut self.leaves[leaf_of(&target)];
        if leaf.get(&target).is_none_or(|known| **known != lead) {
            Arc::make_mut(leaf).insert(target, Arc::new(lead));
        }
    }

    /// Where a host name of the organization leads; `None` if it names nothing.
    pub fn find(&self, target: &Target) -> Option<&Arc<Lead>> {
        self.leaves[leaf_of(target)].get(target)
    }

    /// Every host name.
    pub fn iter(&self) -> impl Iterator<Item = (&Target, &Lead)> {
        self.leaves.iter().flat_map(|leaf| leaf.iter()).map(|(target, lead)| (target, &**lead))
    }
}

/// The host names of a container.
fn targets(container: &Container) -> impl Iterator<Item = Target> {
    let services =
        container.status.services.keys().map(|service| Target::Container(container.id, Some(service.clone())));
    [Target::Container(container.id, None), Target::Alias(container.spec.slug.clone())].into_iter().chain(services)
}

/// Where a host name of a container leads as long as nothing answers.
fn lead(project: ProjectId, container: &Container) -> Lead {
    Lead {
        project,
        container: container.id,
        name: container.spec.name.clone(),
        service: None,
        phase: container.status.phase,
        since_ms: container.status.since_ms,
        public_paths: Vec::new(),
        reason: container.status.reason.clone(),
        upstream: None,
    }
}

/// Names that meet in one leaf make its changes dearer, and no more. Those of one container are in one, but for its alias.
fn leaf_of(target: &Target) -> usize {
    let sum = |text: &str| text.bytes().fold(0, |sum: usize, byte| sum.wrapping_mul(31) ^ usize::from(byte));
    match target {
        Target::Gateway => 0,
        Target::Container(id, _) => sum(id.digits()) % LEAVES,
        Target::Alias(slug) => sum(slug.as_str()) % LEAVES,
    }
}
