//! Commands of members: handed in at the desk, kept by Ganymede, carried out, answered.

use std::{collections::HashMap, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use orrery_protocol::{
    access::Principal,
    command::{Admission, Answer, Command, Desk, IdempotencyKey, Refusal, Ticket},
    id::ProjectId,
};
use ractor::{ActorRef, RpcReplyPort};
use serde_json::json;

use super::{
    GatewayMessage,
    projects::{Order, orders},
};
use crate::{
    activity::Activity,
    clock::Clock,
    control_plane::{ControlError, ControlPlane, Tenure},
    keeper::KeeperMessage,
};

/// What is made of a key is for nothing else.
const DRAW: &[u8] = b"orrery command";

/// Commands whose answers are kept, of each project.
const ANSWERS_KEPT: usize = 256;

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// The organization is not served here, or is on its way elsewhere.
    #[error(transparent)]
    Closed(#[from] super::OpenError),
    /// The sender's fault.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The world's: it may be given again.
    #[error(transparent)]
    Failed(#[from] ControlError),
    /// What it changes is not durable in time. It comes to pass all the same, once that is.
    #[error("what it changes is not stored in time")]
    Unsaved,
}

/// Where a command is answered.
pub(crate) type Reply = RpcReplyPort<Result<Answer, CommandError>>;

/// How keeping what a command asked for went.
#[derive(Debug)]
pub(crate) struct Kept {
    project: ProjectId,
    ticket: Ticket,
    disabled: bool,
    outcome: Result<(), ControlError>,
}

/// A command for the project that it is about.
pub(super) struct ForProject {
    pub(super) project: ProjectId,
    pub(super) order: Order,
}

/// The commands of one organization.
pub(super) struct Commands {
    control_plane: Arc<dyn ControlPlane>,
    tenure: Arc<Tenure>,
    activity: Activity,
    clock: Clock,
    keeper: ActorRef<KeeperMessage>,
    desk: Desk,
    /// Who waits for the answer of a command.
    senders: HashMap<Ticket, Vec<Reply>>,
}

impl Commands {
    pub(super) fn new(
        control_plane: Arc<dyn ControlPlane>,
        tenure: Arc<Tenure>,
        activity: Activity,
        clock: Clock,
        keeper: ActorRef<KeeperMessage>,
    ) -> Self {
        let (desk, senders) = (Desk::new(ANSWERS_KEPT), HashMap::new());
        Self { control_plane, tenure, activity, clock, keeper, desk, senders }
    }

    pub(super) fn hand_in(
        &mut self,
        principal: &Principal,
        command: Command,
        key: Option<IdempotencyKey>,
        sender: Reply,
        myself: &ActorRef<GatewayMessage>,
    ) -> Option<ForProject> {
        self.activity.of(principal.project).touch(self.clock.now_ms());
        let draw = key.as_ref().map(|key| draw_of(principal, key));
        match self.desk.admit(principal, &command, key) {
            Admission::Answered(answer) => drop(sender.send(Ok(answer))),
            Admission::Join(ticket) => self.senders.entry(ticket).or_default().push(sender),
            Admission::Execute(ticket) => {
                tracing::info!(org = %principal.org, project = %principal.project, user = %principal.user,
                    command = command.kind(), "command");
                self.senders.insert(ticket, vec![sender]);
                match command {
                    Command::DisableShutdown { disabled } => {
                        self.keep(principal.project, disabled, ticket, myself.clone());
                    }
                    Command::Container(command) => {
                        let order = Order { command, draw, sender: orders::Sender::Member(principal.user, ticket) };
                        return Some(ForProject { project: principal.project, order });
                    }
                }
            }
        }
        None
    }

    fn keep(&self, project: ProjectId, disabled: bool, ticket: Ticket, myself: ActorRef<GatewayMessage>) {
        let (control_plane, tenure) = (self.control_plane.clone(), self.tenure.clone());
        tokio::spawn(async move {
            let outcome = control_plane.disable_shutdown(&tenure, disabled).await;
            drop(myself.cast(GatewayMessage::Kept(Kept { project, ticket, disabled, outcome })));
        });
    }

    pub(super) fn kept(&mut self, kept: Kept) {
        let Kept { project, ticket, disabled, outcome } = kept;
        let answer = outcome.map_err(CommandError::from).map(|()| {
            drop(self.keeper.cast(KeeperMessage::ShutdownDisabled(disabled)));
            Ok(json!({ "disabled": disabled }))
        });
        self.settle(project, ticket, answer);
    }

    /// A command came to this.
    pub(super) fn settle(&mut self, project: ProjectId, ticket: Ticket, answer: Result<Answer, CommandError>) {
        self.desk.settle(project, ticket, answer.as_ref().ok().cloned());
        for sender in self.senders.remove(&ticket).unwrap_or_default() {
            drop(sender.send(answer.clone()));
        }
    }
}

/// A number that looks random and is the same on every gateway: an answer that was kept ends with its gateway, and whoever never
/// got it asks the next one.
fn draw_of(principal: &Principal, key: &IdempotencyKey) -> u128 {
    let (project, user) = (principal.project.0.as_bytes(), principal.user.0.as_bytes());
    let text = [DRAW, &project[..], &user[..], key.as_str().as_bytes()].concat();
    let digest = digest(&SHA256, &text);
    digest.as_ref().iter().take(16).fold(0, |draw, &byte| draw << 8 | u128::from(byte))
}
