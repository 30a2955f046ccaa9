//! Over real sockets: a server of ours in front, whatever the test says behind it, a raw client.

mod framing;

use std::net::SocketAddr;

use axum::{Router, response::IntoResponse};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

use super::*;
use crate::{
    envelope::Site,
    error::{ApiError, ErrorCode},
    limits::{HttpLimits, RateLimits},
    server::Server,
};

const PATIENCE: Duration = Duration::from_secs(20);
const UPGRADE: &str = "connection: upgrade\r\nupgrade: websocket\r\n";

/// A server that passes everything on to `upstream`.
struct Front {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Front {
    fn before(upstream: SocketAddr) -> Self {
        Self::limited(upstream, HttpLimits::default())
    }

    fn limited(upstream: SocketAddr, limits: HttpLimits) -> Self {
        let edge = Arc::new(EdgeConfig {
            domain: "localhost".to_owned(),
            public_url: None,
            limits,
            rates: RateLimits::default(),
            trusted_proxies: Vec::new(),
        });
        let proxy = Proxy::new(edge.clone());
        let upstream = Upstream { address: Place::Socket(upstream), keep_host: false };
        let router =
            Router::new().fallback(async move |request: Request| match proxy.forward(&upstream, request).await {
                Ok(answer) => answer,
                Err(error) => ApiError::new(ErrorCode::Unavailable("GONE"), error.to_string()).into_response(),
            });
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), Site::new(router, Router::new(), edge)).unwrap();
        let (stop, stopped) = oneshot::channel();
        let address = server.address();
        let server = tokio::spawn(server.run(async move { stopped.await.unwrap_or(()) }));
        Self { address, stop, server }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// A connection on which `request` was sent, a head without its last line.
    async fn ask(&self, request: &str) -> TcpStream {
        let mut stream = self.connect().await;
        stream.write_all(format!("{request}\r\n").as_bytes()).await.unwrap();
        stream
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(PATIENCE, self.server).await.unwrap().unwrap();
    }
}

/// The other process.
struct Behind {
    listener: TcpListener,
}

impl Behind {
    async fn listen() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (Self { listener }, address)
    }

    /// The next connection, and the head of its first request.
    async fn accept(&self) -> (TcpStream, String) {
        let (mut stream, _) = timeout(PATIENCE, self.listener.accept()).await.expect("a connection in time").unwrap();
        let head = head(&mut stream).await;
        (stream, head)
    }
}

async fn head(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(timeout(PATIENCE, stream.read_u8()).await.expect("a head in time").unwrap());
    }
    String::from_utf8(text).unwrap()
}

async fn exactly(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    timeout(PATIENCE, stream.read_exact(&mut read)).await.expect("so many bytes in time").unwrap();
    read
}

/// Writes so many `byte`s at one end while it reads them at the other.
async fn pass(from: &mut TcpStream, to: &mut TcpStream, byte: u8, bytes: usize) {
    let said = vec![byte; bytes];
    let (written, heard) = tokio::join!(from.write_all(&said), exactly(to, bytes));
    written.unwrap();
    assert!(heard == said);
}

/// Everything until the other side closes.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut read)).await.expect("closed in time").unwrap();
    read
}

fn has(head: &str, line: &str) -> bool {
    head.lines().any(|said| said.eq_ignore_ascii_case(line))
}

/// Opens a WebSocket through `front`, as far as HTTP goes.
async fn websocket(front: &Front, behind: &Behind) -> (TcpStream, TcpStream) {
    let mut client = front.ask(&format!("GET /collab HTTP/1.1\r\nhost: localhost\r\n{UPGRADE}")).await;
    let (mut upstream, _) = behind.accept().await;
    upstream.write_all(format!("HTTP/1.1 101 Switching Protocols\r\n{UPGRADE}\r\n").as_bytes()).await.unwrap();
    assert!(head(&mut client).await.starts_with("HTTP/1.1 101 "));
    (client, upstream)
}

#[tokio::test]
async fn a_websocket_passes_with_what_came_early_and_closes_both_ways() {
    let (behind, address) = Behind::listen().await;
    let front = Front::before(address);
    let mut client = front.connect().await;
    let handshake = format!(
        "GET /collab/p/board?token=t HTTP/1.1\r\nhost: localhost:7000\r\n{UPGRADE}sec-websocket-key: k\r\n\
         x-forwarded-for: 1.2.3.4\r\nx-auth-user: admin\r\n\r\nfirst"
    );
    client.write_all(handshake.as_bytes()).await.unwrap();
    let (mut upstream, asked) = behind.accept().await;
    assert!(asked.starts_with("GET /collab/p/board?token=t HTTP/1.1\r\n"), "{asked}");
    for line in ["connection: upgrade", "upgrade: websocket", "sec-websocket-key: k", "x-forwarded-for: 127.0.0.1"] {
        assert!(has(&asked, line), "{line}: {asked}");
    }
    assert!(has(&asked, &format!("host: {address}")) && has(&asked, "x-forwarded-host: localhost:7000"), "{asked}");
    assert!(!asked.contains("x-auth-user") && !asked.contains("1.2.3.4"), "{asked}");
    let agreed = format!("HTTP/1.1 101 Switching Protocols\r\n{UPGRADE}sec-websocket-accept: a\r\n\r\nwelcome");
    upstream.write_all(agreed.as_bytes()).await.unwrap();
    let agreed = head(&mut client).await;
    assert!(agreed.starts_with("HTTP/1.1 101 ") && has(&agreed, "sec-websocket-accept: a"), "{agreed}");
    assert_eq!(exactly(&mut client, 7).await, b"welcome");
    assert_eq!(exactly(&mut upstream, 5).await, b"first");

    client.write_all(b"good-bye").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut upstream).await, b"good-bye", "the end is passed on");
    upstream.write_all(b"good-bye too").await.unwrap();
    drop(upstream);
    assert_eq!(rest(&mut client).await, b"good-bye too", "and so is what comes after it");
    front.stop().await;
}

#[tokio::test]
async fn a_websocket_carries_much_both_ways_at_once() {
    const BYTES: usize = 8 << 20;
    let (behind, address) = Behind::listen().await;
    let front = Front::before(address);
    let (client, upstream) = websocket(&front, &behind).await;
    let talk = |stream: TcpStream, says: u8| async move {
        let (mut read, mut write) = stream.into_split();
        let saying = tokio::spawn(async move {
            let said: Vec<u8> = (0..BYTES).map(|at| (at % 251) as u8 ^ says).collect();
            write.write_all(&said).await.unwrap();
        });
        let mut heard = Vec::new();
        timeout(PATIENCE, read.read_to_end(&mut heard)).await.expect("everything in time").unwrap();
        saying.await.unwrap();
        heard
    };
    let (at_client, at_upstream) = tokio::join!(talk(client, 1), talk(upstream, 2));
    for (heard, says) in [(at_client, 2), (at_upstream, 1)] {
        assert_eq!(heard.len(), BYTES);
        assert!(heard.iter().enumerate().all(|(at, byte)| *byte == (at % 251) as u8 ^ says));
    }
    front.stop().await;
}

#[tokio::test]
async fn a_websocket_counts_as_a_connection_until_it_ends() {
    let (behind, address) = Behind::listen().await;
    let front = Front::limited(address, HttpLimits { connections_max: 1, ..HttpLimits::default() });
    let (client, mut upstream) = websocket(&front, &behind).await;
    let refused = rest(&mut front.connect().await).await;
    assert!(refused.starts_with(b"HTTP/1.1 503 "));
    drop(client);
    assert_eq!(rest(&mut upstream).await, b"");
    drop(upstream);
    let again = async {
        loop {
            let mut stream = front.connect().await;
            // Refused: the socket closes, or resets because the request was not read.
            stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await.ok();
            tokio::select! {
                _ = behind.accept() => break,
                _ = stream.read_u8() => {}
            }
        }
    };
    timeout(PATIENCE, again).await.expect("the place is free again");
    front.stop().await;
}

#[tokio::test]
async fn whoever_speaks_a_websocket_learns_that_the_other_process_was_killed() {
    let (behind, address) = Behind::listen().await;
    let front = Front::before(address);
    let (mut client, upstream) = websocket(&front, &behind).await;
    drop(upstream);
    assert_eq!(rest(&mut client).await, b"");
    front.stop().await;
}

#[tokio::test]
async fn a_refused_websocket_is_an_answer_like_any_other() {
    let (behind, address) = Behind::listen().await;
    let front = Front::before(address);
    let mut client = front.ask(&format!("GET / HTTP/1.1\r\nhost: localhost\r\n{UPGRADE}")).await;
    let (mut upstream, _) = behind.accept().await;
    let answer = b"HTTP/1.1 401 Unauthorized\r\nx-request-id: theirs\r\ncontent-length: 2\r\n\r\nno";
    upstream.write_all(answer).await.unwrap();
    let refused = head(&mut client).await;
    assert!(refused.starts_with("HTTP/1.1 401 ") && has(&refused, "x-request-id: theirs"), "{refused}");
    assert!(!refused.contains("x-frame-options"), "{refused}");
    assert_eq!(exactly(&mut client, 2).await, b"no");
    front.stop().await;
}

#[tokio::test]
async fn an_upgrade_that_nobody_asked_for_is_not_passed_on() {
    let (behind, address) = Behind::listen().await;
    let front = Front::before(address);
    let mut client = front.ask("GET / HTTP/1.1\r\nhost: localhost\r\n").await;
    let (mut upstream, asked) = behind.accept().await;
    assert!(!asked.contains("upgrade"), "{asked}");
    upstream.write_all(format!("HTTP/1.1 101 Switching Protocols\r\n{UPGRADE}\r\n").as_bytes()).await.unwrap();
    let refused = head(&mut client).await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    front.stop().await;
}

#[tokio::test]
async fn bodies_are_streamed_both_ways() {
    const HALF: usize = 16 << 20;
    let (behind, address) = Behind::listen().await;
    let limits = HttpLimits { body_bytes_max: 2 * HALF, ..HttpLimits::default() };
    let front = Front::limited(address, limits);
    let request = format!("POST /push HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n", 2 * HALF);
    let mut client = front.ask(&request).await;
    let (mut upstream, asked) = behind.accept().await;
    assert!(has(&asked, &format!("content-length: {}", 2 * HALF)), "{asked}");
    // The other process has the first half before the second is sent, and the other way round.
    for half in [1, 2] {
        pass(&mut client, &mut upstream, half, HALF).await;
    }
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nkeep-alive: timeout=9\r\n\r\n", 2 * HALF);
    upstream.write_all(answer.as_bytes()).await.unwrap();
    let answered = head(&mut client).await;
    assert!(answered.starts_with("HTTP/1.1 200 ") && !answered.contains("keep-alive"), "{answered}");
    for half in [3, 4] {
        pass(&mut upstream, &mut client, half, HALF).await;
    }
    front.stop().await;
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_look_whole() {
    for framing in ["content-length: 10\r\n\r\nhalf", "transfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let (behind, address) = Behind::listen().await;
        let front = Front::before(address);
        let mut client = front.ask("GET / HTTP/1.1\r\nhost: localhost\r\n").await;
        let (mut upstream, _) = behind.accept().await;
        upstream.write_all(format!("HTTP/1.1 200 OK\r\n{framing}").as_bytes()).await.unwrap();
        let answered = head(&mut client).await;
        assert!(answered.starts_with("HTTP/1.1 200 "), "{answered}");
        drop(upstream);
        let body = rest(&mut client).await;
        let chunked = has(&answered, "transfer-encoding: chunked");
        assert!(chunked || has(&answered, "content-length: 10"), "{answered}");
        assert!(!body.ends_with(b"0\r\n\r\n") && body.len() < 10, "{body:?}");
        front.stop().await;
    }
}

#[tokio::test]
async fn who_does_not_answer_is_named() {
    let (behind, address) = Behind::listen().await;
    let front = Front::before(address);
    let mut client = front.ask("GET / HTTP/1.1\r\nhost: localhost\r\n").await;
    drop(behind.accept().await);
    let broken = head(&mut client).await;
    assert!(broken.starts_with("HTTP/1.1 503 "), "{broken}");
    drop(behind);
    let mut client = front.ask("GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n").await;
    let refused = String::from_utf8(rest(&mut client).await).unwrap();
    assert!(
        refused.starts_with("HTTP/1.1 503 ") && refused.contains(&format!("{address} does not answer")),
        "{refused}"
    );
    front.stop().await;
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let (behind, address) = Behind::listen().await;
    let front = Front::before(address);
    let mut client = front.connect().await;
    let ask = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    client.write_all(ask).await.unwrap();
    let (mut upstream, _) = behind.accept().await;
    upstream.write_all(answer).await.unwrap();
    head(&mut client).await;
    client.write_all(ask).await.unwrap();
    head(&mut upstream).await;
    upstream.write_all(answer).await.unwrap();
    assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
    front.stop().await;
}

const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";
const NOTHING: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

#[tokio::test]
async fn a_kept_connection_is_used_after_answers_of_every_length() {
    let (behind, address) = Behind::listen().await;
    let front = Front::before(address);
    let mut client = front.connect().await;
    client.write_all(ASK).await.unwrap();
    let (mut upstream, _) = behind.accept().await;
    upstream.write_all(NOTHING).await.unwrap();
    head(&mut client).await;
    let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nyes";
    let chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n";
    let upload = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 4\r\n\r\nthis";
    for (request, sent, answer, rest) in [
        (ASK, 0, &whole[..], &b"yes"[..]),
        (ASK, 0, chunks, b"3\r\nyes\r\n0\r\n\r\n"),
        (ASK, 0, NOTHING, b""),
        (ASK, 0, whole, b"yes"),
        (upload, 4, whole, b"yes"),
    ] {
        client.write_all(request).await.unwrap();
        head(&mut upstream).await;
        exactly(&mut upstream, sent).await;
        // In two parts, as they may come.
        let (begin, end) = answer.split_at(answer.len() - rest.len() / 2);
        upstream.write_all(begin).await.unwrap();
        let answered = head(&mut client).await;
        assert!(answered.starts_with("HTTP/1.1 200 "), "{answered}");
        upstream.write_all(end).await.unwrap();
        assert_eq!(exactly(&mut client, rest.len()).await, rest);
    }
    front.stop().await;
}

#[tokio::test]
async fn what_was_kept_and_has_ended_is_not_asked() {
    let (behind, address) = Behind::listen().await;
    let front = Front::before(address);
    let mut client = front.connect().await;
    for _ in 0..3 {
        client.write_all(ASK).await.unwrap();
        let (mut upstream, _) = behind.accept().await;
        upstream.write_all(NOTHING).await.unwrap();
        assert!(head(&mut client).await.starts_with("HTTP/1.1 200 "));
        // Closed, and known to be: what comes later to this machine is heard later.
        drop(upstream);
        drop(TcpStream::connect(address).await.unwrap());
        drop(behind.listener.accept().await.unwrap());
    }
    front.stop().await;
}

/// A connection behind `front` that was used once, and is kept; and the client's.
async fn kept_connection(front: &Front, behind: &Behind) -> (TcpStream, TcpStream) {
    let mut client = front.connect().await;
    client.write_all(ASK).await.unwrap();
    let (mut upstream, _) = behind.accept().await;
    upstream.write_all(NOTHING).await.unwrap();
    head(&mut client).await;
    (client, upstream)
}

#[tokio::test]
async fn what_a_closing_connection_swallowed_is_asked_again_if_that_does_no_harm() {
    for (request, harmless) in [
        ("GET /x HTTP/1.1\r\nhost: localhost\r\nx-mine: 1\r\n\r\n", true),
        ("DELETE /x HTTP/1.1\r\nhost: localhost\r\nx-mine: 1\r\n\r\n", true),
        ("POST /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n", false),
        ("PUT /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\n\r\nx", false),
    ] {
        let (behind, address) = Behind::listen().await;
        let front = Front::before(address);
        let (mut client, mut upstream) = kept_connection(&front, &behind).await;
        client.write_all(request.as_bytes()).await.unwrap();
        let swallowed = head(&mut upstream).await;
        drop(upstream);
        let expect = if harmless {
            let (mut upstream, asked) = behind.accept().await;
            assert_eq!(asked, swallowed);
            upstream.write_all(NOTHING).await.unwrap();
            "HTTP/1.1 200 "
        } else {
            "HTTP/1.1 503 "
        };
        let answered = head(&mut client).await;
        assert!(answered.starts_with(expect), "{request}: {answered}");
        front.stop().await;
    }
}

#[tokio::test]
async fn what_is_swallowed_twice_is_not_asked_a_third_time() {
    let (behind, address) = Behind::listen().await;
    let front = Front::before(address);
    let (mut client, mut upstream) = kept_connection(&front, &behind).await;
    client.write_all(ASK).await.unwrap();
    head(&mut upstream).await;
    drop(upstream);
    drop(behind.accept().await);
    assert!(head(&mut client).await.starts_with("HTTP/1.1 503 "));
    front.stop().await;
}

#[tokio::test]
async fn what_nobody_uses_is_closed() {
    let (behind, address) = Behind::listen().await;
    let lines = Lines::new(Duration::from_millis(50), KEEP_ALIVE);
    let place = Place::Socket(address);
    let asking = lines.ask(&place, Request::new(Body::empty()));
    let answering = async {
        let (mut upstream, _) = behind.accept().await;
        upstream.write_all(NOTHING).await.unwrap();
        upstream
    };
    let (answer, mut upstream) = tokio::join!(asking, answering);
    assert_eq!(answer.unwrap().status(), StatusCode::OK);
    assert_eq!(rest(&mut upstream).await, b"");
}

#[tokio::test]
async fn an_upload_goes_on_however_slowly_its_answer_is_taken() {
    const BYTES: usize = 16 << 20;
    let (behind, address) = Behind::listen().await;
    let limits = HttpLimits { body_bytes_max: BYTES, ..HttpLimits::default() };
    let front = Front::limited(address, limits);
    let mut client = front.ask(&format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {BYTES}\r\n")).await;
    let (upstream, _) = behind.accept().await;
    let (mut taken, mut given) = upstream.into_split();
    // More than anything on the way holds, and nobody reads it.
    let giving = tokio::spawn(async move {
        let begin = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 8 * BYTES);
        given.write_all(begin.as_bytes()).await.unwrap();
        given.write_all(&vec![2; 8 * BYTES]).await.ok();
    });
    let mut read = vec![0; BYTES];
    let said = vec![1; BYTES];
    let upload = async { tokio::join!(client.write_all(&said), taken.read_exact(&mut read)) };
    let (written, heard) = timeout(PATIENCE, upload).await.expect("all of it in time");
    written.unwrap();
    heard.unwrap();
    assert!(read == said && !giving.is_finished());
    drop(client);
    giving.await.unwrap();
    front.stop().await;
}
