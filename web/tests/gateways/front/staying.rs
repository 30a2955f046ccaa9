//! Who is connected: for as long as they may be, through every change of routes, and not longer.

use std::time::Duration;

use orrery_ganymede::people::User;
use orrery_protocol::access::Role;
use orrery_web::limits::HttpLimits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::{
    Jar, Place,
    door::{Door, at_both_doors},
    flow::{send, until},
    running,
};
use crate::http::{Ask, PATIENCE};

at_both_doors! {
    two_hundred_sockets_live_through_thirty_changes_of_routes,
    a_socket_says_where_it_comes_from,
    a_silent_socket_is_pinged_and_its_pong_goes_on,
    who_is_no_member_any_more_is_out_with_all_they_have_open,
    who_becomes_a_viewer_is_out,
    who_signs_out_is_out_everywhere,
}

const UPGRADE: &str = "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// It is looked whether a session lasts every 50 ms.
const OFTEN_MS: u64 = 100;
/// Nobody waits until that is looked at.
const SELDOM_MS: u64 = 600_000;

fn looking(visit_fresh_ms: u64) -> HttpLimits {
    HttpLimits { visit_fresh_ms, ..HttpLimits::default() }
}

/// Opens a WebSocket with what a browser has; the head of the answer.
async fn open(place: &Place, host: &str, visit: &Jar, origin: Option<&str>) -> (TcpStream, String) {
    let origin = origin.map(|origin| format!("origin: {origin}\r\n")).unwrap_or_default();
    let head = format!("GET /socket HTTP/1.1\r\nhost: {host}\r\ncookie: {}\r\n{origin}{UPGRADE}\r\n", visit.line());
    let mut stream = send(place.door, &head).await;
    let answered = until(&mut stream, "\r\n\r\n").await;
    (stream, answered)
}

/// Says something and waits for its echo.
async fn echoes(stream: &mut TcpStream, said: &[u8]) {
    stream.write_all(said).await.unwrap();
    let mut heard = vec![0; said.len()];
    timeout(PATIENCE, stream.read_exact(&mut heard)).await.expect("in time").expect("it is open");
    assert_eq!(heard, said);
}

/// A masked text frame of three bytes.
const FRAME: &[u8] = &[0x81, 0x83, 0, 0, 0, 0, b'a', b'b', b'c'];

async fn two_hundred_sockets_live_through_thirty_changes_of_routes(door: Door) {
    let mut place = Place::new(door).await;
    let (host, _behind) = running(&mut place).await;
    let session = place.session(&place.alice).await;
    let visit = place.visit(&host, &session).await;
    let origin = format!("http://{host}");
    let mut sockets = Vec::new();
    for _ in 0..200 {
        let (stream, head) = open(&place, &host, &visit, Some(&origin)).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        sockets.push(stream);
    }
    for change in 0..30 {
        place.route(change).await;
        for stream in sockets.iter_mut().skip(change as usize % 10).step_by(10) {
            echoes(stream, FRAME).await;
        }
    }
    // Its own route goes too: what is open stays open.
    place.table = orrery_protocol::route::RouteTable::new(place.org);
    place.publish().await;
    for stream in &mut sockets {
        echoes(stream, FRAME).await;
    }
}

async fn a_socket_says_where_it_comes_from(door: Door) {
    let mut place = Place::new(door).await;
    let (host, behind) = running(&mut place).await;
    let session = place.session(&place.alice).await;
    let visit = place.visit(&host, &session).await;
    let evil = format!("http://{}", host.replacen("uc-", "uc-x", 1));
    for origin in [None, Some("null"), Some("http://evil.test"), Some("http://localhost"), Some(evil.as_str())] {
        let (_, head) = open(&place, &host, &visit, origin).await;
        assert!(head.starts_with("HTTP/1.1 403 "), "{origin:?}: {head}");
    }
    let (_, head) = open(&place, &host, &Jar::default(), Some(&format!("http://{host}"))).await;
    assert!(head.starts_with("HTTP/1.1 401 "), "{head}");
    let posted = visit.on(Ask::post("/", "x")).at(&host).header("origin", &evil).of(place.door).await;
    assert_eq!(posted.refusal(), (403, "FORBIDDEN".to_owned()), "a page of a sibling host changes nothing");
    assert_eq!(behind.asked(), 0);
    visit.on(Ask::post("/", "x")).at(&host).header("origin", format!("http://{host}")).of(place.door).await.expect(200);
    let token = place.city.access_token(&place.alice);
    let head = format!("GET /socket HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\n{UPGRADE}\r\n");
    let mut stream = send(place.door, &head).await;
    assert!(until(&mut stream, "\r\n\r\n").await.starts_with("HTTP/1.1 101 "), "a program, which meant it");
    echoes(&mut stream, FRAME).await;
}

/// Nobody needs to wait an hour to see that silence is broken before anything in between takes it for the end.
async fn a_silent_socket_is_pinged_and_its_pong_goes_on(door: Door) {
    let limits = HttpLimits { container_ping_ms: 50, ..HttpLimits::default() };
    let mut place = Place::with(door, limits).await;
    let (host, _behind) = running(&mut place).await;
    let session = place.session(&place.alice).await;
    let visit = place.visit(&host, &session).await;
    let (mut stream, head) = open(&place, &host, &visit, Some(&format!("http://{host}"))).await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for _ in 0..3 {
        let mut ping = [0; 2];
        timeout(PATIENCE, stream.read_exact(&mut ping)).await.expect("a ping in time").unwrap();
        assert_eq!(ping, [0x89, 0]);
    }
    // Half a frame is no place for one.
    stream.write_all(&FRAME[..7]).await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(&FRAME[..7]) {
        heard.push(timeout(PATIENCE, stream.read_u8()).await.expect("the echo").unwrap());
    }
    assert!(timeout(Duration::from_millis(300), stream.read_u8()).await.is_err(), "nothing within a frame");
    stream.write_all(&FRAME[7..]).await.unwrap();
    let mut rest = [0; 4];
    timeout(PATIENCE, stream.read_exact(&mut rest)).await.expect("a ping after it").unwrap();
    assert_eq!(rest, [b'b', b'c', 0x89, 0]);
}

/// Everything that somebody has open: a socket and a stream of events, and what the next request is answered.
struct Stays {
    socket: TcpStream,
    events: TcpStream,
    visit: Jar,
    host: String,
}

impl Stays {
    async fn of(place: &Place, user: &User, host: &str) -> (Self, orrery_ganymede::people::Secret) {
        let session = place.session(user).await;
        let visit = place.visit(host, &session).await;
        let (mut socket, head) = open(place, host, &visit, Some(&format!("http://{host}"))).await;
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        echoes(&mut socket, FRAME).await;
        // As browsers ask for events.
        let head = format!("host: {host}\r\naccept: text/event-stream\r\ncookie: {}\r\n", visit.line());
        let request = format!("GET /events HTTP/1.1\r\n{head}\r\n");
        let mut events = send(place.door, &request).await;
        until(&mut events, "data: 1\n\n").await;
        (Self { socket, events, visit, host: host.to_owned() }, session)
    }

    async fn are_over(mut self, place: &Place, status: u16) {
        let mut rest = Vec::new();
        let closed = timeout(PATIENCE, self.socket.read_to_end(&mut rest)).await.expect("the socket ends");
        assert!(closed.is_err() || rest.is_empty(), "{rest:?}");
        rest.clear();
        timeout(PATIENCE, self.events.read_to_end(&mut rest)).await.expect("the stream ends").ok();
        assert!(!rest.ends_with(b"0\r\n\r\n"), "it does not look whole");
        let asked = async {
            while place.browse(&self.host, "/", &mut self.visit.clone()).await.status != status {
                tokio::task::yield_now().await;
            }
        };
        timeout(PATIENCE, asked).await.expect("nobody is let in any more");
    }
}

/// At once, as the gateway hears of it.
async fn who_is_no_member_any_more_is_out_with_all_they_have_open(door: Door) {
    let mut place = Place::with(door, looking(SELDOM_MS)).await;
    let (host, _behind) = running(&mut place).await;
    let bob = place.member("bob", Role::Editor).await;
    let (alice, _) = Stays::of(&place, &place.alice, &host).await;
    let (stays, _) = Stays::of(&place, &bob, &host).await;
    place.city.orgs.remove_member(place.org, bob.id).await.unwrap();
    place.refreshed(|role| role.is_none(), bob.id).await;
    stays.are_over(&place, 404).await;
    let mut socket = alice.socket;
    echoes(&mut socket, FRAME).await;
}

async fn who_becomes_a_viewer_is_out(door: Door) {
    let mut place = Place::with(door, looking(SELDOM_MS)).await;
    let (host, _behind) = running(&mut place).await;
    let bob = place.member("bob", Role::Editor).await;
    let (stays, _) = Stays::of(&place, &bob, &host).await;
    place.city.orgs.set_project_role(place.project, bob.id, Some(Role::Viewer)).await.unwrap();
    place.refreshed(|role| role == Some(Role::Viewer), bob.id).await;
    stays.are_over(&place, 403).await;
}

async fn who_signs_out_is_out_everywhere(door: Door) {
    let mut place = Place::with(door, looking(OFTEN_MS)).await;
    let (host, _behind) = running(&mut place).await;
    let (stays, session) = Stays::of(&place, &place.alice, &host).await;
    let (other, _) = Stays::of(&place, &place.alice, &host).await;
    place.city.people.close_session(session.expose()).await.unwrap();
    stays.are_over(&place, 302).await;
    let mut socket = other.socket;
    echoes(&mut socket, FRAME).await;
}
