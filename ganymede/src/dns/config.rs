//! The `[dns]` table: which name server, and what it is told.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use orrery_protocol::container::Domain;
use reqwest::Url;
use serde::{Deserialize, Serialize, Serializer};

use super::zone::Zone;

/// Names of variables that are accepted beside ours, and the key that each one sets. [`DOMAIN`] is too common a name to
/// mean us by itself: it counts beside [`SERVER_URL`] only.
pub const VARIABLES: [(&str, &str); 4] =
    [(SERVER_URL, "dns.url"), ("DNS_API_TOKEN", "dns.api_token"), ("DNS_ZONE", "dns.zone"), (DOMAIN, "domain")];

/// Says where the name server is.
pub const SERVER_URL: &str = "DNS_SERVER_URL";

/// Says below which domain host names are.
pub const DOMAIN: &str = "DOMAIN";

/// The `[dns]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DnsConfig {
    /// Who is told of host names.
    pub driver: DnsDriver,
    /// Where the API of the name server is, such as `http://127.0.0.1:8081`.
    pub url: String,
    /// The key of its API. Never printed.
    pub api_token: ApiToken,
    /// The zone that host names are put into; empty for the domain itself.
    pub zone: String,
    /// The IPv4 address that host names lead to: where the edge is reached.
    pub address: String,
    /// Its IPv6 address; empty for none.
    pub address_v6: String,
    /// How long resolvers keep an answer, in seconds.
    pub ttl_s: u32,
    /// Between two comparisons of the zone with what should be in it, in milliseconds.
    pub sweep_ms: u64,
    /// How long the name server may take for one answer, in milliseconds.
    pub timeout_ms: u64,
}

/// Who is told of host names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DnsDriver {
    /// A PowerDNS server if `url` names one, nobody if not.
    #[default]
    Auto,
    /// Nobody: every name leads here by itself, as below `localhost`, or by records of the operator's.
    None,
    /// A PowerDNS server.
    PowerDns,
}

/// The key of a name server's API. Never shown: not by `orrery check`, not in a log.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ApiToken(String);

/// What is asked of a name server, and how it is reached. Checked.
#[derive(Debug, Clone)]
pub struct DnsSettings {
    /// Where its API is.
    pub url: Url,
    /// The key of its API.
    pub api_token: ApiToken,
    /// What it is told.
    pub zone: Zone,
    /// Between two comparisons.
    pub sweep: Duration,
    /// How long it may take for one answer.
    pub timeout: Duration,
}

/// A key of the `[dns]` table that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("dns.{key}{variable}: {problem}", variable = variable(key))]
pub struct InvalidDns {
    key: &'static str,
    problem: &'static str,
}

impl Default for DnsConfig {
    fn default() -> Self {
        Self {
            driver: DnsDriver::Auto,
            url: String::new(),
            api_token: ApiToken::default(),
            zone: String::new(),
            address: String::new(),
            address_v6: String::new(),
            ttl_s: 60,
            sweep_ms: 60_000,
            timeout_ms: 5_000,
        }
    }
}

impl DnsConfig {
    /// What is to be done for host names below `domain`; `None` if nothing is.
    ///
    /// # Errors
    /// The first key that is missing or cannot be used.
    pub fn check(&self, domain: &Domain) -> Result<Option<DnsSettings>, InvalidDns> {
        match self.driver {
            DnsDriver::Auto if self.url.is_empty() => Ok(None),
            DnsDriver::None => Ok(None),
            DnsDriver::Auto | DnsDriver::PowerDns => self.settings(domain).map(Some),
        }
    }

    fn settings(&self, domain: &Domain) -> Result<DnsSettings, InvalidDns> {
        let invalid = |key, problem| InvalidDns { key, problem };
        let missing = |key| invalid(key, "must be set for the driver \"powerdns\"");
        if self.url.is_empty() {
            return Err(missing("url"));
        }
        if self.api_token.0.is_empty() {
            return Err(missing("api_token"));
        }
        if self.address.is_empty() {
            return Err(missing("address"));
        }
        if domain.as_str() == "localhost" {
            let problem = "the domain \"localhost\" is in no zone; set domain, or \"none\" here";
            return Err(invalid("driver", problem));
        }
        let url: Url = self.url.parse().map_err(|_| invalid("url", "is no URL"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(invalid("url", "must start with http:// or https://"));
        }
        let zone: Domain = match self.zone.trim_end_matches('.') {
            "" => domain.clone(),
            zone => zone.parse().map_err(|_| invalid("zone", "must be a domain of labels of [a-z0-9-]"))?,
        };
        let address: Ipv4Addr = self.address.parse().map_err(|_| invalid("address", "must be an IPv4 address"))?;
        let address_v6: Option<Ipv6Addr> = match self.address_v6.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| invalid("address_v6", "must be an IPv6 address"))?),
        };
        let zone = Zone::new(zone, domain.clone(), address, address_v6, self.ttl_s)
            .ok_or_else(|| invalid("zone", "the domain must be the zone or below it"))?;
        Ok(DnsSettings {
            url,
            api_token: self.api_token.clone(),
            zone,
            sweep: Duration::from_millis(self.sweep_ms),
            timeout: Duration::from_millis(self.timeout_ms),
        })
    }
}

/// How else a key can be set.
fn variable(key: &str) -> String {
    let known = VARIABLES.iter().find(|(_, full)| full.strip_prefix("dns.") == Some(key));
    known.map(|(variable, _)| format!(" ({variable})")).unwrap_or_default()
}

impl ApiToken {
    /// The key itself, for whoever needs it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for ApiToken {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl Serialize for ApiToken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.0.is_empty() { "" } else { "(set)" })
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> DnsConfig {
        DnsConfig {
            driver: DnsDriver::PowerDns,
            url: "http://127.0.0.1:8081".to_owned(),
            api_token: "canary".into(),
            address: "192.0.2.1".to_owned(),
            ..DnsConfig::default()
        }
    }

    fn check(change: impl FnOnce(&mut DnsConfig), domain: &str, expect: &str) {
        let mut config = whole();
        change(&mut config);
        let said = match config.check(&domain.parse().unwrap()) {
            Ok(settings) => settings.map_or("nothing".to_owned(), |settings| settings.zone.name().to_string()),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expect);
    }

    #[test]
    fn nothing_is_done_unless_it_is_asked_for() {
        assert!(DnsConfig::default().check(&"localhost".parse().unwrap()).unwrap().is_none());
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        check(|_| {}, "team.example", "team.example");
        check(|config| config.zone = "example.".to_owned(), "team.example", "example");
        let missing = "must be set for the driver \"powerdns\"";
        check(|config| config.url.clear(), "team.example", &format!("dns.url (DNS_SERVER_URL): {missing}"));
        check(
            |config| config.api_token = ApiToken::default(),
            "team.example",
            &format!("dns.api_token (DNS_API_TOKEN): {missing}"),
        );
        check(|config| config.address.clear(), "team.example", &format!("dns.address: {missing}"));
        check(|config| config.address = "::1".to_owned(), "team.example", "dns.address: must be an IPv4 address");
        check(|config| config.address_v6 = "x".to_owned(), "a.example", "dns.address_v6: must be an IPv6 address");
        let url = "dns.url (DNS_SERVER_URL): must start with http:// or https://";
        check(|config| config.url = "file:///x".to_owned(), "team.example", url);
        let zone = "dns.zone (DNS_ZONE): the domain must be the zone or below it";
        check(|config| config.zone = "xample".to_owned(), "team.example", zone);
        check(|config| config.zone = "other.example".to_owned(), "team.example", zone);
        let auto = |config: &mut DnsConfig| {
            *config = DnsConfig { url: "http://ns:8081".to_owned(), ..DnsConfig::default() };
        };
        check(auto, "team.example", &format!("dns.api_token (DNS_API_TOKEN): {missing}"));
        let localhost = "dns.driver: the domain \"localhost\" is in no zone; set domain, or \"none\" here";
        check(|_| {}, "localhost", localhost);
        check(|config| config.driver = DnsDriver::None, "team.example", "nothing");
    }

    #[test]
    fn the_key_is_never_shown() {
        let config = whole();
        let settings = config.check(&"team.example".parse().unwrap()).unwrap().unwrap();
        for shown in [serde_json::to_string(&config).unwrap(), format!("{config:?}"), format!("{settings:?}")] {
            assert!(!shown.contains("canary"), "{shown}");
        }
    }
}
