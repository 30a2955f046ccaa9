//! What members and containers ask, and what they are refused.

use orrery_protocol::{
    command::Refusal,
    container::{Caller, Containers, Desired, Observation, Phase, ProjectNotes, Rejection, SecretId, SecretText},
    id::ContainerId,
    image::Unavailable,
};
use serde_json::{Value, json};

use crate::scene::{ALICE, No, RUNS, Scene, ends, numbers};

fn new(changes: &Value) -> Value {
    let mut event = json!({"type": "user-containers:new", "name": "My Notebook", "image": "jupyter:minimal"});
    changes.as_object().into_iter().flatten().for_each(|(key, value)| event[key] = value.clone());
    event
}

#[test]
fn a_new_container_has_its_url_at_once() {
    let mut scene = Scene::new();
    let result = scene.give(ALICE, &new(&json!({}))).unwrap();
    let id: ContainerId = result["user_container_id"].as_str().unwrap().parse().unwrap();
    let container = scene.container(id);
    assert_eq!(result["slug"], container.spec.slug.as_str());
    assert!(container.spec.slug.as_str().starts_with("my-notebook-"));
    let org = "org-018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f";
    assert_eq!(result["url"], format!("http://{}.{org}.localhost:7000/", id.label()));
    let lab = &container.status.services[&"lab".parse().unwrap()];
    assert_eq!(lab.url, format!("http://{}--lab.{org}.localhost:7000/", id.label()));
    assert_eq!((container.spec.limits.cpu_millis, container.spec.limits.memory_mb), (2_000, 4_096));
    assert_eq!((scene.updates, container.status.phase), (1, Phase::Pending));
}

/// The shape that browsers and other programs rely on.
#[test]
fn the_document_holds_a_leaf_for_each_thing() {
    let mut scene = Scene::new();
    let limits = json!({"cpus": 0.5});
    let env = json!({"TZ": "UTC", "KEY": {"value": "hunter2", "secret": true}});
    scene.give(ALICE, &new(&json!({"limits": limits, "env": env}))).unwrap();
    let text = format!("{:?}", scene.document.values());
    assert!(!text.contains("hunter2"), "a secret is there by its id");
    for part in [
        r#""cpus": Number(0.5), "memory_mb": Number(4096.0), "pids": Number(512.0)"#,
        r#""env": Map({"KEY": Map({"secret": Text("sec_"#,
        r#"")}), "TZ": Text("UTC")})"#,
        r#""created_at": Text("2026-11-21T08:00:00.000Z")"#,
        r#""created_by": Text("00000000-0000-0000-0000-000000000001")"#,
        r#""desired": Text("running"), "env""#,
        r#""image": Text("jupyter:minimal")"#,
        r#""runner": Null"#,
        r#""services_declared": List([Text("lab")])"#,
        r#""observed_generation": Number(0.0), "phase": Text("pending"), "reason": Map({"code": Null, "text": Null})"#,
        r#""state": Text("withdrawn")"#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn what_is_rejected_changes_no_byte() {
    let mut scene = Scene::new();
    let gone = ContainerId::from_random(0);
    let (running, deleted) = (scene.running("jupyter:minimal"), scene.create("generic/busybox"));
    scene.tell(deleted, "user-containers:delete").unwrap();
    let tell = |kind: &str, id: ContainerId| json!({"type": kind, "user_container_id": id.to_string()});
    let map = json!({"type": "user-container:map-http-service", "name": "web", "port": 80});
    let watchdog = json!({"type": "user-container:watchdog"});
    let rejected = |field: &str, problem| Rejection::Invalid { field: field.to_owned(), problem };
    let cases = [
        (ALICE, new(&json!({"image": "no:such"})), Rejection::Image(Unavailable::Unknown)),
        (ALICE, new(&json!({"image": "generic"})), Rejection::Image(Unavailable::Open)),
        (ALICE, new(&json!({"image": "generic/evil"})), Rejection::Image(Unavailable::NotAllowed)),
        (ALICE, new(&json!({"limits": {"cpus": 65}})), rejected("limits.cpus", "is more than a container may have")),
        (ALICE, new(&json!({"limits": {"pids": 1}})), rejected("limits.pids", "is less than a container needs")),
        (
            ALICE,
            new(&json!({"port": 8080})),
            rejected("port", "is for images of your own: this one says itself where it listens"),
        ),
        (
            ALICE,
            new(&json!({"image": "n8n:latest", "env": {"N8N_ENCRYPTION_KEY": "plain"}})),
            rejected("env.N8N_ENCRYPTION_KEY", "must be given as a secret"),
        ),
        (ALICE, tell("user-container:start", gone), Rejection::NotFound(gone)),
        (ALICE, tell("user-containers:delete", gone), Rejection::NotFound(gone)),
        (ALICE, tell("user-container:start", deleted), Rejection::BeingDeleted(deleted)),
        (ALICE, tell("user-container:stop", deleted), Rejection::BeingDeleted(deleted)),
        (ALICE, tell("user-container:restart", deleted), Rejection::BeingDeleted(deleted)),
        (ALICE, watchdog.clone(), Rejection::WrongCaller("user-container:watchdog")),
        (ALICE, map.clone(), Rejection::WrongCaller("user-container:map-http-service")),
        (Caller::Container(gone), watchdog.clone(), Rejection::NotFound(gone)),
        (Caller::Container(deleted), watchdog, Rejection::NotFound(deleted)),
        (Caller::Container(deleted), map, Rejection::NotFound(deleted)),
        (
            Caller::Container(running),
            tell("user-container:stop", running),
            Rejection::WrongCaller("user-container:stop"),
        ),
        (Caller::Container(running), new(&json!({})), Rejection::WrongCaller("user-containers:new")),
    ];
    let (bytes, state, updates) = (scene.document.encoded(), scene.containers.clone(), scene.updates);
    for (caller, event, expect) in cases {
        assert_eq!(scene.give(caller, &event), Err(No::Rejected(expect)), "{event}");
    }
    let unknown = scene.tell(running, "user-containers:to-cloud");
    assert_eq!(unknown, Err(No::Refused(Refusal::Unknown("user-containers:to-cloud".to_owned()))));
    assert_eq!((scene.document.encoded(), scene.updates), (bytes, updates));
    assert_eq!(scene.containers, state);
}

#[test]
fn a_project_has_only_so_many_containers() {
    let mut scene = Scene::new();
    scene.rules.containers_max = 2;
    scene.create("jupyter:minimal");
    scene.create("jupyter:minimal");
    assert_eq!(scene.give(ALICE, &new(&json!({}))), Err(No::Rejected(Rejection::TooMany(2))));
}

/// All of them are stored in one piece, by the document and beside it: an editor could make both too large to be stored.
#[test]
fn the_variables_of_a_project_are_only_so_long() {
    let mut scene = Scene::new();
    scene.rules.variables_bytes_max = 20;
    let with = |value: &str, secret: bool| new(&json!({"env": {"KEY": {"value": value, "secret": secret}}}));
    let give = |scene: &mut Scene, event: &Value| scene.give(ALICE, event).map(drop);
    let too_much = Err(No::Rejected(Rejection::TooMuch(20)));
    assert_eq!(give(&mut scene, &with(&"x".repeat(18), true)), too_much);
    assert_eq!(give(&mut scene, &with(&"x".repeat(18), false)), too_much, "whether it is a secret or not");
    assert_eq!(give(&mut scene, &with("seven..", true)), Ok(()));
    assert_eq!(give(&mut scene, &with("seven..", false)), Ok(()));
    let (bytes, state) = (scene.document.encoded(), scene.containers.clone());
    for secret in [true, false] {
        assert_eq!(give(&mut scene, &with("", secret)), too_much, "of all containers together");
    }
    assert_eq!((scene.document.encoded(), &scene.containers), (bytes, &state), "and nothing is stored of it");
    let text = Rejection::TooMuch(20).to_string();
    assert_eq!(text, "the variables of this project's containers may have 20 bytes together, and would have more");
    assert_eq!(give(&mut scene, &new(&json!({}))), Ok(()), "who brings none is made");

    // The next gateway knows how long secrets are from what is kept beside the document.
    let id = state.iter().find(|entry| entry.vitals.secret_bytes > 0).expect("one has a secret").container.id;
    let mut notes = ProjectNotes::default();
    let secret = SecretText::new("seven..").expect("a secret");
    notes.secrets.insert(id, [(SecretId::from_random(7), secret)].into());
    scene.containers = Containers::read(scene.document.values()).0;
    let change = scene.containers.recall(&notes, scene.now_ms);
    scene.apply(change);
    assert_eq!(give(&mut scene, &with("", true)), too_much);
}

#[test]
fn an_id_that_is_taken_is_drawn_again() {
    let mut scene = Scene::new();
    let first = scene.create("jupyter:minimal");
    let mut again = numbers(1);
    let (taken, free) = (again(), again());
    let mut draws = [taken, taken, free].into_iter();
    scene.random = Box::new(move || draws.next().unwrap());
    let second = scene.create("jupyter:minimal");
    assert_eq!((first, second), (ContainerId::from_random(taken), ContainerId::from_random(free)));
    scene.random = Box::new(move || taken);
    assert_eq!(scene.give(ALICE, &new(&json!({}))), Err(No::Rejected(Rejection::NoId)));
}

#[test]
fn a_nameless_container_is_named_after_its_image() {
    let mut scene = Scene::new();
    let result = scene.give(ALICE, &new(&json!({"name": " "}))).unwrap();
    let id = result["user_container_id"].as_str().unwrap().parse().unwrap();
    assert_eq!(scene.container(id).spec.name.as_str(), "JupyterLab");
    assert!(result["slug"].as_str().unwrap().starts_with("jupyterlab-"));
}

#[test]
fn what_is_so_already_is_not_written_again() {
    let mut scene = Scene::new();
    let id = scene.running("jupyter:minimal");
    let twice = |scene: &mut Scene, kind: &str, phase: Phase| {
        scene.tell(id, kind).unwrap();
        let updates = scene.updates;
        let answer = scene.tell(id, kind).unwrap();
        assert_eq!(answer["phase"], phase.as_str(), "{kind}");
        assert_eq!(scene.updates, updates, "{kind}");
    };
    twice(&mut scene, "user-container:start", Phase::Running);
    twice(&mut scene, "user-container:restart", Phase::Stopping);
    twice(&mut scene, "user-container:stop", Phase::Stopping);
    scene.see(id, &ends(1, 143));
    twice(&mut scene, "user-container:stop", Phase::Stopped);
    twice(&mut scene, "user-container:start", Phase::Pending);
    twice(&mut scene, "user-containers:delete", Phase::Stopping);
    scene.see(id, &Observation::Absent);
    twice(&mut scene, "user-containers:delete", Phase::Deleted);
}

#[test]
fn a_container_that_reports_for_a_day_adds_no_byte() {
    let mut scene = Scene::new();
    let id = scene.running("jupyter:minimal");
    scene.report(id).unwrap();
    let bytes = scene.document.encoded();
    for _ in 0..24 * 60 * 4 {
        scene.pass(15_000);
        scene.report(id).unwrap();
        let activity = json!({"type": "user-containers:activity", "last_activity": "2026-11-21T09:00:00Z"});
        scene.give(Caller::Container(id), &activity).unwrap();
        scene.see(id, &RUNS);
        scene.see(id, &Observation::Probed { answers: true });
    }
    assert_eq!(scene.document.encoded(), bytes);
    scene.expect(id, Phase::Running);
}

#[test]
fn what_a_container_says_of_its_host_is_for_who_looks() {
    let mut scene = Scene::new();
    let id = scene.running("jupyter:minimal");
    let before = scene.updates;
    let command = json!({"type": "user-container:watchdog", "system": {"canary": 1}});
    let command = orrery_protocol::command::ContainerCommand::parse(&command).unwrap();
    let caller = Caller::Container(id);
    let change = scene.containers.reduce(&scene.rules, caller, &command, scene.now_ms, &mut scene.random).unwrap();
    assert_eq!(change.live, Some((id, json!({"canary": 1}))));
    scene.apply(change);
    assert_eq!(scene.updates, before);
}

#[test]
fn activity_never_goes_back_nor_into_the_future() {
    let mut scene = Scene::new();
    let id = scene.running("jupyter:minimal");
    let say = |scene: &mut Scene, at: &str| {
        let event = json!({"type": "user-containers:activity", "last_activity": at});
        scene.give(Caller::Container(id), &event).unwrap();
        scene.entry(id).vitals.activity_at_ms
    };
    let now_ms = scene.now_ms;
    assert_eq!(say(&mut scene, "2026-11-21T07:59:59Z"), Some(now_ms - 1_000));
    assert_eq!(say(&mut scene, "2026-11-21T07:00:00Z"), Some(now_ms - 1_000));
    assert_eq!(say(&mut scene, "2126-11-21T07:00:00Z"), Some(now_ms));
}

#[test]
fn a_container_on_somebodys_machine_is_not_the_platforms_to_run() {
    let mut scene = Scene::new();
    let id = scene.running("jupyter:minimal");
    let host =
        |runner: Value| json!({"type": "user-containers:host", "user_container_id": id.to_string(), "runner": runner});
    scene.give(ALICE, &host(json!("laptop"))).unwrap();
    scene.expect(id, Phase::Pending);
    assert_eq!(scene.container(id).spec.generation, 2);
    scene.see(id, &RUNS);
    scene.expect(id, Phase::Pending);
    scene.report(id).unwrap();
    scene.expect(id, Phase::Running);
    scene.tell(id, "user-container:stop").unwrap();
    scene.expect(id, Phase::Stopped);
    let updates = scene.updates;
    scene.give(ALICE, &host(json!("laptop"))).unwrap();
    assert_eq!(scene.updates, updates, "it is there already");
    scene.give(ALICE, &host(json!("platform"))).unwrap();
    assert_eq!((scene.container(id).spec.generation, scene.container(id).spec.desired), (3, Desired::Stopped));
    scene.expect(id, Phase::Stopped);
}
