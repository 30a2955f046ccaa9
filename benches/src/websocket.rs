//! The least WebSocket client that is correct: the opening handshake, masked frames out, whole messages in.
//!
//! It must never be what is measured, so frames are encoded before the clock runs and read in place.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// Not zero: some servers skip the unmasking of a zero key, and no browser sends one.
const MASK: [u8; 4] = [0x5a, 0xc3, 0x17, 0x88];
const OPCODE_CONTINUATION: u8 = 0;
const OPCODE_BINARY: u8 = 2;
const OPCODE_CLOSE: u8 = 8;
const OPCODE_PING: u8 = 9;
const OPCODE_PONG: u8 = 10;
const RESPONSE_BYTES_MAX: usize = 8 * 1024;
const READ_BYTES: usize = 64 * 1024;

/// Opens a WebSocket at `path` of a server on this host.
pub(crate) async fn connect(address: SocketAddr, path: &str) -> Result<(Incoming, OwnedWriteHalf)> {
    connect_with(address, path, &format!("Host: {address}\r\n")).await
}

/// The same with these header lines, `Host` among them.
pub(crate) async fn connect_with(address: SocketAddr, path: &str, headers: &str) -> Result<(Incoming, OwnedWriteHalf)> {
    let mut stream = TcpStream::connect(address).await.context("cannot connect")?;
    stream.set_nodelay(true)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\n{headers}Upgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: b3JyZXJ5IGJlbmNoZXMhIQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut buffer = BytesMut::with_capacity(1024);
    let end = loop {
        ensure!(stream.read_buf(&mut buffer).await? > 0, "the server closed instead of answering the upgrade");
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        ensure!(buffer.len() < RESPONSE_BYTES_MAX, "the upgrade's answer has no end");
    };
    if !buffer.starts_with(b"HTTP/1.1 101") {
        bail!("upgrade refused: {}", String::from_utf8_lossy(&buffer[..end]).lines().next().unwrap_or_default());
    }
    buffer.advance(end);
    let (read, write) = stream.into_split();
    Ok((Incoming { read, buffer, fragments: None }, write))
}

/// A binary message as one masked frame.
pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    masked(OPCODE_BINARY, message)
}

fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 14);
    out.push(0x80 | opcode);
    match payload.len() {
        len @ ..126 => out.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    out
}

/// The reading half of a connection.
pub(crate) struct Incoming {
    read: OwnedReadHalf,
    buffer: BytesMut,
    /// What came so far of a message in several frames.
    fragments: Option<Vec<u8>>,
}

impl Incoming {
    /// Reads once from the socket and hands over every message that is whole by then; `answer` collects bytes to send.
    ///
    /// # Errors
    /// When the connection ends, with the close code if there was one.
    pub(crate) async fn read(
        &mut self,
        answer: &mut Vec<u8>,
        hear: &mut impl FnMut(&[u8], &mut Vec<u8>),
    ) -> Result<usize> {
        if self.buffer.is_empty() {
            // Idle connections keep no buffer, so that thousands fit.
            self.buffer = BytesMut::new();
        }
        self.read.readable().await?;
        self.buffer.reserve(READ_BYTES);
        let read = self.read.read_buf(&mut self.buffer).await?;
        ensure!(read > 0, "the server closed the connection");
        while let Some((head, len)) = frame_bounds(&self.buffer) {
            let first = self.buffer[0];
            let payload = &self.buffer[head..head + len];
            match first & 0x0f {
                OPCODE_CONTINUATION => {
                    let Some(fragments) = &mut self.fragments else { bail!("a continuation of nothing") };
                    fragments.extend_from_slice(payload);
                    if first & 0x80 != 0 {
                        hear(fragments, answer);
                        self.fragments = None;
                    }
                }
                OPCODE_CLOSE => bail!("closed with {}", close_code(payload)),
                OPCODE_PING => answer.extend_from_slice(&masked(OPCODE_PONG, payload)),
                OPCODE_PONG => {}
                _ if first & 0x80 != 0 => hear(payload, answer),
                _ => self.fragments = Some(payload.to_vec()),
            }
            self.buffer.advance(head + len);
        }
        Ok(read)
    }
}

/// Length of the header and of the payload of the frame at the front, if it is whole.
fn frame_bounds(bytes: &[u8]) -> Option<(usize, usize)> {
    let (head, len) = match *bytes.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        len => (2, usize::from(len)),
    };
    (bytes.len() - head.min(bytes.len()) >= len && bytes.len() >= head).then_some((head, len))
}

fn close_code(payload: &[u8]) -> String {
    match payload {
        [high, low, reason @ ..] => {
            format!("{} {}", u16::from_be_bytes([*high, *low]), String::from_utf8_lossy(reason)).trim_end().to_owned()
        }
        _ => "no code".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_masked_and_its_length_is_told_in_the_shortest_form() {
        for (len, head) in [(0, 6), (125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            let payload = vec![9; len];
            let bytes = frame(&payload);
            assert_eq!(bytes.len(), head + len);
            assert_eq!(bytes[1] & 0x80, 0x80);
            let open: Vec<u8> = bytes[head..].iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
            assert_eq!(open, payload);
        }
    }

    #[test]
    fn a_frame_is_found_only_when_it_is_whole() {
        let mut bytes = vec![0x82, 126, 0, 200];
        assert_eq!(frame_bounds(&bytes), None);
        bytes.extend_from_slice(&[1; 199]);
        assert_eq!(frame_bounds(&bytes), None);
        bytes.push(1);
        assert_eq!(frame_bounds(&bytes), Some((4, 200)));
        assert_eq!(frame_bounds(&[0x82]), None);
    }
}
