//! 2,000 connections in 200 rooms that say nothing after their handshake: what one of them holds in memory.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Outcome, scaled};
use crate::client::{Client, Deaf};
use crate::server::Server;
use crate::wire::{self, Entry};

const ROOMS: usize = 200;
const CONNECTIONS: usize = 2_000;
const SETTLE_STEP: Duration = Duration::from_millis(500);
const SETTLE_DEADLINE: Duration = Duration::from_secs(20);

pub(crate) async fn run(server: &Server, scale: f64) -> Result<Outcome> {
    // One connection more, before the baseline: what a server sets up once is not the cost of a connection.
    server.prepare("first").await?;
    let _first = join(server, "first", 9_999).await?;
    let baseline = settled_kib(server).await?;

    let rooms = scaled(ROOMS, scale);
    let mut clients = Vec::new();
    for number in 0..scaled(CONNECTIONS, scale) {
        let room = format!("r{}", number % rooms);
        if number < rooms {
            server.prepare(&room).await?;
        }
        clients.push(join(server, &room, 10_000 + number as u64).await?);
    }
    let resident = settled_kib(server).await?;
    let ended = clients.iter().filter_map(Client::fault).collect::<Vec<_>>();
    let fault = ended.first().map(|fault| format!("{} connections ended: {fault}", ended.len()));
    Ok(Outcome::of((resident.saturating_sub(baseline)) as f64 / clients.len() as f64)
        .with("baseline MB", baseline as f64 / 1024.0)
        .fault(fault))
}

/// Joins and announces an empty awareness state, as a stock client does by itself.
async fn join(server: &Server, room: &str, id: u64) -> Result<Client> {
    let client = Client::join(server, room, Deaf).await?;
    client.send(&client.frame(&wire::awareness(&[Entry { client: id, clock: 1, json: b"{}" }])));
    client.sent_down_to(0).await;
    Ok(client)
}

/// Resident memory once it has stopped changing.
async fn settled_kib(server: &Server) -> Result<u64> {
    let deadline = Instant::now() + SETTLE_DEADLINE;
    let mut last = server.resident_kib()?;
    loop {
        tokio::time::sleep(SETTLE_STEP).await;
        let now = server.resident_kib()?;
        if now.abs_diff(last) * 200 < last || Instant::now() > deadline {
            return Ok(now);
        }
        last = now;
    }
}
