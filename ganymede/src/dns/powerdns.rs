//! The HTTP API of PowerDNS (version 1): the only file that talks to it. Each request is safe to repeat, and is repeated
//! when the server cannot be reached or has trouble of its own.
//! <https://doc.powerdns.com/authoritative/http-api/>

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use orrery_protocol::container::Domain;
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, header::HeaderValue};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    DnsSettings,
    error::DnsError,
    plan::Change,
    zone::{RecordKey, RecordKind, RecordSet, Records, Zone},
};

/// How long a connection may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a request is made in all.
const ATTEMPTS_MAX: u32 = 3;
/// The pause before the second attempt; before each further one four times as long.
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// Largest answer that is read: some 500,000 records.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The longest part of an answer that is repeated, in characters.
const MESSAGE_CHARS_MAX: usize = 200;

/// Draws a number from 0 to 1, by which pauses vary.
pub type Jitter = Arc<dyn Fn() -> f64 + Send + Sync>;

/// No HTTP client could be made.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client: {0}")]
pub struct NoClient(String);

/// Asks a PowerDNS server. Cheap to clone.
#[derive(Clone)]
pub struct PowerDns {
    client: Client,
    zones: Url,
    key: HeaderValue,
    timeout: Duration,
    jitter: Jitter,
}

impl fmt::Debug for PowerDns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PowerDns").field("zones", &self.zones.as_str()).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct ZoneAnswer {
    rrsets: Vec<SetAnswer>,
}

#[derive(Deserialize)]
struct SetAnswer {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    ttl: u32,
    records: Vec<RecordAnswer>,
}

#[derive(Deserialize)]
struct RecordAnswer {
    content: String,
    #[serde(default)]
    disabled: bool,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    error: String,
}

#[derive(Serialize)]
struct SetChange<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    kind: RecordKind,
    changetype: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    records: Option<Vec<Value>>,
}

impl PowerDns {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// The key cannot stand in a header, or the system gives no client.
    pub fn new(settings: &DnsSettings, jitter: Jitter) -> Result<Self, NoClient> {
        let mut key = HeaderValue::from_str(settings.api_token.expose())
            .map_err(|_| NoClient("dns.api_token cannot stand in a header".to_owned()))?;
        key.set_sensitive(true);
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| NoClient(error.to_string()))?;
        let mut zones = settings.url.clone();
        zones.set_path(&format!("{}/api/v1/servers/localhost/zones", zones.path().trim_end_matches('/')));
        zones.set_query(None);
        Ok(Self { client, zones, key, timeout: settings.timeout, jitter })
    }

    /// What is in a zone, of the kinds that we write.
    ///
    /// # Errors
    /// The server does not answer, or has no such zone.
    pub async fn records(&self, zone: &Domain) -> Result<Records, DnsError> {
        let answer = self.ask(Method::GET, Some(zone), None).await?;
        let ZoneAnswer { rrsets } = serde_json::from_slice(&answer).map_err(unreadable)?;
        Ok(rrsets.into_iter().filter_map(SetAnswer::read).collect())
    }

    /// Makes a zone of which this server is the only one to know. `false` if it is there already.
    ///
    /// # Errors
    /// The server does not answer, or refuses.
    pub async fn create(&self, zone: &Zone) -> Result<bool, DnsError> {
        match self.records(zone.name()).await {
            Ok(_) => return Ok(false),
            Err(DnsError::NoZone(_)) => {}
            Err(error) => return Err(error),
        }
        let (name, server) = (format!("{}.", zone.name()), format!("{}.", zone.name_server()));
        // What is not there yet is asked for again after a minute.
        let soa = format!("{server} hostmaster.{name} 1 10800 3600 604800 60");
        let record = |kind: &str, content: &str| {
            let records = [json!({ "content": content, "disabled": false })];
            json!({ "name": name, "type": kind, "ttl": 3600, "records": records })
        };
        let rrsets = [record("SOA", &soa), record("NS", &server)];
        let body = json!({ "name": name, "kind": "Native", "nameservers": [], "rrsets": rrsets });
        match self.ask(Method::POST, None, Some(&body)).await {
            Ok(_) => Ok(true),
            Err(DnsError::Refused { status: 409, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes changes of a zone: all of them, or none.
    ///
    /// # Errors
    /// The server does not answer, or refuses one of them.
    pub async fn change(&self, zone: &Domain, changes: &[Change]) -> Result<(), DnsError> {
        let rrsets: Vec<SetChange<'_>> = changes.iter().map(SetChange::of).collect();
        self.ask(Method::PATCH, Some(zone), Some(&json!({ "rrsets": rrsets }))).await.map(drop)
    }

    async fn ask(&self, method: Method, zone: Option<&Domain>, body: Option<&Value>) -> Result<Vec<u8>, DnsError> {
        let mut url = self.zones.clone();
        if let Some(zone) = zone {
            url.set_path(&format!("{}/{zone}.", url.path()));
        }
        let mut delay = RETRY_DELAY;
        for attempt in 1.. {
            let mut request = self.client.request(method.clone(), url.clone()).header("X-API-Key", self.key.clone());
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = tokio::time::timeout(self.timeout, send(request, zone));
            let answer = answer.await.unwrap_or(Err(DnsError::TimedOut));
            match answer {
                Err(error) if error.is_transient() && attempt < ATTEMPTS_MAX => {
                    tracing::debug!(%method, %error, attempt, "asking the name server again");
                }
                answer => return answer,
            }
            tokio::time::sleep(delay.mul_f64(0.5 + (self.jitter)())).await;
            delay *= 4;
        }
        unreachable!("the last attempt returns")
    }
}

async fn send(request: RequestBuilder, zone: Option<&Domain>) -> Result<Vec<u8>, DnsError> {
    let response = request.send().await.map_err(|error| unreachable_because(&error))?;
    let status = response.status();
    let answer = read(response).await?;
    if status.is_success() {
        return Ok(answer);
    }
    let message = match serde_json::from_slice(&answer) {
        Ok(ErrorAnswer { error }) => error,
        Err(_) => String::from_utf8_lossy(&answer).into_owned(),
    };
    let message: String = message.chars().take(MESSAGE_CHARS_MAX).collect();
    let status_code = status.as_u16();
    Err(match (status, zone) {
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => DnsError::Unauthorized,
        (StatusCode::NOT_FOUND, Some(zone)) => DnsError::NoZone(zone.clone()),
        (status, _) if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
            DnsError::Failing { status: status_code, message }
        }
        _ => DnsError::Refused { status: status_code, message },
    })
}

async fn read(mut response: Response) -> Result<Vec<u8>, DnsError> {
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable_because(&error))? {
        if answer.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(DnsError::Unreadable("it is too large".to_owned()));
        }
        answer.extend_from_slice(&chunk);
    }
    Ok(answer)
}

/// The innermost cause says most, and no URL.
fn unreachable_because(error: &reqwest::Error) -> DnsError {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    DnsError::Unreachable(cause.to_string())
}

fn unreadable(error: serde_json::Error) -> DnsError {
    DnsError::Unreadable(error.to_string())
}

impl SetAnswer {
    /// `None` for kinds that we never write.
    fn read(self) -> Option<(RecordKey, RecordSet)> {
        let kind = match self.kind.as_str() {
            "A" => RecordKind::A,
            "AAAA" => RecordKind::Aaaa,
            _ => return None,
        };
        let disabled = self.records.iter().any(|record| record.disabled);
        let contents: BTreeSet<String> = self.records.into_iter().map(|record| record.content).collect();
        let key = RecordKey { name: self.name.to_ascii_lowercase(), kind };
        Some((key, RecordSet { ttl_s: self.ttl, contents, disabled }))
    }
}

impl<'a> SetChange<'a> {
    fn of(Change { key, becomes }: &'a Change) -> Self {
        let records = becomes
            .as_ref()
            .map(|set| set.contents.iter().map(|content| json!({ "content": content, "disabled": false })).collect());
        Self {
            name: &key.name,
            kind: key.kind,
            changetype: if becomes.is_some() { "REPLACE" } else { "DELETE" },
            ttl: becomes.as_ref().map(|set| set.ttl_s),
            records,
        }
    }
}
