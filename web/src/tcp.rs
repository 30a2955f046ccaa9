//! Raw TCP sockets, read into a buffer that all connections of a thread share: a silent connection holds none.

use std::{cell::RefCell, io, os::fd::AsFd, time::Duration};

use rustix::net::{RecvFlags, Shutdown};
use socket2::{SockRef, TcpKeepalive};
use tokio::{io::Interest, net::TcpStream};

/// Silence on a connection after which the kernel asks whether the other end is still there.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Between two such questions without an answer; the kernel asks nine times.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Bytes read at a time.
const READ_BYTES: usize = 64 << 10;

thread_local! {
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_BYTES].into());
}

/// What reading a socket came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Read<'a> {
    /// What the other end sent; not everything, if more than the buffer holds is there.
    Bytes(&'a [u8]),
    /// Nothing is there now.
    Nothing,
    /// The other end sends nothing more: it said so, or is gone.
    End,
}

/// Lends the thread's buffer, to one borrower at a time.
pub(crate) fn with_buffer<T>(borrower: impl FnOnce(&mut [u8]) -> T) -> T {
    SCRATCH.with_borrow_mut(|scratch| borrower(scratch))
}

/// Reads what is there into `buffer`, without waiting.
pub(crate) fn read<'a>(stream: &TcpStream, buffer: &'a mut [u8]) -> Read<'a> {
    match receive(stream, buffer) {
        Ok(Some(0)) | Err(_) => Read::End,
        Ok(Some(read)) => Read::Bytes(&buffer[..read]),
        Ok(None) => Read::Nothing,
    }
}

/// Has the kernel notice that the other end is gone without a word. What is accepted from a listening socket has it from there.
pub(crate) fn keep_alive<S: AsFd>(socket: &S) -> io::Result<()> {
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE_INTERVAL);
    SockRef::from(socket).set_tcp_keepalive(&keep_alive)
}

/// Tells the other end that nothing more comes, while reading goes on.
pub(crate) fn end_writing(stream: &TcpStream) {
    // An error says that the other end is gone, which whoever reads learns too.
    rustix::net::shutdown(stream, Shutdown::Write).ok();
}

/// Reads what is there; `None` if that is nothing. A read that leaves room in `buffer` has emptied the socket: noting it
/// at once spares the system call that would only learn so.
fn receive(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<Option<usize>> {
    let mut got = None;
    let whole = stream.try_io(Interest::READABLE, || {
        let read = rustix::io::retry_on_intr(|| rustix::net::recv(stream, &mut *buffer, RecvFlags::empty()))?.0;
        got = Some(read);
        // To tokio, this says that the socket is not readable until it is heard of again.
        if read > 0 && read < buffer.len() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
    });
    match whole {
        Ok(()) => Ok(got),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(got),
        Err(error) => Err(error),
    }
}
