//! A wire between two processes that a test can slow down or cut without either of them being told.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// Connections to `address` go on to the target.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    wire: Arc<Wire>,
}

/// What every connection passes.
#[derive(Default)]
struct Wire {
    cut: Mutex<bool>,
    mended: Condvar,
    delay_ms: AtomicU64,
}

impl Wire {
    /// Waits as long as it is cut, and then for the delay.
    fn pass(&self) {
        let cut = self.cut.lock().expect("nobody panics with it");
        drop(self.mended.wait_while(cut, |cut| *cut).expect("nobody panics with it"));
        let delay = Duration::from_millis(self.delay_ms.load(Ordering::Relaxed));
        if !delay.is_zero() {
            thread::park_timeout(delay);
        }
    }
}

impl Relay {
    pub(crate) fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let wire = Arc::new(Wire::default());
        let each = wire.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let wire = each.clone();
                thread::spawn(move || connect(&client, target, &wire));
            }
        });
        Self { address, wire }
    }

    /// From now on nothing arrives, in either direction, and nobody learns why.
    pub(crate) fn cut(&self) {
        *self.wire.cut.lock().expect("nobody panics with it") = true;
    }

    /// Everything arrives so much later.
    pub(crate) fn slow(&self, delay: Duration) {
        self.wire.delay_ms.store(delay.as_millis() as u64, Ordering::Relaxed);
    }

    /// As new; what was under way arrives now.
    pub(crate) fn mend(&self) {
        self.slow(Duration::ZERO);
        *self.wire.cut.lock().expect("nobody panics with it") = false;
        self.wire.mended.notify_all();
    }
}

fn connect(client: &TcpStream, target: SocketAddr, wire: &Arc<Wire>) {
    wire.pass();
    let Ok(server) = TcpStream::connect(target) else { return };
    let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) else { return };
    let back = wire.clone();
    thread::spawn(move || copy(to, from, &back));
    if let Ok(from) = client.try_clone() {
        copy(from, server, wire);
    }
}

fn copy(mut from: TcpStream, mut to: TcpStream, wire: &Wire) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        wire.pass();
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    to.shutdown(std::net::Shutdown::Both).ok();
    from.shutdown(std::net::Shutdown::Both).ok();
}
