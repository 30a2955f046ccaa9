//! Who asks a gateway, and what they may do in a project of an organization that it serves. The only place where a token
//! and an address become a [`Principal`].

use std::time::SystemTime;

use axum::extract::FromRequestParts;
use http::{HeaderMap, header, request::Parts};
use orrery_actors::{ContainerBearer, Gateways};
use orrery_ganymede::tokens::{Access, ContainerClaims, TokenError, VerifyingKeys};
use orrery_protocol::{access::Principal, id::ProjectId};

use crate::{address::OrgHint, dispatch::not_running, error::ApiError, state::GatewayState};

/// What `Authorization: Bearer` carries.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Who asks: `param` is a token from the query, for those who cannot send headers.
pub(crate) async fn authenticate(
    verifier: &VerifyingKeys,
    param: Option<&str>,
    headers: &HeaderMap,
) -> Result<Access, ApiError> {
    let token = param.or_else(|| bearer(headers)).ok_or_else(|| ApiError::not_signed_in("no access token"))?;
    verifier.catch_up(token).await?;
    Ok(verifier.access(token, SystemTime::now())?)
}

/// Who asks by a request's header, before its body is read.
pub(crate) struct Asker(pub(crate) Access);

impl FromRequestParts<GatewayState> for Asker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &GatewayState) -> Result<Self, ApiError> {
        authenticate(&state.verifier, None, &parts.headers).await.map(Self)
    }
}

/// Who gives a command: a person, or a container that speaks of itself.
pub(crate) enum Speaker {
    Person(Access),
    Container(ContainerBearer),
}

impl FromRequestParts<GatewayState> for Speaker {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &GatewayState) -> Result<Self, ApiError> {
        let token = bearer(&parts.headers).ok_or_else(|| ApiError::not_signed_in("no access token"))?;
        state.verifier.catch_up(token).await?;
        let now = SystemTime::now();
        match state.verifier.access(token, now) {
            Ok(access) => Ok(Self::Person(access)),
            // No kind stands in for another: what is not the one may be the other.
            Err(TokenError::Invalid) => {
                let ContainerClaims { container, org, project, generation } = state.verifier.container(token, now)?;
                Ok(Self::Container(ContainerBearer { org, project, container, generation }))
            }
            Err(error @ TokenError::Expired) => Err(error.into()),
        }
    }
}

/// What they may do in `project`. `named` is the organization in the address; without it, the project names its own.
///
/// What is not there and what is not theirs to see are the same to them.
pub(crate) fn admit(
    gateways: &Gateways,
    access: &Access,
    named: Option<OrgHint>,
    project: ProjectId,
) -> Result<Principal, ApiError> {
    let org = match named {
        Some(OrgHint(org)) if gateways.epoch(org).is_some() => org,
        Some(_) => return Err(not_running()),
        None => gateways.org_of(project).ok_or_else(ApiError::not_found)?,
    };
    gateways.principal(org, access.user, project).ok_or_else(ApiError::not_found)
}
