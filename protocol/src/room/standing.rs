//! What peers have: answers to state vectors, and one diff for a peer whose queue had to go.

use bytes::Bytes;

use super::{
    CloseCode, Effect, Room,
    peer::{Peer, Standing},
};
use crate::{
    document::Clocks,
    id::{DocumentName, PeerId},
    wire,
};

/// Most state vectors of one peer that wait for an answer; of more, the latest.
const ASKED_MAX: usize = 16;

/// One diff for all who are behind, as a whole frame.
#[derive(Debug, Clone)]
pub(super) struct SharedDiff {
    /// Serves peers that have at least this.
    from: Clocks,
    /// They then have all below these.
    to: Clocks,
    frame: Bytes,
}

/// Whether a peer waits for something that can be sent now.
fn is_settled(now_ms: u64, peer: &Peer, durable_seq: u64) -> bool {
    let waits = match peer.standing {
        Standing::Current => !peer.asked.is_empty(),
        Standing::Due(_) => true,
        Standing::Backlogged(_) | Standing::Behind(_) => false,
    };
    // Stock clients take what comes back to them for confirmed. They may have written it over an earlier connection.
    let would_confirm = !peer.extended && (peer.unsaved > 0 || peer.user_seq > durable_seq);
    let overdue = peer.overdue_ms().is_some_and(|at_ms| at_ms <= now_ms);
    waits && (!would_confirm || overdue) && peer.condemned.is_none()
}

impl Room {
    /// A state vector to answer. Not while the asking peer reads too slowly, nor while the answer would confirm what is
    /// not durable.
    pub(super) fn step1(&mut self, now_ms: u64, id: PeerId, state_vector: Bytes, effects: &mut Vec<Effect>) {
        let foreign = self.document.is_foreign(&state_vector, &self.config.wire).unwrap_or(false);
        if foreign && self.name == DocumentName::System {
            let reason = "a replica of system from before it was made anew".to_owned();
            return self.condemn(now_ms, id, CloseCode::Stale, reason, effects);
        }
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if peer.asked.len() == ASKED_MAX {
            peer.asked.pop();
        }
        if peer.asked.is_empty() {
            peer.asked_ms = now_ms;
        }
        peer.asked.push(state_vector);
        self.answer_in_time(now_ms, id, effects);
    }

    /// Answers `id` now, or when it has waited long enough.
    fn answer_in_time(&mut self, now_ms: u64, id: PeerId, effects: &mut Vec<Effect>) {
        self.catch_up_if_settled(now_ms, id, effects);
        if let Some(at_ms) = self.peers.get(&id).and_then(Peer::overdue_ms) {
            self.appoint(at_ms);
        }
    }

    /// Sends `id` what it waits for, once nothing stands against it.
    pub(super) fn catch_up_if_settled(&mut self, now_ms: u64, id: PeerId, effects: &mut Vec<Effect>) {
        if !self.broken && self.peers.get(&id).is_some_and(|peer| is_settled(now_ms, peer, self.durable_seq)) {
            self.catch_up(now_ms, id, effects);
        }
    }

    pub(super) fn catch_up_all(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        let peers: Vec<PeerId> = self.peers.keys().copied().collect();
        peers.into_iter().for_each(|id| self.catch_up_if_settled(now_ms, id, effects));
    }

    /// Sends `id` the diff it is due, and the answers. The diff goes as a step 2: the queue that was dropped may have held
    /// one, and clients wait for it.
    fn catch_up(&mut self, now_ms: u64, id: PeerId, effects: &mut Vec<Effect>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let asked = std::mem::take(&mut peer.asked);
        let due = match std::mem::replace(&mut peer.standing, Standing::Current) {
            Standing::Due(mut clocks) => {
                peer.unechoed.lower(&mut clocks);
                Some(clocks)
            }
            other @ (Standing::Current | Standing::Backlogged(_) | Standing::Behind(_)) => {
                peer.standing = other;
                None
            }
        };
        let count = (due.is_some() && peer.extended).then(|| peer.saved.count());
        let echo = peer.owed_echo.clone().filter(|_| due.is_some());
        peer.told_ms = now_ms;
        let lapsed = due.is_some();
        let mut frames = bytes::BytesMut::new();
        if let Some(clocks) = due {
            let shared = self.diff_for_all_behind(&clocks);
            effects.push(Effect::Resync(id, shared.frame.clone()));
            if shared.to != *self.document.clocks() {
                let to = shared.to.clone();
                wire::put_update(&mut frames, &self.document.since(&to));
            }
        }
        for state_vector in asked {
            // Fails only for a malformed state vector, and the guard has seen it.
            if let Ok(answer) = self.document.answer(&state_vector, &self.config.wire) {
                wire::put_step2(&mut frames, &answer);
            }
        }
        if lapsed && let Some(body) = self.awareness.snapshot_with_removals(id) {
            wire::put_awareness(&mut frames, &body);
        }
        count.iter().for_each(|&count| wire::put_saved_count(&mut frames, count));
        echo.iter().for_each(|payload| wire::put_saved_echo(&mut frames, payload));
        effects.push(Effect::Resync(id, frames.freeze()));
        // None of this is ever dropped: whatever becomes of the peer's queue, it has everything up to now.
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.synced = true;
            if lapsed {
                peer.settle();
            }
        }
        if self.peers.get(&id).is_some_and(|peer| peer.may_write && !peer.is_asked) {
            self.ask(id, effects);
        }
    }

    /// A diff that serves a peer with `clocks`, and everybody else who is behind: whoever stalls together shares one
    /// buffer, however large it is.
    fn diff_for_all_behind(&mut self, clocks: &Clocks) -> SharedDiff {
        let behind = |peer: &Peer| match &peer.standing {
            Standing::Behind(clocks) | Standing::Due(clocks) => Some(clocks.clone()),
            Standing::Current | Standing::Backlogged(_) => None,
        };
        let others: Vec<Clocks> = self.peers.values().filter_map(behind).collect();
        let serves = |shared: &SharedDiff, document: &mut crate::document::Document| {
            clocks.covers(&shared.from) && document.since(&shared.to).len() <= shared.frame.len() / 4
        };
        let shared = match self.shared_diff.take() {
            Some(shared) if serves(&shared, &mut self.document) => shared,
            Some(_) | None => {
                let mut from = clocks.clone();
                others.iter().for_each(|clocks| from.meet(clocks));
                let mut frame = bytes::BytesMut::new();
                wire::put_step2(&mut frame, &self.document.since(&from));
                SharedDiff { from, to: self.document.clocks().clone(), frame: frame.freeze() }
            }
        };
        self.shared_diff = (!others.is_empty()).then(|| shared.clone());
        shared
    }

    /// No news of a full socket: what was sent last is in it.
    pub(super) fn settle_answers(&mut self) {
        self.before = crate::document::Before::default();
        for id in self.answered.drain(..) {
            if let Some(peer) = self.peers.get_mut(&id)
                && matches!(peer.standing, Standing::Current)
            {
                peer.settle();
            }
        }
    }

    pub(super) fn backlogged(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        if matches!(peer.standing, Standing::Current) {
            peer.standing = Standing::Backlogged(floor_of(peer, || self.before.clocks(self.document.clocks())));
        }
    }

    pub(super) fn overflowed(&mut self, id: PeerId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        self.counts.overflows += 1;
        let standing = std::mem::replace(&mut peer.standing, Standing::Current);
        peer.standing = match standing {
            Standing::Backlogged(clocks) | Standing::Behind(clocks) | Standing::Due(clocks) => Standing::Behind(clocks),
            Standing::Current => Standing::Behind(floor_of(peer, || self.before.clocks(self.document.clocks()))),
        };
    }

    pub(super) fn drained(&mut self, now_ms: u64, id: PeerId, effects: &mut Vec<Effect>) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        match std::mem::replace(&mut peer.standing, Standing::Current) {
            Standing::Current => {}
            Standing::Backlogged(_) => peer.settle(),
            Standing::Behind(clocks) | Standing::Due(clocks) => peer.standing = Standing::Due(clocks),
        }
        self.answer_in_time(now_ms, id, effects);
    }
}

/// What a peer is known to have when its socket is full.
fn floor_of(peer: &Peer, before: impl FnOnce() -> Clocks) -> Clocks {
    if peer.synced { before() } else { Clocks::default() }
}
