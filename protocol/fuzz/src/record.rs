//! Records and segment headers, as they may lie on a damaged disk.

use bytes::Bytes;
use orrery_protocol::record::{self, RecordError, segment::SegmentHeader};

/// The first four bytes are the salt. What decodes is written again as the same bytes, and a claimed length is never believed
/// beyond what is there. Once as given, and once with checksums that match, which a fuzzer would not find.
pub fn record(data: &[u8]) {
    let Some((salt, bytes)) = data.split_first_chunk::<4>() else { return };
    let salt = u32::from_le_bytes(*salt);
    check_record(bytes, salt);
    check_record(&sealed_record(bytes, salt), salt);
    check_segment(bytes);
    check_segment(&sealed_segment(bytes));
}

fn check_record(bytes: &[u8], salt: u32) {
    match record::decode(&Bytes::copy_from_slice(bytes), salt) {
        Ok((decoded, len)) => {
            let mut again = Vec::new();
            record::encode(&mut again, salt, &decoded.stamp, &decoded.key, &decoded.payload).expect("it was decoded");
            assert_eq!(again, bytes[..len]);
        }
        Err(RecordError::Truncated { needed, given }) => assert!(needed > given && given == bytes.len()),
        Err(_) => {}
    }
}

fn check_segment(bytes: &[u8]) {
    if let Ok((header, len)) = SegmentHeader::decode(bytes) {
        assert_eq!(header.encode(), bytes[..len]);
    }
}

fn sealed_record(bytes: &[u8], salt: u32) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(name_len) = bytes.get(6).copied() {
        let header_len = 72 + usize::from(name_len);
        let payload_len = bytes.get(8..12).map_or(0, |len| u32::from_le_bytes([len[0], len[1], len[2], len[3]]));
        seal(&mut bytes, header_len, salt);
        seal(&mut bytes, header_len + 4 + payload_len as usize, salt);
    }
    bytes
}

fn sealed_segment(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let count = bytes.get(28..32).map_or(0, |count| u32::from_le_bytes([count[0], count[1], count[2], count[3]]));
    seal(&mut bytes, 32 + 24 * count as usize, 0);
    bytes
}

fn seal(bytes: &mut [u8], at: usize, salt: u32) {
    if bytes.len() >= at + 4 {
        let mut hasher = crc32fast::Hasher::new_with_initial(salt);
        hasher.update(&bytes[..at]);
        bytes[at..at + 4].copy_from_slice(&hasher.finalize().to_le_bytes());
    }
}
