//! From a token to what it says: one function for each kind.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use orrery_protocol::id::{GatewayId, UserId};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{
    GANYMEDE_AUDIENCE, GATEWAY_AUDIENCE, ISSUER, Jwks, TOKEN_BYTES_MAX, TokenError,
    believed::Believed,
    follow::{Asking, KeysUnavailable},
    kinds::{
        AccessClaims, ContainerClaims, GatewayClaims, HandshakeClaims, Kind, OperatorClaims, OrderClaims, PoolClaims,
    },
};

/// What is over may still be shown for so long.
const CLOCK_LEEWAY: Duration = Duration::from_secs(5);
/// The clock of whoever signed may be ahead by this much. Nothing is gained by a token of tomorrow, so this is generous.
const CLOCK_AHEAD_MAX: Duration = Duration::from_secs(40);

/// What a valid access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Who shows it.
    pub user: UserId,
    /// The name shown to others. Chosen by the user: never trust it, never render it as markup.
    pub name: String,
    /// Whether it manages nothing, as the API key that got it.
    pub only_uses: bool,
    /// From when on it says nothing.
    pub expires_at: SystemTime,
}

/// The public keys of an installation: all that a gateway process has. Clones share them, and see each change.
#[derive(Clone)]
pub struct VerifyingKeys {
    keys: watch::Receiver<Arc<[VerifyingKey]>>,
    believed: Arc<Believed>,
    /// Where they are asked for if they do not come by themselves.
    asking: Option<Asking>,
}

#[derive(Clone)]
pub(super) struct VerifyingKey {
    pub(super) kid: String,
    pub(super) key: DecodingKey,
}

/// Everything a token holds.
#[derive(Serialize, Deserialize)]
pub(super) struct Envelope<C> {
    pub(super) iss: String,
    pub(super) aud: Vec<String>,
    /// Unix seconds.
    pub(super) iat: u64,
    /// Unix seconds.
    pub(super) exp: u64,
    pub(super) kind: String,
    #[serde(flatten)]
    pub(super) claims: C,
}

/// The audience of tokens for one gateway alone.
pub(super) fn one_gateway(gateway: GatewayId) -> String {
    format!("gateway:{gateway}")
}

impl VerifyingKeys {
    pub(super) fn new(keys: watch::Receiver<Arc<[VerifyingKey]>>) -> Self {
        Self { keys, believed: Arc::default(), asking: None }
    }

    pub(super) fn following(keys: watch::Receiver<Arc<[VerifyingKey]>>, asking: Asking) -> Self {
        Self { keys, believed: Arc::default(), asking: Some(asking) }
    }

    /// The keys of a key set, as Ganymede publishes it, for good. Keys of another type than ours are passed over.
    #[cfg(test)]
    pub(super) fn from_jwks(jwks: &Jwks) -> Self {
        Self::new(watch::channel(VerifyingKey::of(jwks)).1)
    }

    /// Waits until these are as new as whoever signed `token`: a key that nobody here knows is asked for where keys are
    /// published. Whether the token is valid is for the functions below to say.
    ///
    /// # Errors
    /// Nobody knows the key, and it cannot be asked for now.
    pub async fn catch_up(&self, token: &str) -> Result<(), KeysUnavailable> {
        let Some(asking) = &self.asking else { return Ok(()) };
        match key_of(token) {
            Some(kid) if !self.knows(&kid) => asking.ask(kid).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Resolves when there are others than when it was last asked.
    #[cfg(test)]
    pub(super) async fn changed(&mut self) {
        self.keys.changed().await.expect("somebody publishes them");
    }

    pub(super) fn knows(&self, kid: &str) -> bool {
        self.keys.borrow().iter().any(|key| key.kid == kid)
    }

    /// Who shows an access token, at a gateway or at Ganymede.
    ///
    /// # Errors
    /// It is not one of ours for both audiences, or not any more.
    pub fn access(&self, token: &str, now: SystemTime) -> Result<Access, TokenError> {
        let keys = self.keys.borrow().clone();
        let signed = match self.believed.find(&keys, token) {
            Some(signed) => signed,
            None => {
                let signed = read(&keys, token, &[GATEWAY_AUDIENCE, GANYMEDE_AUDIENCE])?;
                self.believed.remember(&keys, token, &signed, now);
                signed
            }
        };
        let (AccessClaims { user, name, only_uses }, expires_at) = signed.at(now)?;
        Ok(Access { user, name, only_uses, expires_at })
    }

    /// Which gateway process shows a pool token. Whether it is still registered is the pool's to say.
    ///
    /// # Errors
    /// It is none of ours, or not any more.
    pub fn pool(&self, token: &str, now: SystemTime) -> Result<PoolClaims, TokenError> {
        self.verify(token, &[GANYMEDE_AUDIENCE], now).map(|(claims, _)| claims)
    }

    /// What a gateway serves. Whether its epoch is over is the pool's to say.
    ///
    /// # Errors
    /// It is none of ours, or not any more.
    pub fn gateway(&self, token: &str, now: SystemTime) -> Result<GatewayClaims, TokenError> {
        self.verify(token, &[GANYMEDE_AUDIENCE], now).map(|(claims, _)| claims)
    }

    /// Which container shows a token. Whether it is there, and of that generation, is its gateway's to say.
    ///
    /// # Errors
    /// It is none of ours, or not any more.
    pub fn container(&self, token: &str, now: SystemTime) -> Result<ContainerClaims, TokenError> {
        self.verify(token, &[GATEWAY_AUDIENCE], now).map(|(claims, _)| claims)
    }

    /// What a handshake is for, at the gateway `me`. Whether it was used is the pool's to say.
    ///
    /// # Errors
    /// It is none of ours, for another gateway, or too old.
    pub fn handshake(&self, token: &str, me: GatewayId, now: SystemTime) -> Result<HandshakeClaims, TokenError> {
        self.verify(token, &[&one_gateway(me)], now).map(|(claims, _)| claims)
    }

    /// What an order is about, at the gateway `me`.
    ///
    /// # Errors
    /// It is none of ours, for another gateway, or too old.
    pub fn order(&self, token: &str, me: GatewayId, now: SystemTime) -> Result<OrderClaims, TokenError> {
        self.verify(token, &[&one_gateway(me)], now).map(|(claims, _)| claims)
    }

    /// Whether whoever shows this holds the installation's keys.
    ///
    /// # Errors
    /// They do not.
    pub fn operator(&self, token: &str, now: SystemTime) -> Result<(), TokenError> {
        self.verify::<OperatorClaims>(token, &[GANYMEDE_AUDIENCE], now).map(drop)
    }

    /// What a token says now, and until when.
    pub(super) fn verify<K: Kind>(
        &self,
        token: &str,
        audiences: &[&str],
        now: SystemTime,
    ) -> Result<(K, SystemTime), TokenError> {
        let keys = self.keys.borrow().clone();
        read(&keys, token, audiences)?.at(now)
    }
}

/// A token that one of the keys has signed, and what it says, whatever time it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed<C> {
    pub(super) claims: C,
    pub(super) issued_at: SystemTime,
    pub(super) expires_at: SystemTime,
}

impl<C> Signed<C> {
    /// What it says `now`, and until when.
    fn at(self, now: SystemTime) -> Result<(C, SystemTime), TokenError> {
        if self.issued_at > now + CLOCK_AHEAD_MAX {
            return Err(TokenError::Invalid);
        }
        if now > self.expires_at + CLOCK_LEEWAY {
            return Err(TokenError::Expired);
        }
        Ok((self.claims, self.expires_at))
    }
}

/// Checks, in this order: length, `alg`, `kid`, signature, `iss`, `kind`, `aud`. What is right in all that and not in time is for
/// [`Signed::at`] to find, so that only a token that is right in all else is called expired.
fn read<K: Kind>(keys: &[VerifyingKey], token: &str, audiences: &[&str]) -> Result<Signed<K>, TokenError> {
    let kid = key_of(token).ok_or(TokenError::Invalid)?;
    let VerifyingKey { key, .. } = keys.iter().find(|key| key.kid == kid).ok_or(TokenError::Invalid)?;
    let decoded = jsonwebtoken::decode::<Envelope<K>>(token, key, &signature_only());
    let Envelope { iss, aud, iat, exp, kind, claims } = decoded.map_err(|_| TokenError::Invalid)?.claims;
    if iss != ISSUER || kind != K::NAME || aud != audiences {
        return Err(TokenError::Invalid);
    }
    let time = |seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).ok_or(TokenError::Invalid);
    Ok(Signed { claims, issued_at: time(iat)?, expires_at: time(exp)? })
}

impl VerifyingKey {
    pub(super) fn of(jwks: &Jwks) -> Arc<[Self]> {
        let key = |jwk: &super::Jwk| {
            let key = jwk.is_ours().then(|| DecodingKey::from_ed_components(jwk.x()).ok())??;
            Some(Self { kid: jwk.kid().to_owned(), key })
        };
        jwks.keys.iter().filter_map(key).collect()
    }
}

/// Which key a token claims to be signed with.
fn key_of(token: &str) -> Option<String> {
    if token.len() > TOKEN_BYTES_MAX {
        return None;
    }
    jsonwebtoken::decode_header(token).ok()?.kid
}

/// Everything but the signature and the algorithm is checked above, by the caller's clock.
fn signature_only() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    validation
}
