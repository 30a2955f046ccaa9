//! Updates that wait for blocks which have not arrived. Bounded in number and bytes: what is held was neither applied
//! nor stored nor confirmed, so dropping it loses nothing that anybody was promised. But its owner waits for a confirmation
//! that cannot come any more, and has to be told. Who has most here goes first: nobody else pays for a flood.

use std::collections::{BTreeMap, VecDeque};

use super::{Clocks, Missing};
use crate::limits::RoomLimits;

#[derive(Debug)]
struct Waiting<T> {
    missing: Missing,
    bytes: usize,
    item: T,
}

/// A bounded queue of items, each waiting for one missing block.
#[derive(Debug)]
pub(crate) struct Held<T> {
    waiting: VecDeque<Waiting<T>>,
    bytes: usize,
    bytes_max: usize,
    updates_max: usize,
}

impl<T> Held<T> {
    pub(crate) fn new(limits: &RoomLimits) -> Self {
        Self {
            waiting: VecDeque::new(),
            bytes: 0,
            bytes_max: limits.held_bytes_max,
            updates_max: limits.held_updates_max,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Holds `item` of `bytes` bytes.
    pub(crate) fn hold(&mut self, missing: Missing, bytes: usize, item: T) {
        self.waiting.push_back(Waiting { missing, bytes, item });
        self.bytes += bytes;
    }

    /// While there is more than there may be, drops all items of the owner that has most of them here. Returns these owners.
    pub(crate) fn make_room<O: Ord + Copy>(&mut self, owner: impl Fn(&T) -> O) -> Vec<O> {
        let mut gone = Vec::new();
        while self.bytes > self.bytes_max || self.waiting.len() > self.updates_max {
            let by_bytes = self.bytes > self.bytes_max;
            let mut shares: BTreeMap<O, usize> = BTreeMap::new();
            for waiting in &self.waiting {
                *shares.entry(owner(&waiting.item)).or_default() += if by_bytes { waiting.bytes } else { 1 };
            }
            let Some((&largest, _)) = shares.iter().max_by_key(|&(_, &share)| share) else { break };
            self.waiting.retain(|waiting| owner(&waiting.item) != largest);
            self.bytes = self.waiting.iter().map(|waiting| waiting.bytes).sum();
            gone.push(largest);
        }
        gone
    }

    /// Takes the oldest item whose missing block `clocks` now have. It may turn out to wait for another one.
    pub(crate) fn take_ready(&mut self, clocks: &Clocks) -> Option<T> {
        let at = self.waiting.iter().position(|waiting| waiting.missing.is_met(clocks))?;
        let ready = self.waiting.remove(at)?;
        self.bytes -= ready.bytes;
        Some(ready.item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::ClientId;

    fn held(updates_max: usize, bytes_max: usize) -> Held<u32> {
        Held::new(&RoomLimits { held_updates_max: updates_max, held_bytes_max: bytes_max, ..RoomLimits::default() })
    }

    fn missing(client: u64, clock: u32) -> Missing {
        Missing { client: ClientId::new(client).unwrap(), clock }
    }

    fn clocks(client: u64, clock: u32) -> Clocks {
        let mut clocks = Clocks::default();
        clocks.set(ClientId::new(client).unwrap(), clock);
        clocks
    }

    #[test]
    fn items_are_ready_once_their_block_is_known() {
        let mut held = held(10, 100);
        held.hold(missing(1, 4), 1, 14);
        held.hold(missing(2, 0), 1, 20);
        assert!(held.make_room(|&item| item).is_empty());
        assert_eq!(held.take_ready(&clocks(1, 4)), None);
        assert_eq!(held.take_ready(&clocks(1, 5)), Some(14));
        assert_eq!((held.take_ready(&clocks(1, 5)), held.len()), (None, 1));
    }

    #[test]
    fn who_has_most_goes_first() {
        let hold = |held: &mut Held<u32>, bytes, owner| held.hold(missing(1, 0), bytes, owner);
        // Three items, of one and the other.
        let mut crowd = held(3, 100);
        [7, 8, 7, 8].into_iter().take(3).for_each(|owner| hold(&mut crowd, 10, owner));
        assert!(crowd.make_room(|&owner| owner).is_empty());
        hold(&mut crowd, 10, 9);
        assert_eq!((crowd.make_room(|&owner| owner), crowd.len(), crowd.bytes), (vec![7], 2, 20));
        // Of bytes, one has most with a single item.
        hold(&mut crowd, 90, 5);
        assert_eq!((crowd.make_room(|&owner| owner), crowd.len(), crowd.bytes), (vec![5], 2, 20));
        // One that is too large for an empty room goes itself.
        let mut empty = held(3, 100);
        hold(&mut empty, 101, 5);
        assert_eq!((empty.make_room(|&owner| owner), empty.len(), empty.bytes), (vec![5], 0, 0));
    }
}
