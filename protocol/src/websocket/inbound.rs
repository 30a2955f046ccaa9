//! Frames of a client: unmasks them, joins their fragments and bounds them.

use bytes::Bytes;

use super::{CONTROL_BYTES_MAX, FIN, LEN_16, LEN_64, Opcode};

/// Two bytes, an eight-byte length and a mask.
const HEADER_BYTES_MAX: usize = 14;

const RESERVED: u8 = 0x70;
const OPCODE: u8 = 0x0f;
const MASKED: u8 = 0x80;

/// What a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// A whole message of bytes.
    Binary(Bytes),
    /// A whole message of text. Its content is not kept: nothing here speaks text.
    Text,
    /// To be answered with the same payload.
    Ping(Bytes),
    /// An answer to a ping.
    Pong,
    /// The client is done. Whatever follows is ignored.
    Close {
        /// Why, if the client said so.
        code: Option<u16>,
    },
}

/// Why a client's bytes cannot be read any further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebSocketError {
    /// A message above the limit: close 1009.
    #[error("message of {claimed} bytes or more, at most {max} allowed")]
    TooLarge {
        /// Bytes announced so far, over all fragments.
        claimed: u64,
        /// The limit.
        max: usize,
    },
    /// The client breaks the protocol: close 4400.
    #[error("{0}")]
    Protocol(&'static str),
}

/// Turns the bytes of one client into messages. Holds memory only for what arrived of an unfinished message, never
/// for what was announced.
#[derive(Debug)]
pub struct Decoder {
    message_bytes_max: usize,
    /// What arrived of an unfinished header.
    header: [u8; HEADER_BYTES_MAX],
    header_len: u8,
    /// The frame whose payload is arriving.
    frame: Option<Frame>,
    /// The data message whose fragments are arriving.
    message: Option<Message>,
    /// Unmasked payload of that message; stays empty for a text.
    data: Vec<u8>,
    /// Unmasked payload of a control frame that is arriving.
    control: Vec<u8>,
    /// The client said goodbye or broke the protocol.
    closed: bool,
}

/// A frame whose payload is arriving.
#[derive(Debug, Clone, Copy)]
struct Frame {
    opcode: Opcode,
    fin: bool,
    /// Rotated so that its first byte masks the next payload byte.
    mask: [u8; 4],
    left: usize,
}

/// A data message, over all its fragments.
#[derive(Debug, Clone, Copy)]
struct Message {
    is_text: bool,
    /// Bytes announced so far.
    claimed: u64,
}

impl Decoder {
    /// Messages above `message_bytes_max` are refused by their header.
    pub const fn new(message_bytes_max: usize) -> Self {
        Self {
            message_bytes_max,
            header: [0; HEADER_BYTES_MAX],
            header_len: 0,
            frame: None,
            message: None,
            data: Vec::new(),
            control: Vec::new(),
            closed: false,
        }
    }

    /// Bytes held for an unfinished message.
    pub const fn held_bytes(&self) -> usize {
        self.data.capacity() + self.control.capacity()
    }

    /// Consumes `input` up to the end of the next message and returns it; `None` once all of `input` is consumed.
    /// After a close or an error, whatever follows is consumed and ignored.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<Option<Inbound>, WebSocketError> {
        if self.closed {
            *input = &[];
            return Ok(None);
        }
        let fed = self.next(input);
        self.closed |= matches!(fed, Err(_) | Ok(Some(Inbound::Close { .. })));
        fed
    }

    fn next(&mut self, input: &mut &[u8]) -> Result<Option<Inbound>, WebSocketError> {
        loop {
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.read_head(input)? {
                    Some(head) => self.start(head)?,
                    None => return Ok(None),
                },
            };
            let (chunk, rest) = input.split_at(frame.left.min(input.len()));
            *input = rest;
            self.take_payload(&mut frame, chunk);
            if frame.left > 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
            if let Some(inbound) = self.finish(frame)? {
                return Ok(Some(inbound));
            }
        }
    }

    /// Reads a header, in place if all of it is there.
    fn read_head(&mut self, input: &mut &[u8]) -> Result<Option<Head>, WebSocketError> {
        if self.header_len == 0
            && let Some((head, len)) = Head::parse(input)?
        {
            *input = &input[len..];
            return Ok(Some(head));
        }
        while let Some((&byte, rest)) = input.split_first() {
            *input = rest;
            self.header[usize::from(self.header_len)] = byte;
            self.header_len += 1;
            if let Some((head, _)) = Head::parse(&self.header[..usize::from(self.header_len)])? {
                self.header_len = 0;
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    /// Decides whether a frame may come now, and how large its message gets.
    fn start(&mut self, head: Head) -> Result<Frame, WebSocketError> {
        if !head.opcode.is_control() {
            let message = match (self.message, head.opcode) {
                (Some(message), Opcode::Continuation) => message,
                (None, Opcode::Continuation) => {
                    return Err(WebSocketError::Protocol("continuation without a message"));
                }
                (Some(_), _) => return Err(WebSocketError::Protocol("new message inside a fragmented one")),
                (None, opcode) => Message { is_text: opcode == Opcode::Text, claimed: 0 },
            };
            let claimed = message.claimed.saturating_add(head.payload_len);
            if claimed > self.message_bytes_max as u64 {
                return Err(WebSocketError::TooLarge { claimed, max: self.message_bytes_max });
            }
            self.message = Some(Message { claimed, ..message });
        }
        let left = usize::try_from(head.payload_len).expect("at most the largest message");
        Ok(Frame { opcode: head.opcode, fin: head.fin, mask: head.mask, left })
    }

    fn take_payload(&mut self, frame: &mut Frame, chunk: &[u8]) {
        frame.left -= chunk.len();
        let is_control = frame.opcode.is_control();
        if is_control || self.message.is_some_and(|message| !message.is_text) {
            let out = if is_control { &mut self.control } else { &mut self.data };
            if frame.fin && frame.left == 0 {
                out.reserve_exact(chunk.len());
            }
            unmask_into(out, chunk, frame.mask);
            frame.mask.rotate_left(chunk.len() % 4);
        }
    }

    /// A frame is complete: so is a control message, and a data message if this was its last fragment.
    fn finish(&mut self, frame: Frame) -> Result<Option<Inbound>, WebSocketError> {
        match frame.opcode {
            Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                let Some(message) = self.message.take_if(|_| frame.fin) else {
                    return Ok(None);
                };
                if message.is_text {
                    return Ok(Some(Inbound::Text));
                }
                let mut data = std::mem::take(&mut self.data);
                data.shrink_to_fit();
                Ok(Some(Inbound::Binary(data.into())))
            }
            Opcode::Ping => Ok(Some(Inbound::Ping(std::mem::take(&mut self.control).into()))),
            Opcode::Pong => {
                self.control = Vec::new();
                Ok(Some(Inbound::Pong))
            }
            Opcode::Close => {
                let code = close_code(&std::mem::take(&mut self.control))?;
                Ok(Some(Inbound::Close { code }))
            }
        }
    }
}

/// The header of a client's frame.
#[derive(Debug, Clone, Copy)]
struct Head {
    opcode: Opcode,
    fin: bool,
    payload_len: u64,
    mask: [u8; 4],
}

impl Head {
    /// The header at the start of `bytes` and its length; `None` if more bytes are needed.
    fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, WebSocketError> {
        let &[first, second, ref rest @ ..] = bytes else {
            return Ok(None);
        };
        let fin = first & FIN != 0;
        let short_len = second & !MASKED;
        if first & RESERVED != 0 {
            return Err(WebSocketError::Protocol("reserved bits are set"));
        }
        let opcode = opcode(first & OPCODE).ok_or(WebSocketError::Protocol("unknown opcode"))?;
        if second & MASKED == 0 {
            return Err(WebSocketError::Protocol("frame of a client is not masked"));
        }
        if opcode.is_control() && !fin {
            return Err(WebSocketError::Protocol("fragmented control frame"));
        }
        if opcode.is_control() && usize::from(short_len) > CONTROL_BYTES_MAX {
            return Err(WebSocketError::Protocol("control frame above 125 bytes"));
        }
        let (payload_len, shortest, rest) = match short_len {
            LEN_16 => match rest.split_first_chunk() {
                Some((&len, rest)) => (u64::from(u16::from_be_bytes(len)), u64::from(LEN_16), rest),
                None => return Ok(None),
            },
            LEN_64 => match rest.split_first_chunk() {
                Some((&len, rest)) => (u64::from_be_bytes(len), 1 << 16, rest),
                None => return Ok(None),
            },
            len => (u64::from(len), 0, rest),
        };
        if payload_len < shortest || payload_len > i64::MAX as u64 {
            return Err(WebSocketError::Protocol("payload length not in its shortest form"));
        }
        let Some((&mask, rest)) = rest.split_first_chunk() else {
            return Ok(None);
        };
        Ok(Some((Self { opcode, fin, payload_len, mask }, bytes.len() - rest.len())))
    }
}

const fn opcode(bits: u8) -> Option<Opcode> {
    Some(match bits {
        0 => Opcode::Continuation,
        1 => Opcode::Text,
        2 => Opcode::Binary,
        8 => Opcode::Close,
        9 => Opcode::Ping,
        10 => Opcode::Pong,
        _ => return None,
    })
}

/// Appends `chunk`, unmasked, to `out`.
fn unmask_into(out: &mut Vec<u8>, chunk: &[u8], mask: [u8; 4]) {
    let start = out.len();
    out.extend_from_slice(chunk);
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = out[start..].as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ wide).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip([a, b, c, d, a, b, c]) {
        *byte ^= mask;
    }
}

/// The code of a close frame, if it holds one that may go over the wire.
fn close_code(payload: &[u8]) -> Result<Option<u16>, WebSocketError> {
    let Some((&code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(WebSocketError::Protocol("half a close code")) };
    };
    let code = u16::from_be_bytes(code);
    // RFC 6455 section 7.4 and the registry it founds; 1004 to 1006 and 1015 never go over the wire.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(WebSocketError::Protocol("close code that may not be sent"));
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(WebSocketError::Protocol("close reason that is not utf-8"));
    }
    Ok(Some(code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::put_header;

    const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

    /// A frame as a client sends it.
    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        put_header(&mut out, Opcode::Binary, payload.len());
        out[0] = first;
        out[1] |= MASKED;
        out.extend(MASK);
        out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        out
    }

    /// Feeds `chunks` until an error or the end.
    fn decode<'a>(max: usize, chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Inbound>, WebSocketError> {
        let mut decoder = Decoder::new(max);
        let mut inbound = Vec::new();
        for mut chunk in chunks {
            while let Some(next) = decoder.feed(&mut chunk)? {
                inbound.push(next);
            }
            assert!(chunk.is_empty());
        }
        Ok(inbound)
    }

    /// Whole and byte by byte must come to the same.
    #[track_caller]
    fn check(bytes: &[u8], expected: Result<&[Inbound], WebSocketError>) {
        assert_eq!(decode(1000, [bytes]).as_deref().map_err(|fault| *fault), expected);
        assert_eq!(decode(1000, bytes.chunks(1)).as_deref().map_err(|fault| *fault), expected);
    }

    #[track_caller]
    fn refuse(bytes: &[u8], reason: &'static str) {
        check(bytes, Err(WebSocketError::Protocol(reason)));
    }

    fn binary(payload: &[u8]) -> Inbound {
        Inbound::Binary(Bytes::copy_from_slice(payload))
    }

    #[test]
    fn messages_of_every_length_are_unmasked() {
        for len in [0, 1, 3, 4, 7, 8, 9, 125, 126, 127, 500, 1000] {
            let payload: Vec<u8> = (0..len).map(|n| n as u8).collect();
            check(&frame(0x82, &payload), Ok(&[binary(&payload)]));
        }
        let payload = vec![7; 70_000];
        let bytes = frame(0x82, &payload);
        for size in [1, 5, 4096, 70_100] {
            assert_eq!(decode(1 << 20, bytes.chunks(size)), Ok(vec![binary(&payload)]));
        }
    }

    #[test]
    fn fragments_are_joined_around_control_frames() {
        let bytes = [
            frame(0x02, b"ab"),
            frame(0x89, b"ping"),
            frame(0x00, b""),
            frame(0x00, b"c"),
            frame(0x8a, b"pong"),
            frame(0x80, b"de"),
            frame(0x82, b"f"),
        ];
        let expected = [Inbound::Ping(Bytes::from_static(b"ping")), Inbound::Pong, binary(b"abcde"), binary(b"f")];
        check(&bytes.concat(), Ok(&expected));
    }

    #[test]
    fn texts_are_told_but_not_kept() {
        let bytes = [frame(0x01, b"ab"), frame(0x80, b"c"), frame(0x81, b"d")].concat();
        check(&bytes, Ok(&[Inbound::Text, Inbound::Text]));
        let mut decoder = Decoder::new(1000);
        let bytes = frame(0x01, &[b'a'; 500]);
        assert_eq!(decoder.feed(&mut bytes.as_slice()), Ok(None));
        assert_eq!(decoder.held_bytes(), 0);
    }

    #[test]
    fn nothing_is_read_after_a_close() {
        let bytes = [frame(0x88, &[0x03, 0xe9, b'b', b'y', b'e']), vec![0xff; 30]].concat();
        check(&bytes, Ok(&[Inbound::Close { code: Some(1001) }]));
        check(&frame(0x88, &[]), Ok(&[Inbound::Close { code: None }]));
    }

    #[test]
    fn messages_above_the_limit_are_refused_by_their_header() {
        let header = &frame(0x82, &[0; 1001])[..8];
        check(header, Err(WebSocketError::TooLarge { claimed: 1001, max: 1000 }));
        let text = &frame(0x81, &[0; 1001])[..8];
        check(text, Err(WebSocketError::TooLarge { claimed: 1001, max: 1000 }));
        let huge = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
        check(&huge, Err(WebSocketError::TooLarge { claimed: i64::MAX as u64, max: 1000 }));
        let fragments = [frame(0x02, &[0; 600]), frame(0x00, &[0; 401])].concat();
        check(&fragments[..616], Err(WebSocketError::TooLarge { claimed: 1001, max: 1000 }));
        let fits = [frame(0x02, &[0; 600]), frame(0x80, &[0; 400])].concat();
        check(&fits, Ok(&[binary(&[0; 1000])]));
    }

    #[test]
    fn memory_grows_with_what_arrives_and_not_with_what_is_announced() {
        let mut decoder = Decoder::new(16 << 20);
        let bytes = frame(0x82, &vec![0; 16 << 20]);
        let (mut head, rest) = bytes.split_at(1000);
        assert_eq!(decoder.feed(&mut head), Ok(None));
        assert!(decoder.held_bytes() <= 2000, "{}", decoder.held_bytes());
        let mut rest = rest;
        assert_eq!(decoder.feed(&mut rest), Ok(Some(binary(&vec![0; 16 << 20]))));
        assert_eq!(decoder.held_bytes(), 0);
    }

    #[test]
    fn an_idle_decoder_holds_no_memory() {
        let mut decoder = Decoder::new(1000);
        let bytes = [frame(0x02, b"ab"), frame(0x8a, b"pong"), frame(0x80, b"c"), frame(0x89, b"x")].concat();
        for chunk in bytes.chunks(3) {
            let mut chunk = chunk;
            while decoder.feed(&mut chunk).expect("well-formed").is_some() {}
        }
        assert_eq!(decoder.held_bytes(), 0);
    }

    #[test]
    fn frames_that_break_the_protocol_are_refused() {
        refuse(&[0x82, 0x00], "frame of a client is not masked");
        for reserved in [0x40, 0x20, 0x10] {
            refuse(&frame(0x82 | reserved, b""), "reserved bits are set");
        }
        for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
            refuse(&frame(0x80 | opcode, b""), "unknown opcode");
        }
        for opcode in [8, 9, 10] {
            refuse(&frame(opcode, b""), "fragmented control frame");
            refuse(&frame(0x80 | opcode, &[0; 126]), "control frame above 125 bytes");
        }
        refuse(&frame(0x80, b""), "continuation without a message");
        refuse(&[frame(0x02, b"a"), frame(0x82, b"b")].concat(), "new message inside a fragmented one");
        refuse(&[frame(0x01, b"a"), frame(0x01, b"b")].concat(), "new message inside a fragmented one");
        refuse(&[0x82, 0xfe, 0, 125, 1, 2, 3, 4], "payload length not in its shortest form");
        refuse(&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff], "payload length not in its shortest form");
        refuse(&[0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], "payload length not in its shortest form");
    }

    #[test]
    fn close_frames_are_checked() {
        for code in [1000, 1001, 1003, 1007, 1013, 3000, 4999_u16] {
            check(&frame(0x88, &code.to_be_bytes()), Ok(&[Inbound::Close { code: Some(code) }]));
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535_u16] {
            refuse(&frame(0x88, &code.to_be_bytes()), "close code that may not be sent");
        }
        refuse(&frame(0x88, &[3]), "half a close code");
        refuse(&frame(0x88, &[0x03, 0xe8, 0xff]), "close reason that is not utf-8");
    }

    #[test]
    fn an_error_ends_the_conversation() {
        let mut decoder = Decoder::new(10);
        let bytes = [frame(0x83, b""), frame(0x82, b"a")].concat();
        let mut input = bytes.as_slice();
        assert!(decoder.feed(&mut input).is_err());
        assert_eq!(decoder.feed(&mut input), Ok(None));
        assert!(input.is_empty());
    }
}
