//! The keeper of one organization's place in this process: renews its lease, watches its idleness, keeps its brief fresh
//! and brings its gateway actor back if it fails. What is decided is decided in [`orrery_protocol::lease`] and
//! [`orrery_protocol::idle`]; must not know rooms.
//!
//! When the lease is over everything ends at once, and nothing is stored any more: somebody else may serve already.
//! Otherwise the gateway is drained first, under a lease that is still renewed.

mod brief;
mod child;
mod end;
mod shift;

use std::{sync::Arc, time::Duration};

use orrery_protocol::{
    control::{GatewayBrief, Lease},
    idle::{self, Idle},
    lease,
};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use tokio::{task::AbortHandle, time::timeout};

use crate::{
    activity::Activity,
    control_plane::{ControlError, Tenure},
    gateway::{GatewayActor, GatewayArguments, GatewayConfig, GatewayMessage},
    places::{Actors, Places},
    receipt::Receipt,
    route_tables::RouteTables,
};
use shift::Shift;

/// How long Ganymede may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Why an organization is served here no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseReason {
    /// Ganymede wants it elsewhere.
    Ordered,
    /// It is allocated here anew.
    Superseded,
    /// Nobody did anything for long. Ganymede is told.
    Idle,
    /// The process ends. Ganymede is told, so that somebody else serves the organization.
    Shutdown,
}

/// What may be observed of a keeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeeperReport {
    /// Milliseconds until the gateway stops serving unless the lease is renewed.
    pub lease_ends_in_ms: u64,
    /// Whether it serves on however long nobody does anything.
    pub shutdown_disabled: bool,
    /// Version of the brief it acts upon.
    pub version: u64,
    /// Why Ganymede last could not be asked.
    pub last_error: Option<String>,
}

/// What a keeper can be told.
#[derive(Debug)]
pub(crate) enum KeeperMessage {
    /// The timer went off.
    Tick,
    /// Ganymede answered this attempt to renew the lease, or did not.
    Renewed(u64, Result<Lease, ControlError>),
    /// Something of ours was refused as stale.
    Fenced,
    /// Something about the organization changed: fetch its brief again.
    Fetch(Receipt),
    /// Ganymede answered with a brief, or did not.
    Fetched(Result<GatewayBrief, ControlError>, Receipt),
    /// This brief is newer, and in the table.
    Refreshed(Arc<GatewayBrief>),
    /// The gateway serves on however long nobody does anything, or does not.
    ShutdownDisabled(bool),
    /// Bring everything to disk and end.
    Release(ReleaseReason),
    /// The gateway is drained, and Ganymede knows if it has to.
    Released,
    /// The gateway actor that failed has rested.
    Restart,
    /// What may be observed.
    Inspect(RpcReplyPort<KeeperReport>),
}

/// What a keeper is made with.
pub(crate) struct KeeperArguments {
    pub(crate) config: GatewayConfig,
    pub(crate) places: Places,
    pub(crate) tables: RouteTables,
    pub(crate) brief: Arc<GatewayBrief>,
    /// When the brief, and the lease with it, was asked for.
    pub(crate) asked_ms: u64,
}

/// The state of a keeper.
pub(crate) struct KeeperState {
    places: Places,
    /// What the gateway actor is made with, if need be anew.
    parts: GatewayArguments,
    /// What the present one appends through.
    shift: Arc<Shift>,
    gateway: ActorRef<GatewayMessage>,
    lease: lease::Lease,
    idle: Idle,
    fetching: bool,
    /// Something changed after the brief that is on its way was asked for.
    fetch_again: Option<Receipt>,
    releasing: bool,
    /// Of the gateway actor, in all.
    failures: u32,
    timer: Option<AbortHandle>,
    watch: AbortHandle,
    last_error: Option<String>,
}

impl Drop for KeeperState {
    fn drop(&mut self) {
        self.shift.end();
        self.watch.abort();
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
    }
}

/// Keeps one organization's place.
pub(crate) struct KeeperActor;

impl Actor for KeeperActor {
    type Msg = KeeperMessage;
    type State = KeeperState;
    type Arguments = KeeperArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<KeeperMessage>,
        arguments: KeeperArguments,
    ) -> Result<KeeperState, ActorProcessingErr> {
        KeeperState::new(arguments, &myself).await
    }

    async fn post_start(
        &self,
        myself: ActorRef<KeeperMessage>,
        state: &mut KeeperState,
    ) -> Result<(), ActorProcessingErr> {
        let GatewayArguments { tenure, activity, .. } = state.parts.clone();
        let actors = Actors { keeper: myself.clone(), gateway: state.gateway.clone(), tenure, activity };
        if state.places.open(state.parts.tenure.org(), state.parts.tenure.epoch(), actors) {
            state.set_timer(&myself);
        } else {
            myself.stop(None);
        }
        Ok(())
    }

    async fn handle(
        &self,
        myself: ActorRef<KeeperMessage>,
        message: KeeperMessage,
        state: &mut KeeperState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            KeeperMessage::Tick => state.keep_lease(lease::Input::Tick, &myself),
            KeeperMessage::Renewed(attempt, answer) => state.renewed(attempt, answer, &myself),
            KeeperMessage::Fenced => state.keep_lease(lease::Input::Stale, &myself),
            KeeperMessage::Fetch(receipt) => state.fetch(receipt, &myself),
            KeeperMessage::Fetched(answer, receipt) => state.fetched(answer, receipt, &myself),
            KeeperMessage::Refreshed(brief) => state.refreshed(brief, Receipt::default(), &myself),
            KeeperMessage::ShutdownDisabled(disabled) => {
                state.keep_idle(Some(idle::Input::DisableShutdown(disabled)), &myself);
            }
            KeeperMessage::Release(why) => state.release(why, &myself),
            KeeperMessage::Released => myself.stop(None),
            KeeperMessage::Restart => state.restart(&myself).await,
            KeeperMessage::Inspect(reply) => drop(reply.send(state.report())),
        }
        state.keep_idle(None, &myself);
        state.set_timer(&myself);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<KeeperMessage>,
        event: SupervisionEvent,
        state: &mut KeeperState,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(_, error) => state.failed(&error.to_string(), &myself),
            SupervisionEvent::ActorTerminated(..) => state.failed("it ended", &myself),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        Ok(())
    }
}

impl KeeperState {
    async fn new(arguments: KeeperArguments, myself: &ActorRef<KeeperMessage>) -> Result<Self, ActorProcessingErr> {
        let KeeperArguments { config, places, tables, brief, asked_ms } = arguments;
        let tenure = Arc::new(Tenure::new(&brief));
        let journal = config.control_plane.journal(&tenure);
        let lease = lease::Lease::new(config.lease.clone(), asked_ms, brief.lease_ms);
        let idle = Idle::new(config.idle.clone(), config.clock.now_ms(), brief.disable_shutdown);
        let (activity, keeper) = (Activity::default(), myself.clone());
        let parts = GatewayArguments { config, tenure: tenure.clone(), journal, brief, activity, tables, keeper };
        let shift = Arc::new(Shift::new(parts.journal.clone()));
        let arguments = GatewayArguments { journal: shift.clone(), ..parts.clone() };
        let (gateway, _) = Actor::spawn_linked(None, GatewayActor, arguments, myself.get_cell()).await?;
        let keeper = myself.clone();
        let watch = tokio::spawn(async move {
            tenure.until_fenced().await;
            drop(keeper.cast(KeeperMessage::Fenced));
        });
        Ok(Self {
            places,
            parts,
            shift,
            gateway,
            lease,
            idle,
            fetching: false,
            fetch_again: None,
            releasing: false,
            failures: 0,
            timer: None,
            watch: watch.abort_handle(),
            last_error: None,
        })
    }

    fn keep_lease(&mut self, input: lease::Input, myself: &ActorRef<KeeperMessage>) {
        match self.lease.handle(self.parts.config.clock.now_ms(), input) {
            Some(lease::Effect::Renew { attempt }) => self.renew(attempt, myself),
            Some(lease::Effect::StopServing(why)) => self.lose(why, myself),
            None => {}
        }
    }

    fn renew(&self, attempt: u64, myself: &ActorRef<KeeperMessage>) {
        let (control_plane, tenure) = (self.parts.config.control_plane.clone(), self.parts.tenure.clone());
        let keeper = myself.clone();
        tokio::spawn(async move {
            let answer = in_time(control_plane.renew(&tenure)).await;
            drop(keeper.cast(KeeperMessage::Renewed(attempt, answer)));
        });
    }

    fn renewed(&mut self, attempt: u64, answer: Result<Lease, ControlError>, myself: &ActorRef<KeeperMessage>) {
        let input = match answer {
            Ok(Lease { ttl_ms, version, gateway_token, .. }) => {
                if let Some(token) = gateway_token {
                    self.parts.tenure.replace_token(token);
                }
                if version != self.parts.brief.version {
                    self.fetch(Receipt::default(), myself);
                }
                lease::Input::Renewed { attempt, ttl_ms }
            }
            Err(ControlError::Stale) => lease::Input::Stale,
            Err(error @ (ControlError::Refused(_) | ControlError::Unavailable(_))) => {
                self.note("cannot renew the lease", &error);
                lease::Input::RenewalFailed { attempt }
            }
        };
        self.keep_lease(input, myself);
    }

    /// Tells idleness what happened since the last time, and does what it wants.
    fn keep_idle(&mut self, input: Option<idle::Input>, myself: &ActorRef<KeeperMessage>) {
        let now_ms = self.parts.config.clock.now_ms();
        let mut effects = Vec::new();
        let active = self.parts.activity.seen().into_iter().map(|(project, at_ms)| idle::Input::Active(project, at_ms));
        for input in input.into_iter().chain(active).chain([idle::Input::Tick]) {
            self.idle.handle(now_ms, input, &mut effects);
        }
        for effect in effects {
            match effect {
                idle::Effect::UnloadProject(project) => {
                    tracing::debug!(org = %self.parts.tenure.org(), %project, "nothing happened in the project for long");
                    drop(self.gateway.cast(GatewayMessage::Unload(project)));
                }
                idle::Effect::FreeGateway => self.release(ReleaseReason::Idle, myself),
            }
        }
    }

    fn note(&mut self, what: &str, error: &ControlError) {
        tracing::warn!(org = %self.parts.tenure.org(), epoch = %self.parts.tenure.epoch(), %error, "{what}");
        self.last_error = Some(format!("{what}: {error}"));
    }

    /// One timer, for the next deadline.
    fn set_timer(&mut self, myself: &ActorRef<KeeperMessage>) {
        if let Some(timer) = self.timer.take() {
            timer.abort();
        }
        let Some(deadline_ms) = self.lease.deadline_ms().into_iter().chain(self.idle.deadline_ms()).min() else {
            return;
        };
        let (keeper, at) = (myself.clone(), self.parts.config.clock.at(deadline_ms));
        let timer = tokio::spawn(async move {
            tokio::time::sleep_until(at.into()).await;
            drop(keeper.cast(KeeperMessage::Tick));
        });
        self.timer = Some(timer.abort_handle());
    }

    fn report(&self) -> KeeperReport {
        KeeperReport {
            lease_ends_in_ms: self.lease.ends_ms().saturating_sub(self.parts.config.clock.now_ms()),
            shutdown_disabled: self.idle.is_disabled(),
            version: self.parts.brief.version,
            last_error: self.last_error.clone(),
        }
    }
}

/// What takes too long has failed.
async fn in_time<T>(answer: impl Future<Output = Result<T, ControlError>>) -> Result<T, ControlError> {
    let late = || ControlError::Unavailable("no answer in time".to_owned());
    timeout(ANSWER_MAX, answer).await.unwrap_or_else(|_| Err(late()))
}
