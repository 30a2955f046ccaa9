//! The way from a room to its peers' sockets: who is in, and what became of what was sent to them. Decides nothing.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use orrery_protocol::{
    id::PeerId,
    room::{Broadcast, CloseCode, Input},
};

use crate::{
    inbox::Inbox,
    outbox::{Outbox, Sent},
};

/// The peers of a room. However it ends, orderly or by a panic, they are closed: they reconnect, and find the room
/// rebuilt from what is durable.
#[derive(Debug)]
pub(super) struct Links {
    links: BTreeMap<PeerId, Link>,
    inbox: Arc<Inbox>,
}

/// One peer as its room's actor sees it.
#[derive(Debug)]
struct Link {
    outbox: Arc<Outbox>,
    /// The backlog that the room was last told of.
    backlog: u64,
}

/// What became of a broadcast.
#[derive(Debug)]
pub(super) struct Broadcasted {
    pub(super) receivers: u64,
    /// What the room has to be told of how sending went.
    pub(super) news: Vec<Input>,
}

impl Links {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        Self { links: BTreeMap::new(), inbox }
    }

    pub(super) fn join(&mut self, peer: PeerId, outbox: Arc<Outbox>) {
        self.links.insert(peer, Link { outbox, backlog: 0 });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    pub(super) fn forget(&mut self, peer: PeerId) -> Option<Arc<Outbox>> {
        self.links.remove(&peer).map(|link| link.outbox)
    }

    /// Whether this is the backlog that the room was last told of.
    pub(super) fn is_current(&self, peer: PeerId, backlog: u64) -> bool {
        self.links.get(&peer).is_some_and(|link| link.backlog == backlog)
    }

    /// Those whose sockets took nothing for so long, although something waits for them.
    pub(super) fn stuck(&self, now_ms: u64, stuck_ms: u64) -> Vec<PeerId> {
        let stuck = |link: &Link| link.outbox.stuck_for_ms(now_ms).is_some_and(|ms| ms >= stuck_ms);
        self.links.iter().filter(|(_, link)| stuck(link)).map(|(&peer, _)| peer).collect()
    }

    /// Sends to one peer. Returns what the room has to be told of how it went.
    pub(super) fn send(&mut self, peer: PeerId, send: impl FnOnce(&Outbox) -> Sent) -> Option<Input> {
        let link = self.links.get_mut(&peer)?;
        link.note(send(&link.outbox)).map(|news| news(peer))
    }

    /// One write to each peer. Those that sent a part of it get the rest.
    pub(super) fn broadcast(&mut self, now_ms: u64, broadcast: &Broadcast) -> Broadcasted {
        let Broadcast { frames, parts, except } = broadcast;
        let mut news = Vec::new();
        let mut receivers = 0_u64;
        for (&peer, link) in self.links.iter_mut() {
            if except.binary_search(&peer).is_ok() {
                continue;
            }
            receivers += 1;
            if parts.iter().all(|&(sender, _)| sender != peer) {
                news.extend(link.note(link.outbox.send(now_ms, frames)).map(|about| about(peer)));
                continue;
            }
            for others in others_of(peer, parts) {
                let sent = link.outbox.send(now_ms, &frames.slice(others));
                news.extend(link.note(sent).map(|about| about(peer)));
            }
        }
        Broadcasted { receivers, news }
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        self.inbox.close();
        for link in self.links.values() {
            link.outbox.close(CloseCode::Restarting as u16, "room restarted");
        }
    }
}

impl Link {
    /// What the room has to be told of how sending went.
    fn note(&mut self, sent: Sent) -> Option<fn(PeerId) -> Input> {
        match sent {
            Sent::Written | Sent::Queued => None,
            Sent::Backlogged(backlog) => {
                self.backlog = backlog;
                Some(Input::Backlogged)
            }
            Sent::Overflowed(backlog) => {
                self.backlog = backlog;
                Some(Input::Overflowed)
            }
        }
    }
}

/// The stretches of a broadcast that `peer` did not send itself.
fn others_of(peer: PeerId, parts: &[(PeerId, usize)]) -> Vec<Range<usize>> {
    let mut others: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    for &(sender, end) in parts {
        if sender != peer {
            match others.last_mut() {
                Some(last) if last.end == start => last.end = end,
                Some(_) | None => others.push(start..end),
            }
        }
        start = end;
    }
    others
}
