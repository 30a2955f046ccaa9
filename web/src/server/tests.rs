use axum::{Router, extract::Request, response::Response, routing::get};
use http::StatusCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::oneshot,
    task::JoinHandle,
};

use crate::{limits::HttpLimits, state::EdgeConfig};

use super::*;

const DEADLINE: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Running {
    fn start(router: Router, limits: HttpLimits) -> Self {
        let edge = Arc::new(EdgeConfig { limits, ..EdgeConfig::default() });
        let site = Site::new(router, Router::new(), edge);
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), site).unwrap();
        let (stop, stopped) = oneshot::channel();
        let address = server.address();
        let server = tokio::spawn(server.run(async move { stopped.await.unwrap_or(()) }));
        Self { address, stop, server }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        timeout(DEADLINE, self.server).await.unwrap().unwrap();
    }
}

/// Everything until the other side closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut bytes)).await.expect("closed in time").unwrap();
    String::from_utf8(bytes).unwrap()
}

async fn head(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    while !text.ends_with(b"\r\n\r\n") {
        text.push(timeout(DEADLINE, stream.read_u8()).await.expect("an answer in time").unwrap());
    }
    String::from_utf8(text).unwrap()
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn a_taken_address_is_named() {
    let running = Running::start(Router::new(), HttpLimits::default());
    let edge = Arc::new(EdgeConfig::default());
    let site = Site::new(Router::new(), Router::new(), edge);
    let error = Server::bind(running.address, site).err().unwrap();
    assert_eq!(error.to_string(), format!("cannot listen on {}", running.address));
    running.stop().await;
}

#[tokio::test]
async fn a_slow_handshake_is_cut_off() {
    let limits = HttpLimits { head_timeout_ms: 100, ..HttpLimits::default() };
    let running = Running::start(Router::new(), limits);
    let (mut silent, mut dripping) = (running.connect().await, running.connect().await);
    dripping.write_all(b"GET / HTTP/1.1\r\nhost: loc").await.unwrap();
    rest(&mut silent).await;
    rest(&mut dripping).await;
    running.stop().await;
}

#[tokio::test]
async fn a_large_head_is_refused() {
    let limits = HttpLimits { head_bytes_max: 8192, ..HttpLimits::default() };
    let running = Running::start(Router::new().route("/", get(async || "here")), limits);
    let mut stream = running.connect().await;
    let head = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "a".repeat(20_000));
    stream.write_all(head.as_bytes()).await.ok();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 431 "));
    running.stop().await;
}

#[tokio::test]
async fn one_connection_too_many_is_told_so() {
    let limits = HttpLimits { connections_max: 1, ..HttpLimits::default() };
    let running = Running::start(Router::new().route("/", get(async || "here")), limits);
    let mut first = running.connect().await;
    first.write_all(GET).await.unwrap();
    assert!(head(&mut first).await.starts_with("HTTP/1.1 200 "));
    let refused = rest(&mut running.connect().await).await;
    assert!(refused.starts_with("HTTP/1.1 503 ") && refused.contains("TOO_MANY_CONNECTIONS"), "{refused}");
    drop(first);
    let again = async {
        loop {
            let mut stream = running.connect().await;
            stream.write_all(GET).await.ok();
            // A refusal may arrive as a reset, because the request was not read.
            let mut start = [0; 12];
            if stream.read_exact(&mut start).await.is_ok() && start == *b"HTTP/1.1 200" {
                break;
            }
        }
    };
    timeout(DEADLINE, again).await.expect("the place is free again");
    running.stop().await;
}

#[tokio::test]
async fn a_request_under_way_is_answered_while_the_server_stops() {
    let (entered, mut wait_entered) = tokio::sync::mpsc::channel(1);
    let gate = Arc::new(Semaphore::new(0));
    let handler = {
        let gate = gate.clone();
        move || {
            let (entered, gate) = (entered.clone(), gate.clone());
            async move {
                entered.send(()).await.unwrap();
                gate.acquire().await.unwrap().forget();
                "here"
            }
        }
    };
    let running = Running::start(Router::new().route("/", get(handler)), HttpLimits::default());
    let mut idle = running.connect().await;
    let mut stream = running.connect().await;
    stream.write_all(GET).await.unwrap();
    wait_entered.recv().await.unwrap();
    running.stop.send(()).unwrap();
    gate.add_permits(1);
    assert!(rest(&mut stream).await.ends_with("here"));
    assert_eq!(rest(&mut idle).await, "", "idle connections close");
    timeout(DEADLINE, running.server).await.unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn a_refusal_arrives_whole() {
    let router = Router::new().fallback(async || ApiError::not_found());
    let running = Running::start(router, HttpLimits::default());
    let mut stream = running.connect().await;
    stream.write_all(b"GET /nowhere HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
    let answer = rest(&mut stream).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 404 Not Found\r\n"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["error"]["code"], "NOT_FOUND");
    running.stop().await;
}

#[tokio::test]
async fn who_sends_before_listening_hears_a_refusal_too() {
    // More than anything on the way holds.
    const BYTES: usize = 16 << 20;
    let running = Running::start(Router::new().route("/", get(async || "here")), HttpLimits::default());
    let mut stream = running.connect().await;
    let upload = format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {BYTES}\r\n\r\n");
    stream.write_all(upload.as_bytes()).await.unwrap();
    timeout(DEADLINE, stream.write_all(&vec![0; BYTES])).await.expect("taken in time").unwrap();
    let refused = head(&mut stream).await;
    assert!(refused.starts_with("HTTP/1.1 413 "), "{refused}");
    let length = refused.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    stream.read_exact(&mut vec![0; length.parse().unwrap()]).await.unwrap();
    stream.write_all(GET).await.unwrap();
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 200 "), "the connection is as good as before");
    running.stop().await;
}

#[tokio::test]
async fn who_is_refused_and_sends_no_more_is_not_waited_for() {
    let router = Router::new().fallback(async || ApiError::not_found());
    let running = Running::start(router, HttpLimits::default());
    let mut stream = running.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
    let refused = rest(&mut stream).await;
    assert!(refused.starts_with("HTTP/1.1 404 "), "{refused}");
    running.stop().await;
}

#[tokio::test]
async fn who_asks_before_sending_is_not_told_to_send_what_is_refused() {
    let router = Router::new().fallback(async || ApiError::not_found());
    let running = Running::start(router, HttpLimits::default());
    let mut stream = running.connect().await;
    let ask = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n";
    stream.write_all(ask).await.unwrap();
    let refused = rest(&mut stream).await;
    assert!(refused.starts_with("HTTP/1.1 404 "), "{refused}");
    running.stop().await;
}

#[tokio::test]
async fn an_upgraded_connection_gives_its_raw_socket_back_and_goes_on_counting() {
    async fn upgrade(mut request: Request) -> Response {
        let connection = request.extensions().get::<Connection>().unwrap().clone();
        let upgrade = hyper::upgrade::on(&mut request);
        tokio::spawn(async move {
            let parts = upgrade.await.unwrap().downcast::<TokioIo<TcpStream>>().expect("our own socket");
            let mut stream = parts.io.into_inner();
            assert!(stream.nodelay().unwrap());
            assert!(socket2::SockRef::from(&stream).keepalive().unwrap(), "who is gone is noticed");
            stream.write_all(&parts.read_buf).await.unwrap();
            let mut byte = [0];
            stream.read_exact(&mut byte).await.unwrap();
            stream.write_all(&byte).await.unwrap();
            drop(connection);
        });
        let answer = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
        answer.header("connection", "upgrade").header("upgrade", "echo").body(Body::empty()).unwrap()
    }
    let limits = HttpLimits { connections_max: 1, ..HttpLimits::default() };
    let running = Running::start(Router::new().route("/", get(upgrade)), limits);
    let mut stream = running.connect().await;
    let request = b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nearly";
    stream.write_all(request).await.unwrap();
    assert!(head(&mut stream).await.starts_with("HTTP/1.1 101 "));
    let refused = rest(&mut running.connect().await).await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "an upgraded socket still counts");
    stream.write_all(b"x").await.unwrap();
    assert_eq!(rest(&mut stream).await, "earlyx");
    running.stop().await;
}
