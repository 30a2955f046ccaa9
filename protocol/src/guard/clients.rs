//! Finds a client that appears twice, and clients that were chosen to collide.
//!
//! Yjs writes clients in descending order and yrs its delete sets in ascending order, which one comparison each can
//! check. Older yrs writes no order: a table of fixed size remembers the first.
//!
//! yrs files clients in hash tables by their low bits as they are. 20,000 clients that share them, in an update of
//! 180 KB, cost it five seconds. Clients are drawn at random, so few share any.

use crate::id::ClientId;

/// Most clients in no order. A table of twice as many places stays sparse.
const UNORDERED_MAX: usize = 1024;
const PLACES: usize = 2 * UNORDERED_MAX;

/// Clients are counted by so many of their low bits.
const LOW_BITS: u32 = 13;
/// Most clients that share them. Of the 2^18 clients that an update may name, 32 do by chance.
pub(super) const CROWD_MAX: u8 = 128;

/// Marks an empty place; above every client id.
const EMPTY: u64 = u64::MAX;

/// The clients of one sequence so far.
pub(super) struct Clients<'a> {
    previous: Option<ClientId>,
    rose: bool,
    fell: bool,
    table: Option<&'a mut Table>,
}

impl<'a> Clients<'a> {
    /// How many are always in some order. They need no table, which would cost more than a whole small update.
    pub(super) const ORDERED: u64 = 2;

    /// For up to [`Clients::ORDERED`] clients, or any number that must be in order.
    #[inline]
    pub(super) const fn ordered() -> Self {
        Self { previous: None, rose: false, fell: false, table: None }
    }

    /// For clients that may be in no order.
    pub(super) const fn remembered(table: &'a mut Table) -> Self {
        Self { previous: None, rose: false, fell: false, table: Some(table) }
    }

    /// `false` if the client was there before, if there is no order and no room in the table, or in a crowd.
    #[inline]
    pub(super) fn insert(&mut self, client: ClientId) -> bool {
        if let Some(previous) = self.previous {
            self.rose |= client >= previous;
            self.fell |= client <= previous;
        }
        self.previous = Some(client);
        let ordered = !(self.rose && self.fell);
        match &mut self.table {
            Some(table) => table.crowds.insert(client) && (table.insert(client) || ordered),
            None => ordered,
        }
    }
}

/// An open-addressing table of the clients seen.
pub(super) struct Table {
    places: [u64; PLACES],
    len: usize,
    crowds: Crowds,
}

impl Table {
    pub(super) const fn new() -> Self {
        Self { places: [EMPTY; PLACES], len: 0, crowds: Crowds::new() }
    }

    /// `false` if the client was seen before, or if the table is full.
    fn insert(&mut self, client: ClientId) -> bool {
        let client = client.get();
        // Fibonacci hashing: the high bits of the product are well mixed.
        let hash = client.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - PLACES.trailing_zeros());
        let mut place = hash as usize;
        while self.places[place] != EMPTY {
            if self.places[place] == client {
                return false;
            }
            place = (place + 1) % PLACES;
        }
        if self.len == UNORDERED_MAX {
            return false;
        }
        self.places[place] = client;
        self.len += 1;
        true
    }
}

/// How many clients share their low bits.
pub(super) struct Crowds([u8; 1 << LOW_BITS]);

impl Crowds {
    pub(super) const fn new() -> Self {
        Self([0; 1 << LOW_BITS])
    }

    /// `false` if there are [`CROWD_MAX`] with the same low bits.
    pub(super) fn insert(&mut self, client: ClientId) -> bool {
        let crowd = &mut self.0[client.get() as usize % (1 << LOW_BITS)];
        *crowd = crowd.saturating_add(1);
        *crowd <= CROWD_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(clients: impl IntoIterator<Item = u64>) -> bool {
        let mut table = Table::new();
        let mut seen = Clients::remembered(&mut table);
        clients.into_iter().all(|client| seen.insert(ClientId::new(client).expect("53 bits")))
    }

    #[test]
    fn ordered_clients_are_unlimited() {
        assert!(accepts(0..100_000));
        assert!(accepts((0..100_000).rev()));
    }

    #[test]
    fn unordered_clients_are_limited() {
        let shuffled = |count: u64| (0..count).map(move |n| (n * 7919) % count);
        assert!(accepts(shuffled(1024)));
        assert!(!accepts(shuffled(1026)));
    }

    #[test]
    fn clients_that_were_chosen_to_collide_are_refused() {
        assert!(accepts((0..128).map(|n| n << LOW_BITS)));
        assert!(!accepts((0..129).map(|n| n << LOW_BITS)));
        let random = |n: u64| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        assert!((0..1 << 18).map(random).all({
            let mut crowds = Crowds::new();
            move |client| crowds.insert(ClientId::new(client).expect("32 bits"))
        }));
    }

    #[test]
    fn repeated_clients_are_found() {
        assert!(!accepts([1, 1]));
        assert!(!accepts([1, 2, 1]));
        assert!(!accepts([5, 3, 9, 3]));
        assert!(!accepts((0..5_000).chain([17])));
        assert!(accepts([2, 1]) && accepts([1, 2]) && accepts([5, 3, 9]));
    }

    #[test]
    fn without_a_table_order_is_all_there_is() {
        let accepts = |clients: [u64; 3]| {
            let mut seen = Clients::ordered();
            clients.into_iter().all(|client| seen.insert(ClientId::new(client).expect("53 bits")))
        };
        assert!(accepts([1, 2, 3]) && accepts([3, 2, 1]));
        assert!(!accepts([2, 3, 1]) && !accepts([1, 1, 2]) && !accepts([3, 1, 1]));
    }
}
