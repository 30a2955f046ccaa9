//! The configuration: defaults < file < environment < flags. Owns every key and every rule about its value; the limits
//! themselves are declared where they are checked.

use std::{
    fmt, fs,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use anyhow::{Context, anyhow, bail, ensure};
use clap::ValueEnum;
use orrery_actors::engine::EngineConfig;
use orrery_actors::nginx::{NginxConfig, NginxSettings};
use orrery_ganymede::{
    database::DatabaseUrl,
    dns::{DnsConfig, DnsSettings},
    people::PasswordHashing,
};
use orrery_protocol::{
    idle::IdleClocks,
    image::Reference,
    lease::LeaseClocks,
    limits::{GatewayLimits, RoomClocks, RoomLimits, WireLimits},
};
use orrery_web::{
    limits::{HttpLimits, RateLimits},
    public_url::PublicUrl,
};
use serde::{Deserialize, Serialize, Serializer};
use toml::Table;
use tracing_subscriber::EnvFilter;

use crate::cli::ConfigArgs;

use containers::ContainersTable;
pub(crate) use environment::Environment;
use snapshots::StoreTable;

mod addresses;
mod containers;
mod environment;
mod layers;
mod numbers;
mod snapshots;

/// What is shown in the place of a secret.
const SECRET: &str = "(set)";

/// What may lie beside one frame in the request that stores it, in bytes.
const BESIDE_FRAME_BYTES: usize = 1 << 20;
/// What a byte of a variable becomes in JSON at most, in bytes: `\u0000`.
const ESCAPED_BYTES_MAX: usize = 6;

/// The keys and tables that mean the same for every gateway process of a machine.
const OF_GATEWAYS: [&str; 11] = [
    "clocks",
    "containers",
    "domain",
    "engine",
    "idle",
    "lease",
    "limits",
    "log_filter",
    "log_format",
    "public_url",
    "trusted_proxies",
];

/// Everything that can be configured, checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// Address to listen on.
    #[serde(deserialize_with = "addresses::listening")]
    pub(crate) listen: SocketAddr,
    /// Data folder.
    pub(crate) data: PathBuf,
    /// Domain below which organizations have their host names.
    pub(crate) domain: String,
    /// How people reach the control plane from outside, if that differs from `listen`; empty if not.
    pub(crate) public_url: String,
    /// Proxies in front of us, whose `X-Forwarded-For` is believed.
    #[serde(deserialize_with = "addresses::of_proxies")]
    pub(crate) trusted_proxies: Vec<IpAddr>,
    /// Where accounts and allocations are kept: `postgres://...`, or empty for a file in the data folder.
    pub(crate) database: Secret,
    /// Organizations that this process may serve at once.
    pub(crate) slots: u16,
    /// Form of the log lines on stderr.
    pub(crate) log_format: LogFormat,
    /// Which log lines: `tracing` directives, such as `info,orrery_actors=debug`.
    pub(crate) log_filter: String,
    /// Clocks of a room.
    pub(crate) clocks: RoomClocks,
    /// What user containers live under.
    pub(crate) containers: ContainersTable,
    /// Which name server is told of host names.
    pub(crate) dns: DnsConfig,
    /// What runs user containers.
    pub(crate) engine: EngineConfig,
    /// How a gateway process reaches its control plane.
    pub(crate) gateway: GatewayRole,
    /// When a gateway gives up what nobody uses.
    pub(crate) idle: IdleClocks,
    /// When a gateway renews its lease.
    pub(crate) lease: LeaseClocks,
    /// What may be how large.
    pub(crate) limits: Limits,
    /// nginx in front.
    pub(crate) nginx: NginxConfig,
    /// The cost of passwords.
    pub(crate) passwords: PasswordHashing,
    /// How gateways come to be, and clocks of allocation.
    pub(crate) pool: PoolTable,
    /// The durable store.
    pub(crate) store: StoreTable,
    /// Lives of tokens.
    pub(crate) tokens: TokenLives,
}

/// The `[gateway]` table: what only `orrery gateway` needs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewayRole {
    /// The control plane, as this process reaches it.
    pub(crate) ganymede_url: String,
    /// The pool token that the control plane gave for this process.
    pub(crate) token: Secret,
    /// Where the control plane reaches this process; empty for the address that it listens on.
    pub(crate) advertise: String,
}

/// The `[pool]` table; clocks in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PoolTable {
    /// The image that `orrery pool create` makes containers from; empty for processes without one.
    pub(crate) image: String,
    /// How long a gateway may serve after its last renewal.
    pub(crate) lease_ms: u64,
    /// How long a gateway may take to start serving an organization.
    pub(crate) start_timeout_ms: u64,
    /// How long a gateway may take to flush and release an organization.
    pub(crate) stop_timeout_ms: u64,
}

/// The `[tokens]` table, in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenLives {
    /// Access tokens of people.
    pub(crate) access_ttl_s: u64,
}

/// A text that is never shown: not by `orrery check`, not in a log.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(String);

impl Secret {
    /// The text itself, for whoever needs it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { SECRET })
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The `[limits]` tables.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    pub(crate) gateway: GatewayLimits,
    pub(crate) http: HttpLimits,
    pub(crate) rates: RateLimits,
    pub(crate) room: RoomLimits,
    pub(crate) wire: WireLimits,
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// One line for people.
    Text,
    /// One object for machines.
    Json,
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

impl PoolTable {
    /// What gateways are made from as containers, if they are to be.
    pub(crate) fn image(&self) -> anyhow::Result<Option<Reference>> {
        match self.image.as_str() {
            "" => Ok(None),
            image => Ok(Some(image.parse().context("pool.image")?)),
        }
    }
}

impl Config {
    /// The effective configuration of this process.
    pub(crate) fn of_process(args: &ConfigArgs) -> anyhow::Result<Self> {
        Self::load(args, &Environment::of_process()?)
    }

    /// The effective configuration for these flags in this environment.
    pub(crate) fn load(args: &ConfigArgs, environment: &Environment) -> anyhow::Result<Self> {
        let mut table = Table::try_from(Self::defaults(environment)).context("defaults")?;
        if let Some(path) = args.config.as_ref().map_or_else(|| environment.config_file(), |path| Some(path.clone())) {
            let origin = path.display().to_string();
            let text = fs::read_to_string(&path).with_context(|| origin.clone())?;
            let file: Table = text.parse().with_context(|| origin.clone())?;
            lay(&mut table, file, &origin)?;
        }
        for (name, layer) in environment.layers(&table)? {
            lay(&mut table, layer, &name)?;
        }
        lay(&mut table, args.layer(), "flag")?;
        for (path, value) in layers::leaves(&table) {
            let key = path.join(".");
            ensure!(
                value.as_str() != Some(SECRET),
                "{key}: {SECRET:?} is shown in place of a secret; say the secret itself"
            );
        }
        let config: Self = table.try_into().context("configuration")?;
        config.check()?;
        Ok(config)
    }

    fn defaults(environment: &Environment) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 7000)),
            data: environment.data_folder(),
            domain: "localhost".to_owned(),
            public_url: String::new(),
            trusted_proxies: Vec::new(),
            database: Secret::default(),
            slots: 3,
            log_format: LogFormat::Text,
            // ractor keeps a span for each actor, which would be entered for each message; object_store tells of each
            // attempt, of which the store says the first and the last.
            log_filter: "info,ractor=warn,object_store=warn".to_owned(),
            clocks: RoomClocks::default(),
            containers: ContainersTable::default(),
            dns: DnsConfig::default(),
            engine: EngineConfig::default(),
            gateway: GatewayRole::default(),
            idle: IdleClocks::default(),
            lease: LeaseClocks::default(),
            limits: Limits::default(),
            nginx: NginxConfig::default(),
            passwords: PasswordHashing::default(),
            pool: PoolTable {
                image: String::new(),
                lease_ms: 15_000,
                start_timeout_ms: 10_000,
                stop_timeout_ms: 10_000,
            },
            store: StoreTable::default(),
            tokens: TokenLives { access_ttl_s: 900 },
        }
    }

    /// Where accounts and allocations are kept.
    pub(crate) fn database_url(&self) -> anyhow::Result<DatabaseUrl> {
        match self.database.expose() {
            "" => Ok(DatabaseUrl::sqlite(self.data.join("ganymede.db"))),
            url => url.parse().context("database"),
        }
    }

    /// Which name server is told of host names, and what; `None` if nobody is.
    pub(crate) fn dns(&self) -> anyhow::Result<Option<DnsSettings>> {
        Ok(self.dns.check(&self.domain.parse().context("domain")?)?)
    }

    /// nginx in front of this process, if it is to be.
    pub(crate) fn nginx(&self) -> anyhow::Result<Option<NginxSettings>> {
        Ok(self.nginx.check(&self.data)?)
    }

    /// How people reach the control plane, if that is not where it listens.
    pub(crate) fn public_url(&self) -> anyhow::Result<Option<PublicUrl>> {
        match self.public_url.as_str() {
            "" => Ok(None),
            url => Ok(Some(origin("public_url", url)?)),
        }
    }

    /// Which log lines are written.
    pub(crate) fn log_filter(&self) -> anyhow::Result<EnvFilter> {
        let filter = &self.log_filter;
        EnvFilter::builder().parse(filter).map_err(|error| anyhow!("log_filter: {filter:?}: {error}"))
    }

    /// What gateway processes on this machine have in common with whoever creates them, as a configuration file. No secret is
    /// among it.
    pub(crate) fn of_gateways(&self) -> anyhow::Result<String> {
        let table = Table::try_from(self)?;
        let shared: Table = table.into_iter().filter(|(key, _)| OF_GATEWAYS.contains(&key.as_str())).collect();
        Ok(toml::to_string(&shared)?)
    }

    fn check(&self) -> anyhow::Result<()> {
        ensure!(!self.data.as_os_str().is_empty(), "data: no home folder is known; name a data folder");
        check_domain(&self.domain)?;
        self.database_url()?;
        self.public_url()?;
        self.log_filter()?;
        let reached = [
            ("gateway.ganymede_url", &self.gateway.ganymede_url),
            ("containers.orrery_url", &self.containers.orrery_url),
        ];
        for (key, url) in reached.into_iter().filter(|(_, url)| !url.is_empty()) {
            origin(key, url)?;
        }
        self.store.place()?;
        self.dns()?;
        self.nginx()?;
        self.containers.registry()?;
        self.pool.image()?;
        self.check_data_bytes()
    }

    /// What gateways accept in one piece has to fit into what they store it with: else nothing after it would be stored.
    fn check_data_bytes(&self) -> anyhow::Result<()> {
        let data = self.limits.http.data_bytes_max;
        let pieces = [
            ("limits.wire.frame_bytes_max", self.limits.wire.frame_bytes_max.saturating_add(BESIDE_FRAME_BYTES)),
            ("containers.variables_bytes_max", self.containers.variables_bytes_max.saturating_mul(ESCAPED_BYTES_MAX)),
        ];
        for (key, needed) in pieces {
            ensure!(
                data >= needed,
                "limits.http.data_bytes_max must be at least {needed} for what {key} lets in, not {data}"
            );
        }
        Ok(())
    }
}

/// Lays `layer` over `table`. What cannot be the value of its key is named with where it stands, too.
fn lay(table: &mut Table, layer: Table, origin: &str) -> anyhow::Result<()> {
    layers::merge(table, layer, origin)?;
    table.clone().try_into::<Config>().map(drop).with_context(|| origin.to_owned())
}

fn origin(key: &str, url: &str) -> anyhow::Result<PublicUrl> {
    url.parse().with_context(|| format!("{key}: {url:?}"))
}

/// Host names are built from the domain and enter other systems' files, so its alphabet is closed. The bound leaves room for
/// the longest container host name within 253 octets.
fn check_domain(domain: &str) -> anyhow::Result<()> {
    let label = |label: &str| {
        let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = label.as_bytes();
        let allowed = bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
        allowed && bytes.len() <= 63 && edge(bytes.first()) && edge(bytes.last())
    };
    if domain.len() <= 140 && domain.split('.').all(label) {
        return Ok(());
    }
    bail!("domain: {domain:?} is not a host name (labels of a-z, 0-9 and -, at most 140 characters)")
}

#[cfg(test)]
mod tests;
