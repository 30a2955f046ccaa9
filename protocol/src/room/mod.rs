//! A room: one open document and its peers, as a value. `handle(now, input)` answers with effects; there is no other way
//! in. Owns order, permission, confirmation and what each peer is known to have. Must not know sockets, files or clocks.
//!
//! One batch of input becomes one yrs transaction, one journal order and one shared buffer of frames. What peers see is
//! the accepted bytes themselves, never what yrs would make of them.

mod effect;
mod housekeeping;
mod incoming;
mod left_out;
mod peer;
mod publish;
mod standing;
#[cfg(test)]
mod tests;
mod updates;

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
pub use effect::{Broadcast, CloseCode, Effect, Fault, Input, Join, Received};
use peer::Peer;

use crate::{
    awareness::Awareness,
    document::{Before, Document, Held, Quarantined},
    guard::PeerMessage,
    id::{DocumentName, Epoch, PeerId, UserId},
    limits::{RoomClocks, RoomLimits, WireLimits},
    record::StoredDocument,
    wire,
};
use incoming::Incoming;
use left_out::LeftOut;
use standing::SharedDiff;
use updates::Unsaved;

/// The limits and clocks of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomConfig {
    /// Bounds of one message.
    pub wire: WireLimits,
    /// Bounds of the room.
    pub room: RoomLimits,
    /// Its clocks.
    pub clocks: RoomClocks,
}

/// What a room has done since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoomCounts {
    /// Updates that changed the document.
    pub accepted: u64,
    /// Updates that added nothing.
    pub duplicates: u64,
    /// Writes that were not allowed.
    pub refused: u64,
    /// Updates that had to wait for others.
    pub held: u64,
    /// Held updates that were dropped because too many waited. Who sent them was closed.
    pub held_dropped: u64,
    /// How often yrs failed on what peers wrote.
    pub poisoned: u64,
    /// Queues that were dropped because their peer read too slowly.
    pub overflows: u64,
}

/// What may be observed of a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomReport {
    /// Connected peers.
    pub peers: usize,
    /// People and bots with an awareness entry.
    pub present: usize,
    /// What it has done.
    pub counts: RoomCounts,
    /// Accepted updates that are not durable yet.
    pub unsaved: usize,
    /// Updates that wait for others.
    pub waiting: usize,
    /// Stored updates that could not be applied when the document was loaded. They stay stored.
    pub left_out: u64,
    /// Sequence of the last accepted update.
    pub last_seq: u64,
    /// Sequence up to which everything is durable.
    pub durable_seq: u64,
    /// Sequence that the last stored snapshot covers.
    pub snapshot_seq: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    Draining,
    Drained,
}

/// One open document and its peers.
#[derive(Debug)]
pub struct Room {
    name: DocumentName,
    config: RoomConfig,
    phase: Phase,
    document: Document,
    /// yrs failed on the document; it is being loaded again, and must not be asked anything until then.
    broken: bool,
    /// yrs failed to commit updates together: they are committed one by one, to see which it was.
    wary: bool,
    left_out: LeftOut,
    awareness: Awareness,
    peers: BTreeMap<PeerId, Peer>,
    /// How many of them are extended.
    extended: usize,
    /// Whether there were any when that was last told.
    watched: bool,
    held: Held<Incoming>,
    unsaved: VecDeque<Unsaved>,
    /// What of them is not updates, in bytes.
    unsaved_bytes: usize,
    /// Users who left with unsaved updates, and the last sequence these may have.
    departed: Vec<(UserId, u64)>,
    /// The highest sequence that any peer's answers had to wait for because of its user's other connections.
    user_seq_max: u64,
    last_seq: u64,
    durable_seq: u64,
    snapshot_seq: u64,
    /// The sequence that a snapshot on its way to the store covers.
    snapshot_sent: Option<u64>,
    snapshot_ms: u64,
    /// What could not be handled because the document is broken: updates first, then the rest, each in order.
    deferred_updates: Vec<Incoming>,
    deferred: Vec<(PeerId, Received)>,
    /// How far the document had come before the input that is being handled.
    before: Before,
    /// Peers that were sent an answer by the input that is being handled.
    answered: Vec<PeerId>,
    awareness_flushed_ms: u64,
    housekeeping_ms: u64,
    idle_since_ms: Option<u64>,
    /// The earliest time at which a joined peer is told who is here, or a condemned one closed.
    appointment_ms: Option<u64>,
    /// Kept while anybody is behind.
    shared_diff: Option<SharedDiff>,
    counts: RoomCounts,
}

impl Room {
    /// Opens the document that `stored` describes. Also returns what of it had to be left out.
    pub fn open(
        now_ms: u64,
        name: DocumentName,
        config: RoomConfig,
        stored: &StoredDocument,
    ) -> (Self, Vec<Quarantined>) {
        let (document, quarantined) = Document::load(stored);
        let left_out = LeftOut::of(stored, &quarantined);
        let snapshot_seq = stored.last_seq - stored.updates.len() as u64;
        let room = Self {
            name,
            phase: Phase::Open,
            document,
            broken: false,
            wary: false,
            left_out,
            awareness: Awareness::default(),
            peers: BTreeMap::new(),
            extended: 0,
            watched: false,
            held: Held::new(&config.room),
            config,
            unsaved: VecDeque::new(),
            unsaved_bytes: 0,
            departed: Vec::new(),
            user_seq_max: 0,
            last_seq: stored.last_seq,
            durable_seq: stored.last_seq,
            snapshot_seq,
            snapshot_sent: None,
            snapshot_ms: now_ms,
            deferred_updates: Vec::new(),
            deferred: Vec::new(),
            before: Before::default(),
            answered: Vec::new(),
            awareness_flushed_ms: 0,
            housekeeping_ms: now_ms,
            idle_since_ms: Some(now_ms),
            appointment_ms: None,
            shared_diff: None,
            counts: RoomCounts::default(),
        };
        (room, quarantined)
    }

    /// The same in this epoch: who comes now may know others from a room of an earlier one.
    #[must_use]
    pub fn of_epoch(self, epoch: Epoch) -> Self {
        Self { awareness: Awareness::after(epoch), ..self }
    }

    /// The one verb: something happened; `effects` gains what is to be done about it, in order.
    pub fn handle(&mut self, now_ms: u64, input: Input, effects: &mut Vec<Effect>) {
        match input {
            Input::Backlogged(peer) => return self.backlogged(peer),
            Input::Overflowed(peer) => return self.overflowed(peer),
            Input::Join(_)
            | Input::Received(_)
            | Input::Drained(_)
            | Input::Stuck(_)
            | Input::Durable(_)
            | Input::SnapshotStored(_)
            | Input::SnapshotFailed
            | Input::Reloaded(_)
            | Input::Publish(_)
            | Input::Ephemeral(_)
            | Input::Role(..)
            | Input::Drain
            | Input::Tick => self.settle_answers(),
        }
        match input {
            Input::Join(join) => self.join(now_ms, join, effects),
            Input::Received(received) => self.receive(now_ms, received, effects),
            Input::Drained(peer) => self.drained(now_ms, peer, effects),
            Input::Stuck(peer) => self.close(now_ms, peer, CloseCode::TooSlow, "reads too slowly", effects),
            Input::Durable(seq) => self.durable(now_ms, seq, effects),
            Input::SnapshotStored(seq) => self.snapshot_stored(now_ms, seq, effects),
            Input::SnapshotFailed => self.snapshot_failed(effects),
            Input::Reloaded(stored) => self.reloaded(now_ms, &stored, effects),
            Input::Publish(updates) => self.publish(now_ms, &updates, effects),
            Input::Ephemeral(json) => self.tell_extended(&json, effects),
            Input::Role(user, role) => self.reseat(now_ms, user, role, effects),
            Input::Drain => self.drain(now_ms, effects),
            Input::Tick => self.tick(now_ms, effects),
            Input::Backlogged(_) | Input::Overflowed(_) => {}
        }
        self.flush_awareness(now_ms, effects);
        self.tell_watched(effects);
    }

    /// Whether the room takes input from peers now; while it does not, let it wait where it is.
    pub fn takes_input(&self) -> bool {
        !self.broken && self.unsaved_bytes <= self.config.room.unsaved_bytes_max
    }

    /// What may be observed.
    pub fn report(&self) -> RoomReport {
        RoomReport {
            peers: self.peers.len(),
            present: self.awareness.len(),
            counts: self.counts,
            unsaved: self.unsaved.len(),
            waiting: self.held.len(),
            left_out: self.left_out.len(),
            last_seq: self.last_seq,
            durable_seq: self.durable_seq,
            snapshot_seq: self.snapshot_seq,
        }
    }

    fn join(&mut self, now_ms: u64, join: Join, effects: &mut Vec<Effect>) {
        let id = join.peer;
        if self.phase != Phase::Open {
            effects.push(Effect::Close(id, CloseCode::Restarting, "restarting".to_owned()));
            return;
        }
        let may_write = self.name != DocumentName::System && join.principal.role.may_write();
        self.awareness.join(now_ms, id, &join.principal);
        let user_seq = self.user_seq(join.principal.user);
        self.user_seq_max = self.user_seq_max.max(user_seq);
        self.extended += usize::from(join.extended);
        self.peers.insert(id, Peer::new(now_ms, join, may_write, user_seq));
        self.idle_since_ms = None;
        self.appoint(now_ms + self.config.clocks.awareness_grace_ms);
        // A peer that may not write is not asked for what the room is missing.
        if may_write {
            self.ask(id, effects);
        }
    }

    /// The sequence up to which `user` may have unsaved updates.
    fn user_seq(&self, user: UserId) -> u64 {
        let departed = self.departed.iter().filter(|(other, _)| *other == user).map(|&(_, seq)| seq).max().unwrap_or(0);
        let elsewhere = self.peers.values().any(|peer| peer.principal.user == user && peer.unsaved > 0);
        if elsewhere { self.last_seq } else { departed }
    }

    fn receive(&mut self, now_ms: u64, received: Vec<(PeerId, Received)>, effects: &mut Vec<Effect>) {
        let mut run = Vec::new();
        for (id, what) in received {
            if self.broken {
                self.deferred.push((id, what));
                continue;
            }
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            if peer.condemned.is_some() && !matches!(what, Received::Left) {
                continue;
            }
            match what {
                Received::Message(PeerMessage::Update(update)) => {
                    if peer.may_write {
                        let number = Some(peer.saved.receive());
                        run.push(Incoming::new(id, number, update));
                    } else {
                        self.refuse(now_ms, id, &update, effects);
                    }
                }
                Received::Message(PeerMessage::Step2(update)) => {
                    if peer.may_write {
                        run.push(Incoming::new(id, None, update));
                    } else {
                        self.refuse(now_ms, id, &update, effects);
                    }
                }
                Received::Message(PeerMessage::Step1(state_vector)) => {
                    self.write(now_ms, &mut run, effects);
                    self.step1(now_ms, id, state_vector, effects);
                }
                Received::Message(PeerMessage::Saved(payload)) => {
                    // Should that break the document, what the peer sent before is not applied yet: the query waits too.
                    self.write(now_ms, &mut run, effects);
                    self.saved_query(now_ms, id, &payload, effects);
                }
                Received::Message(PeerMessage::Awareness(body)) => self.hear(now_ms, id, &body, effects),
                Received::Message(PeerMessage::QueryAwareness) => self.tell_who_is_here(now_ms, id, true, effects),
                Received::Pong => peer.pinged_ms = None,
                Received::Fault(code, fault) => {
                    self.write(now_ms, &mut run, effects);
                    self.condemn(now_ms, id, code, fault.to_string(), effects);
                }
                Received::Left => {
                    self.write(now_ms, &mut run, effects);
                    self.forget(now_ms, id);
                }
            }
        }
        self.write(now_ms, &mut run, effects);
    }

    fn hear(&mut self, now_ms: u64, id: PeerId, body: &Bytes, effects: &mut Vec<Effect>) {
        if let Err(malformed) = self.awareness.receive(now_ms, id, body, &self.config.wire) {
            let reason = Fault::Malformed(malformed).to_string();
            self.condemn(now_ms, id, CloseCode::Malformed, reason, effects);
        } else if !self.awareness.is_told(id) && self.awareness.has_announced(id) {
            self.tell_who_is_here(now_ms, id, false, effects);
        }
    }

    /// Sends `id` everybody else's entries; with `always`, an empty message if there is nobody.
    fn tell_who_is_here(&mut self, now_ms: u64, id: PeerId, always: bool, effects: &mut Vec<Effect>) {
        let Some(body) = self.awareness.snapshot(id).or_else(|| always.then(|| Bytes::from_static(&[0]))) else {
            return;
        };
        self.send(now_ms, id, effects, |frames| wire::put_awareness(frames, &body));
    }

    /// Asks `id` for what the room is missing, now or once it can be reached.
    fn ask(&mut self, id: PeerId, effects: &mut Vec<Effect>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.is_asked = peer.is_reachable() && !self.broken;
        if peer.is_asked {
            let mut frames = BytesMut::new();
            wire::put_step1(&mut frames, &self.document.state_vector());
            effects.push(Effect::Send(id, frames.freeze()));
        }
    }

    /// Refuses `id` for good: nothing more of it is handled, and its socket closes once it was open long enough for
    /// stock clients not to come back at once.
    fn condemn(&mut self, now_ms: u64, id: PeerId, code: CloseCode, reason: String, effects: &mut Vec<Effect>) {
        let hold_ms = self.config.clocks.refusal_hold_ms;
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let at_ms = peer.joined_ms + hold_ms;
        if at_ms <= now_ms {
            return self.close(now_ms, id, code, &reason, effects);
        }
        peer.condemned = Some((code, reason, at_ms));
        self.awareness.leave(now_ms, id);
        self.appoint(at_ms);
    }

    fn close(&mut self, now_ms: u64, id: PeerId, code: CloseCode, reason: &str, effects: &mut Vec<Effect>) {
        if self.peers.contains_key(&id) {
            self.forget(now_ms, id);
            effects.push(Effect::Close(id, code, reason.to_owned()));
        }
    }

    fn forget(&mut self, now_ms: u64, id: PeerId) {
        self.awareness.leave(now_ms, id);
        let Some(peer) = self.peers.remove(&id) else { return };
        self.extended -= usize::from(peer.extended);
        if peer.unsaved > 0 {
            self.departed.push((peer.principal.user, self.last_seq));
        }
        if self.peers.is_empty() {
            self.idle_since_ms = Some(now_ms);
        }
    }

    /// Sends frames to a peer that can be reached; others catch up later.
    fn send(&mut self, now_ms: u64, id: PeerId, effects: &mut Vec<Effect>, put: impl FnOnce(&mut BytesMut)) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.is_reachable()) else { return };
        peer.told_ms = now_ms;
        let mut frames = BytesMut::new();
        put(&mut frames);
        effects.push(Effect::Send(id, frames.freeze()));
    }

    fn appoint(&mut self, at_ms: u64) {
        self.appointment_ms = Some(self.appointment_ms.map_or(at_ms, |earlier| earlier.min(at_ms)));
    }
}
