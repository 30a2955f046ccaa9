//! What containers live under, whichever organization they are of.

use orrery_protocol::{
    container::{ContainerClocks, Domain, ResourceBounds, Rules, Site},
    id::OrgId,
    image::ImageRegistry,
};

/// Of all organizations of a process.
#[derive(Debug, Clone)]
pub struct ContainerRules {
    /// What containers can be made from.
    pub images: ImageRegistry,
    /// Where host names of organizations end.
    pub domain: Domain,
    /// Whether containers are reached over TLS.
    pub tls: bool,
    /// The port that they are reached at, unless it is the usual one.
    pub port: Option<u16>,
    /// How long what may last.
    pub clocks: ContainerClocks,
    /// What one container may have.
    pub bounds: ResourceBounds,
    /// Most containers of one project.
    pub containers_max: usize,
    /// Most bytes of names and values of all their variables together, those of secrets among them.
    pub variables_bytes_max: usize,
}

impl Default for ContainerRules {
    /// No images, on `localhost`.
    fn default() -> Self {
        Self {
            images: ImageRegistry::default(),
            domain: "localhost".parse().expect("a label is a domain"),
            tls: false,
            port: None,
            clocks: ContainerClocks::default(),
            bounds: ResourceBounds::default(),
            containers_max: 500,
            variables_bytes_max: 4 << 20,
        }
    }
}

impl ContainerRules {
    /// Those of one organization.
    pub(super) fn rules(&self, org: OrgId) -> Rules {
        let Self { images, domain, tls, port, clocks, bounds, containers_max, variables_bytes_max } = self.clone();
        Rules { images, site: Site { org, domain, tls, port }, clocks, bounds, containers_max, variables_bytes_max }
    }
}
