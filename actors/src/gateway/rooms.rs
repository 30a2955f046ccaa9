//! The rooms of one gateway: opening, unloading, resting after a failure, and their orderly end.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::Duration,
};

use orrery_protocol::{
    control::GatewayBrief,
    id::{DocumentKey, DocumentName, ProjectId, UserId},
    limits::INBOX_BYTES_MAX,
    record::StoredDocument,
};
use ractor::{Actor, ActorRef, RpcReplyPort, rpc::CallResult};

use super::{GatewayConfig, GatewayMessage, GatewayReport, OpenError};
use crate::{
    activity::Activity,
    control_plane::Tenure,
    inbox::Inbox,
    journal::{Journal, JournalError},
    receipt::Receipt,
    room::{RoomActor, RoomArguments, RoomHandle, RoomMessage},
};

/// How long a room may take to bring everything to disk when it is drained.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// How long a room may take to say what it is doing.
const INSPECT_MAX: Duration = Duration::from_secs(2);
/// A room that failed rests this long, doubled with each failure in a row, up to the cap.
const REST_MS_MIN: u64 = 100;
const REST_MS_MAX: u64 = 30_000;

/// Somebody who wants to enter a room.
pub(super) type Waiter = RpcReplyPort<Result<RoomHandle, OpenError>>;

enum Slot {
    Opening(Vec<Waiter>),
    Open {
        actor: ActorRef<RoomMessage>,
        handle: RoomHandle,
        /// When somebody last came, or the last one left.
        used_ms: u64,
    },
    /// On its way out; who comes now gets the next room, once this one has handed everything to the journal.
    Closing {
        actor: ActorRef<RoomMessage>,
        waiters: Vec<Waiter>,
        /// The document that gets its place.
        heir: Option<Arc<DocumentKey>>,
    },
    Resting {
        until_ms: u64,
    },
}

/// One organization's rooms.
pub(super) struct Rooms {
    config: GatewayConfig,
    tenure: Arc<Tenure>,
    journal: Arc<dyn Journal>,
    activity: Activity,
    gateway: ActorRef<GatewayMessage>,
    slots: HashMap<Arc<DocumentKey>, Slot>,
    /// Failures in a row of rooms that have not been open for long since.
    failures: HashMap<Arc<DocumentKey>, u32>,
    /// Nobody is let in any more.
    stopping: bool,
}

impl Drop for Rooms {
    /// What is still open ends with its gateway, which nobody hears of.
    fn drop(&mut self) {
        let open = self.slots.values().filter(|slot| slot.actor().is_some()).count();
        metrics::gauge!("orrery_rooms").decrement(open as f64);
    }
}

impl Slot {
    fn actor(&self) -> Option<&ActorRef<RoomMessage>> {
        match self {
            Self::Open { actor, .. } | Self::Closing { actor, .. } => Some(actor),
            Self::Opening(_) | Self::Resting { .. } => None,
        }
    }

    /// Brings an open room to disk and ends it, whoever is in.
    fn close(&mut self, key: &Arc<DocumentKey>) {
        if let Self::Open { actor, .. } = self {
            tokio::spawn(drain(key.clone(), actor.clone()));
            *self = Self::Closing { actor: actor.clone(), waiters: Vec::new(), heir: None };
        }
    }

    /// Since when nobody has been in, nor left anything that the room has yet to see.
    fn vacant_since_ms(&self) -> Option<u64> {
        match self {
            Self::Open { handle, used_ms, .. } => {
                (Arc::strong_count(&handle.visit) == 1 && handle.inbox.is_empty()).then_some(*used_ms)
            }
            Self::Opening(_) | Self::Closing { .. } | Self::Resting { .. } => None,
        }
    }
}

impl Rooms {
    pub(super) fn new(
        config: GatewayConfig,
        tenure: Arc<Tenure>,
        journal: Arc<dyn Journal>,
        activity: Activity,
        gateway: ActorRef<GatewayMessage>,
    ) -> Self {
        let (slots, failures) = (HashMap::new(), HashMap::new());
        Self { config, tenure, journal, activity, gateway, slots, failures, stopping: false }
    }

    pub(super) fn open(&mut self, key: Arc<DocumentKey>, reply: Waiter) {
        let now_ms = self.config.clock.now_ms();
        let answer = match self.slots.get_mut(&key) {
            _ if self.stopping => Err(OpenError::Moving),
            Some(Slot::Opening(waiters) | Slot::Closing { waiters, .. }) => return waiters.push(reply),
            Some(Slot::Open { handle, used_ms, .. }) => {
                *used_ms = now_ms;
                handle.touch(now_ms);
                Ok(handle.clone())
            }
            Some(Slot::Resting { until_ms }) if *until_ms > now_ms => {
                Err(OpenError::Resting { retry_ms: *until_ms - now_ms })
            }
            Some(Slot::Resting { .. }) => return self.load(key, reply),
            None => return self.open_one_more(key, reply, now_ms),
        };
        drop(reply.send(answer));
    }

    fn open_one_more(&mut self, key: Arc<DocumentKey>, reply: Waiter, now_ms: u64) {
        if self.has_place(now_ms) {
            return self.load(key, reply);
        }
        if let Some(heir) = self.inherited() {
            *heir = Some(key.clone());
            self.slots.insert(key, Slot::Opening(vec![reply]));
        } else {
            drop(reply.send(Err(OpenError::TooManyDocuments(self.config.limits.documents_max))));
        }
    }

    /// Whether there are fewer documents than there may be. Those that failed and have rested are not open.
    fn has_place(&mut self, now_ms: u64) -> bool {
        let documents_max = self.config.limits.documents_max;
        if self.slots.len() >= documents_max {
            self.slots.retain(|_, slot| !matches!(slot, Slot::Resting { until_ms } if *until_ms <= now_ms));
        }
        self.slots.len() < documents_max
    }

    /// Whose place one more document may have: that of a room on its way out, or of the one where nobody has been for longest.
    /// It is waited for, so that rooms that cannot be brought to disk do not become more and more.
    fn inherited(&mut self) -> Option<&mut Option<Arc<DocumentKey>>> {
        let leaves = |slot: &Slot| matches!(slot, Slot::Closing { heir: None, .. });
        let leaving = self.slots.iter().find(|(_, slot)| leaves(slot)).map(|(key, _)| key.clone());
        let vacant = || self.slots.iter().filter_map(|(key, slot)| Some((slot.vacant_since_ms()?, key)));
        let key = leaving.or_else(|| vacant().min_by_key(|&(since_ms, _)| since_ms).map(|(_, key)| key.clone()))?;
        let slot = self.slots.get_mut(&key)?;
        slot.close(&key);
        match slot {
            Slot::Closing { heir, .. } => Some(heir),
            Slot::Opening(_) | Slot::Open { .. } | Slot::Resting { .. } => None,
        }
    }

    /// Loads a document; whoever asks for it meanwhile waits for the same room.
    fn load(&mut self, key: Arc<DocumentKey>, waiter: Waiter) {
        self.slots.insert(key.clone(), Slot::Opening(vec![waiter]));
        self.begin(key);
    }

    fn begin(&self, key: Arc<DocumentKey>) {
        if key.document == DocumentName::System {
            drop(self.gateway.cast(GatewayMessage::OpenSystem(key)));
            return;
        }
        let (journal, gateway) = (self.journal.clone(), self.gateway.clone());
        tokio::spawn(async move {
            let stored = journal.load(&key).await;
            drop(gateway.cast(GatewayMessage::Loaded(key, stored)));
        });
    }

    pub(super) async fn loaded(&mut self, key: Arc<DocumentKey>, stored: Result<StoredDocument, JournalError>) {
        let Some(Slot::Opening(waiters)) = self.slots.remove(&key) else { return };
        let opened = match stored {
            Ok(stored) => self.spawn(&key, stored).await,
            Err(error) => {
                tracing::error!(org = %key.org, project = %key.project, document = %key.document, %error,
                    "cannot load the document");
                Err(OpenError::Storage(error.to_string()))
            }
        };
        for waiter in waiters {
            drop(waiter.send(opened.clone()));
        }
    }

    /// What was loaded is not wanted any more.
    pub(super) fn give_up(&mut self, key: &Arc<DocumentKey>, why: &OpenError) {
        if let Some(Slot::Opening(waiters)) = self.slots.remove(key) {
            waiters.into_iter().for_each(|waiter| drop(waiter.send(Err(why.clone()))));
        }
    }

    async fn spawn(&mut self, key: &Arc<DocumentKey>, stored: StoredDocument) -> Result<RoomHandle, OpenError> {
        let actor: Arc<OnceLock<ActorRef<RoomMessage>>> = Arc::default();
        let sleeper = actor.clone();
        let wake = move || {
            if let Some(actor) = sleeper.get() {
                drop(actor.cast(RoomMessage::Wake));
            }
        };
        let inbox = Arc::new(Inbox::new(self.config.room.room.unsaved_bytes_max.min(INBOX_BYTES_MAX), wake));
        let arguments = RoomArguments {
            key: key.clone(),
            epoch: self.tenure.epoch(),
            stored,
            config: self.config.room.clone(),
            journal: self.journal.clone(),
            clock: self.config.clock,
            inbox: inbox.clone(),
            gateway: self.gateway.clone(),
        };
        match Actor::spawn_linked(None, RoomActor, arguments, self.gateway.get_cell()).await {
            Ok((room, _)) => {
                actor.get_or_init(|| room.clone());
                let peer_queue_bytes_max = self.config.room.room.peer_queue_bytes_max;
                let (activity, used_ms) = (self.activity.of(key.project), self.config.clock.now_ms());
                activity.touch(used_ms);
                let handle = RoomHandle { inbox, peer_queue_bytes_max, activity, visit: Arc::new(()) };
                self.slots.insert(key.clone(), Slot::Open { actor: room, handle: handle.clone(), used_ms });
                Ok(handle)
            }
            Err(error) => {
                tracing::error!(org = %key.org, project = %key.project, document = %key.document, %error,
                    "cannot start the room");
                Err(self.rest(key))
            }
        }
    }

    /// The last one in a room left.
    pub(super) fn left(&mut self, key: &Arc<DocumentKey>) {
        if let Some(Slot::Open { used_ms, .. }) = self.slots.get_mut(key) {
            *used_ms = self.config.clock.now_ms();
        }
    }

    /// The handshake of unloading: handles are given out here and nowhere else, so that none but the gateway's own
    /// means that nobody is in and nobody is on the way in.
    pub(super) fn retire(&mut self, key: &Arc<DocumentKey>) {
        let Some(Slot::Open { actor, handle, .. }) = self.slots.get(key) else { return };
        if Arc::strong_count(&handle.visit) == 1 {
            let actor = actor.clone();
            drop(actor.cast(RoomMessage::Retire));
            self.slots.insert(key.clone(), Slot::Closing { actor, waiters: Vec::new(), heir: None });
            self.failures.remove(key);
        }
    }

    /// Closes the project's rooms, whoever is in. Who comes back finds the next ones.
    pub(super) fn unload(&mut self, project: ProjectId) {
        self.slots.iter_mut().filter(|(key, _)| key.project == project).for_each(|(key, slot)| slot.close(key));
    }

    /// The same for one document.
    pub(super) fn close(&mut self, key: &Arc<DocumentKey>) {
        self.slots.get_mut(key).into_iter().for_each(|slot| slot.close(key));
    }

    /// What a document is opened with is there now.
    pub(super) fn load_again(&self, key: Arc<DocumentKey>) {
        drop(self.gateway.cast(GatewayMessage::OpenSystem(key)));
    }

    /// Tells the room of a document something, if it is open. One that is being opened is opened with it.
    pub(super) fn tell(&self, key: &Arc<DocumentKey>, message: RoomMessage) {
        if let Some(Slot::Open { actor, .. }) = self.slots.get(key) {
            drop(actor.cast(message));
        }
    }

    /// Connections of `user` end where they were made under another role than `brief` gives now.
    pub(super) fn reseat(&self, user: UserId, brief: &GatewayBrief, receipt: &Receipt) {
        for (key, slot) in &self.slots {
            let role = brief.principal(user, key.project).map(|principal| principal.role);
            if let Some(actor) = slot.actor() {
                drop(actor.cast(RoomMessage::Role(user, role, receipt.clone())));
            }
        }
    }

    pub(super) fn failed(&mut self, actor: &ractor::ActorCell, error: &str) -> Option<Arc<DocumentKey>> {
        let key = self.key_of(actor)?;
        metrics::counter!("orrery_room_failures_total").increment(1);
        tracing::error!(org = %key.org, project = %key.project, document = %key.document, error,
            "the room failed; its peers reconnect to one rebuilt from what is durable");
        metrics::gauge!("orrery_rooms").decrement(1.0);
        let (waiters, heir) = self.remove(&key);
        let resting = self.rest(&key);
        waiters.into_iter().for_each(|waiter| drop(waiter.send(Err(resting.clone()))));
        heir.into_iter().for_each(|heir| self.begin(heir));
        Some(key)
    }

    /// Drained, or retired.
    pub(super) fn ended(&mut self, actor: &ractor::ActorCell) -> Option<Arc<DocumentKey>> {
        let key = self.key_of(actor)?;
        metrics::gauge!("orrery_rooms").decrement(1.0);
        let (waiters, heir) = self.remove(&key);
        heir.into_iter().for_each(|heir| self.begin(heir));
        waiters.into_iter().for_each(|waiter| self.open(key.clone(), waiter));
        Some(key)
    }

    /// Who waits for the next room of this document, and which one waits for its place.
    fn remove(&mut self, key: &Arc<DocumentKey>) -> (Vec<Waiter>, Option<Arc<DocumentKey>>) {
        match self.slots.remove(key) {
            Some(Slot::Closing { waiters, heir, .. }) => (waiters, heir),
            Some(Slot::Open { .. } | Slot::Opening(_) | Slot::Resting { .. }) | None => (Vec::new(), None),
        }
    }

    fn rest(&mut self, key: &Arc<DocumentKey>) -> OpenError {
        let failures = self.failures.entry(key.clone()).or_default();
        let retry_ms = (REST_MS_MIN << (*failures).min(16)).min(REST_MS_MAX);
        *failures += 1;
        let until_ms = self.config.clock.now_ms() + retry_ms;
        self.slots.insert(key.clone(), Slot::Resting { until_ms });
        OpenError::Resting { retry_ms }
    }

    fn key_of(&self, cell: &ractor::ActorCell) -> Option<Arc<DocumentKey>> {
        let is_it = |slot: &Slot| slot.actor().is_some_and(|actor| actor.get_id() == cell.get_id());
        self.slots.iter().find(|(_, slot)| is_it(slot)).map(|(key, _)| key.clone())
    }

    /// Lets nobody in any more, and closes every room.
    pub(super) fn drain(&mut self) {
        self.stopping = true;
        for (_, slot) in self.slots.extract_if(|_, slot| slot.actor().is_none()) {
            if let Slot::Opening(waiters) = slot {
                waiters.into_iter().for_each(|waiter| drop(waiter.send(Err(OpenError::Moving))));
            }
        }
        for (key, slot) in &mut self.slots {
            match slot {
                Slot::Open { actor, .. } => drop(tokio::spawn(drain(key.clone(), actor.clone()))),
                Slot::Closing { waiters, heir, .. } => {
                    *heir = None;
                    waiters.drain(..).for_each(|waiter| drop(waiter.send(Err(OpenError::Moving))));
                }
                Slot::Opening(_) | Slot::Resting { .. } => {}
            }
        }
    }

    /// Whether no room is left.
    pub(super) fn is_empty(&self) -> bool {
        !self.slots.values().any(|slot| slot.actor().is_some())
    }

    pub(super) fn inspect(&self, reply: RpcReplyPort<GatewayReport>) {
        let count = |wanted: fn(&Slot) -> bool| self.slots.values().filter(|slot| wanted(slot)).count();
        let opening = count(|slot| matches!(slot, Slot::Opening(_)));
        let resting = count(|slot| matches!(slot, Slot::Resting { .. }));
        let open = |(key, slot): (&Arc<DocumentKey>, &Slot)| match slot {
            Slot::Open { actor, .. } => Some((key.clone(), actor.clone())),
            Slot::Opening(_) | Slot::Closing { .. } | Slot::Resting { .. } => None,
        };
        let (org, epoch) = (self.tenure.org(), self.tenure.epoch());
        let rooms: Vec<_> = self.slots.iter().filter_map(open).collect();
        tokio::spawn(async move {
            let mut reports = Vec::with_capacity(rooms.len());
            for (key, actor) in rooms {
                if let Ok(CallResult::Success(status)) = actor.call(RoomMessage::Inspect, Some(INSPECT_MAX)).await {
                    reports.push(((*key).clone(), status));
                }
            }
            drop(reply.send(GatewayReport { org, epoch, rooms: reports, opening, resting }));
        });
    }
}

/// Brings a room to disk and ends it, one way or the other.
async fn drain(key: Arc<DocumentKey>, room: ActorRef<RoomMessage>) {
    if let Ok(CallResult::Timeout) = room.call(RoomMessage::Drain, Some(DRAIN_MAX)).await {
        tracing::error!(org = %key.org, project = %key.project, document = %key.document,
            "the room could not bring everything to disk in time");
        room.stop(None);
    }
}
