//! The organizations that are served in this process: taken on when Ganymede allocates them, let go when it says so, when
//! their lease ends or when nobody needs them. Nothing is served that was not allocated.

mod leftovers;

use std::{sync::Arc, time::Duration};

use orrery_protocol::{
    access::Principal,
    command::{Command, ContainerCommand, IdempotencyKey, Refusal},
    control::{GatewayBrief, Token, Visit, VisitRequest, VisitStanding},
    id::{ContainerId, DocumentKey, Epoch, OrgId, ProjectId, UserId},
};
use ractor::{Actor, rpc::CallResult};
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    control_plane::{Ask, ControlError, Tenure},
    engine::{Flow, LogLine, LogQuery, RuntimeError},
    gateway::{CommandError, GatewayConfig, GatewayMessage, GatewayReport, OpenError},
    keeper::{KeeperActor, KeeperArguments, KeeperMessage, KeeperReport, ReleaseReason},
    places::{Actors, Phase, Places, Reservation},
    receipt::Receipt,
    room::RoomHandle,
    route_tables::RouteTables,
};

/// How long opening a document may take before whoever asked is sent away.
const OPEN_MAX: Duration = Duration::from_secs(10);
/// How long a command may take before its sender is told that it is not known what became of it.
const COMMAND_MAX: Duration = Duration::from_secs(10);
/// How long an organization on its way out may hold a slot that is needed.
const VACATE_MAX: Duration = Duration::from_secs(5);
/// How long Ganymede may take to answer for a visitor who waits.
const VISIT_MAX: Duration = Duration::from_secs(3);
/// How long a change of members or roles may take until every open room acts upon it, before whoever changed it waits no more.
const ACTED_UPON_MAX: Duration = Duration::from_secs(2);
/// How long an actor may take to say what it is doing.
const INSPECT_MAX: Duration = Duration::from_secs(5);

/// Why an organization is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServeError {
    /// The process is shutting down.
    #[error("the gateway is stopping")]
    Stopping,
    /// A newer epoch of it is served here already.
    #[error("epoch {0} of the organization is served here")]
    Stale(Epoch),
    /// It was given up while it was being started.
    #[error("the organization was released while it was being started")]
    Released,
    /// Every slot has its organization.
    #[error("all {0} slots are taken")]
    NoFreeSlot(u16),
    /// The handshake is for another organization.
    #[error("the handshake is for organization {0}")]
    OtherOrganization(OrgId),
    /// Ganymede did not give the configuration.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Its actors could not be made.
    #[error("the gateway cannot be started: {0}")]
    Failed(String),
}

/// Why logs cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The containers of the project cannot be known here now.
    #[error(transparent)]
    Closed(#[from] OpenError),
    /// The project has no such container.
    #[error("there is no such container in this project")]
    NotFound,
    /// Nothing runs containers here.
    #[error("there is no container engine here")]
    NoEngine,
    /// The engine does not say.
    #[error(transparent)]
    Engine(#[from] RuntimeError),
}

/// A container, as its token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerBearer {
    /// Of which organization.
    pub org: OrgId,
    /// Of which project.
    pub project: ProjectId,
    /// Which.
    pub container: ContainerId,
    /// Which generation of it.
    pub generation: u32,
}

/// All gateways of this process; cheap to clone.
#[derive(Clone)]
pub struct Gateways {
    config: Arc<GatewayConfig>,
    places: Places,
    tables: RouteTables,
}

impl Gateways {
    /// None yet.
    pub fn new(config: GatewayConfig) -> Self {
        Self { config: Arc::new(config), places: Places::new(), tables: RouteTables::default() }
    }

    /// Fetches the configuration of an organization that was allocated to this process, and serves it.
    ///
    /// # Errors
    /// It is not served; nothing of it is left.
    pub async fn start(&self, org: OrgId, handshake: &Token) -> Result<Epoch, ServeError> {
        let asked_ms = self.config.clock.now_ms();
        let brief = self.config.control_plane.config(Ask::Handshake(handshake)).await?;
        if brief.organization_id != org {
            return Err(ServeError::OtherOrganization(brief.organization_id));
        }
        let epoch = brief.epoch;
        self.serve_since(brief, asked_ms).await?;
        Ok(epoch)
    }

    /// Serves the organization that `brief`, which was fetched just now, tells of. The lease counts from this call.
    /// Serving an epoch that is served already is fine; an older epoch is released first.
    ///
    /// # Errors
    /// It is not served; nothing of it is left.
    pub async fn serve(&self, brief: GatewayBrief) -> Result<(), ServeError> {
        let asked_ms = self.config.clock.now_ms();
        self.serve_since(brief, asked_ms).await
    }

    async fn serve_since(&self, brief: GatewayBrief, asked_ms: u64) -> Result<(), ServeError> {
        let brief = Arc::new(brief);
        let (org, epoch) = (brief.organization_id, brief.epoch);
        let vacated = async || timeout(VACATE_MAX, self.places.until_free(self.config.slots)).await.is_ok();
        loop {
            match self.places.reserve(&brief, self.config.slots) {
                Reservation::Reserved => break,
                Reservation::Taken => {
                    self.refresh_with(&brief);
                    return self.started(org, epoch).await;
                }
                Reservation::Occupied(other) if other > epoch => return Err(ServeError::Stale(other)),
                Reservation::Occupied(other) => self.release(org, other, ReleaseReason::Superseded).await,
                // Ganymede gives a slot away as soon as it hears that it is free, which is before it is.
                Reservation::Full { releasing: true } if vacated().await => {}
                Reservation::Full { .. } => return Err(ServeError::NoFreeSlot(self.config.slots)),
                Reservation::Stopping => return Err(ServeError::Stopping),
            }
        }
        // Whoever asked may go away; the place must not stay half taken.
        let (config, places, tables) = ((*self.config).clone(), self.places.clone(), self.tables.clone());
        let keeper = tokio::spawn(async move {
            let arguments = KeeperArguments { config, places: places.clone(), tables: tables.clone(), brief, asked_ms };
            let spawned = Actor::spawn(None, KeeperActor, arguments).await;
            let (_, ended) = spawned.inspect_err(|_| places.vacate(org, epoch))?;
            tokio::spawn(async move {
                ended.await.ok();
                tables.withdraw(org);
                places.vacate(org, epoch);
                tracing::info!(%org, %epoch, "the organization is not served here any more");
            });
            Ok(())
        });
        let spawned = keeper.await.map_err(|error| ServeError::Failed(error.to_string()))?;
        spawned.map_err(|error: ractor::SpawnErr| ServeError::Failed(error.to_string()))?;
        self.started(org, epoch).await?;
        tracing::info!(%org, %epoch, "serving the organization");
        Ok(())
    }

    async fn started(&self, org: OrgId, epoch: Epoch) -> Result<(), ServeError> {
        self.places.until_started(org, epoch).await;
        self.places.look(org, |place| match place {
            Some(place) if place.brief.epoch == epoch && matches!(place.phase, Phase::Serving(_)) => Ok(()),
            Some(_) | None => Err(ServeError::Released),
        })
    }

    /// Serves an organization no longer: lets nobody in, closes peers with 1012, stores everything. Returns when nothing
    /// of it is left. A newer epoch than `epoch` is left alone, an older one is not.
    pub async fn release(&self, org: OrgId, epoch: Epoch, why: ReleaseReason) {
        let Some(served) = self.places.look(org, |place| place.map(|place| place.brief.epoch)) else { return };
        if served > epoch {
            return;
        }
        if let Some(keeper) = self.places.close(org, served) {
            drop(keeper.cast(KeeperMessage::Release(why)));
        }
        self.places.until_vacated(org, served).await;
    }

    /// Acts upon a newer brief of the epoch that is served: who is no member any more is closed with 4401, whose role
    /// changed with 1012. Anything else than a newer brief changes nothing.
    pub fn refresh(&self, brief: GatewayBrief) {
        self.refresh_with(&Arc::new(brief));
    }

    fn refresh_with(&self, brief: &Arc<GatewayBrief>) {
        let org = brief.organization_id;
        if self.places.refresh(brief)
            && let Some(Actors { keeper, .. }) = self.actors(org)
        {
            drop(keeper.cast(KeeperMessage::Refreshed(brief.clone())));
        }
    }

    /// Something about the organization changed: fetches its brief again. Resolves when open connections are as it says; when
    /// it could not be fetched, in which case the next renewal of the lease tells of the change again; and after
    /// [`ACTED_UPON_MAX`] at the latest.
    pub async fn refetch(&self, org: OrgId) {
        let (receipt, receipted) = Receipt::new();
        if let Some(Actors { keeper, .. }) = self.actors(org) {
            drop(keeper.cast(KeeperMessage::Fetch(receipt)));
            timeout(ACTED_UPON_MAX, receipted.wait()).await.ok();
        }
    }

    /// The epoch under which the organization is served here.
    pub fn epoch(&self, org: OrgId) -> Option<Epoch> {
        self.places.look(org, |place| place.map(|place| place.brief.epoch))
    }

    /// `user` as `project` of `org` sees them; `None` if the organization is not served here, for who is no member, and
    /// for what is no project of it.
    pub fn principal(&self, org: OrgId, user: UserId, project: ProjectId) -> Option<Principal> {
        self.places.look(org, |place| place?.brief.principal(user, project))
    }

    /// Whether `principal` may still do what it might when it was looked up. To be asked once more after it has joined: a
    /// change before that is seen here, a change after it by the room.
    pub fn admits(&self, principal: &Principal) -> bool {
        let now = self.principal(principal.org, principal.user, principal.project);
        now.is_some_and(|now| now.role == principal.role)
    }

    /// Waits until this is so of what is known of an organization; nothing is while it is not served here.
    pub async fn until(&self, org: OrgId, mut is_so: impl FnMut(Option<&GatewayBrief>) -> bool) {
        self.places.until_place(org, |place| is_so(place.map(|place| &*place.brief))).await;
    }

    /// The organization that `project` belongs to, if it is served here.
    pub fn org_of(&self, project: ProjectId) -> Option<OrgId> {
        self.places.org_of(project)
    }

    /// The room of a document, opened if need be.
    ///
    /// # Errors
    /// The document cannot be opened here now.
    pub async fn room(&self, key: DocumentKey) -> Result<RoomHandle, OpenError> {
        let Actors { gateway, .. } = self.open_actors(key.org)?;
        let key = Arc::new(key);
        match gateway.call(|reply| GatewayMessage::Open(key, reply), Some(OPEN_MAX)).await {
            Ok(CallResult::Success(opened)) => opened,
            Ok(CallResult::Timeout) => Err(OpenError::Storage("loading takes too long".to_owned())),
            // It ended: somebody else serves the organization soon, or it does again.
            Ok(CallResult::SenderError) | Err(_) => Err(OpenError::Moving),
        }
    }

    /// Lets somebody who came back from Ganymede into a container of an organization that is served here.
    ///
    /// # Errors
    /// Ganymede refuses, or cannot be asked.
    pub async fn admit_visit(&self, org: OrgId, request: &VisitRequest) -> Result<Visit, ControlError> {
        let tenure = self.tenure(org)?;
        timeout(VISIT_MAX, self.config.control_plane.admit_visit(&tenure, request))
            .await
            .unwrap_or_else(|_| Err(late()))
    }

    /// Whether the session behind a visit lasts.
    ///
    /// # Errors
    /// Ganymede cannot be asked, or knows this gateway no longer.
    pub async fn visit_stands(&self, org: OrgId, standing: &VisitStanding) -> Result<bool, ControlError> {
        let tenure = self.tenure(org)?;
        let asked = timeout(VISIT_MAX, self.config.control_plane.visit_stands(&tenure, standing));
        asked.await.unwrap_or_else(|_| Err(late()))
    }

    /// Somebody uses a container of `project`: that is activity, as typing is, so that the gateway which leads there stays.
    pub fn touch(&self, org: OrgId, project: ProjectId) {
        let now_ms = self.config.clock.now_ms();
        self.places.look(org, |place| match place.map(|place| &place.phase) {
            Some(Phase::Serving(actors)) => actors.activity.touch(project, now_ms),
            Some(Phase::Starting | Phase::Releasing) | None => {}
        });
    }

    fn tenure(&self, org: OrgId) -> Result<Arc<Tenure>, ControlError> {
        let actors = self.actors(org);
        let gone = || ControlError::Unavailable("the organization is not served here".to_owned());
        actors.map(|actors| actors.tenure).ok_or_else(gone)
    }

    /// Where the containers of the organizations that are served here are reached.
    pub fn route_tables(&self) -> &RouteTables {
        &self.tables
    }

    /// Carries out a member's command, once however often it is given under one key.
    ///
    /// # Errors
    /// It is refused, the world fails, or the organization is not served here.
    pub async fn command(
        &self,
        principal: Principal,
        event: &Value,
        key: Option<IdempotencyKey>,
    ) -> Result<Value, CommandError> {
        let command = Command::parse(event)?;
        let Actors { gateway, .. } = self.open_actors(principal.org)?;
        let message = |reply| GatewayMessage::Command(principal, command, key, reply);
        match gateway.call(message, Some(COMMAND_MAX)).await {
            Ok(CallResult::Success(answer)) => Ok(answer??),
            Ok(CallResult::Timeout) => Err(CommandError::Unsaved),
            Ok(CallResult::SenderError) | Err(_) => Err(OpenError::Moving.into()),
        }
    }

    /// Hears what a container says of itself. Whether it is still there, and as its token says, is looked at each time.
    ///
    /// # Errors
    /// It is refused, the world fails, or the organization is not served here.
    pub async fn hear(&self, container: &ContainerBearer, event: &Value) -> Result<Value, CommandError> {
        let ContainerBearer { org, project, container, generation } = *container;
        let command = match Command::parse(event)? {
            Command::Container(command) => command,
            other @ Command::DisableShutdown { .. } => return Err(Refusal::Forbidden(other.kind()).into()),
        };
        if let Some(other) = ContainerCommand::named(event).filter(|named| *named != container) {
            return Err(Refusal::Foreign(other).into());
        }
        let Actors { gateway, .. } = self.open_actors(org)?;
        let message = |reply| GatewayMessage::Hear(project, container, generation, command, reply);
        match gateway.call(message, Some(COMMAND_MAX)).await {
            Ok(CallResult::Success(answer)) => Ok(answer??),
            Ok(CallResult::Timeout) => Err(CommandError::Unsaved),
            Ok(CallResult::SenderError) | Err(_) => Err(OpenError::Moving.into()),
        }
    }

    /// The containers of a project, as far as they are durable: `{"containers": [..]}`.
    ///
    /// # Errors
    /// They cannot be known here now.
    pub async fn containers(&self, org: OrgId, project: ProjectId) -> Result<Value, OpenError> {
        let Actors { gateway, .. } = self.open_actors(org)?;
        match gateway.call(|reply| GatewayMessage::List(project, reply), Some(OPEN_MAX)).await {
            Ok(CallResult::Success(list)) => list,
            Ok(CallResult::Timeout) => Err(OpenError::Storage("loading takes too long".to_owned())),
            Ok(CallResult::SenderError) | Err(_) => Err(OpenError::Moving),
        }
    }

    /// What a container printed, and prints. Whether it is one of the project is looked at first.
    ///
    /// # Errors
    /// There is no such container, there is no engine here, or it does not answer.
    pub async fn logs(
        &self,
        org: OrgId,
        project: ProjectId,
        container: ContainerId,
        query: LogQuery,
    ) -> Result<Flow<LogLine>, LogsError> {
        let list = self.containers(org, project).await?;
        let id = Value::from(container.to_string());
        let known = list["containers"].as_array().is_some_and(|all| all.iter().any(|known| known["id"] == id));
        if !known {
            return Err(LogsError::NotFound);
        }
        let engine = self.config.engine.as_ref().ok_or(LogsError::NoEngine)?;
        Ok(engine.logs(org, project, container, query).await?)
    }

    /// What may be observed of every organization that is served.
    pub async fn inspect(&self) -> Vec<(GatewayReport, KeeperReport)> {
        let mut reports = Vec::new();
        for (_, _, Actors { keeper, gateway, .. }) in self.places.serving() {
            let gateway = gateway.call(GatewayMessage::Inspect, Some(INSPECT_MAX));
            let keeper = keeper.call(KeeperMessage::Inspect, Some(INSPECT_MAX));
            if let (Ok(CallResult::Success(gateway)), Ok(CallResult::Success(keeper))) = tokio::join!(gateway, keeper) {
                reports.push((gateway, keeper));
            }
        }
        reports
    }

    /// Takes nobody on any more, closes every peer with 1012 and stores everything. Ganymede is told: what was served here
    /// is served elsewhere, or here after the next start.
    pub async fn shutdown(&self) {
        self.places.stop();
        for (org, epoch, Actors { keeper, .. }) in self.places.serving() {
            drop(self.places.close(org, epoch));
            drop(keeper.cast(KeeperMessage::Release(ReleaseReason::Shutdown)));
        }
        self.places.until_empty().await;
    }

    fn actors(&self, org: OrgId) -> Option<Actors> {
        self.places.look(org, |place| match &place?.phase {
            Phase::Serving(actors) => Some(actors.clone()),
            Phase::Starting | Phase::Releasing => None,
        })
    }

    fn open_actors(&self, org: OrgId) -> Result<Actors, OpenError> {
        if self.places.is_stopping() {
            return Err(OpenError::Stopping);
        }
        self.places.look(org, |place| match place.map(|place| &place.phase) {
            Some(Phase::Serving(actors)) => Ok(actors.clone()),
            Some(Phase::Starting | Phase::Releasing) => Err(OpenError::Moving),
            None => Err(OpenError::NotServing),
        })
    }
}

fn late() -> ControlError {
    ControlError::Unavailable("no answer in time".to_owned())
}

#[cfg(test)]
mod tests;
