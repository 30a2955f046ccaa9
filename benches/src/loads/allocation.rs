//! Organizations get a gateway from a warm pool, one after the other: how long until a start is answered.

use std::time::Instant;

use anyhow::{Context, Result};
use serde_json::json;

use super::reader::p50_p99;
use super::{Outcome, scaled};
use crate::server::{Server, text};
use crate::stats::ms;

/// The pool that [`crate::server`] starts our server with has room for them all.
const ORGS: usize = 40;

pub(crate) async fn run(server: &Server, scale: f64) -> Result<Outcome> {
    let mut latencies_ms = Vec::new();
    for number in 0..scaled(ORGS, scale) {
        let body = json!({ "name": format!("Org {number}") });
        let org = text(&server.ask("POST", "/api/orgs", Some(&body)).await?["org"]["id"])?;
        let asked = Instant::now();
        server.ask("POST", "/gateway/start", Some(&json!({ "organization_id": org }))).await?;
        latencies_ms.push(ms(asked.elapsed()));
    }
    let (p50, p99) = p50_p99(latencies_ms);
    Ok(Outcome::of(p99.context("nothing was allocated")?).with("p50 ms", p50))
}
