//! The floor: what the kernel alone costs. A relay that copies raw frames between the sockets of a room.
//!
//! It has no limits, no storage and no documents, so it is no server anybody could use. SyncStep1 is answered with the
//! last large update that the room has seen, or with nothing, so that a handshake ends and a join moves the same bytes.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::spawn_local;

/// Batches that may wait for one peer; a full queue makes the writer wait, as nothing may be lost.
const QUEUE_BATCHES: usize = 64 * 1024;
const READ_BYTES: usize = 64 * 1024;
/// Agrees to an upgrade as if the key were always the one that the loads send.
pub(crate) const UPGRADED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
/// An update of at least this size is taken for a whole document.
const STATE_BYTES_MIN: usize = 8 * 1024;

type Rooms = Rc<RefCell<HashMap<String, Rc<Room>>>>;

#[derive(Default)]
struct Room {
    next: Cell<u64>,
    peers: RefCell<Vec<Rc<Peer>>>,
    state: RefCell<Option<Bytes>>,
}

struct Peer {
    number: u64,
    stream: TcpStream,
    queue: mpsc::Sender<Bytes>,
    queued: Cell<usize>,
}

/// Serves until it is killed, on one thread.
pub(crate) async fn serve(port: u16) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.context("cannot listen")?;
    let rooms = Rooms::default();
    loop {
        let (stream, _) = listener.accept().await?;
        spawn_local(serve_peer(stream, rooms.clone()));
    }
}

async fn serve_peer(mut stream: TcpStream, rooms: Rooms) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = BytesMut::with_capacity(1024);
    let path = upgrade(&mut stream, &mut buffer).await?;
    let room = rooms.borrow_mut().entry(path).or_default().clone();
    let (queue, waiting) = mpsc::channel(QUEUE_BATCHES);
    let number = room.next.replace(room.next.get() + 1);
    let peer = Rc::new(Peer { number, stream, queue, queued: Cell::new(0) });
    room.peers.borrow_mut().push(peer.clone());
    let writing = spawn_local(write(peer.clone(), waiting));
    let ended = relay(&peer, buffer, &room).await;
    room.peers.borrow_mut().retain(|other| other.number != number);
    writing.abort();
    ended
}

/// Answers the upgrade; returns the room's path.
async fn upgrade(stream: &mut TcpStream, buffer: &mut BytesMut) -> Result<String> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        ensure!(stream.read_buf(buffer).await? > 0, "closed before the upgrade");
    };
    let request = buffer.split_to(end);
    let path = String::from_utf8_lossy(&request).split(' ').nth(1).context("no path")?.to_owned();
    stream.write_all(UPGRADED).await?;
    Ok(path)
}

async fn relay(peer: &Peer, mut buffer: BytesMut, room: &Room) -> Result<()> {
    loop {
        let mut batch = Vec::new();
        while let Some(payload) = take_frame(&mut buffer) {
            match payload.as_slice() {
                [0, 0, ..] => peer.send(Bytes::from(frame(&answer(room)))).await,
                // An answer to a SyncStep1 that the floor never sent.
                [0, 1, ..] => {}
                [0, 2, update @ ..] => {
                    if update.len() >= STATE_BYTES_MIN {
                        *room.state.borrow_mut() = Some(Bytes::copy_from_slice(update));
                    }
                    batch.extend_from_slice(&frame(&payload));
                }
                _ => batch.extend_from_slice(&frame(&payload)),
            }
        }
        if !batch.is_empty() {
            let batch = Bytes::from(batch);
            let others: Vec<_> =
                room.peers.borrow().iter().filter(|other| other.number != peer.number).cloned().collect();
            for other in others {
                other.send(batch.clone()).await;
            }
        }
        if buffer.is_empty() {
            buffer = BytesMut::new();
        }
        peer.stream.readable().await?;
        buffer.reserve(READ_BYTES);
        match peer.stream.try_read_buf(&mut buffer) {
            Ok(read) => ensure!(read > 0, "closed"),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl Peer {
    /// Writes to the socket at once; what it does not take waits its turn.
    async fn send(&self, mut batch: Bytes) {
        if self.queued.get() == 0 {
            batch.advance(self.stream.try_write(&batch).unwrap_or(0));
        }
        if !batch.is_empty() {
            self.queued.set(self.queued.get() + 1);
            // A peer that has left meanwhile is no reason to stop.
            let _ = self.queue.send(batch).await;
        }
    }
}

async fn write(peer: Rc<Peer>, mut waiting: mpsc::Receiver<Bytes>) -> Result<()> {
    while let Some(mut batch) = waiting.recv().await {
        while !batch.is_empty() {
            peer.stream.writable().await?;
            match peer.stream.try_write(&batch) {
                Ok(written) => batch.advance(written),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        peer.queued.set(peer.queued.get() - 1);
    }
    Ok(())
}

fn answer(room: &Room) -> Vec<u8> {
    match &*room.state.borrow() {
        Some(update) => [&[0, 1], update.as_ref()].concat(),
        None => vec![0, 1, 2, 0, 0],
    }
}

/// Takes one masked frame off the front and unmasks it.
pub(crate) fn take_frame(buffer: &mut BytesMut) -> Option<Vec<u8>> {
    let (head, len) = match *buffer.get(1)? & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(buffer.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(buffer.get(2..10)?.try_into().ok()?)).ok()?),
        len => (2, usize::from(len)),
    };
    let mask: [u8; 4] = buffer.get(head..head + 4)?.try_into().ok()?;
    let mut payload = buffer.get(head + 4..head + 4 + len)?.to_vec();
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    buffer.advance(head + 4 + len);
    Some(payload)
}

/// A message as one frame of a server.
pub(crate) fn frame(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(payload.len() + 10);
    out.push(0x82);
    match payload.len() {
        len @ ..126 => out.push(len as u8),
        len @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            out.push(127);
            out.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_masks_the_floor_reads() {
        for len in [3, 200, 70_000] {
            let message = vec![5; len];
            let mut buffer = BytesMut::from(crate::websocket::frame(&message).as_slice());
            assert_eq!(take_frame(&mut buffer), Some(message));
            assert!(buffer.is_empty());
        }
    }
}
