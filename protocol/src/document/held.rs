//! Updates that wait for blocks which have not arrived. Bounded in number and bytes: what is held was neither applied
//! nor stored nor confirmed, so dropping the oldest loses nothing that anybody was promised.

use std::collections::VecDeque;

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

    /// Holds `item` of `bytes` bytes and returns how many of the oldest had to go, itself included if it is too large.
    pub(crate) fn hold(&mut self, missing: Missing, bytes: usize, item: T) -> usize {
        self.waiting.push_back(Waiting { missing, bytes, item });
        self.bytes += bytes;
        let mut dropped = 0;
        while self.bytes > self.bytes_max || self.waiting.len() > self.updates_max {
            let Some(oldest) = self.waiting.pop_front() else { break };
            self.bytes -= oldest.bytes;
            dropped += 1;
        }
        dropped
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
        assert_eq!([held.hold(missing(1, 4), 1, 14), held.hold(missing(2, 0), 1, 20)], [0, 0]);
        assert_eq!(held.take_ready(&clocks(1, 4)), None);
        assert_eq!(held.take_ready(&clocks(1, 5)), Some(14));
        assert_eq!((held.take_ready(&clocks(1, 5)), held.len()), (None, 1));
    }

    #[test]
    fn the_oldest_go_first() {
        let mut held = held(2, 100);
        let dropped: Vec<usize> = (0..3).map(|at| held.hold(missing(1, 0), 40, at)).collect();
        assert_eq!(dropped, [0, 0, 1]);
        assert_eq!(held.hold(missing(1, 0), 101, 9), 3, "one that is too large goes itself");
        assert_eq!((held.len(), held.bytes), (0, 0));
    }
}
