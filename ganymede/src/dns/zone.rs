//! What belongs into the zone: the names of organizations and of the installation itself, as records. Owns the pattern by
//! which our records are told from everybody else's; asks nobody.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, Ipv6Addr},
};

use orrery_protocol::{
    container::{Domain, HostName, Target},
    id::OrgId,
};
use serde::{Deserialize, Serialize};

/// Kinds of records that are ours to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum RecordKind {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    #[serde(rename = "AAAA")]
    Aaaa,
}

/// Which set of records.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordKey {
    /// Absolute, in lower case, with the dot at its end.
    pub name: String,
    /// Of which kind.
    pub kind: RecordKind,
}

/// A set of records: what a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// How long resolvers keep it, in seconds.
    pub ttl_s: u32,
    /// Addresses, as they are written.
    pub contents: BTreeSet<String>,
    /// Whether some of it is stored and not served. Never wanted.
    pub disabled: bool,
}

/// Sets of records by what they are for.
pub type Records = BTreeMap<RecordKey, RecordSet>;

/// A zone, and what we put into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: Domain,
    domain: Domain,
    address: Ipv4Addr,
    address_v6: Option<Ipv6Addr>,
    ttl_s: u32,
}

impl Zone {
    /// A zone for host names below `domain`; `None` if they are not in it.
    pub fn new(
        name: Domain,
        domain: Domain,
        address: Ipv4Addr,
        address_v6: Option<Ipv6Addr>,
        ttl_s: u32,
    ) -> Option<Self> {
        let above = domain.as_str().strip_suffix(name.as_str())?;
        let within = above.is_empty() || above.ends_with('.');
        within.then_some(Self { name, domain, address, address_v6, ttl_s })
    }

    /// Its name, without the dot at its end.
    pub fn name(&self) -> &Domain {
        &self.name
    }

    /// What makes an organization's host names lead here: its own one, and all below it. The second is not implied by a
    /// wildcard of the domain once the first exists (RFC 4592, section 2.2).
    pub fn of_org(&self, org: OrgId) -> Records {
        let own = HostName { org, target: Target::Gateway }.under(&self.domain);
        let below = format!("*.{own}");
        self.leading_here([own, below])
    }

    /// What makes the installation's own host names lead here: the domain itself, the control plane's, and whatever has no
    /// record of its own. Also the name server's, which the zone's own records name.
    pub fn core(&self) -> Records {
        let domain = &self.domain;
        self.leading_here([domain.to_string(), format!("ganymede.{domain}"), format!("*.{domain}"), self.name_server()])
    }

    /// The host name that the zone gives for its own name server, without the dot at its end.
    pub fn name_server(&self) -> String {
        format!("ns1.{}", self.name)
    }

    /// The organization whose record this is; `None` for everything that is not ours to remove.
    pub fn owner(&self, key: &RecordKey) -> Option<OrgId> {
        let name = key.name.strip_suffix('.')?;
        let host = HostName::parse(name.strip_prefix("*.").unwrap_or(name), &self.domain)?;
        let ours = host.target == Target::Gateway && self.is_written_so(host.org, name);
        ours.then_some(host.org)
    }

    /// Ids can be read in more spellings than they are written in.
    fn is_written_so(&self, org: OrgId, name: &str) -> bool {
        let own = HostName { org, target: Target::Gateway }.under(&self.domain);
        name.strip_prefix("*.").unwrap_or(name) == own
    }

    fn leading_here(&self, names: impl IntoIterator<Item = String>) -> Records {
        let mut records = Records::new();
        for name in names {
            records.extend(self.addresses().map(|(kind, address)| {
                let key = RecordKey { name: format!("{name}."), kind };
                (key, RecordSet { ttl_s: self.ttl_s, contents: BTreeSet::from([address]), disabled: false })
            }));
        }
        records
    }

    fn addresses(&self) -> impl Iterator<Item = (RecordKind, String)> {
        let v4 = (RecordKind::A, self.address.to_string());
        let v6 = self.address_v6.map(|address| (RecordKind::Aaaa, address.to_string()));
        std::iter::once(v4).chain(v6)
    }
}
