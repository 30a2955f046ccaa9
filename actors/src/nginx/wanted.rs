//! What nginx is to do, as values. Made of route tables and of the certificates that are there; renders nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::UNIX_EPOCH,
};

use orrery_protocol::{
    container::{Domain, HostName, Target},
    id::OrgId,
    route::RouteTable,
};

use super::word::ConfigPath;

/// What nginx is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// In front of the control plane.
    Stage1(Stage1Wanted),
    /// In front of a gateway.
    Stage2(Stage2Wanted),
}

/// In front of the control plane: TLS, the control plane's own host, and the way to each organization's gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage1Wanted {
    /// Below which everything is.
    pub domain: Domain,
    /// Where the control plane listens. Also answers for organizations that have no gateway.
    pub ganymede: SocketAddr,
    /// Certificates, where there is TLS.
    pub tls: Option<Stage1Tls>,
    /// Where the gateway of each organization that has one in another process listens.
    pub gateways: BTreeMap<OrgId, SocketAddr>,
}

/// Certificates: a wildcard covers one label, so that an organization needs one of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage1Tls {
    /// Of the domain, and for organizations without one.
    pub domain: Certificate,
    /// Of `org-{org}` and `*.org-{org}`.
    pub orgs: BTreeMap<OrgId, Certificate>,
}

/// The files of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// It and its intermediates.
    pub chain: ConfigPath,
    /// Its key.
    pub key: ConfigPath,
    /// When they were last written, in unix seconds: nginx reads them when its configuration changes, and not otherwise.
    pub written_at_s: u64,
}

/// In front of a gateway: one host name for each service of a container that answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage2Wanted {
    /// Below which everything is.
    pub domain: Domain,
    /// Where the gateway itself listens. Says who may pass, and answers for every other host.
    pub gateway: SocketAddr,
    /// Which host names of which organization lead to what.
    pub services: BTreeMap<OrgId, BTreeMap<SocketAddr, BTreeSet<HostName>>>,
}

impl Stage1Tls {
    /// The certificates in a folder: `{domain}/` and `org-{org}.{domain}/`, in each `fullchain.pem` and `privkey.pem`.
    /// An organization without is left out; the domain's own is taken to be there.
    pub fn find(folder: &ConfigPath, domain: &Domain, orgs: impl IntoIterator<Item = OrgId>) -> Self {
        let of_org = |org: OrgId| {
            let name = HostName { org, target: Target::Gateway };
            let found = Certificate::at(&folder.join_host(&name, domain));
            (found.written_at_s > 0).then_some((org, found))
        };
        Self {
            domain: Certificate::at(&folder.join_domain(domain)),
            orgs: orgs.into_iter().filter_map(of_org).collect(),
        }
    }
}

impl Certificate {
    /// As it is in a folder; written at 0 if it is not whole.
    fn at(folder: &ConfigPath) -> Self {
        let (chain, key) = (folder.join("fullchain.pem"), folder.join("privkey.pem"));
        let written_at_s = |path: &ConfigPath| {
            let modified = path.as_path().metadata().and_then(|file| file.modified()).ok()?;
            Some(modified.duration_since(UNIX_EPOCH).ok()?.as_secs())
        };
        let written_at_s = written_at_s(&chain).zip(written_at_s(&key)).map_or(0, |(chain, key)| chain.max(key));
        Self { chain, key, written_at_s }
    }
}

impl Stage2Wanted {
    /// What the tables of all organizations of a gateway ask for. What answers nothing now is the gateway's to explain.
    pub fn of(domain: Domain, gateway: SocketAddr, tables: &BTreeMap<OrgId, Arc<RouteTable>>) -> Self {
        let mut services: BTreeMap<OrgId, BTreeMap<SocketAddr, BTreeSet<HostName>>> = BTreeMap::new();
        for table in tables.values() {
            for (target, lead) in table.iter() {
                if let Some(upstream) = lead.upstream {
                    let name = HostName { org: table.org, target: target.clone() };
                    services.entry(table.org).or_default().entry(upstream).or_default().insert(name);
                }
            }
        }
        Self { domain, gateway, services }
    }
}
