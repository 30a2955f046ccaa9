//! Frames of the server: whole messages, unmasked, so that one encoding serves every peer.

use bytes::{BufMut, Bytes, BytesMut};

use super::{CONTROL_BYTES_MAX, FIN, LEN_16, LEN_64, Opcode};

/// Bytes that [`put_header`] writes.
pub const fn header_len(payload_len: usize) -> usize {
    if payload_len < LEN_16 as usize {
        2
    } else if payload_len <= u16::MAX as usize {
        4
    } else {
        10
    }
}

/// Writes the header of a whole, unmasked message; its payload must follow.
#[inline]
pub fn put_header(out: &mut impl BufMut, opcode: Opcode, payload_len: usize) {
    out.put_u8(FIN | opcode as u8);
    match header_len(payload_len) {
        2 => out.put_u8(payload_len as u8),
        4 => {
            out.put_u8(LEN_16);
            out.put_u16(payload_len as u16);
        }
        _ => {
            out.put_u8(LEN_64);
            out.put_u64(payload_len as u64);
        }
    }
}

/// The length, header included, of the frame that [`put_header`] began at the start of `frame`.
///
/// # Panics
/// `frame` does not hold a whole header.
pub fn frame_len(frame: &[u8]) -> usize {
    let (header, payload) = match frame[1] {
        LEN_16 => (4, usize::from(u16::from_be_bytes([frame[2], frame[3]]))),
        LEN_64 => (10, frame[2..10].iter().fold(0, |len, &byte| len << 8 | usize::from(byte))),
        len => (2, usize::from(len)),
    };
    header + payload
}

/// A close frame; the reason is cut to the 123 bytes that fit.
pub fn close_frame(code: u16, reason: &str) -> Bytes {
    let reason = &reason[..reason.floor_char_boundary(CONTROL_BYTES_MAX - 2)];
    let mut out = BytesMut::with_capacity(2 + 2 + reason.len());
    put_header(&mut out, Opcode::Close, 2 + reason.len());
    out.put_u16(code);
    out.put_slice(reason.as_bytes());
    out.freeze()
}

/// A ping frame without payload.
pub const fn ping_frame() -> Bytes {
    Bytes::from_static(&[FIN | Opcode::Ping as u8, 0])
}

/// The answer to a ping. A payload above 125 bytes, which no ping has, is cut.
pub fn pong_frame(payload: &[u8]) -> Bytes {
    let payload = &payload[..payload.len().min(CONTROL_BYTES_MAX)];
    let mut out = BytesMut::with_capacity(2 + payload.len());
    put_header(&mut out, Opcode::Pong, payload.len());
    out.put_slice(payload);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_the_server_are_unmasked_and_of_minimal_length() {
        for (len, expected) in [
            (0, &[0x82, 0][..]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (65_535, &[0x82, 126, 0xff, 0xff]),
            (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = Vec::new();
            put_header(&mut out, Opcode::Binary, len);
            assert_eq!(out, expected);
            assert_eq!(header_len(len), expected.len());
        }
    }

    #[test]
    fn control_frames_of_the_server_fit_their_limit() {
        assert_eq!(close_frame(4400, "bad").as_ref(), b"\x88\x05\x11\x30bad");
        let long = close_frame(1000, &"ä".repeat(100));
        assert_eq!(long[1], 2 + 122);
        assert!(std::str::from_utf8(&long[4..]).is_ok());
        assert_eq!(ping_frame().as_ref(), [0x89, 0]);
        assert_eq!(pong_frame(b"x").as_ref(), [0x8a, 1, b'x']);
        assert_eq!(pong_frame(&[0; 200]).len(), 127);
    }
}
