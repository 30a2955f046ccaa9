//! Where people reach an organization's gateway: by its host name, or, where names do not resolve, by path on the address
//! that they used for us.

use http::{HeaderMap, header, uri::Authority};
use orrery_protocol::id::OrgId;
use serde::Serialize;
use utoipa::ToSchema;

use crate::state::EdgeConfig;

/// The addresses of an organization's gateway.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GatewayReach {
    /// The organization's own host.
    gateway_hostname: String,
    /// Where its routes are.
    gateway_url: String,
    /// What a stock client takes as server URL, before `/{project}`.
    ws_url: String,
}

impl GatewayReach {
    /// For whoever sent `headers`.
    pub(super) fn of(org: OrgId, edge: &EdgeConfig, headers: &HeaderMap) -> Self {
        let asked = headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
        let authority = edge.public_url.as_ref().map(|url| url.authority().clone()).or(asked);
        let tls = edge.public_url.as_ref().is_some_and(|url| url.is_tls());
        let hostname = format!("org-{org}.{}", edge.domain);
        let port = authority.as_ref().and_then(Authority::port_u16).map(|port| format!(":{port}")).unwrap_or_default();
        let place = match authority {
            Some(authority) if edge.domain == "localhost" => format!("{authority}/-/gw/org-{org}"),
            Some(_) | None => format!("{hostname}{port}"),
        };
        let (http, ws) = if tls { ("https", "wss") } else { ("http", "ws") };
        Self {
            gateway_hostname: hostname,
            gateway_url: format!("{http}://{place}"),
            ws_url: format!("{ws}://{place}/collab"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(domain: &str, public: Option<&str>, host: Option<&str>, url: &str, ws_url: &str) {
        let org: OrgId = "018f4c1e-2b7a-7c3d-9e4f-5a6b7c8d9e0f".parse().unwrap();
        let edge = EdgeConfig {
            domain: domain.to_owned(),
            public_url: public.map(|url| url.parse().unwrap()),
            ..EdgeConfig::default()
        };
        let headers = host.map(|host| (header::HOST, host.parse().unwrap())).into_iter().collect();
        let reach = GatewayReach::of(org, &edge, &headers);
        let with = |text: &str| text.replace("ORG", &org.to_string());
        assert_eq!((reach.gateway_url, reach.ws_url), (with(url), with(ws_url)));
        assert_eq!(reach.gateway_hostname, with(&format!("org-ORG.{domain}")));
    }

    #[test]
    fn localhost_is_reached_by_path_at_the_address_that_was_asked() {
        let at = |host: &str| (format!("http://{host}/-/gw/org-ORG"), format!("ws://{host}/-/gw/org-ORG/collab"));
        for host in ["127.0.0.1:7000", "localhost:7000", "[::1]:7000", "laptop.lan"] {
            let (url, ws_url) = at(host);
            check("localhost", None, Some(host), &url, &ws_url);
        }
        check("localhost", None, Some("a b"), "http://org-ORG.localhost", "ws://org-ORG.localhost/collab");
        check("localhost", None, None, "http://org-ORG.localhost", "ws://org-ORG.localhost/collab");
        let public = Some("https://tunnel.example:8443");
        let ws_url = "wss://tunnel.example:8443/-/gw/org-ORG/collab";
        check("localhost", public, Some("127.0.0.1:7000"), "https://tunnel.example:8443/-/gw/org-ORG", ws_url);
    }

    #[test]
    fn other_domains_are_reached_by_host_name() {
        let host = Some("team.example:7000");
        check("team.example", None, host, "http://org-ORG.team.example:7000", "ws://org-ORG.team.example:7000/collab");
        let public = Some("https://team.example");
        check("team.example", public, host, "https://org-ORG.team.example", "wss://org-ORG.team.example/collab");
    }
}
