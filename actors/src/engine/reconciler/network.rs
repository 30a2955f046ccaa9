//! The network of an organization's containers, and the porch on it: neither is planned, both follow from what there is.

use orrery_protocol::container::plan::WantedState;
use tokio::time::Instant;

use super::{Key, Reconciler, loaded, work::open_porch};
use crate::engine::{World, verdict::WorkError};

impl Reconciler {
    /// Containers of before find the platform where it was; a network that nobody is on goes.
    pub(super) async fn look_after_network(&mut self, world: &World) {
        let now = Instant::now();
        let empty = self.listed.is_empty();
        let wanted = loaded(world).any(|(_, _, wanted)| wanted.state == WantedState::Running);
        let open = !empty && self.entrance.is_none();
        let remove = empty && !wanted && self.works.is_empty() && self.network_left;
        if !(open || remove) || self.backoff.rests(&Key::Network, now) {
            return;
        }
        let (engine, org) = (self.engine.clone(), self.org);
        let done = if open {
            open_porch(&engine, org).await.map(|(_, entrance)| Some(entrance))
        } else {
            engine.runtime.remove_network(org).await.map(|()| None).map_err(WorkError::from)
        };
        match done {
            Ok(entrance) => {
                (self.entrance, self.network_left) = (entrance, open);
                self.backoff.forget(&Key::Network);
            }
            Err(error) => {
                tracing::warn!(org = %self.org, %error, "the network of the containers is not as it should be");
                self.backoff.failed(Key::Network, now);
            }
        }
    }
}
