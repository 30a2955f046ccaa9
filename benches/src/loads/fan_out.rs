//! One writer types 50 characters a second, 200 readers watch: what a delivery costs and how late it is.

use std::time::Duration;

use anyhow::Result;

use super::pace::Pace;
use super::reader::{Proof, Reader, Timeline, converge, p50_p99};
use super::{Outcome, scaled};
use crate::client::{Client, Deaf};
use crate::script::Script;
use crate::server::Server;
use crate::stats::us_each;
use crate::wire;

const READERS: usize = 200;
const PER_SECOND: usize = 50;
const WARM_UP: usize = 100;
const UPDATES: usize = 400;
const WRITER: u64 = 1_001;
const CONVERGE_DEADLINE: Duration = Duration::from_secs(20);

pub(crate) async fn run(server: &Server, scale: f64) -> Result<Outcome> {
    let room = "fan-out";
    server.prepare(room).await?;
    let writer = Client::join(server, room, Deaf).await?;
    let timeline = Timeline::default();
    let readers = Reader::join_many(server, room, WRITER, &timeline, scaled(READERS, scale), Proof::Content).await?;
    let mut script = Script::new(WRITER);
    let updates: Vec<_> = (0..WARM_UP + scaled(UPDATES, scale)).map(|_| script.append("x")).collect();
    let frames: Vec<_> = updates.iter().map(|update| writer.frame(&wire::update(update))).collect();
    let (warm_up, steady) = frames.split_at(WARM_UP);

    let mut pace = Pace::new(PER_SECOND);
    for frame in warm_up {
        pace.tick().await;
        writer.send(frame);
    }
    let fault = converge(&readers, WARM_UP as u64, CONVERGE_DEADLINE).await;
    timeline.skip_to(WARM_UP as u64);
    let before = server.cpu()?;
    let mut pace = Pace::new(PER_SECOND);
    for frame in steady {
        pace.tick().await;
        timeline.wrote();
        writer.send(frame);
    }
    let fault = fault.or(converge(&readers, script.clock(), CONVERGE_DEADLINE).await);
    let cpu = server.cpu()? - before;

    let fault = fault.or_else(|| readers[0].disproof(&updates));
    let (p50, p99) = p50_p99(Timeline::latencies([&timeline]));
    Ok(Outcome::of(us_each(cpu, (steady.len() * readers.len()) as u64))
        .with("p50 ms", p50)
        .with("p99 ms", p99)
        .fault(fault))
}
