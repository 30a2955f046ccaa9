//! What becomes of containers by themselves: they start, report, fall silent, crash, vanish, are stopped and deleted.

use std::collections::BTreeMap;

use orrery_protocol::{
    container::{
        Caller, Containers, Observation, Phase, ProjectNotes, Reason, ReasonCode, Rejection, Run, ServiceState,
        plan::WantedState,
    },
    id::ContainerId,
};
use serde_json::json;

use crate::scene::{No, RUNS, Scene, ends};

const ANSWERS: Observation = Observation::Probed { answers: true };
const FAILS: Observation = Observation::Probed { answers: false };

fn code(scene: &Scene, id: ContainerId) -> Option<ReasonCode> {
    scene.reason(id).map(|reason| reason.code)
}

fn state(scene: &Scene, id: ContainerId, service: &str) -> ServiceState {
    scene.container(id).status.services[&service.parse().expect("a name")].state
}

fn map(scene: &mut Scene, id: ContainerId, name: &str, port: u16) {
    let event = json!({"type": "user-container:map-http-service", "name": name, "port": port});
    scene.give(Caller::Container(id), &event).expect("it is listened to");
}

fn wanted(scene: &Scene, id: ContainerId) -> WantedState {
    use orrery_protocol::container::plan::WantedProject;
    match scene.containers.wanted(&scene.rules) {
        WantedProject::Loaded(containers) => containers[&id].state,
        WantedProject::Unloaded => panic!("it is loaded"),
    }
}

#[test]
fn it_starts_answers_and_is_up() {
    let mut scene = Scene::new();
    let id = scene.create("jupyter:minimal");
    scene.see(id, &Observation::Absent);
    scene.expect(id, Phase::Pending);
    scene.see(id, &Observation::Idle { generation: 1 });
    scene.see(id, &RUNS);
    scene.expect(id, Phase::Starting);
    assert_eq!(state(&scene, id, "lab"), ServiceState::Withdrawn);
    scene.see(id, &FAILS);
    scene.expect(id, Phase::Starting);
    scene.see(id, &ANSWERS);
    scene.expect(id, Phase::Running);
    assert_eq!(state(&scene, id, "lab"), ServiceState::Up);
    assert_eq!(scene.container(id).status.observed_generation, 1);
}

#[test]
fn one_without_services_is_up_when_it_runs() {
    let mut scene = Scene::new();
    let id = scene.create("generic/busybox:1");
    scene.see(id, &RUNS);
    scene.expect(id, Phase::Running);
}

#[test]
fn it_does_not_become_ready_in_time() {
    let mut scene = Scene::new();
    let id = scene.create("jupyter:minimal");
    scene.see(id, &RUNS);
    scene.pass(119_999);
    scene.expect(id, Phase::Starting);
    scene.pass(1);
    scene.expect(id, Phase::Unhealthy);
    assert_eq!(code(&scene, id), Some(ReasonCode::NotReady));
    scene.see(id, &ANSWERS);
    scene.expect(id, Phase::Running);
    assert_eq!(code(&scene, id), None);
}

#[test]
fn silence_withdraws_its_services_after_30_s() {
    let mut scene = Scene::new();
    let id = scene.running("generic/busybox");
    map(&mut scene, id, "web", 8080);
    scene.report(id).unwrap();
    scene.pass(29_999);
    scene.expect(id, Phase::Running);
    assert_eq!(state(&scene, id, "web"), ServiceState::Up);
    scene.pass(1);
    scene.expect(id, Phase::Unhealthy);
    assert_eq!(code(&scene, id), Some(ReasonCode::WatchdogSilent));
    assert_eq!(state(&scene, id, "web"), ServiceState::Withdrawn);
    scene.see(id, &RUNS);
    scene.see(id, &ANSWERS);
    scene.expect(id, Phase::Unhealthy);
    scene.report(id).unwrap();
    scene.expect(id, Phase::Running);
    assert_eq!(state(&scene, id, "web"), ServiceState::Up);
}

#[test]
fn one_that_reported_is_missed_by_the_next_gateway_too() {
    let mut scene = Scene::new();
    let id = scene.running("generic/busybox");
    map(&mut scene, id, "web", 8080);
    scene.report(id).unwrap();
    let mut notes = ProjectNotes::default();
    notes.follow(&scene.containers);
    scene.pass(20_000);
    scene.containers = Containers::read(scene.document.values()).0;
    let change = scene.containers.recall(&notes, scene.now_ms);
    scene.apply(change);
    scene.pass(29_999);
    assert_eq!(state(&scene, id, "web"), ServiceState::Up, "it has as long again");
    scene.pass(1);
    scene.expect(id, Phase::Unhealthy);
    assert_eq!(code(&scene, id), Some(ReasonCode::WatchdogSilent));
    scene.tell(id, "user-container:stop").unwrap();
    notes.follow(&scene.containers);
    assert!(notes.reporting.is_empty(), "what does not run does not report");
}

#[test]
fn one_that_never_reported_is_not_missed() {
    let mut scene = Scene::new();
    let id = scene.running("generic/busybox");
    scene.pass(24 * 3_600_000);
    scene.expect(id, Phase::Running);
    assert_eq!(scene.containers.deadline_ms(&scene.rules), None);
}

#[test]
fn a_service_that_moves_to_another_port_keeps_its_url_and_writes_nothing() {
    let mut scene = Scene::new();
    let id = scene.running("generic/busybox");
    map(&mut scene, id, "web", 8080);
    let (url, updates) = (scene.container(id).status.services[&"web".parse().unwrap()].url.clone(), scene.updates);
    map(&mut scene, id, "web", 9090);
    assert_eq!(scene.updates, updates);
    assert_eq!(scene.entry(id).vitals.ports[&"web".parse().unwrap()], 9090);
    scene.tell(id, "user-container:restart").unwrap();
    scene.see(id, &ends(1, 0));
    scene.see(id, &RUNS);
    let service = &scene.container(id).status.services[&"web".parse().unwrap()];
    assert_eq!((&service.url, service.state), (&url, ServiceState::Withdrawn), "until it says where it listens now");
    map(&mut scene, id, "web", 9090);
    assert_eq!(state(&scene, id, "web"), ServiceState::Up);
    let text = format!("{:?}", scene.document.values());
    assert!(!text.contains("8080") && !text.contains("9090"), "ports stay out of the document");
}

/// A container may name its services differently each time that it runs.
#[test]
fn services_of_earlier_runs_make_room_and_those_of_this_one_do_not() {
    let mut scene = Scene::new();
    let id = scene.running("jupyter:minimal");
    (1..16).for_each(|at| map(&mut scene, id, &format!("old-{at}"), 9000 + at));
    let say = |name: &str| json!({"type": "user-container:map-http-service", "name": name, "port": 8080});
    assert_eq!(scene.give(Caller::Container(id), &say("new")), Err(No::Rejected(Rejection::TooManyServices)));
    scene.tell(id, "user-container:restart").unwrap();
    scene.see(id, &ends(1, 0));
    scene.see(id, &RUNS);
    (1..16).for_each(|at| map(&mut scene, id, &format!("new-{at}"), 9000 + at));
    assert_eq!(scene.give(Caller::Container(id), &say("new")), Err(No::Rejected(Rejection::TooManyServices)));
    let names = scene.container(id).status.services.keys().map(|name| name.as_str().to_owned()).collect::<Vec<_>>();
    assert!(names.len() == 16 && names[0] == "lab" && !names.iter().any(|name| name.starts_with("old")), "{names:?}");
}

#[test]
fn requests_go_to_what_is_up_and_the_declared_service_comes_first() {
    let mut scene = Scene::new();
    let id = scene.running("jupyter:minimal");
    let routes = |scene: &Scene| {
        let routes = scene.containers.routes(&scene.rules);
        routes.map(|route| (route.service.to_string(), route.port)).collect::<Vec<_>>()
    };
    map(&mut scene, id, "api", 9000);
    assert_eq!(routes(&scene), [("lab".to_owned(), 8888), ("api".to_owned(), 9000)]);
    map(&mut scene, id, "lab", 9999);
    assert_eq!(routes(&scene)[0], ("lab".to_owned(), 9999), "what it says is newer than what its image says");
    scene.tell(id, "user-container:stop").unwrap();
    assert_eq!(routes(&scene), []);
}

#[test]
fn after_a_restart_of_the_gateway_only_what_it_left_behind_is_routed() {
    let mut scene = Scene::new();
    let id = scene.running("jupyter:minimal");
    map(&mut scene, id, "api", 9000);
    map(&mut scene, id, "web", 9001);
    scene.containers = Containers::read(scene.document.values()).0;
    let api = BTreeMap::from([("api".parse().unwrap(), 9000)]);
    let notes = ProjectNotes { ports: BTreeMap::from([(id, api)]), ..ProjectNotes::default() };
    let change = scene.containers.recall(&notes, scene.now_ms);
    scene.apply(change);
    use ServiceState::{Up, Withdrawn};
    assert_eq!(["lab", "api", "web"].map(|service| state(&scene, id, service)), [Up, Up, Withdrawn]);
    map(&mut scene, id, "web", 9001);
    assert_eq!(state(&scene, id, "web"), Up);
}

#[test]
fn a_stop_ends_it_and_a_start_begins_anew() {
    let mut scene = Scene::new();
    let id = scene.running("jupyter:minimal");
    scene.tell(id, "user-container:stop").unwrap();
    scene.expect(id, Phase::Stopping);
    assert_eq!(scene.container(id).status.stop_at_ms, Some(scene.now_ms + 10_000));
    assert_eq!((state(&scene, id, "lab"), wanted(&scene, id)), (ServiceState::Withdrawn, WantedState::AtRest));
    scene.see(id, &RUNS);
    scene.expect(id, Phase::Stopping);
    scene.see(id, &ends(1, 143));
    scene.expect(id, Phase::Stopped);
    assert_eq!((code(&scene, id), scene.container(id).status.stop_at_ms), (Some(ReasonCode::Manual), None));
    scene.tell(id, "user-container:start").unwrap();
    assert_eq!(wanted(&scene, id), WantedState::Running);
    scene.see(id, &ends(1, 143));
    scene.expect(id, Phase::Pending);
    scene.see(id, &RUNS);
    scene.expect(id, Phase::Starting);
}

#[test]
fn one_that_does_not_stop_is_said_not_to() {
    let mut scene = Scene::new();
    let id = scene.running("jupyter:minimal");
    scene.tell(id, "user-container:stop").unwrap();
    scene.pass(39_999);
    assert_eq!(code(&scene, id), Some(ReasonCode::Manual));
    scene.pass(1);
    assert_eq!(code(&scene, id), Some(ReasonCode::StopOverdue));
    scene.expect(id, Phase::Stopping);
}

#[test]
fn a_restart_stops_first_and_runs_again() {
    let mut scene = Scene::new();
    let id = scene.running("jupyter:minimal");
    scene.tell(id, "user-container:restart").unwrap();
    assert_eq!(wanted(&scene, id), WantedState::AtRest);
    scene.see(id, &ends(1, 143));
    scene.expect(id, Phase::Pending);
    assert_eq!(wanted(&scene, id), WantedState::Running);
    assert_eq!(scene.container(id).spec.generation, 1, "it keeps what it has");
}

#[test]
fn a_deleted_one_stays_until_it_is_gone_and_a_minute_longer() {
    let mut scene = Scene::new();
    let id = scene.running("jupyter:minimal");
    scene.tell(id, "user-containers:delete").unwrap();
    assert_eq!(wanted(&scene, id), WantedState::Absent);
    scene.see(id, &ends(1, 0));
    scene.expect(id, Phase::Stopping);
    scene.see(id, &Observation::Absent);
    scene.expect(id, Phase::Deleted);
    assert!(scene.report(id).is_err(), "it is not listened to any more");
    scene.pass(59_999);
    scene.expect(id, Phase::Deleted);
    scene.pass(1);
    assert!(scene.containers.get(id).is_none());
    assert!(!format!("{:?}", scene.document.values()).contains(&id.to_string()));
}

#[test]
fn a_crash_loop_ends_after_three_restarts() {
    let mut scene = Scene::new();
    let id = scene.running("generic/busybox");
    for (run, wait_ms) in [(1, 1_000), (2, 4_000), (3, 16_000)] {
        scene.see(id, &ends(run, 7));
        scene.see(id, &ends(run, 7));
        scene.expect(id, Phase::Pending);
        assert_eq!(scene.reason(id), Some(&Reason::new(ReasonCode::Exited, "exit code 7")));
        scene.pass(wait_ms - 1);
        assert_eq!(wanted(&scene, id), WantedState::AtRest, "restart {run}");
        scene.pass(1);
        assert_eq!(wanted(&scene, id), WantedState::Running, "restart {run}");
        scene.see(id, &RUNS);
        scene.expect(id, Phase::Running);
    }
    scene.see(id, &ends(4, 7));
    scene.expect(id, Phase::Failed);
    assert_eq!(wanted(&scene, id), WantedState::AtRest);
    scene.pass(3_600_000);
    scene.expect(id, Phase::Failed);
    scene.tell(id, "user-container:start").unwrap();
    scene.see(id, &RUNS);
    scene.see(id, &ends(5, 7));
    scene.expect(id, Phase::Pending);
}

#[test]
fn one_that_ends_before_it_is_seen_to_run_crashes_all_the_same() {
    let mut scene = Scene::new();
    let id = scene.running("generic/busybox");
    for run in 1..=3 {
        scene.see(id, &ends(run, 1));
        scene.expect(id, Phase::Pending);
        scene.pass(16_000);
    }
    scene.see(id, &ends(4, 1));
    scene.expect(id, Phase::Failed);
}

#[test]
fn a_long_run_is_no_part_of_a_crash_loop() {
    let mut scene = Scene::new();
    let id = scene.running("generic/busybox");
    for run in 0..10 {
        scene.pass(300_000);
        scene.see(id, &ends(run, 1));
        scene.expect(id, Phase::Pending);
        scene.pass(1_000);
        scene.see(id, &RUNS);
    }
}

#[test]
fn too_much_memory_is_a_reason_and_a_good_end_is_none_to_start_again() {
    let mut scene = Scene::new();
    let greedy = scene.running("generic/busybox");
    let killed = Observation::Ended { generation: 1, run: Run(1), exit_code: 137, out_of_memory: true };
    scene.see(greedy, &killed);
    scene.expect(greedy, Phase::Pending);
    assert_eq!(code(&scene, greedy), Some(ReasonCode::OutOfMemory));
    let done = scene.running("generic/busybox");
    scene.see(done, &ends(1, 0));
    scene.expect(done, Phase::Stopped);
    assert_eq!((code(&scene, done), wanted(&scene, done)), (Some(ReasonCode::Exited), WantedState::AtRest));
}

#[test]
fn absent_for_one_moment_is_not_gone_and_unknown_is_nothing_at_all() {
    let mut scene = Scene::new();
    let id = scene.running("generic/busybox");
    for _ in 0..5 {
        scene.see(id, &Observation::Absent);
        scene.expect(id, Phase::Running);
        scene.see(id, &RUNS);
        scene.see(id, &Observation::Unknown);
        scene.expect(id, Phase::Running);
        assert_eq!(code(&scene, id), Some(ReasonCode::EngineUnknown));
        scene.see(id, &RUNS);
        assert_eq!(code(&scene, id), None);
    }
    scene.see(id, &Observation::Absent);
    scene.see(id, &Observation::Absent);
    scene.expect(id, Phase::Pending);
    assert_eq!(code(&scene, id), Some(ReasonCode::Vanished));
}

#[test]
fn probes_that_fail_cost_one_restart_and_then_the_container() {
    let mut scene = Scene::new();
    let id = scene.running("jupyter:minimal");
    let fail = |scene: &mut Scene, times: usize| (0..times).for_each(|_| scene.see(id, &FAILS));
    fail(&mut scene, 2);
    scene.see(id, &ANSWERS);
    fail(&mut scene, 2);
    scene.expect(id, Phase::Running);
    fail(&mut scene, 1);
    scene.expect(id, Phase::Unhealthy);
    fail(&mut scene, 3);
    scene.expect(id, Phase::Stopping);
    scene.see(id, &ends(1, 143));
    scene.see(id, &RUNS);
    scene.pass(120_000);
    scene.expect(id, Phase::Unhealthy);
    fail(&mut scene, 3);
    scene.expect(id, Phase::Failed);
    assert_eq!((code(&scene, id), wanted(&scene, id)), (Some(ReasonCode::ProbeFailed), WantedState::AtRest));
}

#[test]
fn an_image_that_cannot_be_had_now_is_awaited_and_one_that_never_can_is_not() {
    let mut scene = Scene::new();
    let id = scene.create("jupyter:minimal");
    let cannot = |for_good| Observation::CannotRun {
        reason: Reason::new(ReasonCode::ImageUnavailable, "the registry does not answer"),
        for_good,
    };
    scene.see(id, &cannot(false));
    scene.expect(id, Phase::Pending);
    assert_eq!(code(&scene, id), Some(ReasonCode::ImageUnavailable));
    let updates = scene.updates;
    scene.see(id, &cannot(false));
    assert_eq!(scene.updates, updates);
    scene.see(id, &cannot(true));
    scene.expect(id, Phase::Failed);
}

#[test]
fn one_that_somebody_starts_by_hand_is_stopped_again() {
    let mut scene = Scene::new();
    let id = scene.running("jupyter:minimal");
    scene.tell(id, "user-container:stop").unwrap();
    scene.see(id, &ends(1, 0));
    scene.see(id, &RUNS);
    scene.expect(id, Phase::Stopping);
}
