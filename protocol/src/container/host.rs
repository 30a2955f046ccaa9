//! Where containers are reached: services, domains and host names as values that can stand in a URL, a certificate and a
//! proxy's configuration as they are.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::word::words;
use crate::id::{ContainerId, LABEL_BYTES_MAX, OrgId, Slug};

/// Longest name of a service, in bytes: `uc-`, 16, `--` and it fit into one label.
pub const SERVICE_NAME_BYTES_MAX: usize = LABEL_BYTES_MAX - 3 - 16 - 2;
/// A host name is at most 253 bytes long (RFC 1035, section 2.3.4); `{label}.org-{uuid}.` takes its part of them.
const DOMAIN_BYTES_MAX: usize = 253 - LABEL_BYTES_MAX - 1 - (4 + 36) - 1;

/// A text that is not part of a host name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidHost(pub &'static str);

/// A service of a container: `[a-z0-9-]`, neither a hyphen at an end nor two in a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(String);

/// The domain under which organizations have their hosts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(String);

words! {
    /// Whether a service may be reached.
    ServiceState {
        /// Requests go to it.
        Up = "up",
        /// Requests would go to it; its host name is not known to the world yet.
        DnsPending = "dns_pending",
        /// It is not routed, and keeps its URL.
        Withdrawn = "withdrawn",
    }
}

/// One service of a container, as everybody sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Where it is reached, now and after any restart or move.
    pub url: String,
    /// Whether it is.
    pub state: ServiceState,
}

/// What a host name of an organization names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Target {
    /// `org-{org}`: its gateway.
    Gateway,
    /// `uc-{id}[--{service}]`: a service of a container, or its first one.
    Container(ContainerId, Option<ServiceName>),
    /// `{slug}`: the first service of the container with that slug.
    Alias(Slug),
}

/// A host name: `org-{org}.{domain}` or `{label}.org-{org}.{domain}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName {
    /// The tenant.
    pub org: OrgId,
    /// What of it.
    pub target: Target,
}

/// How the containers of an organization are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The tenant.
    pub org: OrgId,
    /// Where its host names end.
    pub domain: Domain,
    /// Whether over TLS.
    pub tls: bool,
    /// The port, unless it is the usual one.
    pub port: Option<u16>,
}

impl Site {
    /// The URL of a container's service, or of its first one. The same for ever.
    pub fn url(&self, container: ContainerId, service: Option<&ServiceName>) -> String {
        let host = HostName { org: self.org, target: Target::Container(container, service.cloned()) };
        let scheme = if self.tls { "https" } else { "http" };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{scheme}://{}{port}/", host.under(&self.domain))
    }
}

impl HostName {
    /// As it is written under a domain.
    pub fn under(&self, domain: &Domain) -> String {
        let org = format!("org-{}.{domain}", self.org);
        match &self.target {
            Target::Gateway => org,
            Target::Container(id, None) => format!("{}.{org}", id.label()),
            Target::Container(id, Some(service)) => format!("{}--{service}.{org}", id.label()),
            Target::Alias(slug) => format!("{slug}.{org}"),
        }
    }

    /// What a host name under `domain` names; `None` if nothing of ours. Host names know no case.
    pub fn parse(host: &str, domain: &Domain) -> Option<Self> {
        let host = host.to_ascii_lowercase();
        let above = host.strip_suffix(domain.as_str())?.strip_suffix('.')?;
        let (label, org) = match above.rsplit_once('.') {
            Some((label, org)) => (Some(label), org),
            None => (None, above),
        };
        let org = org.strip_prefix("org-")?.parse().ok()?;
        let target = label.map_or(Some(Target::Gateway), Target::from_label)?;
        Some(Self { org, target })
    }
}

impl Target {
    /// What a label before `org-{org}` names, in lower case; `None` if nothing of ours.
    pub fn from_label(label: &str) -> Option<Self> {
        if let Some((container, service)) = label.split_once("--") {
            return Some(Self::Container(ContainerId::from_label(container)?, Some(service.parse().ok()?)));
        }
        if let Some(id) = ContainerId::from_label(label) {
            return Some(Self::Container(id, None));
        }
        label.parse().ok().map(Self::Alias)
    }
}

impl ServiceName {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Domain {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_label(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LABEL_BYTES_MAX).contains(&text.len())
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

impl FromStr for ServiceName {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        if is_label(text) && text.len() <= SERVICE_NAME_BYTES_MAX && !text.contains("--") {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidHost("must be 1 to 42 of [a-z0-9-], with no hyphen at an end nor two in a row"))
        }
    }
}

impl FromStr for Domain {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        if text.len() <= DOMAIN_BYTES_MAX && text.split('.').all(is_label) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidHost("must be a domain of labels of [a-z0-9-], at most 148 bytes long"))
        }
    }
}

impl TryFrom<String> for ServiceName {
    type Error = InvalidHost;

    fn try_from(text: String) -> Result<Self, InvalidHost> {
        text.parse()
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const ORG: OrgId = OrgId(Uuid::from_u128(0x018f_4c1e_2b7a_7c3d_9e4f_5a6b_7c8d_9e0f));

    fn domain() -> Domain {
        "orrery.example".parse().unwrap()
    }

    #[test]
    fn host_names_are_read_as_they_are_written() {
        let id = ContainerId::from_random(7);
        let org = "org-018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f.orrery.example";
        let slug = Slug::of("notebook", id, |_| false);
        for (target, host) in [
            (Target::Gateway, org.to_owned()),
            (Target::Container(id, None), format!("uc-7000000000000000.{org}")),
            (Target::Container(id, Some("web-2".parse().unwrap())), format!("uc-7000000000000000--web-2.{org}")),
            (Target::Alias(slug.clone()), format!("{slug}.{org}")),
        ] {
            let name = HostName { org: ORG, target };
            assert_eq!(name.under(&domain()), host);
            assert_eq!(HostName::parse(&host, &domain()), Some(name.clone()));
            assert_eq!(HostName::parse(&host.to_ascii_uppercase(), &domain()), Some(name));
        }
    }

    #[test]
    fn hosts_of_others_are_not_ours() {
        let org = "org-018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f";
        for host in [
            "orrery.example".to_owned(),
            format!("{org}.example"),
            format!("{org}orrery.example"),
            format!("{org}.evilorrery.example"),
            format!("a.b.{org}.orrery.example"),
            format!("uc-7000000000000000--.{org}.orrery.example"),
            format!("uc-7000000000000000--a--b.{org}.orrery.example"),
            format!("notebook--web.{org}.orrery.example"),
            format!(".{org}.orrery.example"),
            "org-1.orrery.example".to_owned(),
            String::new(),
        ] {
            assert_eq!(HostName::parse(&host, &domain()), None, "{host}");
        }
    }

    #[test]
    fn the_longest_names_still_fit() {
        let service: ServiceName = "s".repeat(SERVICE_NAME_BYTES_MAX).parse().unwrap();
        let long = format!("{}.{}.{}", "a".repeat(63), "b".repeat(63), "c".repeat(20));
        assert_eq!(long.len(), DOMAIN_BYTES_MAX);
        let domain: Domain = long.parse().unwrap();
        let target = Target::Container(ContainerId::from_random(u128::MAX), Some(service));
        let host = HostName { org: ORG, target }.under(&domain);
        assert_eq!(host.len(), 253);
        assert!(host.split('.').all(|label| label.len() <= LABEL_BYTES_MAX));
        assert!(format!("{long}c").parse::<Domain>().is_err());
        assert!("s".repeat(SERVICE_NAME_BYTES_MAX + 1).parse::<ServiceName>().is_err());
    }

    #[test]
    fn what_could_break_out_of_a_configuration_is_no_name() {
        for bad in ["", "-a", "a-", "a--b", "A", "a_b", "a.b", "a;b", "a{", "a\n", "ä", "\"a"] {
            assert!(bad.parse::<ServiceName>().is_err(), "{bad:?}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a:80", "*.a", "A.b", "a;b"] {
            assert!(bad.parse::<Domain>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_url_names_the_port_that_is_not_the_usual_one() {
        let id = ContainerId::from_random(7);
        let site = Site { org: ORG, domain: "localhost".parse().unwrap(), tls: false, port: Some(7000) };
        let org = "org-018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f";
        assert_eq!(site.url(id, None), format!("http://uc-7000000000000000.{org}.localhost:7000/"));
        let site = Site { tls: true, port: None, ..site };
        let web = "web".parse().unwrap();
        assert_eq!(site.url(id, Some(&web)), format!("https://uc-7000000000000000--web.{org}.localhost/"));
    }
}
