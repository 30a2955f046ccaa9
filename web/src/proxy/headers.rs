//! Which header fields travel through a proxy. Owns the names; knows no connection.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use orrery_protocol::access::Principal;

use crate::percent;

/// Fields that belong to one connection (RFC 9110, section 7.6.1), whether `Connection` names them or not.
const HOP_BY_HOP: [HeaderName; 10] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    // Answered here: the body is asked for when the other side wants it.
    header::EXPECT,
];

/// Fields by which we tell the other process who asks. What a client sends under these names is a forgery.
const OURS: [HeaderName; 2] = [header::FORWARDED, HeaderName::from_static("x-real-ip")];
const OUR_PREFIXES: [&str; 2] = ["x-forwarded-", "x-auth-"];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const USER_ID: HeaderName = HeaderName::from_static("x-auth-user-id");
const USER_NAME: HeaderName = HeaderName::from_static("x-auth-user-name");

/// Who asks, as the other process is told: `X-Auth-User-Id`, and `X-Auth-User-Name` percent-encoded (RFC 3986) in UTF-8,
/// because people's names are not ASCII and headers are.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    id: HeaderValue,
    name: HeaderValue,
}

impl Identity {
    /// Of somebody who was looked up.
    pub(crate) fn of(principal: &Principal) -> Self {
        let header = |text: String| HeaderValue::try_from(text).expect("ids and encoded text are plain ASCII");
        Self { id: header(principal.user.to_string()), name: header(percent::encode(&principal.name)) }
    }

    /// Says so.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        headers.insert(USER_ID, self.id);
        headers.insert(USER_NAME, self.name);
    }
}

/// Whether a message asks for, or agrees to, becoming a WebSocket.
pub(crate) fn is_websocket(headers: &HeaderMap) -> bool {
    mentions(headers, &header::CONNECTION, "upgrade") && mentions(headers, &header::UPGRADE, "websocket")
}

/// Takes off what belongs to the connection a message came on.
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, &header::CONNECTION).filter_map(|name| name.parse().ok()).collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
}

/// Says again what [`strip_hop_by_hop`] took off an upgrade.
pub(super) fn say_websocket(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// Replaces whatever the client claims about itself by what is known. `peer` is the other end of its connection; if it is
/// `trusted`, a proxy of ours, the addresses that it names are kept before its own. `caller` is who began, as far as that
/// can be believed.
pub(super) fn say_who_asks(
    headers: &mut HeaderMap,
    peer: Option<IpAddr>,
    trusted: bool,
    caller: Option<IpAddr>,
    scheme: &'static str,
) {
    let named = headers.get_all(FORWARDED_FOR).into_iter().filter_map(|value| value.to_str().ok());
    let named = named.filter(|_| trusted).map(str::to_owned);
    let chain: Vec<String> = named.chain(peer.map(|peer| peer.to_string())).collect();
    let forged =
        |name: &&HeaderName| OURS.contains(name) || OUR_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
    let forged: Vec<HeaderName> = headers.keys().filter(forged).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
    if let Some(caller) = caller {
        headers.insert(REAL_IP, HeaderValue::try_from(caller.to_string()).expect("addresses are visible ASCII"));
    }
    if !chain.is_empty() {
        let chain = HeaderValue::try_from(chain.join(", ")).expect("addresses and what was a header are visible ASCII");
        headers.insert(FORWARDED_FOR, chain);
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
    if let Some(host) = headers.get(header::HOST).cloned() {
        headers.insert(FORWARDED_HOST, host);
    }
}

fn mentions(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|said| said.eq_ignore_ascii_case(token))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let field = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let mut headers = HeaderMap::new();
        for (name, value) in fields.iter().map(field) {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn what_belongs_to_a_connection_stays_there() {
        let mut all = headers(&[
            ("connection", "close, X-Private"),
            ("connection", "x-other,, \u{20}"),
            ("x-private", "1"),
            ("x-other", "2"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("trailer", "x-sum"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "Basic x"),
            ("expect", "100-continue"),
            ("upgrade", "h2c"),
            ("cookie", "a=b"),
            ("content-length", "5"),
        ]);
        strip_hop_by_hop(&mut all);
        assert_eq!(all, headers(&[("cookie", "a=b"), ("content-length", "5")]));
    }

    #[test]
    fn nobody_forges_who_asks() {
        let check = |trusted, forwarded_for| {
            let mut all = headers(&[
                ("host", "org-1.localhost:7000"),
                ("forwarded", "for=1.2.3.4"),
                ("x-real-ip", "1.2.3.4"),
                ("x-forwarded-for", "1.2.3.4"),
                ("x-forwarded-for", "5.6.7.8"),
                ("x-forwarded-host", "evil.test"),
                ("x-forwarded-prefix", "/evil"),
                ("x-auth-user", "admin"),
            ]);
            say_who_asks(&mut all, "9.8.7.6".parse().ok(), trusted, "5.6.7.8".parse().ok(), "https");
            let expect = headers(&[
                ("host", "org-1.localhost:7000"),
                ("x-real-ip", "5.6.7.8"),
                ("x-forwarded-for", forwarded_for),
                ("x-forwarded-proto", "https"),
                ("x-forwarded-host", "org-1.localhost:7000"),
            ]);
            assert_eq!(all, expect);
        };
        check(false, "9.8.7.6");
        check(true, "1.2.3.4, 5.6.7.8, 9.8.7.6");
    }

    #[test]
    fn only_a_websocket_is_an_upgrade() {
        assert!(is_websocket(&headers(&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")])));
        for other in [
            &[("connection", "upgrade"), ("upgrade", "h2c")][..],
            &[("connection", "upgrade")],
            &[("upgrade", "websocket")],
            &[],
        ] {
            assert!(!is_websocket(&headers(other)), "{other:?}");
        }
    }
}
