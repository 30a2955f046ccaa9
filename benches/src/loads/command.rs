//! Commands to a gateway, one after the other, each durable before it is answered: one that changes a switch, and one that
//! makes a container beside more and more others.

use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::json;

use super::reader::p50_p99;
use super::{Outcome, scaled};
use crate::containers::Commands;
use crate::server::Server;
use crate::stats::{ms, us_each};

/// Below what one project may have by default.
const COMMANDS: usize = 400;

pub(crate) async fn run(server: &Server, scale: f64) -> Result<Outcome> {
    let count = scaled(COMMANDS, scale);
    let mut commands = Commands::open(server).await?;
    // The first loads the project.
    commands.give(switch(0)).await?;

    let (mut switched, mut created) = (Vec::new(), Vec::new());
    let before = server.cpu()?;
    for number in 1..=count {
        let asked = Instant::now();
        commands.give(switch(number)).await?;
        switched.push(ms(asked.elapsed()));
    }
    let between = server.cpu()?;
    for number in 0..count {
        let asked = Instant::now();
        commands.create(&format!("Container {number}"), "bench:program").await?;
        created.push(ms(asked.elapsed()));
    }
    let after = server.cpu()?;

    let (new_p50, new_p99) = p50_p99(created);
    let (switch_p50, switch_p99) = p50_p99(switched);
    Ok(Outcome::of(new_p99.context("nothing was created")?)
        .with("new p50 ms", new_p50)
        .with("switch p50 ms", switch_p50)
        .with("switch p99 ms", switch_p99)
        .with("CPU us per switch", us_each(between - before, count as u64))
        .with("CPU us per new", us_each(after - between, count as u64)))
}

fn switch(number: usize) -> serde_json::Value {
    json!({"type": "gateway:disable-shutdown", "disabled": number % 2 == 1})
}
