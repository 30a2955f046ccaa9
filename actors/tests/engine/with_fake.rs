//! The suite and the stories, with the engine that is none. Time is virtual.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use orrery_actors::engine::{
    Live, Runtime,
    fake::{FakeEngine, Hand, Hostility},
};
use orrery_protocol::{
    container::{Phase, ReasonCode, plan::ObjectId},
    id::OrgId,
    image::Reference,
};
use serde_json::json;

use crate::{
    conformance,
    gateway::{CANARY, Gateway},
    stories::{self, Place},
};

const URI: &str = "test/program";

pub(crate) struct Fake {
    pub(crate) engine: FakeEngine,
}

pub(crate) fn image() -> Reference {
    format!("{URI}:1").parse().expect("a reference")
}

impl Fake {
    pub(crate) fn new() -> Self {
        let engine = FakeEngine::new(1);
        engine.add_image(&image());
        Self { engine }
    }
}

#[async_trait]
impl Place for Fake {
    fn gateway(&self) -> Gateway {
        Gateway::new(self.new_org(), URI, self.runtime(), Duration::from_secs(600))
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        Arc::new(self.engine.clone())
    }

    async fn by_hand(&self, hand: Hand, object: &ObjectId) {
        self.engine.by_hand(hand, object);
    }

    async fn is_empty(&self, org: OrgId) -> bool {
        let left = self.engine.objects().iter().any(|object| object.labels.org == org);
        !left && !self.engine.networks().contains(&org)
    }
}

#[tokio::test(start_paused = true)]
async fn the_suite() {
    let fake = Fake::new();
    conformance::objects(&fake, &image()).await;
    conformance::what_is_not_there(&fake, &image()).await;
    conformance::logs(&fake, &image(), &["exit", "0", "10"], 2).await;
}

#[tokio::test(start_paused = true)]
async fn the_stories() {
    let fake = Fake::new();
    stories::a_life(&fake).await;
    stories::hands(&fake).await;
    stories::ends(&fake).await;
    stories::never_ready(&fake).await;
    stories::grace(&fake).await;
    stories::a_new_gateway(&fake).await;
    stories::twenty(&fake).await;
    stories::leftovers(&fake).await;
}

#[tokio::test(start_paused = true)]
async fn any_image_has_the_services_that_it_exposes() {
    let fake = Fake::new();
    let [exposing, bare] = ["other/web:1", "other/bare:1"].map(|name| name.parse::<Reference>().unwrap());
    fake.engine.publish_image(&exposing, 1_000);
    fake.engine.publish_image(&bare, 1_000);
    fake.engine.expose(&exposing, &[8080]);
    conformance::exposed(&fake, &image(), &[]).await;
    stories::any_image(&fake, "other/web:1", "other/bare:1").await;
    conformance::exposed(&fake, &exposing, &[8080]).await;
}

#[tokio::test(start_paused = true)]
async fn one_image_comes_once_however_many_wait_for_it() {
    let fake = Fake::new();
    fake.engine.publish_image(&"other/thing:1".parse().unwrap(), 5_000);
    let gateway = fake.gateway();
    let ids: Vec<_> = (0..5).map(|_| gateway.create_limited("generic/other/thing:1", &json!({}))).collect();
    for &id in &ids {
        gateway.phase(id, Phase::Running).await;
        let percents: Vec<_> = gateway
            .live(id)
            .into_iter()
            .filter_map(|live| if let Live::Pull { percent, .. } = live { percent } else { None })
            .collect();
        assert_eq!(percents, [0, 25, 50, 75, 100], "everybody sees how far it has come");
    }
    assert_eq!(gateway.tally.changes(), 1 + 5 + 5, "one image, and each made and started once");
    stories::clean_up(&fake, &gateway).await;
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_nowhere_fails_with_a_reason_and_can_be_tried_again() {
    let fake = Fake::new();
    let gateway = fake.gateway();
    let id = gateway.create_limited("generic/other/thing:1", &json!({}));
    gateway.phase(id, Phase::Failed).await;
    let reason = gateway.container(id).unwrap().status.reason.unwrap();
    assert_eq!(reason.code, ReasonCode::ImageUnavailable);
    fake.engine.publish_image(&"other/thing:1".parse().unwrap(), 100);
    assert!(gateway.tell(id, "start"));
    gateway.phase(id, Phase::Running).await;
    stories::clean_up(&fake, &gateway).await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_is_waited_for() {
    let fake = Fake::new();
    let gateway = fake.gateway();
    let id = gateway.create("serve");
    gateway.phase(id, Phase::Running).await;
    fake.engine.set(Hostility { away: true, ..Hostility::default() });
    let unknown = |id| {
        let status = gateway.container(id).unwrap().status;
        status.reason.is_some_and(|reason| reason.code == ReasonCode::EngineUnknown)
    };
    gateway.until("nobody knows", || unknown(id)).await;
    assert_eq!(gateway.container(id).unwrap().status.phase, Phase::Running, "unknown is not gone");
    let other = gateway.create("serve");
    gateway.until("nobody knows", || unknown(other)).await;
    assert!(gateway.tell(id, "stop"), "commands are taken all the same");
    fake.engine.set(Hostility::default());
    gateway.phase(id, Phase::Stopped).await;
    gateway.phase(other, Phase::Running).await;
    assert_eq!(gateway.changes_in_passes(2).await, 0);
    stories::clean_up(&fake, &gateway).await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_always_fails_is_not_asked_for_ever() {
    let fake = Fake::new();
    let gateway = fake.gateway();
    fake.engine.set(Hostility { fails: 0.0, ..Hostility::default() });
    let id = gateway.create("serve");
    gateway.phase(id, Phase::Running).await;
    fake.engine.set(Hostility { vague: 1.0, ..Hostility::default() });
    assert_eq!(gateway.changes_in_passes(5).await, 0, "what is not known is not touched");
    fake.engine.set(Hostility::default());
    // An engine that says it has removed something and has not.
    let (begun, changes) = (tokio::time::Instant::now(), gateway.tally.changes());
    fake.engine.set(Hostility { silent: 1.0, slow_ms: 1, ..Hostility::default() });
    let other = gateway.create("serve");
    tokio::time::sleep(Duration::from_secs(60)).await;
    let asked = gateway.tally.changes() - changes;
    assert!(asked < 80, "{asked} times in {:?}", begun.elapsed());
    fake.engine.set(Hostility::default());
    gateway.phase(other, Phase::Running).await;
    stories::clean_up(&fake, &gateway).await;
}

/// A process that was stopped, not killed, keeps the place where the containers of its host reach the platform.
#[tokio::test(start_paused = true)]
async fn where_another_process_listens_is_waited_for_by_all_together() {
    let fake = Fake::new();
    let mut gateway = fake.gateway();
    let id = gateway.create("serve");
    gateway.phase(id, Phase::Running).await;
    gateway.doorstep.set_taken(true);
    gateway.end();
    gateway.begin();
    let ids: Vec<_> = (0..20).map(|_| gateway.create("serve")).collect();
    let knows = |id: &_| {
        let status = gateway.container(*id).unwrap().status;
        status.phase == Phase::Pending && status.reason.is_some_and(|reason| reason.code == ReasonCode::NoCapacity)
    };
    gateway.until("everybody is told why", || ids.iter().all(knows)).await;
    let (asked, changes) = (gateway.doorstep.asked(), gateway.tally.changes());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(gateway.doorstep.asked() - asked <= 50, "{} times in a minute", gateway.doorstep.asked() - asked);
    assert_eq!(gateway.tally.changes(), changes, "nothing is made that could not reach it");
    assert_eq!(gateway.container(id).unwrap().status.phase, Phase::Running, "what runs runs on");
    gateway.doorstep.set_taken(false);
    for id in ids {
        gateway.phase(id, Phase::Running).await;
    }
    assert_eq!(gateway.changes_in_passes(2).await, 0);
    stories::clean_up(&fake, &gateway).await;
}

#[tokio::test(start_paused = true)]
async fn what_belongs_to_nothing_goes_after_a_time_of_grace_and_foreign_things_stay() {
    let fake = Fake::new();
    let mut gateway = fake.gateway();
    let id = gateway.create("serve");
    gateway.phase(id, Phase::Running).await;
    let stranger = fake.gateway();
    let foreign = stranger.create("serve");
    stranger.phase(foreign, Phase::Running).await;
    gateway.end();
    drop(stranger);
    // A gateway that has lost everything it knew: what is there belongs to nothing.
    let heir = Gateway::new(gateway.org(), URI, fake.runtime(), Duration::from_secs(600));
    heir.until("it is removed", || fake.engine.objects().len() == 1).await;
    assert_eq!(fake.engine.objects()[0].labels.container, foreign);
    heir.until("its network too", || fake.engine.networks().len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_used_is_told_while_somebody_looks() {
    let fake = Fake::new();
    let gateway = fake.gateway();
    let id = gateway.create("serve");
    gateway.phase(id, Phase::Running).await;
    assert_eq!(gateway.live(id), [], "nobody looks");
    gateway.watch(true);
    gateway.until("three are told", || gateway.live(id).len() >= 3).await;
    gateway.watch(false);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let told = gateway.live(id).len();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(gateway.live(id).len(), told, "nobody looks any more");
    stories::clean_up(&fake, &gateway).await;
}

#[tokio::test(start_paused = true)]
async fn a_container_is_given_its_secrets_and_where_the_platform_is() {
    let fake = Fake::new();
    let gateway = fake.gateway();
    let id = gateway.create("serve");
    gateway.phase(id, Phase::Running).await;
    let environment = fake.engine.objects().remove(0).environment;
    assert_eq!(environment["PASSWORD"], CANARY);
    assert_eq!(environment["ORRERY_TOKEN"], format!("token-{id}-1"));
    assert_eq!(environment["ORRERY_URL"], "http://10.9.0.1:7001");
    assert!(environment["PUBLIC_URL"].starts_with(&format!("http://{}.org-", id.label())));
    let known = format!("{:?}", gateway.container(id));
    assert!(!known.contains(CANARY) && !known.contains("token-"), "{known}");
    stories::clean_up(&fake, &gateway).await;
}

#[tokio::test(start_paused = true)]
async fn only_the_newest_lines_of_a_container_are_read_if_that_is_wanted() {
    let fake = Fake::new();
    let gateway = fake.gateway();
    let id = gateway.create("serve");
    gateway.phase(id, Phase::Running).await;
    let query = orrery_actors::engine::LogQuery { tail: Some(1), ..Default::default() };
    let lines = gateway.engine().logs(gateway.org(), gateway.project(), id, query).await;
    let lines: Vec<_> = futures_util::StreamExt::collect(lines.unwrap()).await;
    assert_eq!(lines.len(), 1);
    let unknown = "uc_0000000000000000".parse().unwrap();
    let refused = gateway.engine().logs(gateway.org(), gateway.project(), unknown, query).await;
    assert!(refused.is_err());
    stories::clean_up(&fake, &gateway).await;
}
