//! Cookies of the platform on a container's host, and the line between them and the container's own. The container neither
//! sees ours nor sets them, and what it sets stays on its host.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Cookies of one name that are looked at: pages of other hosts may have planted some, where there is no TLS.
const TRIED_MAX: usize = 3;

/// Names of ours, after a prefix that browsers give a meaning to.
const SESSION: &str = "orrery_session";
const OURS: [&str; 3] = [SESSION, "orrery_visit", "orrery_nonce"];
const PREFIXES: [&str; 3] = ["", "__host-", "__secure-"];

/// What a container says to a browser about more than its own host.
const FAR_REACHING: [HeaderName; 2] = [HeaderName::from_static("clear-site-data"), header::ALT_SVC];

/// The cookies of the gate. Over TLS their names bind them to the very host that set them.
#[derive(Debug, Clone, Copy)]
pub(super) struct CookieNames {
    tls: bool,
}

impl CookieNames {
    pub(super) fn new(tls: bool) -> Self {
        Self { tls }
    }

    /// What lets its bearer in.
    pub(super) fn visit(self) -> &'static str {
        if self.tls { "__Host-orrery_visit" } else { "orrery_visit" }
    }

    /// What a browser remembers while it is away to sign in.
    pub(super) fn nonce(self) -> &'static str {
        if self.tls { "__Host-orrery_nonce" } else { "orrery_nonce" }
    }

    /// Sets one of them, or takes it back with a life of 0.
    pub(super) fn set(self, name: &str, value: &str, life_s: u64) -> HeaderValue {
        let secure = if self.tls { "; Secure" } else { "" };
        let text = format!("{name}={value}; HttpOnly; SameSite=Lax; Path=/; Max-Age={life_s}{secure}");
        let mut value = HeaderValue::try_from(text).expect("tokens and nonces of ours are plain ASCII");
        value.set_sensitive(true);
        value
    }
}

/// The values of a cookie.
pub(super) fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let cookies = cookies.flat_map(|value| value.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.filter(move |(key, _)| *key == name).map(|(_, value)| value).take(TRIED_MAX)
}

/// Takes our cookies off a request, and leaves every other byte as it is.
pub(super) fn without_ours(headers: &mut HeaderMap) {
    without(headers, |pair| is_one_of(pair, &OURS));
}

/// Takes the session of Ganymede off a request on its way to a gateway.
pub(crate) fn without_session(headers: &mut HeaderMap) {
    without(headers, |pair| is_one_of(pair, &[SESSION]));
}

fn without(headers: &mut HeaderMap, is_ours: impl Fn(&[u8]) -> bool) {
    let holds_ours = |value: &HeaderValue| value.as_bytes().split(|&byte| byte == b';').any(&is_ours);
    if !headers.get_all(header::COOKIE).into_iter().any(holds_ours) {
        return;
    }
    let kept = headers.get_all(header::COOKIE).into_iter().filter_map(|value| theirs(value, &is_ours));
    let kept: Vec<HeaderValue> = kept.collect();
    headers.remove(header::COOKIE);
    for value in kept {
        headers.append(header::COOKIE, value);
    }
}

fn theirs(value: &HeaderValue, is_ours: impl Fn(&[u8]) -> bool) -> Option<HeaderValue> {
    let kept: Vec<&[u8]> = value.as_bytes().split(|&byte| byte == b';').filter(|pair| !is_ours(pair)).collect();
    let joined = kept.join(&b';');
    let joined = joined.trim_ascii();
    if joined.is_empty() { None } else { HeaderValue::from_bytes(joined).ok() }
}

/// Takes off an answer what would reach beyond the container's host: cookies for the domain above become the host's own,
/// cookies under our names are dropped.
pub(super) fn keep_to_host(headers: &mut HeaderMap) {
    for name in FAR_REACHING {
        headers.remove(name);
    }
    if !headers.contains_key(header::SET_COOKIE) {
        return;
    }
    let set: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).into_iter().filter_map(host_only).collect();
    headers.remove(header::SET_COOKIE);
    for value in set {
        headers.append(header::SET_COOKIE, value);
    }
}

fn host_only(value: &HeaderValue) -> Option<HeaderValue> {
    let mut parts = value.as_bytes().split(|&byte| byte == b';');
    let pair = parts.next().unwrap_or_default();
    if is_one_of(pair, &OURS) {
        return None;
    }
    let is_domain = |part: &[u8]| {
        let name = part.split(|&byte| byte == b'=').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"domain")
    };
    let kept: Vec<&[u8]> = std::iter::once(pair).chain(parts.filter(|part| !is_domain(part))).collect();
    HeaderValue::from_bytes(&kept.join(&b';')).ok()
}

/// Whether `name=value` is one of these, with a prefix or without. A cookie without a name is sent back as its value alone, so that `=name=value`
/// comes back as `name=value`.
fn is_one_of(pair: &[u8], names: &[&str]) -> bool {
    let pair = pair.trim_ascii();
    let pair = pair.strip_prefix(b"=").unwrap_or(pair).trim_ascii_start();
    let name = pair.split(|&byte| byte == b'=').next().unwrap_or_default().trim_ascii();
    PREFIXES.iter().any(|prefix| {
        let split =
            name.split_at_checked(prefix.len()).filter(|(said, _)| said.eq_ignore_ascii_case(prefix.as_bytes()));
        split.is_some_and(|(_, bare)| names.iter().any(|ours| bare.eq_ignore_ascii_case(ours.as_bytes())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cookies(values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (header::COOKIE, HeaderValue::from_static(value))).fold(
            HeaderMap::new(),
            |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            },
        )
    }

    #[test]
    fn a_container_does_not_see_our_cookies() {
        let check = |given: &[&'static str], expect: &[&'static str]| {
            let mut headers = cookies(given);
            without_ours(&mut headers);
            assert_eq!(headers, cookies(expect), "{given:?}");
        };
        check(&["a=1; b=2"], &["a=1; b=2"]);
        check(&["a=1; orrery_visit=x; b=2"], &["a=1; b=2"]);
        check(&["orrery_visit=x"], &[]);
        check(&["__Host-orrery_visit=x; a=\"1\""], &["a=\"1\""]);
        check(&["orrery_nonce=x;orrery_session=y", "a=1"], &["a=1"]);
        check(&["=orrery_visit=x; a=1"], &["a=1"]);
        check(&["Orrery_Visit=x; orrery_visitor=1"], &["orrery_visitor=1"]);
        check(&[], &[]);
    }

    #[test]
    fn what_a_container_sets_stays_on_its_host() {
        let check = |given: &'static str, expect: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            headers.append(header::SET_COOKIE, HeaderValue::from_static(given));
            keep_to_host(&mut headers);
            assert_eq!(headers.get(header::SET_COOKIE), expect.map(HeaderValue::from_static).as_ref(), "{given}");
        };
        check("a=1; Path=/; HttpOnly", Some("a=1; Path=/; HttpOnly"));
        check("a=1; Domain=orrery.example; Path=/", Some("a=1; Path=/"));
        check("a=1;DOMAIN = .org-1.orrery.example", Some("a=1"));
        check("a=1; domain", Some("a=1"));
        check("domain=1; Path=/", Some("domain=1; Path=/"));
        check("orrery_visit=evil", None);
        check("__Host-orrery_visit=evil; Secure; Path=/", None);
        check("=orrery_session=evil", None);
        check(" ORRERY_NONCE =evil", None);
    }

    #[test]
    fn nothing_is_said_about_other_hosts() {
        let mut headers = HeaderMap::new();
        headers.insert("clear-site-data", HeaderValue::from_static("\"cookies\""));
        headers.insert(header::ALT_SVC, HeaderValue::from_static("h3=\":444\""));
        headers.insert(header::ETAG, HeaderValue::from_static("\"1\""));
        keep_to_host(&mut headers);
        assert_eq!(headers.keys().collect::<Vec<_>>(), [header::ETAG]);
    }

    #[test]
    fn a_cookie_is_read_by_its_whole_name() {
        let headers = cookies(&["xorrery_visit=1; orrery_visit=2;orrery_visit=3", "orrery_visit=4; orrery_visit=5"]);
        assert_eq!(values(&headers, CookieNames::new(false).visit()).collect::<Vec<_>>(), ["2", "3", "4"]);
        assert_eq!(values(&headers, CookieNames::new(true).visit()).count(), 0);
    }
}
