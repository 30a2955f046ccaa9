//! Where requests for an organization go. Readers never touch the data base and never wait for a writer longer than it
//! takes to change one entry.

use std::{collections::HashMap, sync::Arc};

use orrery_protocol::id::{Epoch, GatewayId, OrgId, SlotId};
use tokio::sync::watch;

/// Where one organization is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// In this process.
    Local {
        /// The slot.
        slot: SlotId,
        /// The epoch under which it is served.
        epoch: Epoch,
    },
    /// In another process.
    Remote {
        /// By whom.
        gateway: GatewayId,
        /// Where that gateway listens, as it announced itself.
        address: Arc<str>,
        /// The epoch under which it is served.
        epoch: Epoch,
    },
    /// Nowhere at the moment, and soon again: being allocated, or on its way from one slot to another.
    Moving {
        /// The newest epoch.
        epoch: Epoch,
    },
}

impl Route {
    /// The newest epoch of the organization.
    pub const fn epoch(&self) -> Epoch {
        match self {
            Self::Local { epoch, .. } | Self::Remote { epoch, .. } | Self::Moving { epoch } => *epoch,
        }
    }

    const fn is_moving(&self) -> bool {
        matches!(self, Self::Moving { .. })
    }
}

/// The route table. Clones share it.
#[derive(Debug, Clone)]
pub struct Routes {
    table: watch::Sender<HashMap<OrgId, Route>>,
}

impl Default for Routes {
    fn default() -> Self {
        Self::new()
    }
}

impl Routes {
    /// An empty table.
    pub fn new() -> Self {
        Self { table: watch::Sender::new(HashMap::new()) }
    }

    /// The organization's route now; `None` if it has no gateway.
    pub fn get(&self, org: OrgId) -> Option<Route> {
        self.table.borrow().get(&org).cloned()
    }

    /// The organization's route once it does not move. Waits as long as it takes: the caller sets the limit.
    pub async fn settled(&self, org: OrgId) -> Option<Route> {
        let mut table = self.table.subscribe();
        let moving = |table: &HashMap<OrgId, Route>| table.get(&org).is_some_and(Route::is_moving);
        // The sender lives in `self`, so that the wait cannot fail.
        let settled = table.wait_for(|table| !moving(table)).await.ok()?;
        settled.get(&org).cloned()
    }

    /// Every route, now and whenever one changes.
    pub fn follow(&self) -> watch::Receiver<HashMap<OrgId, Route>> {
        self.table.subscribe()
    }

    /// How many organizations have a route.
    pub fn len(&self) -> usize {
        self.table.borrow().len()
    }

    /// Whether no organization has one.
    pub fn is_empty(&self) -> bool {
        self.table.borrow().is_empty()
    }

    /// Sets a route, unless a newer epoch has one.
    pub(super) fn set(&self, org: OrgId, route: Route) {
        self.table.send_if_modified(|table| {
            let newer = table.get(&org).is_some_and(|old| old.epoch() > route.epoch());
            if !newer {
                table.insert(org, route);
            }
            !newer
        });
    }

    /// Whoever waits for a moving organization waits in vain.
    pub(super) fn forget_moving(&self, org: OrgId) {
        self.table.send_if_modified(|table| {
            let moving = table.get(&org).is_some_and(Route::is_moving);
            if moving {
                table.remove(&org);
            }
            moving
        });
    }

    /// Takes the route away, unless another epoch has it.
    pub(super) fn remove(&self, org: OrgId, epoch: Epoch) {
        self.table.send_if_modified(|table| {
            let ours = table.get(&org).is_some_and(|route| route.epoch() == epoch);
            if ours {
                table.remove(&org);
            }
            ours
        });
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ORG: OrgId = OrgId(Uuid::from_u128(1));

    fn local(epoch: u64) -> Route {
        Route::Local { slot: SlotId(0), epoch: Epoch(epoch) }
    }

    #[test]
    fn an_old_epoch_neither_takes_nor_removes_the_route_of_a_new_one() {
        let routes = Routes::new();
        routes.set(ORG, local(2));
        routes.set(ORG, Route::Moving { epoch: Epoch(1) });
        routes.remove(ORG, Epoch(1));
        assert_eq!(routes.get(ORG), Some(local(2)));
        routes.remove(ORG, Epoch(2));
        assert!(routes.is_empty());
    }

    #[tokio::test]
    async fn who_waits_for_a_moving_organization_gets_its_new_route() {
        let routes = Routes::new();
        assert_eq!(routes.settled(ORG).await, None);
        routes.set(ORG, Route::Moving { epoch: Epoch(1) });
        let waiting = tokio::spawn({
            let routes = routes.clone();
            async move { routes.settled(ORG).await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        routes.set(ORG, local(2));
        assert_eq!(waiting.await.unwrap(), Some(local(2)));
    }
}
