//! One WebSocket message of a peer.

use bytes::Bytes;
use orrery_protocol::{
    guard::{PeerMessage, read_messages, scan_awareness, walk_state_vector, walk_update},
    limits::WireLimits,
};
use yrs::{StateVector, block::ClientID, updates::decoder::Decode};

/// What is read stands in the frame, in order, and is what its own walk accepts.
pub fn frame(data: &[u8]) {
    let limits = WireLimits::default();
    let frame = Bytes::copy_from_slice(data);
    let mut end = frame.as_ptr() as usize;
    let read = read_messages(&frame, &limits, |message| {
        let payload = match message {
            PeerMessage::Step1(bytes) => {
                check_state_vector(&bytes, &limits);
                bytes
            }
            PeerMessage::Step2(bytes) | PeerMessage::Update(bytes) => {
                assert_eq!(walk_update(&bytes, &limits, &mut ()), Ok(()));
                bytes
            }
            PeerMessage::Awareness(bytes) => {
                assert_eq!(scan_awareness(&bytes, &limits, |_| {}), Ok(()));
                bytes
            }
            PeerMessage::Saved(bytes) => bytes,
            PeerMessage::QueryAwareness => return,
        };
        if !payload.is_empty() {
            let start = payload.as_ptr() as usize;
            assert!(start > end, "payloads follow one another");
            end = start + payload.len();
            assert!(end <= frame.as_ptr() as usize + frame.len());
        }
    });
    if let Err(fault) = read {
        assert!(fault.offset <= data.len(), "{fault}");
    }
}

/// yrs reads the same entries.
fn check_state_vector(bytes: &[u8], limits: &WireLimits) {
    let vector = StateVector::decode_v1(bytes).expect("yrs reads what the guard accepts");
    let mut last = std::collections::BTreeMap::new();
    walk_state_vector(bytes, limits, |client, clock| {
        last.insert(client.get(), clock);
    })
    .expect("accepted");
    assert_eq!(vector.len(), last.len());
    for (client, clock) in last {
        assert_eq!(vector.get(&ClientID::new(client)), clock);
    }
}
