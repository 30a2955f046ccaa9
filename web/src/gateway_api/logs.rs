//! What containers print, as server-sent events: a line an event. Its id is the time of the line and its place among the lines of
//! that time, so that who comes back with `Last-Event-ID` goes on where they were. A reader who does not read is not read to: the
//! engine waits.

use std::{convert::Infallible, fmt, future::ready, str::FromStr, time::Duration};

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
    tail: Option<String>,
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
    let (last, tail) = (last_event(&headers)?, tail_of(params.tail.as_deref())?);
    let tail = if last.is_some() { None } else { Some(tail) };
    // The lines of the same time come again: only by all of them is it known which one was the last.
    let after_ns = last.map(|last| last.at_ns.saturating_sub(1));
    let query = LogQuery { tail, follow: params.follow.as_deref() == Some("1"), after_ns };
    let lines = state.gateways.logs(principal.org, project, id, query).await?;
    let gateways = state.gateways.clone();
    // Whoever may not read any more is not read to: looked at with each line.
    let lines = lines.take_while(move |_| ready(gateways.admits(&principal)));
    Ok(Sse::new(events(lines, last)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// How many of the last lines are shown.
fn tail_of(said: Option<&str>) -> Result<u32, ApiError> {
    let tail = said.map_or(Ok(TAIL), |said| said.parse::<u32>());
    tail.map(|tail| tail.min(TAIL_MAX)).map_err(|_| ApiError::invalid("tail", "must be a whole number"))
}

/// The last line that the reader has.
fn last_event(headers: &HeaderMap) -> Result<Option<Mark>, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let last = value.to_str().ok().and_then(|id| id.parse().ok());
    last.map(Some).ok_or_else(|| ApiError::invalid("last-event-id", "must be the id of an event of this stream"))
}

/// A line of a container: when it was printed, in nanoseconds since 1970, and how many of the same time came before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    at_ns: u64,
    place: u64,
}

impl fmt::Display for Mark {
    /// Hardly ever are there two of one time.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            0 => write!(f, "{}", self.at_ns),
            place => write!(f, "{}-{place}", self.at_ns),
        }
    }
}

impl FromStr for Mark {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (at_ns, place) = text.split_once('-').unwrap_or((text, "0"));
        Ok(Self { at_ns: at_ns.parse()?, place: place.parse()? })
    }
}

impl Mark {
    /// Of the line that follows, printed at `at_ns`.
    fn next(before: Option<Self>, at_ns: u64) -> Self {
        let same = before.filter(|before| before.at_ns == at_ns);
        Self { at_ns, place: same.map_or(0, |before| before.place + 1) }
    }
}

/// Lines with their marks, from the first that comes after `last`. There have to be all of its time.
fn marked<S: Stream<Item = LogLine>>(lines: S, last: Option<Mark>) -> impl Stream<Item = (Mark, LogLine)> {
    let lines = lines.scan(None, |before, line| {
        let mark = Mark::next(*before, line.at_ns);
        *before = Some(mark);
        ready(Some((mark, line)))
    });
    lines.skip_while(move |(mark, _)| ready(last.is_some_and(|last| *mark <= last)))
}

fn events(
    lines: impl Stream<Item = Result<LogLine, RuntimeError>>,
    last: Option<Mark>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    // What the engine fails at ends the stream: who wants to go on comes back with the last id.
    let lines = lines.take_while(|line| ready(line.is_ok())).filter_map(|line| ready(line.ok()));
    marked(lines, last).map(|(mark, line)| {
        let source = match line.source {
            LogSource::Out => "stdout",
            LogSource::Err => "stderr",
        };
        let text = String::from_utf8_lossy(&line.text);
        Ok(Event::default().id(mark.to_string()).event(source).data(json!({ "text": text }).to_string()))
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

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, stream};

    use super::*;

    fn lines(times: &[u64]) -> Vec<LogLine> {
        let line = |(at, &at_ns): (usize, &u64)| LogLine { at_ns, source: LogSource::Out, text: at.to_string().into() };
        times.iter().enumerate().map(line).collect()
    }

    /// What somebody reads who was there up to `last`, by the engine's answer to what is asked of it then.
    fn read(all: &[LogLine], last: Option<Mark>) -> Vec<(String, String)> {
        let after_ns = last.map(|last| last.at_ns - 1);
        let answer = all.iter().filter(|line| after_ns.is_none_or(|after_ns| line.at_ns > after_ns)).cloned();
        let read = marked(stream::iter(answer.collect::<Vec<_>>()), last).collect::<Vec<_>>().now_or_never();
        let text = |line: LogLine| String::from_utf8(line.text.to_vec()).unwrap();
        read.unwrap().into_iter().map(|(mark, line)| (mark.to_string(), text(line))).collect()
    }

    #[test]
    fn who_comes_back_after_any_line_loses_none_and_reads_none_twice() {
        let all = lines(&[5, 7, 7, 7, 8, 9, 9]);
        let whole = read(&all, None);
        let ids: Vec<&str> = whole.iter().map(|(id, _)| id.as_str()).collect();
        assert_eq!(ids, ["5", "7", "7-1", "7-2", "8", "9", "9-1"]);
        for (at, (id, _)) in whole.iter().enumerate() {
            assert_eq!(read(&all, Some(id.parse().unwrap())), whole[at + 1..], "after {id}");
        }
    }

    #[test]
    fn a_tail_that_is_no_number_is_named() {
        let tails = [None, Some("0"), Some("7"), Some("4294967295")].map(|said| tail_of(said).unwrap());
        assert_eq!(tails, [TAIL, 0, 7, TAIL_MAX]);
        for bad in ["", "x", "-1", "1.5", "4294967296"] {
            assert_eq!(tail_of(Some(bad)), Err(ApiError::invalid("tail", "must be a whole number")), "{bad:?}");
        }
    }

    #[test]
    fn only_ids_of_events_are_ids() {
        let headers = |id: &'static str| {
            HeaderMap::from_iter([(http::HeaderName::from_static("last-event-id"), http::HeaderValue::from_static(id))])
        };
        assert_eq!(last_event(&HeaderMap::new()).unwrap(), None);
        assert_eq!(last_event(&headers("7-2")).unwrap(), Some(Mark { at_ns: 7, place: 2 }));
        for bad in ["", "x", "7-", "-7", "7-2-1", "18446744073709551616"] {
            assert!(last_event(&headers(bad)).is_err(), "{bad:?}");
        }
    }
}
