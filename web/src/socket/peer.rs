//! One peer's connection: reads the socket, guards what comes, hands it to the room; brings out what the socket did not
//! take at once. Holds next to nothing while the peer is silent.

use std::{sync::Arc, time::Duration};

use orrery_actors::{Arrival, Clock, Flushed, Outbox, RoomHandle};
use orrery_protocol::{
    guard::read_messages,
    id::PeerId,
    limits::WireLimits,
    room::{CloseCode, Fault, Join, Received},
    websocket::{Decoder, Inbound, WebSocketError, pong_frame},
};
use tokio::{net::TcpStream, time::timeout};

use crate::tcp::{self, Read};

/// How long a closing connection may take to bring out its close frame and hear the other's.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// What reading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// The socket was read, or there was nothing.
    Open,
    /// The other end is gone, or said good-bye.
    Ended,
}

/// One connection in a room.
pub(super) struct Peer {
    outbox: Arc<Outbox>,
    room: RoomHandle,
    id: PeerId,
    decoder: Decoder,
    limits: Arc<WireLimits>,
    clock: Clock,
    /// What was read and is not yet in the room's inbox, and its payload in bytes.
    arrivals: Vec<Arrival>,
    bytes: usize,
    /// After a fault nothing more is understood; the room closes when it is time.
    deaf: bool,
}

impl Peer {
    pub(super) fn new(stream: TcpStream, room: RoomHandle, id: PeerId, limits: Arc<WireLimits>, clock: Clock) -> Self {
        let outbox = Arc::new(Outbox::new(stream, room.peer_queue_bytes_max()));
        let decoder = Decoder::new(limits.frame_bytes_max);
        Self { outbox, room, id, decoder, limits, clock, arrivals: Vec::new(), bytes: 0, deaf: false }
    }

    /// Enters the room.
    pub(super) fn join(&mut self, join: Join) {
        self.tell(&mut vec![Arrival::Join(join, self.outbox.clone())]);
    }

    /// Understands nothing of what the peer says, and closes: it may come again as what it is now.
    pub(super) fn turn_away(&mut self) {
        self.deaf = true;
        self.outbox.close(CloseCode::Restarting as u16, "access changed");
    }

    /// Serves the peer, which has joined, until it is gone. `read` came with the upgrade request.
    pub(super) async fn run(mut self, read: &[u8]) {
        let mut progress = self.understand(read);
        loop {
            if !self.arrivals.is_empty() {
                self.hand_over().await;
            }
            if progress == Progress::Ended || self.outbox.is_closing() {
                break;
            }
            tokio::select! {
                ready = self.outbox.stream().readable() => {
                    progress = if ready.is_ok() { self.read() } else { Progress::Ended };
                }
                _ = self.outbox.stream().writable(), if self.outbox.has_backlog() => self.flush(),
                () = self.outbox.woken() => self.flush(),
            }
        }
        self.leave();
        if progress == Progress::Open {
            // The room closed it. A box, because most peers never need this much state.
            Box::pin(timeout(CLOSE_MAX, self.finish())).await.ok();
        }
    }

    fn read(&mut self) -> Progress {
        tcp::with_buffer(|buffer| match tcp::read(self.outbox.stream(), buffer) {
            Read::Bytes(bytes) if !self.deaf => self.understand(bytes),
            Read::Bytes(_) | Read::Nothing => Progress::Open,
            Read::End => Progress::Ended,
        })
    }

    /// Turns bytes into messages for the room.
    fn understand(&mut self, mut input: &[u8]) -> Progress {
        while !self.deaf {
            match self.decoder.feed(&mut input) {
                Ok(None) => break,
                Ok(Some(Inbound::Binary(frame))) => self.guard(&frame),
                Ok(Some(Inbound::Ping(payload))) => {
                    self.outbox.pong(self.clock.now_ms(), &pong_frame(&payload));
                }
                Ok(Some(Inbound::Pong)) => self.arrive(Received::Pong),
                Ok(Some(Inbound::Close { code })) => {
                    self.outbox.close(code.unwrap_or(1000), "");
                    self.flush();
                    return Progress::Ended;
                }
                Ok(Some(Inbound::Text)) => {
                    self.fault(CloseCode::Malformed, Fault::Frame("text messages are not understood".to_owned()));
                }
                Err(error @ WebSocketError::TooLarge { .. }) => {
                    self.fault(CloseCode::TooLarge, Fault::Frame(error.to_string()));
                }
                Err(error @ WebSocketError::Protocol(_)) => {
                    self.fault(CloseCode::Malformed, Fault::Frame(error.to_string()));
                }
            }
        }
        Progress::Open
    }

    fn guard(&mut self, frame: &bytes::Bytes) {
        self.bytes += frame.len();
        let (id, arrivals) = (self.id, &mut self.arrivals);
        let read = read_messages(frame, &self.limits, |message| {
            arrivals.push(Arrival::Received(id, Received::Message(message), 0));
        });
        if let Err(malformed) = read {
            self.fault(CloseCode::Malformed, malformed.into());
        }
    }

    fn fault(&mut self, code: CloseCode, fault: Fault) {
        metrics::counter!("orrery_peer_faults_total").increment(1);
        self.deaf = true;
        self.arrive(Received::Fault(code, fault));
    }

    fn arrive(&mut self, what: Received) {
        self.arrivals.push(Arrival::Received(self.id, what, 0));
    }

    /// Waits for a place in the room's inbox, not reading meanwhile: a flood is slowed down, not dropped.
    async fn hand_over(&mut self) {
        let cost = self.room.inbox().admit(self.arrivals.len(), std::mem::take(&mut self.bytes)).await;
        if let Some(Arrival::Received(_, _, paid)) = self.arrivals.last_mut() {
            *paid = cost;
        }
        let mut arrivals = std::mem::take(&mut self.arrivals);
        // A pong only says that somebody's computer is on.
        if !arrivals.iter().all(|arrival| matches!(arrival, Arrival::Received(_, Received::Pong, _))) {
            self.room.touch(self.clock.now_ms());
        }
        self.tell(&mut arrivals);
    }

    fn flush(&mut self) {
        match self.outbox.flush(self.clock.now_ms()) {
            // Not a message of the peer, and free of charge: the room must hear of it whatever else waits.
            Flushed::Drained(backlog) => {
                self.tell(&mut vec![Arrival::Drained(self.id, backlog)]);
            }
            Flushed::Pending | Flushed::Idle | Flushed::Closed | Flushed::Lost => {}
        }
    }

    /// Tells the room something that is free of charge. Should it be gone, it needs to know nothing more.
    fn tell(&self, arrivals: &mut Vec<Arrival>) {
        if !self.room.inbox().push(arrivals) {
            self.outbox.close(CloseCode::Restarting as u16, "room restarted");
        }
    }

    fn leave(&mut self) {
        self.arrivals.clear();
        self.arrive(Received::Left);
        let mut last = std::mem::take(&mut self.arrivals);
        self.tell(&mut last);
    }

    /// Brings out the close frame, then reads until the other end closes too: a socket dropped with unread input
    /// resets the connection, and the other end would never see why.
    async fn finish(&mut self) {
        self.deaf = true;
        loop {
            let flushed = self.outbox.flush(self.clock.now_ms());
            if flushed == Flushed::Lost {
                return;
            }
            tokio::select! {
                ready = self.outbox.stream().readable() => {
                    if ready.is_err() || self.read() == Progress::Ended {
                        return;
                    }
                }
                _ = self.outbox.stream().writable(), if flushed == Flushed::Pending => {}
            }
        }
    }
}
