//! A container engine that is none: for tests of what uses one, and for measurements. It can be as bad as engines get.
//!
//! An object does what its command says: `serve PORT`, `deaf PORT` (listens to nothing), `idle`, `exit CODE MILLISECONDS`,
//! `eat` (takes all memory), `stubborn` (ends only when it is made to). All time is tokio's.

mod program;
mod state;

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use orrery_protocol::{
    container::plan::{LocalImageId, ObjectId},
    id::OrgId,
    image::Reference,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

use super::runtime::{
    EngineVersion, Flow, Listing, LogLine, LogQuery, LogSource, Making, Network, PullProgress, Runtime, RuntimeError,
    Tenants, Usage,
};
use state::State;
pub use state::{FakeObject, Hand};

/// How bad the engine is. Chances are out of 1.
#[derive(Debug, Clone, Default)]
pub struct Hostility {
    /// It does not answer at all.
    pub away: bool,
    /// Each answer takes up to this long.
    pub slow_ms: u64,
    /// It fails, and has not done what it was asked.
    pub fails: f64,
    /// It does what it was asked, and does not say so.
    pub silent: f64,
    /// It makes two objects where one was wanted.
    pub doubles: f64,
    /// It leaves an object out of a list.
    pub omits: f64,
    /// It does not say what an object is doing.
    pub vague: f64,
    /// It tells of nothing that happens.
    pub mute: bool,
}

/// The engine. Clones are the same one.
#[derive(Clone)]
pub struct FakeEngine {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    hostility: Mutex<(Hostility, StdRng)>,
    happened: watch::Sender<u64>,
}

/// What the dice say about one call.
struct Fate {
    delay: Duration,
    before: Result<(), RuntimeError>,
    after: Result<(), RuntimeError>,
    doubles: bool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeEngine {
    /// An engine that has nothing. What it does by chance follows from `seed`.
    pub fn new(seed: u64) -> Self {
        let hostility = Mutex::new((Hostility::default(), StdRng::seed_from_u64(seed)));
        Self { inner: Arc::new(Inner { state: Mutex::default(), hostility, happened: watch::Sender::new(0) }) }
    }

    /// It is this bad from now on.
    pub fn set(&self, hostility: Hostility) {
        lock(&self.inner.hostility).0 = hostility;
        self.happened();
    }

    /// It has this image from now on.
    pub fn add_image(&self, image: &Reference) {
        self.state().add_image(image);
    }

    /// Its registry has this image from now on: it comes within so many milliseconds.
    pub fn publish_image(&self, image: &Reference, pull_ms: u64) {
        self.state().publish_image(image, pull_ms);
    }

    /// An image says that its program listens on these ports.
    pub fn expose(&self, image: &Reference, ports: &[u16]) {
        self.state().expose(image, ports);
    }

    /// All objects, whosever.
    pub fn objects(&self) -> Vec<FakeObject> {
        self.state().objects()
    }

    /// Networks that there are.
    pub fn networks(&self) -> Vec<OrgId> {
        self.state().networks()
    }

    /// How often something was asked for that changes something, reading and events not counted.
    pub fn actions(&self) -> u64 {
        self.state().actions
    }

    /// How often it was asked what it has.
    pub fn lists(&self) -> u64 {
        self.state().lists
    }

    /// Somebody does something by hand, past everything.
    pub fn by_hand(&self, hand: Hand, object: &ObjectId) {
        self.state().by_hand(hand, object);
        self.happened();
    }

    /// The engine is restarted: nothing runs any more.
    pub fn restart(&self) {
        self.state().end_all();
        self.happened();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = lock(&self.inner.state);
        state.settle(Instant::now());
        state
    }

    fn happened(&self) {
        self.inner.happened.send_modify(|times| *times += 1);
    }

    fn fate(&self) -> Fate {
        let mut hostility = lock(&self.inner.hostility);
        let (how, dice) = &mut *hostility;
        let delay = Duration::from_millis(if how.slow_ms == 0 { 0 } else { dice.random_range(0..=how.slow_ms) });
        let gone = || RuntimeError::Unavailable("it is away".to_owned());
        let before = if how.away {
            Err(gone())
        } else if dice.random_bool(how.fails) {
            Err(RuntimeError::Failed("it does not feel like it".to_owned()))
        } else {
            Ok(())
        };
        let after = if dice.random_bool(how.silent) { Err(gone()) } else { Ok(()) };
        Fate { delay, before, after, doubles: dice.random_bool(how.doubles) }
    }

    /// Does something, if fate allows.
    async fn act<T>(
        &self,
        what: impl FnOnce(&mut State, &Fate) -> Result<T, RuntimeError> + Send,
    ) -> Result<T, RuntimeError> {
        let fate = self.fate();
        sleep(fate.delay).await;
        fate.before.clone()?;
        let done = {
            let mut state = self.state();
            state.actions += 1;
            what(&mut state, &fate)
        };
        self.happened();
        fate.after.and(done)
    }

    /// Something happens by itself after a while, and is to be told.
    fn happens_in(&self, time: Option<Duration>) {
        let Some(time) = time else { return };
        let engine = self.clone();
        tokio::spawn(async move {
            sleep(time).await;
            engine.happened();
        });
    }
}

#[async_trait]
impl Runtime for FakeEngine {
    async fn version(&self) -> Result<EngineVersion, RuntimeError> {
        let fate = self.fate();
        sleep(fate.delay).await;
        fate.before?;
        Ok(EngineVersion { engine: "fake".to_owned(), api: "1.41".to_owned() })
    }

    async fn list(&self, org: OrgId) -> Result<Listing, RuntimeError> {
        let fate = self.fate();
        sleep(fate.delay).await;
        if lock(&self.inner.hostility).0.away {
            return Err(RuntimeError::Unavailable("it is away".to_owned()));
        }
        let mut listing = {
            let mut state = self.state();
            state.lists += 1;
            state.list(org)
        };
        let mut hostility = lock(&self.inner.hostility);
        let (how, dice) = &mut *hostility;
        listing.objects.retain(|_| !dice.random_bool(how.omits));
        for found in &mut listing.objects {
            if dice.random_bool(how.vague) {
                found.object.state = orrery_protocol::container::plan::ObjectState::Unknown;
                found.address = None;
            }
        }
        Ok(listing)
    }

    async fn tenants(&self) -> Result<Tenants, RuntimeError> {
        let fate = self.fate();
        sleep(fate.delay).await;
        fate.before?;
        Ok(self.state().tenants())
    }

    async fn exposed(&self, image: &LocalImageId) -> Result<BTreeSet<u16>, RuntimeError> {
        let fate = self.fate();
        sleep(fate.delay).await;
        fate.before?;
        self.state().exposed(image)
    }

    fn pull(&self, image: &Reference) -> Flow<PullProgress> {
        let (engine, image) = (self.clone(), image.clone());
        let steps = stream::try_unfold(0u8, move |step| {
            let (engine, image) = (engine.clone(), image.clone());
            async move {
                let pull_ms = engine.state().pull_ms(&image)?;
                sleep(Duration::from_millis(pull_ms / 5)).await;
                if lock(&engine.inner.hostility).0.away {
                    return Err(RuntimeError::Unavailable("it is away".to_owned()));
                }
                if step == 5 {
                    engine.state().add_image(&image);
                    return Ok(None);
                }
                Ok(Some((PullProgress { percent: Some(step * 25) }, step + 1)))
            }
        });
        steps.boxed()
    }

    async fn create(&self, making: Making) -> Result<ObjectId, RuntimeError> {
        self.act(|state, fate| {
            let made = state.create(&making, false)?;
            if fate.doubles {
                state.create(&making, true)?;
            }
            Ok(made)
        })
        .await
    }

    async fn start(&self, object: &ObjectId) -> Result<(), RuntimeError> {
        let ends_in = self.act(|state, _| state.start(object)).await?;
        self.happens_in(ends_in);
        Ok(())
    }

    async fn stop(&self, object: &ObjectId, grace_ms: u64) -> Result<(), RuntimeError> {
        let stubborn = self.act(|state, _| state.ask_to_stop(object)).await?;
        if stubborn {
            sleep(Duration::from_millis(grace_ms)).await;
            self.state().by_hand(Hand::Kill, object);
            self.happened();
        }
        Ok(())
    }

    async fn resume(&self, object: &ObjectId) -> Result<(), RuntimeError> {
        self.act(|state, _| state.resume(object)).await
    }

    async fn remove(&self, object: &ObjectId) -> Result<(), RuntimeError> {
        self.act(|state, _| state.remove(object)).await
    }

    fn usage(&self, object: &ObjectId) -> Flow<Usage> {
        let (engine, object) = (self.clone(), object.clone());
        let samples = stream::unfold((), move |()| {
            let (engine, object) = (engine.clone(), object.clone());
            async move {
                sleep(Duration::from_secs(1)).await;
                let runs = engine.state().runs(&object);
                runs.then(|| (Ok(Usage { cpu: 0.5, memory_bytes: 1 << 20, pids: 1, ..Usage::default() }), ()))
            }
        });
        samples.boxed()
    }

    fn logs(&self, object: &ObjectId, query: LogQuery) -> Flow<LogLine> {
        let mut lines = self.state().lines(object);
        let since_ns = query.since_ns.unwrap_or(0);
        let mut lines = lines.split_off(lines.iter().position(|(at_ns, _)| *at_ns >= since_ns).unwrap_or(lines.len()));
        let first =
            query.tail.map_or(0, |tail| lines.len().saturating_sub(usize::try_from(tail).unwrap_or(usize::MAX)));
        let line =
            |(at_ns, text): (u64, String)| Ok(LogLine { at_ns, source: LogSource::Out, text: Bytes::from(text) });
        stream::iter(lines.split_off(first).into_iter().map(line)).boxed()
    }

    fn events(&self, _org: OrgId) -> Flow<()> {
        let engine = self.clone();
        let happened = self.inner.happened.subscribe();
        let events = stream::try_unfold((engine, happened), |(engine, mut happened)| async move {
            loop {
                if happened.changed().await.is_err() {
                    return Ok(None);
                }
                let Hostility { away, mute, .. } = lock(&engine.inner.hostility).0;
                if away {
                    return Err(RuntimeError::Unavailable("it is away".to_owned()));
                }
                if !mute {
                    return Ok(Some(((), (engine, happened))));
                }
            }
        });
        events.boxed()
    }

    async fn ensure_network(&self, org: OrgId) -> Result<Network, RuntimeError> {
        let fate = self.fate();
        fate.before?;
        self.state().ensure_network(org);
        Ok(Network { id: org.to_string(), gateway: IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1)) })
    }

    async fn remove_network(&self, org: OrgId) -> Result<(), RuntimeError> {
        self.act(|state, _| state.remove_network(org)).await
    }

    async fn answers(&self, address: SocketAddr, _path: &str) -> bool {
        sleep(Duration::from_millis(1)).await;
        self.state().answers(address)
    }
}

/// The image of a fake engine that a name means.
fn image_id(image: &Reference) -> LocalImageId {
    LocalImageId(format!("sha256:{image}"))
}
