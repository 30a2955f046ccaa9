//! `GET /metrics`: the process's figures in Prometheus text. Owns the recorder; knows no single metric.

use std::time::Duration;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

use crate::state::ProcessState;

/// Upper bounds of every histogram, in the metric's own unit (seconds). Fixed buckets, so that memory is too.
const BUCKETS_S: [f64; 14] = [0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Observations wait in buffers until somebody reads them or this much time passed.
const UPKEEP: Duration = Duration::from_secs(5);

/// Makes the process's recorder. Once per process, inside the runtime; a second call is an error.
pub fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new().set_buckets(&BUCKETS_S)?.install_recorder()?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        let mut every = tokio::time::interval(UPKEEP);
        loop {
            every.tick().await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// The figures of this process, as Prometheus reads them.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "metrics",
    tag = "operations",
    responses((status = 200, description = "Prometheus text", body = String, content_type = "text/plain; version=0.0.4")),
    security(())
)]
pub(crate) async fn show(State(state): State<ProcessState>) -> Response {
    let text = state.metrics.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
