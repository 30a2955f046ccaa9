//! Which header fields travel through a proxy. Owns the names; knows no connection.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use orrery_protocol::access::Principal;
use uuid::Uuid;

use crate::{forward::FORWARD, percent, server::Connection};

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

/// What `Connection` names in nearly every message that has it, and what is taken off anyway.
const USUAL: [&str; 3] = ["keep-alive", "upgrade", "Upgrade"];

/// Fields by which we tell the other process who asks. What a client sends under these names is a forgery.
const OURS: [HeaderName; 3] = [header::FORWARDED, HeaderName::from_static("x-real-ip"), FORWARD];
const OUR_PREFIXES: [&str; 2] = ["x-forwarded-", "x-auth-"];

/// What proxies in front say under names of ours, each for itself and none for the client.
const SAID_BY_PROXIES: [&str; 7] = ["for", "proto", "host", "method", "uri", "port", "server"];

/// Fields that are written at most: four that say where a request comes from, two that say whom.
const WRITTEN_MAX: usize = 6;

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
        let plain = "ids and encoded text are plain ASCII";
        let mut id = Uuid::encode_buffer();
        let id = HeaderValue::from_str(principal.user.0.as_hyphenated().encode_lower(&mut id)).expect(plain);
        Self { id, name: HeaderValue::try_from(percent::encode(&principal.name)).expect(plain) }
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

/// Takes off what belongs to the connection a message came on. A length beside a coding is not the body's (RFC 9112,
/// section 6.3).
pub(super) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named = tokens(headers, &header::CONNECTION).filter(|name| !USUAL.contains(name));
    let named: Vec<HeaderName> = named.filter_map(|name| name.parse().ok()).collect();
    let coded = headers.contains_key(header::TRANSFER_ENCODING);
    remove_where(headers, |name| {
        HOP_BY_HOP.contains(name) || named.contains(name) || coded && *name == header::CONTENT_LENGTH
    });
}

/// Names are compared as they are; looking each up that may not be there costs more.
fn remove_where(headers: &mut HeaderMap, is_meant: impl Fn(&HeaderName) -> bool) {
    let meant: Vec<HeaderName> = headers.keys().filter(|name| is_meant(name)).cloned().collect();
    for name in meant {
        headers.remove(name);
    }
}

/// Says again what [`strip_hop_by_hop`] took off an upgrade.
pub(super) fn say_websocket(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// Who asks, as far as it is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Who {
    /// Where they are.
    pub(super) address: Option<IpAddr>,
    /// Whether they came over TLS.
    pub(super) tls: Option<bool>,
}

impl Who {
    /// As a request says. To be believed only if one of ours sent it.
    pub(super) fn claimed(headers: &HeaderMap) -> Self {
        let said = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let tls = match said(&FORWARDED_PROTO) {
            Some("https") => Some(true),
            Some("http") => Some(false),
            Some(_) | None => None,
        };
        Self { address: said(&REAL_IP).and_then(|address| address.parse().ok()), tls }
    }

    /// Replaces whatever a request says of who sent it. However many processes of ours it goes through, to whoever gets it
    /// they are one.
    pub(super) fn write(self, headers: &mut HeaderMap, connection: Option<&Connection>) {
        remove_where(headers, is_of_ours);
        headers.reserve(WRITTEN_MAX);
        if let Some(address) = self.address {
            let address = match connection {
                Some(connection) if connection.remote.ip().to_canonical() == address => connection.address(),
                Some(_) | None => plain(address),
            };
            headers.insert(REAL_IP, address.clone());
            headers.insert(FORWARDED_FOR, address);
        }
        if let Some(tls) = self.tls {
            headers.insert(FORWARDED_PROTO, HeaderValue::from_static(if tls { "https" } else { "http" }));
        }
        if let Some(host) = headers.get(header::HOST).cloned() {
            headers.insert(FORWARDED_HOST, host);
        }
    }
}

/// An address as it is told.
pub(crate) fn plain(address: IpAddr) -> HeaderValue {
    HeaderValue::try_from(address.to_string()).expect("addresses are visible ASCII")
}

/// Whether a request says something of who sent it that a proxy does not say by itself, and that it may not know to take
/// off.
pub(crate) fn claims_more(headers: &HeaderMap) -> bool {
    let said_by_proxies =
        |name: &str| SAID_BY_PROXIES.iter().any(|said| name.strip_prefix("x-forwarded-") == Some(said));
    headers.keys().any(|name| has_our_prefix(name.as_str()) && !said_by_proxies(name.as_str()))
}

fn is_of_ours(name: &HeaderName) -> bool {
    let name = name.as_str();
    OURS.iter().any(|ours| ours.as_str().len() == name.len() && reads_like(name, ours.as_str())) || has_our_prefix(name)
}

fn has_our_prefix(name: &str) -> bool {
    OUR_PREFIXES.iter().any(|prefix| reads_like(name, prefix))
}

/// Whether a name begins like `ours` to a program that has headers as variables: those do not tell `_` from `-`.
fn reads_like(name: &str, ours: &str) -> bool {
    let same = |(said, ours): (u8, u8)| said == ours || said == b'_' && ours == b'-';
    name.len() >= ours.len() && name.bytes().zip(ours.bytes()).all(same)
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
        assert_eq!(all, headers(&[("cookie", "a=b")]));
    }

    #[test]
    fn a_length_travels_unless_the_body_is_coded() {
        let mut plain = headers(&[("content-length", "5"), ("connection", "close")]);
        strip_hop_by_hop(&mut plain);
        assert_eq!(plain, headers(&[("content-length", "5")]));
        let mut coded = headers(&[("content-length", "5"), ("transfer-encoding", "chunked")]);
        strip_hop_by_hop(&mut coded);
        assert_eq!(coded, HeaderMap::new());
    }

    #[test]
    fn nobody_forges_who_asks() {
        let mut all = headers(&[
            ("host", "org-1.localhost:7000"),
            ("forwarded", "for=1.2.3.4"),
            ("x-real-ip", "1.2.3.4"),
            ("x-forwarded-for", "1.2.3.4"),
            ("x-forwarded-for", "5.6.7.8"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-host", "evil.test"),
            ("x-forwarded-prefix", "/evil"),
            ("x-auth-user", "admin"),
            ("x_auth_user_id", "admin"),
            ("x-auth_user-name", "admin"),
            ("x_forwarded_for", "1.2.3.4"),
            ("x_real-ip", "1.2.3.4"),
            ("orrery-forward", "a.b.c"),
            ("orrery_forward", "a.b.c"),
        ]);
        assert_eq!(Who::claimed(&all), Who { address: "1.2.3.4".parse().ok(), tls: Some(false) });
        Who { address: "5.6.7.8".parse().ok(), tls: Some(true) }.write(&mut all, None);
        let expect = headers(&[
            ("host", "org-1.localhost:7000"),
            ("x-real-ip", "5.6.7.8"),
            ("x-forwarded-for", "5.6.7.8"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "org-1.localhost:7000"),
        ]);
        assert_eq!(all, expect);
        let nonsense = headers(&[("x-real-ip", "1.2.3.4, 5.6.7.8"), ("x-forwarded-proto", "HTTPS")]);
        assert_eq!(Who::claimed(&nonsense), Who::default());
    }

    #[test]
    fn what_a_proxy_may_not_know_to_take_off_is_found() {
        for quiet in [&[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-host", "a")][..], &[("x-authority", "a")], &[]] {
            assert!(!claims_more(&headers(quiet)), "{quiet:?}");
        }
        for name in
            ["x-auth-role", "x-auth-user-id", "x-auth-", "x-forwarded-user", "x-forwarded-for-real", "x_forwarded_for"]
        {
            assert!(claims_more(&headers(&[(name, "root")])), "{name}");
        }
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
