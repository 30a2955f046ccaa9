//! Docker engines as places of the stories. Each test has organizations of its own and removes what it made.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use orrery_actors::engine::{Docker, EngineConfig, Ports, Runtime, fake::Hand};
use orrery_protocol::{container::plan::ObjectId, id::OrgId, image::Reference};
use orrery_test_docker::{Docker as Engine, PrivateDocker};
use uuid::Uuid;

use crate::{gateway::Gateway, stories::Place};

/// Where the test image is had from: nowhere.
const URI: &str = "orrery-test/program";
const PATIENCE: Duration = Duration::from_secs(90);

pub(crate) struct RealDocker {
    runtime: Arc<Docker>,
    /// The same past everything.
    engine: Engine,
    /// Organizations that tests made, whose things go however a test ends.
    orgs: Mutex<Vec<OrgId>>,
}

impl Drop for RealDocker {
    fn drop(&mut self) {
        let orgs = self.orgs.get_mut().map(std::mem::take).unwrap_or_default();
        orgs.iter().for_each(|org| self.engine.remove_labelled(&format!("orrery.org={org}")));
    }
}

impl RealDocker {
    /// The engine of this machine, with the test images; `None` if there is none.
    pub(crate) fn here() -> Option<Self> {
        Engine::here().map(|engine| Self::of(engine, Ports::Auto))
    }

    /// The same engine as if it were one whose addresses cannot be reached from here.
    pub(crate) fn publishing() -> Option<Self> {
        Engine::here().map(|engine| Self::of(engine, Ports::Publish))
    }

    fn of(engine: Engine, ports: Ports) -> Self {
        let config = EngineConfig { socket: engine.socket().to_owned(), ports, ..EngineConfig::default() };
        Self { runtime: Arc::new(Docker::new(&config)), engine, orgs: Mutex::default() }
    }

    /// Where the engine listens.
    pub(crate) fn socket(&self) -> &Path {
        self.engine.socket()
    }

    /// What `docker` prints.
    pub(crate) fn ask(&self, arguments: &[&str]) -> String {
        self.engine.ask(arguments)
    }

    pub(crate) fn image() -> Reference {
        Self::tagged("1")
    }

    /// One of the test images.
    pub(crate) fn tagged(tag: &str) -> Reference {
        format!("{URI}:{tag}").parse().expect("a reference")
    }
}

#[async_trait]
impl Place for RealDocker {
    fn new_org(&self) -> OrgId {
        let org = OrgId(Uuid::new_v4());
        self.orgs.lock().expect("no test panics while it holds this").push(org);
        org
    }

    fn gateway(&self) -> Gateway {
        Gateway::new(self.new_org(), URI, self.runtime(), PATIENCE)
    }

    fn runtime(&self) -> Arc<dyn Runtime> {
        self.runtime.clone()
    }

    async fn by_hand(&self, hand: Hand, object: &ObjectId) {
        let verb: &[&str] = match hand {
            Hand::Kill => &["kill"],
            Hand::Start => &["start"],
            Hand::Pause => &["pause"],
            Hand::Remove => &["rm", "--force"],
        };
        self.ask(&[verb, &[object.0.as_str()]].concat());
    }

    async fn is_empty(&self, org: OrgId) -> bool {
        self.engine.has_nothing_of(&format!("orrery.org={org}"))
    }
}

/// A place of a test's own: its engine can be stopped and started again. `None` if it cannot be started here.
pub(crate) fn private() -> Option<(PrivateDocker, RealDocker)> {
    let engine = PrivateDocker::start()?;
    let place = RealDocker::of(Engine::clone(&engine), Ports::Auto);
    Some((engine, place))
}
