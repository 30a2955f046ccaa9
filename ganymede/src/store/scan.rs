//! Reads a segment from end to end and tells a torn tail from damage. Owns that judgement and nothing else; changes no file.
//!
//! Every commit is one write followed by one fsync, and the next write begins only when the fsync has succeeded. So only
//! bytes of the *last* write can be missing after a crash, and nobody was told that they are durable. A process that
//! was killed leaves a prefix of that write. A machine that lost power leaves any of its sectors unwritten, which then read
//! as zeros, and may leave later ones written. From this follows, for the first bad record at `X`:
//!
//! - Nothing valid after it: **torn**. Cut at `X`.
//! - A valid record after it that belongs to a *later* write (records carry their position within their write):
//!   **damaged**, for that write began after an fsync that covered `X`.
//! - Only valid records of the same write after it: **torn** if a whole sector of zeros lies between, **damaged** if not.
//! - In any segment but the last, up to the length that its successor says it had: **damaged**.
//!
//! What this cannot tell apart is damage to the very last record, which looks like a write that did not finish.

use orrery_protocol::record::{self, Header, RecordKind};

/// The unit in which a disk writes or does not write.
const SECTOR_BYTES: usize = 512;

/// What the end of a segment looks like.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    Clean,
    /// The last write was not finished; it begins to be bad here.
    Torn {
        offset: usize,
        reason: String,
    },
    Damaged {
        offset: usize,
        reason: String,
    },
}

/// Visits every valid record with its offset, from `start` up to the first that is not.
pub(super) fn scan(bytes: &[u8], start: usize, salt: u32, last: bool, mut visit: impl FnMut(usize, Header)) -> End {
    let mut offset = start;
    while offset < bytes.len() {
        let reason = match record::check(&bytes[offset..], salt) {
            Ok(header) if header.stamp.kind == RecordKind::Update => {
                let record_len = header.record_len();
                visit(offset, header);
                offset += record_len;
                continue;
            }
            Ok(_) => return End::Damaged { offset, reason: "a snapshot among updates".to_owned() },
            Err(error) => error.to_string(),
        };
        return if last { judge(bytes, offset, salt, reason) } else { End::Damaged { offset, reason } };
    }
    End::Clean
}

fn judge(bytes: &[u8], bad: usize, salt: u32, reason: String) -> End {
    let mut first_valid = None;
    let mut at = bad + 1;
    while let Some(found) = find_magic(bytes, at) {
        at = found + 1;
        let Ok(header) = record::check(&bytes[found..], salt) else { continue };
        at = found + header.record_len();
        first_valid.get_or_insert(found);
        if found.saturating_sub(header.stamp.position as usize) > bad {
            return End::Damaged { offset: bad, reason: format!("{reason}; a later write at byte {found} is whole") };
        }
    }
    match first_valid {
        Some(valid) if !has_unwritten_sector(bytes, bad, valid) => {
            End::Damaged { offset: bad, reason: format!("{reason}; the record at byte {valid} is whole") }
        }
        Some(_) | None => End::Torn { offset: bad, reason },
    }
}

fn find_magic(bytes: &[u8], from: usize) -> Option<usize> {
    let found = bytes.get(from..)?.windows(record::MAGIC.len()).position(|window| window == record::MAGIC)?;
    Some(from + found)
}

/// Also the rest of the sector in which the write began: its first part was on disk before.
fn has_unwritten_sector(bytes: &[u8], from: usize, to: usize) -> bool {
    let mut start = from;
    loop {
        let end = (start + 1).next_multiple_of(SECTOR_BYTES);
        if end > to {
            return false;
        }
        if bytes[start..end].iter().all(|byte| *byte == 0) {
            return true;
        }
        start = end;
    }
}

#[cfg(test)]
mod tests {
    use orrery_protocol::{
        id::{DocumentKey, DocumentName, OrgId, ProjectId},
        record::Stamp,
    };
    use uuid::Uuid;

    use super::*;

    const SALT: u32 = 5;
    const START: usize = 36;

    /// A segment of writes, each given as the payloads of its records; and where each record begins.
    fn segment(writes: &[&[&[u8]]]) -> (Vec<u8>, Vec<usize>) {
        let key =
            DocumentKey { org: OrgId(Uuid::nil()), project: ProjectId(Uuid::nil()), document: DocumentName::Board };
        let mut bytes = vec![1; START];
        let mut offsets = Vec::new();
        for write in writes {
            let write_start = bytes.len();
            for payload in *write {
                let position = (bytes.len() - write_start) as u32;
                let seq = offsets.len() as u64 + 1;
                let stamp = Stamp { kind: RecordKind::Update, position, epoch: 1, seq, time_ms: 0 };
                offsets.push(bytes.len());
                record::encode(&mut bytes, SALT, &stamp, &key, payload).unwrap();
            }
        }
        (bytes, offsets)
    }

    fn check(bytes: &[u8], last: bool) -> (usize, End) {
        let mut records = 0;
        let end = scan(bytes, START, SALT, last, |_, _| records += 1);
        (records, end)
    }

    #[test]
    fn a_tail_cut_at_any_byte_is_torn() {
        let (bytes, offsets) = segment(&[&[b"one"], &[b"two", b"three"]]);
        for end in offsets[2] + 1..bytes.len() {
            let (records, outcome) = check(&bytes[..end], true);
            assert_eq!(records, 2, "{end}");
            assert!(matches!(outcome, End::Torn { offset, .. } if offset == offsets[2]), "{end}: {outcome:?}");
        }
        assert_eq!(check(&bytes[..offsets[2]], true), (2, End::Clean));
        assert_eq!(check(&bytes, true), (3, End::Clean));
    }

    #[test]
    fn a_tail_of_zeros_is_torn() {
        let (mut bytes, offsets) = segment(&[&[b"one"], &[b"two"]]);
        let end = bytes.len();
        bytes[offsets[1] + 9..end].fill(0);
        bytes.resize(end + 4096, 0);
        assert!(matches!(check(&bytes, true), (1, End::Torn { offset, .. }) if offset == offsets[1]));
    }

    #[test]
    fn a_bit_flipped_anywhere_before_the_last_record_is_damage() {
        let (bytes, offsets) = segment(&[&[b"one"], &[b"two", b"three"], &[b"four"]]);
        for at in START..offsets[3] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            let owner = offsets.iter().rposition(|offset| *offset <= at).unwrap();
            let (records, outcome) = check(&bytes, true);
            assert_eq!(records, owner, "{at}");
            assert!(matches!(outcome, End::Damaged { offset, .. } if offset == offsets[owner]), "{at}: {outcome:?}");
        }
    }

    #[test]
    fn a_bit_flipped_within_the_last_write_is_damage_unless_it_is_the_last_record() {
        let (mut bytes, offsets) = segment(&[&[b"one"], &[b"two", b"three"]]);
        bytes[offsets[1] + 80] ^= 4;
        assert!(matches!(check(&bytes, true), (1, End::Damaged { offset, .. }) if offset == offsets[1]));
        bytes[offsets[1] + 80] ^= 4;
        bytes[offsets[2] + 80] ^= 4;
        assert!(matches!(check(&bytes, true), (2, End::Torn { offset, .. }) if offset == offsets[2]));
        assert!(matches!(check(&bytes, false), (2, End::Damaged { offset, .. }) if offset == offsets[2]));
    }

    #[test]
    fn a_sector_the_disk_did_not_write_is_torn_in_the_last_write_and_damage_before_it() {
        let big = [7; 2000];
        let (mut bytes, offsets) = segment(&[&[b"one"], &[&big, b"three"]]);
        bytes[1024..1536].fill(0);
        assert!(matches!(check(&bytes, true), (1, End::Torn { offset, .. }) if offset == offsets[1]));
        let (mut bytes, offsets) = segment(&[&[b"one"], &[&big, b"three"], &[b"four"]]);
        bytes[1024..1536].fill(0);
        assert!(matches!(check(&bytes, true), (1, End::Damaged { offset, .. }) if offset == offsets[1]));
    }

    #[test]
    fn the_unwritten_rest_of_a_sector_is_torn() {
        let big = [7; 2000];
        let (mut bytes, offsets) = segment(&[&[b"one"], &[b"two", &big, b"three"]]);
        bytes[offsets[1]..512].fill(0);
        assert!(matches!(check(&bytes, true), (1, End::Torn { offset, .. }) if offset == offsets[1]));
    }

    /// Payloads come from peers: a record inside a torn one must not make the store refuse to start.
    #[test]
    fn a_record_embedded_by_a_peer_is_not_believed() {
        let (inner, _) = segment(&[&[b"one"]]);
        let with_other_salt = {
            let mut forged = Vec::new();
            let header = record::check(&inner[START..], SALT).unwrap();
            record::encode(&mut forged, SALT + 1, &header.stamp, &header.key, b"forged").unwrap();
            forged.extend_from_slice(b"and more");
            forged
        };
        let (bytes, offsets) = segment(&[&[b"one"], &[&with_other_salt]]);
        let outcome = check(&bytes[..bytes.len() - 1], true);
        assert!(matches!(outcome, (1, End::Torn { offset, .. }) if offset == offsets[1]), "{outcome:?}");
    }
}
