//! Which organization a request is for, by host name or by path. Owns both spellings; knows no route.
//!
//! - `Host: org-{org}.{domain}`: the organization's own host; it serves gateway routes only.
//! - `Host: uc-{id}[--{service}].org-{org}.{domain}`, `{slug}.org-{org}.{domain}`: a container of it; nothing of ours is there.
//! - `/-/gw/org-{org}/...`: the same without DNS; the prefix is taken off before routing.
//! - anything else is the bare form: the control plane's host, where the project of a gateway route names the organization.

use std::sync::Arc;

use http::{
    HeaderValue,
    uri::{Authority, PathAndQuery, Uri},
};
use orrery_protocol::{container::Target, id::OrgId};

const PATH_PREFIX: &str = "/-/gw/";

/// The organization that the address names. To its gateway nothing of another one exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrgHint(pub OrgId);

/// A host of a container. To it nothing of another organization exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerHost {
    /// The tenant.
    pub org: OrgId,
    /// Which container, and which of its services.
    pub target: Target,
    /// As it is written: in lower case, without port.
    pub name: String,
}

/// What the host and path of a request say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// The control plane's own host.
    Bare,
    /// One organization's gateway, with the URI that its routes see.
    Gateway(OrgHint, Uri),
    /// A container of one organization.
    Container(Arc<ContainerHost>),
    /// A host or prefix that is ours but names nothing.
    Unknown,
}

impl Address {
    /// `host` is the `Host` header (or the URI's authority), port included or not.
    pub fn of(host: Option<&str>, uri: &Uri, domain: &str) -> Self {
        match host.and_then(|host| subdomain(host, domain)) {
            Some(label) => match org_label(label) {
                Some(org) => Self::Gateway(OrgHint(org), uri.clone()),
                None => ContainerHost::of(label, domain).map_or(Self::Unknown, |host| Self::Container(Arc::new(host))),
            },
            None => Self::by_path(uri),
        }
    }

    fn by_path(uri: &Uri) -> Self {
        let Some(rest) = uri.path().strip_prefix(PATH_PREFIX) else { return Self::Bare };
        let (label, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        let Some(org) = org_label(label) else { return Self::Unknown };
        let target = match uri.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        match target.parse::<PathAndQuery>() {
            Ok(target) => Self::Gateway(OrgHint(org), Uri::from(target)),
            Err(_) => Self::Unknown,
        }
    }
}

impl ContainerHost {
    /// From what stands before the domain.
    fn of(above: &str, domain: &str) -> Option<Self> {
        let above = above.to_ascii_lowercase();
        let (label, org) = above.rsplit_once('.')?;
        let (org, target) = (org_label(org)?, Target::from_label(label)?);
        Some(Self { org, target, name: format!("{above}.{}", domain.to_ascii_lowercase()) })
    }
}

/// The path form of `uri` for another process, whatever domain that one has; `None` if it has no path.
pub(crate) fn gateway_path(org: OrgId, uri: &Uri) -> Option<Uri> {
    let path = uri.path_and_query().filter(|path| path.as_str().starts_with('/'))?;
    format!("{PATH_PREFIX}org-{org}{path}").parse().ok()
}

/// The port that a `Host` header names.
pub(crate) fn port_in(host: &HeaderValue) -> Option<u16> {
    host.to_str().ok()?.parse::<Authority>().ok()?.port_u16()
}

/// `x` of `x.{domain}:{port}`; `None` for the domain itself and for every other host.
fn subdomain<'a>(host: &'a str, domain: &str) -> Option<&'a str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        Some(_) | None => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let cut = name.len().checked_sub(domain.len())?;
    let (label, rest) = (name.get(..cut)?, name.get(cut..)?);
    if rest.eq_ignore_ascii_case(domain) { label.strip_suffix('.') } else { None }
}

/// `org-{org}`. Host names do not distinguish case; ids have one spelling.
fn org_label(label: &str) -> Option<OrgId> {
    let (prefix, id) = label.split_at_checked(4)?;
    if prefix.eq_ignore_ascii_case("org-") { id.to_ascii_lowercase().parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORG: &str = "018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f";

    fn check(host: &str, uri: &str, domain: &str, expect: &str) {
        let host = host.replace("ORG", ORG);
        let uri: Uri = uri.replace("ORG", ORG).parse().unwrap();
        let said = match Address::of(Some(&host), &uri, domain) {
            Address::Bare => "bare".to_owned(),
            Address::Gateway(OrgHint(org), uri) => {
                assert_eq!(org.to_string(), ORG);
                uri.to_string()
            }
            Address::Container(host) => {
                assert_eq!(host.org.to_string(), ORG);
                format!("{:?} at {}", host.target, host.name).replace(ORG, "ORG")
            }
            Address::Unknown => "unknown".to_owned(),
        };
        assert_eq!(said, expect, "{host} {uri}");
    }

    #[test]
    fn a_host_names_an_organization() {
        check("org-ORG.localhost:7000", "/collab/p/board?token=t", "localhost", "/collab/p/board?token=t");
        check("ORG-ORG.Example.ORG-x", "/", "example.org", "bare");
        check("Org-ORG.Team.Example.:443", "/x", "team.example", "/x");
        check("uc_1.org-ORG.localhost", "/", "localhost", "unknown");
        check("org-1.localhost", "/", "localhost", "unknown");
        check("grafana.localhost", "/", "localhost", "unknown");
        for bare in
            ["localhost", "localhost:7000", "127.0.0.1:7000", "[::1]:7000", "evil.test", "xlocalhost", "", ".", "ä"]
        {
            check(bare, "/api/health", "localhost", "bare");
        }
    }

    #[test]
    fn a_host_names_a_container() {
        let host = "uc-7000000000000000.org-ORG.localhost";
        let expect = format!("{:?} at {host}", Target::from_label("uc-7000000000000000").unwrap());
        for spelt in [host.to_owned(), format!("{host}."), format!("{host}:7000"), host.replace("uc-", "UC-")] {
            check(&spelt, "/-/gw/org-ORG/x", "localhost", &expect);
        }
        check(&host.replace("localhost", "LocalHost"), "/", "localhost", &expect);
        let slug = "notebook-k3x9.org-ORG.localhost";
        let target = Target::from_label("notebook-k3x9").unwrap();
        check(slug, "/", "localhost", &format!("{target:?} at {slug}"));
        for other in [
            "uc-7000000000000000.localhost",
            "uc-7000000000000000--.org-ORG.localhost",
            "a.uc-7000000000000000.org-ORG.localhost",
            ".org-ORG.localhost",
            "notebook--web.org-ORG.localhost",
            "uc-7000000000000000.org-1.localhost",
        ] {
            check(other, "/", "localhost", "unknown");
        }
        check("uc-7000000000000000.org-ORG.evil.test", "/", "localhost", "bare");
        check("uc-7000000000000000.org-ORG.evillocalhost", "/", "localhost", "bare");
    }

    #[test]
    fn a_path_names_an_organization() {
        check("localhost", "/-/gw/org-ORG/collab/p/board?token=t", "localhost", "/collab/p/board?token=t");
        check("localhost", "/-/gw/org-ORG", "localhost", "/");
        check("localhost", "/-/gw/org-ORG/", "localhost", "/");
        check("localhost", "/-/gw/org-ORG/-/gw/org-ORG/x", "localhost", "/-/gw/org-ORG/x".replace("ORG", ORG).as_str());
        check("localhost", "/-/gw/ORG/collab", "localhost", "unknown");
        check("localhost", "/-/gw/", "localhost", "unknown");
        check("localhost", "/-/gwx", "localhost", "bare");
    }

    #[test]
    fn the_path_form_is_read_as_it_was_written() {
        let org: OrgId = ORG.parse().unwrap();
        for target in ["/", "/collab/p/board?token=t", "/a%2Fb?x", "//"] {
            let onward = gateway_path(org, &target.parse().unwrap()).unwrap();
            check("127.0.0.1:7101", &onward.to_string(), "localhost", target);
        }
        assert_eq!(gateway_path(org, &Uri::from_static("*")), None);
        assert_eq!(gateway_path(org, &Uri::from_static("example.org:443")), None, "CONNECT");
    }

    #[test]
    fn a_request_without_a_host_is_bare() {
        assert_eq!(Address::of(None, &Uri::from_static("/"), "localhost"), Address::Bare);
    }
}
