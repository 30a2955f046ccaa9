//! What a pass saw, for who has to know: the gateway, the prober, the meter.

use std::collections::BTreeMap;

use orrery_protocol::{
    container::{Observation, plan::WantedContainer},
    id::{ContainerId, ProjectId},
    route::Address,
};
use tokio::sync::watch;

use super::{Reconciler, loaded};
use crate::engine::{
    Found, World,
    meter::Metered,
    probe::{Asked, AskedOf},
    report::Sight,
};

impl Reconciler {
    pub(super) fn sights(
        &self,
        world: &World,
        observe: impl Fn(ProjectId, ContainerId, u32) -> Observation,
    ) -> Vec<Sight> {
        let sight = |(project, container, wanted): (ProjectId, ContainerId, &WantedContainer)| {
            (project, container, observe(project, container, wanted.generation))
        };
        loaded(world).map(sight).collect()
    }

    pub(super) fn probe(&self, world: &World) {
        let asked = |found: &Found| {
            let (labels, address) = (found.object.labels, found.address.clone()?);
            let blueprint = world.blueprints.get(&labels.container)?;
            let is_it = blueprint.generation == labels.generation && !blueprint.probes.is_empty();
            let asked = Asked {
                project: labels.project,
                object: found.object.id.clone(),
                address,
                probes: blueprint.probes.clone(),
            };
            is_it.then_some((labels.container, asked))
        };
        let asked: AskedOf = self.listed.iter().filter_map(asked).collect();
        replace(&self.asked, asked);
    }

    pub(super) fn meter(&self, world: &World) {
        let metered = |found: &Found| {
            let labels = found.object.labels;
            let looked_at = found.address.is_some() && world.watched.contains(&labels.project);
            looked_at.then(|| (found.object.id.clone(), (labels.project, labels.container)))
        };
        let metered: Metered = self.listed.iter().filter_map(metered).collect();
        replace(&self.metered, metered);
    }
}

/// Where containers are reached: of two objects of one container, the newer generation.
pub(super) fn addresses(found: &[Found]) -> BTreeMap<ContainerId, Address> {
    let mut running: Vec<&Found> = found.iter().filter(|found| found.address.is_some()).collect();
    running.sort_by(|a, b| (a.object.labels.generation, &b.object.id).cmp(&(b.object.labels.generation, &a.object.id)));
    let address = |found: &Found| Some((found.object.labels.container, found.address.clone()?));
    running.into_iter().filter_map(address).collect()
}

/// Tells whoever follows only if something is new.
fn replace<T: PartialEq>(sender: &watch::Sender<T>, value: T) {
    sender.send_if_modified(|known| {
        let differs = *known != value;
        *known = value;
        differs
    });
}
