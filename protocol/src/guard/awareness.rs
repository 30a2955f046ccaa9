//! Awareness messages: who is here. Peers echo the entries of other peers in bulk, so the structure can be scanned on
//! its own, and the JSON of an entry checked only once somebody wants it.

use super::{Malformed, MalformedKind};
use crate::{id::ClientId, json, lib0::Reader, limits::WireLimits};

/// A client, a clock and the length of a state.
const ENTRY_BYTES_MIN: usize = 3;

/// What one client announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AwarenessEntry<'a> {
    /// Whose state.
    pub client: ClientId,
    /// The client's own count of its announcements.
    pub clock: u32,
    /// JSON text; `null` means removed.
    pub state: &'a str,
}

/// Checks counts, lengths, sizes and UTF-8, and hands over every entry. The JSON of the states is **not** checked:
/// see [`json::validate`].
pub fn scan_awareness(
    bytes: &[u8],
    limits: &WireLimits,
    mut visit: impl FnMut(AwarenessEntry<'_>),
) -> Result<(), Malformed> {
    walk(bytes, limits, |entry, _| {
        visit(entry);
        Ok(())
    })
}

/// Like [`scan_awareness`], and checks the JSON of every state before it is handed over.
pub fn walk_awareness(
    bytes: &[u8],
    limits: &WireLimits,
    mut visit: impl FnMut(AwarenessEntry<'_>),
) -> Result<(), Malformed> {
    walk(bytes, limits, |entry, state_at| {
        json::validate(entry.state).map_err(|fault| fault.within(state_at))?;
        visit(entry);
        Ok(())
    })
}

/// Walks the entries; `visit` gets each with the offset of its state.
fn walk(
    bytes: &[u8],
    limits: &WireLimits,
    mut visit: impl FnMut(AwarenessEntry<'_>, usize) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    let entries = reader.count(limits.awareness_entries_max, ENTRY_BYTES_MIN)?;
    for _ in 0..entries {
        let client = reader.client()?;
        let clock_fault = reader.malformed(MalformedKind::Clock);
        let clock = u32::try_from(reader.var_uint()?).map_err(|_| clock_fault)?;
        let state = reader.bounded_str(limits.awareness_entry_bytes_max)?;
        visit(AwarenessEntry { client, clock, state }, reader.position() - state.len())?;
    }
    reader.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lib0::{put_var_str, put_var_uint};

    fn message(entries: &[(u64, u64, &str)]) -> Vec<u8> {
        let mut out = Vec::new();
        put_var_uint(&mut out, entries.len() as u64);
        for (client, clock, state) in entries {
            put_var_uint(&mut out, *client);
            put_var_uint(&mut out, *clock);
            put_var_str(&mut out, state);
        }
        out
    }

    #[track_caller]
    fn check(bytes: &[u8], scanned: Result<usize, MalformedKind>, walked: Result<usize, MalformedKind>) {
        let limits = WireLimits { awareness_entry_bytes_max: 8, awareness_entries_max: 3, ..WireLimits::default() };
        let mut entries = 0;
        let result = scan_awareness(bytes, &limits, |_| entries += 1);
        assert_eq!(result.map(|()| entries).map_err(|fault| fault.what), scanned);
        let mut entries = 0;
        let result = walk_awareness(bytes, &limits, |_| entries += 1);
        assert_eq!(result.map(|()| entries).map_err(|fault| fault.what), walked);
    }

    #[test]
    fn entries_are_handed_over() {
        let mut entries = Vec::new();
        let bytes = message(&[(7, 3, "{}"), (ClientId::MAX, u64::from(u32::MAX), "null")]);
        let result = walk_awareness(&bytes, &WireLimits::default(), |entry| {
            entries.push((entry.client.get(), entry.clock, entry.state.to_owned()));
        });
        assert_eq!(result, Ok(()));
        assert_eq!(entries, [(7, 3, "{}".to_owned()), (ClientId::MAX, u32::MAX, "null".to_owned())]);
    }

    #[test]
    fn only_the_walk_reads_the_json() {
        check(&message(&[(1, 1, "not json")]), Ok(1), Err(MalformedKind::Json));
        check(&message(&[(1, 1, "{}"), (2, 1, "")]), Ok(2), Err(MalformedKind::Json));
        check(&message(&[(1, 1, "{}"), (2, 1, "null")]), Ok(2), Ok(2));
        check(&message(&[]), Ok(0), Ok(0));
    }

    #[test]
    fn limits_are_kept() {
        let both = |bytes: &[u8], what| check(bytes, Err(what), Err(what));
        both(&message(&[(1, 1, "123456789")]), MalformedKind::TooLong);
        both(&message(&[(1, 1, "1"); 4]), MalformedKind::TooMany);
        both(&message(&[(1, 1 << 32, "1")]), MalformedKind::Clock);
        both(&message(&[(1 << 53, 1, "1")]), MalformedKind::Varint);
        both(&[1, 1, 1, 1, 0xff], MalformedKind::Utf8);
        both(&[0, 0], MalformedKind::Trailing);
        both(&[], MalformedKind::Truncated);
    }

    #[test]
    fn a_claimed_count_of_2_pow_32_is_refused_before_the_loop() {
        check(&[0x80, 0x80, 0x80, 0x80, 0x10, 1], Err(MalformedKind::Count), Err(MalformedKind::Count));
    }

    #[test]
    fn a_fault_in_the_json_is_located_in_the_message() {
        let bytes = message(&[(1, 1, "{}"), (2, 1, "[x]")]);
        let result = walk_awareness(&bytes, &WireLimits::default(), |_| {});
        assert_eq!(result, Err(Malformed { what: MalformedKind::Json, offset: bytes.len() - 2 }));
    }
}
