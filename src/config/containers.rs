//! The `[containers]` table: what user containers live under, whichever engine runs them.

use std::path::Path;

use orrery_protocol::{
    container::{ContainerClocks, ResourceBounds},
    image::ImageRegistry,
};
use serde::{Deserialize, Serialize};

use crate::modules;

/// The `[containers]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContainersTable {
    /// A folder with modules of images beside those that are built in; empty for none.
    pub(crate) images: String,
    /// Which images members may bring themselves: places and everything below them; `*` allows all.
    pub(crate) images_allowed: Vec<String>,
    /// Most containers of one project.
    pub(crate) per_project_max: usize,
    /// Most bytes of names and values of all their variables together, those of secrets among them.
    pub(crate) variables_bytes_max: usize,
    /// Where containers reach the platform; empty for the address of their network on this host.
    pub(crate) orrery_url: String,
    /// At which port of that address all gateway processes of this host are reached, each by the organizations that it serves.
    pub(crate) porch_port: u16,
    /// How long what may last.
    pub(crate) clocks: ContainerClocks,
    /// What one of them may have.
    pub(crate) bounds: ResourceBounds,
}

impl Default for ContainersTable {
    fn default() -> Self {
        Self {
            images: String::new(),
            images_allowed: vec!["*".to_owned()],
            per_project_max: 500,
            variables_bytes_max: 4 << 20,
            orrery_url: String::new(),
            porch_port: 7099,
            clocks: ContainerClocks::default(),
            bounds: ResourceBounds::default(),
        }
    }
}

impl ContainersTable {
    /// What members can choose from.
    pub(crate) fn registry(&self) -> anyhow::Result<ImageRegistry> {
        let folder = (!self.images.is_empty()).then(|| Path::new(&self.images));
        modules::registry(folder, &self.images_allowed)
    }
}
