//! Readers of one writer's text or map: how far they have come, how late they heard it, and what they hold.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::client::{Client, wait_for};
use crate::reach::Reach;
use crate::script;
use crate::server::Server;
use crate::stats::{ms, percentile};
use crate::wire::Message;

/// A server that moves nothing for this long will not move any more.
const PROGRESS_DEADLINE: Duration = Duration::from_secs(8);

/// A reader that has to keep more than this has been sent the same things over and over.
const HEARD_BYTES_MAX: usize = 512 * 1024 * 1024;

/// When a writer wrote each clock of its content; what was written before the measured part is `None`.
#[derive(Clone, Default)]
pub(crate) struct Timeline {
    written: Rc<RefCell<Vec<Option<Instant>>>>,
    latencies_ms: Rc<RefCell<Vec<f64>>>,
}

impl Timeline {
    /// Notes a write of one clock, now.
    pub(crate) fn wrote(&self) {
        self.written.borrow_mut().push(Some(Instant::now()));
    }

    /// Notes that the first `clock` clocks do not count.
    pub(crate) fn skip_to(&self, clock: u64) {
        self.written.borrow_mut().resize(clock as usize, None);
    }

    fn heard(&self, from: u64, to: u64, at: Instant) {
        let written = self.written.borrow();
        let known = written.get(from as usize..(to as usize).min(written.len())).unwrap_or_default();
        self.latencies_ms
            .borrow_mut()
            .extend(known.iter().flatten().map(|written| ms(at.saturating_duration_since(*written))));
    }

    /// All latencies heard so far, in milliseconds, of all the timelines together.
    pub(crate) fn latencies<'a>(timelines: impl IntoIterator<Item = &'a Self>) -> Vec<f64> {
        timelines.into_iter().flat_map(|timeline| timeline.latencies_ms.borrow().clone()).collect()
    }
}

/// The 50th and 99th percentile.
pub(crate) fn p50_p99(mut values: Vec<f64>) -> (Option<f64>, Option<f64>) {
    (percentile(&mut values, 50.0), percentile(&mut values, 99.0))
}

/// One reader.
pub(crate) struct Reader {
    pub(crate) client: Client,
    holding: Rc<Holding>,
}

/// What a reader holds; it outlives a connection.
struct Holding {
    reach: RefCell<Reach>,
    moved_at: Cell<Instant>,
    timeline: Timeline,
    /// Everything heard, if this reader is to prove what it holds.
    heard: Option<RefCell<Vec<Vec<u8>>>>,
    heard_bytes: Cell<usize>,
}

/// Whether a reader keeps all it hears, to be compared with what was written.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Proof {
    Content,
    Clock,
}

impl Reader {
    pub(crate) async fn join(
        server: &Server,
        room: &str,
        writer: u64,
        timeline: &Timeline,
        proof: Proof,
    ) -> Result<Self> {
        let holding = Rc::new(Holding {
            reach: RefCell::new(Reach::new(writer)),
            moved_at: Cell::new(Instant::now()),
            timeline: timeline.clone(),
            heard: (proof == Proof::Content).then(RefCell::default),
            heard_bytes: Cell::new(0),
        });
        Ok(Self { client: Client::join(server, room, listener(&holding)).await?, holding })
    }

    /// Joins `count` readers, of which the first gives this proof and the others that of the clock.
    pub(crate) async fn join_many(
        server: &Server,
        room: &str,
        writer: u64,
        timeline: &Timeline,
        count: usize,
        first: Proof,
    ) -> Result<Vec<Self>> {
        let mut readers = vec![Self::join(server, room, writer, timeline, first).await?];
        while readers.len() < count {
            readers.push(Self::join(server, room, writer, timeline, Proof::Clock).await?);
        }
        Ok(readers)
    }

    /// Connects again if the server has closed the connection, as a stock client would; says whether it had.
    pub(crate) async fn rejoin(&mut self, server: &Server, room: &str) -> Result<bool> {
        let closed = self.client.fault().is_some();
        if closed {
            self.client = Client::join(server, room, listener(&self.holding)).await?;
        }
        Ok(closed)
    }

    pub(crate) fn clock(&self) -> u64 {
        self.holding.reach.borrow().clock()
    }

    /// When the reach last grew.
    pub(crate) fn moved_at(&self) -> Instant {
        self.holding.moved_at.get()
    }

    /// Compares what this reader heard with `written`; says what differs.
    pub(crate) fn disproof(&self, written: &[Vec<u8>]) -> Option<String> {
        let heard = self.holding.heard.as_ref()?.borrow();
        if self.holding.heard_bytes.get() > HEARD_BYTES_MAX {
            return Some(format!("the reader was sent {} MB", self.holding.heard_bytes.get() / 1_000_000));
        }
        let expected = script::content(written.iter().map(Vec::as_slice));
        match (script::content(heard.iter().map(Vec::as_slice)), expected) {
            (Ok(held), Ok(expected)) if held == expected => None,
            (Ok(_), Ok(_)) => Some("the reader holds something else than was written".to_owned()),
            (Err(error), _) | (_, Err(error)) => Some(format!("what the reader holds is broken: {error:#}")),
        }
    }
}

fn listener(holding: &Rc<Holding>) -> impl FnMut(&Message<'_>, Instant) + use<> {
    let holding = holding.clone();
    move |message, at| match message {
        Message::Step2(update) | Message::Update(update) => {
            let mut reach = holding.reach.borrow_mut();
            let before = reach.clock();
            reach.hear(update);
            if reach.clock() > before {
                holding.moved_at.set(at);
                holding.timeline.heard(before, reach.clock(), at);
            }
            if let Some(heard) = &holding.heard {
                holding.heard_bytes.set(holding.heard_bytes.get() + update.len());
                if holding.heard_bytes.get() <= HEARD_BYTES_MAX {
                    heard.borrow_mut().push(update.to_vec());
                }
            }
        }
        Message::Step1 | Message::Awareness(_) | Message::Saved(_) | Message::Other => {}
    }
}

/// Waits until every reader holds everything below `clock`; gives up when nothing moves any more, or at the deadline.
/// Says what is missing.
pub(crate) async fn converge(readers: &[Reader], clock: u64, deadline: Duration) -> Option<String> {
    let started = Instant::now();
    let arrived = || readers.iter().all(|reader| reader.clock() >= clock);
    let stuck = || {
        let moved_at = readers.iter().map(Reader::moved_at).max().unwrap_or(started).max(started);
        moved_at.elapsed() > PROGRESS_DEADLINE
    };
    wait_for(deadline, || arrived() || stuck()).await;
    let late: Vec<_> = readers.iter().filter(|reader| reader.clock() < clock).collect();
    let worst = late.iter().map(|reader| reader.clock()).min()?;
    let closed = late.iter().filter_map(|reader| reader.client.fault()).next();
    let closed = closed.map(|fault| format!("; {fault}")).unwrap_or_default();
    Some(format!(
        "{} of {} readers lack data after {:.0} s (the worst has {worst} of {clock}; up to {:.1} MB came){closed}",
        late.len(),
        readers.len(),
        started.elapsed().as_secs_f64(),
        late.iter().map(|reader| reader.client.bytes_in()).max().unwrap_or_default() as f64 / 1e6
    ))
}
