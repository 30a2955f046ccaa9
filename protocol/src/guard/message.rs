//! Messages of the y-websocket family. Stock clients send one a frame; several are understood.

use bytes::Bytes;

use super::{Malformed, MalformedKind, scan_awareness, walk_state_vector, walk_update};
use crate::{
    id::ClientId,
    lib0::Reader,
    limits::{FRAME_MESSAGES_MAX, WireLimits},
    wire::{AWARENESS, QUERY_AWARENESS, SAVED_ECHO, STEP1, STEP2, SYNC, UPDATE},
};

/// A message that a peer may send. Payloads are slices of the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerMessage {
    /// A state vector: what the peer has.
    Step1(Bytes),
    /// An update: what the peer had and the server did not.
    Step2(Bytes),
    /// An update: what the peer did.
    Update(Bytes),
    /// Awareness entries. Their JSON is not checked: see [`scan_awareness`].
    Awareness(Bytes),
    /// A request for the awareness of everyone.
    QueryAwareness,
    /// To be echoed once everything the peer sent before it is durable.
    Saved(Bytes),
}

/// Hands over the messages of a frame in their order, each once its payload is walked. Messages before a malformed
/// one have been handed over by the time it is found.
pub fn read_messages(frame: &Bytes, limits: &WireLimits, mut each: impl FnMut(PeerMessage)) -> Result<(), Malformed> {
    let mut reader = Reader::new(frame);
    if reader.is_empty() {
        return Err(reader.malformed(MalformedKind::EmptyFrame));
    }
    for _ in 0..FRAME_MESSAGES_MAX {
        each(read_message(&mut reader, frame, limits)?);
        if reader.is_empty() {
            return Ok(());
        }
    }
    Err(reader.malformed(MalformedKind::TooMany))
}

fn read_message(reader: &mut Reader<'_>, frame: &Bytes, limits: &WireLimits) -> Result<PeerMessage, Malformed> {
    let unexpected = reader.malformed(MalformedKind::MessageType);
    match reader.var_uint()? {
        SYNC => {
            let unexpected = reader.malformed(MalformedKind::MessageType);
            match reader.var_uint()? {
                STEP1 => {
                    let ignore = |_: ClientId, _: u32| {};
                    payload(reader, frame, |bytes| walk_state_vector(bytes, limits, ignore)).map(PeerMessage::Step1)
                }
                STEP2 => payload(reader, frame, |bytes| walk_update(bytes, limits, &mut ())).map(PeerMessage::Step2),
                UPDATE => payload(reader, frame, |bytes| walk_update(bytes, limits, &mut ())).map(PeerMessage::Update),
                _ => Err(unexpected),
            }
        }
        AWARENESS => payload(reader, frame, |bytes| scan_awareness(bytes, limits, |_| {})).map(PeerMessage::Awareness),
        QUERY_AWARENESS => Ok(PeerMessage::QueryAwareness),
        SAVED_ECHO => payload(reader, frame, |_| Ok(())).map(PeerMessage::Saved),
        _ => Err(unexpected),
    }
}

/// A length-prefixed payload that `walk` accepts, as a slice of the frame.
fn payload(
    reader: &mut Reader<'_>,
    frame: &Bytes,
    walk: impl FnOnce(&[u8]) -> Result<(), Malformed>,
) -> Result<Bytes, Malformed> {
    let bytes = reader.var_buf()?;
    let end = reader.position();
    let start = end - bytes.len();
    walk(bytes).map_err(|fault| fault.within(start))?;
    Ok(frame.slice(start..end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(frame: &[u8], expected: Result<&[PeerMessage], (MalformedKind, usize)>) {
        let frame = Bytes::copy_from_slice(frame);
        let mut messages = Vec::new();
        let result = read_messages(&frame, &WireLimits::default(), |message| messages.push(message));
        let result = result.map(|()| messages.as_slice()).map_err(|fault| (fault.what, fault.offset));
        assert_eq!(result, expected);
    }

    #[test]
    fn every_message_a_peer_may_send_is_read() {
        let bytes = Bytes::from_static;
        check(&[0, 0, 1, 0], Ok(&[PeerMessage::Step1(bytes(&[0]))]));
        check(&[0, 1, 2, 0, 0], Ok(&[PeerMessage::Step2(bytes(&[0, 0]))]));
        check(&[0, 2, 2, 0, 0], Ok(&[PeerMessage::Update(bytes(&[0, 0]))]));
        check(&[1, 1, 0], Ok(&[PeerMessage::Awareness(bytes(&[0]))]));
        check(&[3], Ok(&[PeerMessage::QueryAwareness]));
        check(&[102, 1, 9], Ok(&[PeerMessage::Saved(bytes(&[9]))]));
        check(&[102, 0], Ok(&[PeerMessage::Saved(bytes(&[]))]));
    }

    #[test]
    fn several_messages_in_one_frame_are_read_in_order() {
        let bytes = Bytes::from_static;
        check(
            &[0, 0, 1, 0, 1, 1, 0, 3],
            Ok(&[PeerMessage::Step1(bytes(&[0])), PeerMessage::Awareness(bytes(&[0])), PeerMessage::QueryAwareness]),
        );
    }

    #[test]
    fn payloads_share_the_memory_of_the_frame() {
        let frame = Bytes::from_static(&[0, 2, 2, 0, 0]);
        let mut messages = Vec::new();
        read_messages(&frame, &WireLimits::default(), |message| messages.push(message)).expect("well-formed");
        let [PeerMessage::Update(update)] = messages.as_slice() else { panic!("{messages:?}") };
        assert_eq!(update.as_ptr(), frame[3..].as_ptr());
    }

    #[test]
    fn an_empty_frame_is_refused() {
        check(&[], Err((MalformedKind::EmptyFrame, 0)));
    }

    #[test]
    fn a_million_messages_in_one_frame_are_not_handed_over() {
        check(&[3; FRAME_MESSAGES_MAX], Ok(&vec![PeerMessage::QueryAwareness; FRAME_MESSAGES_MAX]));
        let frame = Bytes::from(vec![3; 1_000_000]);
        let mut messages = 0;
        let result = read_messages(&frame, &WireLimits::default(), |_| messages += 1);
        assert_eq!(result, Err(Malformed { what: MalformedKind::TooMany, offset: FRAME_MESSAGES_MAX }));
        assert_eq!(messages, FRAME_MESSAGES_MAX);
    }

    #[test]
    fn unknown_and_server_only_types_are_refused() {
        for kind in [2, 4, 8, 99, 100, 101, 103] {
            check(&[kind, 1, 0], Err((MalformedKind::MessageType, 0)));
        }
        check(&[0, 3, 1, 0], Err((MalformedKind::MessageType, 1)));
        check(&[3, 5], Err((MalformedKind::MessageType, 1)));
    }

    #[test]
    fn faults_are_located_in_the_frame() {
        check(&[0, 2, 3, 0, 0, 0], Err((MalformedKind::Trailing, 5)));
        check(&[0, 2, 0], Err((MalformedKind::Truncated, 3)));
        check(&[0, 0, 0], Err((MalformedKind::Truncated, 3)));
        check(&[1, 0], Err((MalformedKind::Truncated, 2)));
        check(&[1, 9, 0], Err((MalformedKind::Truncated, 1)));
    }
}
