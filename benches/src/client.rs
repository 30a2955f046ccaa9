//! One connection of a load: it answers what a stock client must answer and hands every message to its listener.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, spawn_local};

use crate::framing::Framing;
use crate::server::Server;
use crate::websocket::{self, Incoming};
use crate::wire::{self, Message, Reader};

/// A browser buffers what it cannot send; a load that buffers this much has proven its point.
const UNSENT_BYTES_MAX: usize = 512 * 1024 * 1024;
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(2);

/// Hears every message of the family, with the time it was read; may push frames to answer with.
pub(crate) trait Listener: 'static {
    fn hear(&mut self, message: &Message<'_>, at: Instant, answer: &mut Vec<u8>, framing: &dyn Framing);
}

impl<F: FnMut(&Message<'_>, Instant) + 'static> Listener for F {
    fn hear(&mut self, message: &Message<'_>, at: Instant, _answer: &mut Vec<u8>, _framing: &dyn Framing) {
        self(message, at);
    }
}

/// A listener for clients that only write.
pub(crate) struct Deaf;

impl Listener for Deaf {
    fn hear(&mut self, _: &Message<'_>, _: Instant, _: &mut Vec<u8>, _: &dyn Framing) {}
}

/// A connected client. Dropping it closes the connection.
pub(crate) struct Client {
    shared: Rc<Shared>,
    framing: Rc<dyn Framing>,
    tasks: [AbortHandle; 2],
}

#[derive(Default)]
struct Shared {
    synced: Cell<bool>,
    fault: RefCell<Option<String>>,
    bytes_in: Cell<u64>,
    paused: Cell<bool>,
    resumed: Notify,
    unsent: RefCell<Vec<u8>>,
    to_send: Notify,
    sent: Notify,
}

impl Client {
    /// Connects, performs the opening and waits until the server has answered SyncStep1.
    pub(crate) async fn join(server: &Server, room: &str, listener: impl Listener) -> Result<Self> {
        Self::join_at(server, room, &server.path(room), listener).await
    }

    /// [`Client::join`] under a request path that says more than the room.
    pub(crate) async fn join_at(server: &Server, room: &str, path: &str, listener: impl Listener) -> Result<Self> {
        let client = Self::open(server, room, path, listener).await?;
        let synced = wait_for(HANDSHAKE_DEADLINE, || client.shared.synced.get() || client.fault().is_some()).await;
        match client.fault() {
            None if synced => Ok(client),
            None => bail!("SyncStep1 was not answered within {HANDSHAKE_DEADLINE:?}"),
            Some(fault) => bail!("the handshake failed: {fault}"),
        }
    }

    async fn open(server: &Server, room: &str, path: &str, listener: impl Listener) -> Result<Self> {
        let framing = server.framing(room);
        let (incoming, outgoing) =
            websocket::connect(server.address(), path).await.with_context(|| format!("room {room}"))?;
        let shared = Rc::new(Shared::default());
        shared.push(&framing.opening());
        let reading = spawn_local(read(shared.clone(), incoming, framing.clone(), listener));
        let writing = spawn_local(write(shared.clone(), outgoing));
        Ok(Self { shared, framing, tasks: [reading.abort_handle(), writing.abort_handle()] })
    }

    /// A message as a frame for this client's room, to be prepared before the clock runs.
    pub(crate) fn frame(&self, message: &[u8]) -> Vec<u8> {
        self.framing.wrap(message)
    }

    /// Queues a prepared frame.
    pub(crate) fn send(&self, frame: &[u8]) {
        self.shared.push(frame);
    }

    /// Waits until at most `bytes` are queued, or the connection has ended.
    pub(crate) async fn sent_down_to(&self, bytes: usize) {
        while self.shared.unsent.borrow().len() > bytes && self.fault().is_none() {
            self.shared.sent.notified().await;
        }
    }

    /// Stops reading; the server finds this client's socket full.
    pub(crate) fn pause(&self) {
        self.shared.paused.set(true);
    }

    /// Reads on.
    pub(crate) fn resume(&self) {
        self.shared.paused.set(false);
        self.shared.resumed.notify_one();
    }

    /// Bytes received since the connection opened.
    pub(crate) fn bytes_in(&self) -> u64 {
        self.shared.bytes_in.get()
    }

    /// Why the connection ended, if it has.
    pub(crate) fn fault(&self) -> Option<String> {
        self.shared.fault.borrow().clone()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Shared {
    fn push(&self, bytes: &[u8]) {
        let mut unsent = self.unsent.borrow_mut();
        unsent.extend_from_slice(bytes);
        if unsent.len() > UNSENT_BYTES_MAX {
            unsent.clear();
            self.end("the server does not read");
        }
        self.to_send.notify_one();
    }

    fn end(&self, fault: impl ToString) {
        self.fault.borrow_mut().get_or_insert_with(|| fault.to_string());
        self.sent.notify_one();
    }
}

async fn read(shared: Rc<Shared>, mut incoming: Incoming, framing: Rc<dyn Framing>, mut listener: impl Listener) {
    let mut answer = Vec::new();
    loop {
        while shared.paused.get() {
            shared.resumed.notified().await;
        }
        let hear = &mut |payload: &[u8], answer: &mut Vec<u8>| {
            let Some(message) = framing.unwrap(payload) else { return };
            let (at, mut reader) = (Instant::now(), Reader::new(message));
            // Read every message of a frame: a load must see what a server sent even if a stock client would not.
            while !reader.rest().is_empty() {
                let Some(message) = wire::read_message(&mut reader) else { break };
                match message {
                    Message::Step1 => answer.extend_from_slice(&framing.wrap(&wire::empty_step2())),
                    Message::Step2(_) => shared.synced.set(true),
                    Message::Update(_) | Message::Awareness(_) | Message::Saved(_) | Message::Other => {}
                }
                listener.hear(&message, at, answer, framing.as_ref());
            }
        };
        match incoming.read(&mut answer, hear).await {
            Ok(bytes) => shared.bytes_in.set(shared.bytes_in.get() + bytes as u64),
            Err(error) => return shared.end(error),
        }
        if !answer.is_empty() {
            shared.push(&answer);
            answer.clear();
        }
    }
}

async fn write(shared: Rc<Shared>, mut outgoing: OwnedWriteHalf) {
    loop {
        let unsent = shared.unsent.take();
        if unsent.is_empty() {
            shared.to_send.notified().await;
            continue;
        }
        if let Err(error) = outgoing.write_all(&unsent).await {
            return shared.end(error);
        }
        shared.sent.notify_one();
    }
}

/// Waits until `done`, at most `deadline`; says whether it came true.
pub(crate) async fn wait_for(deadline: Duration, done: impl Fn() -> bool) -> bool {
    let end = Instant::now() + deadline;
    while !done() {
        if Instant::now() >= end {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
    true
}
