//! State vectors: what a peer says it has.

use super::Malformed;
use crate::{id::ClientId, lib0::Reader, limits::WireLimits};

/// A client and a clock.
const ENTRY_BYTES_MIN: usize = 2;

/// Walks a state vector and hands over its entries in the order of the wire. A client that appears twice counts with
/// its last clock, as yrs and Yjs read it.
pub fn walk_state_vector(
    bytes: &[u8],
    limits: &WireLimits,
    mut visit: impl FnMut(ClientId, u32),
) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    let entries = reader.count(limits.clients_max, ENTRY_BYTES_MIN)?;
    for _ in 0..entries {
        let client = reader.client()?;
        visit(client, reader.clock()?);
    }
    reader.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::MalformedKind;

    fn walk(bytes: &[u8]) -> Result<Vec<(u64, u32)>, MalformedKind> {
        let mut entries = Vec::new();
        let limits = WireLimits { clients_max: 3, ..WireLimits::default() };
        walk_state_vector(bytes, &limits, |client, clock| entries.push((client.get(), clock)))
            .map_err(|fault| fault.what)?;
        Ok(entries)
    }

    #[test]
    fn entries_are_handed_over_in_order() {
        assert_eq!(walk(&[0]), Ok(vec![]));
        assert_eq!(walk(&[2, 9, 3, 1, 0xff, 1]), Ok(vec![(9, 3), (1, 255)]));
    }

    #[test]
    fn a_claimed_count_of_2_pow_32_is_refused_before_the_loop() {
        assert_eq!(walk(&[0x80, 0x80, 0x80, 0x80, 0x10, 1, 1]), Err(MalformedKind::Count));
    }

    #[test]
    fn limits_are_kept() {
        assert_eq!(walk(&[4, 1, 1, 2, 1, 3, 1, 4, 1]), Err(MalformedKind::TooMany));
        assert_eq!(walk(&[1, 1, 0x80, 0x80, 0x80, 0x80, 0x08]), Err(MalformedKind::Clock));
        assert_eq!(walk(&[1, 1, 1, 0]), Err(MalformedKind::Trailing));
        assert_eq!(walk(&[]), Err(MalformedKind::Truncated));
    }
}
