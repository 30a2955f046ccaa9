//! Asks services whether they answer. A container answers if all of its probes do.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use orrery_protocol::{
    container::{Observation, plan::ObjectId},
    id::{ContainerId, ProjectId},
    route::Address,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{EngineClocks, Probe, Runtime, report::Reporter};

/// So many services are asked at once.
const QUESTIONS_MAX: usize = 32;
/// `HTTP/1.1 200`.
const STATUS_BYTES: usize = 12;

/// Whom to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) project: ProjectId,
    pub(super) object: ObjectId,
    pub(super) address: Address,
    pub(super) probes: Vec<Probe>,
}

pub(super) type AskedOf = BTreeMap<ContainerId, Asked>;

/// One container that is asked from time to time.
struct Patient {
    asked: Asked,
    /// Since when it has not answered, while it never did.
    starting: Option<Instant>,
    next: Instant,
}

pub(super) struct Prober {
    runtime: Arc<dyn Runtime>,
    reporter: Arc<Reporter>,
    clocks: EngineClocks,
    asked: watch::Receiver<AskedOf>,
    patients: BTreeMap<ContainerId, Patient>,
    busy: BTreeSet<ContainerId>,
    questions: JoinSet<(ContainerId, Asked, bool)>,
    turns: Arc<Semaphore>,
}

impl Prober {
    pub(super) fn new(
        runtime: Arc<dyn Runtime>,
        reporter: Arc<Reporter>,
        clocks: EngineClocks,
        asked: watch::Receiver<AskedOf>,
    ) -> Self {
        let turns = Arc::new(Semaphore::new(QUESTIONS_MAX));
        let (patients, busy, questions) = (BTreeMap::new(), BTreeSet::new(), JoinSet::new());
        Self { runtime, reporter, clocks, asked, patients, busy, questions, turns }
    }

    pub(super) async fn run(mut self) {
        loop {
            self.take_over();
            self.ask_due();
            let next = self.patients.iter().filter(|(id, _)| !self.busy.contains(id)).map(|(_, patient)| patient.next);
            let next = next.min();
            tokio::select! {
                changed = self.asked.changed() => if changed.is_err() { return },
                Some(Ok((container, asked, answers))) = self.questions.join_next() => self.heard(container, &asked, answers),
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
        }
    }

    /// Those that run now. One of another object or at another address has just been started.
    fn take_over(&mut self) {
        let asked = self.asked.borrow_and_update().clone();
        self.patients.retain(|container, patient| asked.get(container) == Some(&patient.asked));
        let now = Instant::now();
        for (container, asked) in asked {
            self.patients.entry(container).or_insert(Patient { asked, starting: Some(now), next: now });
        }
    }

    fn ask_due(&mut self) {
        let now = Instant::now();
        for (&container, patient) in &self.patients {
            if patient.next > now || !self.busy.insert(container) {
                continue;
            }
            let (runtime, turns, asked) = (self.runtime.clone(), self.turns.clone(), patient.asked.clone());
            let limit = Duration::from_millis(self.clocks.probe_limit_ms);
            self.questions.spawn(async move {
                let _turn = turns.acquire().await;
                let mut answers = true;
                for probe in &asked.probes {
                    let address = asked.address.of(probe.port);
                    answers = answers && timeout(limit, runtime.answers(address, &probe.path)).await == Ok(true);
                }
                (container, asked, answers)
            });
        }
    }

    fn heard(&mut self, container: ContainerId, asked: &Asked, answers: bool) {
        self.busy.remove(&container);
        // One that has been replaced meanwhile is asked anew.
        let Some(patient) = self.patients.get_mut(&container).filter(|patient| patient.asked == *asked) else {
            return;
        };
        let now = Instant::now();
        let starting_ms = Duration::from_millis(self.clocks.starting_ms);
        patient.starting = patient.starting.filter(|&since| !answers && now < since + starting_ms);
        let wait_ms = if patient.starting.is_some() { self.clocks.probe_starting_ms } else { self.clocks.probe_ms };
        patient.next = now + Duration::from_millis(wait_ms);
        self.reporter.tell(vec![(patient.asked.project, container, Observation::Probed { answers })], None);
    }
}

/// Whether something speaks HTTP there and does not say that it is broken. Reads the status and nothing else.
pub(super) async fn answers(address: SocketAddr, path: &str) -> bool {
    let status = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: */*\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut begin = [0; STATUS_BYTES];
        stream.read_exact(&mut begin).await.ok()?;
        let text = std::str::from_utf8(&begin).ok()?;
        let status = text.strip_prefix("HTTP/1.1 ").or_else(|| text.strip_prefix("HTTP/1.0 "))?;
        status.parse::<u16>().ok()
    };
    status.await.is_some_and(|status| (100..500).contains(&status))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn anything_below_500_is_an_answer() {
        for (reply, expect) in [
            ("HTTP/1.1 200 OK\r\n\r\n", true),
            ("HTTP/1.0 302 Found\r\n\r\n", true),
            ("HTTP/1.1 404 Not Found\r\n\r\n", true),
            ("HTTP/1.1 500 Oh\r\n\r\n", false),
            ("HTTP/1.1 503", false),
            ("SSH-2.0-OpenSSH_9", false),
            ("HTTP/1.1", false),
            ("", false),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let server = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = [0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                stream.write_all(reply.as_bytes()).await.unwrap();
                String::from_utf8(request[..length].to_vec()).unwrap()
            });
            assert_eq!(answers(address, "/api?x=1").await, expect, "{reply:?}");
            let request = server.await.unwrap();
            assert!(request.starts_with("GET /api?x=1 HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_no_answer() {
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        assert!(!answers(address, "/").await);
    }
}
