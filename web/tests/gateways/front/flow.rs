//! What gets through, both ways, and what does not.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::atomic::Ordering,
    time::Duration,
};

use orrery_protocol::{access::Role, container::Phase};
use orrery_web::limits::HttpLimits;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    Place,
    behind::Behind,
    door::{Door, at_both_doors},
    running,
};
use crate::http::{Ask, PATIENCE};

at_both_doors! {
    nobody_forges_who_they_are_and_the_platform_s_cookies_stay_with_it,
    what_a_container_sets_stays_on_its_host,
    a_container_is_told_where_its_visitors_are,
    events_arrive_as_they_are_sent,
    large_bodies_pass_both_ways_without_being_held,
    who_does_not_read_is_not_read_for,
}

const MIB: usize = 1 << 20;

/// Who is no proxy of ours, on this machine.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 9));

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

async fn nobody_forges_who_they_are_and_the_platform_s_cookies_stay_with_it(door: Door) {
    let mut place = Place::new(door).await;
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
    for address in place.doors() {
        let ask = forged(visit.on(Ask::get("/a?b=c"))).at(&host).from(ELSEWHERE);
        let said = ask.of(address).await.expect(200).json();
        let fields = &said["fields"];
        assert_eq!(said["line"], "GET /a?b=c HTTP/1.1");
        assert_eq!(fields["x-auth-user-id"], zoe.id.to_string());
        assert_eq!(fields["x-auth-user-name"], "Zo%C3%AB%20%22Z%22");
        assert_eq!(fields["host"], host, "kept");
        assert_eq!(fields["x-forwarded-host"], host);
        assert_eq!((&fields["x-forwarded-proto"], &fields["x-forwarded-for"]), (&json!("http"), &json!("127.0.0.9")));
        assert_eq!(fields["x-real-ip"], "127.0.0.9");
        assert_eq!(fields["cookie"], "own=1", "{said}");
        assert_eq!(fields["authorization"], "Basic eDp5", "the container's own");
        for gone in ["x-auth-role", "forwarded"] {
            assert!(fields.get(gone).is_none(), "{said}");
        }
    }
    let token = place.city.access_token(&zoe);
    let said = Ask::get("/").at(&host).bearer(&token).of(place.door).await.expect(200).json();
    assert!(said["fields"].get("authorization").is_none(), "a token of ours is not the container's to see: {said}");
    let said = visit.on(Ask::get("/")).at(&host).bearer("theirs").of(place.door).await.expect(200).json();
    assert_eq!(said["fields"]["authorization"], "Bearer theirs");
}

async fn what_a_container_sets_stays_on_its_host(door: Door) {
    let mut place = Place::new(door).await;
    let (host, _behind) = running(&mut place).await;
    let token = place.city.access_token(&place.alice);
    let answer = Ask::get("/cookies").at(&host).bearer(&token).of(place.door).await.expect(200);
    let kept: Vec<&str> = answer.headers("set-cookie").into_iter().filter_map(|set| taken(set, &host)).collect();
    assert_eq!(kept, ["a=1", "b=2"], "{}", answer.head);
    assert_eq!((answer.header("clear-site-data"), answer.header("x-own")), (None, Some("kept")));
    assert_eq!(answer.header("content-security-policy"), None, "the page is the container's");
}

/// What a browser takes of a cookie; nothing if it is for another host, or needs TLS and does not say so (RFC 6265bis).
fn taken<'a>(set: &'a str, host: &str) -> Option<&'a str> {
    let (host, mut parts) = (host.split(':').next()?, set.split(';').map(str::trim));
    let cookie = parts.next()?;
    let attributes: Vec<(&str, &str)> = parts.map(|part| part.split_once('=').unwrap_or((part, ""))).collect();
    let value =
        |name: &str| attributes.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
    let own = value("domain").is_none_or(|domain| domain == host);
    let bound = !value("samesite").is_some_and(|site| site.eq_ignore_ascii_case("none")) && !cookie.starts_with("__");
    (own && (bound || value("secure").is_some())).then_some(cookie)
}

/// Through however many processes of ours, and whatever they claim.
async fn a_container_is_told_where_its_visitors_are(door: Door) {
    let mut place = Place::new(door).await;
    let (host, _behind) = running(&mut place).await;
    let token = place.city.access_token(&place.alice);
    let forged = |ask: Ask| {
        let ask = ask.header("x-forwarded-for", "1.2.3.4").header("x-real-ip", "1.2.3.4");
        ask.header("x-forwarded-proto", "https").header("orrery-forward", "a.b.c")
    };
    for address in place.doors() {
        for ask in [Ask::get("/"), forged(Ask::get("/")), forged(Ask::get("/")).header("x-auth-role", "root")] {
            let said = ask.at(&host).bearer(&token).from(ELSEWHERE).of(address).await.expect(200).json();
            for name in ["x-real-ip", "x-forwarded-for"] {
                assert_eq!(said["fields"][name], "127.0.0.9", "{said}");
            }
            assert_eq!(said["fields"]["x-forwarded-proto"], "http", "{said}");
            assert!(said["fields"].get("orrery-forward").is_none(), "{said}");
        }
    }
}

async fn events_arrive_as_they_are_sent(door: Door) {
    let mut place = Place::new(door).await;
    let (host, behind) = running(&mut place).await;
    let token = place.city.access_token(&place.alice);
    let request = format!("GET /events HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n");
    let mut stream = send(place.door, &request).await;
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

async fn large_bodies_pass_both_ways_without_being_held(door: Door) {
    const BYTES: usize = 200 * MIB;
    let mut place = Place::new(door).await;
    let (host, _behind) = running(&mut place).await;
    let token = place.city.access_token(&place.alice);
    let before = peak_mib();
    let head = format!("host: {host}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n");
    let upload = format!("POST /take HTTP/1.1\r\n{head}content-length: {BYTES}\r\n\r\n");
    let mut stream = send(place.door, &upload).await;
    let chunk = vec![1; MIB];
    for _ in 0..BYTES / MIB {
        timeout(PATIENCE, stream.write_all(&chunk)).await.expect("it is taken").unwrap();
    }
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time").unwrap();
    assert!(answer.ends_with(&format!("{{\"bytes\":{BYTES}}}")), "{answer}");
    let mut stream = send(place.door, &format!("GET /give?bytes={BYTES} HTTP/1.1\r\n{head}\r\n")).await;
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

async fn who_does_not_read_is_not_read_for(door: Door) {
    let mut place = Place::new(door).await;
    let (host, behind) = running(&mut place).await;
    let token = place.city.access_token(&place.alice);
    let request = format!("GET /endless HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n\r\n");
    let mut stream = send(place.door, &request).await;
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
    let mut place = Place::with(Door::BuiltIn, limits).await;
    let (host, behind) = running(&mut place).await;
    let calm = Behind::listen().await;
    let other = place.container(2, Phase::Running, Some(calm.address)).await;
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
