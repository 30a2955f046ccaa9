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

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use orrery_protocol::websocket::{Opcode, put_header};
    use tokio::{
        io::AsyncReadExt,
        net::TcpListener,
        time::{Duration, timeout},
    };

    use super::*;

    const FRAME_BYTES: usize = 64 << 10;
    const QUEUE_BYTES: usize = 4 * FRAME_BYTES;

    async fn pair() -> (Outbox, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let reader = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (writer, _) = listener.accept().await.unwrap();
        writer.writable().await.unwrap();
        (Outbox::new(writer, QUEUE_BYTES), reader)
    }

    /// A frame of `payload_bytes` that begins with its number.
    fn frame(number: u32, payload_bytes: usize) -> Bytes {
        let mut out = BytesMut::new();
        put_header(&mut out, Opcode::Binary, payload_bytes);
        out.put_u32(number);
        out.put_bytes(b'.', payload_bytes - 4);
        out.freeze()
    }

    /// Sends numbered frames until something else than `Written` happens; returns it and the next number.
    fn fill(outbox: &Outbox, mut number: u32) -> (Sent, u32) {
        loop {
            let sent = outbox.send(0, &frame(number, FRAME_BYTES));
            number += 1;
            if sent != Sent::Written {
                return (sent, number);
            }
        }
    }

    /// Reads everything while the queue comes out, until `end` is reported.
    async fn drain(outbox: &Outbox, reader: &mut TcpStream, end: Flushed) -> Vec<u8> {
        let mut read = Vec::new();
        let drained = async {
            loop {
                let mut buffer = vec![0; 1 << 20];
                tokio::select! {
                    bytes = reader.read(&mut buffer) => read.extend_from_slice(&buffer[..bytes.unwrap()]),
                    _ = outbox.stream().writable() => if outbox.flush(0) == end { break },
                }
            }
        };
        timeout(Duration::from_secs(20), drained).await.expect("the queue comes out");
        // What the kernel still holds ends with the connection.
        end_writing(outbox);
        reader.read_to_end(&mut read).await.unwrap();
        read
    }

    fn end_writing(outbox: &Outbox) {
        socket2::SockRef::from(outbox.stream()).shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// Opcodes and numbers of whole frames.
    fn frames(mut bytes: &[u8]) -> Vec<(u8, u32)> {
        let mut found = Vec::new();
        while !bytes.is_empty() {
            let (whole, rest) = bytes.split_at(frame_len(bytes));
            let payload = &whole[whole.len().saturating_sub(frame_payload(whole))..];
            let number = payload.first_chunk().map_or(0, |number| u32::from_be_bytes(*number));
            found.push((whole[0] & 0x0f, number));
            bytes = rest;
        }
        found
    }

    fn frame_payload(frame: &[u8]) -> usize {
        match frame[1] {
            126 => frame.len() - 4,
            127 => frame.len() - 10,
            _ => frame.len() - 2,
        }
    }

    #[tokio::test]
    async fn what_the_socket_does_not_take_comes_out_in_order() {
        let (outbox, mut reader) = pair().await;
        let (sent, next) = fill(&outbox, 0);
        assert_eq!(sent, Sent::Backlogged(1));
        assert_eq!(outbox.send(0, &frame(next, 100)), Sent::Queued);
        let read = drain(&outbox, &mut reader, Flushed::Drained(1)).await;
        assert_eq!(frames(&read), (0..=next).map(|number| (2, number)).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_full_queue_is_dropped_but_for_the_frame_that_has_begun() {
        let (outbox, mut reader) = pair().await;
        let (_, mut next) = fill(&outbox, 0);
        loop {
            let sent = outbox.send(0, &frame(next, FRAME_BYTES));
            next += 1;
            if sent == Sent::Overflowed(1) {
                break;
            }
            assert_eq!(sent, Sent::Queued);
        }
        assert!(outbox.lock().bytes <= FRAME_BYTES + 10, "only the begun frame waits");
        let read = drain(&outbox, &mut reader, Flushed::Drained(1)).await;
        let heard = frames(&read);
        assert!(heard.len() < next as usize);
        assert_eq!(heard, (0..).zip(&heard).map(|(number, _)| (2, number)).collect::<Vec<_>>(), "a gapless beginning");
    }

    #[tokio::test]
    async fn a_diff_is_kept_when_the_queue_behind_it_is_dropped() {
        let (outbox, mut reader) = pair().await;
        let (_, next) = fill(&outbox, 0);
        let diff = frame(1_000_000, 3 * QUEUE_BYTES);
        assert_eq!(outbox.resync(0, &diff), Sent::Queued);
        while outbox.send(0, &frame(2_000_000, FRAME_BYTES)) != Sent::Overflowed(1) {}
        let read = drain(&outbox, &mut reader, Flushed::Drained(1)).await;
        let mut expected: Vec<_> = (0..next).map(|number| (2, number)).collect();
        expected.push((2, 1_000_000));
        assert_eq!(frames(&read), expected);
    }

    #[tokio::test]
    async fn a_close_comes_at_once_after_the_frame_that_has_begun() {
        let (outbox, mut reader) = pair().await;
        let (_, next) = fill(&outbox, 0);
        outbox.send(0, &frame(next, FRAME_BYTES));
        outbox.close(1012, "restarting");
        assert_eq!(outbox.send(0, &frame(next + 1, 100)), Sent::Written, "and goes nowhere");
        let read = drain(&outbox, &mut reader, Flushed::Closed).await;
        let heard = frames(&read);
        let (last, before) = heard.split_last().unwrap();
        assert_eq!(last.0, 8, "a close frame");
        assert!(before.len() <= next as usize, "what waited is dropped");
    }
}
