//! What an installation has on container engines goes with the last of its processes, however its test ends: none of them is
//! there to make it anew, and what they leave bears the labels of organizations that nobody else has.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use orrery_test_docker::{Docker, SOCKET};

/// Each process and each person of one installation has a share in it; what is in it is removed with the last share.
#[derive(Debug, Default)]
pub(crate) struct Belongings {
    orgs: Mutex<BTreeSet<String>>,
    engines: Mutex<BTreeSet<PathBuf>>,
}

impl Belongings {
    /// An organization was made.
    pub(crate) fn has_org(&self, org: &str) {
        self.orgs.lock().unwrap_or_else(PoisonError::into_inner).insert(org.to_owned());
    }

    /// A process is started with this environment, of which the last word counts.
    pub(crate) fn uses(&self, environment: &[(String, String)]) {
        let said = |asked: &str| environment.iter().rfind(|(name, _)| name == asked).map(|(_, value)| value.as_str());
        if said("ORRERY_ENGINE_ENABLED") != Some("off") {
            let socket = PathBuf::from(said("ORRERY_ENGINE_SOCKET").unwrap_or(SOCKET));
            self.engines.lock().unwrap_or_else(PoisonError::into_inner).insert(socket);
        }
    }
}

impl Drop for Belongings {
    fn drop(&mut self) {
        let orgs = self.orgs.get_mut().unwrap_or_else(PoisonError::into_inner);
        for socket in self.engines.get_mut().unwrap_or_else(PoisonError::into_inner).iter() {
            let engine = Docker::at(socket);
            orgs.iter().for_each(|org| engine.remove_labelled(&format!("orrery.org={org}")));
        }
    }
}
