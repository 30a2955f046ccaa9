//! Which gateway asks Ganymede, and under which epoch. Decided before anything of a body is read.

use std::time::SystemTime;

use axum::extract::FromRequestParts;
use http::{HeaderMap, request::Parts};
use orrery_ganymede::tokens::{GatewayClaims, PoolClaims, TokenError, VerifyingKeys};
use orrery_protocol::{
    control::EPOCH_HEADER,
    id::{Epoch, GatewayId, OrgId},
};

use crate::{
    admission::bearer,
    error::{ApiError, ErrorCode},
    state::GanymedeState,
};

/// A gateway process, whatever it serves: it showed its pool token.
pub(super) struct Process(pub(super) PoolClaims);

/// A gateway that serves one organization: it showed the gateway token of its allocation, and acts under that one's epoch.
pub(super) struct Serving(pub(super) GatewayClaims);

/// One of the two; which one decides what it may ask.
pub(super) enum Either {
    Process(Process),
    Serving(Serving),
}

impl FromRequestParts<GanymedeState> for Either {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &GanymedeState) -> Result<Self, ApiError> {
        match Process::from_request_parts(parts, state).await {
            Ok(process) => Ok(Self::Process(process)),
            Err(_) => Serving::from_request_parts(parts, state).await.map(Self::Serving),
        }
    }
}

impl FromRequestParts<GanymedeState> for Process {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &GanymedeState) -> Result<Self, ApiError> {
        shown(&parts.headers, state.tokens.verifying(), VerifyingKeys::pool).map(Self)
    }
}

impl FromRequestParts<GanymedeState> for Serving {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &GanymedeState) -> Result<Self, ApiError> {
        let claims = shown(&parts.headers, state.tokens.verifying(), VerifyingKeys::gateway)?;
        if epoch(&parts.headers)? == claims.epoch { Ok(Self(claims)) } else { Err(stale()) }
    }
}

impl Serving {
    /// Refuses a body that speaks of another organization than the token. To the caller there is no other one.
    pub(super) fn may_see(&self, org: OrgId) -> Result<(), ApiError> {
        if org == self.0.org { Ok(()) } else { Err(ApiError::not_found()) }
    }

    /// Refuses a body that speaks for another gateway than the token.
    pub(super) fn speaks_for(&self, gateway: GatewayId) -> Result<(), ApiError> {
        if gateway == self.0.gateway { Ok(()) } else { Err(ApiError::forbidden("the token is another gateway's")) }
    }
}

/// Whoever asks acts under an allocation that is over.
pub(super) fn stale() -> ApiError {
    ApiError::new(ErrorCode::StaleEpoch, "this epoch is over, or the token is of another one")
}

fn shown<C>(
    headers: &HeaderMap,
    keys: &VerifyingKeys,
    verify: fn(&VerifyingKeys, &str, SystemTime) -> Result<C, TokenError>,
) -> Result<C, ApiError> {
    let token = bearer(headers).ok_or_else(|| ApiError::not_signed_in("no token of a gateway"))?;
    Ok(verify(keys, token, SystemTime::now())?)
}

fn epoch(headers: &HeaderMap) -> Result<Epoch, ApiError> {
    let value = headers.get(EPOCH_HEADER).ok_or_else(|| ApiError::invalid(EPOCH_HEADER, "is missing"))?;
    let epoch = value.to_str().ok().and_then(|value| value.parse().ok());
    epoch.ok_or_else(|| ApiError::invalid(EPOCH_HEADER, "must be a number"))
}
