//! The way of an update: permission, document, journal, peers, confirmation.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};
use smallvec::SmallVec;

use super::{
    Broadcast, CloseCode, Effect, Fault, Room,
    incoming::{Incoming, join},
    left_out::LeftOut,
};
use crate::{
    document::{Document, Joiner, Verdict},
    id::PeerId,
    record::StoredDocument,
    wire,
};

/// Something that becomes sayable once everything up to `seq` is durable.
#[derive(Debug)]
pub(super) struct Unsaved {
    seq: u64,
    peer: PeerId,
    what: Confirm,
}

#[derive(Debug)]
enum Confirm {
    /// An update; without bytes if it added nothing.
    Update { numbers: SmallVec<[u64; 1]>, update: Option<Bytes> },
    /// A 102 payload to be echoed.
    Echo(Bytes),
}

impl Unsaved {
    /// What it costs beside updates, which are counted where they are on their way to disk.
    fn bytes(&self) -> usize {
        let held = match &self.what {
            Confirm::Update { numbers, .. } => size_of_val(numbers.as_slice()),
            Confirm::Echo(payload) => payload.len(),
        };
        size_of::<Self>() + held
    }
}

/// What one run of updates came to.
#[derive(Default)]
struct Written {
    accepted: Vec<Incoming>,
    nothing: Vec<Incoming>,
    waiting: Vec<PeerId>,
    /// Peers of whom something was taken up again that had waited.
    resumed: Vec<PeerId>,
    too_deep: Vec<PeerId>,
    /// Peers of whom what waited had to be dropped.
    crowded: Vec<PeerId>,
    poison: Option<(Option<PeerId>, String)>,
}

impl Written {
    /// Puts back what was not committed, in front of what was not looked at.
    fn take_back(&mut self, queue: &mut VecDeque<Incoming>) {
        let applied = self.accepted.drain(..).chain(self.nothing.drain(..));
        applied.rev().for_each(|incoming| queue.push_front(incoming));
    }
}

impl Room {
    /// Applies a run of updates in one transaction, then orders everything that follows from it.
    pub(super) fn write(&mut self, now_ms: u64, run: &mut Vec<Incoming>, effects: &mut Vec<Effect>) {
        if run.is_empty() {
            return;
        }
        let written = self.apply(run);
        self.broken |= written.poison.is_some();
        self.counts.accepted += written.accepted.len() as u64;
        self.counts.duplicates += written.nothing.len() as u64;
        self.relay(now_ms, written.accepted, effects);
        for incoming in written.nothing {
            self.await_durable(incoming.peer, Confirm::Update { numbers: incoming.numbers, update: None });
        }
        for peer in written.waiting {
            self.ask(peer, effects);
        }
        for peer in written.crowded {
            let reason = "what its updates build on did not come".to_owned();
            self.condemn(now_ms, peer, CloseCode::TooSlow, reason, effects);
        }
        for peer in written.too_deep {
            self.counts.refused += 1;
            self.condemn(now_ms, peer, CloseCode::Malformed, Fault::TooDeep.to_string(), effects);
        }
        self.wary &= written.poison.is_some();
        if let Some((peer, reason)) = written.poison {
            self.counts.poisoned += 1;
            if let Some(peer) = peer {
                self.condemn(now_ms, peer, CloseCode::Malformed, Fault::Poison(reason).to_string(), effects);
            }
            self.deferred_updates.append(run);
            effects.push(Effect::Reload);
        }
        written.resumed.into_iter().for_each(|peer| self.echo_later(peer));
        self.confirm(now_ms, effects);
    }

    fn apply(&mut self, run: &mut Vec<Incoming>) -> Written {
        let mut written = Written::default();
        let mut writer = self.document.write(&self.config.wire);
        let mut queue = join(std::mem::take(run), &self.config.wire);
        let mut next = queue.pop_front();
        let mut failed = None;
        while let Some(mut incoming) = next {
            let verdict = writer.apply(&incoming.update);
            if matches!(verdict, Verdict::Waits(_) | Verdict::TooDeep) && incoming.is_joined() {
                // Nothing of it was applied, and most of it may be fine.
                incoming.into_parts().rev().for_each(|part| queue.push_front(part));
                next = queue.pop_front();
                continue;
            }
            if let Verdict::Trimmed(rest) = &verdict {
                incoming.update = rest.clone();
            }
            match verdict {
                Verdict::Accepted | Verdict::Trimmed(_) => {
                    if self.wary
                        && let Err(reason) = writer.settle()
                    {
                        written.poison = Some((Some(incoming.peer), reason));
                        break;
                    }
                    if let Some(peer) = self.peers.get_mut(&incoming.peer) {
                        peer.unechoed.add(writer.last_firsts());
                    }
                    written.accepted.push(incoming);
                }
                Verdict::Nothing => written.nothing.push(incoming),
                Verdict::Waits(missing) => {
                    self.counts.held += 1;
                    if !written.waiting.contains(&incoming.peer) {
                        written.waiting.push(incoming.peer);
                    }
                    if let Some(peer) = self.peers.get_mut(&incoming.peer) {
                        peer.waiting += 1;
                    }
                    self.held.hold(missing, incoming.update.len(), incoming);
                    let held = self.held.len();
                    written.crowded.extend(self.held.make_room(|incoming| incoming.peer));
                    self.counts.held_dropped += (held - self.held.len()) as u64;
                }
                Verdict::TooDeep => written.too_deep.push(incoming.peer),
                Verdict::Poison(reason) => {
                    written.poison = Some((Some(incoming.peer), reason));
                    break;
                }
                Verdict::Broken(reason) => {
                    queue.push_front(incoming);
                    failed = Some(reason);
                    break;
                }
            }
            next = match self.held.take_ready(writer.clocks()) {
                Some(ready) => {
                    if let Some(peer) = self.peers.get_mut(&ready.peer) {
                        peer.waiting -= 1;
                        written.resumed.push(ready.peer);
                    }
                    Some(ready)
                }
                None => queue.pop_front(),
            };
        }
        match failed.map_or_else(|| writer.commit(), Err) {
            Ok(before) => self.before.extend(before),
            Err(reason) => {
                // Any of them may be why. Nothing of this run was ordered yet, and nothing is that yrs has not committed.
                written.take_back(&mut queue);
                self.wary = true;
                written.poison.get_or_insert((None, reason));
            }
        }
        *run = queue.into();
        written
    }

    /// Journal first, peers next: both are orders, and peers see an update before it is durable.
    fn relay(&mut self, now_ms: u64, accepted: Vec<Incoming>, effects: &mut Vec<Effect>) {
        if accepted.is_empty() {
            return;
        }
        let first_seq = self.last_seq + 1;
        let mut frames = BytesMut::with_capacity(accepted.iter().map(|incoming| incoming.update.len() + 16).sum());
        let mut parts: Vec<(PeerId, usize)> = Vec::new();
        let mut updates = Vec::with_capacity(accepted.len());
        for incoming in accepted {
            self.last_seq += 1;
            wire::put_update(&mut frames, &incoming.update);
            match parts.last_mut() {
                Some((peer, end)) if *peer == incoming.peer => *end = frames.len(),
                Some(_) | None => parts.push((incoming.peer, frames.len())),
            }
            updates.push(incoming.update.clone());
            let confirm = Confirm::Update { numbers: incoming.numbers, update: Some(incoming.update) };
            self.await_durable(incoming.peer, confirm);
        }
        effects.push(Effect::Append { first_seq, updates });
        let sole = parts.first().filter(|_| parts.len() == 1).map(|&(peer, _)| peer);
        let mut except = Vec::new();
        let mut reaches_anybody = false;
        for peer in self.peers.values_mut() {
            if !peer.is_reachable() {
                except.push(peer.id);
            } else if Some(peer.id) != sole {
                peer.told_ms = now_ms;
                reaches_anybody = true;
            }
        }
        if reaches_anybody {
            effects.push(Effect::Broadcast(Broadcast { frames: frames.freeze(), parts, except }));
        }
    }

    /// A write of a peer that may not write: refused if it is one.
    pub(super) fn refuse(&mut self, now_ms: u64, id: PeerId, update: &Bytes, effects: &mut Vec<Effect>) {
        if self.document.adds_nothing(update, &self.config.wire).unwrap_or(false) {
            return;
        }
        self.counts.refused += 1;
        let reason = match self.name {
            crate::id::DocumentName::System => "the system document is written by the gateway only",
            crate::id::DocumentName::Board | crate::id::DocumentName::Named(_) => "viewers may not write",
        };
        let Some(peer) = self.peers.get_mut(&id) else { return };
        peer.refusals += 1;
        let refusals = peer.refusals;
        self.send(now_ms, id, effects, |frames| wire::put_denied(frames, reason));
        if refusals >= self.config.room.refusals_max {
            self.condemn(now_ms, id, CloseCode::Forbidden, reason.to_owned(), effects);
        }
    }

    /// A 102 message: echoed once all that the peer sent before it is durable. After a refusal, or when something it sent
    /// waited for what never came, that is never.
    pub(super) fn saved_query(&mut self, now_ms: u64, id: PeerId, payload: &[u8], effects: &mut Vec<Effect>) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.refusals == 0) else { return };
        // Copied: a slice would keep the whole frame in memory.
        let payload = Bytes::copy_from_slice(payload);
        if peer.waiting > 0 || self.broken {
            return peer.queries.push(payload);
        }
        self.await_durable(id, Confirm::Echo(payload));
        self.confirm(now_ms, effects);
    }

    /// Has the peer's queries echoed that had to wait, unless they still have to.
    fn echo_later(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id).filter(|peer| peer.waiting == 0 && !self.broken) else { return };
        for payload in peer.queries.take() {
            self.await_durable(id, Confirm::Echo(payload));
        }
    }

    fn await_durable(&mut self, id: PeerId, what: Confirm) {
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.unsaved += 1;
            let unsaved = Unsaved { seq: self.last_seq, peer: id, what };
            self.unsaved_bytes += unsaved.bytes();
            self.unsaved.push_back(unsaved);
        }
    }

    pub(super) fn durable(&mut self, now_ms: u64, seq: u64, effects: &mut Vec<Effect>) {
        let before = self.durable_seq;
        self.durable_seq = before.max(seq);
        self.confirm(now_ms, effects);
        self.departed.retain(|&(_, seq)| seq > self.durable_seq);
        if before < self.user_seq_max {
            self.catch_up_all(now_ms, effects);
        }
        self.drain_further(now_ms, effects);
    }

    /// Tells peers what became durable: each its own updates joined into as few as possible, or their count.
    fn confirm(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        let mut told: BTreeMap<PeerId, Confirmed> = BTreeMap::new();
        while let Some(unsaved) = self.unsaved.pop_front_if(|unsaved| unsaved.seq <= self.durable_seq) {
            self.unsaved_bytes -= unsaved.bytes();
            let Some(peer) = self.peers.get_mut(&unsaved.peer) else { continue };
            peer.unsaved -= 1;
            let confirmed = told.entry(unsaved.peer).or_default();
            match unsaved.what {
                Confirm::Update { numbers, update } => {
                    for number in numbers {
                        confirmed.counted |= peer.saved.mark(number);
                    }
                    if let Some(update) = update.filter(|_| !peer.extended) {
                        confirmed.joiner.push(&update, &self.config.wire);
                    }
                }
                Confirm::Echo(payload) => confirmed.echoes.push(payload),
            }
        }
        for (id, confirmed) in told {
            let Some(peer) = self.peers.get_mut(&id) else { continue };
            peer.owed_echo = confirmed.echoes.last().cloned().or(peer.owed_echo.take());
            if !peer.is_reachable() {
                self.catch_up_if_settled(now_ms, id, effects);
                continue;
            }
            let count = (peer.extended && confirmed.counted).then(|| peer.saved.count());
            let updates = confirmed.joiner.finish();
            self.answered.push(id);
            if count.is_some() || !updates.is_empty() || !confirmed.echoes.is_empty() {
                let echoes = confirmed.echoes;
                self.send(now_ms, id, effects, |frames| {
                    updates.iter().for_each(|update| wire::put_update(frames, update));
                    count.iter().for_each(|&count| wire::put_saved_count(frames, count));
                    echoes.iter().for_each(|payload| wire::put_saved_echo(frames, payload));
                });
            }
            self.catch_up_if_settled(now_ms, id, effects);
        }
    }

    /// The document is whole again; what came meanwhile is handled now.
    pub(super) fn reloaded(&mut self, now_ms: u64, stored: &StoredDocument, effects: &mut Vec<Effect>) {
        let (document, quarantined) = Document::load(stored);
        if let Some(snapshot) = quarantined.iter().find(|left_out| left_out.position.is_none()) {
            // What there is without it would soon take its place.
            return effects.push(Effect::Unreadable(snapshot.reason.clone()));
        }
        self.left_out = LeftOut::of(stored, &quarantined);
        if !quarantined.is_empty() {
            effects.push(Effect::LeftOut(quarantined));
        }
        self.document = document;
        self.broken = false;
        let mut updates = std::mem::take(&mut self.deferred_updates);
        self.write(now_ms, &mut updates, effects);
        let peers: Vec<PeerId> = self.peers.keys().copied().collect();
        peers.into_iter().for_each(|id| self.echo_later(id));
        self.confirm(now_ms, effects);
        let deferred = std::mem::take(&mut self.deferred);
        self.receive(now_ms, deferred, effects);
        self.resume(now_ms, effects);
    }

    /// Does what had to wait for a whole document.
    fn resume(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        let unasked: Vec<PeerId> =
            self.peers.values().filter(|peer| peer.may_write && !peer.is_asked).map(|peer| peer.id).collect();
        if !self.broken {
            unasked.into_iter().for_each(|id| self.ask(id, effects));
        }
        self.catch_up_all(now_ms, effects);
        self.drain_further(now_ms, effects);
    }
}

#[derive(Default)]
struct Confirmed {
    joiner: Joiner,
    counted: bool,
    echoes: Vec<Bytes>,
}
