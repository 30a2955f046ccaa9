//! Signed tokens. Owns the signing keys and the one place where a token becomes a [`Principal`].
//!
//! Only Ganymede signs. Every kind of token has its own `kind` and its own audience, so that none of them can stand in
//! for another. The algorithm is pinned to EdDSA: what the header of a token claims selects a key, never an algorithm.

use std::{
    io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use aws_lc_rs::{
    digest,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use orrery_protocol::{
    access::{Principal, Role},
    id::{OrgId, ProjectId, UserId},
};
use serde::{Deserialize, Serialize};

use crate::private_file;

/// Who signs.
pub const ISSUER: &str = "orrery-ganymede";

/// Who an access token is for.
pub const GATEWAY_AUDIENCE: &str = "orrery-gateway";

const ACCESS_KIND: &str = "access";

/// Longest token that is looked at, in bytes. Ours are under 600.
const TOKEN_BYTES_MAX: usize = 4096;

/// Clocks of two hosts may differ by this much.
const CLOCK_LEEWAY_S: u64 = 5;

/// What a valid access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Who may do what.
    pub principal: Principal,
    /// From when on it may not: a socket that was opened with this token closes then.
    pub expires_at: SystemTime,
}

/// Why a token is refused. Deliberately coarse: a peer learns nothing about keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token of ours, whatever is wrong with it.
    #[error("the token is not valid")]
    Invalid,
    /// It was ours once.
    #[error("the token has expired")]
    Expired,
}

/// Why the keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("signing keys {}", path.display())]
    File {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("signing keys {} are damaged: {detail}", path.display())]
    Damaged {
        /// The key file.
        path: PathBuf,
        /// What is wrong; never the key.
        detail: String,
    },
    /// The system has no randomness to give.
    #[error("no signing key could be generated")]
    Generate,
}

/// The signing keys of one installation. The first signs; all of them verify, so that a key can be replaced while
/// tokens of the old one live on.
pub struct TokenKeys {
    keys: Vec<TokenKey>,
    validation: Validation,
}

struct TokenKey {
    kid: String,
    /// The public key, as a JWK's `x`.
    x: String,
    signing: EncodingKey,
    verifying: DecodingKey,
}

/// What `{data}/keys/signing.json` holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredKey {
    algorithm: String,
    /// PKCS#8 version 1, base64url.
    pkcs8: String,
}

/// A public key set (RFC 7517).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwks {
    /// Every key that verifies.
    pub keys: Vec<Jwk>,
}

/// One Ed25519 public key (RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwk {
    kty: &'static str,
    crv: &'static str,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
    kid: String,
    x: String,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    iat: u64,
    exp: u64,
    kind: String,
    sub: UserId,
    name: String,
    org: OrgId,
    project: ProjectId,
    role: Role,
}

impl TokenKeys {
    /// Where the keys of a data folder lie.
    pub fn path(data: &Path) -> PathBuf {
        data.join("keys").join("signing.json")
    }

    /// Reads the keys of a data folder; a missing file is an error.
    pub fn load(data: &Path) -> Result<Self, KeyError> {
        let path = Self::path(data);
        let text = std::fs::read(&path).map_err(|source| KeyError::File { path: path.clone(), source })?;
        let damaged = |detail: String| KeyError::Damaged { path: path.clone(), detail };
        // serde_json's message quotes at most a field name of ours; the values stay out of it.
        let file: KeyFile = serde_json::from_slice(&text)
            .map_err(|error| damaged(format!("line {}, column {}", error.line(), error.column())))?;
        let keys = file.keys.iter().map(TokenKey::read).collect::<Result<Vec<_>, _>>().map_err(damaged)?;
        if keys.is_empty() {
            return Err(damaged("no key in it".to_owned()));
        }
        Ok(Self { keys, validation: validation() })
    }

    /// Reads the keys of a data folder, and makes the first one if there is none. For `orrery up` only: every other
    /// role must refuse to start without keys.
    pub fn load_or_create(data: &Path) -> Result<Self, KeyError> {
        let path = Self::path(data);
        if !path.exists() {
            let pair = Ed25519KeyPair::generate().map_err(|_| KeyError::Generate)?;
            let pkcs8 = pair.to_pkcs8v1().map_err(|_| KeyError::Generate)?;
            let stored = StoredKey { algorithm: "EdDSA".to_owned(), pkcs8: URL_SAFE_NO_PAD.encode(pkcs8.as_ref()) };
            let text = serde_json::to_vec_pretty(&KeyFile { keys: vec![stored] }).map_err(|_| KeyError::Generate)?;
            private_file::create(&path, &text).map_err(|source| KeyError::File { path: path.clone(), source })?;
        }
        Self::load(data)
    }

    /// An access token for `principal`, valid from `now` for `ttl` (whole seconds, at least one).
    pub fn sign(&self, principal: &Principal, now: SystemTime, ttl: Duration) -> Result<String, TokenError> {
        let iat = now.duration_since(UNIX_EPOCH).map_err(|_| TokenError::Invalid)?.as_secs();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: GATEWAY_AUDIENCE.to_owned(),
            iat,
            exp: iat.saturating_add(ttl.as_secs().max(1)),
            kind: ACCESS_KIND.to_owned(),
            sub: principal.user,
            name: principal.name.clone(),
            org: principal.org,
            project: principal.project,
            role: principal.role,
        };
        let key = self.keys.first().ok_or(TokenError::Invalid)?;
        let header = Header { kid: Some(key.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &claims, &key.signing).map_err(|_| TokenError::Invalid)
    }

    /// Who an access token stands for. Checks, in this order: length, `alg`, `kid`, signature, `exp`, `iss`, `aud`, `kind`.
    pub fn verify(&self, token: &str) -> Result<Access, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Invalid)?;
        let kid = header.kid.ok_or(TokenError::Invalid)?;
        let key = self.keys.iter().find(|key| key.kid == kid).ok_or(TokenError::Invalid)?;
        let claims = jsonwebtoken::decode::<Claims>(token, &key.verifying, &self.validation)
            .map_err(|error| {
                let expired = matches!(error.kind(), jsonwebtoken::errors::ErrorKind::ExpiredSignature);
                if expired { TokenError::Expired } else { TokenError::Invalid }
            })?
            .claims;
        let expires_at = UNIX_EPOCH.checked_add(Duration::from_secs(claims.exp)).ok_or(TokenError::Invalid)?;
        if claims.kind != ACCESS_KIND {
            return Err(TokenError::Invalid);
        }
        let Claims { sub: user, name, role, org, project, .. } = claims;
        Ok(Access { principal: Principal { user, name, role, org, project }, expires_at })
    }

    /// The public keys, for `/.well-known/jwks.json`.
    pub fn jwks(&self) -> Jwks {
        let public = |key: &TokenKey| Jwk {
            kty: "OKP",
            crv: "Ed25519",
            alg: "EdDSA",
            usage: "sig",
            kid: key.kid.clone(),
            x: key.x.clone(),
        };
        Jwks { keys: self.keys.iter().map(public).collect() }
    }
}

impl TokenKey {
    /// `Err` says what is wrong without quoting the key.
    fn read(stored: &StoredKey) -> Result<Self, String> {
        if stored.algorithm != "EdDSA" {
            return Err(format!("unknown algorithm {:?}", stored.algorithm));
        }
        let pkcs8 = URL_SAFE_NO_PAD.decode(&stored.pkcs8).map_err(|_| "a key is not base64url")?;
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).map_err(|_| "a key is not an Ed25519 key")?;
        let public = pair.public_key().as_ref();
        let x = URL_SAFE_NO_PAD.encode(public);
        let verifying = DecodingKey::from_ed_components(&x).map_err(|_| "a key has no public part")?;
        Ok(Self { kid: thumbprint(&x), x, signing: EncodingKey::from_ed_der(&pkcs8), verifying })
    }
}

/// The key's name: its thumbprint (RFC 7638), so that one key has one name wherever it is read.
fn thumbprint(x: &str) -> String {
    let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
}

fn validation() -> Validation {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.leeway = CLOCK_LEEWAY_S;
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[GATEWAY_AUDIENCE]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    validation
}

#[cfg(test)]
mod tests;
