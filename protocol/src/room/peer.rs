//! One peer of a room: what it may do, what of its work is not durable yet, and how far behind it is.

use std::collections::{BTreeMap, VecDeque};

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
/// Most 102 payloads of one peer that wait for what it sent before them, and their bytes together; of more, the latest, which
/// ask for all that the others do.
const QUERIES_MAX: usize = 64;
const QUERIES_BYTES_MAX: usize = 64 << 10;

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
    /// Updates of its own that wait for what has not arrived.
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
    /// 102 payloads behind something of its own that is not on its way to disk yet.
    pub(super) queries: Queries,
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
            queries: Queries::default(),
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

/// The first clock of each client of which a peer wrote blocks that were not echoed, ascending by client. Peers write with one
/// client, or few; who brings a whole document has many.
#[derive(Debug, Default)]
pub(super) struct Unechoed(SmallVec<[(ClientId, u32); 1]>);

impl Unechoed {
    pub(super) fn add(&mut self, firsts: &[(ClientId, u32)]) {
        for &(client, first) in firsts {
            match self.0.binary_search_by_key(&client, |&(client, _)| client) {
                Ok(at) => self.0[at].1 = first.min(self.0[at].1),
                Err(at) => self.0.insert(at, (client, first)),
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
    /// Durable beyond `count`, because an earlier one still waits, maybe for ever: first numbers and ends, exclusive.
    ahead: BTreeMap<u64, u64>,
}

impl Saved {
    /// Numbers one more message, from 1.
    pub(super) fn receive(&mut self) -> u64 {
        self.received += 1;
        self.received
    }

    /// Marks a message durable; whether the promise grew.
    pub(super) fn mark(&mut self, number: u64) -> bool {
        let before = self.ahead.range(..number).next_back();
        let start = before.filter(|&(_, &end)| end == number).map_or(number, |(&start, _)| start);
        let end = self.ahead.remove(&(number + 1)).unwrap_or(number + 1);
        if start == self.count + 1 {
            self.count = end - 1;
            return true;
        }
        self.ahead.insert(start, end);
        false
    }

    /// All messages up to this number are durable.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

/// 102 payloads that are not to be echoed yet, oldest first.
#[derive(Debug, Default)]
pub(super) struct Queries {
    payloads: VecDeque<Bytes>,
    bytes: usize,
}

impl Queries {
    pub(super) fn push(&mut self, payload: Bytes) {
        self.bytes += payload.len();
        self.payloads.push_back(payload);
        while self.payloads.len() > QUERIES_MAX || self.bytes > QUERIES_BYTES_MAX {
            let oldest = self.payloads.pop_front();
            self.bytes -= oldest.map_or(0, |payload| payload.len());
        }
    }

    pub(super) fn take(&mut self) -> VecDeque<Bytes> {
        self.bytes = 0;
        std::mem::take(&mut self.payloads)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promise_grows_over_all_that_is_durable_in_any_order() {
        let mut saved = Saved::default();
        let marks = [3, 5, 1, 4, 2, 6].map(|number| (saved.mark(number), saved.count()));
        assert_eq!(marks, [(false, 0), (false, 0), (true, 1), (false, 1), (true, 5), (true, 6)]);
        assert!(saved.ahead.is_empty());
    }

    #[test]
    fn what_follows_a_message_that_waits_for_ever_costs_nothing() {
        let mut saved = Saved::default();
        assert!((2..10_000).all(|number| !saved.mark(number)));
        assert_eq!((saved.count(), saved.ahead.len()), (0, 1));
    }
}
