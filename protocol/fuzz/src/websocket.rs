//! Frames of one client, in chunks of any size.

use orrery_protocol::websocket::{Decoder, Inbound, WebSocketError};

/// Small, so that the limit is within reach.
const MESSAGE_BYTES_MAX: usize = 2048;

/// The first byte chooses the size of the chunks. However the bytes are cut, the same messages come out, and no more
/// memory is held than twice what arrived.
pub fn websocket(data: &[u8]) {
    let Some((&size, bytes)) = data.split_first() else { return };
    let whole = decode(bytes, bytes.len().max(1));
    let chunked = decode(bytes, usize::from(size).max(1));
    assert_eq!(whole, chunked);
}

fn decode(bytes: &[u8], size: usize) -> (Vec<Inbound>, Option<WebSocketError>) {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let mut messages = Vec::new();
    for mut chunk in bytes.chunks(size) {
        loop {
            match decoder.feed(&mut chunk) {
                Ok(Some(message)) => {
                    if let Inbound::Binary(payload) = &message {
                        assert!(payload.len() <= MESSAGE_BYTES_MAX);
                    }
                    messages.push(message);
                }
                Ok(None) => {
                    assert!(chunk.is_empty());
                    break;
                }
                Err(fault) => return (messages, Some(fault)),
            }
        }
        // A small vector starts at eight bytes.
        assert!(decoder.held_bytes() <= 2 * bytes.len().max(8));
    }
    (messages, None)
}
