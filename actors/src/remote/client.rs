//! One HTTP client for all that is asked of Ganymede. Owns what is shown with a request and what an answer means.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use orrery_protocol::control::{EPOCH_HEADER, RECORDS_CONTENT_TYPE, Token};
use reqwest::{RequestBuilder, Response, StatusCode, header::CONTENT_TYPE, redirect};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::difference::Difference;
use crate::control_plane::{ControlError, Tenure};

/// How long a connection may take.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How long an answer may take from beginning to end. Whole documents take longest.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// The longest part of a refusal that is repeated, in characters.
const REFUSAL_CHARS_MAX: usize = 200;

/// Who asks.
#[derive(Clone, Copy)]
pub(super) enum Shown<'a> {
    /// The process.
    Pool(&'a Token),
    /// The gateway of one organization, under its epoch.
    Gateway(&'a Tenure),
}

/// Ganymede's address and the connections to it.
pub(super) struct Client {
    http: reqwest::Client,
    base: String,
    difference: Difference,
}

/// The body of every refusal.
#[derive(Deserialize)]
struct Refusal {
    error: Reason,
}

#[derive(Deserialize)]
struct Reason {
    code: String,
    message: String,
}

impl Client {
    pub(super) fn new(url: &str) -> Result<Self, String> {
        let base = url.trim_end_matches('/').to_owned();
        reqwest::Url::parse(&base).map_err(|error| error.to_string())?;
        // Ganymede is asked where it was said to be, and nowhere else.
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_MAX)
            .timeout(ANSWER_MAX)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { http, base, difference: Difference::default() })
    }

    /// Asks something and reads the answer.
    pub(super) async fn ask<A: DeserializeOwned>(
        &self,
        path: &str,
        shown: Shown<'_>,
        body: &impl Serialize,
    ) -> Result<A, ControlError> {
        let answer = self.send(self.post(path, shown).json(body)).await?;
        answer.json().await.map_err(unavailable)
    }

    /// Says something. That it was heard is all there is to the answer.
    pub(super) async fn tell(&self, path: &str, shown: Shown<'_>, body: &impl Serialize) -> Result<(), ControlError> {
        self.send(self.post(path, shown).json(body)).await.map(drop)
    }

    /// Sends records and reads the answer.
    pub(super) async fn send_records<A: DeserializeOwned>(
        &self,
        path: &str,
        tenure: &Tenure,
        records: Bytes,
    ) -> Result<A, ControlError> {
        let request = self.post(path, Shown::Gateway(tenure)).header(CONTENT_TYPE, RECORDS_CONTENT_TYPE).body(records);
        self.send(request).await?.json().await.map_err(unavailable)
    }

    /// Asks for something whose answer is records, or JSON if there are none.
    pub(super) async fn ask_records(
        &self,
        path: &str,
        tenure: &Tenure,
        body: &impl Serialize,
    ) -> Result<Response, ControlError> {
        let request = self.post(path, Shown::Gateway(tenure)).header(reqwest::header::ACCEPT, RECORDS_CONTENT_TYPE);
        self.send(request.json(body)).await
    }

    fn post(&self, path: &str, shown: Shown<'_>) -> RequestBuilder {
        let request = self.http.post(format!("{}{path}", self.base));
        match shown {
            Shown::Pool(token) => request.bearer_auth(&token.0),
            Shown::Gateway(tenure) => {
                request.bearer_auth(tenure.token().0).header(EPOCH_HEADER, tenure.epoch().to_string())
            }
        }
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ControlError> {
        let answer = request.send().await.map_err(unavailable)?;
        self.difference.heard(answer.headers(), SystemTime::now());
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        // Whoever answers may not be Ganymede, and may say anything.
        let reason = answer.json::<Refusal>().await.map(|refusal| refusal.error).ok();
        Err(refused(status, reason))
    }
}

fn refused(status: StatusCode, reason: Option<Reason>) -> ControlError {
    let code = reason.as_ref().map(|reason| reason.code.as_str());
    if status == StatusCode::CONFLICT && code == Some("STALE_EPOCH") {
        return ControlError::Stale;
    }
    let mut text = status.to_string();
    if let Some(Reason { code, message }) = &reason {
        let said: String = format!("{code}: {message}").chars().take(REFUSAL_CHARS_MAX).collect();
        write!(text, ", {said}").expect("writing to memory cannot fail");
    }
    let passing =
        status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT;
    if passing { ControlError::Unavailable(text) } else { ControlError::Refused(text) }
}

/// reqwest's own text names the address and leaves out the cause.
pub(super) fn unavailable(error: reqwest::Error) -> ControlError {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        write!(text, ": {error}").expect("writing to memory cannot fail");
        cause = error.source();
    }
    ControlError::Unavailable(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_stale_refused_or_worth_another_try() {
        let check = |status: u16, code: Option<&str>, expect: fn(String) -> ControlError| {
            let reason = code.map(|code| Reason { code: code.to_owned(), message: "why".to_owned() });
            let got = refused(StatusCode::from_u16(status).unwrap(), reason);
            let text = match &got {
                ControlError::Stale => String::new(),
                ControlError::Refused(text) | ControlError::Unavailable(text) => text.clone(),
            };
            assert_eq!(got, expect(text), "{status} {code:?}");
        };
        check(409, Some("STALE_EPOCH"), |_| ControlError::Stale);
        check(409, Some("CONFLICT"), ControlError::Refused);
        check(409, None, ControlError::Refused);
        for status in [400, 401, 403, 404, 413] {
            check(status, Some("STALE_EPOCH"), ControlError::Refused);
        }
        for status in [408, 429, 500, 502, 503] {
            check(status, None, ControlError::Unavailable);
        }
    }

    #[test]
    fn what_a_stranger_says_is_cut() {
        let reason = Reason { code: "X".repeat(5000), message: String::new() };
        let ControlError::Refused(text) = refused(StatusCode::NOT_FOUND, Some(reason)) else { panic!() };
        assert!(text.len() < 250, "{}", text.len());
    }
}
