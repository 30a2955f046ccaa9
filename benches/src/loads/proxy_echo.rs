//! WebSocket messages to a container and back, through the front door and through nginx, turn and turn about: what a message
//! and its echo cost either, beside the other.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;

use super::proxy::Behind;
use super::{Outcome, scaled};
use crate::server::Server;
use crate::stats::{median, us_each};
use crate::upstream;
use crate::websocket::{self, Incoming};

const SOCKETS: usize = 16;
const ROUNDS: usize = 5;
/// In each round, through either.
const MESSAGES: usize = 20_000;
const MESSAGE: [u8; 64] = [0x2a; 64];

type Socket = (Incoming, OwnedWriteHalf);

/// CPU per message and its echo in microseconds, and how many there are in a second.
type Round = (f64, f64);

pub(crate) async fn run(server: &Server, scale: f64) -> Result<Outcome> {
    let behind = Behind::start(server).await?;
    let headers = behind.container.visit(server).await?;
    let messages = scaled(MESSAGES, scale);
    let mut ours = open(server.address(), &headers).await?;
    let mut theirs = open(behind.nginx.address(), &headers).await?;

    // Not measured: both warm up.
    round(&mut ours, messages, || server.cpu()).await?;
    round(&mut theirs, messages, || behind.nginx.cpu()).await?;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let through_us = round(&mut ours, messages, || server.cpu()).await?;
        rounds.push((through_us, round(&mut theirs, messages, || behind.nginx.cpu()).await?));
    }
    behind.nginx.stop().await?;

    let of = |value: fn(&(Round, Round)) -> f64| median(&mut rounds.iter().map(value).collect::<Vec<_>>());
    Ok(Outcome::of(of(|(ours, theirs)| ours.0 / theirs.0).context("no rounds")?)
        .with("CPU us", of(|(ours, _)| ours.0))
        .with("nginx CPU us", of(|(_, theirs)| theirs.0))
        .with("messages per second", of(|(ours, _)| ours.1))
        .with("nginx messages per second", of(|(_, theirs)| theirs.1)))
}

async fn open(address: SocketAddr, headers: &str) -> Result<Vec<Socket>> {
    try_join_all((0..SOCKETS).map(|_| websocket::connect_with(address, upstream::ECHO_PATH, headers))).await
}

/// So many messages over all sockets, each after the echo of the one before it.
async fn round(sockets: &mut [Socket], messages: usize, cpu: impl Fn() -> Result<Duration>) -> Result<Round> {
    let frame = websocket::frame(&MESSAGE);
    let each = messages.div_ceil(SOCKETS);
    let (before, began) = (cpu()?, Instant::now());
    try_join_all(sockets.iter_mut().map(|socket| echo_often(socket, &frame, each))).await?;
    let (cpu, took) = (cpu()? - before, began.elapsed());
    let said = each * SOCKETS;
    Ok((us_each(cpu, said as u64), said as f64 / took.as_secs_f64()))
}

async fn echo_often((incoming, outgoing): &mut Socket, frame: &[u8], times: usize) -> Result<()> {
    let mut answer = Vec::new();
    for _ in 0..times {
        outgoing.write_all(frame).await?;
        let mut echoes = 0;
        while echoes == 0 {
            let mut wrong = false;
            let mut hear = |message: &[u8], _: &mut Vec<u8>| {
                echoes += 1;
                wrong |= message != MESSAGE;
            };
            incoming.read(&mut answer, &mut hear).await?;
            ensure!(!wrong && echoes <= 1, "what came back is no echo");
        }
        if !answer.is_empty() {
            outgoing.write_all(&answer).await?;
            answer.clear();
        }
    }
    Ok(())
}
