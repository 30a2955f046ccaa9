//! An organization moves between gateways while somebody types 50 times a second and comes back at once when closed: how
//! long what is typed then waits until it is acknowledged as on disk, and whether all of it is.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::reader::p50_p99;
use super::{Outcome, scaled};
use crate::client::{Client, wait_for};
use crate::script::Script;
use crate::server::Server;
use crate::stats::ms;
use crate::wire::{self, Message};

const MOVES: usize = 20;
const TYPE_EVERY: Duration = Duration::from_millis(20);
const RETRY_EVERY: Duration = Duration::from_millis(5);
const TYPED_BETWEEN: usize = 10;
const SAVED_DEADLINE: Duration = Duration::from_secs(20);
const ROOM: &str = "moving";

/// One connection of the typist: what it sent, and how many of those are acknowledged.
struct Typist {
    client: Client,
    sent: usize,
    saved: Rc<Cell<usize>>,
}

pub(crate) async fn run(server: &Server, scale: f64) -> Result<Outcome> {
    let mut script = Script::new(50_000);
    let mut typist = Typist::join(server).await?;
    let mut pauses_ms = Vec::new();
    for _ in 0..scaled(MOVES, scale) {
        for _ in 0..TYPED_BETWEEN {
            typist.send(&wire::update(&script.append("x")));
            tokio::time::sleep(TYPE_EVERY).await;
        }
        typist.settled().await?;
        let slot = slot_of(server).await?;
        let path = format!("/api/pool/slots/{slot}/drain");
        let body = json!({});
        // The move is ordered while the typist types on; the pause is what the slowest of its updates waits.
        let (moved, pause) = tokio::join!(server.ask("POST", &path, Some(&body)), typist.type_on(server, &mut script));
        moved?;
        let (next, pause) = pause?;
        typist = next;
        pauses_ms.push(ms(pause));
    }
    let (p50, p99) = p50_p99(pauses_ms);
    Ok(Outcome::of(p99.context("nothing moved")?).with("p50 ms", p50))
}

impl Typist {
    async fn join(server: &Server) -> Result<Self> {
        let saved = Rc::new(Cell::new(0));
        let hearing = saved.clone();
        let listener = move |message: &Message<'_>, _: Instant| {
            if let Message::Saved(count) = message {
                hearing.set(*count as usize);
            }
        };
        let path = format!("{}&ext=1", server.path(ROOM));
        Ok(Self { client: Client::join_at(server, ROOM, &path, listener).await?, sent: 0, saved })
    }

    fn send(&mut self, update: &[u8]) {
        let frame = self.client.frame(update);
        self.client.send(&frame);
        self.sent += 1;
    }

    /// Waits until all that it sent is acknowledged.
    async fn settled(&self) -> Result<()> {
        let done = || self.saved.get() >= self.sent || self.client.fault().is_some();
        match (wait_for(SAVED_DEADLINE, done).await, self.client.fault()) {
            (true, None) => Ok(()),
            (_, Some(fault)) => bail!("the connection ended: {fault}"),
            (false, None) => bail!("not acknowledged within {SAVED_DEADLINE:?}"),
        }
    }

    /// Types one update after the other, each acknowledged before the next, through the move: whatever was not acknowledged
    /// when the connection ended is sent again on the next one. The next connection, and the longest wait.
    async fn type_on(mut self, server: &Server, script: &mut Script) -> Result<(Self, Duration)> {
        let mut longest = Duration::ZERO;
        let mut after = 0;
        let mut moved = false;
        while after < TYPED_BETWEEN {
            let update = wire::update(&script.append("y"));
            let typed = Instant::now();
            self.send(&update);
            while self.settled().await.is_err() {
                moved = true;
                ensure!(typed.elapsed() < SAVED_DEADLINE, "not served again within {SAVED_DEADLINE:?}");
                match Self::join(server).await {
                    Ok(next) => {
                        self = next;
                        self.send(&update);
                    }
                    Err(_) => tokio::time::sleep(RETRY_EVERY).await,
                }
            }
            longest = longest.max(typed.elapsed());
            after += usize::from(moved);
            tokio::time::sleep(TYPE_EVERY).await;
        }
        Ok((self, longest))
    }
}

/// The slot that serves the organization.
async fn slot_of(server: &Server) -> Result<Value> {
    let pool = server.ask("GET", "/api/pool", None).await?;
    let org = &server.admission()?.org;
    let slots = pool["slots"].as_array().context("no slots")?;
    let slot = slots.iter().find(|slot| slot["org"] == org.as_str()).context("it is served nowhere")?;
    Ok(slot["slot"].clone())
}
