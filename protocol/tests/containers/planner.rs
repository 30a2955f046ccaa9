//! Plans on worlds of all kinds: they always end where they should, and end there for good.

use std::collections::BTreeMap;

use orrery_protocol::{
    container::plan::{
        Action, Labels, LocalImageId, Object, ObjectId, ObjectState, PlanClocks, Planner, Seen, Wanted,
        WantedContainer, WantedProject, WantedState,
    },
    id::{ContainerId, OrgId, ProjectId},
    image::Reference,
};
use proptest::prelude::*;
use uuid::Uuid;

use crate::{engine::Engine, scene::ORG};

const IO: ProjectId = ProjectId(Uuid::from_u128(1));
/// Exists, and is not loaded.
const EUROPA: ProjectId = ProjectId(Uuid::from_u128(2));
/// Does not exist any more.
const CALLISTO: ProjectId = ProjectId(Uuid::from_u128(3));
const STRANGER: OrgId = OrgId(Uuid::from_u128(9));
const PINNED: &str = "nginx@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const TAGGED: &str = "busybox:1";

fn id(number: u128) -> ContainerId {
    ContainerId::from_random(number)
}

fn reference(text: &str) -> Reference {
    text.parse().expect("a reference")
}

fn container(state: WantedState, image: &str) -> WantedContainer {
    WantedContainer { state, generation: 2, image: Some(reference(image)), stop_at_ms: None, object: None }
}

fn wanted(containers: impl IntoIterator<Item = (ContainerId, WantedContainer)>) -> Wanted {
    let loaded = WantedProject::Loaded(containers.into_iter().collect());
    Wanted { org: ORG, projects: BTreeMap::from([(IO, loaded), (EUROPA, WantedProject::Unloaded)]) }
}

fn labels(project: ProjectId, container: u128, generation: u32) -> Labels {
    Labels { org: ORG, project, container: id(container), generation }
}

fn object(name: &str, labels: Labels, state: ObjectState) -> Object {
    Object { id: ObjectId(name.to_owned()), labels, state, image: LocalImageId("image".to_owned()) }
}

/// What is planned for one container that shall be in a state, and these objects of it.
#[track_caller]
fn check(state: WantedState, objects: &[(&str, u32, ObjectState)], expect: &[Action]) {
    let objects = objects.iter().map(|&(name, generation, state)| object(name, labels(IO, 1, generation), state));
    let seen = Seen { objects: objects.collect(), ..Seen::default() };
    let wanted = WantedContainer { object: Some(it("a")), ..container(state, TAGGED) };
    let actions = Planner::default().plan(0, &self::wanted([(id(1), wanted)]), &seen);
    assert_eq!(actions, expect);
}

fn it(name: &str) -> ObjectId {
    ObjectId(name.to_owned())
}

fn stop(name: &str) -> Action {
    Action::Stop { object: it(name), grace_ms: 10_000 }
}

#[test]
fn each_object_gets_its_next_step() {
    use ObjectState::{Changing, Created, Dead, Paused, Running, Unknown};
    use WantedState::{Absent, AtRest, Running as Run};
    check(Run, &[("a", 2, Running)], &[]);
    check(Run, &[("a", 2, Created)], &[Action::Start(it("a"))]);
    check(Run, &[("a", 2, Paused)], &[Action::Resume(it("a"))]);
    check(Run, &[("a", 2, Changing)], &[]);
    check(Run, &[("a", 2, Dead)], &[Action::Remove(it("a"))]);
    check(Run, &[], &[Action::Pull(reference(TAGGED))]);
    check(AtRest, &[], &[]);
    check(AtRest, &[("a", 2, Running)], &[stop("a")]);
    check(AtRest, &[("a", 2, Created)], &[]);
    check(Absent, &[("a", 2, Running)], &[stop("a")]);
    check(Absent, &[("a", 2, Created)], &[Action::Remove(it("a"))]);
    check(Absent, &[], &[]);
    for state in [Run, AtRest, Absent] {
        check(state, &[("a", 2, Unknown), ("b", 1, Running)], &[]);
        check(state, &[("a", 3, Running)], &[]);
    }
}

#[test]
fn one_of_two_is_kept_and_the_nearer_to_running() {
    use ObjectState::{Created, Running};
    check(WantedState::Running, &[("a", 2, Running), ("b", 2, Running)], &[stop("b")]);
    let adopt = Action::Adopt { project: IO, container: id(1), object: it("b") };
    check(WantedState::Running, &[("a", 2, Created), ("b", 2, Running)], &[Action::Remove(it("a")), adopt]);
}

#[test]
fn an_earlier_generation_goes_before_the_next_one_comes() {
    use ObjectState::{Created, Running};
    check(WantedState::Running, &[("a", 1, Running)], &[stop("a")]);
    check(WantedState::Running, &[("a", 1, Created)], &[Action::Remove(it("a"))]);
    check(WantedState::AtRest, &[("a", 1, Created)], &[]);
}

#[test]
fn a_stop_takes_what_is_left_of_its_grace() {
    let seen = Seen { objects: vec![object("a", labels(IO, 1, 2), ObjectState::Running)], ..Seen::default() };
    let stopping =
        WantedContainer { stop_at_ms: Some(5_000), object: Some(it("a")), ..container(WantedState::AtRest, TAGGED) };
    for (now_ms, grace_ms) in [(1_000, 4_000), (9_000, 0)] {
        let actions = Planner::default().plan(now_ms, &wanted([(id(1), stopping.clone())]), &seen);
        assert_eq!(actions, [Action::Stop { object: it("a"), grace_ms }]);
    }
}

/// Named after the fault: an image by tag was compared with one by digest, and every container made anew for ever.
#[test]
fn a_tag_is_never_compared_with_a_digest() {
    let other = format!("nginx@sha256:{}", "f".repeat(64));
    let plan = |image: &str, of: &str| {
        let mut engine = Engine::new(1);
        engine.hostile = false;
        let local = engine.has_image(&reference(of));
        engine.has_image(&reference(image));
        let object = engine.add(labels(IO, 1, 2), ObjectState::Running, local);
        let container = WantedContainer { object: Some(object), ..container(WantedState::Running, image) };
        Planner::default().plan(0, &wanted([(id(1), container)]), &engine.truth())
    };
    assert_eq!(plan(PINNED, PINNED), [], "the digest is the same");
    assert_eq!(plan(PINNED, TAGGED), [], "which digest it was had under is not known");
    assert_eq!(plan(TAGGED, PINNED), [], "a tag means another image tomorrow");
    assert_eq!(plan(PINNED, &other), [stop("object-1")], "known to be another");
}

#[test]
fn a_pull_that_is_under_way_is_awaited_and_one_serves_all() {
    let three = wanted([1, 2, 3].map(|number| (id(number), container(WantedState::Running, TAGGED))));
    let mut seen = Seen::default();
    assert_eq!(Planner::default().plan(0, &three, &seen), [Action::Pull(reference(TAGGED))]);
    seen.pulling.insert(reference(TAGGED));
    assert_eq!(Planner::default().plan(0, &three, &seen), []);
}

#[test]
fn orphans_have_a_time_of_grace_and_what_may_be_anothers_is_left_alone() {
    let mut planner = Planner::new(PlanClocks::default());
    let stranger = Labels { org: STRANGER, ..labels(CALLISTO, 9, 1) };
    let orphans =
        [object("a", labels(IO, 9, 1), ObjectState::Dead), object("b", labels(CALLISTO, 9, 1), ObjectState::Dead)];
    let others = [object("c", labels(EUROPA, 9, 1), ObjectState::Running), object("d", stranger, ObjectState::Running)];
    let seen = Seen { objects: orphans.iter().chain(&others).cloned().collect(), ..Seen::default() };
    let wanted = wanted([]);
    assert_eq!(planner.plan(0, &wanted, &seen), []);
    assert_eq!(planner.deadline_ms(), Some(60_000));
    assert_eq!(planner.plan(59_999, &wanted, &seen), []);
    assert_eq!(planner.plan(60_000, &wanted, &seen), [Action::Remove(it("a")), Action::Remove(it("b"))]);
    // One that belonged to something for a moment begins anew.
    let gone = Seen { objects: others.to_vec(), ..Seen::default() };
    assert_eq!(planner.plan(60_001, &wanted, &gone), []);
    assert_eq!(planner.plan(60_002, &wanted, &seen), []);
}

/// A world as it may be found.
fn world(seed: u64) -> (Engine, Wanted, Vec<Object>) {
    let mut engine = Engine::new(seed);
    let other = format!("nginx@sha256:{}", "f".repeat(64));
    let images = [PINNED, TAGGED, other.as_str()].map(|image| engine.has_image(&reference(image)));
    let count = engine.roll(6);
    let mut containers = BTreeMap::new();
    for number in 0..u128::from(count) {
        let state = [WantedState::Running, WantedState::AtRest, WantedState::Absent][engine.roll(3) as usize];
        let image = [PINNED, TAGGED, "absent:1"][engine.roll(3) as usize];
        containers.insert(id(number), container(state, image));
    }
    for _ in 0..engine.roll(12) {
        let project = [IO, IO, IO, EUROPA, CALLISTO][engine.roll(5) as usize];
        let org = if engine.roll(8) == 0 { STRANGER } else { ORG };
        let generation = engine.roll(2) as u32 + 1;
        let labels = Labels { org, ..labels(project, u128::from(engine.roll(8)), generation) };
        let (state, image) = (engine.any_state(), images[engine.roll(3) as usize].clone());
        engine.add(labels, state, image);
    }
    let strangers = engine.truth().objects.into_iter().filter(is_anothers).collect();
    (engine, wanted(containers), strangers)
}

fn is_anothers(object: &Object) -> bool {
    object.labels.org != ORG || object.labels.project == EUROPA
}

fn pass(planner: &mut Planner, engine: &mut Engine, wanted: &mut Wanted, now_ms: u64) -> Vec<Action> {
    let seen = engine.listed();
    let actions = planner.plan(now_ms, wanted, &seen);
    for action in &actions {
        engine.perform(action);
        if let (Action::Adopt { container, object, .. }, Some(WantedProject::Loaded(containers))) =
            (action, wanted.projects.get_mut(&IO))
            && let Some(wanted) = containers.get_mut(container)
        {
            wanted.object = Some(object.clone());
        }
    }
    engine.round();
    actions
}

fn check_converged(engine: &Engine, wanted: &Wanted) {
    let seen = engine.truth();
    let Some(WantedProject::Loaded(containers)) = wanted.projects.get(&IO) else { panic!("it is loaded") };
    for object in seen.objects.iter().filter(|object| !is_anothers(object)) {
        assert_eq!(object.labels.project, IO, "no orphan");
        assert!(containers.contains_key(&object.labels.container), "no orphan");
    }
    for (id, wanted) in containers {
        let its = seen.objects.iter().filter(|object| !is_anothers(object) && object.labels.container == *id);
        let its: Vec<&Object> = its.collect();
        match wanted.state {
            WantedState::Absent => assert!(its.is_empty(), "{its:?}"),
            WantedState::AtRest => {
                assert!(its.len() <= 1 && its.iter().all(|object| object.state != ObjectState::Running), "{its:?}");
            }
            WantedState::Running => {
                let [one] = its[..] else { panic!("one and no other: {its:?}") };
                assert_eq!((one.state, one.labels.generation), (ObjectState::Running, wanted.generation));
                let digest = wanted.image.as_ref().and_then(|image| image.digest.clone());
                let digests = &seen.images[&one.image].digests;
                assert!(digest.is_none_or(|digest| digests.is_empty() || digests.contains(&digest)), "{one:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_world_becomes_as_wanted_and_stays_so(seed in any::<u64>(), hostile_rounds in 0_u64..40) {
        let (mut engine, mut wanted, strangers) = world(seed);
        let mut planner = Planner::default();
        for round in 0..hostile_rounds {
            pass(&mut planner, &mut engine, &mut wanted, round * 10_000);
        }
        engine.hostile = false;
        let honest = (hostile_rounds..).take(40);
        for round in honest {
            pass(&mut planner, &mut engine, &mut wanted, round * 10_000);
        }
        check_converged(&engine, &wanted);
        let later_ms = 1_000_000_000;
        prop_assert_eq!(pass(&mut planner, &mut engine, &mut wanted, later_ms), vec![]);
        prop_assert_eq!(pass(&mut planner, &mut engine, &mut wanted, later_ms * 2), vec![]);
        let left: Vec<Object> = engine.truth().objects.into_iter().filter(is_anothers).collect();
        let ids = |objects: &[Object]| objects.iter().map(|object| object.id.clone()).collect::<Vec<_>>();
        if hostile_rounds == 0 {
            prop_assert_eq!(left, strangers, "what others have is not touched");
        } else {
            let known = ids(&strangers);
            prop_assert!(ids(&left).iter().all(|id| known.contains(id)));
        }
    }
}
