//! JSON that Ganymede and gateways send each other. Fields that are not known are let pass, so that the two may be of
//! different versions for a while.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use serde::de::DeserializeOwned;

use crate::error::{ApiError, ErrorCode};

/// A message as a request's body. No body is one without fields.
pub(crate) struct Message<T>(pub(crate) T);

impl<T: DeserializeOwned> Message<T> {
    /// Reads a body that arrived whole.
    pub(crate) fn read(body: &[u8]) -> Result<T, ApiError> {
        let body = if body.is_empty() { b"{}" } else { body };
        serde_json::from_slice(body).map_err(|error| {
            // The library's words quote what was sent, which may be a token.
            let place = format!("line {}, column {}", error.line(), error.column());
            ApiError::invalid("body", format!("is not the message that is read here, from {place} on"))
        })
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Message<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Self::read(&whole_body(request, state).await?).map(Self)
    }
}

/// A body within the limit of its route, once all of it is here.
pub(crate) async fn whole_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        let foreign = ApiError::foreign(rejection.status()).filter(|error| error.code() == ErrorCode::TooLarge);
        foreign.unwrap_or_else(|| ApiError::invalid("body", "did not arrive whole"))
    })
}

#[cfg(test)]
mod tests {
    use orrery_protocol::control::{ConfigRequest, Start};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_newer_version_may_say_more() {
        let read = Message::<ConfigRequest>::read(br#"{"handshake": "h", "colour": "blue"}"#).unwrap();
        assert_eq!(read.handshake.unwrap().0, "h");
        assert_eq!(Message::<ConfigRequest>::read(b"").unwrap(), ConfigRequest::default());
    }

    #[test]
    fn what_is_not_understood_is_not_repeated() {
        for body in [&br#"{"organization_id": "s3cret", "handshake": 1}"#[..], b"[]", b"", b"s3cret"] {
            let refused = Message::<Start>::read(body).unwrap_err();
            assert_eq!(refused.code(), ErrorCode::InvalidInput);
            assert!(!String::from_utf8(refused.body(Uuid::nil())).unwrap().contains("s3cret"));
        }
    }
}
