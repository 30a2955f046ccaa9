//! What containers print, as server-sent events: a line an event, its id the time and place of the line, so that who comes back
//! with `Last-Event-ID` goes on where they were. A reader who does not read is not read to: the engine waits.

use std::{convert::Infallible, future::ready, time::Duration};

use axum::{
    Extension,
    extract::{Path, Query, State},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures_util::{Stream, StreamExt};
use http::HeaderMap;
use orrery_actors::{
    LogsError,
    engine::{LogLine, LogQuery, LogSource, RuntimeError},
};
use orrery_protocol::id::InvalidId;
use serde::Deserialize;
use serde_json::json;

use crate::{
    address::OrgHint,
    admission::{Asker, admit},
    error::{ApiError, ErrorBody, ErrorCode},
    state::GatewayState,
};

/// Lines that are shown unless somebody says otherwise, and at most.
const TAIL: u32 = 200;
const TAIL_MAX: u32 = 10_000;
/// Between two comments, so that nobody on the way takes the stream for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// `/collab/{project}/user-container/{id}/logs`.
#[derive(Deserialize)]
pub(super) struct Place {
    project: String,
    id: String,
}

/// `?tail=N&follow=1`.
#[derive(Deserialize)]
pub(super) struct Params {
    tail: Option<u32>,
    follow: Option<String>,
}

/// What a container prints: one event a line, `stdout` or `stderr`, its data `{"text": ...}`.
#[utoipa::path(
    get,
    path = "/collab/{project}/user-container/{id}/logs",
    operation_id = "container_logs",
    tag = "collaboration",
    params(
        ("tail" = Option<u32>, Query, description = "how many of the last lines; 200 unless said, 10,000 at most"),
        ("follow" = Option<String>, Query, description = "`1`: goes on with what is printed from now on"),
        ("Last-Event-ID" = Option<String>, Header, description = "goes on after that event"),
    ),
    responses(
        (status = 200, description = "the lines", body = String, content_type = "text/event-stream"),
        (status = 400, description = "no number, or no id of an event", body = ErrorBody),
    ),
    security(("access" = []))
)]
pub(super) async fn show(
    State(state): State<GatewayState>,
    Path(Place { project, id }): Path<Place>,
    Query(params): Query<Params>,
    named: Option<Extension<OrgHint>>,
    headers: HeaderMap,
    Asker(access): Asker,
) -> Result<Response, ApiError> {
    let project = project.parse().map_err(|_| ApiError::not_found())?;
    let principal = admit(&state.gateways, &access, named.map(|Extension(hint)| hint), project)?;
    let id = id.parse().map_err(|error: InvalidId| ApiError::invalid("id", error.to_string()))?;
    let after_ns = last_event(&headers)?;
    let tail = if after_ns.is_some() { None } else { Some(params.tail.unwrap_or(TAIL).min(TAIL_MAX)) };
    let query = LogQuery { tail, follow: params.follow.as_deref() == Some("1"), after_ns };
    let lines = state.gateways.logs(principal.org, project, id, query).await?;
    let gateways = state.gateways.clone();
    // Whoever may not read any more is not read to: looked at with each line.
    let lines = lines.take_while(move |_| ready(gateways.admits(&principal)));
    Ok(Sse::new(events(lines)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// When the last line was printed that the reader has.
fn last_event(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let at_ns = value.to_str().ok().and_then(|id| id.parse().ok());
    at_ns.map(Some).ok_or_else(|| ApiError::invalid("last-event-id", "must be the id of an event of this stream"))
}

fn events(lines: impl Stream<Item = Result<LogLine, RuntimeError>>) -> impl Stream<Item = Result<Event, Infallible>> {
    // What the engine fails at ends the stream: who wants to go on comes back with the last id.
    let lines = lines.take_while(|line| ready(line.is_ok())).filter_map(|line| ready(line.ok()));
    lines.map(|line| {
        let source = match line.source {
            LogSource::Out => "stdout",
            LogSource::Err => "stderr",
        };
        let text = String::from_utf8_lossy(&line.text);
        Ok(Event::default().id(line.at_ns.to_string()).event(source).data(json!({ "text": text }).to_string()))
    })
}

impl From<LogsError> for ApiError {
    fn from(error: LogsError) -> Self {
        let away = |text: String| Self::new(ErrorCode::Unavailable("DOCKER_UNAVAILABLE"), text).retry_after(5);
        let text = error.to_string();
        match error {
            LogsError::Closed(error) => error.into(),
            LogsError::NotFound => Self::new(ErrorCode::NotFound, text),
            LogsError::NoEngine => away(text),
            LogsError::Engine(RuntimeError::NotFound) => {
                Self::new(ErrorCode::NotFound, "the container has printed nothing yet")
            }
            // What the engine says may name paths; it is in the log.
            LogsError::Engine(error) => {
                tracing::warn!(%error, "logs cannot be shown");
                away("the container engine does not answer".to_owned())
            }
        }
    }
}
