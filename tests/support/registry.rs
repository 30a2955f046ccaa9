//! A registry of images on loopback, as small as one can be: it serves one image, and its layers only as far as it is let.
//! Protocol: <https://distribution.github.io/distribution/spec/api/>, of which an engine that fetches needs three answers.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use orrery_test_docker::{Docker, IMAGE};
use serde_json::{Value, json};

use super::Random;

const NAME: &str = "orrery-test/fetched";
const TAG: &str = "1";
/// What makes the image one of its own, and takes a while to come.
const BALLAST_WORDS: usize = 1 << 19;
/// So much is sent at a time.
const PIECE_BYTES: usize = 64 << 10;
/// Of what trickles, a piece comes as often as that.
const TRICKLE_EVERY: Duration = Duration::from_millis(20);
const HEAD_BYTES_MAX: usize = 16 << 10;

const MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG_TYPE: &str = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// The registry. Its image goes from the engine with it.
pub(crate) struct Registry {
    address: SocketAddr,
    docker: Docker,
    /// What the image is, by its manifest.
    pub(crate) digest: String,
    /// What an engine calls it.
    pub(crate) image_id: String,
    shelf: Arc<Shelf>,
}

/// What there is, by path.
struct Shelf {
    answers: BTreeMap<String, Answer>,
    /// How many bytes of layers may still be sent.
    budget: Mutex<usize>,
    raised: Condvar,
}

struct Answer {
    kind: &'static str,
    body: Vec<u8>,
    digest: String,
}

impl Registry {
    /// With the image of the tests, changed so that no engine has it, and running a program by itself.
    pub(crate) fn start(docker: &Docker) -> Self {
        let (mut config, base) = saved(docker);
        let ballast = ballast();
        let layers = [base, ballast];
        config["config"]["Cmd"] = json!(["serve", "8080"]);
        config["rootfs"]["diff_ids"] = layers.iter().map(|layer| sha256(layer)).collect();
        config["history"] = layers.iter().map(|_| json!({"created_by": "a test"})).collect();
        let config = config.to_string().into_bytes();
        let described =
            |kind: &str, blob: &[u8]| json!({"mediaType": kind, "size": blob.len(), "digest": sha256(blob)});
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": described(CONFIG_TYPE, &config),
            "layers": layers.iter().map(|layer| described(LAYER_TYPE, layer)).collect::<Vec<_>>(),
        });
        let manifest = manifest.to_string().into_bytes();
        let (digest, image_id) = (sha256(&manifest), sha256(&config));
        let blobs = layers.into_iter().map(|layer| (LAYER_TYPE, layer)).chain([(CONFIG_TYPE, config)]);
        let blobs = blobs.map(|(kind, body)| (format!("blobs/{}", sha256(&body)), kind, body));
        let manifests =
            [TAG, digest.as_str()].map(|name| (format!("manifests/{name}"), MANIFEST_TYPE, manifest.clone()));
        let answers = blobs.chain(manifests).map(|(path, kind, body)| {
            let digest = sha256(&body);
            (format!("/v2/{NAME}/{path}"), Answer { kind, body, digest })
        });
        let shelf = Shelf { answers: answers.collect(), budget: Mutex::new(0), raised: Condvar::new() };
        let shelf = Arc::new(shelf);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let serving = shelf.clone();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shelf = serving.clone();
                // Whoever breaks off is done with.
                thread::spawn(move || drop(shelf.answer(stream)));
            }
        });
        Self { address, docker: docker.clone(), digest, image_id, shelf }
    }

    /// Its image, or one with a tag that it does not have.
    pub(crate) fn reference(&self, tag: &str) -> String {
        format!("{}/{NAME}:{tag}", self.address)
    }

    /// Its image as that and no other.
    pub(crate) fn pinned(&self) -> String {
        format!("{}/{NAME}@{}", self.address, self.digest)
    }

    /// So much more of its layers may be had.
    pub(crate) fn let_through(&self, bytes: usize) {
        self.shelf.let_through(bytes);
    }

    /// The same, little by little. An engine tells of what has come ten times a second at most, and forgets to tell of the
    /// rest of a burst that is followed by silence.
    pub(crate) fn trickle(&self, bytes: usize) {
        let shelf = self.shelf.clone();
        thread::spawn(move || {
            for _ in 0..bytes / PIECE_BYTES {
                shelf.let_through(PIECE_BYTES);
                thread::park_timeout(TRICKLE_EVERY);
            }
        });
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _gone = self.docker.try_ask(&["image", "rm", "--force", &self.image_id]);
    }
}

impl Shelf {
    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let Some(path) = asked(&mut stream)? else { return Ok(()) };
        let (head_only, path) = (path.starts_with("HEAD "), path.split(' ').nth(1).unwrap_or_default());
        let answer = self.answers.get(path);
        let (status, kind, body, digest) = match answer {
            Some(answer) => ("200 OK", answer.kind, answer.body.as_slice(), answer.digest.as_str()),
            None if path == "/v2/" => ("200 OK", "application/json", b"{}".as_slice(), ""),
            None => {
                let error = br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
                ("404 Not Found", "application/json", error.as_slice(), "")
            }
        };
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\
             Docker-Distribution-Api-Version: registry/2.0\r\nDocker-Content-Digest: {digest}\r\n\r\n"
        )?;
        for piece in body.chunks(PIECE_BYTES).take_while(|_| !head_only) {
            if kind == LAYER_TYPE {
                self.wait_for_budget(piece.len());
            }
            stream.write_all(piece)?;
        }
        Ok(())
    }

    fn let_through(&self, bytes: usize) {
        let mut budget = self.budget.lock().expect("no thread panics while it holds this");
        *budget = budget.saturating_add(bytes);
        self.raised.notify_all();
    }

    fn wait_for_budget(&self, bytes: usize) {
        let budget = self.budget.lock().expect("no thread panics while it holds this");
        let waited = self.raised.wait_while(budget, |budget| *budget < bytes);
        *waited.expect("no thread panics while it holds this") -= bytes;
    }
}

/// The line of a request; none of what is no HTTP, which engines try first.
fn asked(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        stream.read_exact(&mut byte)?;
        if !byte[0].is_ascii() || byte[0] == 0x16 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&head).lines().next().map(str::to_owned))
}

/// The configuration and the one layer of the image of the tests.
fn saved(docker: &Docker) -> (Value, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a folder");
    let archive = folder.path().join("image.tar").display().to_string();
    docker.ask(&["save", "--output", &archive, IMAGE]);
    tar(&["--extract", "--file", &archive], folder.path());
    let read = |name: &str| fs::read(folder.path().join(name)).expect("a file of it");
    let index: Value = serde_json::from_slice(&read("manifest.json")).expect("JSON");
    let name = |value: &Value| value.as_str().expect("a name").to_owned();
    let config = serde_json::from_slice(&read(&name(&index[0]["Config"]))).expect("JSON");
    (config, read(&name(&index[0]["Layers"][0])))
}

/// A layer with a file that nothing can press.
fn ballast() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut dice = Random::printed();
    let bytes: Vec<u8> = (0..BALLAST_WORDS).flat_map(|_| dice.next().to_le_bytes()).collect();
    fs::write(folder.path().join("ballast"), bytes).expect("a file");
    tar(&["--create", "--file", "layer.tar", "ballast"], folder.path());
    fs::read(folder.path().join("layer.tar")).expect("a file")
}

fn tar(arguments: &[&str], folder: &Path) {
    let status = Command::new("tar").args(arguments).current_dir(folder).status();
    assert!(status.is_ok_and(|status| status.success()), "tar {arguments:?}");
}

fn sha256(bytes: &[u8]) -> String {
    let hex = digest(&SHA256, bytes).as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("sha256:{hex}")
}
