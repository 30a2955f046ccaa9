//! A document of 260,000 single-character edits, joined by an empty client: what one join costs.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use yrs::{GetString, ReadTxn, StateVector, Text, Transact};

use super::reader::{Proof, Reader, Timeline, converge};
use super::{Outcome, scaled};
use crate::client::{Client, Deaf};
use crate::script::new_doc;
use crate::server::Server;
use crate::stats::{median, ms};
use crate::wire;

const EDITS: usize = 260_000;
const JOINS: usize = 11;
const AUTHOR: u64 = 1_004;
const LONGEST_TYPED: u64 = 48;
const LONGEST_DELETED: u64 = 32;
const JOIN_DEADLINE: Duration = Duration::from_secs(20);
/// A server that uses less than this in one look has finished what it was doing.
const QUIET_CPU: Duration = Duration::from_millis(2);
const QUIET_LOOK: Duration = Duration::from_millis(150);
const QUIET_DEADLINE: Duration = Duration::from_secs(30);

struct Document {
    update: Vec<u8>,
    clock: u64,
}

pub(crate) async fn run(server: &Server, scale: f64) -> Result<Outcome> {
    let document = write_document(scaled(EDITS, scale))?;
    let room = "large";
    server.prepare(room).await?;
    // It stays connected, or servers without storage would forget the document.
    let author = Client::join(server, room, Deaf).await?;
    author.send(&author.frame(&wire::update(&document.update)));
    author.sent_down_to(0).await;
    quiet(server).await?;

    let (mut cpu_ms, mut wall_ms) = (Vec::new(), Vec::new());
    let (mut bytes, mut fault) = (0, None);
    for number in 0..JOINS {
        let proof = if number == 0 { Proof::Content } else { Proof::Clock };
        let (before, started) = (server.cpu()?, Instant::now());
        let readers = [Reader::join(server, room, AUTHOR, &Timeline::default(), proof).await?];
        fault = fault.or(converge(&readers, document.clock, JOIN_DEADLINE).await);
        wall_ms.push(ms(readers[0].moved_at().saturating_duration_since(started)));
        quiet(server).await?;
        cpu_ms.push(ms(server.cpu()? - before));
        bytes = readers[0].client.bytes_in();
        fault = fault.or_else(|| readers[0].disproof(std::slice::from_ref(&document.update)));
        drop(readers);
        quiet(server).await?;
    }
    let first = cpu_ms[0];
    let figure = median(&mut cpu_ms).context("no joins")?;
    Ok(Outcome::of(figure)
        .with("first ms", first)
        .with("wall ms", median(&mut wall_ms))
        .with("KB received", bytes as f64 / 1e3)
        .fault(fault))
}

/// Waits until the server has nothing to do.
async fn quiet(server: &Server) -> Result<()> {
    let deadline = Instant::now() + QUIET_DEADLINE;
    let mut last = server.cpu()?;
    loop {
        tokio::time::sleep(QUIET_LOOK).await;
        let now = server.cpu()?;
        if now - last < QUIET_CPU {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the server does not come to rest");
        last = now;
    }
}

/// Somebody's long day: typing in runs, going back over the last words, and jumping elsewhere now and then.
fn write_document(edits: usize) -> Result<Document> {
    let doc = new_doc(AUTHOR);
    let text = doc.get_or_insert_text("text");
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut done, mut cursor, mut clock) = (0, 0_u32, 0);
    while done < edits {
        let mut txn = doc.try_transact_mut().context("the document is busy")?;
        let len = text.len(&txn);
        if dice.roll(6) == 0 {
            cursor = dice.roll(u64::from(len) + 1) as u32;
        }
        let left = edits - done;
        if dice.roll(5) < 2 && cursor > 0 {
            let run = (dice.roll(LONGEST_DELETED) as u32 + 1).min(cursor).min(left as u32);
            cursor -= run;
            text.remove_range(&mut txn, cursor, run);
            done += run as usize;
        } else {
            let run = (dice.roll(LONGEST_TYPED) as usize + 1).min(left);
            let typed: String = (0..run).map(|_| char::from(b'a' + dice.roll(26) as u8)).collect();
            text.insert(&mut txn, cursor, &typed);
            cursor += run as u32;
            clock += run as u64;
            done += run;
        }
    }
    let txn = doc.try_transact().context("the document is busy")?;
    ensure!(!text.get_string(&txn).is_empty(), "the document is empty");
    Ok(Document { update: txn.encode_state_as_update_v1(&StateVector::default()), clock })
}

/// A xorshift generator: the same document in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reach::Reach;

    #[test]
    fn the_document_is_whole_and_the_same_each_time() {
        let document = write_document(5_000).unwrap();
        let mut reach = Reach::new(AUTHOR);
        reach.hear(&document.update);
        assert_eq!(reach.clock(), document.clock);
        assert_eq!(document.update, write_document(5_000).unwrap().update);
    }
}
