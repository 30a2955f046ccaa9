//! Accounts and sessions: signing up, in and out, and tokens for gateways.

use std::time::SystemTime;

use axum::{Json, extract::State, response::IntoResponse};
use futures_util::future::join_all;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use orrery_ganymede::{
    people::{ChangePasswordError, DeleteAccountError, NewUser, Scope, SignInError, User},
    tokens::AccessClaims,
};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    input::{Body, Fields, Form},
    name::NameText,
    shape::UserShape,
};
use crate::{
    authentication::{self, Caller},
    error::{ApiError, ErrorBody},
    rate::Origin,
    refusal::unavailable,
    state::GanymedeState,
    time::now_ms,
};

pub(super) fn routes() -> OpenApiRouter<GanymedeState> {
    OpenApiRouter::new()
        .routes(routes!(sign_up))
        .routes(routes!(sign_in))
        .routes(routes!(sign_out))
        .routes(routes!(me, delete_account))
        .routes(routes!(change_password))
        .routes(routes!(token))
}

#[derive(ToSchema)]
struct SignUp {
    #[schema(format = Email, max_length = 254)]
    email: String,
    #[schema(format = Password, min_length = 8, max_length = 256)]
    password: String,
    /// Shown to others.
    #[schema(value_type = NameText)]
    name: String,
}

impl Form for SignUp {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (email, password, name) = (fields.text("email"), fields.text("password"), fields.text("name"));
        Some(Self { email: email?, password: password?, name: name? })
    }
}

#[derive(ToSchema)]
struct SignIn {
    #[schema(max_length = 1_000)]
    email: String,
    #[schema(format = Password, max_length = 1_000)]
    password: String,
}

impl Form for SignIn {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (email, password) = (fields.text("email"), fields.text("password"));
        Some(Self { email: email?, password: password? })
    }
}

#[derive(ToSchema)]
struct NewPassword {
    /// The one so far.
    #[schema(format = Password, max_length = 1_000)]
    password: String,
    #[schema(format = Password, min_length = 8, max_length = 256)]
    new_password: String,
}

impl Form for NewPassword {
    fn read(fields: &mut Fields) -> Option<Self> {
        let (password, new_password) = (fields.text("password"), fields.text("new_password"));
        Some(Self { password: password?, new_password: new_password? })
    }
}

#[derive(ToSchema)]
struct Password {
    #[schema(format = Password, max_length = 1_000)]
    password: String,
}

impl Form for Password {
    fn read(fields: &mut Fields) -> Option<Self> {
        Some(Self { password: fields.text("password")? })
    }
}

#[derive(Serialize, ToSchema)]
struct Account {
    user: UserShape,
}

#[derive(Serialize, ToSchema)]
struct AccessToken {
    /// For `?token=` of a gateway's addresses, or as bearer.
    access_token: String,
    /// In seconds.
    expires_in: u64,
}

/// Makes an account and signs it in. The first account is the administrator.
#[utoipa::path(
    post,
    path = "/api/auth/signup",
    tag = "account",
    request_body = SignUp,
    responses(
        (status = 201, description = "signed up and in", body = Account, headers(("Set-Cookie" = String))),
        (status = 409, description = "there is an account with this e-mail address", body = ErrorBody),
    ),
    security(())
)]
async fn sign_up(
    State(state): State<GanymedeState>,
    origin: Origin,
    Body(form): Body<SignUp>,
) -> Result<SignedIn, ApiError> {
    state.quotas.sign_in(origin)?;
    let SignUp { email, password, name } = form;
    let user = state.people.sign_up(now_ms(), NewUser { email, password, name }).await?;
    signed_in(&state, user, StatusCode::CREATED).await
}

/// Signs in. An unknown account and a wrong password look the same.
#[utoipa::path(
    post,
    path = "/api/auth/login",
    tag = "account",
    request_body = SignIn,
    responses(
        (status = 200, description = "signed in", body = Account, headers(("Set-Cookie" = String))),
        (status = 401, description = "the e-mail address or the password is wrong", body = ErrorBody),
    ),
    security(())
)]
async fn sign_in(
    State(state): State<GanymedeState>,
    origin: Origin,
    Body(form): Body<SignIn>,
) -> Result<SignedIn, ApiError> {
    state.quotas.sign_in(origin)?;
    state.quotas.may_try(&form.email)?;
    let user = state.people.sign_in(&form.email, &form.password).await.inspect_err(|error| {
        if matches!(error, SignInError::Refused) {
            state.quotas.failed(&form.email);
        }
    })?;
    signed_in(&state, user, StatusCode::OK).await
}

/// What whoever signed in gets: the session, as a cookie, and who they are.
type SignedIn = (StatusCode, [(HeaderName, HeaderValue); 1], Json<Account>);

async fn signed_in(state: &GanymedeState, user: User, status: StatusCode) -> Result<SignedIn, ApiError> {
    let secret = state.people.open_session(now_ms(), user.id).await?;
    let cookie = authentication::cookie(&state.process.edge, &secret);
    Ok((status, [(header::SET_COOKIE, cookie)], Json(Account { user: user.into() })))
}

/// Ends the session. Without one it is fine too.
#[utoipa::path(
    post,
    path = "/api/auth/logout",
    tag = "account",
    responses((status = 204, description = "signed out", headers(("Set-Cookie" = String)))),
    security(())
)]
async fn sign_out(State(state): State<GanymedeState>, headers: HeaderMap) -> Result<impl IntoResponse, ApiError> {
    let edge = &state.process.edge;
    for secret in authentication::sessions(&headers, edge) {
        state.people.close_session(secret).await?;
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, authentication::no_cookie(edge))]))
}

/// Who is signed in.
#[utoipa::path(
    get,
    path = "/api/auth/me",
    tag = "account",
    responses((status = 200, description = "the caller", body = Account))
)]
async fn me(caller: Caller) -> Json<Account> {
    Json(Account { user: caller.user.into() })
}

/// Removes the caller's account, with its sessions, API keys and memberships. What they wrote stays.
#[utoipa::path(
    delete,
    path = "/api/auth/me",
    tag = "account",
    request_body = Password,
    responses(
        (status = 204, description = "not there any more", headers(("Set-Cookie" = String))),
        (status = 403, description = "the password is another, or a key or a token asks", body = ErrorBody),
        (status = 409, description = "the last owner of an organization, or the administrator", body = ErrorBody),
    ),
    security(("session" = []))
)]
async fn delete_account(
    State(state): State<GanymedeState>,
    caller: Caller,
    Body(form): Body<Password>,
) -> Result<impl IntoResponse, ApiError> {
    caller.is_in_person()?;
    let user = caller.user;
    state.quotas.may_try(&user.email)?;
    let deleted = state.people.delete_account(user.id, &form.password).await.inspect_err(|error| {
        if matches!(error, DeleteAccountError::Refused) {
            state.quotas.failed(&user.email);
        }
    })?;
    join_all(deleted.into_iter().map(|org| state.refresh(org))).await;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, authentication::no_cookie(&state.process.edge))]))
}

/// Gives the caller another password. Every session of theirs ends but the one that this opens.
#[utoipa::path(
    post,
    path = "/api/auth/password",
    tag = "account",
    request_body = NewPassword,
    responses(
        (status = 200, description = "changed, and signed in anew", body = Account, headers(("Set-Cookie" = String))),
        (status = 403, description = "the password so far is another", body = ErrorBody),
    ),
    security(("session" = []), ("api_key" = []))
)]
async fn change_password(
    State(state): State<GanymedeState>,
    caller: Caller,
    Body(form): Body<NewPassword>,
) -> Result<SignedIn, ApiError> {
    caller.has_own_proof()?;
    caller.needs(Scope::Admin)?;
    let user = caller.user;
    state.quotas.may_try(&user.email)?;
    let changed = state.people.change_password(user.id, &form.password, &form.new_password).await;
    changed.inspect_err(|error| {
        if matches!(error, ChangePasswordError::Refused) {
            state.quotas.failed(&user.email);
        }
    })?;
    signed_in(&state, user, StatusCode::OK).await
}

/// A token for gateways, good for a few minutes. Not with an access token: it must not prolong itself.
#[utoipa::path(
    post,
    path = "/api/auth/token",
    tag = "account",
    responses((status = 200, description = "an access token", body = AccessToken)),
    security(("session" = []), ("api_key" = []))
)]
async fn token(State(state): State<GanymedeState>, caller: Caller) -> Result<Json<AccessToken>, ApiError> {
    caller.has_own_proof()?;
    let only_uses = caller.needs(Scope::Admin).is_err();
    let claims = AccessClaims { user: caller.user.id, name: caller.user.name, only_uses };
    let token = state.tokens.sign_access(&claims, SystemTime::now(), state.access_ttl);
    let token = token.map_err(|error| unavailable("SIGNING_KEYS", &error))?;
    Ok(Json(AccessToken { access_token: token.0, expires_in: state.access_ttl.as_secs() }))
}
