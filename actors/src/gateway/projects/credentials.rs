//! What containers are given that stands in no document, and where the engine tells what it sees.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use orrery_protocol::id::{ContainerId, ProjectId};
use ractor::{ActorRef, rpc::CallResult};

use super::Projects;
use crate::{
    control_plane::{ControlError, ControlPlane, Tenure},
    engine::{Credentials, Live, Reports, Sightings},
    gateway::GatewayMessage,
};

/// How long the gateway may take to say what a container is given.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Most news of the moment that wait for the gateway. What is more than that is lost: it is over soon.
const LIVE_MAX: usize = 1_024;

/// Secrets of one container, by variable; `None` if the container, or that generation of it, is not there any more.
pub(crate) type Secrets = Option<BTreeMap<String, String>>;

/// Gives containers of one organization what they are known by.
pub(in crate::gateway) struct Vault {
    gateway: ActorRef<GatewayMessage>,
    control_plane: Arc<dyn ControlPlane>,
    tenure: Arc<Tenure>,
}

/// Tells the gateway what the engine says.
pub(in crate::gateway) struct Reporter {
    gateway: ActorRef<GatewayMessage>,
    live: Arc<AtomicUsize>,
}

impl Projects {
    pub(super) fn vault(&self) -> Vault {
        let control_plane = self.config.control_plane.clone();
        Vault { gateway: self.gateway.clone(), control_plane, tenure: self.tenure.clone() }
    }

    pub(super) fn reporter(&self) -> Reporter {
        Reporter { gateway: self.gateway.clone(), live: self.live.clone() }
    }

    /// What a container is given that stands in no document.
    pub(in crate::gateway) fn secrets(&self, id: ProjectId, container: ContainerId, generation: u32) -> Secrets {
        let slot = self.slots.get(&id)?;
        let containers = slot.loaded()?.durable_containers();
        containers.get(container).filter(|entry| super::orders::is_its(entry, generation))?;
        let secrets = slot.notes.now.secrets_of(containers, container);
        Some(secrets.into_iter().map(|(name, text)| (name.to_string(), text.expose().to_owned())).collect())
    }
}

#[async_trait]
impl Credentials for Vault {
    async fn environment(
        &self,
        project: ProjectId,
        container: ContainerId,
        generation: u32,
    ) -> Result<BTreeMap<String, String>, ControlError> {
        let ask = |reply| GatewayMessage::Secrets(project, container, generation, reply);
        let mut environment = match self.gateway.call(ask, Some(ANSWER_MAX)).await {
            Ok(CallResult::Success(Some(secrets))) => secrets,
            Ok(CallResult::Success(None)) => {
                return Err(ControlError::Refused("the container is not there any more".to_owned()));
            }
            Ok(CallResult::Timeout | CallResult::SenderError) | Err(_) => {
                return Err(ControlError::Unavailable("the gateway does not answer".to_owned()));
            }
        };
        let token = self.control_plane.container_token(&self.tenure, project, container, generation).await?;
        environment.insert("ORRERY_TOKEN".to_owned(), token.0);
        Ok(environment)
    }
}

impl Reports for Reporter {
    fn sighted(&self, sightings: Sightings) {
        drop(self.gateway.cast(GatewayMessage::Sighted(sightings)));
    }

    fn live(&self, project: ProjectId, container: ContainerId, live: Live) {
        if self.live.fetch_add(1, Ordering::Relaxed) < LIVE_MAX {
            drop(self.gateway.cast(GatewayMessage::Live(project, container, live)));
        } else {
            self.live.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
