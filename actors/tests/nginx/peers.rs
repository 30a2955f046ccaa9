//! Who is behind nginx, and who asks it.

use std::{net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What reached a peer: the request line and the header lines, names in lower case, and how long the body was.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body_bytes: usize,
}

impl Asked {
    /// All values of a header, joined.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let found: Vec<_> = self.headers.iter().filter(|(known, _)| known == name).map(|(_, text)| &**text).collect();
        if found.is_empty() { None } else { Some(found.join("|")) }
    }

    pub(crate) fn names_like(&self, prefix: &str) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| &**name).filter(|name| name.starts_with(prefix)).collect()
    }
}

/// What it says: everything after the status code, and the body.
type Says = Arc<dyn Fn(&Asked) -> (String, String) + Send + Sync>;

/// A server that answers each request as it is told; an upgrade is taken, and everything echoed.
pub(crate) async fn peer(says: impl Fn(&Asked) -> (String, String) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let says: Says = Arc::new(says);
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(socket, Arc::clone(&says)));
        }
    });
    address
}

/// One that answers with its name and what it was asked for.
pub(crate) async fn named(name: &'static str) -> SocketAddr {
    peer(move |asked| ("200 OK".to_owned(), format!("{name}: {}", asked.line))).await
}

async fn serve(mut socket: TcpStream, says: Says) {
    let Some((head, mut body)) = read_head(&mut socket).await else { return };
    let mut lines = head.lines();
    let line = lines.next().unwrap().to_owned();
    let headers = lines.filter_map(|line| line.split_once(": "));
    let headers: Vec<_> = headers.map(|(name, text)| (name.to_ascii_lowercase(), text.to_owned())).collect();
    let mut asked = Asked { line, headers, body_bytes: 0 };
    if asked.header("upgrade").is_some() {
        let taken = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
        socket.write_all(taken.as_bytes()).await.unwrap();
        let mut bytes = [0; 1024];
        while let Ok(count @ 1..) = socket.read(&mut bytes).await {
            socket.write_all(&bytes[..count]).await.unwrap();
        }
        return;
    }
    let length = asked.header("content-length").map_or(0, |length| length.parse().unwrap());
    while body.len() < length {
        if socket.read_buf(&mut body).await.unwrap() == 0 {
            return;
        }
    }
    asked.body_bytes = body.len();
    let (head, body) = says(&asked);
    let length = body.len();
    let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    // Whoever asked may have gone.
    drop(socket.write_all(answer.as_bytes()).await);
}

/// Up to the empty line, and what came after it.
pub(crate) async fn read_head(socket: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Some((String::from_utf8(bytes).unwrap(), rest));
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}

/// Asks for a path on a host, with further header lines, and reads the whole answer.
pub(crate) async fn get(proxy: SocketAddr, host: &str, path: &str, lines: &[&str]) -> String {
    send(proxy, &format!("GET {path} HTTP/1.1"), host, lines, b"").await
}

pub(crate) async fn send(proxy: SocketAddr, line: &str, host: &str, lines: &[&str], body: &[u8]) -> String {
    let mut socket = TcpStream::connect(proxy).await.unwrap();
    let more: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let head = format!("{line}\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n{more}\r\n", body.len());
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// A connection that was upgraded.
pub(crate) struct Tunnel(TcpStream);

impl Tunnel {
    pub(crate) async fn open(proxy: SocketAddr, host: &str, lines: &[&str]) -> Self {
        let mut socket = TcpStream::connect(proxy).await.unwrap();
        let more: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let head =
            format!("GET /ws HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n{more}\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let (answer, rest) = read_head(&mut socket).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        assert!(rest.is_empty());
        Self(socket)
    }

    /// Whether what is said comes back.
    pub(crate) async fn echoes(&mut self, text: &str) -> bool {
        let mut back = vec![0; text.len()];
        self.0.write_all(text.as_bytes()).await.is_ok()
            && self.0.read_exact(&mut back).await.is_ok()
            && back == text.as_bytes()
    }
}
