//! Records and segment headers, as they may lie on a damaged disk.

use bytes::Bytes;
use orrery_protocol::record::{self, RecordError, segment::SegmentHeader};

/// The first four bytes are the salt. What decodes is written again as the same bytes, and a claimed length is never believed
/// beyond what is there.
pub fn record(data: &[u8]) {
    let Some((salt, bytes)) = data.split_first_chunk::<4>() else { return };
    let salt = u32::from_le_bytes(*salt);
    match record::decode(&Bytes::copy_from_slice(bytes), salt) {
        Ok((decoded, len)) => {
            let mut again = Vec::new();
            record::encode(&mut again, salt, &decoded.stamp, &decoded.key, &decoded.payload).expect("it was decoded");
            assert_eq!(again, bytes[..len]);
        }
        Err(RecordError::Truncated { needed, given }) => assert!(needed > given && given == bytes.len()),
        Err(_) => {}
    }
    if let Ok((header, len)) = SegmentHeader::decode(bytes) {
        assert_eq!(header.encode(), bytes[..len]);
    }
}
