//! 200 cursors in one room, each moved 5 times a second: what a delivered awareness entry costs.
//!
//! Delivered is an entry that told a client something new. A stock y-websocket 3.1.0 client repeats every entry it
//! hears to the server; the load does so too, or not, by [`Echo`].

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::pace::Pace;
use super::reader::p50_p99;
use super::{Outcome, scaled};
use crate::client::{Client, Listener, wait_for};
use crate::framing::Framing;
use crate::server::Server;
use crate::stats::{ms, us_each};
use crate::wire::{self, Entry, Message};

const CURSORS: usize = 200;
const PER_CURSOR_AND_SECOND: usize = 5;
const WARM_UP_MOVES: usize = 5;
const MOVES: usize = 25;
const FIRST_ID: u64 = 30_000;
const MOVE_DEADLINE: Duration = Duration::from_secs(60);
const ARRIVE_DEADLINE: Duration = Duration::from_secs(20);

/// Whether clients repeat to the server what they hear from it.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Echo {
    Repeat,
    Silent,
}

/// What all clients together have sent and heard.
#[derive(Default)]
struct Score {
    /// Clock and time of each cursor's last move.
    moved: RefCell<Vec<(u64, Instant)>>,
    delivered: Cell<u64>,
    latencies_ms: RefCell<Vec<f64>>,
}

/// One client's view of all cursors.
struct Ear {
    own: usize,
    echo: Echo,
    clocks: Rc<RefCell<Vec<u64>>>,
    score: Rc<Score>,
}

impl Listener for Ear {
    fn hear(&mut self, message: &Message<'_>, at: Instant, answer: &mut Vec<u8>, framing: &dyn Framing) {
        let Message::Awareness(payload) = message else { return };
        let mut clocks = self.clocks.borrow_mut();
        let mut news = Vec::new();
        for entry in wire::entries(payload) {
            let Some(cursor) = entry.client.checked_sub(FIRST_ID).map(|cursor| cursor as usize) else { continue };
            if cursor == self.own || clocks.get(cursor).is_none_or(|known| entry.clock <= *known) {
                continue;
            }
            clocks[cursor] = entry.clock;
            self.score.delivered.set(self.score.delivered.get() + 1);
            if let Some((clock, moved)) = self.score.moved.borrow().get(cursor)
                && *clock == entry.clock
            {
                self.score.latencies_ms.borrow_mut().push(ms(at.saturating_duration_since(*moved)));
            }
            news.push(entry);
        }
        if self.echo == Echo::Repeat && !news.is_empty() {
            answer.extend_from_slice(&framing.wrap(&wire::awareness(&news)));
        }
    }
}

struct Cursor {
    client: Client,
    clocks: Rc<RefCell<Vec<u64>>>,
    frames: Vec<Vec<u8>>,
}

pub(crate) async fn run(server: &Server, scale: f64, echo: Echo) -> Result<Outcome> {
    let room = "cursors";
    server.prepare(room).await?;
    let count = scaled(CURSORS, scale);
    let moves = WARM_UP_MOVES + MOVES;
    let score = Rc::new(Score::default());
    score.moved.borrow_mut().resize(count, (0, Instant::now()));
    let mut cursors = Vec::new();
    for own in 0..count {
        let clocks = Rc::new(RefCell::new(vec![0; count]));
        let ear = Ear { own, echo, clocks: clocks.clone(), score: score.clone() };
        let client = Client::join(server, room, ear).await?;
        let frames = (1..=moves).map(|clock| client.frame(&position(own, clock))).collect();
        cursors.push(Cursor { client, clocks, frames });
    }

    play(&cursors, &score, 0..WARM_UP_MOVES).await;
    let fault = arrive(&cursors, WARM_UP_MOVES as u64).await;
    score.latencies_ms.borrow_mut().clear();
    let (before, delivered) = (server.cpu()?, score.delivered.get());
    let slow = play(&cursors, &score, WARM_UP_MOVES..moves).await;
    let fault = fault.or(slow).or(arrive(&cursors, moves as u64).await);
    let cpu = server.cpu()? - before;
    let delivered = score.delivered.get() - delivered;

    let possible = (count * count.saturating_sub(1) * MOVES) as u64;
    let (p50, p99) = p50_p99(score.latencies_ms.take());
    Ok(Outcome { figure: (delivered > 0).then(|| us_each(cpu, delivered)), ..Outcome::default() }
        .with("p50 ms", p50)
        .with("p99 ms", p99)
        .with("delivered %", delivered as f64 * 100.0 / possible as f64)
        .with("CPU us per move and client", us_each(cpu, possible))
        .fault(fault))
}

/// A cursor as editors announce it.
fn position(cursor: usize, clock: usize) -> Vec<u8> {
    let at = clock * 7 % 1_000;
    let json = format!(
        r##"{{"user":{{"name":"member {cursor:03}","color":"#30bced"}},"cursor":{{"anchor":{at},"head":{at}}}}}"##
    );
    wire::awareness(&[Entry { client: FIRST_ID + cursor as u64, clock: clock as u64, json: json.as_bytes() }])
}

/// Moves every cursor at its rate, one after the other. Says so if the rate could not be kept at all.
async fn play(cursors: &[Cursor], score: &Score, moves: std::ops::Range<usize>) -> Option<String> {
    let mut pace = Pace::new(cursors.len() * PER_CURSOR_AND_SECOND);
    let started = Instant::now();
    for number in moves {
        for (own, cursor) in cursors.iter().enumerate() {
            pace.tick().await;
            score.moved.borrow_mut()[own] = (number as u64 + 1, Instant::now());
            cursor.client.send(&cursor.frames[number]);
        }
        if started.elapsed() > MOVE_DEADLINE {
            return Some(format!("the moves were not made within {MOVE_DEADLINE:?}"));
        }
    }
    None
}

/// Waits until every client knows every other cursor's last move; says what is missing.
async fn arrive(cursors: &[Cursor], clock: u64) -> Option<String> {
    let knows_all = |own: usize, cursor: &Cursor| {
        cursor.clocks.borrow().iter().enumerate().all(|(other, known)| other == own || *known >= clock)
    };
    wait_for(ARRIVE_DEADLINE, || cursors.iter().enumerate().all(|(own, cursor)| knows_all(own, cursor))).await;
    let behind: Vec<_> = cursors.iter().enumerate().filter(|(own, cursor)| !knows_all(*own, cursor)).collect();
    let closed = behind.iter().find_map(|(_, cursor)| cursor.client.fault());
    let closed = closed.map(|fault| format!("; {fault}")).unwrap_or_default();
    (!behind.is_empty()).then(|| {
        format!("{} of {} clients miss last moves after {ARRIVE_DEADLINE:?}{closed}", behind.len(), cursors.len())
    })
}
