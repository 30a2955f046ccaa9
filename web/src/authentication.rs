//! Who asks: a session cookie, an API key or an access token becomes a [`Caller`]. Owns the cookie's form and what each
//! kind of proof is good for; what the caller may do in an organization is decided where it is done.

use std::time::SystemTime;

use axum::extract::FromRequestParts;
use http::{HeaderMap, HeaderValue, Method, header, request::Parts};
use orrery_ganymede::people::{ApiKey, SESSION_LIFE_MS_MAX, Scope, Secret, User};

use crate::{
    error::ApiError,
    public_url::PublicUrl,
    state::{EdgeConfig, GanymedeState},
    time::now_ms,
};

/// The session cookie's name without TLS.
pub(crate) const COOKIE: &str = "orrery_session";

/// With it. Browsers take a cookie of this prefix from a secure page of the very same host only, so no other host of the
/// domain can plant one.
const COOKIE_TLS: &str = "__Host-orrery_session";

/// How an API key begins; an access token does not.
const KEY_PREFIX: &str = "ok_";

/// Cookies of our name that are tried: another host of the domain may have planted one of the same name.
const COOKIES_MAX: usize = 3;

/// Somebody who proved who they are, within the rate that they may ask at and the scopes of what they showed.
#[derive(Debug)]
pub(crate) struct Caller {
    /// Who.
    pub(crate) user: User,
    proof: Proof,
}

/// What a caller showed.
#[derive(Debug)]
enum Proof {
    /// A session cookie.
    Session,
    /// An API key, good for its scopes.
    Key(ApiKey),
    /// A short-lived token that gateways see too.
    AccessToken {
        /// Whether it manages nothing, as the API key that got it.
        only_uses: bool,
    },
}

/// A caller who may see and change the installation itself.
#[derive(Debug)]
pub(crate) struct Administrator;

impl Caller {
    /// Refuses an access token, which gateways see too: with it nobody gets what outlives its minutes, or ends an organization.
    pub(crate) fn has_own_proof(&self) -> Result<(), ApiError> {
        match self.proof {
            Proof::Session | Proof::Key(_) => Ok(()),
            Proof::AccessToken { .. } => {
                Err(ApiError::forbidden("not with an access token; sign in or use an API key"))
            }
        }
    }

    /// Refuses everything but a session: what a person must do themselves.
    pub(crate) fn is_in_person(&self) -> Result<(), ApiError> {
        match self.proof {
            Proof::Session => Ok(()),
            Proof::Key(_) | Proof::AccessToken { .. } => {
                Err(ApiError::forbidden("only signed in, not with a key or a token"))
            }
        }
    }

    /// Refuses an API key without `scope`, and what such a key got. A session, and what it got, may do what its user may.
    pub(crate) fn needs(&self, scope: Scope) -> Result<(), ApiError> {
        let has = match &self.proof {
            Proof::Session => true,
            Proof::Key(key) => key.allows(scope),
            // It takes `write` to get one.
            Proof::AccessToken { only_uses } => scope < Scope::Admin || !only_uses,
        };
        if has { Ok(()) } else { Err(ApiError::forbidden(format!("the API key has no scope `{scope}`"))) }
    }
}

impl FromRequestParts<GanymedeState> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &GanymedeState) -> Result<Self, ApiError> {
        let caller = match bearer(&parts.headers)? {
            Some(text) => by_bearer(state, text).await?,
            None => by_session(state, &parts.headers).await?,
        };
        match &caller.proof {
            Proof::Session | Proof::AccessToken { .. } => state.quotas.user(caller.user.id)?,
            Proof::Key(key) => state.quotas.key(&key.id)?,
        }
        caller.needs(if is_safe(&parts.method) { Scope::Read } else { Scope::Write })?;
        Ok(caller)
    }
}

impl FromRequestParts<GanymedeState> for Administrator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &GanymedeState) -> Result<Self, ApiError> {
        // Whoever holds the installation's keys may look after it without an account.
        let bearer = bearer(&parts.headers)?;
        if bearer.is_some_and(|text| state.tokens.verifying().operator(text, SystemTime::now()).is_ok()) {
            return Ok(Self);
        }
        let caller = Caller::from_request_parts(parts, state).await?;
        if !caller.user.administrator {
            return Err(ApiError::forbidden("only an administrator may do this"));
        }
        caller.needs(Scope::Admin)?;
        Ok(Self)
    }
}

/// A method that changes nothing (RFC 9110, 9.2.1).
pub(crate) fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// What `Authorization: Bearer` carries. Another scheme is refused, so that it is not taken for nobody.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let credentials = value.to_str().ok().and_then(|value| value.split_once(' '));
    match credentials {
        Some((scheme, text)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(text.trim())),
        Some(_) | None => {
            Err(ApiError::not_signed_in("`Authorization` must be `Bearer` and an API key or access token"))
        }
    }
}

async fn by_bearer(state: &GanymedeState, text: &str) -> Result<Caller, ApiError> {
    if text.starts_with(KEY_PREFIX) {
        let known = state.people.key(now_ms(), text).await?;
        let (user, key) = known.ok_or_else(|| ApiError::not_signed_in("the API key is not valid"))?;
        return Ok(Caller { user, proof: Proof::Key(key) });
    }
    let access = state.tokens.verifying().access(text, SystemTime::now())?;
    let user = state.people.user(access.user).await?;
    let user = user.ok_or_else(|| ApiError::not_signed_in("there is no such account any more"))?;
    Ok(Caller { user, proof: Proof::AccessToken { only_uses: access.only_uses } })
}

async fn by_session(state: &GanymedeState, headers: &HeaderMap) -> Result<Caller, ApiError> {
    for secret in sessions(headers, &state.process.edge) {
        if let Some(user) = state.people.session(now_ms(), secret).await? {
            return Ok(Caller { user, proof: Proof::Session });
        }
    }
    Err(ApiError::not_signed_in("sign in, or send an API key or access token"))
}

/// The session secrets that a request carries.
pub(crate) fn sessions<'a>(headers: &'a HeaderMap, edge: &EdgeConfig) -> impl Iterator<Item = &'a str> {
    let name = cookie_name(edge);
    let cookies = headers.get_all(header::COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let cookies = cookies.flat_map(|value| value.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.filter(move |(key, _)| *key == name).map(|(_, secret)| secret).take(COOKIES_MAX)
}

/// A cookie that opens a session.
pub(crate) fn cookie(edge: &EdgeConfig, secret: &Secret) -> HeaderValue {
    // The session ends by itself when it is not used; this is only when the browser may forget it.
    set_cookie(edge, secret.expose(), SESSION_LIFE_MS_MAX / 1_000)
}

/// A cookie that takes it back.
pub(crate) fn no_cookie(edge: &EdgeConfig) -> HeaderValue {
    set_cookie(edge, "", 0)
}

fn set_cookie(edge: &EdgeConfig, value: &str, max_age_s: u64) -> HeaderValue {
    let secure = if over_tls(edge) { "; Secure" } else { "" };
    let text = format!("{}={value}; HttpOnly; SameSite=Lax; Path=/; Max-Age={max_age_s}{secure}", cookie_name(edge));
    let mut header = HeaderValue::try_from(text).expect("names and secrets of ours are plain ASCII");
    header.set_sensitive(true);
    header
}

fn cookie_name(edge: &EdgeConfig) -> &'static str {
    if over_tls(edge) { COOKIE_TLS } else { COOKIE }
}

fn over_tls(edge: &EdgeConfig) -> bool {
    edge.public_url.as_ref().is_some_and(PublicUrl::is_tls)
}

#[cfg(test)]
mod tests {
    use orrery_protocol::id::UserId;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_access_token_manages_no_more_than_the_key_that_got_it() {
        let caller = |only_uses| {
            let user = User {
                id: UserId(Uuid::nil()),
                email: String::new(),
                name: String::new(),
                administrator: true,
                created_at_ms: 0,
            };
            Caller { user, proof: Proof::AccessToken { only_uses } }
        };
        for scope in [Scope::Read, Scope::Write] {
            assert_eq!([caller(false).needs(scope), caller(true).needs(scope)], [Ok(()), Ok(())], "{scope}");
        }
        assert_eq!(caller(false).needs(Scope::Admin), Ok(()));
        assert!(caller(true).needs(Scope::Admin).is_err());
    }
}
