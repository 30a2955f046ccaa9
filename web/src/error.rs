//! Every refusal of the edge: the one place of HTTP status codes and of the error body.
//!
//! A handler returns an [`ApiError`]; [`crate::envelope`] writes the body, because only it knows the request's id.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

/// What was wrong, as a closed set. Each has one status code and one name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// The request itself is wrong; `details.fields` says where.
    InvalidInput,
    /// A command whose `type` nobody knows.
    UnknownCommand,
    /// No token, or not a valid one.
    AuthenticationFailed,
    /// Known, but not allowed.
    Forbidden,
    /// Not there, or not for the caller to see.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// It contradicts what is there already.
    Conflict,
    /// The caller speaks for an allocation that is over.
    StaleEpoch,
    /// The body or message is larger than allowed.
    TooLarge,
    /// The body is of a kind that is not read here.
    UnsupportedMediaType,
    /// Too many of something; try later.
    RateLimited,
    /// There is room for no more of them.
    NoCapacity,
    /// Something we need is not there; the name says what.
    Unavailable(&'static str),
    /// A defect of ours. The log has the cause under the request's id.
    Internal,
}

impl ErrorCode {
    /// The one status code of this kind.
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidInput | Self::UnknownCommand => StatusCode::BAD_REQUEST,
            Self::AuthenticationFailed => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict | Self::StaleEpoch => StatusCode::CONFLICT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::NoCapacity => StatusCode::INSUFFICIENT_STORAGE,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::InvalidInput => "INVALID_INPUT",
            Self::UnknownCommand => "UNKNOWN_COMMAND",
            Self::AuthenticationFailed => "AUTHENTICATION_FAILED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::Conflict => "CONFLICT",
            Self::StaleEpoch => "STALE_EPOCH",
            Self::TooLarge => "TOO_LARGE",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::RateLimited => "RATE_LIMITED",
            Self::NoCapacity => "NO_CAPACITY",
            Self::Unavailable(cause) => cause,
            Self::Internal => "INTERNAL",
        }
    }
}

/// A refusal: a code, a sentence for people, and what machines may want to know beside it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}: {message}", code.name())]
pub struct ApiError {
    code: ErrorCode,
    message: String,
    details: Map<String, Value>,
    retry_after_s: Option<u64>,
}

impl ApiError {
    /// A refusal without details. The message reaches the caller: no secret, no internal name, no trace.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), details: Map::new(), retry_after_s: None }
    }

    /// What the caller may not see does not exist for it.
    pub fn not_found() -> Self {
        Self::new(ErrorCode::NotFound, "there is nothing here")
    }

    /// Bad input, named by field: `details.fields.{field}`.
    pub fn invalid(field: &str, problem: impl Into<String>) -> Self {
        Self::invalid_fields([(field.to_owned(), problem.into())])
    }

    /// Bad input in several fields, each with what is wrong with it.
    pub fn invalid_fields(problems: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut error = Self::new(ErrorCode::InvalidInput, "the request is not valid");
        let fields = problems.into_iter().map(|(field, problem)| (field, Value::String(problem))).collect();
        error.details.insert("fields".to_owned(), Value::Object(fields));
        error
    }

    /// Nobody is signed in, or nobody that may be.
    pub fn not_signed_in(why: impl Into<String>) -> Self {
        Self::new(ErrorCode::AuthenticationFailed, why)
    }

    /// Seen, but not to be done by the caller.
    pub fn forbidden(why: impl Into<String>) -> Self {
        Self::new(ErrorCode::Forbidden, why)
    }

    /// When it is worth another try.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// A refusal that did not come from us but from the framework, in our form; `None` for anything but a refusal. Its
    /// text is not ours to repeat.
    pub(crate) fn foreign(status: StatusCode) -> Option<Self> {
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            return Some(Self::new(ErrorCode::TooLarge, "the request body is too large"));
        }
        if status.is_client_error() {
            return Some(Self::invalid("request", "cannot be read"));
        }
        status.is_server_error().then(|| Self::new(ErrorCode::Internal, "something went wrong on our side"))
    }

    /// The same for people.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// When it is worth another try, in seconds.
    pub(crate) fn retry_after_s(&self) -> Option<u64> {
        self.retry_after_s
    }

    /// What kind of refusal this is.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// The error body, complete. [`crate::envelope`] calls this; so does whoever answers without a router.
    pub fn body(&self, request_id: Uuid) -> Vec<u8> {
        let details = (!self.details.is_empty()).then_some(&self.details);
        let body = ErrorBody { error: Refusal { code: self.code.name(), message: &self.message, details, request_id } };
        serde_json::to_vec(&body).expect("strings, numbers and maps of strings always serialize")
    }
}

/// The status of a report that says whether all is well.
pub(crate) fn report_status(well: bool) -> StatusCode {
    if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

/// The status of an answer that sends a browser elsewhere, by `GET`.
pub(crate) const ELSEWHERE: StatusCode = StatusCode::FOUND;

/// The body of every refusal.
#[derive(Serialize, ToSchema)]
pub(crate) struct ErrorBody<'a> {
    error: Refusal<'a>,
}

#[derive(Serialize, ToSchema)]
struct Refusal<'a> {
    /// What was wrong, from a closed set, `UPPER_SNAKE`.
    code: &'static str,
    /// The same for people.
    message: &'a str,
    /// What a machine may want to know beside it; `fields` names each bad field.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, nullable = false)]
    details: Option<&'a Map<String, Value>>,
    /// As in the answer's `x-request-id` and in the log.
    request_id: Uuid,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.code.status().into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if self.code == ErrorCode::AuthenticationFailed {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_is_the_contract_s() {
        let id = Uuid::nil();
        let body = |error: ApiError| serde_json::from_slice::<Value>(&error.body(id)).unwrap();
        assert_eq!(
            body(ApiError::not_found()),
            serde_json::json!({"error": {"code": "NOT_FOUND", "message": "there is nothing here", "request_id": id}})
        );
        assert_eq!(body(ApiError::invalid("name", "too long"))["error"]["details"]["fields"]["name"], "too long");
        let foreign = body(ApiError::foreign(StatusCode::BAD_REQUEST).unwrap());
        assert!(foreign["error"]["details"]["fields"].is_object(), "{foreign}");
    }

    #[test]
    fn the_page_for_clients_has_every_refusal() {
        let page = include_str!("../../docs/clients.md");
        for code in [
            ErrorCode::InvalidInput,
            ErrorCode::UnknownCommand,
            ErrorCode::AuthenticationFailed,
            ErrorCode::Forbidden,
            ErrorCode::NotFound,
            ErrorCode::MethodNotAllowed,
            ErrorCode::Conflict,
            ErrorCode::StaleEpoch,
            ErrorCode::TooLarge,
            ErrorCode::UnsupportedMediaType,
            ErrorCode::RateLimited,
            ErrorCode::NoCapacity,
            ErrorCode::Internal,
        ] {
            let row = format!("| {} | `{}` |", code.status().as_u16(), code.name());
            assert!(page.contains(&row), "docs/clients.md needs: {row}");
        }
    }

    #[test]
    fn headers_say_what_to_do_next() {
        let busy = ApiError::new(ErrorCode::RateLimited, "slow down").retry_after(7).into_response();
        assert_eq!((busy.status().as_u16(), &busy.headers()[header::RETRY_AFTER]), (429, &HeaderValue::from(7)));
        let who = ApiError::new(ErrorCode::AuthenticationFailed, "who?").into_response();
        assert_eq!(
            (who.status().as_u16(), &who.headers()[header::WWW_AUTHENTICATE]),
            (401, &"Bearer".parse().unwrap())
        );
        let cause = ApiError::new(ErrorCode::Unavailable("POOL_EXHAUSTED"), "no slot is free").into_response();
        assert_eq!(cause.status().as_u16(), 503);
    }
}
