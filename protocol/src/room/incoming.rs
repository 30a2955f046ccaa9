//! Updates of peers on their way into the document, joined as far as their bytes allow: what one peer typed since the
//! room last looked becomes one update for the document, the journal and every reader.

use std::collections::VecDeque;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::{document::Joiner, id::PeerId, limits::WireLimits};

/// An update of a peer that may write.
#[derive(Debug, Clone)]
pub(super) struct Incoming {
    pub(super) peer: PeerId,
    /// Its number among the peer's update messages; none for a step 2, several for joined ones.
    pub(super) numbers: SmallVec<[u64; 1]>,
    pub(super) update: Bytes,
    /// What it was joined of.
    parts: Vec<Incoming>,
}

impl Incoming {
    pub(super) fn new(peer: PeerId, number: Option<u64>, update: Bytes) -> Self {
        Self { peer, numbers: number.into_iter().collect(), update, parts: Vec::new() }
    }

    /// Whether it was several.
    pub(super) fn is_joined(&self) -> bool {
        !self.parts.is_empty()
    }

    /// What it was joined of, should it have to be taken apart again.
    pub(super) fn into_parts(self) -> impl DoubleEndedIterator<Item = Self> {
        self.parts.into_iter()
    }

    fn joined(update: Bytes, mut parts: Vec<Self>) -> Self {
        match parts.len() {
            1 => Self { update, ..parts.remove(0) },
            _ => {
                let numbers = parts.iter().flat_map(|part| part.numbers.iter().copied()).collect();
                Self { peer: parts[0].peer, numbers, update, parts }
            }
        }
    }
}

/// Joins neighbours of the same peer.
pub(super) fn join(run: Vec<Incoming>, limits: &WireLimits) -> VecDeque<Incoming> {
    let mut joined = VecDeque::with_capacity(run.len().min(16));
    let mut rest = run.into_iter().peekable();
    while let Some(first) = rest.next() {
        let peer = first.peer;
        let mut joiner = Joiner::default();
        joiner.push(&first.update, limits);
        let mut groups = vec![vec![first]];
        while let Some(next) = rest.next_if(|next| next.peer == peer) {
            if joiner.push(&next.update, limits)
                && let Some(group) = groups.last_mut()
            {
                group.push(next);
            } else {
                groups.push(vec![next]);
            }
        }
        joined.extend(joiner.finish().into_iter().zip(groups).map(|(update, parts)| Incoming::joined(update, parts)));
    }
    joined
}
