//! 200 rooms, in each one writer at 5/s and one reader: what an update costs where nothing can be shared.

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

const ROOMS: usize = 200;
const PER_ROOM_AND_SECOND: usize = 5;
/// Updates per room before and in the measured part.
const WARM_UP: usize = 10;
const UPDATES: usize = 30;
const CONVERGE_DEADLINE: Duration = Duration::from_secs(20);

struct Room {
    writer: Client,
    updates: Vec<Vec<u8>>,
    frames: Vec<Vec<u8>>,
    timeline: Timeline,
}

pub(crate) async fn run(server: &Server, scale: f64) -> Result<Outcome> {
    let (mut rooms, mut readers) = (Vec::new(), Vec::new());
    for number in 0..ROOMS {
        let name = format!("r{number}");
        let id = 2_000 + number as u64;
        server.prepare(&name).await?;
        let writer = Client::join(server, &name, Deaf).await?;
        let timeline = Timeline::default();
        let mut script = Script::new(id);
        let updates: Vec<_> = (0..WARM_UP + scaled(UPDATES, scale)).map(|_| script.append("x")).collect();
        let frames = updates.iter().map(|update| writer.frame(&wire::update(update))).collect();
        readers.push(Reader::join(server, &name, id, &timeline, Proof::Content).await?);
        rooms.push(Room { writer, updates, frames, timeline });
    }
    let updates = rooms[0].frames.len();

    // One room after the other, so that writes spread evenly over the second.
    let mut pace = Pace::new(ROOMS * PER_ROOM_AND_SECOND);
    for round in 0..WARM_UP {
        for room in &rooms {
            pace.tick().await;
            room.writer.send(&room.frames[round]);
        }
    }
    let fault = converge(&readers, WARM_UP as u64, CONVERGE_DEADLINE).await;
    rooms.iter().for_each(|room| room.timeline.skip_to(WARM_UP as u64));
    let before = server.cpu()?;
    let mut pace = Pace::new(ROOMS * PER_ROOM_AND_SECOND);
    for round in WARM_UP..updates {
        for room in &rooms {
            pace.tick().await;
            room.timeline.wrote();
            room.writer.send(&room.frames[round]);
        }
    }
    let fault = fault.or(converge(&readers, updates as u64, CONVERGE_DEADLINE).await);
    let cpu = server.cpu()? - before;

    let fault = fault.or_else(|| readers.iter().zip(&rooms).find_map(|(reader, room)| reader.disproof(&room.updates)));
    let (p50, p99) = p50_p99(Timeline::latencies(rooms.iter().map(|room| &room.timeline)));
    Ok(Outcome::of(us_each(cpu, (ROOMS * (updates - WARM_UP)) as u64))
        .with("p50 ms", p50)
        .with("p99 ms", p99)
        .fault(fault))
}
