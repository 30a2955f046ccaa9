//! WebSocket frames (RFC 6455), a server's side, without I/O. Owns the framing rules and the limit on messages; knows
//! nothing of sockets, of the upgrade, or of what messages say.

mod inbound;
mod outbound;

pub use inbound::{Decoder, Inbound, WebSocketError};
pub use outbound::{close_frame, frame_len, header_len, ping_frame, pong_frame, put_header};

/// Largest payload of a control frame.
const CONTROL_BYTES_MAX: usize = 125;

const FIN: u8 = 0x80;
const LEN_16: u8 = 126;
const LEN_64: u8 = 127;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// More of a message.
    Continuation = 0,
    /// A text, or its first fragment.
    Text = 1,
    /// Bytes, or their first fragment.
    Binary = 2,
    /// The end.
    Close = 8,
    /// A request for a pong.
    Ping = 9,
    /// The answer to a ping.
    Pong = 10,
}

impl Opcode {
    const fn is_control(self) -> bool {
        self as u8 & 8 != 0
    }
}
