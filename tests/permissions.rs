//! Nobody reads or writes what is not theirs, and everybody learns why in a way that stock clients survive.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    Access, Clients, Event, Heard, Peer, QUERY_AWARENESS, Replica, Response, Server, document, saved_query, step1,
    step2, text_of, update, wait_for,
};

fn refused(url: &str, bearer: Option<&str>, status: u16, code: &str) -> Response {
    let Err(response) = Peer::connect(url, bearer) else { panic!("{url} was accepted") };
    assert_eq!((response.status, &response.json()["error"]["code"]), (status, &Value::from(code)), "{url}");
    response
}

fn viewer(server: &Server) -> Access {
    server.access_as("viewer")
}

#[test]
fn who_may_not_enter_is_told_before_the_upgrade() {
    let server = Server::start();
    let access = server.access();
    let (url, token) = (access.server_url(), access.token.as_str());
    let stranger = server.person();
    let (other_org, unknown) = (stranger.org("Elsewhere"), Uuid::now_v7());
    let abroad = stranger.open(&stranger.project(&other_org, "Theirs"));

    let answer = refused(&format!("{url}/board"), None, 401, "AUTHENTICATION_FAILED");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    refused(&format!("{url}/board?token=nonsense"), None, 401, "AUTHENTICATION_FAILED");
    let mut forged = token.to_owned();
    forged.replace_range(token.len() - 6..token.len() - 3, if token.contains("AAA") { "BBB" } else { "AAA" });
    refused(&format!("{url}/board?token={forged}"), None, 401, "AUTHENTICATION_FAILED");
    refused(&format!("{url}/board?token={}", abroad.token), None, 404, "NOT_FOUND");
    refused(&format!("{}/{unknown}/board?token={token}", access.ws_url), None, 404, "NOT_FOUND");
    refused(&format!("{}/{}/board?token={token}", access.ws_url, abroad.project), None, 404, "NOT_FOUND");
    refused(&format!("{}/not-a-project/board?token={token}", access.ws_url), None, 404, "NOT_FOUND");
    refused(&format!("{url}/doc:no%2Fslashes?token={token}"), None, 400, "INVALID_INPUT");
    refused(&format!("{url}/unknown?token={token}"), None, 400, "INVALID_INPUT");
    assert_eq!(server.metric("orrery_rooms"), 0.0, "whoever may not enter opens no room");

    let plain = server.get(&format!("/collab/{}/board?token={token}", access.project));
    assert_eq!(plain.status, 400, "an address for WebSockets");
}

#[test]
fn an_expired_token_is_refused() {
    let server = Server::with(&[("ORRERY_TOKENS_ACCESS_TTL_S", "1")]);
    let short = server.access();
    let url = format!("{}/board?token={}", short.server_url(), short.token);
    let answer = wait_for("the token expires", || Peer::connect(&url, None).err());
    assert_eq!(answer.status, 401);
}

#[test]
fn a_token_may_come_as_a_header() {
    let server = Server::start();
    let access = server.access();
    let mut peer = Peer::connect(&format!("{}/board", access.server_url()), Some(&access.token)).expect("accepted");
    peer.fetch();
}

#[test]
fn a_viewer_reads_and_never_writes() {
    let mut server = Server::start();
    let mut editor = Peer::join(&server.access(), "board", "");
    let mut reader = Peer::join(&viewer(&server), "board", "&ext=1");
    let (alice, mallory) = (Replica::new(), Replica::new());
    reader.fetch();

    reader.send(update(&mallory.write("not mine")));
    reader.send(saved_query(b"saved?"));
    reader.until_heard("a refusal", Heard::denied);
    editor.send(update(&alice.write("hello")));
    let own = editor.until_heard("the confirmation", Heard::update);
    assert_eq!(text_of(&document(&[own])), "hello");
    // In order: had the refused update been applied, relayed or confirmed, it would have been so before this.
    let theirs = reader.until_heard("what others write", |heard| {
        assert!(!heard.confirms(), "{heard:?} confirms what was refused");
        heard.update()
    });
    assert_eq!(text_of(&document(&[theirs])), "hello");
    assert_eq!(text_of(&editor.fetch()), "hello");
    assert_eq!(text_of(&reader.fetch()), "hello", "the socket stays");

    server.kill();
    server.start_again();
    assert_eq!(text_of(&Peer::join(&server.access(), "board", "").fetch()), "hello", "nothing of it was stored");
}

#[test]
fn an_update_that_adds_nothing_is_not_a_write() {
    let server = Server::start();
    let mut editor = Peer::join(&server.access(), "board", "");
    let mut reader = Peer::join(&viewer(&server), "board", "");
    reader.fetch();
    let known = Replica::new().write("known");
    editor.send(update(&known));
    reader.until_heard("what is written", Heard::update);
    for nothing in [&[0, 0][..], &known] {
        reader.send(step2(nothing));
        reader.send(update(nothing));
    }
    reader.send(step1(&[0]));
    reader.until_heard("step 2, and no refusal", |heard| {
        assert!(!matches!(heard, Heard::Denied(_)), "{heard:?}");
        heard.step2()
    });
}

#[test]
fn a_hundred_refusals_close_with_4403() {
    let server = Server::start();
    let mut reader = Peer::join(&viewer(&server), "board", "");
    let mallory = Replica::new();
    let mut refusals = 0;
    for _ in 0..100 {
        reader.send(update(&mallory.write("x")));
    }
    let code = reader.until("the end", |event| match event {
        Event::Heard(Heard::Denied(_)) => {
            refusals += 1;
            None
        }
        Event::Closed(code) => Some(code),
        Event::Heard(_) | Event::Ping => None,
        Event::Gone => Some(1006),
    });
    assert_eq!((refusals, code), (100, 4403));
}

/// What a connection writes in the moment after its member lost their role is not taken: what was answered is so.
fn what_is_answered_about_members_is_so(server: &Server) {
    let (administrator, org, project) = (server.administrator(), server.org(), server.project());
    let mut reader = Peer::join(&server.access(), "board", "");
    for round in 0..8 {
        let person = server.person();
        administrator.add_member(org, &person, "member");
        let mut peer = Peer::join(&person.open(project), "board", "");
        let replica = Replica::new();
        peer.send(update(&replica.write(&format!("early {round} "))));
        peer.send(saved_query(b"?"));
        peer.until_heard("a confirmation", |heard| heard.confirms().then_some(()));
        let late = update(&replica.write(&format!("late {round} ")));
        let code = if round % 2 == 0 {
            administrator.set_project_role(project, &person, "viewer");
            1012
        } else {
            administrator.request("DELETE", &format!("/api/orgs/{org}/members/{}", person.id), None).expect(204);
            4401
        };
        peer.try_send(late).ok();
        assert_eq!(peer.close_code(), code);
        let text = text_of(&reader.fetch());
        assert!(text.contains(&format!("early {round} ")) && !text.contains("late"), "{text}");
    }
}

#[test]
fn a_change_of_members_is_in_force_when_it_is_answered() {
    what_is_answered_about_members_is_so(&Server::start());
}

#[test]
fn a_change_of_members_is_in_force_at_a_gateway_elsewhere_when_it_is_answered() {
    let server = Server::ganymede(&[]);
    let _gateway = server.gateway(1, &[]);
    what_is_answered_about_members_is_so(&server);
}

#[test]
fn a_stock_viewer_stays_connected() {
    let server = Server::start();
    let clients = Clients::start();
    let editor = clients.open("editor", &server.access(), "board");
    let reader = clients.open("reader", &viewer(&server), "board");
    reader.write("mine alone ");
    editor.write("for all");
    reader.order("seesPart", json!({ "part": "for all" }));
    assert_eq!(editor.text(), "for all");
    assert!(reader.closes().is_empty());
}

#[test]
fn only_the_gateway_writes_the_system_document() {
    let server = Server::start();
    let mut editor = Peer::join(&server.access(), "system", "");
    editor.fetch();
    editor.send(update(&Replica::new().write("containers!")));
    editor.until_heard("a refusal", Heard::denied);
    assert_eq!(text_of(&editor.fetch()), "");
}

#[test]
fn a_stale_replica_of_system_is_closed_with_4410() {
    let server = Server::start();
    let mut peer = Peer::join(&server.access(), "system", "");
    // It has items of a client that the document does not know.
    peer.send(step1(&[1, 42, 7]));
    assert_eq!(peer.close_code(), 4410);
}

#[test]
fn a_text_frame_is_malformed_and_refused_after_a_second() {
    let server = Server::start();
    let joined = Instant::now();
    let mut peer = Peer::join(&server.access(), "board", "");
    peer.send_text("hello");
    assert_eq!(peer.close_code(), 4400);
    assert!(joined.elapsed() >= Duration::from_secs(1), "stock clients would be back at once");
}

#[test]
fn several_messages_in_a_frame_are_understood() {
    let server = Server::start();
    let mut peer = Peer::join(&server.access(), "board", "&ext=1");
    let author = Replica::new();
    let frame = [step1(&[0]), update(&author.write("one ")), update(&author.write("two")), saved_query(b"?")].concat();
    peer.send(frame);
    let (mut answered, mut count) = (false, 0);
    peer.until_heard("an answer to each", |heard| {
        answered |= matches!(heard, Heard::Step2(_));
        let echoed = heard == Heard::SavedEcho(b"?".to_vec());
        count = heard.saved_count().unwrap_or(count);
        echoed.then_some(())
    });
    assert_eq!((answered, count, text_of(&peer.fetch())), (true, 2, "one two".to_owned()));
    peer.send(QUERY_AWARENESS.to_vec());
    peer.until_heard("who is here", Heard::awareness);
}
