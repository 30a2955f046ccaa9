//! Finds a client that appears twice. Yjs writes clients in descending order and yrs its delete sets in ascending
//! order, which one comparison each can check. Older yrs writes no order: a table of fixed size remembers the first.

use crate::id::ClientId;

/// Most clients in no order. A table of twice as many places stays sparse.
const UNORDERED_MAX: usize = 1024;
const PLACES: usize = 2 * UNORDERED_MAX;

/// Marks an empty place; above every client id.
const EMPTY: u64 = u64::MAX;

/// The clients of one sequence so far.
pub(super) struct Clients {
    previous: Option<u64>,
    rose: bool,
    fell: bool,
    /// Two clients are always in some order, so the common short sequences need no table.
    seen: Option<Seen>,
}

impl Clients {
    /// Expects `count` clients.
    #[inline]
    pub(super) fn new(count: u64) -> Self {
        Self { previous: None, rose: false, fell: false, seen: (count > 2).then(Seen::new) }
    }

    /// `false` if the client was there before, or if there is no order and no room in the table.
    #[inline]
    pub(super) fn insert(&mut self, client: ClientId) -> bool {
        let client = client.get();
        if let Some(previous) = self.previous {
            self.rose |= client >= previous;
            self.fell |= client <= previous;
        }
        self.previous = Some(client);
        let new = self.seen.as_mut().is_some_and(|seen| seen.insert(client));
        new || !(self.rose && self.fell)
    }
}

/// An open-addressing table.
struct Seen {
    places: [u64; PLACES],
    len: usize,
}

impl Seen {
    fn new() -> Self {
        Self { places: [EMPTY; PLACES], len: 0 }
    }

    /// `false` if the client was seen before, or if the table is full.
    fn insert(&mut self, client: u64) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(clients: impl IntoIterator<Item = u64>) -> bool {
        let clients: Vec<_> = clients.into_iter().collect();
        let mut seen = Clients::new(clients.len() as u64);
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
    fn repeated_clients_are_found() {
        assert!(!accepts([1, 1]));
        assert!(!accepts([1, 2, 1]));
        assert!(!accepts([5, 3, 9, 3]));
        assert!(!accepts((0..5_000).chain([17])));
        assert!(accepts([2, 1]) && accepts([1, 2]) && accepts([5, 3, 9]));
    }
}
