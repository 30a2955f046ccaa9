//! What a container engine can do, whichever it is. An engine is told what to do with single objects; what is to be done is
//! not its matter.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::{IpAddr, SocketAddr},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use orrery_protocol::{
    container::plan::{Labels, LocalImage, LocalImageId, Object, ObjectId},
    id::{OrgId, ProjectId},
    image::Reference,
    route::Address,
};

use super::{Blueprint, probe};

/// What comes from an engine piece by piece.
pub type Flow<T> = BoxStream<'static, Result<T, RuntimeError>>;

/// Why an engine did not do what it was asked. The texts are the engine's: they may name addresses, so they are for logs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeError {
    /// No answer, or one that is not an answer.
    #[error("the container engine does not answer: {0}")]
    Unavailable(String),
    /// The image cannot be had, now or later.
    #[error("there is no such image: {0}")]
    NoSuchImage(String),
    /// The image cannot be had now.
    #[error("the image cannot be fetched: {0}")]
    ImageAway(String),
    /// There is no room.
    #[error("there is no room: {0}")]
    NoCapacity(String),
    /// Asking for the same again is in vain.
    #[error("the container engine refuses: {0}")]
    Refused(String),
    /// The engine tried, and failed.
    #[error("the container engine failed: {0}")]
    Failed(String),
    /// There is no such object.
    #[error("there is no such object")]
    NotFound,
    /// The object is not in a state for that, or its name is taken.
    #[error("the container engine is of another mind: {0}")]
    Conflict(String),
}

/// Which engine it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineVersion {
    /// Of the engine.
    pub engine: String,
    /// Of the interface that it speaks.
    pub api: String,
}

/// One object, and where it is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// What it is and does.
    pub object: Object,
    /// Where it is reached, if it runs.
    pub address: Option<Address>,
}

/// All that an engine has of an organization, and its images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Objects with the labels of the organization. All of them: an engine that cannot list all fails.
    pub objects: Vec<Found>,
    /// Images, whoever had them made.
    pub images: BTreeMap<LocalImageId, LocalImage>,
}

/// Whose things an engine has: organizations, and the projects of their objects.
pub type Tenants = BTreeMap<OrgId, BTreeSet<ProjectId>>;

/// The network of an organization's containers. They do not reach each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// As the engine calls it.
    pub id: String,
    /// The host's address on it.
    pub gateway: IpAddr,
}

/// One object to be made.
#[derive(Clone)]
pub struct Making {
    /// What it is for.
    pub labels: Labels,
    /// What it is made from.
    pub image: LocalImageId,
    /// How.
    pub blueprint: Blueprint,
    /// All of its variables, secrets among them.
    pub environment: BTreeMap<String, String>,
    /// Where it is attached.
    pub network: Network,
}

impl fmt::Debug for Making {
    /// Without the environment: it holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Making").field("labels", &self.labels).field("image", &self.image).finish_non_exhaustive()
    }
}

/// How far an image has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullProgress {
    /// 0 to 100; `None` while that is not known.
    pub percent: Option<u8>,
}

/// What an object uses of its host. Counters are totals since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// Processors, averaged since the last time.
    pub cpu: f64,
    /// Memory, without what could be given back at once.
    pub memory_bytes: u64,
    /// The most it may have.
    pub memory_limit_bytes: u64,
    /// Received.
    pub rx_bytes: u64,
    /// Sent.
    pub tx_bytes: u64,
    /// Read from disks.
    pub read_bytes: u64,
    /// Written to disks.
    pub written_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
}

/// Which lines somebody wants to see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// The last so many lines; `None` for all that is kept.
    pub tail: Option<u32>,
    /// And those that come.
    pub follow: bool,
    /// From the first line on that was printed at this time or later, in nanoseconds since 1970; or from up to a second before.
    /// What follows that one may bear an earlier time.
    pub since_ns: Option<u64>,
}

/// Where a program printed a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogSource {
    /// Its standard output.
    Out,
    /// Its standard error.
    Err,
}

/// One line that a program printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When, in nanoseconds since 1970.
    pub at_ns: u64,
    /// Where.
    pub source: LogSource,
    /// What, without the line break. Any bytes; longer lines come in pieces.
    pub text: Bytes,
}

/// A container engine. Whatever it is asked may be asked twice: what is done already is done.
#[async_trait]
pub trait Runtime: Send + Sync + 'static {
    /// Which engine answers.
    async fn version(&self) -> Result<EngineVersion, RuntimeError>;

    /// All objects of an organization, and all images.
    async fn list(&self, org: OrgId) -> Result<Listing, RuntimeError>;

    /// All organizations of which there is anything, an object or a network, and the projects of their objects.
    async fn tenants(&self) -> Result<Tenants, RuntimeError>;

    /// The TCP ports that an image says its program listens on.
    async fn exposed(&self, image: &LocalImageId) -> Result<BTreeSet<u16>, RuntimeError>;

    /// Fetches an image; it is there once this ends without an error.
    fn pull(&self, image: &Reference) -> Flow<PullProgress>;

    /// Makes an object, and does not start it.
    async fn create(&self, making: Making) -> Result<ObjectId, RuntimeError>;

    /// Starts what was made or has ended.
    async fn start(&self, object: &ObjectId) -> Result<(), RuntimeError>;

    /// Asks an object to stop, ends it after `grace_ms`, and returns when it has ended.
    async fn stop(&self, object: &ObjectId, grace_ms: u64) -> Result<(), RuntimeError>;

    /// Lets go on what was held.
    async fn resume(&self, object: &ObjectId) -> Result<(), RuntimeError>;

    /// Removes what does not run, with all that belongs to nothing else. What runs is a [`RuntimeError::Conflict`].
    async fn remove(&self, object: &ObjectId) -> Result<(), RuntimeError>;

    /// What a running object uses, about once a second, until it ends.
    fn usage(&self, object: &ObjectId) -> Flow<Usage>;

    /// What an object printed, oldest first.
    fn logs(&self, object: &ObjectId, query: LogQuery) -> Flow<LogLine>;

    /// Something happened to an object of the organization. Ends with an error if it cannot be told any longer.
    fn events(&self, org: OrgId) -> Flow<()>;

    /// The network of an organization's containers, made if there is none.
    async fn ensure_network(&self, org: OrgId) -> Result<Network, RuntimeError>;

    /// Removes the network of an organization, if it has one.
    async fn remove_network(&self, org: OrgId) -> Result<(), RuntimeError>;

    /// Whether a service answers what is asked of it over HTTP.
    async fn answers(&self, address: SocketAddr, path: &str) -> bool {
        probe::answers(address, path).await
    }
}
