//! The bytes of records on disk: golden vectors, so that no change of the code changes what old files mean, and properties.

use bytes::Bytes;
use orrery_protocol::{
    id::{DocumentKey, DocumentName, OrgId, ProjectId},
    record::{self, Record, RecordError, RecordKind, Stamp, segment::SegmentHeader},
};
use proptest::prelude::*;
use uuid::Uuid;

fn key(document: DocumentName) -> DocumentKey {
    DocumentKey {
        org: OrgId(Uuid::from_u128(0x018f_4c1e_2b7a_7c3d_9e4f_5a6b_7c8d_9e0f)),
        project: ProjectId(Uuid::from_u128(0x018f_4c1e_2b7a_7c3d_9e4f_5a6b_7c8d_9e10)),
        document,
    }
}

/// Hexadecimal, blanks for the reader.
#[track_caller]
fn check(bytes: &[u8], expected: &str) {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected.split_whitespace().collect::<String>());
}

#[test]
fn an_update_is_these_bytes() {
    let stamp = Stamp { kind: RecordKind::Update, position: 0x0102, epoch: 3, seq: 0x0405, time_ms: 1_700_000_000_000 };
    let mut bytes = Vec::new();
    record::encode(&mut bytes, 0xdead_beef, &stamp, &key(DocumentName::Board), &[0, 0]).unwrap();
    check(
        &bytes,
        "4f525263 01 01 05 00 02000000 02010000 0300000000000000 0504000000000000 0068e5cf8b010000 \
         018f4c1e2b7a7c3d9e4f5a6b7c8d9e0f 018f4c1e2b7a7c3d9e4f5a6b7c8d9e10 626f617264 151afb44 0000 \
         a3a1c2b1",
    );
    let expected = Record { stamp, key: key(DocumentName::Board), payload: Bytes::from_static(&[0, 0]) };
    assert_eq!(record::decode(&Bytes::from(bytes), 0xdead_beef), Ok((expected, 87)));
}

#[test]
fn a_snapshot_is_these_bytes() {
    let stamp = Stamp { kind: RecordKind::Snapshot, position: 0, epoch: 1, seq: 9, time_ms: 1_700_000_000_000 };
    let name = DocumentName::Named("main.rs".to_owned());
    let mut bytes = Vec::new();
    record::encode(&mut bytes, 0, &stamp, &key(name), b"state").unwrap();
    check(
        &bytes,
        "4f525263 01 02 0b 00 05000000 00000000 0100000000000000 0900000000000000 0068e5cf8b010000 \
         018f4c1e2b7a7c3d9e4f5a6b7c8d9e0f 018f4c1e2b7a7c3d9e4f5a6b7c8d9e10 646f633a6d61696e2e7273 \
         a8860ff0 7374617465 4831b883",
    );
}

#[test]
fn a_segment_header_is_these_bytes() {
    let fences = vec![(key(DocumentName::Board).org, 5)];
    let header = SegmentHeader { number: 2, emptied: false, previous_len: 4096, salt: 0xdead_beef, fences };
    check(
        &header.encode(),
        "4f525273 01 00 0000 0200000000000000 0010000000000000 efbeadde 01000000 \
         018f4c1e2b7a7c3d9e4f5a6b7c8d9e0f0500000000000000 572c016d",
    );
}

fn any_name() -> impl Strategy<Value = DocumentName> {
    prop_oneof![
        Just(DocumentName::System),
        Just(DocumentName::Board),
        "[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}".prop_map(DocumentName::Named),
    ]
}

fn any_stamp() -> impl Strategy<Value = Stamp> {
    let kind = prop_oneof![Just(RecordKind::Update), Just(RecordKind::Snapshot)];
    (kind, any::<u32>(), any::<u64>(), any::<u64>(), any::<u64>())
        .prop_map(|(kind, position, epoch, seq, time_ms)| Stamp { kind, position, epoch, seq, time_ms })
}

proptest! {
    #[test]
    fn records_come_back_one_after_the_other(
        salt: u32,
        records in prop::collection::vec(
            (any_stamp(), any_name(), any::<[u8; 32]>(), prop::collection::vec(any::<u8>(), 0..400)), 1..6),
    ) {
        let mut bytes = Vec::new();
        let mut expected = Vec::new();
        for (stamp, document, ids, payload) in records {
            let (org, project) = ids.split_at(16);
            let key = DocumentKey {
                org: OrgId(Uuid::from_slice(org).unwrap()),
                project: ProjectId(Uuid::from_slice(project).unwrap()),
                document,
            };
            record::encode(&mut bytes, salt, &stamp, &key, &payload).unwrap();
            expected.push(Record { stamp, key, payload: payload.into() });
        }
        let mut left = Bytes::from(bytes);
        for expected in expected {
            let (record, len) = record::decode(&left, salt).unwrap();
            prop_assert_eq!(record, expected);
            left = left.slice(len..);
        }
        prop_assert!(left.is_empty());
    }

    #[test]
    fn any_bytes_are_refused_or_come_back(salt: u32, bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut framed = record::MAGIC.to_vec();
        framed.push(record::VERSION);
        framed.extend(bytes);
        match record::check(&framed, salt) {
            Ok(header) => prop_assert!(header.record_len() <= framed.len()),
            Err(RecordError::Truncated { needed, given }) => prop_assert!(needed > given && given == framed.len()),
            Err(_) => {}
        }
    }
}
