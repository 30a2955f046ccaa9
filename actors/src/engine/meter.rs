//! What containers use, for as long as somebody looks.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::StreamExt;
use orrery_protocol::{
    container::plan::ObjectId,
    id::{ContainerId, ProjectId},
};
use tokio::{sync::watch, task::JoinHandle};

use super::{Live, Runtime, Usage, report::Reporter};

/// One that cannot be measured is tried again after this long.
const REST: Duration = Duration::from_secs(5);
/// So many are measured at once: each is a connection to the engine.
const METERED_MAX: usize = 200;

/// What is to be measured.
pub(super) type Metered = BTreeMap<ObjectId, (ProjectId, ContainerId)>;

pub(super) struct Meter {
    runtime: Arc<dyn Runtime>,
    reporter: Arc<Reporter>,
    wanted: watch::Receiver<Metered>,
    running: BTreeMap<ObjectId, Measuring>,
}

/// Measures until it is dropped.
struct Measuring(JoinHandle<()>);

impl Drop for Measuring {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Meter {
    pub(super) fn new(runtime: Arc<dyn Runtime>, reporter: Arc<Reporter>, wanted: watch::Receiver<Metered>) -> Self {
        Self { runtime, reporter, wanted, running: BTreeMap::new() }
    }

    pub(super) async fn run(mut self) {
        loop {
            let wanted = self.wanted.borrow_and_update().clone();
            self.running.retain(|object, _| wanted.contains_key(object));
            for (object, (project, container)) in wanted.into_iter().take(METERED_MAX) {
                let (runtime, reporter) = (self.runtime.clone(), self.reporter.clone());
                self.running
                    .entry(object.clone())
                    .or_insert_with(|| Measuring(tokio::spawn(measure(runtime, reporter, object, project, container))));
            }
            if self.wanted.changed().await.is_err() {
                return;
            }
        }
    }
}

async fn measure(
    runtime: Arc<dyn Runtime>,
    reporter: Arc<Reporter>,
    object: ObjectId,
    project: ProjectId,
    container: ContainerId,
) {
    loop {
        let mut samples = runtime.usage(&object);
        while let Some(Ok(usage)) = samples.next().await {
            reporter.live(project, container, live(usage));
        }
        tokio::time::sleep(REST).await;
    }
}

fn live(usage: Usage) -> Live {
    let Usage { cpu, memory_bytes, memory_limit_bytes, rx_bytes, tx_bytes, read_bytes, written_bytes, pids } = usage;
    Live::Usage { cpu, memory_bytes, memory_limit_bytes, rx_bytes, tx_bytes, read_bytes, written_bytes, pids }
}
