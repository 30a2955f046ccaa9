//! The projects of one organization, and what the gateway owns of them: containers and the `system` documents that show them.
//! One mailbox stands before all of it: the single writer. What is decided is decided in [`orrery_protocol::project`] and
//! [`orrery_protocol::container`]; here it is loaded, appended, stored, and told to whom it concerns.

mod credentials;
mod effects;
mod live;
mod loading;
pub(super) mod orders;
mod told;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, atomic::AtomicUsize},
};

use bytes::Bytes;
use orrery_protocol::{
    command::{Answer, Ticket},
    container::{ProjectNotes, Rules, SecretId, SecretText, json_of},
    control::GatewayBrief,
    id::{ContainerId, DocumentKey, DocumentName, ProjectId},
    project::{Effect, Project},
    route::{Address, RouteTable},
};
use ractor::{ActorRef, RpcReplyPort};
use serde_json::{Value, json};
use tokio::{sync::watch, task::AbortHandle};

use super::{CommandError, GatewayConfig, GatewayMessage, OpenError, commands::Reply};
use crate::{
    activity::Activity,
    control_plane::Tenure,
    engine::{Reconciling, World},
    journal::{Journal, JournalError},
    route_tables::RouteTables,
};
pub(crate) use credentials::Secrets;
pub(crate) use loading::Found;
pub(super) use orders::Order;
use told::Told;

/// What others have to do because of a project.
pub(super) enum Outcome {
    /// A command of a member came to this.
    Settled(ProjectId, Ticket, Result<Answer, CommandError>),
    /// Everybody who reads the project's `system` document shall see these updates.
    Publish(Arc<DocumentKey>, Vec<Bytes>),
    /// Everybody who looks now shall see this, as JSON.
    Ephemeral(Arc<DocumentKey>, String),
    /// Its room has to go: it shows a document that is being made anew.
    Close(Arc<DocumentKey>),
    /// Its document is there now: whoever waits for it can have it.
    Ready(Arc<DocumentKey>),
}

/// What waits until something is durable.
#[derive(Debug)]
pub(super) enum Then {
    /// A member, for the answer of a command.
    Member(Ticket, Value),
    /// A container, for the same.
    Container(Reply, Value),
    /// The engine's reconciler, for this pass to be taken in.
    Pass(u64),
}

/// Who wants to know the containers of a project.
pub(crate) type Reader = RpcReplyPort<Result<Value, OpenError>>;

/// One project.
struct Slot {
    /// Of its `system` document.
    key: Arc<DocumentKey>,
    state: State,
    /// Commands that wait until it is open, oldest first.
    waiting: VecDeque<Order>,
    /// Who wants to know its containers once it is loaded.
    readers: Vec<Reader>,
    /// Somebody waits for its document.
    wanted: bool,
    notes: Notes,
    /// Whether what was noted is taken up again.
    recalled: bool,
    /// Containers that another version wrote: left alone, in the document and in the engine.
    unreadable: Vec<ContainerId>,
    /// What containers last told of their hosts.
    systems: BTreeMap<ContainerId, Value>,
    /// When time next changes something of its containers, in milliseconds since 1970.
    due_ms: Option<u64>,
}

#[expect(clippy::large_enum_variant, reason = "all but a few are loaded")]
enum State {
    /// It is being loaded, or waits for its turn.
    Loading,
    /// It could not be loaded; tried again soon.
    Failed(String),
    Loaded(Project<Then>),
}

/// What has to be kept beside the document, and how far that has come.
#[derive(Default)]
struct Notes {
    now: ProjectNotes,
    /// Secrets of containers that are about to be written.
    given: BTreeMap<ContainerId, BTreeMap<SecretId, SecretText>>,
    /// Counts changes.
    revision: u64,
    stored_revision: u64,
    storing: bool,
    /// They could not be stored when that was last tried.
    failing: bool,
    /// What must not happen before notes are stored: the revision, and what it is.
    gated: VecDeque<(u64, Effect<Then>)>,
}

/// All of them.
pub(super) struct Projects {
    config: GatewayConfig,
    tenure: Arc<Tenure>,
    journal: Arc<dyn Journal>,
    activity: Activity,
    gateway: ActorRef<GatewayMessage>,
    rules: Rules,
    slots: BTreeMap<ProjectId, Slot>,
    /// Those that wait to be loaded, and how many are being loaded.
    queue: VecDeque<ProjectId>,
    loading: usize,
    timer: Option<(u64, AbortHandle)>,
    /// Whether host names of the organization are known to the world.
    named: bool,
    /// Where containers that run are reached.
    addresses: BTreeMap<ContainerId, Address>,
    /// Those that somebody looks at.
    watched: BTreeSet<ProjectId>,
    /// In how many projects each pass of the reconciler is not durable yet, and the last one that is.
    passes: BTreeMap<u64, usize>,
    pass: u64,
    /// Whether what follows from all projects may differ from what was told.
    dirty: bool,
    /// What that was, of each project.
    told: BTreeMap<ProjectId, Told>,
    world: watch::Sender<Arc<World>>,
    table: RouteTable,
    tables: RouteTables,
    /// How much news of the moment is on its way here.
    live: Arc<AtomicUsize>,
    reconciling: Option<Reconciling>,
    /// Nothing is taken on any more.
    stopping: bool,
}

impl Drop for Projects {
    fn drop(&mut self) {
        if let Some((_, timer)) = self.timer.take() {
            timer.abort();
        }
    }
}

impl Slot {
    fn new(key: Arc<DocumentKey>) -> Self {
        Self {
            key,
            state: State::Loading,
            waiting: VecDeque::new(),
            readers: Vec::new(),
            wanted: false,
            notes: Notes::default(),
            recalled: false,
            unreadable: Vec::new(),
            systems: BTreeMap::new(),
            due_ms: None,
        }
    }

    /// What everybody may see of it goes to who asked, unless it is still being loaded.
    fn tell_readers(&mut self) {
        let list = match &self.state {
            State::Loading => return,
            State::Failed(error) => Err(OpenError::Storage(error.clone())),
            State::Loaded(project) => {
                let containers = project.durable_containers().iter().map(|entry| json_of(&entry.container));
                Ok(json!({ "containers": containers.collect::<Vec<_>>() }))
            }
        };
        self.readers.drain(..).for_each(|reader| drop(reader.send(list.clone())));
    }

    /// When it wants a tick. One that is not open cannot be changed, and is ticked once it is.
    fn deadline_ms(&self) -> Option<u64> {
        self.due_ms.filter(|_| self.loaded().is_some_and(Project::is_open))
    }

    /// Whether something of it waits for notes that cannot be stored now. Until they are, what is seen of its containers is not
    /// taken in, and they are left alone: no other project waits for that.
    fn is_held(&self) -> bool {
        self.notes.failing && !self.notes.gated.is_empty()
    }

    fn loaded(&self) -> Option<&Project<Then>> {
        match &self.state {
            State::Loaded(project) => Some(project),
            State::Loading | State::Failed(_) => None,
        }
    }

    fn loaded_mut(&mut self) -> Option<&mut Project<Then>> {
        match &mut self.state {
            State::Loaded(project) => Some(project),
            State::Loading | State::Failed(_) => None,
        }
    }
}

impl Projects {
    pub(super) fn new(
        config: GatewayConfig,
        tenure: Arc<Tenure>,
        journal: Arc<dyn Journal>,
        activity: Activity,
        tables: RouteTables,
        gateway: ActorRef<GatewayMessage>,
    ) -> Self {
        let rules = config.containers.rules(tenure.org());
        let world = watch::Sender::new(Arc::new(World::unknown(tenure.org())));
        let table = RouteTable::new(tenure.org());
        Self {
            config,
            tenure,
            journal,
            activity,
            gateway,
            rules,
            slots: BTreeMap::new(),
            queue: VecDeque::new(),
            loading: 0,
            timer: None,
            named: true,
            addresses: BTreeMap::new(),
            watched: BTreeSet::new(),
            passes: BTreeMap::new(),
            pass: 0,
            dirty: true,
            told: BTreeMap::new(),
            world,
            table,
            tables,
            live: Arc::default(),
            reconciling: None,
            stopping: false,
        }
    }

    /// The projects that there are now: new ones are loaded, what is no project any more is forgotten.
    pub(super) fn follow(&mut self, brief: &GatewayBrief, outcomes: &mut Vec<Outcome>) {
        let is_one = |id: ProjectId| brief.projects.iter().any(|project| project.id == id);
        let given_up: Vec<(ProjectId, Slot)> = self.slots.extract_if(.., |id, _| !is_one(*id)).collect();
        given_up.into_iter().for_each(|(id, slot)| self.give_up(id, slot, outcomes));
        for project in &brief.projects {
            if !self.slots.contains_key(&project.id) {
                let (org, document) = (self.tenure.org(), DocumentName::System);
                let key = Arc::new(DocumentKey { org, project: project.id, document });
                self.slots.insert(project.id, Slot::new(key));
                self.queue.push_back(project.id);
            }
        }
        self.name(brief.named, outcomes);
        self.dirty = true;
        self.load_next();
    }

    /// Nothing of it becomes durable any more: whoever waits for that is told, and the reconciler, which goes on for all other
    /// projects, does not wait.
    fn give_up(&mut self, id: ProjectId, slot: Slot, outcomes: &mut Vec<Outcome>) {
        slot.waiting.into_iter().for_each(|order| order.fail(id, &OpenError::UnknownProject, outcomes));
        slot.readers.into_iter().for_each(|reader| drop(reader.send(Err(OpenError::UnknownProject))));
        outcomes.extend(slot.wanted.then_some(Outcome::Ready(slot.key)));
        let State::Loaded(project) = slot.state else { return };
        let gone = || Err(CommandError::from(OpenError::UnknownProject));
        let gated = slot.notes.gated.into_iter().filter_map(|(_, effect)| match effect {
            Effect::Settled(then) => Some(then),
            Effect::Append(..) | Effect::Publish(_) | Effect::Snapshot(..) | Effect::Outgrown => None,
        });
        for then in gated.chain(project.into_waiting()) {
            match then {
                Then::Member(ticket, _) => outcomes.push(Outcome::Settled(id, ticket, gone())),
                Then::Container(reply, _) => drop(reply.send(gone())),
                Then::Pass(pass) => self.passed(pass),
            }
        }
    }

    /// Tells the containers of a project as everybody may see them, once it is loaded.
    pub(super) fn list(&mut self, id: ProjectId, reader: Reader) {
        let Some(slot) = self.slots.get_mut(&id) else {
            drop(reader.send(Err(OpenError::UnknownProject)));
            return;
        };
        slot.readers.push(reader);
        slot.tell_readers();
    }

    /// The project's document as far as it is durable; `None` if it has to be waited for.
    pub(super) fn system_state(
        &mut self,
        id: ProjectId,
        outcomes: &mut Vec<Outcome>,
    ) -> Option<Result<Bytes, JournalError>> {
        let Some(slot) = self.slots.get_mut(&id) else {
            return Some(Err(JournalError(OpenError::UnknownProject.to_string())));
        };
        match &slot.state {
            State::Loaded(project) if project.is_open() => {
                Some(project.durable_state().map_err(|error| JournalError(error.to_string())))
            }
            State::Failed(error) => Some(Err(JournalError(error.clone()))),
            State::Loading | State::Loaded(_) => {
                slot.wanted = true;
                self.open_blank(id, outcomes);
                None
            }
        }
    }

    /// Whether nothing of it is on its way to storage.
    pub(super) fn is_at_rest(&self) -> bool {
        let at_rest = |slot: &Slot| slot.notes.gated.is_empty() && slot.loaded().is_none_or(Project::is_at_rest);
        self.slots.values().all(at_rest)
    }

    /// Takes nothing on any more, and brings everything to storage.
    pub(super) fn drain(&mut self, outcomes: &mut Vec<Outcome>) {
        self.stopping = true;
        // Whoever serves next looks after the engine.
        self.reconciling = None;
        let projects: Vec<ProjectId> = self.slots.keys().copied().collect();
        for id in projects {
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            slot.waiting.drain(..).for_each(|order| order.fail(id, &OpenError::Moving, outcomes));
            let mut effects = Vec::new();
            if let Some(project) = slot.loaded_mut() {
                project.store(&mut effects);
            }
            self.perform(id, effects, outcomes);
        }
    }
}
