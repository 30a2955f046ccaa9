//! The room actor: drives one `protocol::room::Room`. Owns the way from effects to sockets, journal and timer; decides
//! nothing.

mod ground;
mod links;

use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use metrics::{Counter, Histogram};
use orrery_protocol::{
    access::Role,
    document::Quarantined,
    id::{DocumentKey, DocumentName, Epoch, PeerId, UserId},
    record::StoredDocument,
    room::{Broadcast, Effect, Input, Received, Room, RoomConfig, RoomReport},
    websocket::ping_frame,
};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::task::AbortHandle;

use crate::{
    activity::LastActive,
    clock::Clock,
    gateway::GatewayMessage,
    inbox::{Arrival, Inbox},
    journal::{Append, Journal, JournalError},
    outbox::{Outbox, Sent},
    receipt::Receipt,
    room::{
        ground::Ground,
        links::{Broadcasted, Links},
    },
};

/// Between two attempts to load a broken document again, in milliseconds.
const RELOAD_RETRY_MS: u64 = 500;
/// Most updates that are told of one by one when they cannot be applied: somebody may have made many of them on purpose.
const LEFT_OUT_TOLD_MAX: usize = 10;

/// What a room actor can be told.
#[derive(Debug)]
pub(crate) enum RoomMessage {
    /// The inbox is no longer empty.
    Wake,
    /// Updates up to this sequence are on disk.
    Durable(u64),
    /// A snapshot up to this sequence was stored, or not.
    SnapshotEnded(u64, Result<(), JournalError>),
    /// The document as storage has it.
    Loaded(Result<StoredDocument, JournalError>),
    /// The timer went off.
    Tick,
    /// Updates of the gateway itself, durable already.
    Publish(Vec<Bytes>),
    /// Something that is so now, as JSON.
    Ephemeral(String),
    /// A member has this role now, or none any more.
    Role(UserId, Option<Role>, Receipt),
    /// Close all peers, bring everything to disk, answer, stop.
    Drain(RpcReplyPort<()>),
    /// Stop: nobody is here, and everything is on disk.
    Retire,
    /// What may be observed.
    Inspect(RpcReplyPort<RoomStatus>),
}

/// What may be observed of a room actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomStatus {
    /// The room itself.
    pub report: RoomReport,
    /// Bytes accepted and not durable.
    pub unsaved_bytes: usize,
    /// Milliseconds for which the oldest of them waits.
    pub unsaved_for_ms: u64,
    /// Why storage last failed this room.
    pub last_error: Option<String>,
}

/// A way into an open room. While it lives, the room does not unload.
#[derive(Debug, Clone)]
pub struct RoomHandle {
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) peer_queue_bytes_max: usize,
    pub(crate) activity: LastActive,
    /// Counted by the gateway: more than its own and the room's, and somebody is on the way in.
    pub(crate) visit: Arc<()>,
}

impl RoomHandle {
    /// Where peers put what they do.
    pub fn inbox(&self) -> &Inbox {
        &self.inbox
    }

    /// How many are in, or on their way in, this handle included.
    pub fn visitors(&self) -> usize {
        Arc::strong_count(&self.visit) - 1
    }

    /// A peer did something, and be it to move the mouse: the project is in use. A pong does not count.
    pub fn touch(&self, now_ms: u64) {
        self.activity.touch(now_ms);
    }

    /// Bytes that may wait for one peer's socket.
    pub fn peer_queue_bytes_max(&self) -> usize {
        self.peer_queue_bytes_max
    }
}

/// What a room actor is made with.
pub(crate) struct RoomArguments {
    pub(crate) key: Arc<DocumentKey>,
    pub(crate) epoch: Epoch,
    pub(crate) stored: StoredDocument,
    pub(crate) config: RoomConfig,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) clock: Clock,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) gateway: ActorRef<GatewayMessage>,
}

/// The stored snapshot of a document cannot be applied. Opened without it, its room would put what little is left in its
/// place.
#[derive(Debug, thiserror::Error)]
#[error("the stored snapshot cannot be applied: {0}")]
struct UnreadableSnapshot(String);

/// Updates on their way to disk.
struct Unsaved {
    last_seq: u64,
    bytes: usize,
    since_ms: u64,
}

/// What a room counts, found once: looking a metric up costs as much as sending a frame's worth of bytes.
struct Meters {
    accepted: Counter,
    broadcast_bytes: Counter,
    overflows: Counter,
    durable_seconds: Histogram,
}

impl Meters {
    fn new() -> Self {
        Self {
            accepted: metrics::counter!("orrery_updates_accepted_total"),
            broadcast_bytes: metrics::counter!("orrery_broadcast_bytes_total"),
            overflows: metrics::counter!("orrery_peer_queue_overflows_total"),
            durable_seconds: metrics::histogram!("orrery_update_durable_seconds"),
        }
    }
}

/// The state of a room actor.
pub(crate) struct RoomState {
    key: Arc<DocumentKey>,
    core: Room,
    ground: Ground,
    journal: Arc<dyn Journal>,
    clock: Clock,
    inbox: Arc<Inbox>,
    links: Links,
    gateway: ActorRef<GatewayMessage>,
    meters: Meters,
    stuck_ms: u64,
    unsaved_bytes_max: usize,
    unsaved: VecDeque<Unsaved>,
    unsaved_bytes: usize,
    /// The inbox has more, and waits until storage has caught up.
    stalled: bool,
    timer: Option<(u64, AbortHandle)>,
    draining: Option<RpcReplyPort<()>>,
    last_error: Option<String>,
    effects: Vec<Effect>,
}

/// Drives one room.
pub(crate) struct RoomActor;

impl Actor for RoomActor {
    type Msg = RoomMessage;
    type State = RoomState;
    type Arguments = RoomArguments;

    async fn pre_start(
        &self,
        _myself: ActorRef<RoomMessage>,
        arguments: RoomArguments,
    ) -> Result<RoomState, ActorProcessingErr> {
        Ok(RoomState::new(arguments)?)
    }

    async fn post_start(&self, myself: ActorRef<RoomMessage>, state: &mut RoomState) -> Result<(), ActorProcessingErr> {
        state.set_timer(&myself);
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<RoomMessage>,
        message: RoomMessage,
        state: &mut RoomState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            RoomMessage::Wake => state.take_arrivals(&myself),
            RoomMessage::Durable(seq) => {
                state.settle(seq);
                state.handle(Input::Durable(seq), &myself);
                state.resume(&myself);
            }
            RoomMessage::SnapshotEnded(seq, Ok(())) => state.handle(Input::SnapshotStored(seq), &myself),
            RoomMessage::SnapshotEnded(_, Err(error)) => {
                state.note_failure("cannot store a snapshot", &error);
                state.handle(Input::SnapshotFailed, &myself);
            }
            RoomMessage::Loaded(Ok(stored)) => {
                state.handle_bytes(stored.bytes(), Input::Reloaded(stored), &myself);
                state.resume(&myself);
            }
            RoomMessage::Loaded(Err(error)) => {
                state.note_failure("cannot load the document again", &error);
                state.load(RELOAD_RETRY_MS, &myself);
            }
            RoomMessage::Tick => {
                state.timer = None;
                state.close_stuck(&myself);
                state.handle(Input::Tick, &myself);
            }
            RoomMessage::Publish(updates) => state.handle(Input::Publish(updates), &myself),
            RoomMessage::Ephemeral(json) => state.handle(Input::Ephemeral(json), &myself),
            RoomMessage::Role(user, role, _receipt) => state.handle(Input::Role(user, role), &myself),
            RoomMessage::Drain(reply) => {
                state.draining = Some(reply);
                state.handle(Input::Drain, &myself);
            }
            RoomMessage::Retire => {
                // Who came and went while this was on its way has left something.
                state.take_arrivals(&myself);
                myself.stop(None);
            }
            RoomMessage::Inspect(reply) => drop(reply.send(state.status())),
        }
        state.set_timer(&myself);
        Ok(())
    }
}

impl RoomState {
    fn new(arguments: RoomArguments) -> Result<Self, UnreadableSnapshot> {
        let RoomArguments { key, epoch, stored, config, journal, clock, inbox, gateway } = arguments;
        let stuck_ms = config.clocks.stuck_ms;
        let unsaved_bytes_max = config.room.unsaved_bytes_max;
        let mut ground = Ground::default();
        let (core, quarantined) =
            ground.turn(stored.bytes(), || Room::open(clock.now_ms(), key.document.clone(), config, &stored));
        if let Some(snapshot) = quarantined.iter().find(|quarantined| quarantined.position.is_none()) {
            return Err(UnreadableSnapshot(snapshot.reason.clone()));
        }
        let core = core.of_epoch(epoch);
        note_left_out(&key, &quarantined);
        metrics::gauge!("orrery_rooms").increment(1.0);
        Ok(Self {
            key,
            core,
            ground,
            journal,
            clock,
            links: Links::new(inbox.clone()),
            inbox,
            gateway,
            meters: Meters::new(),
            stuck_ms,
            unsaved_bytes_max,
            unsaved: VecDeque::new(),
            unsaved_bytes: 0,
            stalled: false,
            timer: None,
            draining: None,
            last_error: None,
            effects: Vec::new(),
        })
    }

    fn handle(&mut self, input: Input, myself: &ActorRef<RoomMessage>) {
        self.handle_bytes(0, input, myself);
    }

    /// `bytes`: how much the input holds, if it may be much.
    fn handle_bytes(&mut self, bytes: usize, input: Input, myself: &ActorRef<RoomMessage>) {
        let now_ms = self.clock.now_ms();
        let mut effects = std::mem::take(&mut self.effects);
        self.ground.turn(bytes, || self.core.handle(now_ms, input, &mut effects));
        for effect in effects.drain(..) {
            self.perform(now_ms, effect, myself);
        }
        self.effects = effects;
    }

    /// Hands everything that peers did to the room, unless it has to wait.
    fn take_arrivals(&mut self, myself: &ActorRef<RoomMessage>) {
        if !self.core.takes_input() || self.unsaved_bytes > self.unsaved_bytes_max {
            self.stalled = true;
            return;
        }
        let mut arrivals = Vec::new();
        self.inbox.take(&mut arrivals);
        let mut received = Vec::with_capacity(arrivals.len());
        let mut cost = 0;
        #[cfg(feature = "fault-hooks")]
        panic_if_asked(&arrivals);
        for arrival in arrivals {
            let input = match arrival {
                Arrival::Received(peer, what, bytes) => {
                    cost += bytes as usize;
                    received.push((peer, what));
                    continue;
                }
                Arrival::Join(join, outbox) => {
                    self.links.join(join.peer, outbox);
                    Input::Join(join)
                }
                Arrival::Drained(peer, backlog) if self.links.is_current(peer, backlog) => Input::Drained(peer),
                Arrival::Drained(..) => continue,
            };
            self.receive(cost, &mut received, myself);
            self.handle(input, myself);
        }
        self.receive(cost, &mut received, myself);
        self.inbox.release(cost);
    }

    fn receive(&mut self, bytes: usize, received: &mut Vec<(PeerId, Received)>, myself: &ActorRef<RoomMessage>) {
        if received.is_empty() {
            return;
        }
        let gone: Vec<PeerId> =
            received.iter().filter(|(_, what)| matches!(what, Received::Left)).map(|&(peer, _)| peer).collect();
        self.handle_bytes(bytes, Input::Received(std::mem::take(received)), myself);
        let left = !gone.is_empty();
        for peer in gone {
            self.links.forget(peer);
        }
        if left && self.links.is_empty() {
            drop(self.gateway.cast(GatewayMessage::RoomLeft(self.key.clone())));
        }
    }

    fn resume(&mut self, myself: &ActorRef<RoomMessage>) {
        if std::mem::take(&mut self.stalled) {
            self.take_arrivals(myself);
        }
    }

    fn perform(&mut self, now_ms: u64, effect: Effect, myself: &ActorRef<RoomMessage>) {
        match effect {
            Effect::Send(peer, frames) => self.deliver(peer, myself, |outbox| outbox.send(now_ms, &frames)),
            Effect::Resync(peer, frames) => self.deliver(peer, myself, |outbox| outbox.resync(now_ms, &frames)),
            Effect::Ping(peer) => self.deliver(peer, myself, |outbox| outbox.send(now_ms, &ping_frame())),
            Effect::Broadcast(broadcast) => self.broadcast(now_ms, &broadcast, myself),
            Effect::Append { first_seq, updates } => self.append(now_ms, first_seq, updates, myself),
            Effect::Snapshot { covers_seq, state } => self.store_snapshot(covers_seq, state, myself),
            Effect::Close(peer, code, reason) => {
                metrics::counter!("orrery_peers_closed_total", "code" => (code as u16).to_string()).increment(1);
                tracing::debug!(org = %self.key.org, project = %self.key.project, document = %self.key.document, %peer,
                    code = code as u16, reason, "peer closed");
                if let Some(outbox) = self.links.forget(peer) {
                    outbox.close(code as u16, &reason);
                }
            }
            // What a gateway writes is the gateway's to give: it opens the room anew.
            Effect::Reload if self.key.document == DocumentName::System => myself.stop(Some("broken".to_owned())),
            Effect::Reload => {
                let DocumentKey { org, project, document } = &*self.key;
                tracing::warn!(%org, %project, %document, "an update broke the document; it is loaded again without it");
                self.load(0, myself);
            }
            Effect::LeftOut(updates) => note_left_out(&self.key, &updates),
            Effect::Unreadable(reason) => {
                let DocumentKey { org, project, document } = &*self.key;
                tracing::error!(%org, %project, %document, reason, "the stored snapshot cannot be applied");
                myself.stop(Some("unreadable".to_owned()));
            }
            Effect::Drained => {
                if let Some(reply) = self.draining.take() {
                    drop(reply.send(()));
                }
                myself.stop(None);
            }
            Effect::Watched(watched) => {
                drop(self.gateway.cast(GatewayMessage::Watched(self.key.clone(), watched)));
            }
            Effect::Idle => drop(self.gateway.cast(GatewayMessage::RoomIdle(self.key.clone()))),
        }
    }

    fn deliver(&mut self, peer: PeerId, myself: &ActorRef<RoomMessage>, send: impl FnOnce(&Outbox) -> Sent) {
        if let Some(news) = self.links.send(peer, send) {
            self.report(news, myself);
        }
    }

    /// Tells the room how sending went, at once, before any other input: it still knows what the peer has.
    fn report(&mut self, news: Input, myself: &ActorRef<RoomMessage>) {
        self.meters.overflows.increment(u64::from(matches!(news, Input::Overflowed(_))));
        self.handle(news, myself);
    }

    fn broadcast(&mut self, now_ms: u64, broadcast: &Broadcast, myself: &ActorRef<RoomMessage>) {
        let Broadcasted { receivers, news } = self.links.broadcast(now_ms, broadcast);
        self.meters.broadcast_bytes.increment(receivers * broadcast.frames.len() as u64);
        for input in news {
            self.report(input, myself);
        }
    }

    fn append(&mut self, now_ms: u64, first_seq: u64, updates: Vec<Bytes>, myself: &ActorRef<RoomMessage>) {
        let bytes = updates.iter().map(Bytes::len).sum();
        let last_seq = first_seq + updates.len() as u64 - 1;
        self.unsaved_bytes += bytes;
        self.unsaved.push_back(Unsaved { last_seq, bytes, since_ms: now_ms });
        self.meters.accepted.increment(updates.len() as u64);
        let room = myself.clone();
        // The room may be gone by then; what it appended is durable all the same.
        let durable = Box::new(move |seq| drop(room.cast(RoomMessage::Durable(seq))));
        self.journal.append(Append { key: self.key.clone(), first_seq, updates, durable });
    }

    fn settle(&mut self, seq: u64) {
        while let Some(durable) = self.unsaved.pop_front_if(|unsaved| unsaved.last_seq <= seq) {
            self.unsaved_bytes -= durable.bytes;
            let waited_ms = self.clock.now_ms().saturating_sub(durable.since_ms);
            self.meters.durable_seconds.record(waited_ms as f64 / 1000.0);
        }
    }

    fn store_snapshot(&self, covers_seq: u64, snapshot: Bytes, myself: &ActorRef<RoomMessage>) {
        let (journal, key, room) = (self.journal.clone(), self.key.clone(), myself.clone());
        tokio::spawn(async move {
            let stored = journal.store_snapshot(&key, covers_seq, snapshot).await;
            drop(room.cast(RoomMessage::SnapshotEnded(covers_seq, stored)));
        });
    }

    fn load(&self, after_ms: u64, myself: &ActorRef<RoomMessage>) {
        let (journal, key, room) = (self.journal.clone(), self.key.clone(), myself.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            let stored = journal.load(&key).await;
            drop(room.cast(RoomMessage::Loaded(stored)));
        });
    }

    fn close_stuck(&mut self, myself: &ActorRef<RoomMessage>) {
        let now_ms = self.clock.now_ms();
        for peer in self.links.stuck(now_ms, self.stuck_ms) {
            self.handle(Input::Stuck(peer), myself);
        }
    }

    fn note_failure(&mut self, what: &str, error: &JournalError) {
        tracing::error!(org = %self.key.org, project = %self.key.project, document = %self.key.document, %error, "{what}");
        self.last_error = Some(format!("{what}: {error}"));
    }

    /// One timer, for the room's next deadline.
    fn set_timer(&mut self, myself: &ActorRef<RoomMessage>) {
        let Some(deadline_ms) = self.core.deadline_ms() else { return };
        if let Some((armed_ms, timer)) = &self.timer {
            if *armed_ms <= deadline_ms {
                return;
            }
            timer.abort();
        }
        let (room, at) = (myself.clone(), self.clock.at(deadline_ms));
        let timer = tokio::spawn(async move {
            tokio::time::sleep_until(at.into()).await;
            drop(room.cast(RoomMessage::Tick));
        });
        self.timer = Some((deadline_ms, timer.abort_handle()));
    }

    fn status(&self) -> RoomStatus {
        let now_ms = self.clock.now_ms();
        RoomStatus {
            report: self.core.report(),
            unsaved_bytes: self.unsaved_bytes,
            unsaved_for_ms: self.unsaved.front().map_or(0, |oldest| now_ms.saturating_sub(oldest.since_ms)),
            last_error: self.last_error.clone(),
        }
    }
}

/// Nobody else hears of them: to their authors they are saved, and so they are.
fn note_left_out(key: &DocumentKey, updates: &[Quarantined]) {
    let DocumentKey { org, project, document } = key;
    metrics::counter!("orrery_room_quarantined_updates_total").increment(updates.len() as u64);
    if updates.len() > LEFT_OUT_TOLD_MAX {
        tracing::error!(%org, %project, %document, updates = updates.len(),
            "saved updates cannot be applied; these are the first");
    }
    for Quarantined { position, bytes, reason } in updates.iter().take(LEFT_OUT_TOLD_MAX) {
        tracing::error!(%org, %project, %document, ?position, bytes, reason,
            "a saved update cannot be applied; it stays stored, and is tried again whenever the document is loaded");
    }
}

/// Lets a test see how a room that panics comes back. Never in a release.
#[cfg(feature = "fault-hooks")]
fn panic_if_asked(arrivals: &[Arrival]) {
    use orrery_protocol::guard::PeerMessage;
    let asked = |arrival: &Arrival| matches!(arrival, Arrival::Received(_, Received::Message(PeerMessage::Saved(payload)), _) if payload == "fault: panic");
    assert!(!arrivals.iter().any(asked), "a test asked this room to panic");
}
