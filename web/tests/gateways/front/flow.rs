//! What gets through, both ways, and what does not.

use std::{sync::atomic::Ordering, time::Duration};

use orrery_protocol::{access::Role, container::Phase};
use orrery_web::limits::HttpLimits;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{Place, behind::Behind, running};
use crate::http::{Ask, PATIENCE};

const MIB: usize = 1 << 20;

/// A connection on which a request was sent.
pub(super) async fn send(address: std::net::SocketAddr, request: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// Everything up to and with `end`.
pub(super) async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        read.push(timeout(PATIENCE, stream.read_u8()).await.expect("in time").expect("more"));
    }
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn nobody_forges_who_they_are_and_the_platform_s_cookies_stay_with_it() {
    let mut place = Place::new().await;
    let (host, _behind) = running(&mut place).await;
    let zoe = place.member("Zoë \"Z\"", Role::Editor).await;
    let session = place.session(&zoe).await;
    let mut visit = place.visit(&host, &session).await;
    visit.0.push(("orrery_session".to_owned(), session.expose().to_owned()));
    visit.0.push(("own".to_owned(), "1".to_owned()));
    let forged = |ask: Ask| {
        let ask =
            ask.header("x-auth-user-id", "root").header("X-Auth-User-Name", "root").header("x-auth-role", "admin");
        let ask = ask.header("x-forwarded-for", "1.2.3.4").header("x-forwarded-host", "evil.test");
        ask.header("forwarded", "for=1.2.3.4").header("x-real-ip", "1.2.3.4").header("authorization", "Basic eDp5")
    };
    for address in [place.city.address, place.gateway.address] {
        let said = forged(visit.on(Ask::get("/a?b=c"))).at(&host).of(address).await.expect(200).json();
        let fields = &said["fields"];
        assert_eq!(said["line"], "GET /a?b=c HTTP/1.1");
        assert_eq!(fields["x-auth-user-id"], zoe.id.to_string());
        assert_eq!(fields["x-auth-user-name"], "Zo%C3%AB%20%22Z%22");
        assert_eq!(fields["host"], host, "kept");
        assert_eq!(fields["x-forwarded-host"], host);
        assert_eq!((&fields["x-forwarded-proto"], &fields["x-forwarded-for"]), (&json!("http"), &json!("127.0.0.1")));
        assert_eq!(fields["x-real-ip"], "127.0.0.1");
        assert_eq!(fields["cookie"], "own=1", "{said}");
        assert_eq!(fields["authorization"], "Basic eDp5", "the container's own");
        for gone in ["x-auth-role", "forwarded"] {
            assert!(fields.get(gone).is_none(), "{said}");
        }
    }
    let token = place.city.access_token(&zoe);
    let said = Ask::get("/").at(&host).bearer(&token).of(place.city.address).await.expect(200).json();
    assert!(said["fields"].get("authorization").is_none(), "a token of ours is not the container's to see: {said}");
    let said = visit.on(Ask::get("/")).at(&host).bearer("theirs").of(place.city.address).await.expect(200).json();
    assert_eq!(said["fields"]["authorization"], "Bearer theirs");
}

#[tokio::test]
async fn what_a_container_sets_stays_on_its_host() {
    let mut place = Place::new().await;
    let (host, _behind) = running(&mut place).await;
    let token = place.city.access_token(&place.alice);
    let answer = Ask::get("/cookies").at(&host).bearer(&token).of(place.city.address).await.expect(200);
    assert_eq!(answer.headers("set-cookie"), ["a=1; Path=/", "b=2; HttpOnly"]);
    assert_eq!((answer.header("clear-site-data"), answer.header("x-own")), (None, Some("kept")));
    assert_eq!(answer.header("content-security-policy"), None, "the page is the container's");
}

#[tokio::test]
async fn events_arrive_as_they_are_sent() {
    let mut place = Place::new().await;
    let (host, behind) = running(&mut place).await;
    let token = place.city.access_token(&place.alice);
    let request = format!("GET /events HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n");
    let mut stream = send(place.city.address, &request).await;
    let first = until(&mut stream, "data: 1\n\n").await;
    assert!(first.contains("text/event-stream"), "{first}");
    behind.go_on.notify_one();
    until(&mut stream, "data: 2\n\n").await;
}

/// The most memory that this process has had at once, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

#[tokio::test]
async fn large_bodies_pass_both_ways_without_being_held() {
    const BYTES: usize = 200 * MIB;
    let mut place = Place::new().await;
    let (host, _behind) = running(&mut place).await;
    let token = place.city.access_token(&place.alice);
    let before = peak_mib();
    let head = format!("host: {host}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n");
    let upload = format!("POST /take HTTP/1.1\r\n{head}content-length: {BYTES}\r\n\r\n");
    let mut stream = send(place.city.address, &upload).await;
    let chunk = vec![1; MIB];
    for _ in 0..BYTES / MIB {
        timeout(PATIENCE, stream.write_all(&chunk)).await.expect("it is taken").unwrap();
    }
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time").unwrap();
    assert!(answer.ends_with(&format!("{{\"bytes\":{BYTES}}}")), "{answer}");
    let mut stream = send(place.city.address, &format!("GET /give?bytes={BYTES} HTTP/1.1\r\n{head}\r\n")).await;
    until(&mut stream, "\r\n\r\n").await;
    let (mut chunk, mut got) = (vec![0; MIB], 0);
    while got < BYTES {
        let read = timeout(PATIENCE, stream.read(&mut chunk)).await.expect("in time").unwrap();
        assert!(read > 0 && chunk[..read].iter().all(|&byte| byte == 7), "after {got}");
        got += read;
    }
    let grown = peak_mib() - before;
    assert!(grown < 100, "{grown} MiB for {} MiB twice, both ends and all buffers of sockets", BYTES / MIB);
}

#[tokio::test]
async fn who_does_not_read_is_not_read_for() {
    let mut place = Place::new().await;
    let (host, behind) = running(&mut place).await;
    let token = place.city.access_token(&place.alice);
    let request = format!("GET /endless HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n");
    let mut stream = send(place.city.address, &request).await;
    until(&mut stream, "\r\n\r\n").await;
    let taken = || behind.taken.load(Ordering::SeqCst);
    // Once nobody takes anything, nothing changes from one of many looks to the next.
    let (mut last, mut still) = (taken(), 0);
    let settled = async {
        while still < 50 || last == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            still = if taken() == last { still + 1 } else { 0 };
            last = taken();
        }
    };
    timeout(PATIENCE, settled).await.expect("it comes to rest");
    assert!(last < 64 * MIB as u64, "{last} bytes are underway to who reads none");
    let mut chunk = vec![0; MIB];
    let more = async {
        while taken() == last {
            assert!(stream.read(&mut chunk).await.unwrap() > 0);
        }
    };
    timeout(PATIENCE, more).await.expect("it goes on");
}

#[tokio::test]
async fn a_container_is_asked_so_much_at_a_time_and_others_are_not_kept() {
    let limits = HttpLimits { container_connections_max: 2, ..HttpLimits::default() };
    let mut place = Place::with(limits).await;
    let (host, behind) = running(&mut place).await;
    let calm = Behind::listen().await;
    let other = place.container(2, Phase::Running, Some(calm.address));
    let token = place.city.access_token(&place.alice);
    let request = format!("GET /events HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n");
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = send(place.city.address, &request).await;
        until(&mut stream, "data: 1\n\n").await;
        streams.push(stream);
    }
    let ask = |host: &str| Ask::get("/").at(host).bearer(&token);
    assert_eq!(ask(&host).of(place.city.address).await.refusal(), (503, "CONTAINER_BUSY".to_owned()));
    ask(&other).of(place.city.address).await.expect(200);
    behind.go_on.notify_one();
    drop(streams.remove(0));
    drop(streams);
    let free = async { while ask(&host).of(place.city.address).await.status != 200 {} };
    timeout(PATIENCE, free).await.expect("what ended does not count");
}
