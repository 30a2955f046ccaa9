//! 100,000 updates as fast as the server takes them, one reader: how long until it holds them all.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::fan_out_flood::flood;
use super::reader::{Proof, Reader, Timeline, converge};
use super::{Outcome, scaled};
use crate::client::{Client, Deaf};
use crate::script::Script;
use crate::server::Server;
use crate::stats::us_each;
use crate::wire;

const UPDATES: usize = 100_000;
const WRITER: u64 = 1_003;
const CONVERGE_DEADLINE: Duration = Duration::from_secs(40);

pub(crate) async fn run(server: &Server, scale: f64) -> Result<Outcome> {
    let room = "burst";
    server.prepare(room).await?;
    let writer = Client::join(server, room, Deaf).await?;
    let readers = [Reader::join(server, room, WRITER, &Timeline::default(), Proof::Content).await?];
    let mut script = Script::new(WRITER);
    let updates: Vec<_> = (0..scaled(UPDATES, scale)).map(|_| script.append("x")).collect();
    let frames: Vec<_> = updates.iter().map(|update| writer.frame(&wire::update(update))).collect();

    let (before, started) = (server.cpu()?, Instant::now());
    let writing = tokio::time::timeout(CONVERGE_DEADLINE, flood(&writer, &frames)).await;
    let fault = match writing {
        Ok(()) => converge(&readers, script.clock(), CONVERGE_DEADLINE.saturating_sub(started.elapsed())).await,
        Err(_) => Some(format!("the server did not take the updates within {CONVERGE_DEADLINE:?}")),
    };
    let cpu = server.cpu()? - before;
    let took = readers[0].moved_at().saturating_duration_since(started);

    let converged = fault.is_none();
    let fault = fault.or_else(|| readers[0].disproof(&updates));
    Ok(Outcome { figure: converged.then_some(took.as_secs_f64()), ..Outcome::default() }
        .with("CPU us per update", converged.then(|| us_each(cpu, updates.len() as u64)))
        .fault(fault))
}
