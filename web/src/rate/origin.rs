//! Which network address a request comes from, as far as it can be believed.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use axum::extract::FromRequestParts;
use http::{HeaderMap, HeaderName, request::Parts};

use crate::{server::Connection, state::GanymedeState};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The network address of whoever sent a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin(pub(super) IpAddr);

impl FromRequestParts<GanymedeState> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &GanymedeState) -> Result<Self, Infallible> {
        // A request that came over no socket is our own.
        let peer = parts.extensions.get::<Connection>().map(|connection| connection.remote.ip());
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Ok(Self::behind(peer, &parts.headers, &state.process.edge.trusted_proxies))
    }
}

impl Origin {
    /// `peer` is the other end of the socket. Only a proxy that is trusted may name somebody else, and each proxy adds the
    /// one that it heard from at the end: the last address that is not a proxy of ours is the caller's.
    pub(crate) fn behind(peer: IpAddr, headers: &HeaderMap, proxies: &[IpAddr]) -> Self {
        let mut caller = peer.to_canonical();
        let named = headers.get_all(FORWARDED_FOR).into_iter().filter_map(|value| value.to_str().ok());
        let named: Vec<&str> = named.flat_map(|value| value.split(',')).map(str::trim).collect();
        for name in named.into_iter().rev() {
            if !proxies.contains(&caller) {
                break;
            }
            let Ok(address) = name.parse::<IpAddr>() else { break };
            caller = address.to_canonical();
        }
        Self(caller)
    }

    /// The address itself.
    pub(crate) fn address(self) -> IpAddr {
        self.0
    }

    /// What a bucket is kept for: an IPv4 address, or the /64 of an IPv6 one, because whoever has one address of it has
    /// them all.
    pub(super) fn network(self) -> IpAddr {
        match self.0 {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, forwarded: &[&'static str], proxies: &[&str], expect: &str) {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, value.parse().unwrap());
        }
        let proxies: Vec<IpAddr> = proxies.iter().map(|proxy| proxy.parse().unwrap()).collect();
        let origin = Origin::behind(peer.parse().unwrap(), &headers, &proxies);
        assert_eq!(origin.network().to_string(), expect, "{peer} {forwarded:?}");
    }

    #[test]
    fn only_a_trusted_proxy_names_somebody_else() {
        check("9.9.9.9", &["1.1.1.1"], &[], "9.9.9.9");
        check("9.9.9.9", &["1.1.1.1"], &["8.8.8.8"], "9.9.9.9");
        check("8.8.8.8", &["1.1.1.1"], &["8.8.8.8"], "1.1.1.1");
        check("8.8.8.8", &[], &["8.8.8.8"], "8.8.8.8");
    }

    #[test]
    fn what_the_caller_claims_before_the_proxies_is_not_believed() {
        check("8.8.8.8", &["6.6.6.6, 1.1.1.1"], &["8.8.8.8"], "1.1.1.1");
        check("8.8.8.8", &["6.6.6.6", "1.1.1.1, 7.7.7.7"], &["8.8.8.8", "7.7.7.7"], "1.1.1.1");
        check("8.8.8.8", &["6.6.6.6, nonsense"], &["8.8.8.8"], "8.8.8.8");
    }

    #[test]
    fn a_host_s_whole_ipv6_network_is_one_address() {
        check("2001:db8:1:2:3:4:5:6", &[], &[], "2001:db8:1:2::");
        check("2001:db8:1:2:ffff::1", &[], &[], "2001:db8:1:2::");
        check("::ffff:9.9.9.9", &[], &[], "9.9.9.9");
        check("::ffff:8.8.8.8", &["1.1.1.1"], &["8.8.8.8"], "1.1.1.1");
    }
}
