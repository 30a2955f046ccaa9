//! What members and administrators see, whichever engine it is.

use std::sync::Arc;

use async_trait::async_trait;
use orrery_actors::engine::{Runtime, fake::Hand};
use orrery_protocol::{
    container::{
        Phase, ReasonCode,
        plan::{Object, ObjectId, ObjectState},
    },
    id::{ContainerId, OrgId, ProjectId},
};
use uuid::Uuid;

use crate::{conformance::until_it_answers, gateway::Gateway};

/// An engine, and what somebody can do to it past everything.
#[async_trait]
pub(crate) trait Place: Send + Sync {
    /// An organization of this test's own.
    fn new_org(&self) -> OrgId {
        OrgId(Uuid::new_v4())
    }
    /// A gateway for one.
    fn gateway(&self) -> Gateway;
    fn runtime(&self) -> Arc<dyn Runtime>;
    async fn by_hand(&self, hand: Hand, object: &ObjectId);
    /// Whether the organization has anything left in the engine: objects or a network.
    async fn is_empty(&self, org: OrgId) -> bool;
}

pub(crate) async fn objects(place: &dyn Place, gateway: &Gateway) -> Vec<Object> {
    let listing = place.runtime().list(gateway.org()).await.expect("an engine that answers");
    listing.objects.into_iter().map(|found| found.object).collect()
}

async fn object(place: &dyn Place, gateway: &Gateway, id: ContainerId) -> Object {
    let mut its = objects(place, gateway).await;
    its.retain(|object| object.labels.container == id);
    assert_eq!(its.len(), 1, "one container, one object: {its:?}");
    its.remove(0)
}

fn reason(gateway: &Gateway, id: ContainerId) -> Option<ReasonCode> {
    gateway.container(id).and_then(|container| container.status.reason).map(|reason| reason.code)
}

/// Deletes all, and expects nothing to be left.
pub(crate) async fn clean_up(place: &dyn Place, gateway: &Gateway) {
    for id in gateway.ids() {
        gateway.tell(id, "delete");
    }
    for id in gateway.ids() {
        gateway.gone(id).await;
    }
    let empty = async {
        while !place.is_empty(gateway.org()).await {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    let left = tokio::time::timeout(std::time::Duration::from_secs(60), empty).await;
    assert!(left.is_ok(), "left behind: {:?}", objects(place, gateway).await);
}

/// It is created, runs, is stopped, started, restarted and deleted; every state is seen, and in between nothing is done.
pub(crate) async fn a_life(place: &dyn Place) {
    let gateway = place.gateway();
    let id = gateway.create("serve");
    gateway.phase(id, Phase::Running).await;
    let first = object(place, &gateway, id).await;
    assert!(gateway.address(id).is_some(), "it is known where it is reached");
    assert_eq!(gateway.changes_in_passes(2).await, 0, "what is as wanted is left alone");

    assert!(gateway.tell(id, "stop"));
    gateway.phase(id, Phase::Stopped).await;
    let stopped = object(place, &gateway, id).await;
    assert!(matches!(stopped.state, ObjectState::Ended { .. }), "{stopped:?}");
    assert_eq!(stopped.id, first.id, "it keeps what it has");
    assert_eq!(gateway.changes_in_passes(2).await, 0);
    assert_eq!(gateway.address(id), None);

    assert!(gateway.tell(id, "start"));
    gateway.phase(id, Phase::Running).await;
    assert!(gateway.tell(id, "restart"));
    gateway.phase(id, Phase::Stopping).await;
    gateway.phase(id, Phase::Running).await;
    assert_eq!(object(place, &gateway, id).await.id, first.id);

    clean_up(place, &gateway).await;
}

/// Somebody kills it, removes it, holds it, or starts what shall not run: it becomes what is wanted.
pub(crate) async fn hands(place: &dyn Place) {
    let gateway = place.gateway();
    let (id, at_rest) = (gateway.create("serve"), gateway.create("idle"));
    gateway.phase(id, Phase::Running).await;
    gateway.phase(at_rest, Phase::Running).await;
    gateway.tell(at_rest, "stop");
    gateway.phase(at_rest, Phase::Stopped).await;

    let killed = object(place, &gateway, id).await;
    place.by_hand(Hand::Kill, &killed.id).await;
    gateway.until("its end is seen", || reason(&gateway, id) == Some(ReasonCode::Exited)).await;
    gateway.phase(id, Phase::Running).await;

    place.by_hand(Hand::Pause, &killed.id).await;
    let runs = async {
        while object(place, &gateway, id).await.state != ObjectState::Running {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), runs).await.expect("what was held goes on");

    place.by_hand(Hand::Remove, &killed.id).await;
    gateway.until("it is missed", || reason(&gateway, id) == Some(ReasonCode::Vanished)).await;
    gateway.phase(id, Phase::Running).await;
    assert_ne!(object(place, &gateway, id).await.id, killed.id, "it was made anew");

    let started = object(place, &gateway, at_rest).await;
    place.by_hand(Hand::Start, &started.id).await;
    gateway.phase(at_rest, Phase::Stopping).await;
    gateway.phase(at_rest, Phase::Stopped).await;
    assert_eq!(gateway.changes_in_passes(2).await, 0);
    clean_up(place, &gateway).await;
}

/// What fails is started again three times, and what ended well is not.
pub(crate) async fn ends(place: &dyn Place) {
    let gateway = place.gateway();
    let (crash, done, eat) = (gateway.create("crash"), gateway.create("done"), gateway.create("eat"));
    gateway.phase(done, Phase::Stopped).await;
    assert_eq!(reason(&gateway, done), Some(ReasonCode::Exited));
    gateway.phase(crash, Phase::Failed).await;
    let why = gateway.container(crash).and_then(|container| container.status.reason).expect("a reason");
    assert_eq!((why.code, why.text.as_str()), (ReasonCode::Exited, "exit code 3"));
    gateway.phase(eat, Phase::Failed).await;
    assert_eq!(reason(&gateway, eat), Some(ReasonCode::OutOfMemory));
    assert_eq!(gateway.changes_in_passes(2).await, 0, "what has failed is left alone");
    // Whoever starts it again means it.
    assert!(gateway.tell(crash, "start"));
    gateway.phase(crash, Phase::Running).await;
    gateway.phase(crash, Phase::Failed).await;
    clean_up(place, &gateway).await;
}

/// It runs and never answers: it is unhealthy, started anew once, and has failed.
pub(crate) async fn never_ready(place: &dyn Place) {
    let gateway = place.gateway();
    let id = gateway.create("deaf");
    gateway.phase(id, Phase::Starting).await;
    gateway.phase(id, Phase::Unhealthy).await;
    assert_eq!(reason(&gateway, id), Some(ReasonCode::NotReady));
    gateway.phase(id, Phase::Stopping).await;
    gateway.phase(id, Phase::Failed).await;
    assert_eq!(reason(&gateway, id), Some(ReasonCode::ProbeFailed));
    clean_up(place, &gateway).await;
}

/// What does not listen is ended, but not before its time.
pub(crate) async fn grace(place: &dyn Place) {
    let gateway = place.gateway();
    let id = gateway.create("stubborn");
    gateway.phase(id, Phase::Running).await;
    let begun = tokio::time::Instant::now();
    gateway.tell(id, "stop");
    gateway.phase(id, Phase::Stopped).await;
    let took = begun.elapsed().as_millis();
    assert!(took >= 1_000, "it had two seconds to stop by itself, and was ended after {took} ms");
    clean_up(place, &gateway).await;
}

/// An image that is nowhere, and one that says nothing that can be run: both fail with a reason for everybody.
pub(crate) async fn what_cannot_run(place: &dyn Place) {
    let gateway = place.gateway();
    let id = gateway.create("missing");
    gateway.phase(id, Phase::Failed).await;
    assert!(matches!(reason(&gateway, id), Some(ReasonCode::Refused | ReasonCode::Exited)));
    clean_up(place, &gateway).await;
}

/// The gateway comes back, here or elsewhere: nothing is touched.
pub(crate) async fn a_new_gateway(place: &dyn Place) {
    let mut gateway = place.gateway();
    let (id, at_rest) = (gateway.create("serve"), gateway.create("idle"));
    gateway.phase(id, Phase::Running).await;
    gateway.phase(at_rest, Phase::Running).await;
    gateway.tell(at_rest, "stop");
    gateway.phase(at_rest, Phase::Stopped).await;
    let before = objects(place, &gateway).await;
    let changes = gateway.tally.changes();
    gateway.forget();
    assert_eq!(gateway.changes_in_passes(3).await, 0);
    assert_eq!(gateway.tally.changes(), changes);
    assert_eq!(objects(place, &gateway).await, before);
    assert_eq!(gateway.container(id).map(|container| container.status.phase), Some(Phase::Running));
    clean_up(place, &gateway).await;
}

/// Twenty at once.
pub(crate) async fn twenty(place: &dyn Place) {
    let gateway = place.gateway();
    let ids: Vec<ContainerId> = (0..20).map(|at| gateway.create(["serve", "idle"][at % 2])).collect();
    for &id in &ids {
        gateway.phase(id, Phase::Running).await;
    }
    assert_eq!(objects(place, &gateway).await.len(), 20);
    assert_eq!(gateway.changes_in_passes(2).await, 0);
    clean_up(place, &gateway).await;
}

/// An image that no definition describes: its container is reached where the image says, or where who made it said, and one
/// that nobody says anything of says so. `bare` exposes nothing.
pub(crate) async fn any_image(place: &dyn Place, exposing: &str, bare: &str) {
    let mut gateway = place.gateway();
    let of = |image: &str| serde_json::json!({"name": "any", "image": format!("generic/{image}")});
    let mut said = of(bare);
    said["port"] = 8080.into();
    let exposing = gateway.create_with(&of(exposing));
    let (said, bare) = (gateway.create_with(&said), gateway.create_with(&of(bare)));
    for id in [exposing, said, bare] {
        gateway.phase(id, Phase::Running).await;
    }
    gateway.until("it is known what the images expose", || reason(&gateway, bare) == Some(ReasonCode::NoPort)).await;
    gateway.until("they are reached", || [exposing, said].iter().all(|id| gateway.upstream(*id).is_some())).await;
    assert_eq!(gateway.upstream(bare), None);
    for id in [exposing, said] {
        let upstream = gateway.upstream(id).expect("it is reached");
        until_it_answers(&*place.runtime(), upstream).await;
    }
    assert_eq!(gateway.changes_in_passes(2).await, 0, "what is as wanted is left alone");
    gateway.forget();
    gateway.until("the next gateway reaches it too", || gateway.upstream(exposing).is_some()).await;
    clean_up(place, &gateway).await;
}

/// Organizations and projects that were deleted while nobody served them leave nothing; what belongs to others stays.
pub(crate) async fn leftovers(place: &dyn Place) {
    let (mut gone, mut other) = (place.gateway(), place.gateway());
    let ids = [gone.create("serve"), gone.create("stubborn"), gone.create("done")];
    let kept = other.create("serve");
    gone.phase(ids[0], Phase::Running).await;
    gone.phase(ids[1], Phase::Running).await;
    gone.phase(ids[2], Phase::Stopped).await;
    other.phase(kept, Phase::Running).await;
    gone.end();
    other.end();
    let engine = gone.engine();
    let tenants = engine.tenants().await.expect("an answer");
    assert_eq!(tenants.get(&gone.org()), Some(&[gone.project()].into()));
    let before = objects(place, &other).await;
    let unknown = [ProjectId(Uuid::from_u128(99))].into();
    engine.remove_projects(gone.org(), &unknown).await.expect("nothing to do");
    assert_eq!(objects(place, &gone).await.len(), 3);
    for _ in 0..2 {
        engine.remove_org(gone.org()).await.expect("removed");
    }
    assert!(place.is_empty(gone.org()).await);
    assert!(!engine.tenants().await.expect("an answer").contains_key(&gone.org()));
    assert_eq!(objects(place, &other).await, before);
    engine.remove_projects(other.org(), &[other.project()].into()).await.expect("removed");
    assert_eq!(objects(place, &other).await, []);
    engine.remove_org(other.org()).await.expect("removed");
    assert!(place.is_empty(other.org()).await);
}
