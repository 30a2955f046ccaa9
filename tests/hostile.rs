//! What a hostile peer sends costs that peer the connection, and nobody else anything: no crash, no memory, no delay.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{
    Access, Event, Heard, PATIENCE, Peer, Replica, Server, awareness, put_var_uint, step1, step2, text_of, update,
    wait_for,
};

/// Two honest peers of one document, who must never notice anything.
struct Witnesses {
    author: Replica,
    writer: Peer,
    reader: Peer,
}

impl Witnesses {
    fn join(access: &Access, document: &str) -> Self {
        let mut witnesses = Self {
            author: Replica::new(),
            writer: Peer::join(access, document, "&ext=1"),
            reader: Peer::join(access, document, ""),
        };
        // Whoever has been answered is in the room, and misses nothing from there on.
        witnesses.reader.fetch();
        witnesses.work();
        witnesses
    }

    /// An edit is relayed and saved.
    fn work(&mut self) {
        let edit = self.author.write(".");
        self.writer.send(update(&edit));
        self.reader.until_heard("the edit", |heard| (heard.update()? == edit).then_some(()));
        self.writer.until_heard("saved", Heard::saved_count);
    }

    /// Still there, and their document is what they wrote.
    fn are_unharmed(mut self) {
        self.work();
        assert_eq!(text_of(&self.reader.fetch()), self.author.text());
    }
}

fn var_uint(value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    put_var_uint(&mut out, value);
    out
}

/// An update with one item of content `Any`, nested this deep.
fn nested_any(depth: usize) -> Vec<u8> {
    let mut any = [117, 1].repeat(depth);
    any.push(126);
    [&[1, 1, 5, 0, 8, 1, 4][..], b"root", &[1], &any, &[0]].concat()
}

#[test]
fn malformed_frames_cost_their_sender_the_connection() {
    let huge = var_uint(1 << 32);
    let claim = |head: &[u8]| [head, &huge].concat();
    let good = Replica::new().write("good");
    let frames: Vec<(&str, Vec<u8>)> = vec![
        ("an unknown type", vec![50]),
        ("an unknown sync message", vec![0, 9, 0]),
        ("half a number", vec![0x80]),
        ("half a type", vec![0, 0x80]),
        ("a number without end", [&[0, 2][..], &[0xff; 12]].concat()),
        ("a length beyond the frame", vec![0, 2, 100, 1]),
        ("a length of 2^32", claim(&[0, 2])),
        ("a length of 2^52", [&[0, 2][..], &var_uint(1 << 52)].concat()),
        ("2^32 clients", update(&huge)),
        ("2^32 structs", update(&[&[1][..], &huge, &[1, 0]].concat())),
        ("2^32 deletions", update(&[&[0, 1, 1][..], &huge].concat())),
        ("2^32 values", update(&[&[1, 1, 5, 0, 8, 1, 1, 97][..], &huge].concat())),
        ("2^32 clocks", step1(&huge)),
        ("2^32 clocks of few", step1(&[&huge[..], &[1, 1]].concat())),
        ("2^32 people", [&[1, 5][..], &huge].concat()),
        ("half an update", update(&good[..good.len() / 2])),
        ("half a step 2", step2(&good[..good.len() - 1])),
        ("an update and more", update(&[&good[..], &[0]].concat())),
        ("a clock beyond 32 bits", update(&[&[1, 1, 5][..], &var_uint(u64::from(u32::MAX)), &[0, 10, 0]].concat())),
        ("nesting", update(&nested_any(8_000))),
        ("text that is not UTF-8", update(&[1, 1, 5, 0, 4, 1, 1, 97, 2, 0xff, 0xfe, 0])),
        ("awareness that is not UTF-8", vec![1, 6, 1, 7, 1, 2, 0xff, 0xfe]),
        ("awareness without its state", vec![1, 3, 1, 7, 1]),
        ("awareness nested too deep", awareness(&[(7, 1, &"[".repeat(8_000))])),
    ];
    let server = Server::start();
    let access = server.access();
    let witnesses = Witnesses::join(&access, "board");
    let before = server.memory_kib();
    let mut peers: Vec<Peer> = frames.iter().map(|_| Peer::join(&access, "board", "")).collect();
    for (peer, (_, frame)) in peers.iter_mut().zip(&frames) {
        peer.send(frame.clone());
    }
    for (mut peer, (what, _)) in peers.into_iter().zip(&frames) {
        assert_eq!(peer.close_code(), 4400, "{what}");
    }
    witnesses.are_unharmed();
    let growth = server.memory_kib().saturating_sub(before);
    assert!(growth < 32 << 10, "{growth} KiB");
}

#[test]
fn a_frame_above_the_limit_is_closed_with_1009() {
    let server = Server::start();
    let access = server.access();
    let witnesses = Witnesses::join(&access, "board");
    let mut peer = Peer::join(&access, "board", "");
    // The server may be gone before it has read all of it.
    peer.try_send(vec![0; (16 << 20) + 1]).ok();
    assert_eq!(peer.close_code(), 1009);
    let mut peer = Peer::join(&access, "board", "");
    let author = Replica::new();
    let edit = author.write(&"x".repeat((16 << 20) - 100));
    assert!(update(&edit).len() <= 16 << 20);
    peer.send(update(&edit));
    peer.until_heard("the confirmation of a frame within it", Heard::update);
    drop(witnesses);
}

#[test]
fn a_million_tiny_frames_slow_down_nobody_else() {
    let server = Server::start();
    let access = server.access();
    let mut same_room = Witnesses::join(&access, "board");
    let mut other_room = Witnesses::join(&access, "doc:other");
    let before = server.memory_kib();
    let mut flood = Peer::join(&access, "board", "");
    let stream = flood.stream();
    let flooding = thread::spawn(move || {
        let frame = awareness(&[]);
        for number in 1..=1_000_000 {
            flood.queue(frame.clone());
            if number % 1_000 == 0 {
                flood.flush();
            }
        }
        flood.is_served();
    });
    let mut most = 0;
    while !flooding.is_finished() {
        same_room.work();
        other_room.work();
        most = most.max(server.memory_kib());
    }
    flooding.join().expect("the flood is read to its end");
    drop(stream);
    same_room.are_unharmed();
    other_room.are_unharmed();
    assert!(most.saturating_sub(before) < 64 << 10, "from {before} to {most} KiB");
}

#[test]
fn a_reader_that_stops_reading_costs_no_memory_and_loses_nothing() {
    const UPDATES: usize = 100_000;
    // More than the buffers of the kernel take.
    const TEXT: &str =
        "The quick brown fox jumps over the lazy dog, and the slow one waits until it is told what it has missed.";
    let server = Server::with(&[("ORRERY_CLOCKS_STUCK_MS", "600000"), ("ORRERY_CLOCKS_PING_MS", "600000")]);
    let access = server.access();
    let mut writer = Peer::join(&access, "board", "&ext=1");
    let mut stalled = Peer::join(&access, "board", "");
    let mut witness = Peer::join(&access, "board", "");
    let elsewhere = Witnesses::join(&access, "doc:other");
    stalled.fetch();
    witness.fetch();
    let before = server.memory_kib();
    let author = Replica::new();
    let edits: Vec<Vec<u8>> = (0..UPDATES).map(|_| update(&author.write(TEXT))).collect();

    let writing = thread::spawn(move || {
        for batch in edits.chunks(100) {
            batch.iter().for_each(|edit| writer.queue(edit.clone()));
            writer.flush();
        }
        let all = |heard: Heard| (heard.saved_count()? as usize == UPDATES).then_some(());
        writer.until_heard("everything is saved", all);
    });
    reads_to_the_end(&mut witness, UPDATES * TEXT.len());
    writing.join().expect("the writer is served");
    let growth = server.memory_kib().saturating_sub(before);
    assert!(server.metric("orrery_peer_queue_overflows_total") >= 1.0, "its queue was given up");
    reads_to_the_end(&mut stalled, UPDATES * TEXT.len());
    elsewhere.are_unharmed();
    // The document is 10 MiB of text; the rest is what a room takes at once, several times over, and what is not saved yet on
    // a slow disk.
    assert!(growth < 64 << 10, "{growth} KiB");
}

/// Reads until its replica has a text of this length.
fn reads_to_the_end(peer: &mut Peer, length: usize) {
    let replica = Replica::new();
    peer.until("the whole text", |event| {
        let Event::Heard(heard) = event else { return None };
        let update = if heard.is_step2() { heard.step2() } else { heard.update() };
        replica.apply(&update?);
        (replica.text_len() == length).then_some(())
    });
}

#[test]
fn a_slow_handshake_is_cut() {
    let server = Server::with(&[("ORRERY_LIMITS_HTTP_HEAD_TIMEOUT_MS", "300")]);
    for start in ["", "G", "GET /api/health HTTP/1.1\r\nHost: x\r\nX-Slow: "] {
        let mut stream = TcpStream::connect(server.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.write_all(start.as_bytes()).expect("it reads");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("it is closed, not left open");
        let text = String::from_utf8_lossy(&rest).into_owned();
        assert!(!text.starts_with("HTTP/1.1 2"), "{text}");
    }
    assert_eq!(server.get("/api/health").status, 200);
}

#[test]
fn a_peer_that_trickles_bytes_is_served_and_harms_nobody() {
    let server = Server::start();
    let access = server.access();
    let witnesses = Witnesses::join(&access, "board");
    let mut peer = Peer::join(&access, "board", "");
    let body = step1(&[0]);
    let mask = [0_u8; 4];
    let frame = [&[0x82, 0x80 | body.len() as u8][..], &mask, &body].concat();
    for byte in frame {
        peer.stream().write_all(&[byte]).expect("it reads");
    }
    peer.until_heard("an answer", Heard::step2);
    witnesses.are_unharmed();
}

#[test]
fn a_thousand_claims_of_large_frames_take_no_memory() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("the soft limit may rise");
    let server = Server::start();
    let access = server.access();
    let witnesses = Witnesses::join(&access, "doc:other");
    let peers: Vec<Peer> = (0..1_000).map(|_| Peer::join(&access, "board", "")).collect();
    wait_for("all are in", || (server.metric("orrery_peers") >= 1_000.0).then_some(()));
    let before = server.memory_kib();
    let claim = [&[0x82, 0xff][..], &(16_u64 << 20).to_be_bytes(), &[0; 4], &[0; 10]].concat();
    for peer in &peers {
        peer.stream().write_all(&claim).expect("it reads");
    }
    // Read in order: when one more is served, so are the claims before it.
    let mut last = Peer::join(&access, "board", "");
    last.fetch();
    witnesses.are_unharmed();
    let growth = server.memory_kib().saturating_sub(before);
    assert!(growth < 64 << 10, "{growth} KiB for 1,000 claims of 16 MiB");
    drop(peers);
    wait_for("all are gone", || (server.metric("orrery_peers") <= 1.0).then_some(()));
}

#[test]
fn a_peer_that_never_says_good_bye_is_not_waited_for() {
    let mut server = Server::start();
    let access = server.access();
    let peers: Vec<Peer> = (0..20).map(|_| Peer::join(&access, "board", "")).collect();
    // None of them reads, so none answers the close.
    assert_eq!(server.terminate().code(), Some(0));
    drop(peers);
}

#[test]
fn a_silent_reader_is_not_in_the_way_of_a_handshake() {
    let server = Server::start();
    let access = server.access();
    let _silent: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(server.address).expect("it listens")).collect();
    let mut peer = Peer::join(&access, "board", "");
    assert!(peer.next_within(Duration::from_secs(20)).is_some());
}
