//! What images expose: for containers of which nothing else says where they listen.

use std::collections::BTreeSet;

use orrery_protocol::container::{
    Observation,
    plan::{Labels, LocalImageId},
};

use super::Reconciler;
use crate::engine::{Found, RuntimeError, World, report::Sight};

impl Reconciler {
    /// Asks the images of such containers, each once: an image never changes.
    pub(super) async fn exposures(&mut self, world: &World, found: &[Found]) -> Vec<Sight> {
        let used: BTreeSet<&LocalImageId> = found.iter().map(|found| &found.object.image).collect();
        self.exposed.retain(|image, _| used.contains(image));
        let mut sights = Vec::new();
        for Found { object, .. } in found {
            let Labels { project, container, generation, .. } = object.labels;
            let blueprint = world.blueprints.get(&container);
            let is_open = blueprint.is_some_and(|blueprint| blueprint.ports_open && blueprint.generation == generation);
            if !is_open {
                continue;
            }
            if let Some(ports) = self.exposed_by(&object.image).await {
                sights.push((project, container, Observation::Exposes(ports)));
            }
        }
        sights
    }

    /// `None` if that cannot be known now; the next pass asks again.
    async fn exposed_by(&mut self, image: &LocalImageId) -> Option<BTreeSet<u16>> {
        if let Some(known) = self.exposed.get(image) {
            return Some(known.clone());
        }
        let ports = match self.engine.runtime.exposed(image).await {
            Ok(ports) => ports,
            // It was removed by force, from under its container: nobody says any more what it exposed.
            Err(RuntimeError::NotFound) => BTreeSet::new(),
            Err(error) => {
                tracing::warn!(org = %self.org, %error, "an image does not say what it exposes");
                return None;
            }
        };
        self.exposed.insert(image.clone(), ports.clone());
        Some(ports)
    }
}
