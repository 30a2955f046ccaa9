//! The gateway actor: one organization's open rooms, and the commands of its members. Opens each room once however many
//! ask, unloads those nobody visits, and brings back those that failed. Must not know sockets or HTTP.

mod commands;
mod rooms;

use std::{sync::Arc, time::Duration};

use orrery_protocol::{
    access::Principal,
    command::{Answer, Command, IdempotencyKey},
    control::{BriefChanges, GatewayBrief},
    id::{DocumentKey, Epoch, OrgId, ProjectId, UserId},
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
    journal::{Journal, JournalError},
    keeper::KeeperMessage,
    room::RoomStatus,
};
pub use commands::CommandError;
use commands::Commands;
use rooms::{Rooms, Waiter};

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
    /// The organization has as many open documents as it may.
    #[error("the organization has {0} open documents, the most it may")]
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
    /// Storage answered.
    Loaded(Arc<DocumentKey>, Result<StoredDocument, JournalError>),
    /// A room is not needed any more, as far as it knows.
    RoomIdle(Arc<DocumentKey>),
    /// Nothing happened in a project for long.
    Unload(ProjectId),
    /// A member gives a command.
    Command(Principal, Command, Option<IdempotencyKey>, RpcReplyPort<Result<Answer, ControlError>>),
    /// Ganymede keeps what a command asked for, or could not be asked.
    Kept(commands::Kept),
    /// Members, roles or projects changed.
    Refresh(Arc<GatewayBrief>),
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
    pub(crate) keeper: ActorRef<KeeperMessage>,
}

/// The state of a gateway actor.
pub(crate) struct GatewayState {
    brief: Arc<GatewayBrief>,
    rooms: Rooms,
    commands: Commands,
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
        let GatewayArguments { config, tenure, journal, brief, activity, keeper } = arguments;
        let control_plane = config.control_plane.clone();
        let commands = Commands::new(control_plane, tenure.clone(), activity.clone(), config.clock, keeper);
        Ok(GatewayState { brief, rooms: Rooms::new(config, tenure, journal, activity, myself), commands })
    }

    async fn handle(
        &self,
        myself: ActorRef<GatewayMessage>,
        message: GatewayMessage,
        state: &mut GatewayState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            GatewayMessage::Open(key, reply) if state.has(key.project) => state.rooms.open(key, reply),
            GatewayMessage::Open(_, reply) => drop(reply.send(Err(OpenError::UnknownProject))),
            GatewayMessage::Loaded(key, stored) if state.has(key.project) => state.rooms.loaded(key, stored).await,
            GatewayMessage::Loaded(key, _) => state.rooms.give_up(&key, &OpenError::UnknownProject),
            GatewayMessage::RoomIdle(key) => state.rooms.retire(&key),
            GatewayMessage::Unload(project) => state.rooms.unload(project),
            GatewayMessage::Command(principal, command, key, reply) => {
                state.commands.hand_in(&principal, command, key, reply, &myself);
            }
            GatewayMessage::Kept(kept) => state.commands.kept(kept),
            GatewayMessage::Refresh(brief) => state.refresh(brief, &myself),
            GatewayMessage::Reseat(user) => state.rooms.reseat(user, &state.brief),
            GatewayMessage::Drain(reply) => state.rooms.drain(reply),
            GatewayMessage::Inspect(reply) => state.rooms.inspect(reply),
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        _myself: ActorRef<GatewayMessage>,
        event: SupervisionEvent,
        state: &mut GatewayState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(actor, error) => state.rooms.failed(&actor, &error.to_string()),
            SupervisionEvent::ActorTerminated(actor, _, _) => state.rooms.ended(&actor),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl GatewayState {
    fn has(&self, project: ProjectId) -> bool {
        self.brief.projects.iter().any(|known| known.id == project)
    }

    /// Whoever may do less, or more, than when they came does not go on as they came.
    fn refresh(&mut self, brief: Arc<GatewayBrief>, myself: &ActorRef<GatewayMessage>) {
        let BriefChanges { reseated, closed } = brief.changes_since(&self.brief);
        self.brief = brief;
        for user in reseated {
            self.rooms.reseat(user, &self.brief);
            for later in RESEAT_AGAIN {
                drop(myself.send_after(later, move || GatewayMessage::Reseat(user)));
            }
        }
        closed.into_iter().for_each(|project| self.rooms.unload(project));
    }
}
