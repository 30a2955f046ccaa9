//! 1,000 updates a second over 20 rooms: how long until an update is acknowledged as on disk (message 101, `ext=1`).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::pace::Pace;
use super::reader::p50_p99;
use super::{Outcome, scaled};
use crate::client::{Client, wait_for};
use crate::script::Script;
use crate::server::Server;
use crate::stats::{ms, us_each};
use crate::wire::{self, Message};

const WRITERS: usize = 20;
const PER_SECOND: usize = 1_000;
const UPDATES: usize = 8_000;
const SAVED_DEADLINE: Duration = Duration::from_secs(20);

#[derive(Default)]
struct Acknowledged {
    sent: RefCell<Vec<Instant>>,
    count: Cell<usize>,
    latencies_ms: RefCell<Vec<f64>>,
}

struct Writer {
    client: Client,
    frames: Vec<Vec<u8>>,
    acknowledged: Rc<Acknowledged>,
}

pub(crate) async fn run(server: &Server, scale: f64) -> Result<Outcome> {
    let updates = scaled(UPDATES, scale).div_ceil(WRITERS);
    let mut writers = Vec::new();
    for number in 0..WRITERS {
        writers.push(join(server, number, updates).await?);
    }
    let before = server.cpu()?;
    let mut pace = Pace::new(PER_SECOND);
    for round in 0..updates {
        for writer in &writers {
            pace.tick().await;
            writer.acknowledged.sent.borrow_mut().push(Instant::now());
            writer.client.send(&writer.frames[round]);
        }
    }
    let all =
        wait_for(SAVED_DEADLINE, || writers.iter().all(|writer| writer.acknowledged.count.get() >= updates)).await;
    let cpu = server.cpu()? - before;
    let latencies = writers.iter().flat_map(|writer| writer.acknowledged.latencies_ms.take()).collect();
    let (p50, p99) = p50_p99(latencies);
    Ok(Outcome::of(p99.context("nothing was acknowledged")?)
        .with("p50 ms", p50)
        .with("CPU us per update", us_each(cpu, (updates * WRITERS) as u64))
        .fault((!all).then(|| format!("not everything was acknowledged within {SAVED_DEADLINE:?}"))))
}

async fn join(server: &Server, number: usize, updates: usize) -> Result<Writer> {
    let room = format!("saved{number}");
    server.prepare(&room).await?;
    let acknowledged = Rc::new(Acknowledged::default());
    let hearing = acknowledged.clone();
    let listener = move |message: &Message<'_>, at: Instant| {
        let Message::Saved(count) = message else { return };
        // The count includes the empty SyncStep2 of the opening if the server counts it; never more than was sent.
        let sent = hearing.sent.borrow();
        let count = (*count as usize).min(sent.len());
        let fresh = sent.get(hearing.count.replace(count)..count).unwrap_or_default();
        hearing.latencies_ms.borrow_mut().extend(fresh.iter().map(|sent| ms(at.saturating_duration_since(*sent))));
    };
    let client = Client::join_at(server, &room, &format!("{}&ext=1", server.path(&room)), listener).await?;
    let mut script = Script::new(40_000 + number as u64);
    let frames = (0..updates).map(|_| client.frame(&wire::update(&script.append("x")))).collect();
    Ok(Writer { client, frames, acknowledged })
}
