//! The brief that a keeper acts upon: fetched again when a renewal says that it is old, and handed to the gateway.

use std::sync::Arc;

use orrery_protocol::{control::GatewayBrief, idle, lease};
use ractor::ActorRef;

use super::{KeeperMessage, KeeperState, in_time};
use crate::{
    control_plane::{Ask, ControlError},
    gateway::GatewayMessage,
    receipt::Receipt,
};

impl KeeperState {
    /// `receipt`: of who waits until the brief is acted upon.
    pub(super) fn fetch(&mut self, receipt: Receipt, myself: &ActorRef<KeeperMessage>) {
        if std::mem::replace(&mut self.fetching, true) {
            return self.fetch_again.get_or_insert_default().join(receipt);
        }
        let (control_plane, tenure) = (self.parts.config.control_plane.clone(), self.parts.tenure.clone());
        let keeper = myself.clone();
        tokio::spawn(async move {
            let answer = in_time(control_plane.config(Ask::Again(&tenure))).await;
            drop(keeper.cast(KeeperMessage::Fetched(answer, receipt)));
        });
    }

    pub(super) fn fetched(
        &mut self,
        answer: Result<GatewayBrief, ControlError>,
        receipt: Receipt,
        myself: &ActorRef<KeeperMessage>,
    ) {
        self.fetching = false;
        match answer {
            Ok(brief) => {
                let brief = Arc::new(brief);
                if self.places.refresh(&brief) {
                    self.refreshed(brief, receipt, myself);
                }
            }
            Err(ControlError::Stale) => self.keep_lease(lease::Input::Stale, myself),
            // The next renewal says again that the brief is old.
            Err(error @ (ControlError::Refused(_) | ControlError::Unavailable(_))) => {
                self.note("cannot fetch the configuration", &error);
            }
        }
        if let Some(receipt) = self.fetch_again.take() {
            self.fetch(receipt, myself);
        }
    }

    pub(super) fn refreshed(&mut self, brief: Arc<GatewayBrief>, receipt: Receipt, myself: &ActorRef<KeeperMessage>) {
        if brief.version <= self.parts.brief.version {
            return;
        }
        self.parts.tenure.replace_token(brief.gateway_token.clone());
        self.parts.brief = brief.clone();
        drop(self.gateway.cast(GatewayMessage::Refresh(brief.clone(), receipt)));
        self.keep_idle(Some(idle::Input::DisableShutdown(brief.disable_shutdown)), myself);
    }
}
