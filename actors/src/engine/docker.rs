//! Docker's engine, from interface 1.41 on. This and what is below it are the only files that know its client.
//!
//! The client asks without a version, so each engine answers with its own newest: every field of an answer may be missing.
//! No image is ever removed: which of them somebody else still needs cannot be known.

mod body;
mod fault;
mod gateways;
mod networks;
mod objects;
mod pull;
mod usage;

use std::{
    collections::{BTreeSet, HashMap},
    path::PathBuf,
    sync::OnceLock,
    time::Duration,
};

use async_trait::async_trait;
use bollard::{
    API_DEFAULT_VERSION, Docker as Client,
    container::LogOutput,
    models::{NetworkConnectRequest, NetworkDisconnectRequest},
    query_parameters as query,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use orrery_protocol::{
    container::plan::{LocalImageId, ObjectId},
    id::OrgId,
    image::Reference,
};
use tokio::sync::Mutex;

use super::{
    config::{EngineConfig, Ports},
    logs::Lines,
    runtime::{
        EngineVersion, Flow, Listing, LogLine, LogQuery, LogSource, Making, Network, PullProgress, Runtime,
        RuntimeError, Tenants, Usage,
    },
};
use fault::fault;
pub use gateways::{GatewayContainer, GatewayMaking};

/// The oldest interface that is understood.
const API_MIN: (u32, u32) = (1, 41);
/// What an engine may take to begin an answer, in general and for things that take their time.
const ANSWER_LIMIT: Duration = Duration::from_secs(30);
const WORK_LIMIT: Duration = Duration::from_secs(120);
/// The same for the client itself, which knows one limit for everything.
const CLIENT_LIMIT_SECONDS: u64 = 600;
/// Label of everything of ours.
const ORG_LABEL: &str = "orrery.org";
/// What happens to an object that may change what it is. Health checks of images, for one, are none of it.
const EVENTS: [&str; 7] = ["create", "start", "die", "destroy", "pause", "unpause", "rename"];

/// An engine of Docker behind a socket of this host. It need not be there yet, nor all the time.
#[derive(Debug)]
pub struct Docker {
    socket: PathBuf,
    ports: Ports,
    log_mb: u32,
    /// How long a registry may say nothing.
    pull_silence: Duration,
    client: OnceLock<Client>,
    /// Whether containers are reached by published ports only.
    publishes: OnceLock<bool>,
    /// Networks are made one after the other: the engine would make two with one name.
    networks: Mutex<()>,
}

impl Docker {
    /// The engine that `config` names. Nothing is asked of it yet.
    pub fn new(config: &EngineConfig) -> Self {
        Self {
            socket: config.socket.clone(),
            ports: config.ports,
            log_mb: config.log_mb.max(1),
            pull_silence: Duration::from_millis(config.clocks.pull_silence_ms),
            client: OnceLock::new(),
            publishes: OnceLock::new(),
            networks: Mutex::new(()),
        }
    }

    fn client(&self) -> Result<&Client, RuntimeError> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let path = self.socket.to_string_lossy();
        let client = Client::connect_with_unix(&path, CLIENT_LIMIT_SECONDS, API_DEFAULT_VERSION).map_err(fault)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// Whether ports have to be published: an engine in a machine of its own has its bridges there.
    async fn publishes(&self) -> Result<bool, RuntimeError> {
        match self.ports {
            Ports::Bridge => return Ok(false),
            Ports::Publish => return Ok(true),
            Ports::Auto => {}
        }
        if let Some(&publishes) = self.publishes.get() {
            return Ok(publishes);
        }
        let info = within(ANSWER_LIMIT, self.client()?.info()).await?;
        let elsewhere = info.operating_system.is_some_and(|system| system.contains("Docker Desktop"));
        let rootless = info.security_options.unwrap_or_default().iter().any(|option| option.contains("rootless"));
        Ok(*self.publishes.get_or_init(|| elsewhere || rootless || !cfg!(target_os = "linux")))
    }

    /// The object that has a name already, if it was made for the same.
    async fn namesake(&self, name: &str, making: &Making) -> Result<Option<ObjectId>, RuntimeError> {
        let found =
            within(ANSWER_LIMIT, self.client()?.inspect_container(name, None::<query::InspectContainerOptions>)).await;
        let found = match found {
            Err(RuntimeError::NotFound) => return Ok(None),
            found => found?,
        };
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        let ours = objects::labels(&labels) == Some(making.labels);
        Ok(found.id.filter(|_| ours).map(ObjectId))
    }
}

impl Docker {
    async fn start_as_it_is(&self, object: &ObjectId) -> Result<(), RuntimeError> {
        within(WORK_LIMIT, self.client()?.start_container(&object.0, None::<query::StartContainerOptions>)).await
    }

    /// Puts an object on its organization's network again: while it rested, that may have been taken for unused and removed,
    /// and an object remembers which one it was.
    async fn attach(&self, object: &ObjectId) -> Result<(), RuntimeError> {
        let client = self.client()?;
        let asked = client.inspect_container(&object.0, None::<query::InspectContainerOptions>);
        let texts = within(ANSWER_LIMIT, asked).await?.config.and_then(|config| config.labels).unwrap_or_default();
        let org = objects::labels(&texts).ok_or(RuntimeError::NotFound)?.org;
        self.ensure_network(org).await?;
        let name = body::network_name(org);
        let (container, force) = (object.0.clone(), Some(true));
        let leave = NetworkDisconnectRequest { container: container.clone(), force };
        // Whether it was on it by the engine's account does not matter.
        let _left = within(WORK_LIMIT, client.disconnect_network(&name, leave)).await;
        let join = NetworkConnectRequest { container, endpoint_config: None };
        within(WORK_LIMIT, client.connect_network(&name, join)).await
    }
}

/// An answer in time.
async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, bollard::errors::Error>>,
) -> Result<T, RuntimeError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(fault),
        Err(_) => Err(RuntimeError::Unavailable(format!("no answer within {} s", limit.as_secs()))),
    }
}

/// What is so already was done.
fn done(answer: Result<(), RuntimeError>, already: impl Fn(&RuntimeError) -> bool) -> Result<(), RuntimeError> {
    match answer {
        Err(error) if already(&error) => Ok(()),
        answer => answer,
    }
}

/// A flow that cannot begin.
fn broken<T: Send + 'static>(error: RuntimeError) -> Flow<T> {
    stream::once(std::future::ready(Err(error))).boxed()
}

#[async_trait]
impl Runtime for Docker {
    async fn version(&self) -> Result<EngineVersion, RuntimeError> {
        let version = within(ANSWER_LIMIT, self.client()?.version()).await?;
        let (engine, api) = (version.version.unwrap_or_default(), version.api_version.unwrap_or_default());
        let number = api.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        if number.is_some_and(|number: (u32, u32)| number < API_MIN) {
            let (major, minor) = API_MIN;
            return Err(RuntimeError::Unavailable(format!("it speaks version {api}; {major}.{minor} is needed")));
        }
        Ok(EngineVersion { engine, api })
    }

    async fn list(&self, org: OrgId) -> Result<Listing, RuntimeError> {
        let client = self.client()?;
        let publishes = self.publishes().await?;
        let labels = HashMap::from([("label", vec![format!("{ORG_LABEL}={org}")])]);
        let options = query::ListContainersOptionsBuilder::new().all(true).filters(&labels).build();
        let summaries = within(ANSWER_LIMIT, client.list_containers(Some(options))).await?;
        let images = within(ANSWER_LIMIT, client.list_images(None::<query::ListImagesOptions>)).await?;
        let found = objects::read(client, org, publishes, summaries).await?;
        Ok(Listing { objects: found, images: objects::images(images) })
    }

    async fn tenants(&self) -> Result<Tenants, RuntimeError> {
        let client = self.client()?;
        let labels = HashMap::from([("label", vec![ORG_LABEL.to_owned()])]);
        let options = query::ListContainersOptionsBuilder::new().all(true).filters(&labels).build();
        let summaries = within(ANSWER_LIMIT, client.list_containers(Some(options))).await?;
        let options = query::ListNetworksOptionsBuilder::new().filters(&labels).build();
        let networks = within(ANSWER_LIMIT, client.list_networks(Some(options))).await?;
        Ok(objects::tenants(&summaries, &networks))
    }

    async fn exposed(&self, image: &LocalImageId) -> Result<BTreeSet<u16>, RuntimeError> {
        let found = within(ANSWER_LIMIT, self.client()?.inspect_image(&image.0)).await?;
        let ports = found.config.and_then(|config| config.exposed_ports).unwrap_or_default();
        Ok(ports.iter().filter_map(|port| objects::tcp_port(port)).collect())
    }

    fn pull(&self, image: &Reference) -> Flow<PullProgress> {
        match self.client() {
            Ok(client) => pull::pull(client, image, self.pull_silence),
            Err(error) => broken(error),
        }
    }

    async fn create(&self, making: Making) -> Result<ObjectId, RuntimeError> {
        let publishes = self.publishes().await?;
        let name = body::object_name(&making.labels);
        let options = query::CreateContainerOptionsBuilder::new().name(&name).build();
        let body = body::container(&making, publishes, self.log_mb);
        match within(WORK_LIMIT, self.client()?.create_container(Some(options), body)).await {
            Ok(made) => Ok(ObjectId(made.id)),
            Err(RuntimeError::NotFound) => Err(RuntimeError::NoSuchImage("it is gone from the engine".to_owned())),
            Err(RuntimeError::Conflict(why)) => self.namesake(&name, &making).await?.ok_or(RuntimeError::Conflict(why)),
            Err(error) => Err(error),
        }
    }

    async fn start(&self, object: &ObjectId) -> Result<(), RuntimeError> {
        match self.start_as_it_is(object).await {
            Err(RuntimeError::NotFound) => {
                self.attach(object).await?;
                self.start_as_it_is(object).await
            }
            answer => answer,
        }
    }

    async fn stop(&self, object: &ObjectId, grace_ms: u64) -> Result<(), RuntimeError> {
        let seconds = i32::try_from(grace_ms.div_ceil(1_000)).unwrap_or(i32::MAX);
        let options = query::StopContainerOptionsBuilder::new().t(seconds).build();
        let limit = Duration::from_millis(grace_ms).saturating_add(WORK_LIMIT);
        within(limit, self.client()?.stop_container(&object.0, Some(options))).await
    }

    async fn resume(&self, object: &ObjectId) -> Result<(), RuntimeError> {
        let answer = within(WORK_LIMIT, self.client()?.unpause_container(&object.0)).await;
        done(answer, |error| matches!(error, RuntimeError::Failed(text) if text.contains("is not paused")))
    }

    async fn remove(&self, object: &ObjectId) -> Result<(), RuntimeError> {
        // Never by force: whether it runs is known here from a moment ago. What it kept in volumes without a name goes too.
        let options = query::RemoveContainerOptionsBuilder::new().v(true).force(false).build();
        let answer = within(WORK_LIMIT, self.client()?.remove_container(&object.0, Some(options))).await;
        let leaves = |error: &RuntimeError| matches!(error, RuntimeError::Conflict(text) if text.contains("already in progress"));
        done(answer, |error| *error == RuntimeError::NotFound || leaves(error))
    }

    fn usage(&self, object: &ObjectId) -> Flow<Usage> {
        match self.client() {
            Ok(client) => {
                let options = query::StatsOptionsBuilder::new().stream(true).build();
                let samples = client.stats(&object.0, Some(options)).map_err(fault);
                samples.try_filter_map(|sample| std::future::ready(Ok(usage::usage(&sample)))).boxed()
            }
            Err(error) => broken(error),
        }
    }

    fn logs(&self, object: &ObjectId, wanted: LogQuery) -> Flow<LogLine> {
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return broken(error),
        };
        let tail = wanted.tail.map_or_else(|| "all".to_owned(), |tail| tail.to_string());
        // The engine counts in seconds.
        let since = i32::try_from(wanted.since_ns.unwrap_or(0) / 1_000_000_000).unwrap_or(i32::MAX);
        let options = query::LogsOptionsBuilder::new().stdout(true).stderr(true).timestamps(true);
        let options = options.follow(wanted.follow).since(since).tail(&tail).build();
        // The last frame may leave a line without its end: one more item after all of them lets it out.
        let frames = client.logs(&object.0, Some(options)).map(|frame| frame.map(Some).map_err(fault));
        let frames = frames.chain(stream::once(std::future::ready(Ok(None))));
        let lines = frames.scan(Lines::default(), |lines, frame| {
            let got = frame.map(|frame| match frame {
                Some(LogOutput::StdErr { message }) => lines.push(LogSource::Err, &message),
                Some(LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message }) => {
                    lines.push(LogSource::Out, &message)
                }
                None => lines.finish(),
            });
            std::future::ready(Some(got))
        });
        lines.map_ok(|lines| stream::iter(lines.into_iter().map(Ok))).try_flatten().boxed()
    }

    fn events(&self, org: OrgId) -> Flow<()> {
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return broken(error),
        };
        let filters = HashMap::from([
            ("type", vec!["container".to_owned()]),
            ("label", vec![format!("{ORG_LABEL}={org}")]),
            ("event", EVENTS.map(ToOwned::to_owned).to_vec()),
        ]);
        let options = query::EventsOptionsBuilder::new().filters(&filters).build();
        client.events(Some(options)).map_ok(|_| ()).map_err(fault).boxed()
    }

    async fn ensure_network(&self, org: OrgId) -> Result<Network, RuntimeError> {
        self.one_network(org).await
    }

    async fn remove_network(&self, org: OrgId) -> Result<(), RuntimeError> {
        self.no_network(org).await
    }
}
