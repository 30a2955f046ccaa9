//! One peer of a room: what it may do, what of its work is not durable yet, and how far behind it is.

use std::collections::BTreeSet;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{CloseCode, Join};
use crate::{
    access::Principal,
    document::Clocks,
    id::{ClientId, PeerId},
};

/// How long an answer may wait for the journal, in milliseconds. A store that fails does not keep people out: then the
/// answer goes as it is, though a client may take the deletions in it for confirmed.
const ANSWER_MS_MAX: u64 = 1_000;

/// How much of what the room said a peer is known to have.
#[derive(Debug, Clone)]
pub(super) enum Standing {
    /// All of it is in its socket.
    Current,
    /// Some is queued behind its socket. If the queue has to go, it still has everything below these clocks.
    Backlogged(Clocks),
    /// Its queue was dropped; once drained it gets one diff from these clocks.
    Behind(Clocks),
    /// Drained after a drop, and waiting for its own last updates to be durable: the diff would confirm them.
    Due(Clocks),
}

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) id: PeerId,
    pub(super) principal: Principal,
    pub(super) extended: bool,
    pub(super) may_write: bool,
    pub(super) joined_ms: u64,
    pub(super) told_ms: u64,
    /// When it was pinged last; until then, when it joined.
    pub(super) ping_ms: u64,
    /// When a ping was sent that no pong answered.
    pub(super) pinged_ms: Option<u64>,
    pub(super) refusals: u32,
    pub(super) standing: Standing,
    pub(super) saved: Saved,
    /// Confirmations that wait for the journal.
    pub(super) unsaved: usize,
    /// Everything its user wrote over other connections has at most this sequence.
    pub(super) user_seq: u64,
    /// Updates of its own that wait for what has not arrived, dropped ones included.
    pub(super) waiting: usize,
    /// Its own blocks whose confirmation is not known to be in its socket.
    pub(super) unechoed: Unechoed,
    /// Whether it was sent an answer to a state vector of its own.
    pub(super) synced: bool,
    /// Whether it was asked what the room is missing.
    pub(super) is_asked: bool,
    /// State vectors to answer once it reads and nothing of its own is unsaved.
    pub(super) asked: Vec<Bytes>,
    /// Since when the first of them waits.
    pub(super) asked_ms: u64,
    /// The last 102 payload that is durable and not known to be in its socket.
    pub(super) owed_echo: Option<Bytes>,
    /// Refused for good: the socket closes then, nothing is read from it until.
    pub(super) condemned: Option<(CloseCode, String, u64)>,
}

impl Peer {
    pub(super) fn new(now_ms: u64, join: Join, may_write: bool, user_seq: u64) -> Self {
        Self {
            id: join.peer,
            principal: join.principal,
            extended: join.extended,
            may_write,
            joined_ms: now_ms,
            told_ms: now_ms,
            ping_ms: now_ms,
            pinged_ms: None,
            refusals: 0,
            standing: Standing::Current,
            saved: Saved::default(),
            unsaved: 0,
            user_seq,
            waiting: 0,
            unechoed: Unechoed::default(),
            synced: false,
            is_asked: false,
            asked: Vec::new(),
            asked_ms: now_ms,
            owed_echo: None,
            condemned: None,
        }
    }

    /// Whether what the room says now would reach it.
    pub(super) fn is_reachable(&self) -> bool {
        let listening = matches!(self.standing, Standing::Current | Standing::Backlogged(_));
        listening && self.condemned.is_none()
    }

    /// When its question is answered even if the journal has not caught up.
    pub(super) fn overdue_ms(&self) -> Option<u64> {
        let waits = !self.asked.is_empty() && matches!(self.standing, Standing::Current);
        waits.then_some(self.asked_ms + ANSWER_MS_MAX)
    }

    /// Everything it was sent so far is in its socket.
    pub(super) fn settle(&mut self) {
        self.owed_echo = None;
        if self.unsaved == 0 {
            self.unechoed = Unechoed::default();
        }
    }
}

/// The first clock of each client of which a peer wrote blocks that were not echoed. Peers write with one client, or few.
#[derive(Debug, Default)]
pub(super) struct Unechoed(SmallVec<[(ClientId, u32); 1]>);

impl Unechoed {
    pub(super) fn add(&mut self, firsts: &[(ClientId, u32)]) {
        for &(client, first) in firsts {
            match self.0.iter_mut().find(|(known, _)| *known == client) {
                Some((_, clock)) => *clock = first.min(*clock),
                None => self.0.push((client, first)),
            }
        }
    }

    /// Lowers what a peer is taken to have, so that a diff from there holds the blocks.
    pub(super) fn lower(&self, clocks: &mut Clocks) {
        self.0.iter().for_each(|&(client, first)| clocks.lower(client, first));
    }
}

/// Which of a peer's update messages are durable: message 101 promises all up to a number.
#[derive(Debug, Default)]
pub(super) struct Saved {
    received: u64,
    count: u64,
    /// Durable beyond `count`, because an earlier one still waits.
    ahead: BTreeSet<u64>,
}

impl Saved {
    /// Numbers one more message, from 1.
    pub(super) fn receive(&mut self) -> u64 {
        self.received += 1;
        self.received
    }

    /// Marks a message durable; whether the promise grew.
    pub(super) fn mark(&mut self, number: u64) -> bool {
        self.ahead.insert(number);
        let before = self.count;
        while self.ahead.remove(&(self.count + 1)) {
            self.count += 1;
        }
        self.count > before
    }

    /// All messages up to this number are durable.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}
