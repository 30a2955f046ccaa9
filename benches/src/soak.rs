//! Hours of use in small: 2,000 connections in 200 rooms with steady edits, and whether memory, descriptors and threads of
//! the server stay what they were.

use std::io::Write as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::client::{Client, Deaf};
use crate::loads::pace::Pace;
use crate::loads::reader::{Proof, Reader, Timeline, converge};
use crate::process::Holdings;
use crate::script::Script;
use crate::server::{Engine, Kind, Places, Server};
use crate::stats::percentile;
use crate::wire;

const ROOMS: usize = 200;
/// Of each room; one more writes.
const READERS: usize = 9;
/// Of all rooms together.
const EDITS_PER_SECOND: usize = 200;
/// The one map key of a room that is overwritten for ever. What one client overwrote in a row, Yjs keeps as one; of keys that
/// take turns it keeps an item for every edit, and the documents themselves would grow.
const KEY: usize = 0;
const SAMPLE_EVERY: Duration = Duration::from_secs(30);
const CONVERGE_DEADLINE: Duration = Duration::from_secs(30);

/// How long, and where.
#[derive(Args)]
pub(crate) struct Plan {
    /// How long to go on.
    #[arg(long, default_value_t = 30)]
    minutes: u64,
    /// Core of the server.
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// Core of the load.
    #[arg(long, default_value_t = 1)]
    pub(crate) load_core: usize,
    /// The server's binary.
    #[arg(long, default_value = "target/release/orrery")]
    orrery: PathBuf,
    /// Folder for data and logs of the server.
    #[arg(long, default_value = "target/bench")]
    data: PathBuf,
}

struct Room {
    writer: Client,
    script: Script,
    reader: Reader,
    others: Vec<Client>,
}

/// Runs the plan; prints a line for each sample and what became of everything.
pub(crate) async fn run(plan: Plan) -> Result<()> {
    std::fs::create_dir_all(&plan.data).context("cannot make the data folder")?;
    let places = Places {
        peers: PathBuf::new(),
        orrery: plan.orrery,
        data: plan.data,
        core: plan.server_core,
        load_core: plan.load_core,
    };
    let server = Server::start(Kind::Orrery, Engine::Off, &Rc::new(places)).await?;
    let mut rooms = Vec::new();
    for number in 0..ROOMS {
        rooms.push(open(&server, number).await?);
    }
    let (started, end) = (Instant::now(), Duration::from_secs(60 * plan.minutes));
    let mut pace = Pace::new(EDITS_PER_SECOND);
    let mut samples = Vec::new();
    for edit in 0.. {
        pace.tick().await;
        let room = &mut rooms[edit % ROOMS];
        let update = room.script.overwrite(KEY, &format!("edit {edit}"));
        room.writer.send(&room.writer.frame(&wire::update(&update)));
        if edit % ROOMS == ROOMS - 1 && started.elapsed() >= SAMPLE_EVERY * (samples.len() as u32 + 1) {
            let sample = server.holdings()?;
            writeln!(std::io::stderr().lock(), "{:>6} s  {sample}", started.elapsed().as_secs())?;
            samples.push(sample);
            if started.elapsed() >= end {
                break;
            }
        }
    }
    let clock = rooms[0].script.clock();
    // Writers stay: what the last of them wrote a moment ago may still be on its way.
    let (_writers, readers): (Vec<_>, Vec<Reader>) =
        rooms.into_iter().map(|room| ((room.writer, room.others), room.reader)).unzip();
    let fault = converge(&readers, clock, CONVERGE_DEADLINE).await;
    let (first, last) = (quarter(&samples, 1), quarter(&samples, 3));
    writeln!(
        std::io::stdout().lock(),
        "{ROOMS} rooms, {} connections, {} edits in {} min\nsecond quarter  {first}\nlast quarter    {last}",
        ROOMS * (READERS + 1),
        clock * ROOMS as u64,
        plan.minutes,
    )?;
    server.stop().await?;
    match fault {
        Some(fault) => bail!(fault),
        None => Ok(()),
    }
}

async fn open(server: &Server, number: usize) -> Result<Room> {
    let (name, id) = (format!("r{number}"), 2_000 + number as u64);
    let writer = Client::join(server, &name, Deaf).await?;
    let reader = Reader::join(server, &name, id, &Timeline::default(), Proof::Clock).await?;
    let mut others = Vec::new();
    while others.len() + 1 < READERS {
        others.push(Client::join(server, &name, Deaf).await?);
    }
    Ok(Room { writer, script: Script::new(id), reader, others })
}

/// Medians of one quarter of the samples, 0 to 3.
fn quarter(samples: &[Holdings], which: usize) -> Holdings {
    let part = &samples[samples.len() * which / 4..(samples.len() * (which + 1) / 4).max(1)];
    let median = |of: fn(&Holdings) -> u64| {
        let mut values: Vec<f64> = part.iter().map(|sample| of(sample) as f64).collect();
        percentile(&mut values, 50.0).unwrap_or_default() as u64
    };
    Holdings {
        resident_kib: median(|sample| sample.resident_kib),
        descriptors: median(|sample| sample.descriptors),
        threads: median(|sample| sample.threads),
    }
}
