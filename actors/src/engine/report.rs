//! Tells the gateway what is seen, and numbers what it tells.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use orrery_protocol::{
    container::Observation,
    id::{ContainerId, ProjectId},
    route::Address,
};

use super::{Live, Reports, Sightings};

/// What was seen of one container.
pub(super) type Sight = (ProjectId, ContainerId, Observation);

/// Several tasks report; numbers come in order.
pub(super) struct Reporter {
    reports: Arc<dyn Reports>,
    told: Mutex<u64>,
}

impl Reporter {
    /// Numbers follow `pass`, which another one may have told the same gateway before.
    pub(super) fn new(reports: Arc<dyn Reports>, pass: u64) -> Self {
        Self { reports, told: Mutex::new(pass) }
    }

    /// Returns the number under which it was told.
    pub(super) fn tell(&self, observations: Vec<Sight>, addresses: Option<BTreeMap<ContainerId, Address>>) -> u64 {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        *told += 1;
        self.reports.sighted(Sightings { pass: *told, observations, addresses });
        *told
    }

    pub(super) fn live(&self, project: ProjectId, container: ContainerId, live: Live) {
        self.reports.live(project, container, live);
    }
}
