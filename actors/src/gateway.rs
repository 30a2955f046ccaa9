//! The gateway actor: one organization's open rooms. Opens each once however many ask, unloads those nobody visits, and
//! brings back those that failed. Must not know sockets or HTTP.

use std::{collections::HashMap, sync::Arc, time::Duration};

use orrery_protocol::{
    id::{DocumentKey, OrgId, UserId},
    limits::GatewayLimits,
    record::StoredDocument,
    room::RoomConfig,
};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent, rpc::CallResult};

use crate::{
    clock::Clock,
    inbox::Inbox,
    journal::{Journal, JournalError},
    room::{RoomActor, RoomArguments, RoomHandle, RoomMessage, RoomStatus},
};

/// How long a room may take to bring everything to disk when it is drained.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// How long a room may take to say what it is doing.
const INSPECT_MAX: Duration = Duration::from_secs(2);
/// A room that failed rests this long, doubled with each failure in a row, up to the cap.
const REST_MS_MIN: u64 = 100;
const REST_MS_MAX: u64 = 30_000;

/// Why a room cannot be entered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The organization has as many open documents as it may.
    #[error("the organization has {0} open documents, the most it may")]
    TooManyDocuments(usize),
    /// The document could not be loaded.
    #[error("the document cannot be loaded: {0}")]
    Storage(String),
    /// The room failed and rests before it is tried again.
    #[error("the document failed and is tried again in {} s", .retry_ms.div_ceil(1000))]
    Resting {
        /// How long, in milliseconds.
        retry_ms: u64,
    },
    /// The gateway is shutting down or moving.
    #[error("the gateway is stopping")]
    Stopping,
}

/// What all gateways of a process are made with.
#[derive(Clone)]
pub struct GatewayConfig {
    /// Of each room.
    pub room: RoomConfig,
    /// Of each gateway.
    pub limits: GatewayLimits,
    /// Where documents are kept.
    pub journal: Arc<dyn Journal>,
    /// What time it is.
    pub clock: Clock,
}

/// What may be observed of a gateway.
#[derive(Debug, Clone)]
pub struct GatewayReport {
    /// Whose it is.
    pub org: OrgId,
    /// Its open rooms.
    pub rooms: Vec<(DocumentKey, RoomStatus)>,
    /// Documents that are being loaded.
    pub opening: usize,
    /// Documents that failed and rest.
    pub resting: usize,
}

/// What a gateway actor can be told.
#[derive(Debug)]
pub(crate) enum GatewayMessage {
    /// Open a document, or join it where it is open.
    Open(Arc<DocumentKey>, RpcReplyPort<Result<RoomHandle, OpenError>>),
    /// Storage answered.
    Loaded(Arc<DocumentKey>, Result<StoredDocument, JournalError>),
    /// A room is not needed any more, as far as it knows.
    RoomIdle(Arc<DocumentKey>),
    /// A member lost access.
    Revoke(UserId),
    /// Close everything, answer once all is on disk.
    Drain(RpcReplyPort<()>),
    /// What may be observed.
    Inspect(RpcReplyPort<GatewayReport>),
}

type Waiter = RpcReplyPort<Result<RoomHandle, OpenError>>;

enum Slot {
    Opening(Vec<Waiter>),
    Open {
        actor: ActorRef<RoomMessage>,
        handle: RoomHandle,
    },
    /// On its way out; who comes now gets the next room, once this one has handed everything to the journal.
    Closing {
        actor: ActorRef<RoomMessage>,
        waiters: Vec<Waiter>,
    },
    Resting {
        until_ms: u64,
    },
}

pub(crate) struct GatewayState {
    org: OrgId,
    config: GatewayConfig,
    rooms: HashMap<Arc<DocumentKey>, Slot>,
    /// Failures in a row of rooms that have not been open for long since.
    failures: HashMap<Arc<DocumentKey>, u32>,
    stopping: bool,
}

/// Holds one organization's rooms.
pub(crate) struct GatewayActor;

impl Actor for GatewayActor {
    type Msg = GatewayMessage;
    type State = GatewayState;
    type Arguments = (OrgId, GatewayConfig);

    async fn pre_start(
        &self,
        _myself: ActorRef<GatewayMessage>,
        (org, config): (OrgId, GatewayConfig),
    ) -> Result<GatewayState, ActorProcessingErr> {
        Ok(GatewayState { org, config, rooms: HashMap::new(), failures: HashMap::new(), stopping: false })
    }

    async fn handle(
        &self,
        myself: ActorRef<GatewayMessage>,
        message: GatewayMessage,
        state: &mut GatewayState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            GatewayMessage::Open(key, reply) => state.open(key, reply, &myself),
            GatewayMessage::Loaded(key, stored) => state.loaded(key, stored, &myself).await,
            GatewayMessage::RoomIdle(key) => state.retire(&key),
            GatewayMessage::Revoke(user) => {
                for actor in state.actors() {
                    drop(actor.cast(RoomMessage::Revoke(user)));
                }
            }
            GatewayMessage::Drain(reply) => state.drain(reply),
            GatewayMessage::Inspect(reply) => state.inspect(reply),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<GatewayMessage>,
        event: SupervisionEvent,
        state: &mut GatewayState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(actor, error) => state.failed(&actor, &error.to_string()),
            SupervisionEvent::ActorTerminated(actor, _, _) => state.ended(&actor, &myself),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl GatewayState {
    fn open(&mut self, key: Arc<DocumentKey>, reply: Waiter, myself: &ActorRef<GatewayMessage>) {
        let now_ms = self.config.clock.now_ms();
        let documents = self.rooms.len();
        let answer = match self.rooms.get_mut(&key) {
            _ if self.stopping => Err(OpenError::Stopping),
            Some(Slot::Opening(waiters) | Slot::Closing { waiters, .. }) => return waiters.push(reply),
            Some(Slot::Open { handle, .. }) => Ok(handle.clone()),
            Some(Slot::Resting { until_ms }) if *until_ms > now_ms => {
                Err(OpenError::Resting { retry_ms: *until_ms - now_ms })
            }
            Some(Slot::Resting { .. }) => return self.load(key, vec![reply], myself),
            None if documents >= self.config.limits.documents_max => Err(OpenError::TooManyDocuments(documents)),
            None => return self.load(key, vec![reply], myself),
        };
        drop(reply.send(answer));
    }

    /// Loads a document; whoever asks for it meanwhile waits for the same room.
    fn load(&mut self, key: Arc<DocumentKey>, waiters: Vec<Waiter>, myself: &ActorRef<GatewayMessage>) {
        self.rooms.insert(key.clone(), Slot::Opening(waiters));
        let (journal, gateway) = (self.config.journal.clone(), myself.clone());
        tokio::spawn(async move {
            let stored = journal.load(&key).await;
            drop(gateway.cast(GatewayMessage::Loaded(key, stored)));
        });
    }

    async fn loaded(
        &mut self,
        key: Arc<DocumentKey>,
        stored: Result<StoredDocument, JournalError>,
        myself: &ActorRef<GatewayMessage>,
    ) {
        let Some(Slot::Opening(waiters)) = self.rooms.remove(&key) else { return };
        let opened = match stored {
            _ if self.stopping => Err(OpenError::Stopping),
            Ok(stored) => self.spawn(&key, stored, myself).await,
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

    async fn spawn(
        &mut self,
        key: &Arc<DocumentKey>,
        stored: StoredDocument,
        myself: &ActorRef<GatewayMessage>,
    ) -> Result<RoomHandle, OpenError> {
        let actor: Arc<std::sync::OnceLock<ActorRef<RoomMessage>>> = Arc::default();
        let sleeper = actor.clone();
        let wake = move || {
            if let Some(actor) = sleeper.get() {
                drop(actor.cast(RoomMessage::Wake));
            }
        };
        let inbox = Arc::new(Inbox::new(self.config.room.room.unsaved_bytes_max, wake));
        let arguments = RoomArguments {
            key: key.clone(),
            stored,
            config: self.config.room.clone(),
            journal: self.config.journal.clone(),
            clock: self.config.clock,
            inbox: inbox.clone(),
            gateway: myself.clone(),
        };
        match Actor::spawn_linked(None, RoomActor, arguments, myself.get_cell()).await {
            Ok((room, _)) => {
                actor.get_or_init(|| room.clone());
                let peer_queue_bytes_max = self.config.room.room.peer_queue_bytes_max;
                let handle = RoomHandle { inbox, peer_queue_bytes_max, visit: Arc::new(()) };
                self.rooms.insert(key.clone(), Slot::Open { actor: room, handle: handle.clone() });
                Ok(handle)
            }
            Err(error) => {
                tracing::error!(org = %key.org, project = %key.project, document = %key.document, %error,
                    "cannot start the room");
                Err(self.rest(key))
            }
        }
    }

    /// The handshake of unloading: handles are given out here and nowhere else, so that none but the gateway's own
    /// means that nobody is in and nobody is on the way in.
    fn retire(&mut self, key: &Arc<DocumentKey>) {
        let Some(Slot::Open { actor, handle }) = self.rooms.get(key) else { return };
        if Arc::strong_count(&handle.visit) == 1 {
            let actor = actor.clone();
            drop(actor.cast(RoomMessage::Retire));
            self.rooms.insert(key.clone(), Slot::Closing { actor, waiters: Vec::new() });
            self.failures.remove(key);
        }
    }

    fn failed(&mut self, actor: &ractor::ActorCell, error: &str) {
        let Some(key) = self.key_of(actor) else { return };
        metrics::counter!("orrery_room_failures_total").increment(1);
        tracing::error!(org = %key.org, project = %key.project, document = %key.document, error,
            "the room failed; its peers reconnect to one rebuilt from what is durable");
        metrics::gauge!("orrery_rooms").decrement(1.0);
        self.rest(&key);
    }

    /// Drained, or retired.
    fn ended(&mut self, actor: &ractor::ActorCell, myself: &ActorRef<GatewayMessage>) {
        metrics::gauge!("orrery_rooms").decrement(1.0);
        let Some(key) = self.key_of(actor) else { return };
        match self.rooms.remove(&key) {
            Some(Slot::Closing { waiters, .. }) if !waiters.is_empty() => self.load(key, waiters, myself),
            Some(Slot::Open { .. } | Slot::Closing { .. } | Slot::Opening(_) | Slot::Resting { .. }) | None => {}
        }
    }

    fn rest(&mut self, key: &Arc<DocumentKey>) -> OpenError {
        let failures = self.failures.entry(key.clone()).or_default();
        let retry_ms = (REST_MS_MIN << (*failures).min(16)).min(REST_MS_MAX);
        *failures += 1;
        let until_ms = self.config.clock.now_ms() + retry_ms;
        self.rooms.insert(key.clone(), Slot::Resting { until_ms });
        OpenError::Resting { retry_ms }
    }

    fn key_of(&self, cell: &ractor::ActorCell) -> Option<Arc<DocumentKey>> {
        let is_it = |slot: &Slot| match slot {
            Slot::Open { actor, .. } | Slot::Closing { actor, .. } => actor.get_id() == cell.get_id(),
            Slot::Opening(_) | Slot::Resting { .. } => false,
        };
        self.rooms.iter().find(|(_, slot)| is_it(slot)).map(|(key, _)| key.clone())
    }

    fn actors(&self) -> Vec<ActorRef<RoomMessage>> {
        let open = |slot: &Slot| match slot {
            Slot::Open { actor, .. } => Some(actor.clone()),
            Slot::Opening(_) | Slot::Closing { .. } | Slot::Resting { .. } => None,
        };
        self.rooms.values().filter_map(open).collect()
    }

    fn drain(&mut self, reply: RpcReplyPort<()>) {
        self.stopping = true;
        let rooms = self.actors();
        tokio::spawn(async move {
            let drained = ractor::rpc::multi_call(&rooms, RoomMessage::Drain, Some(DRAIN_MAX)).await;
            let late = drained
                .map_or(rooms.len(), |calls| calls.iter().filter(|call| matches!(call, CallResult::Timeout)).count());
            if late > 0 {
                tracing::error!(late, "rooms could not bring everything to disk in time");
            }
            drop(reply.send(()));
        });
    }

    fn inspect(&self, reply: RpcReplyPort<GatewayReport>) {
        let count = |wanted: fn(&Slot) -> bool| self.rooms.values().filter(|slot| wanted(slot)).count();
        let opening = count(|slot| matches!(slot, Slot::Opening(_)));
        let resting = count(|slot| matches!(slot, Slot::Resting { .. }));
        let open = |(key, slot): (&Arc<DocumentKey>, &Slot)| match slot {
            Slot::Open { actor, .. } => Some((key.clone(), actor.clone())),
            Slot::Opening(_) | Slot::Closing { .. } | Slot::Resting { .. } => None,
        };
        let (org, rooms) = (self.org, self.rooms.iter().filter_map(open).collect::<Vec<_>>());
        tokio::spawn(async move {
            let mut reports = Vec::with_capacity(rooms.len());
            for (key, actor) in rooms {
                if let Ok(CallResult::Success(status)) = actor.call(RoomMessage::Inspect, Some(INSPECT_MAX)).await {
                    reports.push(((*key).clone(), status));
                }
            }
            drop(reply.send(GatewayReport { org, rooms: reports, opening, resting }));
        });
    }
}
