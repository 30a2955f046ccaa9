//! Records: how appended updates and snapshots lie on disk. Owns every byte of them; knows no file, no clock, no document.
//!
//! One record, integers little-endian:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | magic `ORRc` |
//! | 4 | 1 | version, now 1 |
//! | 5 | 1 | kind: 1 update, 2 snapshot; others are free for deletions to come |
//! | 6 | 1 | length of the document name, `n` |
//! | 7 | 1 | zero |
//! | 8 | 4 | length of the payload, `p` |
//! | 12 | 4 | position: bytes of the same write that lie before this record |
//! | 16 | 8 | epoch of the organization |
//! | 24 | 8 | sequence number within the document, from 1; of a snapshot, the last one it covers |
//! | 32 | 8 | time of writing, Unix milliseconds |
//! | 40 | 16 | organization |
//! | 56 | 16 | project |
//! | 72 | n | document name as in URLs |
//! | 72 + n | 4 | CRC-32 of all before it |
//! | 76 + n | p | payload, raw Yjs bytes |
//! | 76 + n + p | 4 | CRC-32 of all before it |
//!
//! The first checksum lets a reader believe the length before it reads the payload. Both start from the *salt* of the file
//! that holds the record: payloads come from peers, and a peer that embeds the bytes of a record in an update must
//! not be able to make a reader who searches a damaged file take them for one.

pub mod segment;
pub mod stream;

use std::io::Write as _;

use bytes::Bytes;
use crc32fast::Hasher;
use uuid::Uuid;

use crate::id::{DocumentKey, DocumentName, OrgId, ProjectId};

/// First bytes of every record.
pub const MAGIC: [u8; 4] = *b"ORRc";
/// The version this build writes, and the only one it reads.
pub const VERSION: u8 = 1;
/// Largest payload of one record, in bytes.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 30;

const FIXED_BYTES: usize = 72;
const CHECKSUM_BYTES: usize = 4;
const NAME_BYTES_MAX: usize = 124;
/// Most bytes of one record beside its payload.
pub const OVERHEAD_BYTES_MAX: usize = FIXED_BYTES + NAME_BYTES_MAX + 2 * CHECKSUM_BYTES;

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// One accepted update of a document.
    Update,
    /// The whole state of a document after the update of the same sequence number.
    Snapshot,
}

impl RecordKind {
    const fn code(self) -> u8 {
        match self {
            Self::Update => 1,
            Self::Snapshot => 2,
        }
    }

    const fn from_code(code: u8) -> Result<Self, RecordError> {
        match code {
            1 => Ok(Self::Update),
            2 => Ok(Self::Snapshot),
            _ => Err(RecordError::UnknownKind(code)),
        }
    }
}

/// The numbers of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// What the payload is.
    pub kind: RecordKind,
    /// Bytes of the same write that lie before this record.
    pub position: u32,
    /// Epoch of the organization when the record was appended.
    pub epoch: u64,
    /// Sequence number within the document, starting at 1.
    pub seq: u64,
    /// When it was written, in Unix milliseconds.
    pub time_ms: u64,
}

/// A record without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The numbers.
    pub stamp: Stamp,
    /// Whose document it belongs to.
    pub key: DocumentKey,
    /// Where the payload begins, in bytes from the start of the record.
    pub payload_offset: usize,
    /// Length of the payload, in bytes. Believable: the header's checksum covers it.
    pub payload_len: usize,
}

impl Header {
    /// Length of the whole record, in bytes.
    pub const fn record_len(&self) -> usize {
        self.payload_offset + self.payload_len + CHECKSUM_BYTES
    }
}

/// A whole record. The payload shares the memory it was decoded from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The numbers.
    pub stamp: Stamp,
    /// Whose document it belongs to.
    pub key: DocumentKey,
    /// Raw Yjs bytes.
    pub payload: Bytes,
}

/// What a store holds of one document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredDocument {
    /// The newest snapshot.
    pub snapshot: Option<Bytes>,
    /// The updates after the snapshot, in order.
    pub updates: Vec<Bytes>,
    /// Sequence number of the last update, whether it lies in the snapshot or in `updates`; 0 for an unknown document.
    pub last_seq: u64,
}

impl StoredDocument {
    /// What it holds, in bytes.
    pub fn bytes(&self) -> usize {
        self.snapshot.iter().chain(&self.updates).map(Bytes::len).sum()
    }
}

/// A payload that no record may hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a payload of {bytes} bytes exceeds the {PAYLOAD_BYTES_MAX} of a record")]
pub struct PayloadTooLarge {
    /// Its size.
    pub bytes: usize,
}

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The bytes end before the record does.
    #[error("the record needs {needed} bytes, {given} are left")]
    Truncated {
        /// Bytes needed, as far as known.
        needed: usize,
        /// Bytes given.
        given: usize,
    },
    /// It does not begin like a record.
    #[error("not the magic bytes of a record")]
    BadMagic,
    /// Written by another version of the format.
    #[error("version {0} of the record format is not known")]
    UnknownVersion(u8),
    /// The header is not what was written.
    #[error("the checksum of the record's header does not match")]
    BadHeaderChecksum,
    /// A kind this build does not know.
    #[error("kind {0} of record is not known")]
    UnknownKind(u8),
    /// A name outside the closed alphabet, or a reserved byte that is not zero.
    #[error("the record's header holds a value that is never written")]
    BadHeader,
    /// More than a record may hold.
    #[error(transparent)]
    TooLarge(#[from] PayloadTooLarge),
    /// The payload is not what was written.
    #[error("the checksum of the record does not match")]
    BadChecksum,
}

/// Most bytes that records of `updates` take.
pub fn records_bytes_max(updates: &[Bytes]) -> usize {
    updates.iter().map(|update| update.len() + OVERHEAD_BYTES_MAX).sum()
}

/// Appends one record to `out`; on an error `out` is unchanged.
pub fn encode(
    out: &mut Vec<u8>,
    salt: u32,
    stamp: &Stamp,
    key: &DocumentKey,
    payload: &[u8],
) -> Result<(), PayloadTooLarge> {
    let too_large = PayloadTooLarge { bytes: payload.len() };
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(too_large);
    }
    let payload_len = u32::try_from(payload.len()).map_err(|_| too_large)?;
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&[VERSION, stamp.kind.code(), 0, 0]);
    out.extend_from_slice(&payload_len.to_le_bytes());
    out.extend_from_slice(&stamp.position.to_le_bytes());
    out.extend_from_slice(&stamp.epoch.to_le_bytes());
    out.extend_from_slice(&stamp.seq.to_le_bytes());
    out.extend_from_slice(&stamp.time_ms.to_le_bytes());
    out.extend_from_slice(key.org.0.as_bytes());
    out.extend_from_slice(key.project.0.as_bytes());
    write!(out, "{}", key.document).expect("writing to memory cannot fail");
    let name_len = out.len() - start - FIXED_BYTES;
    out[start + 6] = u8::try_from(name_len).expect("document names are at most 124 bytes");
    let mut hasher = Hasher::new_with_initial(salt);
    hasher.update(&out[start..]);
    out.extend_from_slice(&hasher.clone().finalize().to_le_bytes());
    let checked = out.len() - CHECKSUM_BYTES;
    out.extend_from_slice(payload);
    hasher.update(&out[checked..]);
    out.extend_from_slice(&hasher.finalize().to_le_bytes());
    Ok(())
}

/// Reads the header at the start of `bytes`, which may end anywhere after it. Checks the header's checksum only.
pub fn decode_header(bytes: &[u8], salt: u32) -> Result<Header, RecordError> {
    let mut reader = Reader { bytes, at: 0 };
    if reader.array::<4>()? != MAGIC {
        return Err(RecordError::BadMagic);
    }
    let [version, kind, name_len, zero] = reader.array()?;
    if version != VERSION {
        return Err(RecordError::UnknownVersion(version));
    }
    let payload_len = u32::from_le_bytes(reader.array()?) as usize;
    let position = u32::from_le_bytes(reader.array()?);
    let epoch = u64::from_le_bytes(reader.array()?);
    let seq = u64::from_le_bytes(reader.array()?);
    let time_ms = u64::from_le_bytes(reader.array()?);
    let org = OrgId(Uuid::from_bytes(reader.array()?));
    let project = ProjectId(Uuid::from_bytes(reader.array()?));
    let name = reader.slice(usize::from(name_len))?;
    let expected = checksum(salt, &bytes[..reader.at]);
    if u32::from_le_bytes(reader.array()?) != expected {
        return Err(RecordError::BadHeaderChecksum);
    }
    let kind = RecordKind::from_code(kind)?;
    let document: DocumentName =
        std::str::from_utf8(name).ok().and_then(|name| name.parse().ok()).ok_or(RecordError::BadHeader)?;
    if zero != 0 {
        return Err(RecordError::BadHeader);
    }
    if payload_len > PAYLOAD_BYTES_MAX {
        return Err(PayloadTooLarge { bytes: payload_len }.into());
    }
    Ok(Header {
        stamp: Stamp { kind, position, epoch, seq, time_ms },
        key: DocumentKey { org, project, document },
        payload_offset: reader.at,
        payload_len,
    })
}

/// Checks the whole record at the start of `bytes`, which may go on after it.
pub fn check(bytes: &[u8], salt: u32) -> Result<Header, RecordError> {
    let header = decode_header(bytes, salt)?;
    let needed = header.record_len();
    let Some(record) = bytes.get(..needed) else {
        return Err(RecordError::Truncated { needed, given: bytes.len() });
    };
    let (body, sum) = record.split_at(needed - CHECKSUM_BYTES);
    if checksum(salt, body).to_le_bytes() == sum { Ok(header) } else { Err(RecordError::BadChecksum) }
}

/// Decodes the record at the start of `bytes` and says how many bytes it takes. Nothing is copied or allocated by a length
/// that the bytes merely claim.
pub fn decode(bytes: &Bytes, salt: u32) -> Result<(Record, usize), RecordError> {
    let header = check(bytes, salt)?;
    let record_len = header.record_len();
    let payload = bytes.slice(header.payload_offset..header.payload_offset + header.payload_len);
    Ok((Record { stamp: header.stamp, key: header.key, payload }, record_len))
}

fn checksum(salt: u32, bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new_with_initial(salt);
    hasher.update(bytes);
    hasher.finalize()
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn slice(&mut self, len: usize) -> Result<&'a [u8], RecordError> {
        let end = self.at.saturating_add(len);
        let slice =
            self.bytes.get(self.at..end).ok_or(RecordError::Truncated { needed: end, given: self.bytes.len() })?;
        self.at = end;
        Ok(slice)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let mut array = [0; N];
        array.copy_from_slice(self.slice(N)?);
        Ok(array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(payload: &[u8]) -> Vec<u8> {
        let key = DocumentKey {
            org: OrgId(Uuid::from_u128(1)),
            project: ProjectId(Uuid::from_u128(2)),
            document: DocumentName::Named("main.rs".to_owned()),
        };
        let stamp = Stamp { kind: RecordKind::Update, position: 7, epoch: 3, seq: 42, time_ms: 1_700_000_000_000 };
        let mut out = Vec::new();
        encode(&mut out, 9, &stamp, &key, payload).unwrap();
        out
    }

    #[test]
    fn every_shorter_prefix_is_truncated() {
        let bytes = sample(b"payload");
        for end in 0..bytes.len() {
            assert!(matches!(check(&bytes[..end], 9), Err(RecordError::Truncated { .. })), "{end}");
        }
        assert!(check(&bytes, 9).is_ok());
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = sample(b"payload");
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&bytes, 9).is_err(), "{bit}");
        }
    }

    #[test]
    fn another_salt_is_another_file() {
        assert_eq!(check(&sample(b"payload"), 10), Err(RecordError::BadHeaderChecksum));
    }

    /// A peer may claim anything; a header that passes its checksum and claims more than a record may hold is refused too.
    #[test]
    fn a_claimed_length_is_refused_before_it_is_believed() {
        let mut bytes = sample(b"");
        bytes[8..12].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(check(&bytes, 9), Err(RecordError::BadHeaderChecksum));
        let end = bytes.len() - 2 * CHECKSUM_BYTES;
        let sum = checksum(9, &bytes[..end]);
        bytes[end..end + 4].copy_from_slice(&sum.to_le_bytes());
        let bytes_claimed = u32::MAX as usize;
        assert_eq!(check(&bytes, 9), Err(RecordError::TooLarge(PayloadTooLarge { bytes: bytes_claimed })));
        bytes[8..12].copy_from_slice(&(1u32 << 30).to_le_bytes());
        let sum = checksum(9, &bytes[..end]);
        bytes[end..end + 4].copy_from_slice(&sum.to_le_bytes());
        assert!(matches!(check(&bytes, 9), Err(RecordError::Truncated { needed, .. }) if needed > 1 << 30));
    }
}
