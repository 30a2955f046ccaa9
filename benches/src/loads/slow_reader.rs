//! 10 readers stop reading for 10 s while 4 MB/s are written for each: how much the server keeps for them, and whether
//! they hold everything once they read on.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::pace::Pace;
use super::reader::{Proof, Reader, Timeline, converge};
use super::{Outcome, scaled};
use crate::client::{Client, Deaf};
use crate::script::Script;
use crate::server::Server;
use crate::wire;

const READERS: usize = 10;
const PER_SECOND: usize = 1_000;
const VALUE_BYTES: usize = 4_000;
const KEYS: usize = 16;
const WARM_UP: usize = 500;
const STALL_SECONDS: usize = 10;
const WRITER: u64 = 1_005;
const LOOK: Duration = Duration::from_millis(100);
const WRITE_DEADLINE: Duration = Duration::from_secs(40);
const CONVERGE_DEADLINE: Duration = Duration::from_secs(60);

/// What is written: values that replace each other, so that the document stays small, or text, so that it grows.
#[derive(Clone, Copy)]
pub(crate) enum Writing {
    Map,
    Text,
}

pub(crate) async fn run(server: &Server, scale: f64, writing: Writing) -> Result<Outcome> {
    let room = "slow";
    server.prepare(room).await?;
    let writer = Client::join(server, room, Deaf).await?;
    let timeline = Timeline::default();
    let proof = match writing {
        Writing::Map => Proof::Content,
        // One transaction of that many long appends takes yrs tens of gigabytes; the clock must do.
        Writing::Text => Proof::Clock,
    };
    let mut readers = Reader::join_many(server, room, WRITER, &timeline, READERS, proof).await?;
    let mut script = Script::new(WRITER);
    let mut updates = Vec::new();
    for number in 0..WARM_UP + scaled(PER_SECOND * STALL_SECONDS, scale) {
        let value = format!("{number:0>VALUE_BYTES$}");
        updates.push(match writing {
            Writing::Map => script.overwrite(number % KEYS, &value),
            Writing::Text => script.append(&value),
        });
    }

    write(&writer, &updates[..WARM_UP], server).await?;
    let warm = match writing {
        Writing::Map => WARM_UP as u64,
        Writing::Text => (WARM_UP * VALUE_BYTES) as u64,
    };
    let fault = converge(&readers, warm, CONVERGE_DEADLINE).await;
    let before = server.resident_kib()?;
    readers.iter().for_each(|reader| reader.client.pause());
    let started = Instant::now();
    let (peak, taken) = write(&writer, &updates[WARM_UP..], server).await?;
    let stalled = started.elapsed();

    readers.iter().for_each(|reader| reader.client.resume());
    let mut reconnects = 0;
    let mut missing = converge(&readers, script.clock(), CONVERGE_DEADLINE).await;
    for reader in &mut readers {
        // A closed reader is no loss if it comes back and finds everything, as a stock client does.
        reconnects += usize::from(reader.rejoin(server, room).await?);
    }
    if reconnects > 0 {
        missing = converge(&readers, script.clock(), CONVERGE_DEADLINE).await;
    }
    let refused = (!taken).then(|| format!("the server did not take the updates within {WRITE_DEADLINE:?}"));
    let fault = fault.or(refused).or(missing).or_else(|| readers[0].disproof(&updates));
    Ok(Outcome::of(peak.saturating_sub(before) as f64 * 1_024.0 / 1e6)
        .with("written in s", stalled.as_secs_f64())
        .with("reconnects", reconnects as f64)
        .fault(fault))
}

/// Writes at the rate, or as fast as the server takes it if that is slower. Returns the highest resident memory seen,
/// in KiB, and whether the server took everything in time.
async fn write(writer: &Client, updates: &[Vec<u8>], server: &Server) -> Result<(u64, bool)> {
    let mut pace = Pace::new(PER_SECOND);
    let (started, mut looked) = (Instant::now(), Instant::now());
    let mut peak = server.resident_kib()?;
    for update in updates {
        pace.tick().await;
        writer.send(&writer.frame(&wire::update(update)));
        let left = WRITE_DEADLINE.saturating_sub(started.elapsed());
        if tokio::time::timeout(left, writer.sent_down_to(VALUE_BYTES * 16)).await.is_err() {
            return Ok((peak, false));
        }
        if looked.elapsed() > LOOK {
            looked = Instant::now();
            peak = peak.max(server.resident_kib()?);
        }
    }
    Ok((peak.max(server.resident_kib()?), true))
}
