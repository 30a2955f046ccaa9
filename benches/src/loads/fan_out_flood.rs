//! One writer types as fast as the server takes it, 200 readers watch: what a delivered update costs.
//!
//! Delivered is what was written times the readers that came to hold it, however many frames that took.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::reader::{Proof, Reader, Timeline, converge};
use super::{Outcome, scaled};
use crate::client::{Client, Deaf};
use crate::script::Script;
use crate::server::Server;
use crate::stats::us_each;
use crate::wire;

const READERS: usize = 200;
const WARM_UP: usize = 500;
const UPDATES: usize = 4_000;
const WRITER: u64 = 1_002;
/// Frames handed to the socket at once, and bytes that may wait behind them.
const CHUNK: usize = 64;
const UNSENT_BYTES_MAX: usize = 64 * 1024;
const CONVERGE_DEADLINE: Duration = Duration::from_secs(100);

pub(crate) async fn run(server: &Server, scale: f64) -> Result<Outcome> {
    let room = "flood";
    server.prepare(room).await?;
    let writer = Client::join(server, room, Deaf).await?;
    let timeline = Timeline::default();
    let readers = Reader::join_many(server, room, WRITER, &timeline, scaled(READERS, scale), Proof::Content).await?;
    let mut script = Script::new(WRITER);
    let updates: Vec<_> = (0..WARM_UP + scaled(UPDATES, scale)).map(|_| script.append("x")).collect();
    let frames: Vec<_> = updates.iter().map(|update| writer.frame(&wire::update(update))).collect();
    let (warm_up, measured) = frames.split_at(WARM_UP);

    flood(&writer, warm_up).await;
    let fault = converge(&readers, WARM_UP as u64, CONVERGE_DEADLINE).await;
    let reached: u64 = readers.iter().map(Reader::clock).sum();
    let (before, started) = (server.cpu()?, Instant::now());
    flood(&writer, measured).await;
    let fault = fault.or(converge(&readers, script.clock(), CONVERGE_DEADLINE).await);
    let cpu = server.cpu()? - before;
    let ended = readers.iter().map(Reader::moved_at).max().unwrap_or(started);
    let delivered = readers.iter().map(Reader::clock).sum::<u64>() - reached;

    let fault = fault.or_else(|| readers[0].disproof(&updates));
    Ok(Outcome { figure: (delivered > 0).then(|| us_each(cpu, delivered)), ..Outcome::default() }
        .with("converged s", fault.is_none().then(|| ended.duration_since(started).as_secs_f64()))
        .fault(fault))
}

/// Sends every frame, waiting only for the socket.
pub(super) async fn flood(writer: &Client, frames: &[Vec<u8>]) {
    for chunk in frames.chunks(CHUNK) {
        chunk.iter().for_each(|frame| writer.send(frame));
        writer.sent_down_to(UNSENT_BYTES_MAX).await;
    }
}
