//! How serving an organization ends: all at once when the lease is over, in order otherwise.

use std::time::Duration;

use orrery_protocol::lease::LeaseEnd;
use ractor::{ActorRef, rpc::CallResult};

use super::{KeeperMessage, KeeperState, ReleaseReason, in_time};
use crate::{control_plane::ControlError, gateway::GatewayMessage};

/// How long a gateway may take to bring everything to disk.
const DRAIN_MAX: Duration = Duration::from_secs(35);
/// How often Ganymede is told that an idle gateway stopped, and how long it rests in between. If it never hears of it, the
/// lease runs out.
const STOP_ATTEMPTS: u32 = 5;
const STOP_REST: Duration = Duration::from_millis(500);

impl KeeperState {
    /// Everything ends now. Nothing is stored any more, and Ganymede needs not be told.
    pub(super) fn lose(&mut self, why: LeaseEnd, myself: &ActorRef<KeeperMessage>) {
        let (org, epoch) = (self.parts.tenure.org(), self.parts.tenure.epoch());
        metrics::counter!("orrery_leases_lost_total").increment(1);
        tracing::warn!(%org, %epoch, %why, "the organization is served here no longer");
        self.parts.tenure.fence();
        drop(self.places.close(org, epoch));
        myself.stop(None);
    }

    /// Brings everything to disk, tells Ganymede if it does not know, and ends. The lease is kept meanwhile.
    pub(super) fn release(&mut self, why: ReleaseReason, myself: &ActorRef<KeeperMessage>) {
        if std::mem::replace(&mut self.releasing, true) {
            return;
        }
        let (org, epoch) = (self.parts.tenure.org(), self.parts.tenure.epoch());
        tracing::info!(%org, %epoch, ?why, "releasing the organization");
        drop(self.places.close(org, epoch));
        let (gateway, keeper) = (self.gateway.clone(), myself.clone());
        let (control_plane, tenure) = (self.parts.config.control_plane.clone(), self.parts.tenure.clone());
        tokio::spawn(async move {
            if let Ok(CallResult::Timeout) = gateway.call(GatewayMessage::Drain, Some(DRAIN_MAX)).await {
                tracing::error!(%org, %epoch, "the organization could not be brought to disk in time");
            }
            let tell = match why {
                ReleaseReason::Ordered | ReleaseReason::Superseded => None,
                ReleaseReason::Idle => Some(false),
                ReleaseReason::Shutdown => Some(true),
            };
            if let Some(leaving) = tell {
                for attempt in 1..=STOP_ATTEMPTS {
                    let told = async {
                        if leaving { control_plane.leave(&tenure).await } else { control_plane.stop(&tenure).await }
                    };
                    match in_time(told).await {
                        Ok(()) | Err(ControlError::Stale | ControlError::Refused(_)) => break,
                        Err(error @ ControlError::Unavailable(_)) => {
                            tracing::warn!(%org, %epoch, attempt, %error, "cannot give the slot back");
                            tokio::time::sleep(STOP_REST * attempt).await;
                        }
                    }
                }
            }
            drop(keeper.cast(KeeperMessage::Released));
        });
    }
}
