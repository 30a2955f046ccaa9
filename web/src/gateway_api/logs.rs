//! What containers print, as server-sent events: a line an event. Its id is how far its reader has come in each of a program's two
//! outputs, so that who comes back with `Last-Event-ID` goes on where they were. A reader who does not read is not read to: the
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
use orrery_protocol::{access::Principal, control::GatewayBrief};
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
/// So much earlier than the last line that its reader has an engine is asked to begin: two sources are timed apart.
const OVERLAP_NS: u64 = 1_000_000_000;

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
    let id = id.parse().map_err(|_| ApiError::not_found())?;
    let (last, tail) = (last_event(&headers)?, tail_of(params.tail.as_deref())?);
    let tail = if last.is_some() { None } else { Some(tail) };
    let query =
        LogQuery { tail, follow: params.follow.as_deref() == Some("1"), since_ns: last.map(Position::since_ns) };
    let lines = state.gateways.logs(principal.org, project, id, query).await?;
    // Whoever may not read any more is not read to, and does not stay.
    let gateways = state.gateways.clone();
    let lines = lines.take_until(async move {
        let Principal { org, user, project, role, .. } = principal;
        let may = |brief: &GatewayBrief| brief.principal(user, project).is_some_and(|now| now.role == role);
        gateways.until(org, |brief| !brief.is_some_and(may)).await;
    });
    Ok(Sse::new(events(lines, last)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// How many of the last lines are shown.
fn tail_of(said: Option<&str>) -> Result<u32, ApiError> {
    let tail = said.map_or(Ok(TAIL), |said| said.parse::<u32>());
    tail.map(|tail| tail.min(TAIL_MAX)).map_err(|_| ApiError::invalid("tail", "must be a whole number"))
}

/// How far the reader has come.
fn last_event(headers: &HeaderMap) -> Result<Option<Position>, ApiError> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let last = value.to_str().ok().and_then(|id| id.parse().ok());
    last.map(Some).ok_or_else(|| ApiError::invalid("last-event-id", "must be the id of an event of this stream"))
}

/// A line among those of its source: when it was printed, in nanoseconds since 1970, and how many of the same time came before
/// it. Whoever began with a tail between two such lines counts fewer, and may read some again when they come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    at_ns: u64,
    place: u64,
}

/// How far a reader has come: the line that they read last, and the latest of each source.
///
/// Two sources are timed apart from each other. In the order in which an engine has their lines, which is the same each time,
/// a later one may bear an earlier time; of one source it does so only if somebody sets the clock back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Position {
    source: LogSource,
    line: Mark,
    out: Mark,
    err: Mark,
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
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let (at_ns, place) = text.split_once('-').unwrap_or((text, "0"));
        let number = |text: &str| text.parse::<u64>().map_err(|_| NoPosition);
        Ok(Self { at_ns: number(at_ns)?, place: number(place)? })
    }
}

impl Mark {
    /// Of the line that follows in the same source, printed at `at_ns`.
    fn next(before: Option<Self>, at_ns: u64) -> Self {
        let same = before.filter(|before| before.at_ns == at_ns);
        Self { at_ns, place: same.map_or(0, |before| before.place + 1) }
    }
}

/// A text that is no position.
#[derive(Debug, PartialEq, Eq)]
struct NoPosition;

impl fmt::Display for Position {
    /// The latest of `stdout`, then of `stderr`; between the two, by its first letter, which of them was read last. At the end
    /// the line that was, if it was another one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.source {
            LogSource::Out => 'o',
            LogSource::Err => 'e',
        };
        write!(f, "{}{letter}{}", self.out, self.err)?;
        if self.line == self.latest(self.source) { Ok(()) } else { write!(f, "@{}", self.line) }
    }
}

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        let (latest, line) = text.split_once('@').map_or((text, None), |(latest, line)| (latest, Some(line)));
        let at = |letter, source| latest.split_once(letter).map(|(out, err)| (source, out, err));
        let (source, out, err) = at('o', LogSource::Out).or_else(|| at('e', LogSource::Err)).ok_or(NoPosition)?;
        let (out, err): (Mark, Mark) = (out.parse()?, err.parse()?);
        let line = line.map(str::parse).transpose()?.unwrap_or(if source == LogSource::Out { out } else { err });
        Ok(Self { source, line, out, err })
    }
}

impl Position {
    /// Of who reads a first line; nothing before it is theirs to read.
    fn at(source: LogSource, line: Mark) -> Self {
        Self { source, line, out: line, err: line }
    }

    fn latest(&self, source: LogSource) -> Mark {
        match source {
            LogSource::Out => self.out,
            LogSource::Err => self.err,
        }
    }

    fn read(&mut self, source: LogSource, line: Mark) {
        (self.source, self.line) = (source, line);
        let latest = match source {
            LogSource::Out => &mut self.out,
            LogSource::Err => &mut self.err,
        };
        *latest = line.max(*latest);
    }

    /// From when on an engine is asked again for lines, so that the last one that was read is among them.
    fn since_ns(self) -> u64 {
        self.line.at_ns.saturating_sub(OVERLAP_NS)
    }
}

/// Lines as an engine has them, from `since_ns` of a reader on, become those that the reader has not read.
struct Reading {
    /// The last line of each source that came by.
    out: Option<Mark>,
    err: Option<Mark>,
    position: Option<Position>,
    /// Where the reader was, until that comes by.
    resumed: Option<Position>,
}

impl Reading {
    fn after(last: Option<Position>) -> Self {
        Self { out: None, err: None, position: last, resumed: last }
    }

    /// The reader's position with this line, unless they have read it.
    fn take(&mut self, line: &LogLine) -> Option<Position> {
        let before = match line.source {
            LogSource::Out => &mut self.out,
            LogSource::Err => &mut self.err,
        };
        let mark = Mark::next(*before, line.at_ns);
        *before = Some(mark);
        if let Some(resumed) = self.resumed {
            if (line.source, mark) == (resumed.source, resumed.line) {
                // All that follows is new, whatever its time.
                self.resumed = None;
                return None;
            }
            // An engine may not have that line any more.
            if mark <= resumed.latest(line.source) {
                return None;
            }
        }
        let position = self.position.get_or_insert(Position::at(line.source, mark));
        position.read(line.source, mark);
        Some(*position)
    }
}

fn events(
    lines: impl Stream<Item = Result<LogLine, RuntimeError>>,
    last: Option<Position>,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let mut reading = Reading::after(last);
    // What the engine fails at ends the stream: who wants to go on comes back with the last id.
    let lines = lines.take_while(|line| ready(line.is_ok())).filter_map(|line| ready(line.ok()));
    lines.filter_map(move |line| {
        let event = reading.take(&line).map(|position| {
            let source = match line.source {
                LogSource::Out => "stdout",
                LogSource::Err => "stderr",
            };
            let text = String::from_utf8_lossy(&line.text);
            Ok(Event::default().id(position.to_string()).event(source).data(json!({ "text": text }).to_string()))
        });
        ready(event)
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
    use orrery_actors::engine::LogSource::{Err as StdErr, Out as StdOut};

    use super::*;

    const TENTH_NS: u64 = 100_000_000;

    /// What an engine has: sources, and when in tenths of a second.
    fn log(lines: &[(LogSource, u64)]) -> Vec<LogLine> {
        let line = |(at, &(source, tenths)): (usize, &(LogSource, u64))| LogLine {
            at_ns: tenths * TENTH_NS,
            source,
            text: at.to_string().into(),
        };
        lines.iter().enumerate().map(line).collect()
    }

    /// What an engine answers: of what it has, all from the first line of that time on.
    fn answer(log: &[LogLine], since_ns: u64) -> &[LogLine] {
        &log[log.iter().position(|line| line.at_ns >= since_ns).unwrap_or(log.len())..]
    }

    /// The ids and texts of what somebody reads.
    fn read(lines: &[LogLine], last: Option<&str>) -> Vec<(String, String)> {
        let mut reading = Reading::after(last.map(|id| id.parse().unwrap()));
        let event = |line: &LogLine| {
            let text = String::from_utf8(line.text.to_vec()).unwrap();
            Some((reading.take(line)?.to_string(), text))
        };
        lines.iter().filter_map(event).collect()
    }

    fn texts(read: Vec<(String, String)>) -> Vec<String> {
        read.into_iter().map(|(_, text)| text).collect()
    }

    /// Whoever read from the line `first` on, goes away after any line and comes back, reads what follows it and nothing twice.
    #[track_caller]
    fn check(lines: &[(LogSource, u64)], first: usize) {
        let log = log(lines);
        let ids = read(&log[first..], None);
        assert_eq!(ids.len(), log.len() - first);
        for (at, (id, _)) in (first..).zip(ids) {
            let since_ns = id.parse::<Position>().unwrap().since_ns();
            let mut rest = texts(read(answer(&log, since_ns), Some(&id)));
            // What they did not ask for at first may come along.
            rest.retain(|text| text.parse::<usize>().unwrap() >= first);
            let expect: Vec<_> = (at + 1..log.len()).map(|at| at.to_string()).collect();
            assert_eq!(rest, expect, "after {id}");
        }
    }

    #[test]
    fn who_comes_back_after_any_line_loses_none_and_reads_none_twice() {
        check(&[(StdOut, 5), (StdOut, 7), (StdOut, 7), (StdOut, 7), (StdOut, 8), (StdOut, 9), (StdOut, 9)], 0);
        let ids = read(&log(&[(StdOut, 1), (StdOut, 1), (StdErr, 1), (StdErr, 1), (StdOut, 2), (StdOut, 1)]), None);
        let ids: Vec<_> = ids.into_iter().map(|(id, _)| id.replace("00000000", "")).collect();
        assert_eq!(ids, ["1o1", "1-1o1", "1-1e1", "1-1e1-1", "2o1-1", "2o1-1@1"]);
    }

    /// Both sources are timed apart, and an engine has their lines in the order in which they came to it. No tail begins between
    /// two lines of one source and time.
    #[test]
    fn sources_whose_times_cross_lose_nothing_and_repeat_nothing() {
        let crossing = [
            (StdOut, 20),
            (StdErr, 21),
            (StdOut, 20),
            (StdErr, 21),
            (StdErr, 22),
            (StdOut, 21),
            (StdOut, 22),
            (StdErr, 22),
            // Begun long before it ended, and meanwhile another source went on.
            (StdOut, 60),
            (StdErr, 30),
            (StdErr, 60),
            (StdOut, 61),
            (StdErr, 61),
        ];
        for first in [0, 4, 8, 9, 10] {
            check(&crossing, first);
        }
    }

    /// Somebody has set the clock back.
    #[test]
    fn what_is_printed_at_a_time_that_was_before_is_read_once() {
        check(&[(StdOut, 50), (StdErr, 51), (StdOut, 52), (StdOut, 48), (StdErr, 49), (StdOut, 49), (StdErr, 53)], 0);
    }

    /// Engines keep so much of a log and no more; and a container may be another one by now.
    #[test]
    fn who_comes_back_when_their_line_is_gone_reads_all_that_is_there() {
        let all = log(&[(StdOut, 20), (StdErr, 22), (StdOut, 21), (StdErr, 23), (StdOut, 24), (StdErr, 25)]);
        for (at, (id, _)) in read(&all, None).into_iter().enumerate() {
            let left = &all[at + 1..];
            let since_ns = id.parse::<Position>().unwrap().since_ns();
            assert_eq!(texts(read(answer(left, since_ns), Some(&id))), texts(read(left, None)), "after {id}");
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
        let mark = |at_ns, place| Mark { at_ns, place };
        let position = Position { source: StdErr, line: mark(8, 0), out: mark(7, 2), err: mark(8, 0) };
        assert_eq!(last_event(&headers("7-2e8")).unwrap(), Some(position));
        let position = Position { line: mark(6, 1), ..position };
        assert_eq!(last_event(&headers("7-2e8@6-1")).unwrap(), Some(position));
        for bad in ["", "x", "7", "7-o7", "-7e7", "7-2-1o7", "7o", "o7", "7o7e7", "7o7@", "18446744073709551616o1"] {
            assert!(last_event(&headers(bad)).is_err(), "{bad:?}");
        }
    }
}
