//! Two sockets that became one: what either end sends goes to the other. Holds next to nothing while both are silent, and
//! reads no more than the other end takes.

use std::{io, pin::pin, time::Duration};

use bytes::Bytes;
use tokio::{net::TcpStream, task::coop::consume_budget, time::timeout};

use super::pulse::{PING, Pulse};
use crate::tcp::{self, Read};

/// After one direction ended, how long the other may go on. Ends of WebSockets answer a close at once.
const HALF_OPEN_MAX: Duration = Duration::from_secs(30);

/// An end that takes nothing for this long has both connections closed.
const STALL_MAX: Duration = Duration::from_secs(60);

/// A socket taken over from HTTP, and what was read of it already.
pub(super) struct End {
    pub(super) stream: TcpStream,
    pub(super) read: Bytes,
}

/// Relays until both directions are over. `one` is the client's; it is pinged whenever `other` was silent for `ping_after`.
pub(super) async fn relay(one: End, other: End, ping_after: Option<Duration>) {
    let mut there = pin!(pump(&one.stream, one.read, &other.stream, None));
    let mut back = pin!(pump(&other.stream, other.read, &one.stream, ping_after));
    let left = tokio::select! {
        ended = &mut there => ended.map(|()| back),
        ended = &mut back => ended.map(|()| there),
    };
    if let Ok(left) = left {
        timeout(HALF_OPEN_MAX, left).await.ok();
    }
}

/// One direction, until its source ends; then its sink is told.
///
/// # Errors
/// The sink takes nothing any more: what the source sends can reach nobody.
async fn pump(source: &TcpStream, read: Bytes, sink: &TcpStream, ping_after: Option<Duration>) -> io::Result<()> {
    let mut pulse = ping_after.map(Pulse::new);
    if let Some(pulse) = &mut pulse {
        pulse.passed(&read);
    }
    write(sink, &read).await?;
    drop(read);
    loop {
        match &pulse {
            None => source.readable().await?,
            Some(pulse) => match timeout(pulse.after(), source.readable()).await {
                Ok(readable) => readable?,
                Err(_silent) => {
                    if pulse.may_ping() {
                        write(sink, PING).await?;
                    }
                    continue;
                }
            },
        }
        let left = tcp::with_buffer(|buffer| match tcp::read(source, buffer) {
            Read::Bytes(bytes) => {
                if let Some(pulse) = &mut pulse {
                    pulse.passed(bytes);
                }
                write_now(sink, bytes).map(Some)
            }
            Read::Nothing => Ok(Some(Vec::new())),
            Read::End => Ok(None),
        })?;
        let Some(left) = left else { break };
        write(sink, &left).await?;
        // A source that always has something must not starve the other direction.
        consume_budget().await;
    }
    tcp::end_writing(sink);
    Ok(())
}

/// Writes what `sink` takes at once, and returns the rest.
fn write_now(sink: &TcpStream, bytes: &[u8]) -> io::Result<Vec<u8>> {
    match sink.try_write(bytes) {
        Ok(written) => Ok(bytes[written..].to_vec()),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(bytes.to_vec()),
        Err(error) => Err(error),
    }
}

async fn write(sink: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        timeout(STALL_MAX, sink.writable()).await??;
        match sink.try_write(bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
