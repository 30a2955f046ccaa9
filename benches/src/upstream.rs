//! What is behind a proxy that is measured: answers at once, from memory, on one thread, and echoes what comes by WebSocket.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::spawn_local;

use crate::floor;

pub(crate) const SMALL_PATH: &str = "/small";
pub(crate) const LARGE_PATH: &str = "/large";
pub(crate) const ECHO_PATH: &str = "/echo";

const SMALL_BYTES: usize = 200;
const LARGE_BYTES: usize = 64 * 1024;

/// What `path` answers with.
pub(crate) fn body(path: &str) -> Vec<u8> {
    let length = if path == LARGE_PATH { LARGE_BYTES } else { SMALL_BYTES };
    (0..length).map(|at| b'a' + (at % 23) as u8).collect()
}

/// Both answers, head and body.
struct Answers {
    small: Vec<u8>,
    large: Vec<u8>,
}

/// Serves on every interface until it is killed.
pub(crate) async fn serve(port: u16) -> Result<()> {
    answer(TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.context("cannot listen")?).await
}

async fn answer(listener: TcpListener) -> Result<()> {
    let answer = |path| {
        let body = body(path);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.into_bytes(), body].concat()
    };
    let answers: &Answers = Box::leak(Box::new(Answers { small: answer(SMALL_PATH), large: answer(LARGE_PATH) }));
    loop {
        let (stream, _) = listener.accept().await?;
        spawn_local(serve_peer(stream, answers));
    }
}

/// Requests without a body, one after the other.
async fn serve_peer(mut stream: TcpStream, answers: &Answers) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = BytesMut::with_capacity(4096);
    loop {
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            if stream.read_buf(&mut buffer).await? == 0 {
                return Ok(());
            }
            continue;
        };
        let head = buffer.split_to(end + 4);
        let path = head[..].split(|&byte| byte == b' ').nth(1).unwrap_or_default();
        if path == ECHO_PATH.as_bytes() {
            stream.write_all(floor::UPGRADED).await?;
            return echo(stream, buffer).await;
        }
        let answer = if path == LARGE_PATH.as_bytes() { &answers.large } else { &answers.small };
        stream.write_all(answer).await?;
    }
}

/// Sends every message back, until the connection ends.
async fn echo(mut stream: TcpStream, mut buffer: BytesMut) -> Result<()> {
    let mut answer = Vec::new();
    loop {
        while let Some(message) = floor::take_frame(&mut buffer) {
            answer.extend_from_slice(&floor::frame(&message));
        }
        if !answer.is_empty() {
            stream.write_all(&answer).await?;
            answer.clear();
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::SocketAddr;

    use tokio::task::LocalSet;

    use super::*;
    use crate::http::{Connection, prepare};
    use crate::websocket;

    /// Starts it on this host; its address.
    pub(crate) async fn start() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        spawn_local(answer(listener));
        address
    }

    /// Asks for everything that it has: through a proxy, or itself.
    pub(crate) async fn check(address: SocketAddr) {
        let mut connection = Connection::open(address).await.unwrap();
        for path in [SMALL_PATH, LARGE_PATH, SMALL_PATH] {
            let answer = connection.ask(&prepare("GET", path, "Host: x\r\n", None)).await;
            let answer = answer.unwrap();
            assert_eq!((answer.status, answer.body), (200, body(path).as_slice()));
        }
        let (mut incoming, mut outgoing) = websocket::connect(address, ECHO_PATH).await.unwrap();
        for message in [vec![1; 3], vec![2; 300], vec![3; 70_000]] {
            outgoing.write_all(&websocket::frame(&message)).await.unwrap();
            let mut echo = None;
            while echo.is_none() {
                let mut hear = |heard: &[u8], _: &mut Vec<u8>| echo = Some(heard.to_vec());
                incoming.read(&mut Vec::new(), &mut hear).await.unwrap();
            }
            assert_eq!(echo, Some(message));
        }
    }

    #[tokio::test]
    async fn it_answers_and_echoes() {
        LocalSet::new().run_until(async { check(start().await).await }).await;
    }
}
