//! The two names of a control plane on one's own machine: `localhost`, below which containers have theirs, and the address
//! that `orrery up` prints. To browsers they are two places, each with its own cookies.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, header, request::Parts, uri::Authority};

use crate::{server::Connection, state::EdgeConfig};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Which of the two a browser uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Loopback {
    /// `localhost`.
    Name {
        /// The address, as an origin.
        other: String,
    },
    /// `127.0.0.1` or `[::1]`.
    Address {
        /// `localhost`, as an origin.
        name: String,
    },
}

/// Which of the names a request uses; `None` if there are not two: it comes from elsewhere, or something in between may
/// know only one of them.
pub(super) fn of(head: &Parts, edge: &EdgeConfig) -> Option<Loopback> {
    let peer = head.extensions.get::<Connection>()?.remote.ip().to_canonical();
    let alone = edge.public_url.is_none() && edge.domain == "localhost" && !head.headers.contains_key(FORWARDED_FOR);
    if alone { used(peer, &head.headers) } else { None }
}

fn used(peer: IpAddr, headers: &HeaderMap) -> Option<Loopback> {
    let address = match peer {
        IpAddr::V4(_) if peer.is_loopback() => "127.0.0.1",
        IpAddr::V6(_) if peer.is_loopback() => "[::1]",
        IpAddr::V4(_) | IpAddr::V6(_) => return None,
    };
    let host: Authority = headers.get(header::HOST)?.to_str().ok()?.parse().ok()?;
    let port = host.port_u16().map(|port| format!(":{port}")).unwrap_or_default();
    match host.host() {
        "localhost" => Some(Loopback::Name { other: format!("http://{address}{port}") }),
        "127.0.0.1" | "[::1]" => Some(Loopback::Address { name: format!("http://localhost{port}") }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_two_names_on_the_machine_itself_only() {
        let check = |peer: &str, host: &'static str, expect: Option<Loopback>| {
            let headers = HeaderMap::from_iter([(header::HOST, host.parse().unwrap())]);
            assert_eq!(used(peer.parse().unwrap(), &headers), expect, "{peer} {host}");
        };
        let name = |other: &str| Some(Loopback::Name { other: other.to_owned() });
        let address = |name: &str| Some(Loopback::Address { name: name.to_owned() });
        check("127.0.0.1", "localhost:7000", name("http://127.0.0.1:7000"));
        check("::1", "localhost", name("http://[::1]"));
        check("127.0.0.1", "127.0.0.1:7000", address("http://localhost:7000"));
        check("::1", "[::1]:7000", address("http://localhost:7000"));
        for other in ["192.0.2.7:7000", "localhost.evil.example", "evil.example", ""] {
            check("127.0.0.1", other, None);
        }
        check("192.0.2.9", "localhost:7000", None);
        check("192.0.2.9", "127.0.0.1:7000", None);
    }
}
