//! Images that are on their way. One that several containers wait for is fetched once.

use std::{collections::BTreeSet, sync::Arc};

use futures_util::StreamExt;
use orrery_protocol::{
    container::plan::WantedState,
    id::{ContainerId, ProjectId},
    image::Reference,
};
use tokio::{
    sync::{Semaphore, watch},
    task::JoinSet,
};

use super::loaded;
use crate::engine::{Live, Runtime, RuntimeError, World, report::Reporter};

/// So many images are fetched at once.
const PULLS_MAX: usize = 3;

/// What came of one.
pub(super) struct Pulled {
    pub(super) image: Reference,
    pub(super) error: Option<RuntimeError>,
}

pub(super) struct Pulls {
    runtime: Arc<dyn Runtime>,
    reporter: Arc<Reporter>,
    world: watch::Receiver<Arc<World>>,
    images: BTreeSet<Reference>,
    tasks: JoinSet<Pulled>,
    turns: Arc<Semaphore>,
}

impl Pulls {
    pub(super) fn new(runtime: Arc<dyn Runtime>, reporter: Arc<Reporter>, world: watch::Receiver<Arc<World>>) -> Self {
        let turns = Arc::new(Semaphore::new(PULLS_MAX));
        Self { runtime, reporter, world, images: BTreeSet::new(), tasks: JoinSet::new(), turns }
    }

    pub(super) fn begin(&mut self, image: Reference) {
        if !self.images.insert(image.clone()) {
            return;
        }
        let (runtime, reporter, world) = (self.runtime.clone(), self.reporter.clone(), self.world.clone());
        let turns = self.turns.clone();
        self.tasks.spawn(async move {
            let _turn = turns.acquire().await;
            let error = pull(&*runtime, &reporter, &world, &image).await.err();
            Pulled { image, error }
        });
    }

    /// Until one has come or failed; `None` if none is on its way.
    pub(super) async fn next(&mut self) -> Option<Pulled> {
        let pulled = match self.tasks.join_next().await? {
            Ok(pulled) => pulled,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
        self.images.remove(&pulled.image);
        Some(pulled)
    }

    pub(super) fn running(&self) -> BTreeSet<Reference> {
        self.images.clone()
    }

    pub(super) fn is_running(&self, image: &Reference) -> bool {
        self.images.contains(image)
    }
}

/// Containers that cannot be made before an image is there.
pub(super) fn waiting<'a>(
    world: &'a World,
    image: &'a Reference,
) -> impl Iterator<Item = (ProjectId, ContainerId)> + 'a {
    let waits = loaded(world).filter(move |(_, _, wanted)| {
        wanted.state == WantedState::Running && wanted.object.is_none() && wanted.image.as_ref() == Some(image)
    });
    waits.map(|(project, container, _)| (project, container))
}

async fn pull(
    runtime: &dyn Runtime,
    reporter: &Reporter,
    world: &watch::Receiver<Arc<World>>,
    image: &Reference,
) -> Result<(), RuntimeError> {
    let mut progress = runtime.pull(image);
    let mut told = None;
    while let Some(step) = progress.next().await {
        let percent = step?.percent;
        if told == Some(percent) {
            continue;
        }
        told = Some(percent);
        let now = world.borrow().clone();
        for (project, container) in waiting(&now, image) {
            reporter.live(project, container, Live::Pull { image: image.clone(), percent });
        }
    }
    Ok(())
}
