//! The header of a journal segment. Owns its bytes; knows nothing of the records that follow it.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 4 | magic `ORRs` |
//! | 4 | 1 | version of the segment and of the records in it, now 1 |
//! | 5 | 1 | 1 if the segment was emptied: all its records were covered, only the header is kept; else 0 |
//! | 6 | 2 | zero |
//! | 8 | 8 | number of the segment, from 1 |
//! | 16 | 8 | length of the segment before it; what lies beyond was never acknowledged |
//! | 24 | 4 | salt of the checksums of its records |
//! | 28 | 4 | number of fences, `n` |
//! | 32 | 24 n | fences: organization (16), its newest epoch so far (8) |
//! | 32 + 24 n | 4 | CRC-32 of all before it |
//!
//! Fences repeat what older segments said, so that an epoch outlives the segments in which it was used.

use uuid::Uuid;

use super::{Reader, RecordError, VERSION, checksum};
use crate::id::OrgId;

/// First bytes of every segment.
pub const MAGIC: [u8; 4] = *b"ORRs";

const FENCE_BYTES: usize = 24;

/// What a segment says of itself and of those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Its number, from 1, without gaps.
    pub number: u64,
    /// Its records were covered by snapshots and are gone, whatever its successor says of its length.
    pub emptied: bool,
    /// Durable length of the segment before it, in bytes.
    pub previous_len: u64,
    /// Where the checksums of its records start from.
    pub salt: u32,
    /// Newest epoch of each organization seen so far.
    pub fences: Vec<(OrgId, u64)>,
}

impl SegmentHeader {
    /// The header's bytes.
    ///
    /// # Panics
    /// With more than `u32::MAX` fences, which no memory holds.
    pub fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.fences.len()).expect("fewer organizations than 2^32");
        let mut out = Vec::with_capacity(36 + self.fences.len() * FENCE_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, u8::from(self.emptied), 0, 0]);
        out.extend_from_slice(&self.number.to_le_bytes());
        out.extend_from_slice(&self.previous_len.to_le_bytes());
        out.extend_from_slice(&self.salt.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        for (org, epoch) in &self.fences {
            out.extend_from_slice(org.0.as_bytes());
            out.extend_from_slice(&epoch.to_le_bytes());
        }
        let sum = checksum(0, &out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// Reads the header at the start of `bytes` and says how many bytes it takes.
    pub fn decode(bytes: &[u8]) -> Result<(Self, usize), RecordError> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.array::<4>()? != MAGIC {
            return Err(RecordError::BadMagic);
        }
        let [version, emptied, zeros @ ..] = reader.array::<4>()?;
        if version != VERSION {
            return Err(RecordError::UnknownVersion(version));
        }
        let number = u64::from_le_bytes(reader.array()?);
        let previous_len = u64::from_le_bytes(reader.array()?);
        let salt = u32::from_le_bytes(reader.array()?);
        let count = u32::from_le_bytes(reader.array()?) as usize;
        // Taken as one slice first: the count is believed only as far as there are bytes for it.
        let fences = reader.slice(count.saturating_mul(FENCE_BYTES))?;
        let expected = checksum(0, &bytes[..reader.at]);
        if u32::from_le_bytes(reader.array()?) != expected {
            return Err(RecordError::BadHeaderChecksum);
        }
        if emptied > 1 || zeros != [0; 2] || number == 0 {
            return Err(RecordError::BadHeader);
        }
        let mut parsed = Vec::with_capacity(count);
        let mut fences = Reader { bytes: fences, at: 0 };
        for _ in 0..count {
            let org = OrgId(Uuid::from_bytes(fences.array()?));
            parsed.push((org, u64::from_le_bytes(fences.array()?)));
        }
        Ok((Self { number, emptied: emptied == 1, previous_len, salt, fences: parsed }, reader.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> SegmentHeader {
        let fences = vec![(OrgId(Uuid::from_u128(1)), 4), (OrgId(Uuid::from_u128(2)), 9)];
        SegmentHeader { number: 3, emptied: false, previous_len: 1234, salt: 77, fences }
    }

    #[test]
    fn a_header_comes_back() {
        let mut bytes = sample().encode();
        let len = bytes.len();
        bytes.extend_from_slice(b"records");
        assert_eq!(SegmentHeader::decode(&bytes), Ok((sample(), len)));
    }

    #[test]
    fn every_prefix_and_every_flipped_bit_is_refused() {
        let bytes = sample().encode();
        for end in 0..bytes.len() {
            assert!(SegmentHeader::decode(&bytes[..end]).is_err(), "{end}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&bytes).is_err(), "{bit}");
        }
    }

    #[test]
    fn a_claimed_count_of_fences_allocates_nothing() {
        let mut bytes = sample().encode();
        bytes[28..32].copy_from_slice(&u32::MAX.to_le_bytes());
        assert!(matches!(SegmentHeader::decode(&bytes), Err(RecordError::Truncated { .. })));
    }
}
