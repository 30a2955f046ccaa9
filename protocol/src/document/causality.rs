//! What an update brings and what it needs, against what a document has. Decides, before yrs sees a byte, whether an
//! update is new, adds nothing, or must wait: yrs would integrate some updates with a gap that Yjs keeps pending, and
//! keeps others pending for ever.

use std::{cmp::Reverse, collections::BTreeMap};

use smallvec::SmallVec;

use crate::{
    guard::{Malformed, UpdateVisitor, walk_update},
    id::ClientId,
    limits::WireLimits,
};

/// The next clock of each client: a state vector as the room keeps it, equal to what yrs would answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Clocks(BTreeMap<ClientId, u32>);

impl Clocks {
    /// The first clock of `client` that is not known; 0 for an unknown client.
    pub fn get(&self, client: ClientId) -> u32 {
        self.0.get(&client).copied().unwrap_or(0)
    }

    /// Whether any block of `client` is known.
    pub fn contains(&self, client: ClientId) -> bool {
        self.0.contains_key(&client)
    }

    /// Clients and next clocks in ascending order of clients.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ClientId, u32)> + '_ {
        self.0.iter().map(|(&client, &clock)| (client, clock))
    }

    pub(crate) fn set(&mut self, client: ClientId, clock: u32) {
        self.0.insert(client, clock);
    }

    /// Whether everything below `other` is below these clocks too.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        other.iter().all(|(client, clock)| self.get(client) >= clock)
    }

    /// Lowers these clocks to what `other` has too.
    pub(crate) fn meet(&mut self, other: &Self) {
        self.0.retain(|&client, clock| {
            *clock = (*clock).min(other.get(client));
            *clock > 0
        });
    }

    fn raise(&mut self, client: ClientId, clock: u32) {
        let known = self.0.entry(client).or_default();
        *known = clock.max(*known);
    }

    /// Lowers `client` to `clock` if it is above; a client at 0 is not known.
    pub(crate) fn lower(&mut self, client: ClientId, clock: u32) {
        match self.0.get_mut(&client) {
            Some(known) if *known > clock && clock > 0 => *known = clock,
            Some(known) if *known > clock => drop(self.0.remove(&client)),
            Some(_) | None => {}
        }
    }
}

/// A block that has to be known first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missing {
    /// Whose block.
    pub client: ClientId,
    /// Its clock: satisfied once the client's next clock is above it.
    pub clock: u32,
}

impl Missing {
    /// Whether `clocks` now have the block.
    pub fn is_met(self, clocks: &Clocks) -> bool {
        clocks.get(self.client) > self.clock
    }
}

/// How an update relates to a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relation {
    /// Everything it needs is known and at least one of its blocks is not.
    New,
    /// All its blocks are known; it may still delete something.
    OnlyDeletes,
    /// All its blocks are known and it deletes nothing.
    Nothing,
    /// It cannot be integrated yet.
    Waits(Missing),
}

/// A contiguous run of blocks: `client:[start, end)`.
pub(super) type Run = (ClientId, u32, u32);

/// How many of the clients that were named last are looked through for one that is named again.
const NEEDS_COMPARED: usize = 4;

/// What one pass over an update collects. Small updates stay on the stack.
#[derive(Debug, Default)]
pub(super) struct Footprint {
    runs: SmallVec<[Run; 2]>,
    /// The highest referenced clock of each client, ascending by client.
    needs: SmallVec<[(ClientId, u32); 4]>,
    deletes: bool,
    types: u32,
    subdocuments: bool,
}

impl UpdateVisitor for Footprint {
    fn run(&mut self, client: ClientId, clock: u32, len: u32) {
        let end = clock + len;
        match self.runs.last_mut() {
            Some((last, _, last_end)) if *last == client && *last_end == clock => *last_end = end,
            Some(_) | None => self.runs.push((client, clock, end)),
        }
    }

    fn reference(&mut self, client: ClientId, clock: u32) {
        // Among the latest alone: an update may name a million clients, in the order that costs most.
        match self.needs.iter_mut().rev().take(NEEDS_COMPARED).find(|(known, _)| *known == client) {
            Some((_, known)) => *known = clock.max(*known),
            None => self.needs.push((client, clock)),
        }
    }

    fn shared_type(&mut self) {
        self.types += 1;
    }

    fn subdocument(&mut self) {
        self.subdocuments = true;
    }

    fn delete(&mut self, client: ClientId, clock: u32, len: u32) {
        self.deletes = true;
        self.reference(client, clock + len - 1);
    }
}

impl Footprint {
    pub(super) fn of(update: &[u8], limits: &WireLimits) -> Result<Self, Malformed> {
        let mut footprint = Self::default();
        walk_update(update, limits, &mut footprint)?;
        footprint.settle();
        Ok(footprint)
    }

    fn settle(&mut self) {
        // Sections come in any order of clients; ascending, an end is found by search.
        self.runs.sort_unstable();
        self.needs.sort_unstable_by_key(|&(client, clock)| (client, Reverse(clock)));
        self.needs.dedup_by_key(|&mut (client, _)| client);
    }

    pub(super) fn relation(&self, clocks: &Clocks) -> Relation {
        let mut new = false;
        let mut reached: Option<(ClientId, u32)> = None;
        for &(client, start, end) in &self.runs {
            let known = match reached {
                Some((last, end)) if last == client => end,
                Some(_) | None => clocks.get(client),
            };
            if start > known {
                return Relation::Waits(Missing { client, clock: start - 1 });
            }
            new |= end > known;
            reached = Some((client, known.max(end)));
        }
        for &(client, clock) in &self.needs {
            if clock >= clocks.get(client) && clock >= self.end_of(client) {
                return Relation::Waits(Missing { client, clock });
            }
        }
        match (new, self.deletes) {
            (true, _) => Relation::New,
            (false, true) => Relation::OnlyDeletes,
            (false, false) => Relation::Nothing,
        }
    }

    /// Whether a run begins among known blocks and ends among new ones.
    pub(super) fn straddles(&self, clocks: &Clocks) -> bool {
        self.runs.iter().any(|&(client, start, end)| (start + 1..end).contains(&clocks.get(client)))
    }

    /// Shared types in it.
    pub(super) fn types(&self) -> u32 {
        self.types
    }

    /// Whether there is a subdocument in it.
    pub(super) fn subdocuments(&self) -> bool {
        self.subdocuments
    }

    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    pub(super) fn advance(&self, clocks: &mut Clocks) {
        for &(client, _, end) in &self.runs {
            clocks.raise(client, end);
        }
    }

    /// The end of the last run of `client` in this update, 0 without one.
    fn end_of(&self, client: ClientId) -> u32 {
        let after = self.runs.partition_point(|&(other, _, _)| other <= client);
        match after.checked_sub(1).map(|last| self.runs[last]) {
            Some((other, _, end)) if other == client => end,
            Some(_) | None => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(id: u64) -> ClientId {
        ClientId::new(id).unwrap()
    }

    fn clocks(of: &[(u64, u32)]) -> Clocks {
        let mut clocks = Clocks::default();
        of.iter().for_each(|&(id, clock)| clocks.set(client(id), clock));
        clocks
    }

    /// Runs of client, start and length; needed blocks; deleted ranges.
    #[track_caller]
    fn check(runs: &[(u64, u32, u32)], needs: &[(u64, u32)], deletes: &[(u64, u32, u32)], expected: Relation) {
        let mut footprint = Footprint::default();
        runs.iter().for_each(|&(id, start, len)| footprint.run(client(id), start, len));
        needs.iter().for_each(|&(id, clock)| footprint.reference(client(id), clock));
        deletes.iter().for_each(|&(id, clock, len)| footprint.delete(client(id), clock, len));
        footprint.settle();
        assert_eq!(footprint.relation(&clocks(&[(1, 10), (2, 5)])), expected);
    }

    fn waits(id: u64, clock: u32) -> Relation {
        Relation::Waits(Missing { client: client(id), clock })
    }

    #[test]
    fn what_follows_is_new_and_what_is_known_is_nothing() {
        check(&[(1, 10, 1)], &[], &[], Relation::New);
        check(&[(1, 8, 3)], &[], &[], Relation::New);
        check(&[(3, 0, 4)], &[], &[], Relation::New);
        check(&[(1, 3, 7)], &[(2, 4)], &[], Relation::Nothing);
        check(&[], &[], &[], Relation::Nothing);
        check(&[(1, 3, 7)], &[], &[(2, 0, 5)], Relation::OnlyDeletes);
        check(&[(1, 10, 1)], &[], &[(2, 0, 5)], Relation::New);
    }

    #[test]
    fn a_gap_waits_for_the_block_before_it() {
        check(&[(1, 11, 1)], &[], &[], waits(1, 10));
        check(&[(3, 1, 1)], &[], &[], waits(3, 0));
        // Also behind a skip.
        check(&[(1, 8, 3), (1, 12, 1)], &[], &[], waits(1, 11));
    }

    #[test]
    fn what_is_needed_may_come_along() {
        check(&[(1, 10, 1)], &[(2, 5)], &[], waits(2, 5));
        check(&[(1, 10, 1), (2, 5, 1)], &[(2, 5)], &[], Relation::New);
        check(&[(1, 10, 1)], &[(9, 0)], &[], waits(9, 0));
        check(&[], &[], &[(2, 3, 3)], waits(2, 5));
    }

    #[test]
    fn of_each_client_the_highest_clock_is_needed() {
        // Deletions of twelve clients, the highest first.
        let mut update = vec![0, 12];
        (0..12).for_each(|at| update.extend([20 - at, 1, at, 1]));
        let footprint = Footprint::of(&update, &WireLimits::default()).unwrap();
        let needs: Vec<_> = (9..=20).map(|id| (client(id), 20 - id as u32)).collect();
        assert_eq!(footprint.needs.as_slice(), needs);
        let mut footprint = Footprint::default();
        let clocks = [(1, 4), (2, 9), (3, 1), (4, 1), (5, 1), (6, 1), (1, 7), (2, 3), (1, 5)];
        clocks.iter().for_each(|&(id, clock)| footprint.reference(client(id), clock));
        footprint.settle();
        assert_eq!(footprint.needs[..3], [(client(1), 7), (client(2), 9), (client(3), 1)]);
    }

    #[test]
    fn clocks_are_lowered_to_nothing() {
        let mut lowered = clocks(&[(1, 10), (2, 5)]);
        lowered.lower(client(1), 12);
        lowered.lower(client(2), 0);
        lowered.lower(client(3), 0);
        assert_eq!(lowered, clocks(&[(1, 10)]));
        assert!(Missing { client: client(1), clock: 9 }.is_met(&lowered));
        assert!(!Missing { client: client(1), clock: 10 }.is_met(&lowered));
    }
}
