//! The gateway actor of a keeper: made once, and anew after it failed.

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorRef, ActorStatus};

use super::{KeeperMessage, KeeperState, shift::Shift};
use crate::gateway::{GatewayActor, GatewayArguments};

/// A gateway actor that failed rests this long, doubled with each failure, up to the cap.
const REST_MS_MIN: u64 = 100;
const REST_MS_MAX: u64 = 10_000;

impl KeeperState {
    pub(super) fn failed(&mut self, error: &str, myself: &ActorRef<KeeperMessage>) {
        metrics::counter!("orrery_gateway_failures_total").increment(1);
        let rest_ms = (REST_MS_MIN << self.failures.min(16)).min(REST_MS_MAX);
        self.failures += 1;
        tracing::error!(org = %self.parts.tenure.org(), epoch = %self.parts.tenure.epoch(), error, rest_ms,
            "the gateway failed; it is made anew from what is durable");
        if !self.releasing {
            drop(myself.send_after(Duration::from_millis(rest_ms), || KeeperMessage::Restart));
        }
    }

    pub(super) async fn restart(&mut self, myself: &ActorRef<KeeperMessage>) {
        let failed = matches!(self.gateway.get_status(), ActorStatus::Stopping | ActorStatus::Stopped);
        if self.releasing || !failed {
            return;
        }
        self.shift.end();
        self.shift = Arc::new(Shift::new(self.parts.journal.clone()));
        let arguments = GatewayArguments { journal: self.shift.clone(), ..self.parts.clone() };
        match Actor::spawn_linked(None, GatewayActor, arguments, myself.get_cell()).await {
            Ok((gateway, _)) => {
                self.gateway = gateway.clone();
                self.places.replace_gateway(self.parts.tenure.org(), self.parts.tenure.epoch(), gateway);
            }
            Err(error) => self.failed(&error.to_string(), myself),
        }
    }
}
