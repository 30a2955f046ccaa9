//! The network of an organization's containers, and the porch on it: neither is planned, both follow from what there is.

use orrery_protocol::container::plan::WantedState;
use tokio::time::Instant;

use super::{Away, Key, Reconciler, loaded, work::open_porch};
use crate::engine::World;

impl Reconciler {
    /// Containers of before find the platform where it was; a network that nobody is on goes.
    pub(super) async fn look_after_network(&mut self, world: &World) {
        let now = Instant::now();
        let empty = self.listed.is_empty();
        let wanted = loaded(world).any(|(_, _, wanted)| wanted.state == WantedState::Running);
        // Who needs it and found it taken waits for this, and does not ask again each on its own.
        let needed = !empty || wanted && self.away.fails(&Away::Porch);
        if needed && self.entrance.is_none() && !self.away.rests(&Away::Porch, now) {
            self.open_porch().await;
        }
        if empty && !wanted && self.works.is_empty() && self.network_left && !self.backoff.rests(&Key::Network, now) {
            self.remove_network().await;
        }
    }

    async fn open_porch(&mut self) {
        match open_porch(&self.engine, self.org).await {
            Ok((_, entrance)) => {
                (self.entrance, self.network_left) = (Some(entrance), true);
                self.away.forget(&Away::Porch);
            }
            Err(error) => {
                tracing::warn!(org = %self.org, %error, "containers cannot reach the platform");
                self.porch_is_taken();
            }
        }
    }

    async fn remove_network(&mut self) {
        match self.engine.runtime.remove_network(self.org).await {
            Ok(()) => {
                (self.entrance, self.network_left) = (None, false);
                self.backoff.forget(&Key::Network);
            }
            Err(error) => {
                tracing::warn!(org = %self.org, %error, "the network of no containers is still there");
                self.backoff.failed(Key::Network, Instant::now());
            }
        }
    }
}
