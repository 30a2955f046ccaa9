//! What a room says to one peer, on its way to the socket. The room writes straight to a socket that takes it: one
//! system call and no wake-up. Only what the socket does not take waits here, and the peer's task brings it out.
//!
//! Bounded: above the limit the queue is dropped, save the rest of a frame whose beginning is out, and the room, which
//! knows what the peer has, sends one diff when the socket drains. A diff is shared by all who wait for it, and kept.

use std::{
    collections::VecDeque,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use orrery_protocol::websocket::{close_frame, frame_len};
use tokio::{net::TcpStream, sync::Notify};

/// What became of frames that were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// They are in the socket, or the peer is going anyway.
    Written,
    /// A backlog begins, of this number.
    Backlogged(u64),
    /// They wait behind a backlog that the room knows of.
    Queued,
    /// The queue was full and is dropped. The number is that of the backlog.
    Overflowed(u64),
}

/// What a flush came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// The socket is full again.
    Pending,
    /// Nothing is left; the backlog of this number, which the room knows of, is over.
    Drained(u64),
    /// Nothing was to be done.
    Idle,
    /// The close frame is out: nothing follows.
    Closed,
    /// The connection is lost.
    Lost,
}

#[derive(Debug, Default)]
struct Queue {
    chunks: VecDeque<Bytes>,
    /// Bytes of the first chunk that are out.
    out: usize,
    /// So many of the first chunks are never dropped.
    kept: usize,
    /// Bytes of all others.
    bytes: usize,
    /// Number of the current backlog, or of the last one.
    backlog: u64,
    /// Whether the room knows of the current backlog.
    told: bool,
    closing: bool,
    lost: bool,
    /// When the socket last took something that had waited.
    progress_ms: u64,
}

/// The writing half of one peer's connection.
#[derive(Debug)]
pub struct Outbox {
    stream: TcpStream,
    queue: Mutex<Queue>,
    wake: Notify,
    bytes_max: usize,
}

impl Outbox {
    /// Takes over a socket. Reading it is left to the peer's task.
    pub fn new(stream: TcpStream, bytes_max: usize) -> Self {
        Self { stream, queue: Mutex::default(), wake: Notify::new(), bytes_max }
    }

    /// The socket, for reading and for waiting.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Resolves when there is something to flush, or the connection is to be closed.
    pub async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Whether anything waits for the socket.
    pub fn has_backlog(&self) -> bool {
        !self.lock().chunks.is_empty()
    }

    /// Whether a close frame was queued.
    pub fn is_closing(&self) -> bool {
        self.lock().closing
    }

    /// Sends whole frames.
    pub(crate) fn send(&self, now_ms: u64, frames: &Bytes) -> Sent {
        let mut queue = self.lock();
        if queue.closing || queue.lost {
            return Sent::Written;
        }
        if queue.chunks.is_empty() {
            return self.write_first(&mut queue, now_ms, frames);
        }
        if queue.bytes + frames.len() > self.bytes_max {
            queue.drop_frames();
            queue.tell();
            // Perhaps nothing is left, and the peer's task has to say so.
            self.wake.notify_one();
            return Sent::Overflowed(queue.backlog);
        }
        queue.push(frames.clone());
        queue.tell()
    }

    /// Sends whole frames whatever their size, and keeps them whatever follows: were they dropped with a queue, a peer
    /// that is behind while others write on would be sent the same again and again.
    pub(crate) fn resync(&self, now_ms: u64, frames: &Bytes) -> Sent {
        let mut queue = self.lock();
        if queue.closing || queue.lost {
            return Sent::Written;
        }
        let sent = if queue.chunks.is_empty() {
            self.write_first(&mut queue, now_ms, frames)
        } else {
            queue.push(frames.clone());
            queue.tell()
        };
        queue.kept = queue.chunks.len();
        queue.bytes = 0;
        sent
    }

    /// Answers a ping if that costs nothing: a peer that does not read gets no answers.
    pub fn pong(&self, now_ms: u64, frame: &Bytes) {
        let mut queue = self.lock();
        if queue.chunks.is_empty() && !queue.closing && !queue.lost {
            self.write(&mut queue, now_ms, frame);
        }
    }

    /// Drops what waits, save the rest of a frame that has begun, and closes with `code`.
    pub fn close(&self, code: u16, reason: &str) {
        let mut queue = self.lock();
        if !queue.closing {
            queue.closing = true;
            queue.kept = 0;
            queue.drop_frames();
            queue.push(close_frame(code, reason));
            self.wake.notify_one();
        }
    }

    /// Milliseconds for which a backlog made no progress; `None` without one.
    pub(crate) fn stuck_for_ms(&self, now_ms: u64) -> Option<u64> {
        let queue = self.lock();
        (!queue.chunks.is_empty()).then(|| now_ms.saturating_sub(queue.progress_ms))
    }

    /// Brings out what waits, as far as the socket takes it.
    pub fn flush(&self, now_ms: u64) -> Flushed {
        let mut queue = self.lock();
        if queue.lost {
            return Flushed::Lost;
        }
        self.write_out(&mut queue, now_ms);
        if queue.lost {
            Flushed::Lost
        } else if !queue.chunks.is_empty() {
            Flushed::Pending
        } else if queue.closing {
            Flushed::Closed
        } else if std::mem::take(&mut queue.told) {
            Flushed::Drained(queue.backlog)
        } else {
            Flushed::Idle
        }
    }

    fn write_first(&self, queue: &mut Queue, now_ms: u64, frames: &Bytes) -> Sent {
        // An empty queue that the room still counts as a backlog: its end is about to be reported.
        let known = queue.told;
        self.write(queue, now_ms, frames);
        if queue.chunks.is_empty() || queue.lost {
            Sent::Written
        } else if known {
            Sent::Queued
        } else {
            queue.tell()
        }
    }

    /// Writes `frames` to a socket behind which nothing waits; the rest begins a backlog.
    fn write(&self, queue: &mut Queue, now_ms: u64, frames: &Bytes) {
        match self.stream.try_write(frames) {
            Ok(written) if written == frames.len() => return,
            Ok(written) => queue.out = written,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => queue.out = 0,
            Err(_) => return self.lose(queue),
        }
        queue.progress_ms = now_ms;
        queue.push(frames.clone());
        self.wake.notify_one();
    }

    fn write_out(&self, queue: &mut Queue, now_ms: u64) {
        while let Some(chunk) = queue.chunks.front() {
            match self.stream.try_write(&chunk[queue.out..]) {
                Ok(written) => {
                    queue.progress_ms = now_ms;
                    queue.out += written;
                    if queue.out == chunk.len() {
                        queue.pop();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return self.lose(queue),
            }
        }
        // Nothing waits: give back what a long backlog had reserved.
        queue.chunks = VecDeque::new();
    }

    /// The peer's task learns of it by reading.
    fn lose(&self, queue: &mut Queue) {
        *queue = Queue { lost: true, backlog: queue.backlog, told: queue.told, ..Queue::default() };
        self.wake.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn push(&mut self, chunk: Bytes) {
        self.bytes += chunk.len();
        self.chunks.push_back(chunk);
    }

    fn pop(&mut self) {
        self.out = 0;
        let sent = self.chunks.pop_front().map_or(0, |chunk| chunk.len());
        match self.kept.checked_sub(1) {
            Some(kept) => self.kept = kept,
            None => self.bytes -= sent,
        }
    }

    /// Reports the backlog to the room, once.
    fn tell(&mut self) -> Sent {
        if std::mem::replace(&mut self.told, true) {
            return Sent::Queued;
        }
        self.backlog += 1;
        Sent::Backlogged(self.backlog)
    }

    /// Drops everything but what is kept, or a frame whose beginning is out.
    fn drop_frames(&mut self) {
        self.bytes = 0;
        if self.kept > 0 {
            self.chunks.truncate(self.kept);
            return;
        }
        let begun = self.chunks.pop_front().filter(|_| self.out > 0);
        self.chunks = VecDeque::new();
        let out = std::mem::take(&mut self.out);
        if let Some(chunk) = begun {
            let (mut start, mut end) = (0, 0);
            while end < out {
                start = end;
                end += frame_len(&chunk[start..]);
            }
            if end > out {
                self.out = out - start;
                self.push(chunk.slice(start..end));
            }
        }
    }
}
