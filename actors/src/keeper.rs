//! The keeper of one organization's place in this process: renews its lease, watches its idleness, keeps its brief fresh
//! and brings its gateway actor back if it fails. What is decided is decided in [`orrery_protocol::lease`] and
//! [`orrery_protocol::idle`]; must not know rooms.
//!
//! When the lease is over everything ends at once, and nothing is stored any more: somebody else may serve already.
//! Otherwise the gateway is drained first, under a lease that is still renewed.

use std::{sync::Arc, time::Duration};

use orrery_protocol::{
    control::{GatewayBrief, Lease},
    idle::{self, Idle},
    lease::{self, LeaseEnd},
};
use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent, rpc::CallResult};
use tokio::{task::AbortHandle, time::timeout};

use crate::{
    activity::Activity,
    control_plane::{Ask, ControlError, Tenure},
    gateway::{GatewayActor, GatewayArguments, GatewayConfig, GatewayMessage},
    journal::Journal,
    places::{Actors, Places},
};

/// How long Ganymede may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// How long a gateway may take to bring everything to disk.
const DRAIN_MAX: Duration = Duration::from_secs(35);
/// How often Ganymede is told that an idle gateway stopped, and how long it rests in between. If it never hears of it, the
/// lease runs out.
const STOP_ATTEMPTS: u32 = 5;
const STOP_REST: Duration = Duration::from_millis(500);
/// A gateway actor that failed rests this long, doubled with each failure, up to the cap.
const REST_MS_MIN: u64 = 100;
const REST_MS_MAX: u64 = 10_000;

/// Why an organization is served here no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseReason {
    /// Ganymede wants it elsewhere.
    Ordered,
    /// It is allocated here anew.
    Superseded,
    /// Nobody did anything for long. Ganymede is told.
    Idle,
    /// The process ends.
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
    Fetch,
    /// Ganymede answered with a brief, or did not.
    Fetched(Result<GatewayBrief, ControlError>),
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
    pub(crate) brief: Arc<GatewayBrief>,
    /// When the brief, and the lease with it, was asked for.
    pub(crate) asked_ms: u64,
}

/// The state of a keeper.
pub(crate) struct KeeperState {
    config: GatewayConfig,
    places: Places,
    tenure: Arc<Tenure>,
    journal: Arc<dyn Journal>,
    activity: Activity,
    brief: Arc<GatewayBrief>,
    gateway: ActorRef<GatewayMessage>,
    lease: lease::Lease,
    idle: Idle,
    fetching: bool,
    releasing: bool,
    /// Of the gateway actor, in all.
    failures: u32,
    timer: Option<AbortHandle>,
    watch: AbortHandle,
    last_error: Option<String>,
}

impl Drop for KeeperState {
    fn drop(&mut self) {
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
        let actors = Actors { keeper: myself.clone(), gateway: state.gateway.clone() };
        if state.places.open(state.tenure.org(), state.tenure.epoch(), actors) {
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
            KeeperMessage::Fetch => state.fetch(&myself),
            KeeperMessage::Fetched(answer) => state.fetched(answer, &myself),
            KeeperMessage::Refreshed(brief) => state.refreshed(brief, &myself),
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
        let KeeperArguments { config, places, brief, asked_ms } = arguments;
        let tenure = Arc::new(Tenure::new(&brief));
        let journal = config.control_plane.journal(&tenure);
        let activity = Activity::default();
        let lease = lease::Lease::new(config.lease.clone(), asked_ms, brief.lease_ms);
        let idle = Idle::new(config.idle.clone(), config.clock.now_ms(), brief.disable_shutdown);
        let gateway = GatewayArguments {
            config: config.clone(),
            tenure: tenure.clone(),
            journal: journal.clone(),
            brief: brief.clone(),
            activity: activity.clone(),
            keeper: myself.clone(),
        };
        let (gateway, _) = Actor::spawn_linked(None, GatewayActor, gateway, myself.get_cell()).await?;
        let (fenced, keeper) = (tenure.clone(), myself.clone());
        let watch = tokio::spawn(async move {
            fenced.until_fenced().await;
            drop(keeper.cast(KeeperMessage::Fenced));
        });
        Ok(Self {
            config,
            places,
            tenure,
            journal,
            activity,
            brief,
            gateway,
            lease,
            idle,
            fetching: false,
            releasing: false,
            failures: 0,
            timer: None,
            watch: watch.abort_handle(),
            last_error: None,
        })
    }

    fn keep_lease(&mut self, input: lease::Input, myself: &ActorRef<KeeperMessage>) {
        match self.lease.handle(self.config.clock.now_ms(), input) {
            Some(lease::Effect::Renew { attempt }) => self.renew(attempt, myself),
            Some(lease::Effect::StopServing(why)) => self.lose(why, myself),
            None => {}
        }
    }

    fn renew(&self, attempt: u64, myself: &ActorRef<KeeperMessage>) {
        let (control_plane, tenure) = (self.config.control_plane.clone(), self.tenure.clone());
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
                    self.tenure.replace_token(token);
                }
                if version != self.brief.version {
                    self.fetch(myself);
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

    /// Everything ends now. Nothing is stored any more, and Ganymede needs not be told.
    fn lose(&mut self, why: LeaseEnd, myself: &ActorRef<KeeperMessage>) {
        let (org, epoch) = (self.tenure.org(), self.tenure.epoch());
        metrics::counter!("orrery_leases_lost_total").increment(1);
        tracing::warn!(%org, %epoch, %why, "the organization is served here no longer");
        self.tenure.fence();
        drop(self.places.close(org, epoch));
        myself.stop(None);
    }

    fn fetch(&mut self, myself: &ActorRef<KeeperMessage>) {
        if std::mem::replace(&mut self.fetching, true) {
            return;
        }
        let (control_plane, tenure) = (self.config.control_plane.clone(), self.tenure.clone());
        let keeper = myself.clone();
        tokio::spawn(async move {
            let answer = in_time(control_plane.config(Ask::Again(&tenure))).await;
            drop(keeper.cast(KeeperMessage::Fetched(answer)));
        });
    }

    fn fetched(&mut self, answer: Result<GatewayBrief, ControlError>, myself: &ActorRef<KeeperMessage>) {
        self.fetching = false;
        match answer {
            Ok(brief) => {
                let brief = Arc::new(brief);
                if self.places.refresh(&brief) {
                    self.refreshed(brief, myself);
                }
            }
            Err(ControlError::Stale) => self.keep_lease(lease::Input::Stale, myself),
            // The next renewal says again that the brief is old.
            Err(error @ (ControlError::Refused(_) | ControlError::Unavailable(_))) => {
                self.note("cannot fetch the configuration", &error);
            }
        }
    }

    fn refreshed(&mut self, brief: Arc<GatewayBrief>, myself: &ActorRef<KeeperMessage>) {
        if brief.version <= self.brief.version {
            return;
        }
        self.tenure.replace_token(brief.gateway_token.clone());
        self.brief = brief.clone();
        drop(self.gateway.cast(GatewayMessage::Refresh(brief.clone())));
        self.keep_idle(Some(idle::Input::DisableShutdown(brief.disable_shutdown)), myself);
    }

    /// Tells idleness what happened since the last time, and does what it wants.
    fn keep_idle(&mut self, input: Option<idle::Input>, myself: &ActorRef<KeeperMessage>) {
        let now_ms = self.config.clock.now_ms();
        let mut effects = Vec::new();
        let active = self.activity.seen().into_iter().map(|(project, at_ms)| idle::Input::Active(project, at_ms));
        for input in input.into_iter().chain(active).chain([idle::Input::Tick]) {
            self.idle.handle(now_ms, input, &mut effects);
        }
        for effect in effects {
            match effect {
                idle::Effect::UnloadProject(project) => {
                    tracing::debug!(org = %self.tenure.org(), %project, "nothing happened in the project for long");
                    drop(self.gateway.cast(GatewayMessage::Unload(project)));
                }
                idle::Effect::FreeGateway => self.release(ReleaseReason::Idle, myself),
            }
        }
    }

    /// Brings everything to disk, tells Ganymede if it does not know, and ends. The lease is kept meanwhile.
    fn release(&mut self, why: ReleaseReason, myself: &ActorRef<KeeperMessage>) {
        if std::mem::replace(&mut self.releasing, true) {
            return;
        }
        let (org, epoch) = (self.tenure.org(), self.tenure.epoch());
        tracing::info!(%org, %epoch, ?why, "releasing the organization");
        drop(self.places.close(org, epoch));
        let (gateway, keeper) = (self.gateway.clone(), myself.clone());
        let (control_plane, tenure) = (self.config.control_plane.clone(), self.tenure.clone());
        tokio::spawn(async move {
            if let Ok(CallResult::Timeout) = gateway.call(GatewayMessage::Drain, Some(DRAIN_MAX)).await {
                tracing::error!(%org, %epoch, "the organization could not be brought to disk in time");
            }
            if why == ReleaseReason::Idle {
                for attempt in 1..=STOP_ATTEMPTS {
                    match in_time(control_plane.stop(&tenure)).await {
                        Ok(()) | Err(ControlError::Stale | ControlError::Refused(_)) => break,
                        Err(error @ ControlError::Unavailable(_)) => {
                            tracing::warn!(%org, %epoch, attempt, %error, "cannot give the slot back");
                            tokio::time::sleep(STOP_REST * attempt).await;
                        }
                    }
                }
            }
            drop(keeper.cast(KeeperMessage::Released));
        });
    }

    fn failed(&mut self, error: &str, myself: &ActorRef<KeeperMessage>) {
        metrics::counter!("orrery_gateway_failures_total").increment(1);
        let rest_ms = (REST_MS_MIN << self.failures.min(16)).min(REST_MS_MAX);
        self.failures += 1;
        tracing::error!(org = %self.tenure.org(), epoch = %self.tenure.epoch(), error, rest_ms,
            "the gateway failed; it is made anew from what is durable");
        if !self.releasing {
            drop(myself.send_after(Duration::from_millis(rest_ms), || KeeperMessage::Restart));
        }
    }

    async fn restart(&mut self, myself: &ActorRef<KeeperMessage>) {
        if self.releasing {
            return;
        }
        let arguments = GatewayArguments {
            config: self.config.clone(),
            tenure: self.tenure.clone(),
            journal: self.journal.clone(),
            brief: self.brief.clone(),
            activity: self.activity.clone(),
            keeper: myself.clone(),
        };
        match Actor::spawn_linked(None, GatewayActor, arguments, myself.get_cell()).await {
            Ok((gateway, _)) => {
                self.gateway = gateway.clone();
                self.places.replace_gateway(self.tenure.org(), self.tenure.epoch(), gateway);
            }
            Err(error) => self.failed(&error.to_string(), myself),
        }
    }

    fn note(&mut self, what: &str, error: &ControlError) {
        tracing::warn!(org = %self.tenure.org(), epoch = %self.tenure.epoch(), %error, "{what}");
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
        let (keeper, at) = (myself.clone(), self.config.clock.at(deadline_ms));
        let timer = tokio::spawn(async move {
            tokio::time::sleep_until(at.into()).await;
            drop(keeper.cast(KeeperMessage::Tick));
        });
        self.timer = Some(timer.abort_handle());
    }

    fn report(&self) -> KeeperReport {
        KeeperReport {
            lease_ends_in_ms: self.lease.ends_ms().saturating_sub(self.config.clock.now_ms()),
            shutdown_disabled: self.idle.is_disabled(),
            version: self.brief.version,
            last_error: self.last_error.clone(),
        }
    }
}

/// What takes too long has failed.
async fn in_time<T>(answer: impl Future<Output = Result<T, ControlError>>) -> Result<T, ControlError> {
    let late = || ControlError::Unavailable("no answer in time".to_owned());
    timeout(ANSWER_MAX, answer).await.unwrap_or_else(|_| Err(late()))
}
