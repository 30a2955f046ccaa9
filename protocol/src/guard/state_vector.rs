//! State vectors: what a peer says it has.

use super::{
    Malformed, MalformedKind,
    clients::{CROWD_MAX, Crowds},
};
use crate::{id::ClientId, lib0::Reader, limits::WireLimits};

/// A client and a clock.
const ENTRY_BYTES_MIN: usize = 2;

/// Walks a state vector and hands over its entries in the order of the wire. A client that appears twice counts with
/// its last clock, as yrs and Yjs read it.
pub fn walk_state_vector(bytes: &[u8], limits: &WireLimits, visit: impl FnMut(ClientId, u32)) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    let count = reader.count(limits.clients_max, ENTRY_BYTES_MIN)?;
    if count > u64::from(CROWD_MAX) {
        walk_many(&mut reader, count, visit)
    } else {
        walk_few(&mut reader, count, visit)
    }?;
    reader.end()
}

#[inline]
fn walk_few(reader: &mut Reader<'_>, count: u64, mut visit: impl FnMut(ClientId, u32)) -> Result<(), Malformed> {
    for _ in 0..count {
        let client = reader.client()?;
        visit(client, reader.clock()?);
    }
    Ok(())
}

/// Apart from its caller, because the counters make the stack frame expensive to enter.
#[inline(never)]
fn walk_many(reader: &mut Reader<'_>, count: u64, mut visit: impl FnMut(ClientId, u32)) -> Result<(), Malformed> {
    let mut crowds = Crowds::new();
    for _ in 0..count {
        let crowded = reader.malformed(MalformedKind::Clients);
        let client = reader.client()?;
        if !crowds.insert(client) {
            return Err(crowded);
        }
        visit(client, reader.clock()?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lib0::put_var_uint;

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

    #[test]
    fn clients_that_were_chosen_to_collide_are_refused() {
        let vector = |count: u64| {
            let mut out = Vec::new();
            put_var_uint(&mut out, count);
            for n in 0..count {
                put_var_uint(&mut out, n << 20);
                put_var_uint(&mut out, 1);
            }
            out
        };
        let walk =
            |bytes: &[u8]| walk_state_vector(bytes, &WireLimits::default(), |_, _| {}).map_err(|fault| fault.what);
        assert_eq!(walk(&vector(128)), Ok(()));
        assert_eq!(walk(&vector(20_000)), Err(MalformedKind::Clients));
    }
}
