//! What every route may reach. Put together once, by the binary.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use orrery_ganymede::tokens::TokenKeys;

use crate::{health::Parts, limits::HttpLimits, socket::Sockets};

/// Shared by all requests; cheap to clone.
#[derive(Clone)]
pub struct AppState {
    /// Signs and verifies.
    pub tokens: Arc<TokenKeys>,
    /// Where WebSockets lead.
    pub sockets: Sockets,
    /// The edge's own configuration.
    pub edge: Arc<EdgeConfig>,
    /// What `/api/health` asks.
    pub parts: Arc<dyn Parts>,
    /// What `/metrics` prints.
    pub metrics: PrometheusHandle,
}

/// Where the edge is reached and what it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeConfig {
    /// The domain below which every organization has its host.
    pub domain: String,
    /// Limits of connections and requests.
    pub limits: HttpLimits,
}
