//! One organization's containers. A pass lists the engine, reports what it sees, waits until the gateway has taken that in,
//! plans, and acts. Nothing else decides: a pass may be made at any moment, and as often as anybody likes.

mod pulls;
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
        plan::{Action, Planner, Seen, WantedContainer, WantedProject, WantedState},
    },
    id::{ContainerId, OrgId, ProjectId},
    image::Reference,
    route::Address,
};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    Credentials, Engine, Flow, Found, Listing, Reports, RuntimeError, World,
    backoff::Backoff,
    meter::{Meter, Metered},
    probe::{Asked, AskedOf, Prober},
    report::{Reporter, Sight},
    verdict::{WorkError, pull_verdict, verdict},
};
use pulls::{Pulled, Pulls};
use work::{Work, Worked, Works};

/// An engine that is away is looked for at least this often, in milliseconds: it may be back any moment.
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
    /// To look after the network.
    Network,
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
    /// Rests while the engine does not answer.
    away: Backoff<()>,
    is_away: bool,
    works: Works,
    pulls: Pulls,
    events: Option<Flow<()>>,
    /// Something happened since the last pass. What an engine tells of is not yet in what it lists at once: Docker says that
    /// one has ended before its list does.
    told: bool,
    /// Whether containers of before can reach the platform again.
    porch_open: bool,
    /// Whether there may be a network to remove.
    network_left: bool,
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
        reports: Arc<dyn Reports>,
        credentials: Arc<dyn Credentials>,
    ) -> Self {
        let clocks = &engine.clocks;
        // A reconciler of before may have reported to the same gateway.
        let planned = world.borrow().clone();
        let reporter = Arc::new(Reporter::new(reports, planned.pass));
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
            porch_open: false,
            network_left: true,
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
        let world = self.world.borrow().clone();
        let sights = self.sights(&world, |project, container, generation| {
            seen.observation(self.org, project, container, generation)
        });
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
        Next::At(self.due(&world, &seen, now_ms, told))
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
        self.away.forget(&());
        Ok(listing)
    }

    /// The engine does not answer; returns when it is looked for again. Nothing is known of any container until then.
    fn lost(&mut self, error: &RuntimeError) -> Instant {
        if !self.is_away {
            tracing::warn!(org = %self.org, %error, "the container engine is away");
        }
        self.is_away = true;
        self.events = None;
        let world = self.world.borrow().clone();
        let sights = self.sights(&world, |_, _, _| Observation::Unknown);
        self.reporter.tell(sights, None);
        let now = Instant::now();
        self.away.failed((), now);
        self.away.deadline(now).unwrap_or(now)
    }

    fn sights(&self, world: &World, observe: impl Fn(ProjectId, ContainerId, u32) -> Observation) -> Vec<Sight> {
        let sight = |(project, container, wanted): (ProjectId, ContainerId, &WantedContainer)| {
            (project, container, observe(project, container, wanted.generation))
        };
        loaded(world).map(sight).collect()
    }

    fn probe(&self, world: &World) {
        let asked = |found: &Found| {
            let (labels, address) = (found.object.labels, found.address.clone()?);
            let blueprint = world.blueprints.get(&labels.container)?;
            let is_it = blueprint.generation == labels.generation && !blueprint.probes.is_empty();
            let asked = Asked {
                project: labels.project,
                object: found.object.id.clone(),
                address,
                probes: blueprint.probes.clone(),
            };
            is_it.then_some((labels.container, asked))
        };
        let asked: AskedOf = self.listed.iter().filter_map(asked).collect();
        replace(&self.asked, asked);
    }

    fn meter(&self, world: &World) {
        let metered = |found: &Found| {
            let labels = found.object.labels;
            let looked_at = found.address.is_some() && world.watched.contains(&labels.project);
            looked_at.then(|| (found.object.id.clone(), (labels.project, labels.container)))
        };
        let metered: Metered = self.listed.iter().filter_map(metered).collect();
        replace(&self.metered, metered);
    }

    /// Containers of before find the platform where it was; a network that nobody is on goes.
    async fn look_after_network(&mut self, world: &World) {
        let now = Instant::now();
        let empty = self.listed.is_empty();
        let wanted = loaded(world).any(|(_, _, wanted)| wanted.state == WantedState::Running);
        let open = !empty && !self.porch_open;
        let remove = empty && !wanted && self.works.is_empty() && self.network_left;
        if !(open || remove) || self.backoff.rests(&Key::Network, now) {
            return;
        }
        let (engine, org) = (self.engine.clone(), self.org);
        let done = if open {
            work::open_porch(&engine, org).await.map(drop)
        } else {
            engine.runtime.remove_network(org).await.map_err(WorkError::from)
        };
        match done {
            Ok(()) => {
                (self.porch_open, self.network_left) = (open, open);
                self.backoff.forget(&Key::Network);
            }
            Err(error) => {
                tracing::warn!(org = %self.org, %error, "the network of the containers is not as it should be");
                self.backoff.failed(Key::Network, now);
            }
        }
    }

    /// Begins what is planned, but for containers that something is being done to: what was seen of them may be over.
    fn act(&mut self, world: &Arc<World>, seen: &Seen, actions: Vec<Action>) {
        let now = Instant::now();
        let (mut adopted, mut plans) = (Vec::new(), BTreeMap::<ContainerId, Vec<Action>>::new());
        for action in actions {
            match &action {
                Action::Pull(image) if self.backoff.rests(&Key::Pull(image.clone()), now) => {}
                Action::Pull(image) => self.pulls.begin(image.clone()),
                Action::Adopt { project, container, object } => {
                    adopted.push((*project, *container, Observation::Adopted(object.clone())));
                }
                Action::Create { container, .. } => plans.entry(*container).or_default().push(action),
                Action::Start(id) | Action::Resume(id) | Action::Stop { object: id, .. } | Action::Remove(id) => {
                    let object = seen.objects.iter().find(|object| object.id == *id);
                    let Some(object) = object else { continue };
                    plans.entry(object.labels.container).or_default().push(action);
                }
            }
        }
        if !adopted.is_empty() {
            self.reporter.tell(adopted, None);
        }
        self.works.forget_all_but(&plans);
        for (container, actions) in plans {
            let key = key(container, &actions);
            if self.works.is_busy(container) || self.backoff.rests(&key, now) {
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
        self.forget_rests(world);
    }

    /// What is not wanted any more does not rest: wanted again, it is done at once.
    fn forget_rests(&mut self, world: &World) {
        let running = |wanted: &WantedContainer| wanted.state == WantedState::Running;
        let made: BTreeSet<ContainerId> =
            loaded(world).filter(|(_, _, wanted)| running(wanted)).map(|(_, container, _)| container).collect();
        let images: BTreeSet<&Reference> = loaded(world)
            .filter(|(_, _, wanted)| running(wanted))
            .filter_map(|(_, _, wanted)| wanted.image.as_ref())
            .collect();
        let exists: BTreeSet<ContainerId> = self.listed.iter().map(|found| found.object.labels.container).collect();
        self.backoff.retain(|key| match key {
            Key::Make(container) => made.contains(container),
            Key::End(container) => exists.contains(container),
            Key::Pull(image) => images.contains(image),
            Key::Events | Key::Network => true,
        });
    }

    fn worked(&mut self, worked: Worked) {
        let Worked { project, container, key, error } = worked;
        let Some(error) = error else {
            // What succeeds and has to be done again and again rests as if it failed.
            if !self.works.repeated(container) {
                self.backoff.forget(&key);
            }
            return;
        };
        metrics::counter!("orrery_engine_failures_total").increment(1);
        tracing::warn!(org = %self.org, %container, %error, "a container is not what it should be");
        self.works.forget(container);
        self.backoff.failed(key.clone(), Instant::now());
        let told = verdict(&error).filter(|_| matches!(key, Key::Make(_)));
        let Some((observation, project)) = told.zip(project) else { return };
        if matches!(observation, Observation::CannotRun { for_good: true, .. }) {
            self.backoff.forget(&key);
        }
        self.reporter.tell(vec![(project, container, observation)], None);
    }

    fn pulled(&mut self, pulled: Pulled) {
        let Pulled { image, error } = pulled;
        let key = Key::Pull(image.clone());
        let Some(error) = error else { return self.backoff.forget(&key) };
        metrics::counter!("orrery_engine_failures_total").increment(1);
        tracing::warn!(org = %self.org, %image, %error, "an image does not come");
        let observation = pull_verdict(&error);
        let for_good = matches!(observation, Some(Observation::CannotRun { for_good: true, .. }));
        if !for_good {
            self.backoff.failed(key, Instant::now());
        }
        let Some(observation) = observation else { return };
        let world = self.world.borrow().clone();
        let told = pulls::waiting(&world, &image).map(|(project, container)| (project, container, observation.clone()));
        self.reporter.tell(told.collect(), None);
    }

    /// When the next pass is due if nothing happens before; soon if this one was made because something had.
    fn due(&self, world: &World, seen: &Seen, now_ms: u64, told: bool) -> Instant {
        let (now, clocks) = (Instant::now(), &self.engine.clocks);
        let busy = told || self.events.is_none() || loaded(world).any(|at| self.is_on_its_way(seen, at));
        let period_ms = if busy { clocks.busy_period_ms.min(clocks.period_ms) } else { clocks.period_ms };
        let orphans = self.planner.deadline_ms().map(|at_ms| now + Duration::from_millis(at_ms.saturating_sub(now_ms)));
        // One whose time has come and who is still there is not waited for more closely than anything else.
        let orphans = orphans.filter(|&at| at > now);
        let period = now + Duration::from_millis(period_ms);
        [Some(period), orphans, self.backoff.deadline(now)].into_iter().flatten().min().unwrap_or(period)
    }

    /// Whether a container is not what it shall be, and nothing else will say when it is.
    fn is_on_its_way(
        &self,
        seen: &Seen,
        (project, container, wanted): (ProjectId, ContainerId, &WantedContainer),
    ) -> bool {
        let now = Instant::now();
        let rests = [Key::Make(container), Key::End(container)].iter().any(|key| self.backoff.rests(key, now));
        let waits = wanted.image.as_ref().is_none_or(|image| {
            seen.pulling.contains(image)
                || self.pulls.is_running(image)
                || self.backoff.rests(&Key::Pull(image.clone()), now)
        });
        if rests || self.works.is_busy(container) {
            return false;
        }
        match (wanted.state, seen.observation(self.org, project, container, wanted.generation)) {
            (WantedState::Running, Observation::Runs { .. }) | (WantedState::Absent, Observation::Absent) => false,
            (WantedState::Running, Observation::Absent) => !waits || wanted.object.is_some(),
            (WantedState::AtRest, observation) => {
                !matches!(observation, Observation::Absent | Observation::Ended { .. } | Observation::Idle { .. })
            }
            (WantedState::Running | WantedState::Absent, _) => true,
        }
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

/// Where containers are reached: of two objects of one container, the newer generation.
fn addresses(found: &[Found]) -> BTreeMap<ContainerId, Address> {
    let mut running: Vec<&Found> = found.iter().filter(|found| found.address.is_some()).collect();
    running.sort_by(|a, b| (a.object.labels.generation, &b.object.id).cmp(&(b.object.labels.generation, &a.object.id)));
    let address = |found: &Found| Some((found.object.labels.container, found.address.clone()?));
    running.into_iter().filter_map(address).collect()
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

/// Tells whoever follows only if something is new.
fn replace<T: PartialEq>(sender: &watch::Sender<T>, value: T) {
    sender.send_if_modified(|known| {
        let differs = *known != value;
        *known = value;
        differs
    });
}
