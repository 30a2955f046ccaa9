//! Everybody sees the same document, whoever wrote, left, came back or was cut off meanwhile.

use serde_json::json;

use crate::support::{Client, Clients, Random, Server};

const NAMES: [&str; 9] = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan"];

#[test]
fn many_writers_converge() {
    let mut random = Random::printed();
    let server = Server::start();
    let (clients, access) = (Clients::start(), server.access());
    let writers: Vec<_> = NAMES.map(|name| clients.open(name, &access, "board")).into();
    let all: Vec<&Client<'_>> = writers.iter().collect();
    for _ in 0..6 {
        for _ in 0..12 {
            for writer in &writers {
                writer.scribble(random.next(), 1 + random.below(3));
            }
        }
        clients.converge(&all);
    }
    let late = clients.open("late", &access, "board");
    assert_eq!(clients.converge(&[&writers[0], &late]), writers[0].content());
    assert!(writers.iter().all(|writer| writer.closes().is_empty()), "nobody was closed");
}

#[test]
fn offline_edits_arrive_after_a_reconnect() {
    let mut random = Random::printed();
    let server = Server::start();
    let (clients, access) = (Clients::start(), server.access());
    let writers: Vec<_> = NAMES[..4].iter().map(|name| clients.open(name, &access, "doc:notes.md")).collect();
    let all: Vec<&Client<'_>> = writers.iter().collect();
    for round in 0..8 {
        let away = &writers[round % writers.len()];
        if round % 2 == 0 {
            away.go_offline()
        } else {
            away.drop_connection()
        }
        for _ in 0..10 {
            writers.iter().for_each(|writer| writer.scribble(random.next(), 2));
        }
        if round % 2 == 0 {
            away.go_online()
        } else {
            away.is_synced()
        }
        clients.converge(&all);
    }
}

#[test]
fn edits_survive_an_orderly_restart_and_a_kill() {
    let mut random = Random::printed();
    let mut server = Server::start();
    let (clients, access) = (Clients::start(), server.access());
    let writers: Vec<_> = NAMES[..4].iter().map(|name| clients.open(name, &access, "board")).collect();
    let all: Vec<&Client<'_>> = writers.iter().collect();
    for round in 0..4 {
        writers.iter().for_each(|writer| writer.scribble(random.next(), 10));
        if round % 2 == 0 {
            assert!(server.terminate().success());
        } else {
            server.kill();
        }
        writers.iter().for_each(Client::is_cut_off);
        writers.iter().for_each(|writer| writer.scribble(random.next(), 10));
        server.start_again();
        writers.iter().for_each(Client::is_synced);
        clients.converge(&all);
    }
    let content = clients.converge(&all);
    writers.into_iter().for_each(Client::leave);
    assert!(server.terminate().success());
    server.start_again();
    assert_eq!(clients.open("reader", &access, "board").content(), content, "what is stored is what they saw");
}

#[test]
fn documents_and_projects_never_mix() {
    let server = Server::start();
    let clients = Clients::start();
    let administrator = server.administrator();
    let (mine, theirs) = (server.access(), administrator.open(&administrator.project(server.org(), "Another")));
    let rooms: Vec<_> = [&mine, &theirs]
        .into_iter()
        .flat_map(|access| ["board", "doc:a", "doc:b"].map(|document| (access, document)))
        .collect();
    let written = |index: usize| format!("only here {index}");
    for (index, (access, document)) in rooms.iter().enumerate() {
        clients.open(&format!("writer {index}"), access, document).write(&written(index));
    }
    for (index, (access, document)) in rooms.iter().enumerate() {
        let reader = clients.open(&format!("reader {index}"), access, document);
        reader.sees(&written(index));
    }
}

#[test]
fn a_late_joiner_gets_a_large_document() {
    let mut server = Server::start();
    let (clients, access) = (Clients::start(), server.access());
    let writer = clients.open("writer", &access, "doc:large");
    for _ in 0..6 {
        writer.order("fill", json!({ "blocks": 100, "size": 10_000 }));
    }
    writer.write("the end");
    writer.is_confirmed();
    let late = clients.open("late", &access, "doc:large");
    late.sees("the end");
    assert!(clients.converge(&[&writer, &late]).len() > 5_000_000);
    server.kill();
    server.start_again();
    let later = clients.open("later", &access, "doc:large");
    clients.converge(&[&writer, &late, &later]);
}
