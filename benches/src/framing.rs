//! How a server wraps the messages of the y-websocket family.

use crate::websocket::frame;
use crate::wire::{Reader, put_bytes, put_uint, step1};

/// A family of wire framings.
pub(crate) trait Framing {
    /// One message, as one WebSocket frame ready to send.
    fn wrap(&self, message: &[u8]) -> Vec<u8>;

    /// The message inside a received frame's payload; `None` if it holds none of the family.
    fn unwrap<'a>(&self, payload: &'a [u8]) -> Option<&'a [u8]>;

    /// What a client sends as soon as the socket is open, up to and including SyncStep1.
    fn opening(&self) -> Vec<u8>;
}

/// y-websocket: the message is the frame.
pub(crate) struct Plain;

impl Framing for Plain {
    fn wrap(&self, message: &[u8]) -> Vec<u8> {
        frame(message)
    }

    fn unwrap<'a>(&self, payload: &'a [u8]) -> Option<&'a [u8]> {
        Some(payload)
    }

    fn opening(&self) -> Vec<u8> {
        frame(&step1())
    }
}

/// Hocuspocus: the document's name stands before each message, and an authentication message opens each document.
pub(crate) struct Hocuspocus {
    name: Vec<u8>,
}

impl Hocuspocus {
    pub(crate) fn new(room: &str) -> Self {
        let mut name = Vec::new();
        put_bytes(&mut name, room.as_bytes());
        Self { name }
    }
}

impl Framing for Hocuspocus {
    fn wrap(&self, message: &[u8]) -> Vec<u8> {
        frame(&[&self.name, message].concat())
    }

    fn unwrap<'a>(&self, payload: &'a [u8]) -> Option<&'a [u8]> {
        let message = payload.strip_prefix(self.name.as_slice())?;
        match Reader::new(message).uint()? {
            0 | 1 => Some(message),
            _ => None,
        }
    }

    fn opening(&self) -> Vec<u8> {
        const AUTHENTICATION: u64 = 2;
        const TOKEN: u64 = 0;
        let mut message = Vec::new();
        put_uint(&mut message, AUTHENTICATION);
        put_uint(&mut message, TOKEN);
        put_bytes(&mut message, b"token");
        put_bytes(&mut message, b"4.8.0");
        [self.wrap(&message), self.wrap(&step1())].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hocuspocus_messages_belong_to_one_document_and_one_family() {
        let framing = Hocuspocus::new("r1");
        assert_eq!(framing.unwrap(b"\x02r1\x00\x01\x02\x00\x00"), Some(b"\x00\x01\x02\x00\x00".as_slice()));
        assert_eq!(framing.unwrap(b"\x02r2\x00\x01\x02\x00\x00"), None);
        assert_eq!(framing.unwrap(b"\x02r1\x08\x01"), None);
        assert_eq!(framing.unwrap(b"\x09"), None);
    }
}
