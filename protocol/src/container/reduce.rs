//! What commands do to the containers of a project. Pure: a command that is rejected changes nothing, and one that asks for
//! what is so already changes nothing either.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Change, Container, ContainerName, Containers, Desired, Entry, Listening, OutOfBounds, Phase, Reason, ReasonCode,
    Resources, Rules, RunnerName, SecretId, SecretText, Service, ServiceName, ServiceState, Spec, Status, VariableName,
    Vitals, environment::secret_bytes,
};
use crate::{
    command::{ContainerCommand, NewContainer},
    container::VariableValue,
    id::{ContainerId, Slug, UserId},
    image::{ContainerImage, Unavailable},
};

/// Most services of one container.
const SERVICES_MAX: usize = 16;
/// A generator that gives ids which are taken so often in a row is none.
const DRAWS_MAX: usize = 8;

/// Who gives a command. Whether they may was looked at before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A member of the project.
    Member(UserId),
    /// A container of the project, by its token.
    Container(ContainerId),
}

/// Why a command is not carried out. Nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No such container in this project.
    #[error("there is no container {0}")]
    NotFound(ContainerId),
    /// A command that only containers give, from a member, or the other way round.
    #[error("{0:?} is not for who gave it")]
    WrongCaller(&'static str),
    /// The image cannot be had.
    #[error("image {0}")]
    Image(#[from] Unavailable),
    /// A field that does not go with the image, or with what containers may have.
    #[error("{field} {problem}")]
    Invalid {
        /// The field of the event.
        field: String,
        /// What is wrong with it, to follow the field's name.
        problem: &'static str,
    },
    /// The project has as many containers as it may have.
    #[error("this project has {0} containers, as many as it may have")]
    TooMany(usize),
    /// The variables of the project's containers are as long as they may be.
    #[error("the variables of this project's containers may have {0} bytes together, and would have more")]
    TooMuch(usize),
    /// The container has as many services as it may have.
    #[error("a container has at most {SERVICES_MAX} services")]
    TooManyServices,
    /// Not in the phase that the container is in.
    #[error("container {id} is {phase}")]
    WrongPhase {
        /// Which.
        id: ContainerId,
        /// What it is.
        phase: Phase,
    },
    /// It is being deleted, and that is not undone.
    #[error("container {0} is being deleted")]
    BeingDeleted(ContainerId),
    /// No id could be drawn that is not taken.
    #[error("no id could be drawn")]
    NoId,
}

impl Rejection {
    fn invalid(field: impl Into<String>, problem: &'static str) -> Self {
        Self::Invalid { field: field.into(), problem }
    }
}

impl Containers {
    /// Decides what a command changes. `random` gives numbers with all their bits random; an id comes of the first.
    ///
    /// # Errors
    /// The command is rejected, and nothing changes.
    pub fn reduce(
        &self,
        rules: &Rules,
        caller: Caller,
        command: &ContainerCommand,
        now_ms: u64,
        random: &mut dyn FnMut() -> u128,
    ) -> Result<Change, Rejection> {
        let wrong = Err(Rejection::WrongCaller(command.kind()));
        match caller {
            Caller::Member(user) => match command {
                ContainerCommand::New(new) => self.create(rules, user, new, now_ms, random),
                ContainerCommand::Delete(id) => self.alter(*id, |entry| delete(entry, rules, now_ms)),
                ContainerCommand::Start(id) => self.alter(*id, |entry| start(entry, now_ms)),
                ContainerCommand::Stop(id) => self.alter(*id, |entry| stop(entry, rules, now_ms)),
                ContainerCommand::Restart(id) => self.alter(*id, |entry| restart(entry, rules, now_ms)),
                ContainerCommand::Host(id, runner) => self.alter(*id, |entry| host(entry, runner.as_ref(), now_ms)),
                ContainerCommand::Watchdog(_)
                | ContainerCommand::MapHttpService(..)
                | ContainerCommand::Activity(_) => wrong,
            },
            Caller::Container(id) => match command {
                ContainerCommand::Watchdog(system) => {
                    let mut change = self.hear(id, |entry| {
                        sign_of_life(entry, now_ms);
                        Ok(())
                    })?;
                    change.live = system.clone().map(|system| (id, system));
                    Ok(change)
                }
                ContainerCommand::MapHttpService(name, port) => {
                    self.hear(id, |entry| map_http_service(entry, rules, name, *port))
                }
                ContainerCommand::Activity(at_ms) => self.hear(id, |entry| {
                    let seen = (*at_ms).min(now_ms);
                    entry.vitals.activity_at_ms = entry.vitals.activity_at_ms.max(Some(seen));
                    Ok(())
                }),
                ContainerCommand::New(_)
                | ContainerCommand::Delete(_)
                | ContainerCommand::Start(_)
                | ContainerCommand::Stop(_)
                | ContainerCommand::Restart(_)
                | ContainerCommand::Host(..) => wrong,
            },
        }
    }

    /// The answer of a command that was carried out before, under another gateway: its container is here, as `user` asked for
    /// it, under the first id that is drawn for it. `None` if it is not.
    pub fn made_before(&self, rules: &Rules, user: UserId, new: &NewContainer, id: ContainerId) -> Option<Change> {
        let spec = &self.get(id)?.container.spec;
        let (image, _) = rules.images.resolve(&new.image).ok()?;
        let same = spec.created_by == user && spec.image == new.image && spec.name == name_of(image, new);
        same.then(|| Change::answering(made(rules, id, spec)))
    }

    fn create(
        &self,
        rules: &Rules,
        user: UserId,
        new: &NewContainer,
        now_ms: u64,
        random: &mut dyn FnMut() -> u128,
    ) -> Result<Change, Rejection> {
        if self.iter().len() >= rules.containers_max {
            return Err(Rejection::TooMany(rules.containers_max));
        }
        let (image, _) = rules.images.resolve(&new.image)?;
        check_environment(image, new)?;
        if new.port.is_some() && !image.leaves_services_open() {
            return Err(Rejection::invalid("port", "is for images of your own: this one says itself where it listens"));
        }
        let limits = limits(rules, image, new)?;
        let mut draws = (0..DRAWS_MAX).map(|_| ContainerId::from_random(random()));
        let id = draws.find(|id| self.get(*id).is_none()).ok_or(Rejection::NoId)?;
        let (env, secrets) = sealed_environment(new, random);
        let name = name_of(image, new);
        let taken = |slug: &Slug| self.iter().any(|entry| entry.container.spec.slug == *slug);
        let services_declared: Vec<ServiceName> = image.services.iter().map(|service| service.name.clone()).collect();
        let service = |name: &ServiceName| {
            let url = rules.site.url(id, Some(name));
            (name.clone(), Service { url, state: ServiceState::Withdrawn })
        };
        let services: BTreeMap<_, _> = services_declared.iter().map(service).collect();
        let spec = Spec {
            slug: Slug::of(name.as_str(), id, taken),
            name,
            image: new.image.clone(),
            runner: new.runner.clone(),
            env,
            limits,
            services_declared,
            desired: Desired::Running,
            generation: 1,
            created_by: user,
            created_at_ms: now_ms,
        };
        let status = Status {
            phase: Phase::Pending,
            observed_generation: 0,
            reason: None,
            since_ms: now_ms,
            services,
            stop_at_ms: None,
        };
        let mut change = Change::answering(made(rules, id, &spec));
        let vitals = Vitals { unnamed: self.unnamed, secret_bytes: secret_bytes(&secrets), ..Vitals::default() };
        let mut entry = Entry { container: Container { id, spec, status }, vitals };
        self.check_room_for(&entry, rules)?;
        if let Some(port) = new.port {
            entry.listen(&rules.site, Listening::Said(port));
        }
        change.put(None, entry);
        if !secrets.is_empty() {
            change.secrets.insert(id, secrets);
        }
        Ok(change)
    }

    /// Variables are most of what a project's document and notes hold: without a bound for all of them together, both would
    /// grow until nobody could store them any more.
    fn check_room_for(&self, entry: &Entry, rules: &Rules) -> Result<(), Rejection> {
        let bytes: usize = self.iter().chain([entry]).map(Entry::variables_bytes).sum();
        if bytes > rules.variables_bytes_max { Err(Rejection::TooMuch(rules.variables_bytes_max)) } else { Ok(()) }
    }

    /// What a member wants of a container that is there.
    fn alter(&self, id: ContainerId, alter: impl FnOnce(&mut Entry)) -> Result<Change, Rejection> {
        let known = self.get(id).ok_or(Rejection::NotFound(id))?;
        let mut entry = known.clone();
        let deleted = known.container.spec.desired == Desired::Deleted;
        alter(&mut entry);
        if deleted && entry != *known {
            return Err(Rejection::BeingDeleted(id));
        }
        let phase = entry.container.status.phase;
        let result = json!({"user_container_id": id.to_string(), "phase": phase.as_str()});
        let mut change = Change::answering(result);
        change.put(Some(known), entry);
        Ok(change)
    }

    /// What a container says of itself. One that shall be gone is not listened to.
    fn hear(
        &self,
        id: ContainerId,
        hear: impl FnOnce(&mut Entry) -> Result<(), Rejection>,
    ) -> Result<Change, Rejection> {
        let known = self.get(id).filter(|entry| entry.container.spec.desired != Desired::Deleted);
        let known = known.ok_or(Rejection::NotFound(id))?;
        let mut entry = known.clone();
        hear(&mut entry)?;
        let mut change = Change::answering(json!({}));
        change.put(Some(known), entry);
        Ok(change)
    }
}

fn check_environment(image: &ContainerImage, new: &NewContainer) -> Result<(), Rejection> {
    for variable in &image.env {
        let (plain, secret) = (new.env.contains_key(&variable.name), new.secrets.contains_key(&variable.name));
        let problem = if plain && variable.secret {
            "must be given as a secret"
        } else if !plain && !secret && variable.required && variable.default.is_none() {
            "is required by this image"
        } else {
            continue;
        };
        return Err(Rejection::invalid(format!("env.{}", variable.name), problem));
    }
    Ok(())
}

/// The environment as the document has it, and what of it the document must not have.
fn sealed_environment(
    new: &NewContainer,
    random: &mut dyn FnMut() -> u128,
) -> (BTreeMap<VariableName, VariableValue>, BTreeMap<SecretId, SecretText>) {
    let (mut env, mut secrets) = (new.env.clone(), BTreeMap::new());
    for (name, value) in &new.secrets {
        let id = SecretId::from_random(random());
        env.insert(name.clone(), VariableValue::Secret(id.clone()));
        secrets.insert(id, value.clone());
    }
    (env, secrets)
}

fn limits(rules: &Rules, image: &ContainerImage, new: &NewContainer) -> Result<Resources, Rejection> {
    let default = image.resources();
    let limits = Resources {
        cpu_millis: new.limits.cpu_millis.unwrap_or(default.cpu_millis),
        memory_mb: new.limits.memory_mb.unwrap_or(default.memory_mb),
        pids: new.limits.pids.unwrap_or(default.pids),
    };
    let out_of = |out: OutOfBounds| Rejection::invalid(format!("limits.{}", out.field), out.problem);
    limits.check(&rules.bounds).map_err(out_of)?;
    Ok(limits)
}

/// A container without a name is called like its image.
#[expect(clippy::expect_used, reason = "a definition's name is shorter than a container's may be")]
fn name_of(image: &ContainerImage, new: &NewContainer) -> ContainerName {
    if new.name.as_str().trim().is_empty() {
        image.name.parse().expect("the names of definitions are names of containers")
    } else {
        new.name.clone()
    }
}

/// What who asked for a container is answered.
fn made(rules: &Rules, id: ContainerId, spec: &Spec) -> Value {
    json!({"user_container_id": id.to_string(), "slug": spec.slug.as_str(), "url": rules.site.url(id, None)})
}

fn manual() -> Option<Reason> {
    Some(Reason::new(ReasonCode::Manual, ""))
}

/// Asks a container to stop; what for is in what is desired.
pub(super) fn begin_stop(entry: &mut Entry, rules: &Rules, now_ms: u64, reason: Option<Reason>) {
    if entry.container.status.phase != Phase::Stopping {
        entry.turn(now_ms, Phase::Stopping, reason);
        entry.container.status.stop_at_ms = Some(now_ms + rules.clocks.stop_grace_ms);
    }
}

fn delete(entry: &mut Entry, rules: &Rules, now_ms: u64) {
    let Entry { container: Container { spec, status, .. }, .. } = entry;
    if spec.desired == Desired::Deleted || status.phase == Phase::Deleted {
        return;
    }
    spec.desired = Desired::Deleted;
    // Nobody tells us what becomes of a container on somebody's own machine.
    if spec.runner.is_some() {
        entry.turn(now_ms, Phase::Deleted, manual());
    } else {
        begin_stop(entry, rules, now_ms, manual());
    }
}

/// Forgets how often it failed: somebody wants to try again.
fn forgive(entry: &mut Entry) {
    let vitals = &mut entry.vitals;
    (vitals.restarts, vitals.retry_at_ms, vitals.renewed) = (0, None, false);
}

fn start(entry: &mut Entry, now_ms: u64) {
    entry.container.spec.desired = Desired::Running;
    match entry.container.status.phase {
        Phase::Stopped | Phase::Failed => {
            forgive(entry);
            entry.turn(now_ms, Phase::Pending, None);
        }
        Phase::Pending => forgive(entry),
        // What is being stopped stops first.
        Phase::Starting | Phase::Running | Phase::Unhealthy | Phase::Stopping | Phase::Deleted => {}
    }
}

fn stop(entry: &mut Entry, rules: &Rules, now_ms: u64) {
    entry.container.spec.desired = Desired::Stopped;
    entry.vitals.retry_at_ms = None;
    match entry.container.status.phase {
        Phase::Stopped | Phase::Stopping | Phase::Deleted => {}
        Phase::Pending | Phase::Starting | Phase::Running | Phase::Unhealthy | Phase::Failed => {
            if entry.container.spec.runner.is_some() {
                entry.turn(now_ms, Phase::Stopped, manual());
            } else {
                begin_stop(entry, rules, now_ms, manual());
            }
        }
    }
}

/// A restart is a stop with the wish to run: nothing has to be remembered between the two.
fn restart(entry: &mut Entry, rules: &Rules, now_ms: u64) {
    let phase = entry.container.status.phase;
    if !phase.is_up() {
        return start(entry, now_ms);
    }
    entry.container.spec.desired = Desired::Running;
    forgive(entry);
    if entry.container.spec.runner.is_some() {
        entry.turn(now_ms, Phase::Pending, manual());
    } else {
        begin_stop(entry, rules, now_ms, manual());
    }
}

fn host(entry: &mut Entry, runner: Option<&RunnerName>, now_ms: u64) {
    if entry.container.spec.runner.as_ref() == runner {
        return;
    }
    entry.container.spec.runner = runner.cloned();
    entry.container.spec.generation += 1;
    forgive(entry);
    let next = match (entry.container.status.phase, entry.container.spec.desired) {
        (Phase::Pending | Phase::Starting | Phase::Running | Phase::Unhealthy, _)
        | (Phase::Stopping, Desired::Running) => Phase::Pending,
        (Phase::Stopping, Desired::Stopped | Desired::Deleted) => Phase::Stopped,
        (unchanged @ (Phase::Stopped | Phase::Failed | Phase::Deleted), _) => unchanged,
    };
    if next != entry.container.status.phase {
        entry.turn(now_ms, next, manual());
    }
}

fn sign_of_life(entry: &mut Entry, now_ms: u64) {
    let status = &entry.container.status;
    let code = status.reason.as_ref().map(|reason| reason.code);
    let answers = match status.phase {
        Phase::Starting | Phase::Running => true,
        // No engine of ours tells us that somebody's own machine started it.
        Phase::Pending => entry.container.spec.runner.is_some(),
        Phase::Unhealthy => code != Some(ReasonCode::ProbeFailed),
        // It reports on, and shall not run.
        Phase::Stopping | Phase::Stopped | Phase::Failed | Phase::Deleted => return,
    };
    if answers {
        entry.turn(now_ms, Phase::Running, None);
    }
    if entry.container.status.phase.is_up() {
        entry.vitals.watchdog_at_ms = Some(now_ms);
    }
}

fn map_http_service(entry: &mut Entry, rules: &Rules, name: &ServiceName, port: u16) -> Result<(), Rejection> {
    let Entry { container: Container { id, spec, status }, vitals } = entry;
    match status.phase {
        Phase::Pending | Phase::Starting | Phase::Running | Phase::Unhealthy => {}
        phase @ (Phase::Stopping | Phase::Stopped | Phase::Failed | Phase::Deleted) => {
            return Err(Rejection::WrongPhase { id: *id, phase });
        }
    }
    if !status.services.contains_key(name) && status.services.len() >= SERVICES_MAX {
        // One of an earlier run, which this run has not named, makes room.
        let of_before =
            |known: &&ServiceName| !spec.services_declared.contains(known) && !vitals.ports.contains_key(known);
        let of_before = status.services.keys().find(of_before).cloned().ok_or(Rejection::TooManyServices)?;
        status.services.remove(&of_before);
    }
    let url = rules.site.url(*id, Some(name));
    status.services.entry(name.clone()).or_insert(Service { url, state: ServiceState::Withdrawn });
    status.reason.take_if(|reason| reason.code == ReasonCode::NoPort);
    vitals.ports.insert(name.clone(), port);
    entry.route();
    Ok(())
}
