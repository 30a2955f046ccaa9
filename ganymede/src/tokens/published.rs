//! The address at which a control plane publishes its keys.

use std::time::Duration;

use async_trait::async_trait;

use super::{FetchError, Jwks, KeySource};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// `/.well-known/jwks.json` of a control plane.
#[derive(Debug)]
pub struct PublishedKeys {
    client: reqwest::Client,
    address: String,
}

impl PublishedKeys {
    /// The keys of the control plane at `url`. Nothing is asked yet.
    ///
    /// # Errors
    /// The system gives no client.
    pub fn at(url: &str) -> Result<Self, FetchError> {
        let client = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build();
        let address = format!("{}/.well-known/jwks.json", url.trim_end_matches('/'));
        Ok(Self { client: client.map_err(|error| FetchError(error.to_string()))?, address })
    }
}

#[async_trait]
impl KeySource for PublishedKeys {
    async fn fetch(&self) -> Result<Jwks, FetchError> {
        let fetched = async { self.client.get(&self.address).send().await?.error_for_status()?.bytes().await };
        let bytes = fetched.await.map_err(|error| FetchError(error.to_string()))?;
        serde_json::from_slice(&bytes).map_err(|_| FetchError(format!("{} gives no key set", self.address)))
    }
}
