//! One organization's containers. A pass lists the engine, reports what it sees, waits until the gateway has taken that in,
//! plans, and acts. Nothing else decides: a pass may be made at any moment, and as often as anybody likes.

mod due;
mod exposed;
mod failures;
mod network;
mod pulls;
mod sight;
mod work;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures_util::StreamExt;
use orrery_protocol::{
    container::{
        Observation,
        plan::{Action, LocalImageId, ObjectId, Planner, Seen, WantedContainer, WantedProject},
    },
    id::{ContainerId, OrgId, ProjectId},
    image::Reference,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    Credentials, Engine, Entrance, Flow, Found, Listing, RuntimeError, World,
    backoff::Backoff,
    meter::{Meter, Metered},
    probe::{AskedOf, Prober},
    report::Reporter,
    verdict::unreachable_platform,
};
use pulls::Pulls;
use sight::addresses;
use work::{Work, Works};

/// What is away is looked for at least this often, in milliseconds: it may be back any moment.
const AWAY_MS_MAX: u64 = 10_000;

/// What rests after it failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    /// To make a container run.
    Make(ContainerId),
    /// To end one.
    End(ContainerId),
    /// To have an image.
    Pull(Reference),
    /// To hear what happens.
    Events,
    /// To remove the network.
    Network,
}

/// What everything waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Away {
    /// An engine that answers.
    Engine,
    /// The place where containers reach the platform: another process of this host that served the organization has it.
    Porch,
}

/// Why a pass is made no sooner.
enum Next {
    /// When the next pass is due.
    At(Instant),
    /// The organization is not served here any more.
    Never,
}

pub(super) struct Reconciler {
    engine: Engine,
    org: OrgId,
    world: watch::Receiver<Arc<World>>,
    credentials: Arc<dyn Credentials>,
    reporter: Arc<Reporter>,
    planner: Planner,
    backoff: Backoff<Key>,
    /// What is away rests until it is looked for again.
    away: Backoff<Away>,
    is_away: bool,
    works: Works,
    pulls: Pulls,
    events: Option<Flow<()>>,
    /// Something happened since the last pass. What an engine tells of is not yet in what it lists at once: Docker says that
    /// one has ended before its list does.
    told: bool,
    /// Where containers reach the platform, those of before too.
    entrance: Option<Entrance>,
    /// Whether there may be a network to remove.
    network_left: bool,
    /// What images expose that were asked for it.
    exposed: BTreeMap<LocalImageId, BTreeSet<u16>>,
    asked: watch::Sender<AskedOf>,
    metered: watch::Sender<Metered>,
    /// What the last pass listed.
    listed: Vec<Found>,
    /// What the last pass planned for.
    planned: Arc<World>,
}

impl Reconciler {
    pub(super) fn new(
        engine: Engine,
        org: OrgId,
        world: watch::Receiver<Arc<World>>,
        reporter: Arc<Reporter>,
        credentials: Arc<dyn Credentials>,
    ) -> Self {
        let clocks = &engine.clocks;
        let planned = world.borrow().clone();
        Self {
            org,
            credentials,
            planner: Planner::new(clocks.plan()),
            backoff: Backoff::new(clocks.retry_ms, clocks.retry_ms_max),
            away: Backoff::new(clocks.retry_ms.min(AWAY_MS_MAX), clocks.retry_ms_max.min(AWAY_MS_MAX)),
            // Until it has answered for the first time.
            is_away: true,
            works: Works::default(),
            pulls: Pulls::new(engine.runtime.clone(), reporter.clone(), world.clone()),
            events: None,
            told: false,
            entrance: None,
            network_left: true,
            exposed: BTreeMap::new(),
            asked: watch::Sender::default(),
            metered: watch::Sender::default(),
            listed: Vec::new(),
            planned,
            reporter,
            engine,
            world,
        }
    }

    /// Until the gateway has gone, or this is dropped; then nothing goes on that was begun here.
    pub(super) async fn run(mut self) {
        let (runtime, clocks) = (self.engine.runtime.clone(), self.engine.clocks.clone());
        let mut others = JoinSet::new();
        others.spawn(Prober::new(runtime.clone(), self.reporter.clone(), clocks, self.asked.subscribe()).run());
        others.spawn(Meter::new(runtime, self.reporter.clone(), self.metered.subscribe()).run());
        loop {
            match Box::pin(self.pass()).await {
                Next::At(due) if self.wait(due).await => {}
                Next::At(_) | Next::Never => return,
            }
            if let Some(Err(defect)) = others.try_join_next() {
                std::panic::resume_unwind(defect.into_panic());
            }
        }
    }

    /// Waits until a pass is due; whether there will be one.
    async fn wait(&mut self, due: Instant) -> bool {
        let gather = Duration::from_millis(self.engine.clocks.gather_ms);
        let mut due = due;
        loop {
            let soon = Instant::now() + gather;
            tokio::select! {
                () = sleep_until(due) => return true,
                changed = self.world.changed() => {
                    if changed.is_err() {
                        return false;
                    }
                    let world = self.world.borrow_and_update().clone();
                    self.meter(&world);
                    let planned = &self.planned;
                    let same = world.wanted == planned.wanted && world.blueprints == planned.blueprints;
                    if !same && !self.is_away {
                        due = due.min(soon);
                    }
                }
                event = next(&mut self.events) => due = due.min(self.heard(event.is_some_and(|event| event.is_ok()), soon)),
                Some(worked) = self.works.next() => {
                    self.worked(worked);
                    due = due.min(soon);
                }
                Some(pulled) = self.pulls.next() => {
                    self.pulled(pulled);
                    due = due.min(soon);
                }
            }
        }
    }

    /// The engine told of something, or cannot be listened to any more: then it is looked at a little later.
    fn heard(&mut self, event: bool, soon: Instant) -> Instant {
        if event {
            self.told = true;
            self.backoff.forget(&Key::Events);
            return soon;
        }
        self.events = None;
        let now = Instant::now();
        self.backoff.failed(Key::Events, now);
        self.backoff.deadline(now).unwrap_or(soon)
    }

    async fn pass(&mut self) -> Next {
        metrics::counter!("orrery_engine_passes_total").increment(1);
        let listing = match self.look().await {
            Ok(listing) => listing,
            Err(error) => return Next::At(self.lost(&error)),
        };
        let seen = Seen {
            objects: listing.objects.iter().map(|found| found.object.clone()).collect(),
            images: listing.images,
            pulling: self.pulls.running(),
        };
        let index = seen.index(self.org);
        let world = self.world.borrow().clone();
        // What a container offers comes before what it does: once it runs, that is told.
        let mut sights = self.exposures(&world, &listing.objects).await;
        sights.extend(
            self.sights(&world, |project, container, generation| index.observation(project, container, generation)),
        );
        let pass = self.reporter.tell(sights, Some(addresses(&listing.objects)));
        let Ok(world) = self.world.wait_for(|world| world.pass >= pass).await.map(|world| world.clone()) else {
            return Next::Never;
        };
        (self.listed, self.planned) = (listing.objects, world.clone());
        self.probe(&world);
        self.meter(&world);
        self.look_after_network(&world).await;
        let now_ms = (self.engine.now_ms)();
        let actions = self.planner.plan(now_ms, &world.wanted, &seen);
        self.act(&world, &seen, actions);
        let told = std::mem::take(&mut self.told);
        Next::At(self.due(&world, &seen, &index, now_ms, told))
    }

    /// Lists the engine. One that was away is asked first which it is.
    async fn look(&mut self) -> Result<Listing, RuntimeError> {
        let runtime = &self.engine.runtime;
        if self.is_away {
            let version = runtime.version().await?;
            tracing::info!(org = %self.org, engine = version.engine, api = version.api, "the container engine answers");
        }
        if self.events.is_none() && !self.backoff.rests(&Key::Events, Instant::now()) {
            self.events = Some(runtime.events(self.org));
        }
        let listing = runtime.list(self.org).await?;
        self.is_away = false;
        self.away.forget(&Away::Engine);
        Ok(listing)
    }

    /// Begins what is planned, but for containers that something is being done to: what was seen of them may be over.
    fn act(&mut self, world: &Arc<World>, seen: &Seen, actions: Vec<Action>) {
        let now = Instant::now();
        // Most passes find nothing to do.
        let listed = seen.objects.iter().filter(|_| !actions.is_empty());
        let owners: BTreeMap<&ObjectId, ContainerId> =
            listed.map(|object| (&object.id, object.labels.container)).collect();
        let (mut told, mut plans) = (Vec::new(), BTreeMap::<ContainerId, Vec<Action>>::new());
        for action in actions {
            match &action {
                Action::Pull(image) if self.backoff.rests(&Key::Pull(image.clone()), now) => {}
                Action::Pull(image) => self.pulls.begin(image.clone()),
                Action::Adopt { project, container, object } => {
                    told.push((*project, *container, Observation::Adopted(object.clone())));
                }
                Action::Create { container, .. } => plans.entry(*container).or_default().push(action),
                Action::Start(id) | Action::Resume(id) | Action::Stop { object: id, .. } | Action::Remove(id) => {
                    let Some(&container) = owners.get(id) else { continue };
                    plans.entry(container).or_default().push(action);
                }
            }
        }
        self.works.forget_all_but(&plans);
        for (container, actions) in plans {
            let key = key(container, &actions);
            if self.works.is_busy(container) || self.backoff.rests(&key, now) {
                continue;
            }
            if matches!(key, Key::Make(_)) && self.away.rests(&Away::Porch, now) {
                let project = world.blueprints.get(&container).map(|blueprint| blueprint.project);
                told.extend(project.map(|project| (project, container, unreachable_platform())));
                continue;
            }
            // What was done and has to be done again did not help: an engine that says so for ever is not asked for ever.
            if self.works.repeats(container, &actions) {
                self.backoff.failed(key.clone(), now);
            }
            self.network_left |= matches!(key, Key::Make(_));
            let work = Work::new(&self.engine, &self.credentials, world, container, actions);
            self.works.begin(work);
        }
        if !told.is_empty() {
            self.reporter.tell(told, None);
        }
        self.forget_rests(world);
    }
}

/// Containers of loaded projects.
fn loaded(world: &World) -> impl Iterator<Item = (ProjectId, ContainerId, &WantedContainer)> {
    let projects = world.wanted.projects.iter();
    projects.flat_map(|(&project, wanted)| {
        let containers = if let WantedProject::Loaded(containers) = wanted { Some(containers) } else { None };
        containers.into_iter().flatten().map(move |(&container, wanted)| (project, container, wanted))
    })
}

/// What rests if this fails.
fn key(container: ContainerId, actions: &[Action]) -> Key {
    let ends = |action: &Action| matches!(action, Action::Stop { .. } | Action::Remove(_));
    if actions.iter().all(ends) { Key::End(container) } else { Key::Make(container) }
}

async fn next(events: &mut Option<Flow<()>>) -> Option<Result<(), RuntimeError>> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}
