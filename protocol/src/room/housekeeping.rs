//! What time does to a room: signs of life, expiry, snapshots, idleness, and its orderly end.

use bytes::BytesMut;

use super::{Broadcast, CloseCode, Effect, Phase, Room, peer::Peer};
use crate::{
    access::Role,
    id::{PeerId, UserId},
    limits::RoomClocks,
    wire,
};

/// Between two looks at all peers, in milliseconds. Clocks of seconds need no finer one; for shorter ones it is as long
/// as the shortest of them, within bounds.
const HOUSEKEEPING_MS: u64 = 2_500;
const HOUSEKEEPING_MS_MIN: u64 = 50;

impl Room {
    /// When the room next wants a `Tick`, in the same milliseconds as `now_ms`.
    pub fn deadline_ms(&self) -> Option<u64> {
        let flush_ms =
            self.awareness.is_dirty().then(|| self.awareness_flushed_ms + self.config.clocks.awareness_flush_ms);
        [Some(self.next_housekeeping_ms()), flush_ms, self.appointment_ms].into_iter().flatten().min()
    }

    pub(super) fn tick(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if self.appointment_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.keep_appointments(now_ms, effects);
        }
        if now_ms < self.next_housekeeping_ms() {
            return;
        }
        self.housekeeping_ms = now_ms;
        self.awareness.expire(now_ms, self.config.clocks.awareness_timeout_ms);
        self.show_life(now_ms, effects);
        self.snapshot_if_due(now_ms, effects);
        self.rest(now_ms, effects);
    }

    fn next_housekeeping_ms(&self) -> u64 {
        let RoomClocks { keep_alive_ms, ping_ms, awareness_timeout_ms, snapshot_ms, unload_ms, .. } =
            self.config.clocks;
        let shortest_ms = keep_alive_ms.min(ping_ms).min(awareness_timeout_ms).min(snapshot_ms).min(unload_ms);
        self.housekeeping_ms + shortest_ms.clamp(HOUSEKEEPING_MS_MIN, HOUSEKEEPING_MS)
    }

    /// Tells late announcers who is here, closes condemned peers whose time has come, answers who waited long enough.
    fn keep_appointments(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        self.appointment_ms = None;
        let grace_ms = self.config.clocks.awareness_grace_ms;
        let mut later = Vec::new();
        let mut tell = Vec::new();
        let mut close = Vec::new();
        let mut answer = Vec::new();
        for peer in self.peers.values() {
            match peer.overdue_ms() {
                Some(at_ms) if at_ms <= now_ms => answer.push(peer.id),
                Some(at_ms) => later.push(at_ms),
                None => {}
            }
            if let Some((code, reason, at_ms)) = &peer.condemned {
                if *at_ms <= now_ms { close.push((peer.id, *code, reason.clone())) } else { later.push(*at_ms) }
            } else if !self.awareness.is_told(peer.id) {
                let at_ms = peer.joined_ms + grace_ms;
                if at_ms <= now_ms { tell.push(peer.id) } else { later.push(at_ms) }
            }
        }
        tell.into_iter().for_each(|peer| self.tell_who_is_here(now_ms, peer, false, effects));
        close.into_iter().for_each(|(peer, code, reason)| self.close(now_ms, peer, code, &reason, effects));
        answer.into_iter().for_each(|peer| self.catch_up_if_settled(now_ms, peer, effects));
        later.into_iter().for_each(|at_ms| self.appoint(at_ms));
    }

    /// Pings, and empty awareness messages for browsers, which cannot see pings.
    fn show_life(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        let (ping_ms, keep_alive_ms) = (self.config.clocks.ping_ms, self.config.clocks.keep_alive_ms);
        let mut silent = Vec::new();
        let mut dead: Vec<PeerId> = Vec::new();
        for peer in self.peers.values_mut().filter(|peer| peer.condemned.is_none()) {
            match peer.pinged_ms {
                Some(pinged_ms) if now_ms.saturating_sub(pinged_ms) >= ping_ms => dead.push(peer.id),
                None if now_ms.saturating_sub(peer.ping_ms) >= ping_ms => {
                    peer.ping_ms = now_ms;
                    peer.pinged_ms = Some(now_ms);
                    effects.push(Effect::Ping(peer.id));
                }
                Some(_) | None => {}
            }
            if now_ms.saturating_sub(peer.told_ms) >= keep_alive_ms {
                silent.push(peer.id);
            }
        }
        for peer in dead {
            self.close(now_ms, peer, CloseCode::TooSlow, "no pong", effects);
        }
        for peer in silent {
            self.send(now_ms, peer, effects, wire::put_keep_alive);
        }
    }

    pub(super) fn flush_awareness(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if !self.awareness.is_dirty() || now_ms < self.awareness_flushed_ms + self.config.clocks.awareness_flush_ms {
            return;
        }
        self.awareness_flushed_ms = now_ms;
        let Some(flush) = self.awareness.flush() else { return };
        let mut except = Vec::with_capacity(flush.owners.len());
        // One walk: owners come in the order of peers.
        let mut owners = flush.owners.iter().peekable();
        for peer in self.peers.values_mut() {
            while owners.next_if(|(owner, _)| *owner < peer.id).is_some() {}
            let own = owners.next_if(|(owner, _)| *owner == peer.id);
            if !peer.is_reachable() || !self.awareness.is_told(peer.id) {
                except.push(peer.id);
            } else if let Some((_, rest)) = own {
                except.push(peer.id);
                if let Some(body) = rest {
                    peer.told_ms = now_ms;
                    // Its own buffer: a slow reader must not keep those of all others alive.
                    let mut frame = BytesMut::new();
                    wire::put_awareness(&mut frame, body);
                    effects.push(Effect::Send(peer.id, frame.freeze()));
                }
            } else {
                peer.told_ms = now_ms;
            }
        }
        if except.len() < self.peers.len() {
            let mut frames = BytesMut::new();
            wire::put_awareness(&mut frames, &flush.message);
            effects.push(Effect::Broadcast(Broadcast { frames: frames.freeze(), parts: Vec::new(), except }));
        }
    }

    fn snapshot_if_due(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if now_ms.saturating_sub(self.snapshot_ms) >= self.config.clocks.snapshot_ms {
            self.snapshot(now_ms, effects);
        }
    }

    /// Orders a snapshot, if anything new is durable and none is on its way. The state may hold more than it covers:
    /// applying an update twice changes nothing.
    fn snapshot(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if self.snapshot_sent.is_some() || self.broken {
            return;
        }
        if let Some(covers_seq) = self.coverable() {
            self.snapshot_ms = now_ms;
            self.snapshot_sent = Some(covers_seq);
            effects.push(Effect::Snapshot { covers_seq, state: self.document.state() });
        } else {
            // The snapshot follows once that is durable.
            self.append_left_out(effects);
        }
    }

    pub(super) fn snapshot_stored(&mut self, now_ms: u64, seq: u64, effects: &mut Vec<Effect>) {
        self.snapshot_sent = None;
        self.snapshot_seq = self.snapshot_seq.max(seq);
        self.drain_further(now_ms, effects);
    }

    /// Nothing is lost: what the snapshot would have covered is in the journal.
    pub(super) fn snapshot_failed(&mut self, effects: &mut Vec<Effect>) {
        self.snapshot_sent = None;
        if self.phase == Phase::Draining && self.durable_seq == self.last_seq {
            self.phase = Phase::Drained;
            effects.push(Effect::Drained);
        }
    }

    /// A room nobody visits brings its state into a snapshot, then says that it may go.
    fn rest(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        let unload_ms = self.config.clocks.unload_ms;
        if self.idle_since_ms.is_none_or(|since_ms| now_ms.saturating_sub(since_ms) < unload_ms) {
            return;
        }
        if self.phase == Phase::Open && !self.broken && self.unsaved.is_empty() && !self.lacks_snapshot() {
            effects.push(Effect::Idle);
        } else {
            self.snapshot(now_ms, effects);
        }
    }

    /// Whoever may do less, or more, than when they came does not go on as they came: they come back under the new role, or
    /// not at all.
    pub(super) fn reseat(&mut self, now_ms: u64, user: UserId, role: Option<Role>, effects: &mut Vec<Effect>) {
        let elsewise = |peer: &&Peer| peer.principal.user == user && Some(peer.principal.role) != role;
        let theirs: Vec<PeerId> = self.peers.values().filter(elsewise).map(|peer| peer.id).collect();
        for peer in theirs {
            match role {
                Some(_) => self.close(now_ms, peer, CloseCode::Restarting, "role changed", effects),
                None => self.condemn(now_ms, peer, CloseCode::AccessEnded, "membership ended".to_owned(), effects),
            }
        }
    }

    pub(super) fn drain(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if self.phase == Phase::Open {
            self.phase = Phase::Draining;
        }
        let peers: Vec<PeerId> = self.peers.keys().copied().collect();
        for peer in peers {
            self.close(now_ms, peer, CloseCode::Restarting, "restarting", effects);
        }
        self.drain_further(now_ms, effects);
    }

    pub(super) fn drain_further(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if self.phase != Phase::Draining || self.broken || self.durable_seq < self.last_seq {
            return;
        }
        if self.lacks_snapshot() {
            self.snapshot(now_ms, effects);
        } else {
            self.phase = Phase::Drained;
            effects.push(Effect::Drained);
        }
    }
}
