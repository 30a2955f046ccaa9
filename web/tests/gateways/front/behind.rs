//! What runs in a container, for these tests: a server on a raw socket that does what its path says.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::AbortHandle,
};

/// The server, until it is dropped.
pub(super) struct Behind {
    pub(super) address: SocketAddr,
    /// Requests so far.
    pub(super) asked: Arc<AtomicU64>,
    /// Bytes that an endless answer was taken of.
    pub(super) taken: Arc<AtomicU64>,
    /// Lets answers that wait go on.
    pub(super) go_on: Arc<Notify>,
    task: AbortHandle,
}

impl Drop for Behind {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Shared {
    asked: Arc<AtomicU64>,
    taken: Arc<AtomicU64>,
    go_on: Arc<Notify>,
}

impl Behind {
    pub(super) async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared { asked: Arc::default(), taken: Arc::default(), go_on: Arc::default() };
        let Shared { asked, taken, go_on } = shared.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                tokio::spawn(async move { answer(stream, &shared).await });
            }
        });
        Self { address, asked, taken, go_on, task: serving.abort_handle() }
    }

    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::SeqCst)
    }
}

/// One request on a connection; `None` if the other end went away.
async fn answer(mut stream: TcpStream, shared: &Shared) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    shared.asked.fetch_add(1, Ordering::SeqCst);
    let head = String::from_utf8(head).unwrap();
    let line = head.lines().next().unwrap();
    let path = line.split(' ').nth(1).unwrap().split('?').next().unwrap();
    match path {
        "/socket" => {
            let agreed = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
            stream.write_all(agreed.as_bytes()).await.ok()?;
            let (mut read, mut write) = stream.split();
            tokio::io::copy(&mut read, &mut write).await.ok().map(drop)
        }
        "/events" => {
            let begin = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\ndata: 1\n\n";
            stream.write_all(begin.as_bytes()).await.ok()?;
            shared.go_on.notified().await;
            stream.write_all(b"data: 2\n\n").await.ok()
        }
        "/endless" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await.ok()?;
            let chunk = vec![0; 64 << 10];
            loop {
                stream.write_all(&chunk).await.ok()?;
                shared.taken.fetch_add(chunk.len() as u64, Ordering::SeqCst);
            }
        }
        "/take" => {
            let bytes = copy_body(&mut stream, length(&head)).await?;
            say(&mut stream, "", &json!({ "bytes": bytes })).await
        }
        "/give" => {
            let bytes: usize = head.split("bytes=").nth(1)?.split([' ', '&']).next()?.parse().ok()?;
            let begin = format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\nconnection: close\r\n\r\n");
            stream.write_all(begin.as_bytes()).await.ok()?;
            let chunk = vec![7; 1 << 20];
            for _ in 0..bytes / chunk.len() {
                stream.write_all(&chunk).await.ok()?;
            }
            Some(())
        }
        "/cookies" => {
            let set = "set-cookie: a=1; Domain=localhost; Path=/\r\nset-cookie: orrery_visit=evil\r\n\
                       set-cookie: b=2; HttpOnly\r\nclear-site-data: \"cookies\"\r\nx-own: kept\r\n";
            say(&mut stream, set, &said(&head)).await
        }
        _ => say(&mut stream, "", &said(&head)).await,
    }
}

/// The request, as JSON: its line, and its fields in lower case.
fn said(head: &str) -> Value {
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default();
    let fields = lines.filter_map(|line| line.split_once(':'));
    let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), Value::from(value.trim())));
    json!({ "line": line, "fields": Value::Object(fields.collect()) })
}

async fn say(stream: &mut TcpStream, fields: &str, body: &Value) -> Option<()> {
    let body = body.to_string();
    let length = body.len();
    let answer = format!("HTTP/1.1 200 OK\r\n{fields}content-length: {length}\r\nconnection: close\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await.ok()
}

fn length(head: &str) -> u64 {
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().and_then(|(_, value)| value.trim().parse().ok()).unwrap_or(0)
}

async fn copy_body(stream: &mut TcpStream, length: u64) -> Option<u64> {
    tokio::io::copy(&mut stream.take(length), &mut tokio::io::sink()).await.ok()
}
