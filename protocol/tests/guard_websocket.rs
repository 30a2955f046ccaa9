//! The WebSocket decoder against tungstenite: the same frames, cut into any chunks, are the same messages.

use std::io::{self, Read, Write};

use bytes::Bytes;
use orrery_protocol::websocket::{Decoder, Inbound};
use proptest::prelude::*;
use tungstenite::{
    Message, WebSocket,
    protocol::{Role, WebSocketConfig},
};

const MESSAGE_BYTES_MAX: usize = 300;

/// A frame of a client, well-formed or not.
#[derive(Debug, Clone)]
struct Frame {
    fin: bool,
    reserved: u8,
    opcode: u8,
    masked: bool,
    mask: [u8; 4],
    payload: Vec<u8>,
}

impl Frame {
    fn encode(&self) -> Vec<u8> {
        let mut out = vec![u8::from(self.fin) << 7 | self.reserved << 4 | self.opcode];
        let masked = u8::from(self.masked) << 7;
        match self.payload.len() {
            len @ ..126 => out.push(masked | len as u8),
            len => {
                out.push(masked | 126);
                out.extend((len as u16).to_be_bytes());
            }
        }
        if self.masked {
            out.extend(self.mask);
            out.extend(self.payload.iter().zip(self.mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        } else {
            out.extend(&self.payload);
        }
        out
    }
}

fn frames() -> impl Strategy<Value = Vec<Frame>> {
    let opcode = prop_oneof![20 => 0..3_u8, 6 => 9..11_u8, 1 => 0..16_u8];
    let reserved = prop_oneof![40 => Just(0_u8), 1 => 0..8_u8];
    let len = prop_oneof![8 => 0..20_usize, 2 => 120..130_usize, 1 => 0..400_usize];
    // Letters, because tungstenite checks the UTF-8 of texts and the decoder drops them.
    let payload = len.prop_flat_map(|len| prop::collection::vec(b'a'..=b'z', len));
    let frame = (prop::bool::weighted(0.7), reserved, opcode, prop::bool::weighted(0.98), any::<[u8; 4]>(), payload)
        .prop_map(|(fin, reserved, opcode, masked, mask, payload)| {
            // Close payloads are the business of unit tests: the two sides know different codes.
            let payload = if opcode == 8 { Vec::new() } else { payload };
            let fin = fin || opcode >= 8 && payload.len() % 8 != 0;
            Frame { fin, reserved, opcode, masked, mask, payload }
        });
    prop::collection::vec(frame, 0..10)
}

/// What either side makes of the bytes: messages until the end, a close or an error.
#[derive(Debug, PartialEq)]
struct Outcome {
    messages: Vec<Inbound>,
    refused: bool,
}

fn ours(bytes: &[u8], chunks: &[usize]) -> Outcome {
    let mut decoder = Decoder::new(MESSAGE_BYTES_MAX);
    let mut messages = Vec::new();
    let mut sizes = chunks.iter().cycle();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (mut chunk, after) = rest.split_at((*sizes.next().expect("a cycle")).min(rest.len()));
        rest = after;
        loop {
            match decoder.feed(&mut chunk) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(_) => return Outcome { messages, refused: true },
            }
        }
    }
    Outcome { messages, refused: false }
}

/// A socket that has received all it will and swallows what is sent.
struct Received<'a>(&'a [u8]);

impl Read for Received<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(out) }
    }
}

impl Write for Received<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn theirs(bytes: &[u8]) -> Outcome {
    let config =
        WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX)).max_frame_size(Some(MESSAGE_BYTES_MAX));
    let mut socket = WebSocket::from_raw_socket(Received(bytes), Role::Server, Some(config));
    let mut messages = Vec::new();
    loop {
        messages.push(match socket.read() {
            Ok(Message::Binary(payload)) => Inbound::Binary(payload),
            Ok(Message::Text(_)) => Inbound::Text,
            Ok(Message::Ping(payload)) => Inbound::Ping(payload),
            Ok(Message::Pong(_)) => Inbound::Pong,
            Ok(Message::Close(close)) => {
                messages.push(Inbound::Close { code: close.map(|close| close.code.into()) });
                return Outcome { messages, refused: false };
            }
            Ok(Message::Frame(_)) => unreachable!("never read"),
            Err(tungstenite::Error::Io(fault)) if fault.kind() == io::ErrorKind::WouldBlock => {
                return Outcome { messages, refused: false };
            }
            Err(_) => return Outcome { messages, refused: true },
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_same_messages_come_out(frames in frames(), chunks in prop::collection::vec(1..40_usize, 1..6)) {
        let bytes: Vec<u8> = frames.iter().flat_map(Frame::encode).collect();
        prop_assert_eq!(ours(&bytes, &chunks), theirs(&bytes));
    }

    #[test]
    fn chunks_do_not_matter(bytes in prop::collection::vec(any::<u8>(), 0..80), chunks in prop::collection::vec(1..9_usize, 1..6)) {
        prop_assert_eq!(ours(&bytes, &chunks), ours(&bytes, &[bytes.len().max(1)]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn large_messages_arrive_whole(len in 0..200_000_usize, chunk in 1..70_000_usize, mask in any::<[u8; 4]>()) {
        let payload: Vec<u8> = (0..len).map(|n| (n * 31) as u8).collect();
        let mut bytes = vec![0x82, 0x80 | 127];
        match len {
            0..126 => bytes[1] = 0x80 | len as u8,
            126..65_536 => {
                bytes[1] = 0x80 | 126;
                bytes.extend((len as u16).to_be_bytes());
            }
            _ => bytes.extend((len as u64).to_be_bytes()),
        }
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        let mut decoder = Decoder::new(200_000);
        let mut messages = Vec::new();
        for mut chunk in bytes.chunks(chunk) {
            while let Some(message) = decoder.feed(&mut chunk).expect("well-formed") {
                messages.push(message);
            }
        }
        prop_assert_eq!(messages, vec![Inbound::Binary(Bytes::from(payload))]);
        prop_assert_eq!(decoder.held_bytes(), 0);
    }
}
