//! One request on a connection of its own, and as much of a WebSocket as it takes to know that a room is behind it.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::timeout,
};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Itself, if it has this status.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", String::from_utf8_lossy(&self.body));
        self
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {:?}", self.body))
    }

    /// Status and code of a refusal.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, self.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
    }

    /// All values of a header.
    pub(crate) fn headers(&self, name: &str) -> Vec<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(':'));
        fields.filter(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
    }
}

/// A request that is put together.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    method: &'static str,
    path: String,
    from: IpAddr,
    host: Option<String>,
    headers: String,
    body: Vec<u8>,
    chunked: bool,
}

impl Ask {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new("GET", path, Vec::new())
    }

    pub(crate) fn post(path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self::new("POST", path, body)
    }

    pub(crate) fn new(method: &'static str, path: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        let (path, body) = (path.into(), body.into());
        let from = Ipv4Addr::UNSPECIFIED.into();
        Self { method, path, from, host: None, headers: String::new(), body, chunked: false }
    }

    /// Comes from this address. All of 127.0.0.0/8 are this machine's.
    pub(crate) fn from(self, from: IpAddr) -> Self {
        Self { from, ..self }
    }

    /// Names another host than the address.
    pub(crate) fn at(self, host: &str) -> Self {
        Self { host: Some(host.to_owned()), ..self }
    }

    /// Does not say how long the body is.
    pub(crate) fn chunked(self) -> Self {
        let mut body = Vec::new();
        for bytes in self.body.chunks(512) {
            body.extend_from_slice(format!("{:x}\r\n", bytes.len()).as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(b"0\r\n\r\n");
        Self { body, chunked: true, ..self }
    }

    pub(crate) fn json(path: impl Into<String>, body: &Value) -> Self {
        Self::post(path, body.to_string()).header("content-type", "application/json")
    }

    pub(crate) fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", format_args!("Bearer {token}"))
    }

    pub(crate) async fn of(&self, address: SocketAddr) -> Answer {
        let Self { method, path, from, host, headers, body, chunked } = self;
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(SocketAddr::new(*from, 0)).expect("an address of this machine");
        let mut stream = socket.connect(address).await.expect("it listens");
        let host = host.clone().unwrap_or_else(|| address.to_string());
        let framing = match chunked {
            true => "transfer-encoding: chunked".to_owned(),
            false => format!("content-length: {}", body.len()),
        };
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n{headers}{framing}\r\nconnection: close\r\n\r\n");
        let (mut read, mut write) = stream.split();
        let sending = async {
            write.write_all(head.as_bytes()).await.ok();
            // A refusal may come before everything is sent.
            write.write_all(body).await.ok();
        };
        let mut answer = Vec::new();
        let reading = async { timeout(PATIENCE, read.read_to_end(&mut answer)).await.expect("an answer in time") };
        let (_, read) = tokio::join!(sending, reading);
        read.expect("the whole answer");
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(answer[..end].to_vec()).expect("text");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, head, body: answer.split_off(end + 4) }
    }
}

/// A WebSocket, once it is open.
pub(crate) struct WebSocket(TcpStream);

impl WebSocket {
    /// Opens one at `path`, below `host` if that is another than the address.
    pub(crate) async fn open(address: SocketAddr, host: &str, path: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let handshake = format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(handshake.as_bytes()).await.expect("it reads");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(timeout(PATIENCE, stream.read_u8()).await.expect("an answer in time").expect("an answer"));
        }
        let head = String::from_utf8(head).expect("text");
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        assert!(head.to_ascii_lowercase().contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{head}");
        Self(stream)
    }

    /// Asks the room for everything (sync step 1 with an empty state vector) and waits for it (step 2).
    pub(crate) async fn sync(&mut self) {
        // Final, binary, 4 bytes, masked with zeros; sync, step 1, 1 byte, no clients.
        self.0.write_all(&[0x82, 0x84, 0, 0, 0, 0, 0, 0, 1, 0]).await.expect("it reads");
        loop {
            let (opcode, payload) = self.frame().await;
            if opcode == 2 && payload.starts_with(&[0, 1]) {
                return;
            }
        }
    }

    /// Waits for the close frame and its code.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            let (opcode, payload) = self.frame().await;
            if opcode == 8 {
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    }

    async fn frame(&mut self) -> (u8, Vec<u8>) {
        let reading = async {
            let (first, second) = (self.0.read_u8().await?, self.0.read_u8().await?);
            let length = match second {
                126 => u64::from(self.0.read_u16().await?),
                127 => self.0.read_u64().await?,
                short => u64::from(short),
            };
            let mut payload = vec![0; usize::try_from(length).expect("a small frame")];
            self.0.read_exact(&mut payload).await?;
            std::io::Result::Ok((first & 0x0f, payload))
        };
        timeout(PATIENCE, reading).await.expect("a frame in time").expect("an open connection")
    }
}
