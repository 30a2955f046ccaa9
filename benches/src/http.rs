//! The least HTTP client that is correct: one JSON request on a connection of its own, or prepared requests one after the
//! other on one that is kept.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use bytes::{Buf, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const HEAD_BYTES_MAX: usize = 64 * 1024;
const READ_BYTES: usize = 64 * 1024;

/// One JSON request that succeeds; the answer's body.
pub(crate) async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: Option<&Value>,
) -> Result<Value> {
    let answer = request(address, method, path, headers, body).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no body")?;
    ensure!(head.starts_with("HTTP/1.1 2"), "{path} answered {answer}");
    serde_json::from_str(body).with_context(|| format!("{path} answered {answer}"))
}

/// One request; the whole answer, head and body.
pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
    body: Option<&Value>,
) -> Result<String> {
    let headers = format!("Host: {address}\r\nConnection: close\r\n{headers}");
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&prepare(method, path, &headers, body)).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// A request as bytes, to be prepared before the clock runs. `headers` are whole lines, `Host` among them.
pub(crate) fn prepare(method: &str, path: &str, headers: &str, body: Option<&Value>) -> Vec<u8> {
    let body = body.map(|body| {
        let body = body.to_string();
        format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    });
    format!("{method} {path} HTTP/1.1\r\n{headers}{}", body.as_deref().unwrap_or("\r\n")).into_bytes()
}

/// An answer, until the next request.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    head: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl Answer<'_> {
    /// The values of a header, in order.
    pub(crate) fn header(&self, name: &str) -> impl Iterator<Item = &str> {
        fields(self.head).filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body of an answer that is as it should be.
    pub(crate) fn json(&self) -> Result<Value> {
        ensure!(self.status == 200, "answered {}: {}", self.status, String::from_utf8_lossy(self.body));
        Ok(serde_json::from_slice(self.body)?)
    }
}

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: BytesMut,
    /// Length of the answer that was handed out last.
    answered: usize,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: BytesMut::with_capacity(READ_BYTES), answered: 0 })
    }

    /// Sends a prepared request and reads the whole answer.
    ///
    /// # Errors
    /// The connection ends, or the answer does not say how long it is.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<Answer<'_>> {
        self.buffer.advance(self.answered);
        self.answered = 0;
        self.stream.write_all(request).await?;
        let head = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            ensure!(self.buffer.len() < HEAD_BYTES_MAX, "the answer's head has no end");
            self.read().await?;
        };
        let (status, length) = status_and_length(&self.buffer[..head])?;
        self.buffer.reserve((head + length).saturating_sub(self.buffer.len()));
        while self.buffer.len() < head + length {
            self.read().await?;
        }
        self.answered = head + length;
        let (head, body) = self.buffer[..head + length].split_at(head);
        Ok(Answer { status, head, body })
    }

    async fn read(&mut self) -> Result<()> {
        self.buffer.reserve(1);
        ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
        Ok(())
    }
}

fn status_and_length(head: &[u8]) -> Result<(u16, usize)> {
    let status = head.strip_prefix(b"HTTP/1.1 ").and_then(|rest| std::str::from_utf8(rest.get(..3)?).ok());
    let status = status.and_then(|status| status.parse().ok()).context("no status")?;
    if matches!(status, 204 | 304) {
        return Ok((status, 0));
    }
    let length = fields(head).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    match length.map(|(_, length)| length.parse()) {
        Some(Ok(length)) => Ok((status, length)),
        Some(Err(_)) | None => bail!("an answer of unknown length: {}", String::from_utf8_lossy(head)),
    }
}

/// Names and values of a head's fields.
fn fields(head: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let lines = head.split(|&byte| byte == b'\n').skip(1).filter_map(|line| std::str::from_utf8(line).ok());
    lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name, value.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_says_its_status_and_how_long_the_body_is() {
        let check = |head: &str, expect: Option<(u16, usize)>| {
            assert_eq!(status_and_length(head.as_bytes()).ok(), expect, "{head}");
        };
        check("HTTP/1.1 200 OK\r\nDate: x\r\ncontent-length: 12\r\n\r\n", Some((200, 12)));
        check("HTTP/1.1 204 No Content\r\n\r\n", Some((204, 0)));
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", None);
        check("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", None);
        check("SSH-2.0\r\n\r\n", None);
    }

    #[test]
    fn headers_are_found_by_name_in_any_case() {
        let head =
            b"HTTP/1.1 302 Found\r\nset-cookie: a=1; Path=/\r\nLocation: http://x/?a:b\r\nSet-Cookie: c=2\r\n\r\n";
        let answer = Answer { status: 302, head, body: b"" };
        assert_eq!(answer.header("Set-Cookie").collect::<Vec<_>>(), ["a=1; Path=/", "c=2"]);
        assert_eq!(answer.header("location").collect::<Vec<_>>(), ["http://x/?a:b"]);
    }
}
