//! How long an update waits until it is on disk, and what that costs: 200 documents, 1,000 updates a second in all.
//!
//! `cargo run --release -p orrery-ganymede --example durable_acknowledgement [FOLDER [SECONDS [UPDATES_PER_SECOND]]]`

use std::{
    env,
    error::Error,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use orrery_ganymede::store::{Append, Store, StoreLimits, StoreOptions};
use orrery_protocol::id::{DocumentKey, DocumentName, OrgId, ProjectId};
use tokio::time;
use uuid::Uuid;

const DOCUMENTS: usize = 200;
const UPDATE_BYTES: usize = 30;
const TICK: Duration = Duration::from_millis(1);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let folder = arguments.next().map_or_else(|| env::temp_dir().join("orrery-durable-acknowledgement"), PathBuf::from);
    let seconds: u64 = arguments.next().map_or(Ok(10), |text| text.parse())?;
    let rate: u64 = arguments.next().map_or(Ok(1_000), |text| text.parse())?;

    let options =
        StoreOptions { limits: StoreLimits::default(), merge: Arc::new(|_, _| Err("nothing is folded".into())) };
    let (store, _) = Store::open(&folder, options)?;
    let latencies = Arc::new(Mutex::new(Vec::new()));
    let documents: Vec<_> = (0..DOCUMENTS).map(|_| Arc::new(any_document())).collect();
    let total = seconds * rate;
    let update = Bytes::from(vec![7; UPDATE_BYTES]);
    // A thread has its name once it answers.
    store.load(&documents[0]).await?;
    let before = thread_cpu("store-journal")?;
    let started = Instant::now();
    let mut ticks = time::interval(TICK);
    let mut sent = 0;
    while sent < total {
        ticks.tick().await;
        let due = (started.elapsed().as_micros() as u64 * rate / 1_000_000).min(total);
        for number in sent..due {
            let latencies = Arc::clone(&latencies);
            let sent_at = Instant::now();
            store.append(Append {
                key: Arc::clone(&documents[number as usize % DOCUMENTS]),
                epoch: 1,
                first_seq: number / DOCUMENTS as u64 + 1,
                updates: vec![update.clone()],
                durable: Box::new(move |_| {
                    latencies.lock().unwrap_or_else(PoisonError::into_inner).push(sent_at.elapsed());
                }),
            });
        }
        sent = due;
    }
    let elapsed = started.elapsed();
    let cpu = thread_cpu("store-journal")? - before;
    let status = store.status();
    store.close().await?;
    fs::remove_dir_all(&folder)?;

    let mut latencies = latencies.lock().unwrap_or_else(PoisonError::into_inner).clone();
    latencies.sort_unstable();
    let at = |share: f64| latencies[((latencies.len() - 1) as f64 * share) as usize];
    writeln!(
        io::stdout(),
        "{} updates in {elapsed:.1?}: acknowledged p50 {:.2?}, p99 {:.2?}, max {:.2?}; {} commits, last fsync {:.2?}; \
         journal thread {:.2} % of a core",
        latencies.len(),
        at(0.5),
        at(0.99),
        at(1.0),
        status.commits,
        status.last_fsync,
        cpu.as_secs_f64() / elapsed.as_secs_f64() * 100.0,
    )?;
    Ok(())
}

fn any_document() -> DocumentKey {
    DocumentKey { org: OrgId(Uuid::new_v4()), project: ProjectId(Uuid::new_v4()), document: DocumentName::Board }
}

/// CPU time that the thread of this name has used, in the kernel and outside, waiting for the disk not included.
fn thread_cpu(name: &str) -> Result<Duration, Box<dyn Error>> {
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.trim() == name {
            return on_cpu(&task);
        }
    }
    Err(format!("there is no thread {name}").into())
}

/// The first field of `schedstat`, nanoseconds.
fn on_cpu(task: &Path) -> Result<Duration, Box<dyn Error>> {
    let text = fs::read_to_string(task.join("schedstat"))?;
    let nanoseconds = text.split_ascii_whitespace().next().ok_or("an empty schedstat")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}
