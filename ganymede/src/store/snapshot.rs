//! A snapshot as bytes: a single record. The same in a file and in an object; knows nothing of where it lies.

use std::path::Path;

use bytes::Bytes;
use orrery_protocol::{
    id::DocumentKey,
    record::{self, PayloadTooLarge, Record, RecordError, RecordKind, Stamp},
};

use super::error::Corruption;

/// The header of a record with the longest document name.
pub(super) const HEADER_BYTES_MAX: usize = 256;
/// Nothing is searched for in a snapshot, so its checksums need no secret start.
const SALT: u32 = 0;

pub(super) fn encode(key: &DocumentKey, stamp: &Stamp, state: &[u8]) -> Result<Vec<u8>, PayloadTooLarge> {
    let mut bytes = Vec::with_capacity(state.len() + HEADER_BYTES_MAX);
    record::encode(&mut bytes, SALT, stamp, key, state)?;
    Ok(bytes)
}

/// The whole record, checked from end to end. `path` is where the bytes came from.
pub(super) fn decode(path: &Path, bytes: &Bytes, key: &DocumentKey) -> Result<Record, Corruption> {
    let (record, len) = record::decode(bytes, SALT).map_err(|error| damaged(path, &error))?;
    belongs(path, &record.stamp, &record.key, key)?;
    if len != bytes.len() {
        let reason = "bytes follow the snapshot".to_owned();
        return Err(Corruption { path: path.to_owned(), offset: len as u64, reason });
    }
    Ok(record)
}

/// The sequence number that it covers, from its first [`HEADER_BYTES_MAX`] bytes.
pub(super) fn decode_seq(path: &Path, bytes: &[u8], key: &DocumentKey) -> Result<u64, Corruption> {
    let header = record::decode_header(bytes, SALT).map_err(|error| damaged(path, &error))?;
    belongs(path, &header.stamp, &header.key, key)?;
    Ok(header.stamp.seq)
}

fn damaged(path: &Path, error: &RecordError) -> Corruption {
    Corruption { path: path.to_owned(), offset: 0, reason: error.to_string() }
}

/// A file system that folds case, or an administrator who moves files, may put another document's snapshot here.
fn belongs(path: &Path, stamp: &Stamp, owner: &DocumentKey, key: &DocumentKey) -> Result<(), Corruption> {
    if stamp.kind == RecordKind::Snapshot && owner == key {
        return Ok(());
    }
    Err(Corruption { path: path.to_owned(), offset: 0, reason: format!("it is not the snapshot of {key}") })
}
