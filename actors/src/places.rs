//! Which organizations are served in this process, and by which actors. Owns the one table that everybody looks into;
//! starts and ends nothing.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use orrery_protocol::{
    control::GatewayBrief,
    id::{Epoch, OrgId, ProjectId},
};
use ractor::ActorRef;
use tokio::sync::watch;

use crate::{activity::Activity, control_plane::Tenure, gateway::GatewayMessage, keeper::KeeperMessage};

/// How far serving an organization has come.
pub(crate) enum Phase {
    /// Its actors are being made.
    Starting,
    /// Open to whoever may come.
    Serving(Actors),
    /// Closed; what there is goes to storage.
    Releasing,
}

/// Who serves an organization.
#[derive(Clone)]
pub(crate) struct Actors {
    pub(crate) keeper: ActorRef<KeeperMessage>,
    pub(crate) gateway: ActorRef<GatewayMessage>,
    /// What they act under.
    pub(crate) tenure: Arc<Tenure>,
    /// What keeps them here.
    pub(crate) activity: Activity,
}

/// One organization.
pub(crate) struct Place {
    pub(crate) brief: Arc<GatewayBrief>,
    pub(crate) phase: Phase,
}

#[derive(Default)]
struct Table {
    places: HashMap<OrgId, Place>,
    stopping: bool,
}

/// What was found for a brief that is to be served.
pub(crate) enum Reservation {
    /// A place of its own; nobody else gets it.
    Reserved,
    /// It is served, or about to be.
    Taken,
    /// Another epoch is served, or is on its way out.
    Occupied(Epoch),
    /// Every slot has its organization; whether one of them is on its way out.
    Full { releasing: bool },
    /// The process is ending.
    Stopping,
}

/// The table. Clones share it.
#[derive(Clone)]
pub(crate) struct Places {
    table: watch::Sender<Table>,
}

impl Places {
    /// Nobody is served.
    pub(crate) fn new() -> Self {
        Self { table: watch::Sender::new(Table::default()) }
    }

    /// Looks at an organization's place.
    pub(crate) fn look<T>(&self, org: OrgId, look: impl FnOnce(Option<&Place>) -> T) -> T {
        look(self.table.borrow().places.get(&org))
    }

    /// The organization that `project` belongs to, if it is served.
    pub(crate) fn org_of(&self, project: ProjectId) -> Option<OrgId> {
        let table = self.table.borrow();
        let has_it = |place: &Place| place.brief.projects.iter().any(|known| known.id == project);
        table.places.iter().find(|(_, place)| has_it(place)).map(|(&org, _)| org)
    }

    /// Whether the process is ending.
    pub(crate) fn is_stopping(&self) -> bool {
        self.table.borrow().stopping
    }

    /// The actors of every organization that is served.
    pub(crate) fn serving(&self) -> Vec<(OrgId, Epoch, Actors)> {
        let serving = |(&org, place): (&OrgId, &Place)| match &place.phase {
            Phase::Serving(actors) => Some((org, place.brief.epoch, actors.clone())),
            Phase::Starting | Phase::Releasing => None,
        };
        self.table.borrow().places.iter().filter_map(serving).collect()
    }

    /// Takes a place for `brief`, of `slots` that there are.
    pub(crate) fn reserve(&self, brief: &Arc<GatewayBrief>, slots: u16) -> Reservation {
        let mut reservation = Reservation::Stopping;
        self.table.send_if_modified(|table| {
            let taken = table.places.len();
            reservation = match table.places.get(&brief.organization_id) {
                _ if table.stopping => Reservation::Stopping,
                Some(place) if place.brief.epoch == brief.epoch && !matches!(place.phase, Phase::Releasing) => {
                    Reservation::Taken
                }
                Some(place) => Reservation::Occupied(place.brief.epoch),
                None if taken >= usize::from(slots) => {
                    let is_leaving = |place: &Place| matches!(place.phase, Phase::Releasing);
                    Reservation::Full { releasing: table.places.values().any(is_leaving) }
                }
                None => {
                    let place = Place { brief: brief.clone(), phase: Phase::Starting };
                    table.places.insert(brief.organization_id, place);
                    Reservation::Reserved
                }
            };
            matches!(reservation, Reservation::Reserved)
        });
        reservation
    }

    /// Opens a reserved place; `false` if it was given up meanwhile.
    pub(crate) fn open(&self, org: OrgId, epoch: Epoch, actors: Actors) -> bool {
        self.change(org, epoch, |place| {
            let starting = matches!(place.phase, Phase::Starting);
            if starting {
                place.phase = Phase::Serving(actors);
            }
            starting
        })
    }

    /// Another gateway actor takes over; `false` if the place is closed.
    pub(crate) fn replace_gateway(&self, org: OrgId, epoch: Epoch, gateway: ActorRef<GatewayMessage>) -> bool {
        self.change(org, epoch, |place| match &mut place.phase {
            Phase::Serving(actors) => {
                actors.gateway = gateway;
                true
            }
            Phase::Starting | Phase::Releasing => false,
        })
    }

    /// Replaces the brief by a newer one of the same epoch; `false` if it is not newer, or the epoch is not served.
    pub(crate) fn refresh(&self, brief: &Arc<GatewayBrief>) -> bool {
        self.change(brief.organization_id, brief.epoch, |place| {
            let newer = brief.version > place.brief.version;
            if newer {
                place.brief = brief.clone();
            }
            newer
        })
    }

    /// Closes the place: from now on nobody is let in. The keeper that has to be told, the first time.
    pub(crate) fn close(&self, org: OrgId, epoch: Epoch) -> Option<ActorRef<KeeperMessage>> {
        let mut keeper = None;
        self.change(org, epoch, |place| {
            let was = std::mem::replace(&mut place.phase, Phase::Releasing);
            if let Phase::Serving(actors) = &was {
                keeper = Some(actors.keeper.clone());
            }
            !matches!(was, Phase::Releasing)
        });
        keeper
    }

    /// Gives the place back: its actors have ended.
    pub(crate) fn vacate(&self, org: OrgId, epoch: Epoch) {
        self.table.send_if_modified(|table| {
            let ours = table.places.get(&org).is_some_and(|place| place.brief.epoch == epoch);
            if ours {
                table.places.remove(&org);
            }
            ours
        });
    }

    /// Nobody is taken in from now on.
    pub(crate) fn stop(&self) {
        self.table.send_modify(|table| table.stopping = true);
    }

    /// Waits until this is so of an organization's place.
    pub(crate) async fn until_place(&self, org: OrgId, mut is_so: impl FnMut(Option<&Place>) -> bool) {
        self.until(|table| is_so(table.places.get(&org))).await;
    }

    /// Waits until `org` is not served under `epoch` any more.
    pub(crate) async fn until_vacated(&self, org: OrgId, epoch: Epoch) {
        self.until(|table| table.places.get(&org).is_none_or(|place| place.brief.epoch != epoch)).await;
    }

    /// Waits until the place is open, or given up.
    pub(crate) async fn until_started(&self, org: OrgId, epoch: Epoch) {
        let starting = |place: &Place| place.brief.epoch == epoch && matches!(place.phase, Phase::Starting);
        self.until(|table| !table.places.get(&org).is_some_and(starting)).await;
    }

    /// Waits until fewer than `slots` organizations have a place.
    pub(crate) async fn until_free(&self, slots: u16) {
        self.until(|table| table.places.len() < usize::from(slots)).await;
    }

    /// Waits until nobody is served.
    pub(crate) async fn until_empty(&self) {
        self.until(|table| table.places.is_empty()).await;
    }

    /// The organizations that have a place.
    pub(crate) fn orgs(&self) -> BTreeSet<OrgId> {
        self.table.borrow().places.keys().copied().collect()
    }

    /// Waits until one of these has no place any more.
    pub(crate) async fn until_one_left(&self, orgs: &BTreeSet<OrgId>) {
        self.until(|table| orgs.iter().any(|org| !table.places.contains_key(org))).await;
    }

    async fn until(&self, reached: impl FnMut(&Table) -> bool) {
        // The sender is ours, so that the wait cannot fail.
        self.table.subscribe().wait_for(reached).await.ok();
    }

    fn change(&self, org: OrgId, epoch: Epoch, change: impl FnOnce(&mut Place) -> bool) -> bool {
        self.table.send_if_modified(|table| match table.places.get_mut(&org) {
            Some(place) if place.brief.epoch == epoch => change(place),
            Some(_) | None => false,
        })
    }
}
