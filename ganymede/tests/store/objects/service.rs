//! A real server of the S3 protocol, and a link to it that can be cut.

use std::{
    io::{self, BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::SeqCst},
    },
    thread,
};

use orrery_ganymede::store::{S3Place, SnapshotPlace};
use reqwest::{Client, Method, Response};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy},
    net::{TcpListener, TcpStream},
};

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/python/bin/moto_server");
const BUCKET: &str = "orrery-test";
pub(super) const SECRET: &str = "nobody-may-read-this";

pub(super) struct Moto {
    process: Child,
    address: SocketAddr,
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have been killed before.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Moto {
    /// None where it is not installed, which in CI is a failure.
    pub(super) async fn start() -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            let ci = std::env::vars().any(|(name, value)| name == "CI" && !value.is_empty());
            assert!(!ci, "{PROGRAM} is missing, and in CI it must be there");
            eprintln!("skipped: {PROGRAM} is missing; make test installs it");
            return None;
        }
        let mut command = Command::new(PROGRAM);
        command.args(["--host", "127.0.0.1", "--port", "0"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| line.unwrap().split("Running on http://").nth(1)?.parse().ok());
        let address = address.expect("it says where it listens");
        // What it says for each request is read, or it would be stopped by a full pipe.
        thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        let moto = Self { process, address };
        moto.ask(Method::PUT, "", "").await;
        Some(moto)
    }

    pub(super) fn place(&self) -> SnapshotPlace {
        place(self.address)
    }

    /// Every object's name.
    pub(super) async fn names(&self) -> Vec<String> {
        let listing = self.ask(Method::GET, "?list-type=2", "").await.text().await.unwrap();
        listing.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once("</Key>")?.0.to_owned())).collect()
    }

    pub(super) async fn put(&self, name: &str, content: &'static str) {
        self.ask(Method::PUT, &format!("/{name}"), content).await;
    }

    pub(super) async fn delete(&self, name: &str) {
        self.ask(Method::DELETE, &format!("/{name}"), "").await;
    }

    /// It looks at who asks, and believes it.
    async fn ask(&self, method: Method, path: &str, content: &'static str) -> Response {
        let url = format!("http://{}/{BUCKET}{path}", self.address);
        let signed =
            "AWS4-HMAC-SHA256 Credential=orrery/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";
        let request = Client::new().request(method, url).header("authorization", signed).body(content);
        request.send().await.unwrap().error_for_status().unwrap()
    }
}

fn place(address: SocketAddr) -> SnapshotPlace {
    SnapshotPlace::S3(S3Place {
        bucket: BUCKET.to_owned(),
        prefix: "some/where".to_owned(),
        endpoint: Some(format!("http://{address}")),
        region: "eu-central-1".to_owned(),
        access_key_id: "orrery".to_owned(),
        secret_access_key: SECRET.to_owned(),
    })
}

const OPEN: u8 = 0;
const CUT: u8 = 1;
/// It will be cut after the next upload.
const CUT_AFTER_UPLOAD: u8 = 2;

/// Between the store and the service. The service answers one request a connection.
pub(super) struct Link {
    address: SocketAddr,
    state: Arc<AtomicU8>,
}

impl Link {
    pub(super) async fn to(service: &Moto) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, target) = (listener.local_addr().unwrap(), service.address);
        let state = Arc::new(AtomicU8::new(OPEN));
        let of_link = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // A connection that ends early is what these tests are about.
                tokio::spawn(carry(stream, target, Arc::clone(&of_link)));
            }
        });
        Self { address, state }
    }

    pub(super) fn place(&self) -> SnapshotPlace {
        place(self.address)
    }

    pub(super) fn cut(&self) {
        self.state.store(CUT, SeqCst);
    }

    pub(super) fn cut_after_upload(&self) {
        self.state.store(CUT_AFTER_UPLOAD, SeqCst);
    }

    pub(super) fn is_cut(&self) -> bool {
        self.state.load(SeqCst) == CUT
    }

    pub(super) fn mend(&self) {
        self.state.store(OPEN, SeqCst);
    }
}

async fn carry(mut store: TcpStream, target: SocketAddr, state: Arc<AtomicU8>) -> io::Result<()> {
    let mut head = vec![0; 16 << 10];
    let len = store.read(&mut head).await?;
    let upload = head.starts_with(b"PUT ");
    if state.load(SeqCst) == CUT {
        return Ok(());
    }
    let mut service = TcpStream::connect(target).await?;
    service.write_all(&head[..len]).await?;
    let (mut from_store, mut to_store) = store.split();
    let (mut from_service, mut to_service) = service.split();
    let request = copy(&mut from_store, &mut to_service);
    let answer = async {
        let mut answer = Vec::new();
        from_service.read_to_end(&mut answer).await?;
        // Before the store hears of its upload, and asks for it.
        if upload && state.load(SeqCst) == CUT_AFTER_UPLOAD {
            state.store(CUT, SeqCst);
        }
        to_store.write_all(&answer).await?;
        to_store.shutdown().await
    };
    tokio::select! {
        answered = answer => answered,
        Err(error) = request => Err(error),
    }
}
