//! How deep shared types are nested. yrs and Yjs delete a type with everything inside by recursion, and a chain of types
//! that is long enough overflows their stacks, which ends a process and cannot be caught.
//!
//! A document with fewer types than the limit cannot be too deep, so counting is enough for almost all. Beyond that the
//! level of every block is kept, as runs of equal level: a type with a thousand siblings costs no more than its own run.

use std::collections::BTreeMap;

use super::{Clocks, UNLIMITED};
use crate::{
    guard::{Place, UpdateVisitor, walk_update},
    id::ClientId,
    limits::NESTING_DEPTH_MAX,
};

type Id = (ClientId, u32);

/// A run of blocks as an update places it.
#[derive(Debug, Clone, Copy)]
struct Placed {
    id: Id,
    len: u32,
    place: Place,
}

/// Where the blocks of one update stand, ascending.
#[derive(Debug, Default)]
pub(super) struct Places(Vec<Placed>);

impl UpdateVisitor for Places {
    fn place(&mut self, client: ClientId, clock: u32, len: u32, place: Place) {
        self.0.push(Placed { id: (client, clock), len, place });
    }
}

impl Places {
    /// Of an update that the guard accepted. Of anything else, nothing.
    pub(super) fn of(update: &[u8]) -> Self {
        let mut places = Self::default();
        if walk_update(update, &UNLIMITED, &mut places).is_err() {
            places.0.clear();
        }
        places.0.sort_unstable_by_key(|placed| placed.id);
        places
    }

    /// Position of the run that holds `id`, if this update has it.
    fn find(&self, id: Id) -> Option<usize> {
        let at = self.0.partition_point(|placed| placed.id <= id).checked_sub(1)?;
        (self.0[at].id.0 == id.0).then_some(at)
    }
}

/// What is known of a run's level while those of an update are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Unseen,
    /// On the path from the run that is being resolved.
    Open,
    Known(u32),
}

/// The level of every block of a document: 0 in a root, one more in each type.
#[derive(Debug, Default)]
pub(super) struct Levels {
    /// Where the level of a client's blocks changes, and to what.
    changes: BTreeMap<Id, u32>,
}

impl Levels {
    /// The levels of a whole document, from its encoded state.
    pub(super) fn of(state: &[u8]) -> Self {
        let mut levels = Self::default();
        let (places, nothing) = (Places::of(state), Clocks::default());
        let resolved = levels.resolve(&places, &nothing);
        levels.add(&places, &resolved, &nothing);
        levels
    }

    /// The levels of the runs of an update on a document that has everything below `clocks`.
    pub(super) fn resolve(&self, places: &Places, clocks: &Clocks) -> Vec<u32> {
        let mut levels = vec![Level::Unseen; places.0.len()];
        let mut path = Vec::new();
        for at in 0..places.0.len() {
            path.push(at);
            // Not recursive: this is about chains that are too long for that. Every run is looked at twice, first for what
            // it stands on, then for its own level.
            while let Some(&at) = path.last() {
                match levels[at] {
                    Level::Unseen => {
                        levels[at] = Level::Open;
                        let needed = targets(places.0[at].place).filter(|&id| id.1 >= clocks.get(id.0));
                        let needed = needed.filter_map(|id| places.find(id));
                        path.extend(needed.filter(|&needed| levels[needed] == Level::Unseen));
                    }
                    Level::Open => {
                        levels[at] = Level::Known(self.level(places, at, &levels, clocks));
                        path.pop();
                    }
                    Level::Known(_) => {
                        path.pop();
                    }
                }
            }
        }
        let known = |level| if let Level::Known(level) = level { level } else { 0 };
        levels.into_iter().map(known).collect()
    }

    fn level(&self, places: &Places, at: usize, levels: &[Level], clocks: &Clocks) -> u32 {
        let level_of = |id: Id| match places.find(id) {
            _ if id.1 < clocks.get(id.0) => self.get(id),
            Some(at) => {
                if let Level::Known(level) = levels[at] {
                    level
                } else {
                    0
                }
            }
            None => 0,
        };
        let Placed { id: (client, clock), place, .. } = places.0[at];
        let placed = match place {
            Place::Collected | Place::Root => 0,
            Place::Inside(parent) => level_of(parent) + 1,
            // Of one type, unless somebody lies: then the deeper one counts.
            Place::Beside(left, right) => left.map_or(0, level_of).max(right.map_or(0, level_of)),
        };
        // What is left of a run that is known in part stands beside its known part.
        let known = clocks.get(client);
        if clock < known { placed.max(self.get((client, known - 1))) } else { placed }
    }

    /// Whether the runs of an update that are new to a document stay within the limit.
    pub(super) fn fit(places: &Places, resolved: &[u32], clocks: &Clocks) -> bool {
        let new = |placed: &Placed| placed.id.1 + placed.len > clocks.get(placed.id.0);
        !places.0.iter().zip(resolved).any(|(placed, &level)| new(placed) && level > NESTING_DEPTH_MAX)
    }

    /// Takes in the runs of an update that a document with `clocks` is about to take in.
    pub(super) fn add(&mut self, places: &Places, resolved: &[u32], clocks: &Clocks) {
        for (placed, &level) in places.0.iter().zip(resolved) {
            let (client, clock) = placed.id;
            let known = clocks.get(client);
            let start = (client, clock.max(known));
            if clock + placed.len > known && self.get(start) != level {
                self.changes.insert(start, level);
            }
        }
    }

    /// The level of a block that is known.
    fn get(&self, (client, clock): Id) -> u32 {
        self.changes.range((client, 0)..=(client, clock)).next_back().map_or(0, |(_, &level)| level)
    }
}

/// The blocks that a place refers to.
fn targets(place: Place) -> impl Iterator<Item = Id> {
    let (one, other) = match place {
        Place::Collected | Place::Root => (None, None),
        Place::Inside(parent) => (Some(parent), None),
        Place::Beside(left, right) => (left, right),
    };
    one.into_iter().chain(other)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        document::{Document, Verdict},
        lib0::{put_var_str, put_var_uint},
        limits::WireLimits,
    };

    /// Clients and the number of their blocks.
    fn clocks(of: &[(u64, u32)]) -> Clocks {
        let mut clocks = Clocks::default();
        of.iter().for_each(|&(client, clock)| clocks.set(ClientId::new(client).unwrap(), clock));
        clocks
    }

    /// A type in a root, or in the type that `parent` holds.
    fn put_type(out: &mut Vec<u8>, parent: Option<(u64, u32)>) {
        out.push(7);
        match parent {
            None => {
                out.push(1);
                put_var_str(out, "root");
            }
            Some((client, clock)) => {
                out.push(0);
                put_var_uint(out, client);
                put_var_uint(out, u64::from(clock));
            }
        }
        // An array: what is in it needs no key.
        out.push(0);
    }

    /// A client, its first clock, and the parents of its types.
    type Section = (u64, u32, Vec<Option<(u64, u32)>>);

    fn update(sections: &[Section]) -> Bytes {
        let mut out = Vec::new();
        put_var_uint(&mut out, sections.len() as u64);
        for (client, first, parents) in sections {
            put_var_uint(&mut out, parents.len() as u64);
            put_var_uint(&mut out, *client);
            put_var_uint(&mut out, u64::from(*first));
            parents.iter().for_each(|parent| put_type(&mut out, *parent));
        }
        out.push(0);
        out.into()
    }

    /// Types first..end, each in the one before it.
    fn chain(first: u32, end: u32) -> Bytes {
        update(&[(1, first, (first..end).map(|clock| clock.checked_sub(1).map(|parent| (1, parent))).collect())])
    }

    fn delete(client: u64, clock: u32) -> Bytes {
        let mut out = vec![0, 1];
        [client, 1, u64::from(clock), 1].into_iter().for_each(|number| put_var_uint(&mut out, number));
        out.into()
    }

    fn apply(document: &mut Document, update: &Bytes) -> Verdict {
        let limits = WireLimits::default();
        let mut writer = document.write(&limits);
        let verdict = writer.apply(update);
        writer.commit().expect("not broken");
        verdict
    }

    #[test]
    fn a_hostile_chain_is_refused_and_leaves_nothing() {
        let mut document = Document::new();
        assert_eq!(apply(&mut document, &chain(0, 100_000)), Verdict::TooDeep);
        assert_eq!(*document.clocks(), Clocks::default());
        // Nor in pieces, nor from two sides.
        let end = NESTING_DEPTH_MAX + 1;
        for first in (0..end).step_by(7) {
            assert_eq!(apply(&mut document, &chain(first, end.min(first + 7))), Verdict::Accepted);
        }
        assert_eq!(apply(&mut document, &chain(end, end + 1)), Verdict::TooDeep);
        let mut across = Document::new();
        let ours = (0..2_000).map(|clock: u32| clock.checked_sub(1).map(|clock| (2, clock))).collect();
        let theirs = (0..2_000).map(|clock| Some((1, clock))).collect();
        assert_eq!(apply(&mut across, &update(&[(2, 0, theirs), (1, 0, ours)])), Verdict::TooDeep);
        // What was accepted can be deleted at once.
        assert_eq!(apply(&mut document, &delete(1, 0)), Verdict::Accepted);
        assert!(document.state().len() < 50);
    }

    #[test]
    fn a_refusal_leaves_room_for_others() {
        let mut document = Document::new();
        let end = NESTING_DEPTH_MAX + 1;
        assert_eq!(apply(&mut document, &chain(0, end)), Verdict::Accepted);
        assert_eq!(apply(&mut document, &chain(end, end + 5)), Verdict::TooDeep);
        assert_eq!(apply(&mut document, &update(&[(3, 0, vec![None, Some((3, 0))])])), Verdict::Accepted);
        let (mut loaded, _) =
            Document::load(&crate::record::StoredDocument { snapshot: Some(document.state()), ..Default::default() });
        assert_eq!(apply(&mut loaded, &chain(end, end + 1)), Verdict::TooDeep, "also after a restart");
        assert_eq!(apply(&mut loaded, &update(&[(3, 2, vec![Some((1, end - 2))])])), Verdict::Accepted);
    }

    #[test]
    fn siblings_are_no_chain() {
        let mut document = Document::new();
        for first in (0..100_000).step_by(100) {
            assert_eq!(apply(&mut document, &update(&[(1, first, vec![None; 100])])), Verdict::Accepted);
        }
        let inside = (0..50_000).map(|clock| Some((1, clock))).collect();
        assert_eq!(apply(&mut document, &update(&[(2, 0, inside)])), Verdict::Accepted);
        let levels = document.levels.as_ref().expect("so many types");
        assert_eq!(levels.changes.len(), 1, "one run for all that are alike");
    }

    #[test]
    fn neighbours_take_their_level_from_either_side() {
        let id = |client, clock| (ClientId::new(client).unwrap(), clock);
        let placed = |client, clock, len, place| Placed { id: id(client, clock), len, place };
        let places = Places(vec![
            placed(1, 0, 1, Place::Root),
            placed(1, 1, 5, Place::Inside(id(1, 0))),
            placed(1, 6, 2, Place::Collected),
            // Right of a collected block, left of a deep one: a lie about its depth.
            placed(1, 8, 1, Place::Beside(Some(id(1, 7)), Some(id(2, 0)))),
            placed(2, 0, 3, Place::Beside(None, Some(id(1, 3)))),
            placed(2, 3, 1, Place::Inside(id(2, 1))),
        ]);
        let mut levels = Levels::default();
        let nothing = Clocks::default();
        let resolved = levels.resolve(&places, &nothing);
        assert_eq!(resolved, [0, 1, 0, 1, 1, 2]);
        levels.add(&places, &resolved, &nothing);
        let known = clocks(&[(1, 9), (2, 4)]);
        assert_eq!(
            [levels.get(id(1, 5)), levels.get(id(1, 7)), levels.get(id(2, 2)), levels.get(id(2, 3))],
            [1, 0, 1, 2]
        );
        // The unknown rest of a run stands beside its known part, whatever the update says.
        let rest = Places(vec![placed(2, 2, 4, Place::Root)]);
        assert_eq!(levels.resolve(&rest, &known), [2]);
    }

    #[test]
    fn circles_end() {
        let id = |client, clock| (ClientId::new(client).unwrap(), clock);
        let beside = |client, clock| Place::Inside(id(client, clock));
        let places = Places(vec![
            Placed { id: id(1, 0), len: 1, place: beside(2, 0) },
            Placed { id: id(2, 0), len: 1, place: beside(1, 0) },
        ]);
        assert_eq!(Levels::default().resolve(&places, &Clocks::default()).len(), 2);
    }
}
