//! Containers of images that no definition describes: where they are reached follows from what their image exposes, or from
//! what who made them said.

use std::collections::{BTreeMap, BTreeSet};

use orrery_protocol::{
    container::{Caller, Containers, Listening, Observation, Phase, ProjectNotes, ReasonCode, ServiceState, Target},
    id::{ContainerId, ProjectId},
    route::{Address, RouteTable},
};
use serde_json::json;
use uuid::Uuid;

use crate::scene::{ALICE, ORG, RUNS, Scene, ends};

const IDLE: Observation = Observation::Idle { generation: 1 };

fn exposes(ports: &[u16]) -> Observation {
    Observation::Exposes(ports.iter().copied().collect())
}

fn services(scene: &Scene, id: ContainerId) -> Vec<(&str, ServiceState)> {
    let services = &scene.container(id).status.services;
    services.iter().map(|(name, service)| (name.as_str(), service.state)).collect()
}

fn code(scene: &Scene, id: ContainerId) -> Option<ReasonCode> {
    scene.reason(id).map(|reason| reason.code)
}

/// Where the plain host of a container leads, and that of its service `main`.
fn upstreams(scene: &Scene, id: ContainerId) -> [Option<u16>; 2] {
    let address = Address { host: "10.0.0.2".parse().expect("an address"), published: BTreeMap::new() };
    let mut table = RouteTable::new(ORG);
    let project = ProjectId(Uuid::from_u128(10));
    table.add(project, &scene.containers, &scene.rules, &BTreeMap::from([(id, address)]));
    let main = "main".parse().expect("a name");
    [None, Some(main)].map(|service| Some(table.find(&Target::Container(id, service))?.upstream?.port()))
}

/// The gateway is another one, that has the document and the notes of the one before.
fn move_on(scene: &mut Scene) {
    let mut notes = ProjectNotes::default();
    notes.follow(&scene.containers);
    let kept = serde_json::to_string(&notes).expect("notes are JSON");
    scene.containers = Containers::read(scene.document.values()).0;
    let change = scene.containers.recall(&serde_json::from_str(&kept).expect("what was kept"), scene.now_ms);
    scene.apply(change);
}

#[test]
fn what_its_image_exposes_is_reached_as_soon_as_it_runs() {
    let mut scene = Scene::new();
    let id = scene.create("generic/busybox");
    assert_eq!(services(&scene, id), [], "nothing is known of the image");
    scene.see(id, &exposes(&[8080]));
    scene.see(id, &IDLE);
    assert_eq!(services(&scene, id), [("main", ServiceState::Withdrawn)]);
    scene.see(id, &RUNS);
    scene.expect(id, Phase::Running);
    assert_eq!((services(&scene, id), code(&scene, id)), (vec![("main", ServiceState::Up)], None));
    assert_eq!(upstreams(&scene, id), [Some(8080), Some(8080)]);
    let text = format!("{:?}", scene.document.values());
    assert!(!text.contains("8080"), "where the plain URL leads is nobody's business: {text}");
    let updates = scene.updates;
    scene.see(id, &exposes(&[8080]));
    scene.see(id, &exposes(&[9090]));
    assert_eq!(scene.updates, updates, "it is known by now");
}

#[test]
fn the_likeliest_of_several_ports_is_the_first() {
    let mut scene = Scene::new();
    let id = scene.create("generic/busybox");
    scene.see(id, &exposes(&[22, 443, 3000]));
    scene.see(id, &RUNS);
    let up = ["main", "port-22", "port-443"].map(|name| (name, ServiceState::Up));
    assert_eq!((services(&scene, id), upstreams(&scene, id)), (up.to_vec(), [Some(3000); 2]));
    let declared: Vec<String> = scene.container(id).spec.services_declared.iter().map(ToString::to_string).collect();
    assert_eq!(declared, ["main", "port-22", "port-443"]);
}

#[test]
fn one_that_cannot_be_reached_says_so_until_it_names_a_service() {
    let mut scene = Scene::new();
    let id = scene.create("generic/busybox");
    scene.see(id, &exposes(&[]));
    assert_eq!(code(&scene, id), None, "it does not run yet");
    scene.see(id, &RUNS);
    scene.expect(id, Phase::Running);
    assert_eq!((services(&scene, id), code(&scene, id)), (vec![], Some(ReasonCode::NoPort)));
    assert!(scene.reason(id).unwrap().text.contains("exposes no port"));
    scene.see(id, &Observation::Unknown);
    assert_eq!(code(&scene, id), Some(ReasonCode::NoPort), "which says more than that");
    move_on(&mut scene);
    assert_eq!(code(&scene, id), Some(ReasonCode::NoPort));
    let event = json!({"type": "user-container:map-http-service", "name": "web", "port": 9000});
    scene.give(Caller::Container(id), &event).unwrap();
    assert_eq!((code(&scene, id), upstreams(&scene, id)[0]), (None, Some(9000)));
}

#[test]
fn one_that_ran_before_its_image_was_asked_gets_its_services_too() {
    let mut scene = Scene::new();
    let (web, mute) = (scene.create("generic/busybox:1"), scene.create("generic/busybox:2"));
    for id in [web, mute] {
        scene.see(id, &RUNS);
        scene.expect(id, Phase::Running);
        assert!(scene.entry(id).is_open(&scene.rules));
    }
    scene.see(web, &exposes(&[80]));
    scene.see(mute, &exposes(&[]));
    assert_eq!((services(&scene, web), code(&scene, web)), (vec![("main", ServiceState::Up)], None));
    assert_eq!(code(&scene, mute), Some(ReasonCode::NoPort));
    assert!(![web, mute].iter().any(|id| scene.entry(*id).is_open(&scene.rules)));
}

#[test]
fn a_port_that_was_said_is_the_only_service_and_is_asked() {
    let mut scene = Scene::new();
    let event = json!({"type": "user-containers:new", "name": "x", "image": "generic/busybox", "port": 7070});
    let result = scene.give(ALICE, &event).unwrap();
    let id: ContainerId = result["user_container_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(services(&scene, id), [("main", ServiceState::Withdrawn)], "its URL is there at once");
    assert!(!scene.entry(id).is_open(&scene.rules));
    scene.see(id, &exposes(&[80, 81]));
    scene.see(id, &RUNS);
    scene.expect(id, Phase::Starting);
    scene.see(id, &Observation::Probed { answers: true });
    scene.expect(id, Phase::Running);
    assert_eq!((services(&scene, id).len(), upstreams(&scene, id)), (1, [Some(7070); 2]));
    let text = format!("{:?}", scene.document.values());
    assert!(!text.contains("7070"), "{text}");
}

#[test]
fn where_it_listens_outlives_gateways_and_runs_but_not_the_container() {
    let mut scene = Scene::new();
    let id = scene.create("generic/busybox");
    scene.see(id, &exposes(&[8080]));
    scene.see(id, &RUNS);
    move_on(&mut scene);
    assert_eq!(upstreams(&scene, id), [Some(8080); 2]);
    scene.tell(id, "user-container:stop").unwrap();
    scene.see(id, &ends(1, 0));
    assert_eq!((services(&scene, id), upstreams(&scene, id)[0]), (vec![("main", ServiceState::Withdrawn)], None));
    move_on(&mut scene);
    scene.tell(id, "user-container:start").unwrap();
    scene.see(id, &RUNS);
    assert_eq!(upstreams(&scene, id), [Some(8080); 2], "an image does not change");
    scene.tell(id, "user-containers:delete").unwrap();
    scene.see(id, &Observation::Absent);
    scene.pass(60_000);
    let mut notes = ProjectNotes::default();
    notes.follow(&scene.containers);
    assert_eq!(notes, ProjectNotes::default());
}

#[test]
fn images_that_are_described_are_not_asked_what_they_expose() {
    let mut scene = Scene::new();
    let id = scene.running("jupyter:minimal");
    assert!(!scene.entry(id).is_open(&scene.rules));
    let before = scene.entry(id).clone();
    scene.see(id, &exposes(&[80]));
    assert_eq!(*scene.entry(id), before);
}

#[test]
fn notes_of_before_are_read() {
    let notes: ProjectNotes = serde_json::from_str("{}").unwrap();
    assert_eq!(notes, ProjectNotes::default());
    let id = ContainerId::from_random(7);
    let listening = BTreeMap::from([(id, Listening::Exposed(BTreeSet::from([80])))]);
    let notes = ProjectNotes { listening, ..ProjectNotes::default() };
    assert_eq!(serde_json::to_string(&notes).unwrap(), r#"{"listening":{"uc_7000000000000000":{"exposed":[80]}}}"#);
}
