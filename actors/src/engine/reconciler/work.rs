//! What is being done to single containers: on different ones at once, on one in order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use orrery_protocol::{
    container::plan::{Action, Labels, LocalImageId},
    id::{ContainerId, OrgId, ProjectId},
};
use tokio::{
    sync::Semaphore,
    task::{JoinError, JoinSet},
};

use super::{Key, key};
use crate::engine::{Credentials, Engine, Entrance, Making, Network, RuntimeError, World, verdict::WorkError};

/// So much is done at once.
const WORK_MAX: usize = 8;
/// So many are being stopped at once: that is waiting more than work.
const STOPS_MAX: usize = 64;

/// What is to be done to one container.
pub(super) struct Work {
    engine: Engine,
    credentials: Arc<dyn Credentials>,
    world: Arc<World>,
    container: ContainerId,
    actions: Vec<Action>,
}

/// What came of it.
pub(super) struct Worked {
    /// `None` if it is of a container that nobody wants.
    pub(super) project: Option<ProjectId>,
    pub(super) container: ContainerId,
    pub(super) key: Key,
    pub(super) error: Option<WorkError>,
    /// Opened for it: what was made is told where it is.
    pub(super) entrance: Option<Entrance>,
}

/// All that is being done.
pub(super) struct Works {
    tasks: JoinSet<Worked>,
    busy: BTreeSet<ContainerId>,
    /// What was last done to a container for which something has to be done in every pass since, and whether it was the same.
    last: BTreeMap<ContainerId, (Vec<Action>, bool)>,
    work: Arc<Semaphore>,
    stops: Arc<Semaphore>,
}

impl Default for Works {
    fn default() -> Self {
        let (work, stops) = (Arc::new(Semaphore::new(WORK_MAX)), Arc::new(Semaphore::new(STOPS_MAX)));
        Self { tasks: JoinSet::new(), busy: BTreeSet::new(), last: BTreeMap::new(), work, stops }
    }
}

impl Works {
    pub(super) fn begin(&mut self, work: Work) {
        let (container, actions) = (work.container, work.actions.iter().map(essence).collect());
        let repeats = self.repeats(container, &work.actions);
        self.last.insert(container, (actions, repeats));
        self.busy.insert(container);
        let (turns, stops) = (self.work.clone(), self.stops.clone());
        self.tasks.spawn(async move { work.perform(&turns, &stops).await });
    }

    /// Until something is done; `None` if nothing is under way.
    pub(super) async fn next(&mut self) -> Option<Worked> {
        let worked = self.tasks.join_next().await.map(resume_panic)?;
        self.busy.remove(&worked.container);
        Some(worked)
    }

    pub(super) fn is_busy(&self, container: ContainerId) -> bool {
        self.busy.contains(&container)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.busy.is_empty()
    }

    /// Whether this is what was done last, and nothing else was to be done in between.
    pub(super) fn repeats(&self, container: ContainerId, actions: &[Action]) -> bool {
        let same =
            |(last, _): &(Vec<Action>, bool)| last.iter().eq(actions.iter().map(essence).collect::<Vec<_>>().iter());
        self.last.get(&container).is_some_and(same)
    }

    /// Whether what was begun last was a repetition.
    pub(super) fn repeated(&self, container: ContainerId) -> bool {
        self.last.get(&container).is_some_and(|(_, repeated)| *repeated)
    }

    /// What failed does not count as done.
    pub(super) fn forget(&mut self, container: ContainerId) {
        self.last.remove(&container);
    }

    /// Nothing is to be done to others now.
    pub(super) fn forget_all_but(&mut self, plans: &BTreeMap<ContainerId, Vec<Action>>) {
        self.last.retain(|container, _| plans.contains_key(container) || self.busy.contains(container));
    }
}

/// A panic of ours goes on where it is seen.
fn resume_panic<T>(joined: Result<T, JoinError>) -> T {
    match joined {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// An action without what differs each time it is planned.
fn essence(action: &Action) -> Action {
    let mut action = action.clone();
    if let Action::Stop { grace_ms, .. } = &mut action {
        *grace_ms = 0;
    }
    action
}

impl Work {
    pub(super) fn new(
        engine: &Engine,
        credentials: &Arc<dyn Credentials>,
        world: &Arc<World>,
        container: ContainerId,
        actions: Vec<Action>,
    ) -> Self {
        Self { engine: engine.clone(), credentials: credentials.clone(), world: world.clone(), container, actions }
    }

    async fn perform(self, turns: &Semaphore, stops: &Semaphore) -> Worked {
        let key = key(self.container, &self.actions);
        let (mut error, mut project, mut entrance) = (None, None, None);
        for action in &self.actions {
            let waits = matches!(action, Action::Stop { .. });
            let _turn = if waits { stops } else { turns }.acquire().await;
            metrics::counter!("orrery_engine_actions_total").increment(1);
            if let Action::Create { project: of, .. } = action {
                project = Some(*of);
            }
            match Box::pin(self.one(action, &mut entrance)).await {
                // It is gone, which the next pass sees.
                Ok(()) | Err(WorkError::Runtime(RuntimeError::NotFound)) => {}
                Err(failed) => {
                    error = Some(failed);
                    break;
                }
            }
        }
        let known = || self.world.blueprints.get(&self.container).map(|blueprint| blueprint.project);
        Worked { project: project.or_else(known), container: self.container, key, error, entrance }
    }

    async fn one(&self, action: &Action, entrance: &mut Option<Entrance>) -> Result<(), WorkError> {
        let runtime = &self.engine.runtime;
        match action {
            Action::Create { project, generation, image, .. } => {
                *entrance = Some(self.create(*project, *generation, image).await?);
            }
            Action::Start(object) => {
                // The network may have been removed while nothing ran on it.
                *entrance = Some(open_porch(&self.engine, self.world.wanted.org).await?.1);
                runtime.start(object).await?;
            }
            Action::Resume(object) => runtime.resume(object).await?,
            Action::Stop { object, grace_ms } => runtime.stop(object, *grace_ms).await?,
            Action::Remove(object) => runtime.remove(object).await?,
            // Not done to containers.
            Action::Pull(_) | Action::Adopt { .. } => {}
        }
        Ok(())
    }

    async fn create(&self, project: ProjectId, generation: u32, image: &LocalImageId) -> Result<Entrance, WorkError> {
        let (org, container) = (self.world.wanted.org, self.container);
        let blueprint = self.world.blueprints.get(&container).filter(|blueprint| blueprint.generation == generation);
        let mut blueprint = blueprint.ok_or(WorkError::NoBlueprint)?.clone();
        if blueprint.ports_open {
            // Where ports have to be published, they can be only now.
            blueprint.ports.extend(self.engine.runtime.exposed(image).await?);
        }
        let (network, entrance) = open_porch(&self.engine, org).await?;
        let given = self.credentials.environment(project, container, generation).await?;
        if let Some(missing) = blueprint.secrets.iter().find(|name| !given.contains_key(name.as_str())) {
            return Err(WorkError::SecretMissing(missing.to_string()));
        }
        let mut environment = blueprint.env.clone();
        environment.extend(given);
        environment.insert("ORRERY_URL".to_owned(), entrance.url.clone());
        let labels = Labels { org, project, container, generation };
        let making = Making { labels, image: image.clone(), blueprint, environment, network };
        self.engine.runtime.create(making).await?;
        Ok(entrance)
    }
}

/// The network of an organization, and the platform listening there.
pub(super) async fn open_porch(engine: &Engine, org: OrgId) -> Result<(Network, Entrance), WorkError> {
    let network = engine.runtime.ensure_network(org).await?;
    let entrance = engine.porch.entrance(org, network.gateway).await?;
    Ok((network, entrance))
}
