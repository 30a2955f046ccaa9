//! Where requests for the containers of an organization go. One table for all of its projects: a project adds to it and
//! cannot take from it what another one added. Holds typed names and addresses only, so that whatever renders it cannot be
//! told anything else.

mod public_path;

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

pub use self::public_path::{InvalidPublicPath, PublicPath};

use crate::{
    container::{Container, ContainerName, Containers, Phase, Reason, Rules, ServiceName, Target},
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

/// Every host name of an organization's containers, and where it leads now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTable {
    /// The tenant.
    pub org: OrgId,
    leads: BTreeMap<Target, Lead>,
}

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
    /// No containers.
    pub fn new(org: OrgId) -> Self {
        Self { org, leads: BTreeMap::new() }
    }

    /// Adds the containers of a project. Those that are not listed in `addresses` are known and not reached.
    pub fn add(
        &mut self,
        project: ProjectId,
        containers: &Containers,
        rules: &Rules,
        addresses: &BTreeMap<ContainerId, Address>,
    ) {
        for entry in containers.iter().filter(|entry| entry.container.status.phase != Phase::Deleted) {
            self.add_container(project, &entry.container);
        }
        for route in containers.routes(rules) {
            let id = route.container.id;
            let upstream = addresses.get(&id).map(|address| address.of(route.port));
            let first = self.leads.get(&Target::Container(id, None)).is_some_and(|lead| lead.service.is_none());
            let mut targets = vec![Target::Container(id, Some(route.service.clone()))];
            if first {
                targets.push(Target::Container(id, None));
                targets.push(Target::Alias(route.container.spec.slug.clone()));
            }
            let public_paths = rules.images.get(&route.container.spec.image.image).and_then(|image| {
                let declared = image.services.iter().find(|declared| declared.name == *route.service)?;
                Some(declared.public_paths.clone())
            });
            for target in targets {
                if let Some(lead) = self.leads.get_mut(&target) {
                    lead.service = Some(route.service.clone());
                    lead.public_paths = public_paths.clone().unwrap_or_default();
                    lead.upstream = upstream;
                }
            }
        }
    }

    /// Adds one host name, in the place of what it led to.
    pub fn insert(&mut self, target: Target, lead: Lead) {
        self.leads.insert(target, lead);
    }

    fn add_container(&mut self, project: ProjectId, container: &Container) {
        let lead = |service: Option<&ServiceName>| Lead {
            project,
            container: container.id,
            name: container.spec.name.clone(),
            service: service.cloned(),
            phase: container.status.phase,
            since_ms: container.status.since_ms,
            public_paths: Vec::new(),
            reason: container.status.reason.clone(),
            upstream: None,
        };
        self.leads.insert(Target::Container(container.id, None), lead(None));
        self.leads.insert(Target::Alias(container.spec.slug.clone()), lead(None));
        for service in container.status.services.keys() {
            self.leads.insert(Target::Container(container.id, Some(service.clone())), lead(Some(service)));
        }
    }

    /// Where a host name of the organization leads; `None` if it names nothing.
    pub fn find(&self, target: &Target) -> Option<&Lead> {
        self.leads.get(target)
    }

    /// Every host name, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Target, &Lead)> {
        self.leads.iter()
    }
}
