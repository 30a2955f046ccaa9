//! Records on their way between Ganymede and a gateway: the bodies of append, push and pull are records one after another,
//! and nothing else. Knows no HTTP.
//!
//! Of a document, a body holds at most one snapshot, before its updates; the updates follow each other without a gap.

use std::collections::BTreeMap;

use bytes::{Buf as _, Bytes, BytesMut};

use super::{PayloadTooLarge, Record, RecordError, RecordKind, Stamp, StoredDocument, decode, decode_header, encode};
use crate::id::{DocumentKey, Epoch};

/// Salt of the checksums. Nobody searches a body for records, so that it need not be a secret.
pub const SALT: u32 = 0;

/// Appends updates to a body; the first has the sequence number `first_seq`, the others follow. On an error `out` ends with
/// the last update that fitted.
///
/// # Errors
/// An update is larger than a record may be.
pub fn put_updates(
    out: &mut Vec<u8>,
    epoch: Epoch,
    key: &DocumentKey,
    first_seq: u64,
    updates: &[Bytes],
) -> Result<(), PayloadTooLarge> {
    for (seq, update) in (first_seq..).zip(updates) {
        let stamp = Stamp { kind: RecordKind::Update, position: 0, epoch: epoch.0, seq, time_ms: 0 };
        encode(out, SALT, &stamp, key, update)?;
    }
    Ok(())
}

/// Appends a snapshot that covers all updates up to `covers_seq` to a body; on an error `out` is unchanged.
///
/// # Errors
/// The snapshot is larger than a record may be.
pub fn put_snapshot(
    out: &mut Vec<u8>,
    epoch: Epoch,
    key: &DocumentKey,
    covers_seq: u64,
    state: &[u8],
) -> Result<(), PayloadTooLarge> {
    let stamp = Stamp { kind: RecordKind::Snapshot, position: 0, epoch: epoch.0, seq: covers_seq, time_ms: 0 };
    encode(out, SALT, &stamp, key, state)
}

/// Appends everything stored of a document to a body. Of a document that is not known, that is nothing.
///
/// # Errors
/// A part of it is larger than a record may be.
pub fn put_document(
    out: &mut Vec<u8>,
    epoch: Epoch,
    key: &DocumentKey,
    stored: &StoredDocument,
) -> Result<(), PayloadTooLarge> {
    let covers_seq = stored.last_seq - stored.updates.len() as u64;
    if let Some(snapshot) = &stored.snapshot {
        put_snapshot(out, epoch, key, covers_seq, snapshot)?;
    }
    put_updates(out, epoch, key, covers_seq + 1, &stored.updates)
}

/// Why a body is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("record {record}, at byte {position}: {reason}")]
pub struct StreamError {
    /// Which record, counted from 1.
    pub record: u64,
    /// Where it begins in the body, in bytes.
    pub position: u64,
    /// What is wrong with it.
    pub reason: StreamFault,
}

/// What is wrong with one record of a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamFault {
    /// Not a record.
    #[error(transparent)]
    NotARecord(#[from] RecordError),
    /// Larger than the reader takes.
    #[error("a record of {bytes} bytes, more than the {max} that are taken")]
    TooLarge {
        /// Its length.
        bytes: usize,
        /// The longest that is taken.
        max: usize,
    },
    /// A snapshot after updates of its document, or updates with a gap.
    #[error("sequence {given} of {key} where {expected} follows")]
    OutOfOrder {
        /// The document.
        key: Box<DocumentKey>,
        /// Its sequence number.
        given: u64,
        /// The one that follows; 0 where no snapshot may follow.
        expected: u64,
    },
}

/// Takes a body apart as it arrives. Holds at most one record and what has arrived after it.
#[derive(Debug)]
pub struct RecordReader {
    buffer: BytesMut,
    record_bytes_max: usize,
    records: u64,
    position: u64,
}

impl RecordReader {
    /// For records of at most `record_bytes_max` bytes, header included.
    pub fn new(record_bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), record_bytes_max, records: 0, position: 0 }
    }

    /// The next bytes of the body have arrived. Take all records out before the next call.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next record, if all of it has arrived. Its payload shares the memory of what was fed.
    ///
    /// # Errors
    /// What follows is not a record. Nothing after it can be read.
    pub fn next_record(&mut self) -> Result<Option<Record>, StreamError> {
        let bytes = match decode_header(&self.buffer, SALT) {
            Ok(header) => header.record_len(),
            Err(RecordError::Truncated { .. }) => return Ok(None),
            Err(error) => return Err(self.error(error.into())),
        };
        if bytes > self.record_bytes_max {
            return Err(self.error(StreamFault::TooLarge { bytes, max: self.record_bytes_max }));
        }
        if self.buffer.remaining() < bytes {
            return Ok(None);
        }
        let whole = self.buffer.split_to(bytes).freeze();
        let (record, _) = decode(&whole, SALT).map_err(|error| self.error(error.into()))?;
        self.records += 1;
        self.position += bytes as u64;
        Ok(Some(record))
    }

    /// The body is over: it must end where a record ends.
    ///
    /// # Errors
    /// The last record is not whole.
    pub fn finish(self) -> Result<(), StreamError> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let needed = match decode_header(&self.buffer, SALT) {
            Ok(header) => header.record_len(),
            Err(RecordError::Truncated { needed, .. }) => needed,
            Err(error) => return Err(self.error(error.into())),
        };
        Err(self.error(RecordError::Truncated { needed, given: self.buffer.len() }.into()))
    }

    fn error(&self, reason: StreamFault) -> StreamError {
        StreamError { record: self.records + 1, position: self.position, reason }
    }
}

/// What a body says of each document, put together record by record.
#[derive(Debug, Default)]
pub struct Documents {
    documents: BTreeMap<DocumentKey, StoredDocument>,
}

impl Documents {
    /// Adds what `record` says.
    ///
    /// # Errors
    /// It does not follow what was said of its document before.
    pub fn add(&mut self, record: Record) -> Result<(), StreamFault> {
        let Record { stamp, key, payload } = record;
        let document = self.documents.entry(key.clone()).or_default();
        let begins = document.snapshot.is_none() && document.updates.is_empty();
        let expected = match stamp.kind {
            RecordKind::Snapshot if begins => {
                document.snapshot = Some(payload);
                document.last_seq = stamp.seq;
                return Ok(());
            }
            RecordKind::Update if stamp.seq == document.last_seq + 1 => {
                document.updates.push(payload);
                document.last_seq = stamp.seq;
                return Ok(());
            }
            RecordKind::Snapshot => 0,
            RecordKind::Update => document.last_seq + 1,
        };
        Err(StreamFault::OutOfOrder { key: Box::new(key), given: stamp.seq, expected })
    }

    /// Everything, by document.
    pub fn into_inner(self) -> BTreeMap<DocumentKey, StoredDocument> {
        self.documents
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::{DocumentName, OrgId, ProjectId};

    const EPOCH: Epoch = Epoch(3);

    fn key(name: &str) -> DocumentKey {
        let document = DocumentName::Named(name.to_owned());
        DocumentKey { org: OrgId(Uuid::from_u128(1)), project: ProjectId(Uuid::from_u128(2)), document }
    }

    fn stored(snapshot: Option<&'static [u8]>, updates: &[&'static [u8]], last_seq: u64) -> StoredDocument {
        let updates = updates.iter().map(|update| Bytes::from_static(update)).collect();
        StoredDocument { snapshot: snapshot.map(Bytes::from_static), updates, last_seq }
    }

    /// Reads `body` as it would arrive in pieces of `piece` bytes.
    fn read(body: &[u8], piece: usize) -> Result<BTreeMap<DocumentKey, StoredDocument>, StreamError> {
        let mut reader = RecordReader::new(1 << 20);
        let mut documents = Documents::default();
        for bytes in body.chunks(piece) {
            reader.feed(bytes);
            while let Some(record) = reader.next_record()? {
                assert_eq!(record.stamp.epoch, EPOCH.0);
                documents.add(record).unwrap();
            }
        }
        reader.finish()?;
        Ok(documents.into_inner())
    }

    #[test]
    fn documents_survive_the_way_in_pieces_of_any_size() {
        let expect = BTreeMap::from([
            (key("both"), stored(Some(b"state"), &[b"one", b"two"], 9)),
            (key("snapshot"), stored(Some(b"state"), &[], 7)),
            (key("updates"), stored(None, &[b"one", b"", b"three"], 3)),
        ]);
        let mut body = Vec::new();
        for (key, stored) in &expect {
            put_document(&mut body, EPOCH, key, stored).unwrap();
        }
        put_document(&mut body, EPOCH, &key("unknown"), &StoredDocument::default()).unwrap();
        for piece in [1, 7, 100, body.len()] {
            assert_eq!(read(&body, piece).as_ref(), Ok(&expect), "{piece}");
        }
        assert_eq!(read(&[], 1), Ok(BTreeMap::new()));
    }

    #[test]
    fn an_error_names_the_record_and_where_it_begins() {
        let mut body = Vec::new();
        put_updates(&mut body, EPOCH, &key("a"), 1, &[Bytes::from_static(b"one")]).unwrap();
        let first = body.len();
        put_updates(&mut body, EPOCH, &key("a"), 2, &[Bytes::from_static(b"two")]).unwrap();
        let error = |bytes: &[u8]| {
            let error = read(bytes, 64).unwrap_err();
            assert_eq!((error.record, error.position), (2, first as u64), "{error}");
            error.reason
        };
        let mut damaged = body.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert_eq!(error(&damaged), StreamFault::NotARecord(RecordError::BadChecksum));
        let mut other = body.clone();
        other[first] ^= 1;
        assert_eq!(error(&other), StreamFault::NotARecord(RecordError::BadMagic));
        for end in first + 1..body.len() {
            assert!(matches!(error(&body[..end]), StreamFault::NotARecord(RecordError::Truncated { .. })), "{end}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let mut body = Vec::new();
        put_document(&mut body, EPOCH, &key("a"), &stored(Some(b"state"), &[b"one"], 2)).unwrap();
        for bit in 0..body.len() * 8 {
            let mut body = body.clone();
            body[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&body, 50).is_err(), "{bit}");
        }
    }

    #[test]
    fn a_record_above_the_limit_is_refused_as_soon_as_its_header_is_there() {
        let mut body = Vec::new();
        put_snapshot(&mut body, EPOCH, &key("a"), 1, &[0; 5000]).unwrap();
        let mut reader = RecordReader::new(4096);
        reader.feed(&body[..100]);
        let error = reader.next_record().unwrap_err();
        assert_eq!(error.reason, StreamFault::TooLarge { bytes: body.len(), max: 4096 });
    }

    #[test]
    fn what_does_not_follow_is_refused() {
        let record = |kind, seq| Record {
            stamp: Stamp { kind, position: 0, epoch: 3, seq, time_ms: 0 },
            key: key("a"),
            payload: Bytes::from_static(b"x"),
        };
        let check = |records: &[(RecordKind, u64)], expect: Option<(u64, u64)>| {
            let mut documents = Documents::default();
            let mut refused = None;
            for &(kind, seq) in records {
                if let Err(StreamFault::OutOfOrder { given, expected, .. }) = documents.add(record(kind, seq)) {
                    refused.get_or_insert((given, expected));
                }
            }
            assert_eq!(refused, expect, "{records:?}");
        };
        let (update, snapshot) = (RecordKind::Update, RecordKind::Snapshot);
        check(&[(snapshot, 5), (update, 6), (update, 7)], None);
        check(&[(update, 1), (update, 2)], None);
        check(&[(update, 2)], Some((2, 1)));
        check(&[(update, 1), (update, 3)], Some((3, 2)));
        check(&[(snapshot, 5), (update, 7)], Some((7, 6)));
        check(&[(snapshot, 5), (snapshot, 6)], Some((6, 0)));
        check(&[(update, 1), (snapshot, 1)], Some((1, 0)));
    }
}
