//! What the routes may reach, by role. Put together once, by the binary.
//!
//! ```text
//! ProcessState    every role: configuration of the edge, health, metrics
//! GanymedeState   the people's API and what gateways ask of Ganymede
//! GatewayState    the rooms of the organizations that are served in this process
//! ```

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::extract::FromRef;
use http::HeaderValue;
use metrics_exporter_prometheus::PrometheusHandle;
use orrery_actors::{Gateways, RouteTables};
use orrery_ganymede::{
    data::Data,
    orgs::Orgs,
    people::People,
    pool::{Pool, Routes},
    tokens::{TokenKeys, VerifyingKeys},
    visits::Visits,
};
use orrery_protocol::id::{GatewayId, OrgId};

use crate::{
    address::port_in,
    health::Parts,
    limits::{HttpLimits, RateLimits},
    public_url::PublicUrl,
    rate::Quotas,
    socket::Sockets,
};

/// What every process has, whatever its role; cheap to clone.
#[derive(Clone)]
pub struct ProcessState {
    /// The edge's own configuration.
    pub edge: Arc<EdgeConfig>,
    /// What `/api/health` asks.
    pub parts: Arc<dyn Parts>,
    /// What `/metrics` prints.
    pub metrics: PrometheusHandle,
}

/// What the routes of the control plane reach; cheap to clone.
#[derive(Clone)]
pub struct GanymedeState {
    /// What every process has.
    pub process: ProcessState,
    /// Users, sessions, API keys.
    pub people: People,
    /// Organizations, members, projects.
    pub orgs: Orgs,
    /// Gateways and the organizations that they serve.
    pub pool: Pool,
    /// Where requests for an organization go. The pool's.
    pub routes: Routes,
    /// Documents of organizations, as gateways store and fetch them.
    pub data: Data,
    /// Signs and verifies.
    pub tokens: Arc<TokenKeys>,
    /// Who may enter containers.
    pub visits: Visits,
    /// How long an access token opens sockets.
    pub access_ttl: Duration,
    /// How much each caller has asked lately.
    pub quotas: Arc<Quotas>,
}

/// What the routes of a gateway reach; cheap to clone.
#[derive(Clone)]
pub struct GatewayState {
    /// What every process has.
    pub process: ProcessState,
    /// Who this gateway is: the audience of handshakes and orders.
    pub gateway: GatewayId,
    /// The organizations that are served here.
    pub gateways: Gateways,
    /// Where their containers are reached.
    pub tables: RouteTables,
    /// Where WebSockets lead.
    pub sockets: Sockets,
    /// Verifies what people and Ganymede show.
    pub verifier: Arc<VerifyingKeys>,
}

/// Where the edge is reached and what it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeConfig {
    /// The domain below which every organization has its host.
    pub domain: String,
    /// How people reach the control plane from outside, if that differs from where it listens. `https` makes cookies
    /// `Secure`.
    pub public_url: Option<PublicUrl>,
    /// Limits of connections and requests.
    pub limits: HttpLimits,
    /// How often each caller may ask.
    pub rates: RateLimits,
    /// Proxies in front of us, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. Beside them only Ganymede is, which
    /// proves itself to gateways.
    pub trusted_proxies: Vec<IpAddr>,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            domain: "localhost".to_owned(),
            public_url: None,
            limits: HttpLimits::default(),
            rates: RateLimits::default(),
            trusted_proxies: Vec::new(),
        }
    }
}

impl EdgeConfig {
    /// How people reach the control plane: as it is configured, or on the domain itself at the port of the host that they
    /// `asked`.
    pub(crate) fn platform(&self, asked: Option<&HeaderValue>) -> String {
        if let Some(url) = &self.public_url {
            return url.to_string();
        }
        let port = asked.and_then(port_in).map(|port| format!(":{port}")).unwrap_or_default();
        format!("http://{}{port}", self.domain)
    }
}

impl GanymedeState {
    /// Tells the gateway of an organization that members, roles or projects changed, and waits a moment until it acts upon it:
    /// what is answered is so. It would notice by itself when it renews its lease.
    pub(crate) async fn refresh(&self, org: OrgId) {
        self.pool.refresh(org).await;
    }
}

impl FromRef<GanymedeState> for ProcessState {
    fn from_ref(state: &GanymedeState) -> Self {
        state.process.clone()
    }
}

impl FromRef<GatewayState> for ProcessState {
    fn from_ref(state: &GatewayState) -> Self {
        state.process.clone()
    }
}
