//! One organization, one gateway: however many ask at once, whichever process ends, however often it moves.

mod created;
mod undone;

use std::{collections::BTreeSet, sync::Barrier, thread};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{BRISK, Clients, Person, Process, Server, nothing_is_lost, types_on, typists, wait_for};

fn slots_in_use(server: &Server) -> BTreeSet<String> {
    let used = |slot: &Value| Some(format!("{} {}", slot["org"].as_str()?, slot["epoch"]));
    server.pool().iter().filter_map(used).collect()
}

fn start(person: &Person, org: &str) -> crate::support::Response {
    person.post("/gateway/start", json!({ "organization_id": org }))
}

#[test]
fn many_starts_of_one_organization_give_one_slot() {
    const STARTS: usize = 50;
    let server = Server::with(&[("ORRERY_SLOTS", "5")]);
    let (person, org) = (server.administrator(), server.org());
    let together = Barrier::new(STARTS);
    let answers: Vec<String> = thread::scope(|scope| {
        let ask = |_| {
            scope.spawn(|| {
                together.wait();
                start(person, org).expect(200).body
            })
        };
        let asked: Vec<_> = (0..STARTS).map(ask).collect();
        asked.into_iter().map(|asked| asked.join().expect("an answer")).collect()
    });
    assert_eq!(answers.iter().collect::<BTreeSet<_>>().len(), 1, "{answers:?}");
    assert_eq!(slots_in_use(&server), BTreeSet::from([format!("{org} 1")]));
}

#[test]
fn twenty_organizations_fill_twenty_slots_and_the_next_waits() {
    const ORGS: usize = 20;
    let server = Server::with(&[("ORRERY_SLOTS", "20")]);
    let person = server.administrator();
    let orgs: Vec<String> = (0..ORGS).map(|number| person.org(&format!("Org {number}"))).collect();
    thread::scope(|scope| {
        orgs.iter().for_each(|org| drop(scope.spawn(|| start(person, org).expect(200))));
    });
    assert_eq!((slots_in_use(&server).len(), server.slots("ready")), (ORGS, 0));
    let refused = start(person, server.org()).expect(503);
    assert_eq!(refused.json()["error"]["code"], "POOL_EXHAUSTED");
    assert!(refused.header("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok()));
    orgs.iter().for_each(|org| drop(start(person, org).expect(200)));
}

#[test]
fn an_organization_without_a_gateway_is_not_served() {
    let server = Server::start();
    let (org, project, token) = (server.org(), server.project(), server.administrator().token());
    let path = format!("/-/gw/org-{org}/collab/{project}/board?token={token}");
    let answer = server.get(&path).expect(503);
    assert_eq!(answer.json()["error"]["code"], "GATEWAY_NOT_RUNNING");
    server.access();
    server.get(&path).expect(400);
}

#[test]
fn an_organization_moves_twenty_times_while_people_type() {
    const MOVES: u64 = 20;
    let server = Server::start();
    let (clients, access, org) = (Clients::start(), server.access(), server.org());
    let typists = typists(&clients, &access, 10, 20);
    for number in 0..MOVES {
        let slot = server.slot_of(org).expect("it is served")["slot"].clone();
        types_on(&typists[0], 10);
        server.administrator().post(&format!("/api/pool/slots/{slot}/drain"), json!({})).expect(200);
        let moved = server.slot_of(org).expect("it is served again");
        assert_ne!(moved["slot"], slot);
        assert_eq!(moved["epoch"], number + 2);
    }
    nothing_is_lost(&clients, &access, &typists);
    assert!(typists.iter().all(|typist| typist.closes().iter().all(|&code| code == 1012)), "moved, not cut");
}

#[test]
fn a_slot_that_was_drained_serves_the_next_organization_and_nothing_of_the_last() {
    let server = Server::with(&[("ORRERY_SLOTS", "2")]);
    let clients = Clients::start();
    let access = server.access();
    let alice = clients.open("alice", &access, "board");
    alice.write("only for us");
    alice.is_confirmed();
    let slot = server.slot_of(server.org()).expect("it is served")["slot"].clone();
    server.administrator().post(&format!("/api/pool/slots/{slot}/drain"), json!({})).expect(200);
    let other = server.person();
    let other_org = other.org("Others");
    let others = other.open(&other.project(&other_org, "Theirs"));
    assert_eq!(server.slot_of(&other_org).expect("it is served")["slot"], slot);
    assert_eq!(clients.open("bob", &others, "board").text(), "");
    let url = format!("{}/{}/board?token={}", others.ws_url, access.project, others.token);
    assert_eq!(crate::support::Peer::connect(&url, None).err().expect("refused").status, 404);
    alice.is_synced();
    assert_eq!(alice.text(), "only for us");
}

#[test]
fn nothing_acknowledged_is_lost_when_a_gateway_is_killed() {
    let server = Server::ganymede(&BRISK);
    let mut gateways: Vec<Process> = (0..2).map(|_| server.gateway(1, &BRISK)).collect();
    let (clients, access) = (Clients::start(), server.access());
    let typists = typists(&clients, &access, 10, 20);
    for _ in 0..3 {
        types_on(&typists[0], 30);
        let address = server.slot_of(server.org()).expect("it is served")["listen"].clone();
        let serving = gateways
            .iter_mut()
            .find(|gateway| address.as_str().is_some_and(|it| it.contains(&gateway.address.to_string())))
            .expect("one of ours serves");
        serving.kill();
        wait_for("it is served elsewhere", || {
            server.slot_of(server.org()).filter(|slot| slot["listen"] != address && slot["step"] == "serving")
        });
        serving.start_again();
        wait_for("a spare one", || (server.slots("ready") == 1).then_some(()));
    }
    nothing_is_lost(&clients, &access, &typists);
}

#[test]
fn nothing_acknowledged_is_lost_when_ganymede_is_killed() {
    let mut server = Server::ganymede(&BRISK);
    let _gateways: Vec<Process> = (0..2).map(|_| server.gateway(1, &BRISK)).collect();
    let (clients, access) = (Clients::start(), server.access());
    let typists = typists(&clients, &access, 10, 20);
    for _ in 0..3 {
        types_on(&typists[0], 30);
        server.kill();
        server.start_again();
    }
    nothing_is_lost(&clients, &access, &typists);
}

#[test]
fn a_gateway_that_slept_past_its_lease_writes_nothing_more() {
    let server = Server::ganymede(&BRISK);
    let gateways: Vec<Process> = (0..2).map(|_| server.gateway(1, &BRISK)).collect();
    let (clients, access) = (Clients::start(), server.access());
    let typists = typists(&clients, &access, 4, 20);
    types_on(&typists[0], 30);
    let before = server.slot_of(server.org()).expect("it is served");
    let address = before["listen"].as_str().expect("an address").to_owned();
    let sleeper = gateways.iter().find(|it| address.contains(&it.address.to_string())).expect("one of ours serves");
    sleeper.signal(Signal::STOP);
    let after = wait_for("it is served elsewhere", || {
        server.slot_of(server.org()).filter(|slot| slot["epoch"] != before["epoch"] && slot["step"] == "serving")
    });
    assert_ne!(after["listen"], before["listen"]);
    sleeper.signal(Signal::CONT);
    wait_for("it is ready for others", || (server.slots("ready") == 1).then_some(()));
    nothing_is_lost(&clients, &access, &typists);
    assert_eq!(server.slot_of(server.org()).expect("it is served")["epoch"], after["epoch"], "it took nothing back");
}

#[test]
fn a_terminated_gateway_hands_its_organization_on() {
    let server = Server::ganymede(&BRISK);
    let mut gateways: Vec<Process> = (0..2).map(|_| server.gateway(1, &BRISK)).collect();
    let (clients, access) = (Clients::start(), server.access());
    let typists = typists(&clients, &access, 4, 20);
    types_on(&typists[0], 30);
    let before = server.slot_of(server.org()).expect("it is served");
    let address = before["listen"].as_str().expect("an address").to_owned();
    let serving = gateways.iter_mut().find(|it| address.contains(&it.address.to_string())).expect("one of ours serves");
    assert!(serving.terminate().success());
    wait_for("it is served elsewhere", || {
        server.slot_of(server.org()).filter(|slot| slot["epoch"] != before["epoch"] && slot["step"] == "serving")
    });
    nothing_is_lost(&clients, &access, &typists);
}

#[test]
fn what_was_not_opened_is_not_erased() {
    let mut server = Server::with(&[("ORRERY_CLOCKS_SNAPSHOT_MS", "100")]);
    let clients = Clients::start();
    let administrator = server.administrator().clone();
    let other_project = administrator.project(server.org(), "Rarely opened");
    let (often, rarely) = (server.access(), administrator.open(&other_project));
    let one = clients.open("one", &rarely, "board");
    one.write("still here");
    one.is_confirmed();
    one.leave();
    for round in 0..3 {
        assert!(server.terminate().success());
        server.start_again();
        let two = clients.open(&format!("two {round}"), &often, "board");
        two.write("x");
        two.is_confirmed();
        two.leave();
    }
    assert_eq!(clients.open("again", &rarely, "board").text(), "still here");
    assert_eq!(clients.open("other", &often, "board").text(), "xxx");
}

#[test]
fn a_gateway_nobody_uses_frees_its_slot_unless_told_not_to() {
    let idle =
        [("ORRERY_IDLE_PROJECT_MS", "2000"), ("ORRERY_IDLE_GATEWAY_MS", "200"), ("ORRERY_CLOCKS_UNLOAD_MS", "100")];
    let server = Server::with(&idle);
    let (person, project) = (server.administrator(), server.project());
    server.access();
    wait_for("the slot is free", || (server.slots("ready") == 3).then_some(()));
    let access = server.access();
    let event = json!({"project_id": project, "event": {"type": "gateway:disable-shutdown", "disabled": true}});
    let path = format!("/-/gw/org-{}/collab/event", server.org());
    let bearer = format!("Bearer {}", access.token);
    let told = |disabled: bool| {
        let mut event = event.clone();
        event["event"]["disabled"] = disabled.into();
        server.request("POST", &path, &[("Authorization", &bearer)], Some(&event))
    };
    told(true).expect(200);
    let clients = Clients::start();
    let alice = clients.open("alice", &access, "board");
    alice.write("kept");
    alice.is_confirmed();
    alice.leave();
    wait_for("the room is gone", || (server.metric("orrery_rooms") == 0.0).then_some(()));
    assert_eq!(server.slots("ready"), 2, "it keeps its slot");
    told(false).expect(200);
    wait_for("the slot is free", || (server.slots("ready") == 3).then_some(()));
    person.get("/api/auth/me").expect(200);
    assert_eq!(clients.open("bob", &server.access(), "board").text(), "kept");
}

#[test]
fn who_is_removed_is_cut_off_at_a_gateway_elsewhere_too() {
    let server = Server::ganymede(&[]);
    let _gateway = server.gateway(1, &[]);
    let clients = Clients::start();
    let (administrator, org, person) = (server.administrator(), server.org(), server.person());
    administrator.add_member(org, &person, "member");
    let stays = clients.open("stays", &server.access(), "board");
    let access = person.open(server.project());
    let goes = clients.open("goes", &access, "board");
    goes.write("while I could");
    stays.sees("while I could");
    administrator.request("DELETE", &format!("/api/orgs/{org}/members/{}", person.id), None).expect(204);
    goes.order("closedWith", json!({ "code": 4401 }));
    let url = format!("{}/board?token={}", access.server_url(), access.token);
    assert_eq!(crate::support::Peer::connect(&url, None).err().expect("refused").status, 404);
    assert!(stays.closes().is_empty(), "others stay");
}
