//! What a room costs without any I/O: `cargo run --release -p orrery-protocol --example room_cost`.

use std::{
    hint::black_box,
    io::{self, Write},
    time::Instant,
};

use bytes::Bytes;
use orrery_protocol::{
    access::{Principal, Role},
    guard::read_messages,
    id::{DocumentName, OrgId, PeerId, ProjectId, UserId},
    lib0::{put_var_buf, put_var_str, put_var_uint},
    limits::WireLimits,
    record::StoredDocument,
    room::{Effect, Input, Join, Received, Room, RoomConfig},
};
use uuid::Uuid;
use yrs::{Doc, Text, Transact, WriteTxn};

const UPDATES: u32 = 20_000;
const FLUSHES: u64 = 400;

fn room(peers: u64) -> Room {
    let (mut room, _) = Room::open(0, DocumentName::Board, RoomConfig::default(), &StoredDocument::default());
    let mut effects = Vec::new();
    for peer in 0..peers {
        let principal = Principal {
            user: UserId(Uuid::from_u128(u128::from(peer))),
            name: String::new(),
            role: Role::Editor,
            org: OrgId(Uuid::nil()),
            project: ProjectId(Uuid::nil()),
        };
        room.handle(0, Input::Join(Join { peer: PeerId(peer), principal, extended: true }), &mut effects);
        say(&mut room, 0, peer, &[0, 0, 1, 0], &mut effects);
    }
    room.handle(200, Input::Tick, &mut effects);
    room
}

fn say(room: &mut Room, now_ms: u64, peer: u64, frame: &[u8], effects: &mut Vec<Effect>) {
    let mut received = Vec::with_capacity(1);
    let frame = Bytes::copy_from_slice(frame);
    let read = read_messages(&frame, &WireLimits::default(), |message| {
        received.push((PeerId(peer), Received::Message(message)));
    });
    read.expect("a message");
    room.handle(now_ms, Input::Received(received), effects);
}

/// Letters typed one by one at the end of a text, as update messages.
fn typing() -> Vec<Vec<u8>> {
    let doc = Doc::with_client_id(77);
    (0..UPDATES)
        .map(|at| {
            let mut txn = doc.try_transact_mut().expect("no transaction is open");
            txn.get_or_insert_text("text").insert(&mut txn, at, "x");
            let mut frame = vec![0, 2];
            put_var_buf(&mut frame, &txn.encode_update_v1());
            frame
        })
        .collect()
}

/// Nanoseconds for each update: guard, document, journal order, broadcast, confirmation.
fn update_ns(peers: u64, frames: &[Vec<u8>]) -> f64 {
    let mut room = room(peers);
    let mut effects = Vec::new();
    let started = Instant::now();
    for (at, frame) in frames.iter().enumerate() {
        say(&mut room, 1_000, 0, frame, &mut effects);
        if at % 16 == 15 {
            room.handle(1_000, Input::Durable(at as u64 + 1), &mut effects);
        }
        black_box(&effects);
        effects.clear();
    }
    started.elapsed().as_nanos() as f64 / frames.len() as f64
}

/// Nanoseconds for each entry that reaches somebody, when `moving` of `peers` cursors moved since the last flush.
fn cursor_ns(peers: u64, moving: u64) -> f64 {
    let mut room = room(peers);
    let mut effects = Vec::new();
    let mut spent = 0;
    for flush in 1..=FLUSHES {
        let now_ms = 1_000 + flush * 100;
        let frames: Vec<Vec<u8>> = (0..moving).map(|peer| cursor(peer, flush)).collect();
        let started = Instant::now();
        for (peer, frame) in frames.iter().enumerate() {
            // The first of them flushes what the last round left.
            say(&mut room, now_ms - 99 + flush % 2, peer as u64, frame, &mut effects);
        }
        room.handle(now_ms, Input::Tick, &mut effects);
        black_box(&effects);
        spent += started.elapsed().as_nanos();
        effects.clear();
    }
    spent as f64 / (FLUSHES * moving * (peers - 1)) as f64
}

fn cursor(peer: u64, clock: u64) -> Vec<u8> {
    let mut body = Vec::new();
    put_var_uint(&mut body, 1);
    put_var_uint(&mut body, 3_000_000_000 + peer);
    put_var_uint(&mut body, clock);
    put_var_str(
        &mut body,
        &format!(r##"{{"user":{{"name":"user {peer}","color":"#30bced"}},"cursor":{{"x":{clock},"y":7}}}}"##),
    );
    let mut frame = vec![1];
    put_var_buf(&mut frame, &body);
    frame
}

fn main() -> io::Result<()> {
    let frames = typing();
    let mut out = io::stdout().lock();
    for peers in [2, 200, 2_000] {
        writeln!(out, "one typed letter, {peers} peers: {:.0} ns an update", update_ns(peers, &frames))?;
    }
    for moving in [200, 33] {
        writeln!(out, "{moving} of 200 cursors move: {:.1} ns a delivered entry", cursor_ns(200, moving))?;
    }
    Ok(())
}
