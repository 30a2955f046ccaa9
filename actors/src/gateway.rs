//! The gateway actor: one organization's open rooms, and the commands of its members. Opens each room once however many
//! ask, unloads those nobody visits, and brings back those that failed. Must not know sockets or HTTP.

mod commands;
mod projects;
mod rooms;
mod rules;

use std::{sync::Arc, time::Duration};

use orrery_protocol::{
    access::Principal,
    command::{Command, ContainerCommand, IdempotencyKey},
    control::{BriefChanges, GatewayBrief},
    id::{ContainerId, DocumentKey, DocumentName, Epoch, OrgId, ProjectId, UserId},
    idle::IdleClocks,
    lease::LeaseClocks,
    limits::GatewayLimits,
    record::StoredDocument,
    room::RoomConfig,
};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};

use crate::{
    activity::Activity,
    clock::Clock,
    control_plane::{ControlError, ControlPlane, Tenure},
    engine::{Engine, Live, Sightings},
    journal::{Journal, JournalError},
    keeper::KeeperMessage,
    receipt::Receipt,
    room::{RoomMessage, RoomStatus},
    route_tables::RouteTables,
};
pub use commands::CommandError;
use commands::{Commands, ForProject, Reply};
pub(crate) use projects::Reader;
use projects::{Found, Order, Outcome, Projects, Secrets, orders::Sender};
use rooms::{Rooms, Waiter};
pub use rules::ContainerRules;

/// When the connections of a member whose role changed are looked for again: one who was let in just before may have joined
/// just after.
const RESEAT_AGAIN: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(4), Duration::from_secs(20)];

/// Why a room cannot be entered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The organization is not allocated to this process.
    #[error("the organization is not served here")]
    NotServing,
    /// The organization is being started here, or on its way to another place.
    #[error("the organization is moving")]
    Moving,
    /// The organization has no such project.
    #[error("the organization has no such project")]
    UnknownProject,
    /// The organization has as many open documents as it may, and somebody is in each.
    #[error("the organization has {0} open documents in use, the most it may")]
    TooManyDocuments(usize),
    /// The document could not be loaded.
    #[error("the document cannot be loaded: {0}")]
    Storage(String),
    /// The room failed and rests before it is tried again.
    #[error("the document failed and is tried again in {} s", .retry_ms.div_ceil(1000))]
    Resting {
        /// How long, in milliseconds.
        retry_ms: u64,
    },
    /// The process is shutting down.
    #[error("the gateway is stopping")]
    Stopping,
}

/// What all gateways of a process are made with.
#[derive(Clone)]
pub struct GatewayConfig {
    /// Of each room.
    pub room: RoomConfig,
    /// Of each gateway.
    pub limits: GatewayLimits,
    /// When projects are unloaded and slots given back.
    pub idle: IdleClocks,
    /// When leases are renewed.
    pub lease: LeaseClocks,
    /// How many organizations are served at once.
    pub slots: u16,
    /// What their containers live under.
    pub containers: ContainerRules,
    /// What runs their containers; without it they wait.
    pub engine: Option<Engine>,
    /// Who allocates them, and stores their documents.
    pub control_plane: Arc<dyn ControlPlane>,
    /// What time it is.
    pub clock: Clock,
}

/// What may be observed of a gateway.
#[derive(Debug, Clone)]
pub struct GatewayReport {
    /// Whose it is.
    pub org: OrgId,
    /// Under which epoch it serves.
    pub epoch: Epoch,
    /// Its open rooms.
    pub rooms: Vec<(DocumentKey, RoomStatus)>,
    /// Documents that are being loaded.
    pub opening: usize,
    /// Documents that failed and rest.
    pub resting: usize,
}

/// What a gateway actor can be told.
#[derive(Debug)]
pub(crate) enum GatewayMessage {
    /// Open a document, or join it where it is open.
    Open(Arc<DocumentKey>, Waiter),
    /// Open the `system` document, once it is there.
    OpenSystem(Arc<DocumentKey>),
    /// Storage answered.
    Loaded(Arc<DocumentKey>, Result<StoredDocument, JournalError>),
    /// The last one in a room left.
    RoomLeft(Arc<DocumentKey>),
    /// A room is not needed any more, as far as it knows.
    RoomIdle(Arc<DocumentKey>),
    /// Nothing happened in a project for long.
    Unload(ProjectId),
    /// A member gives a command.
    Command(Principal, Command, Option<IdempotencyKey>, Reply),
    /// A container says something of itself, by a token of this generation.
    Hear(ProjectId, ContainerId, u32, ContainerCommand, Reply),
    /// What the engine was seen to have.
    Sighted(Sightings),
    /// The engine tells something of a container that is so now.
    Live(ProjectId, ContainerId, Live),
    /// What is a container of this generation given that stands in no document?
    Secrets(ProjectId, ContainerId, u32, RpcReplyPort<Secrets>),
    /// Somebody wants to know the containers of a project.
    List(ProjectId, Reader),
    /// Extended peers read this `system` document now, or do not any more.
    Watched(Arc<DocumentKey>, bool),
    /// A project was loaded, or could not be.
    ProjectFound(ProjectId, Found),
    /// A project that could not be loaded is tried again.
    ProjectRetry(ProjectId),
    /// Everything of a project's `system` document up to this sequence is on disk.
    SystemDurable(ProjectId, u64),
    /// A snapshot of it was stored, or not.
    SystemStored(ProjectId, Result<(), JournalError>),
    /// What is kept of a project beside its documents is stored as of this revision, or not.
    NotesStored(ProjectId, u64, Result<(), ControlError>),
    /// Time passed.
    Tick,
    /// Ganymede keeps what a command asked for, or could not be asked.
    Kept(commands::Kept),
    /// Members, roles or projects changed.
    Refresh(Arc<GatewayBrief>, Receipt),
    /// Somebody's role changed a while ago, or ended.
    Reseat(UserId),
    /// Close everything, answer once all is on disk and no room is left.
    Drain(RpcReplyPort<()>),
    /// What may be observed.
    Inspect(RpcReplyPort<GatewayReport>),
}

/// What a gateway actor is made with.
#[derive(Clone)]
pub(crate) struct GatewayArguments {
    pub(crate) config: GatewayConfig,
    pub(crate) tenure: Arc<Tenure>,
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) brief: Arc<GatewayBrief>,
    pub(crate) activity: Activity,
    pub(crate) tables: RouteTables,
    pub(crate) keeper: ActorRef<KeeperMessage>,
}

/// The state of a gateway actor.
pub(crate) struct GatewayState {
    brief: Arc<GatewayBrief>,
    rooms: Rooms,
    commands: Commands,
    projects: Projects,
    /// Who waits until everything is on disk and no room is left.
    drained: Option<RpcReplyPort<()>>,
}

/// Holds one organization's rooms.
pub(crate) struct GatewayActor;

impl Actor for GatewayActor {
    type Msg = GatewayMessage;
    type State = GatewayState;
    type Arguments = GatewayArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<GatewayMessage>,
        arguments: GatewayArguments,
    ) -> Result<GatewayState, ActorProcessingErr> {
        let GatewayArguments { config, tenure, journal, brief, activity, tables, keeper } = arguments;
        let control_plane = config.control_plane.clone();
        let commands = Commands::new(control_plane, tenure.clone(), activity.clone(), config.clock, keeper);
        let mut projects =
            Projects::new(config.clone(), tenure.clone(), journal.clone(), activity.clone(), tables, myself.clone());
        projects.follow(&brief, &mut Vec::new());
        // The engine is asked for nothing before it is known which projects there are: what is of none would have to go.
        projects.publish();
        projects.reconcile();
        let rooms = Rooms::new(config, tenure, journal, activity, myself);
        Ok(GatewayState { brief, rooms, commands, projects, drained: None })
    }

    async fn handle(
        &self,
        myself: ActorRef<GatewayMessage>,
        message: GatewayMessage,
        state: &mut GatewayState,
    ) -> Result<(), ActorProcessingErr> {
        let mut outcomes = Vec::new();
        match message {
            GatewayMessage::Open(key, reply) if state.has(key.project) => state.rooms.open(key, reply),
            GatewayMessage::Open(_, reply) => drop(reply.send(Err(OpenError::UnknownProject))),
            GatewayMessage::Loaded(key, stored) if state.has(key.project) => state.rooms.loaded(key, stored).await,
            GatewayMessage::Loaded(key, _) => state.rooms.give_up(&key, &OpenError::UnknownProject),
            GatewayMessage::RoomLeft(key) => state.rooms.left(&key),
            GatewayMessage::RoomIdle(key) => state.rooms.retire(&key),
            GatewayMessage::Unload(project) => state.rooms.unload(project),
            GatewayMessage::Command(principal, command, key, reply) => {
                let for_project = state.commands.hand_in(&principal, command, key, reply, &myself);
                if let Some(ForProject { project, order }) = for_project {
                    state.projects.give(project, order, &mut outcomes);
                }
            }
            GatewayMessage::Hear(project, container, generation, command, reply) => {
                let order = Order { command, draw: None, sender: Sender::Container(container, generation, reply) };
                state.projects.give(project, order, &mut outcomes);
            }
            GatewayMessage::List(project, reader) => state.projects.list(project, reader),
            GatewayMessage::OpenSystem(key) => state.open_system(key, &mut outcomes).await,
            GatewayMessage::Sighted(sightings) => state.projects.sighted(sightings, &mut outcomes),
            GatewayMessage::Live(project, container, live) => {
                state.projects.tell_live(project, container, live, &mut outcomes);
            }
            GatewayMessage::Secrets(project, container, generation, reply) => {
                drop(reply.send(state.projects.secrets(project, container, generation)));
            }
            GatewayMessage::Watched(key, watched) => state.watch(&key, watched),
            GatewayMessage::ProjectFound(project, found) => state.projects.found(project, found, &mut outcomes),
            GatewayMessage::ProjectRetry(project) => state.projects.retry(project),
            GatewayMessage::SystemDurable(project, seq) => state.projects.durable(project, seq, &mut outcomes),
            GatewayMessage::SystemStored(project, stored) => state.projects.stored(project, stored, &mut outcomes),
            GatewayMessage::NotesStored(project, revision, stored) => {
                state.projects.notes_stored(project, revision, stored, &mut outcomes);
            }
            GatewayMessage::Tick => state.projects.tick(&mut outcomes),
            GatewayMessage::Kept(kept) => state.commands.kept(kept),
            GatewayMessage::Refresh(brief, receipt) => state.refresh(brief, &receipt, &myself, &mut outcomes),
            GatewayMessage::Reseat(user) => state.rooms.reseat(user, &state.brief, &Receipt::default()),
            GatewayMessage::Drain(reply) => {
                state.drained = Some(reply);
                state.rooms.drain();
                state.projects.drain(&mut outcomes);
            }
            GatewayMessage::Inspect(reply) => state.rooms.inspect(reply),
        }
        state.conclude(outcomes);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<GatewayMessage>,
        event: SupervisionEvent,
        state: &mut GatewayState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(actor, error) => {
                let key = state.rooms.failed(&actor, &error.to_string());
                key.into_iter().for_each(|key| state.watch(&key, false));
            }
            SupervisionEvent::ActorTerminated(actor, _, _) => {
                let key = state.rooms.ended(&actor);
                key.into_iter().for_each(|key| state.watch(&key, false));
            }
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        state.conclude(Vec::new());
        Ok(())
    }
}

impl GatewayState {
    fn has(&self, project: ProjectId) -> bool {
        self.brief.projects.iter().any(|known| known.id == project)
    }

    /// Extended peers read a document now, or do not any more. Only of `system` that means anything.
    fn watch(&mut self, key: &DocumentKey, watched: bool) {
        if key.document == DocumentName::System {
            self.projects.watch(key.project, watched);
        }
    }

    /// Whoever may do less, or more, than when they came does not go on as they came.
    fn refresh(
        &mut self,
        brief: Arc<GatewayBrief>,
        receipt: &Receipt,
        myself: &ActorRef<GatewayMessage>,
        outcomes: &mut Vec<Outcome>,
    ) {
        let BriefChanges { reseated, closed } = brief.changes_since(&self.brief);
        self.brief = brief;
        for user in reseated {
            self.rooms.reseat(user, &self.brief, receipt);
            for later in RESEAT_AGAIN {
                drop(myself.send_after(later, move || GatewayMessage::Reseat(user)));
            }
        }
        closed.into_iter().for_each(|project| self.rooms.unload(project));
        self.projects.follow(&self.brief, outcomes);
    }

    /// Opens the room of a `system` document with what is durable of it. What becomes durable later is told to the room: this
    /// is one handler, so that nothing comes in between.
    async fn open_system(&mut self, key: Arc<DocumentKey>, outcomes: &mut Vec<Outcome>) {
        let Some(state) = self.projects.system_state(key.project, outcomes) else { return };
        let stored = state.map(|state| StoredDocument { snapshot: Some(state), ..StoredDocument::default() });
        self.rooms.loaded(key, stored).await;
    }

    fn conclude(&mut self, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            match outcome {
                Outcome::Settled(project, ticket, answer) => self.commands.settle(project, ticket, answer),
                Outcome::Publish(key, updates) => self.rooms.tell(&key, RoomMessage::Publish(updates)),
                Outcome::Ephemeral(key, json) => self.rooms.tell(&key, RoomMessage::Ephemeral(json)),
                Outcome::Close(key) => self.rooms.close(&key),
                Outcome::Ready(key) => self.rooms.load_again(key),
            }
        }
        self.projects.publish();
        if self.drained.is_some() && self.rooms.is_empty() && self.projects.is_at_rest() {
            self.drained.take().into_iter().for_each(|reply| drop(reply.send(())));
        }
    }
}
